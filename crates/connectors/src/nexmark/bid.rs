//! Bids.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::events::{ColumnDef, EventKind, Rows, Rules, TIME, longs};
use super::random::{Field, TextColumn, extra_length};
use crate::Result;

pub(super) const COLUMNS: &[ColumnDef] = &[
    ColumnDef { name: "auction", data_type: DataType::Int64, make: |rules, rows| Ok(rules.auctions(rows)) },
    ColumnDef {
        name: "bidder",
        data_type: DataType::Int64,
        // The second of a hundred, so that hot bidders are not hot sellers.
        make: |rules, rows| Ok(rules.persons(rows, Field::Bidder, rules.bidders_hot_ratio, 1)),
    },
    ColumnDef {
        name: "price",
        data_type: DataType::Int64,
        make: |rules, rows| Ok(longs(rules.prices(rows, Field::Price))),
    },
    ColumnDef {
        name: "channel",
        data_type: DataType::Utf8,
        make: |rules, rows| rules.channels.names(rules.draws(Field::Channel), &rows.events),
    },
    ColumnDef {
        name: "url",
        data_type: DataType::Utf8,
        make: |rules, rows| rules.channels.urls(rules.draws(Field::Channel), &rows.events),
    },
    ColumnDef { name: "dateTime", data_type: TIME, make: |rules, rows| Ok(rules.times(rows)) },
    ColumnDef { name: "extra", data_type: DataType::Utf8, make: extras },
];

/// Beside its texts a bid has four numbers and times of eight bytes.
const NUMBER_BYTES: usize = 32;

fn extras(rules: &Rules, rows: &Rows) -> Result<ArrayRef> {
    let wanted = rules.event_bytes[EventKind::Bid as usize];
    let draws = rules.draws(Field::BidExtra);
    let mut column = TextColumn::new(rows.len(), wanted);
    for event in &rows.events {
        let bits = draws.at(*event);
        column.add(rules.letters.text(bits, extra_length(bits, NUMBER_BYTES, wanted)));
        column.end();
    }
    column.finish()
}
