//! New auctions.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::events::{ColumnDef, EventKind, Rows, Rules, TIME, ids, longs, times};
use super::random::{Field, TextColumn, below, extra_length, text_length};
use crate::Result;

pub(super) const COLUMNS: &[ColumnDef] = &[
    ColumnDef { name: "id", data_type: DataType::Int64, make: |_, rows| Ok(ids((rows.first..).take(rows.len()))) },
    ColumnDef {
        name: "itemName",
        data_type: DataType::Utf8,
        make: |rules, rows| texts(rules, rows, Field::ItemName, ITEM_NAME_BYTES_MAX),
    },
    ColumnDef {
        name: "description",
        data_type: DataType::Utf8,
        make: |rules, rows| texts(rules, rows, Field::Description, DESCRIPTION_BYTES_MAX),
    },
    ColumnDef {
        name: "initialBid",
        data_type: DataType::Int64,
        make: |rules, rows| Ok(longs(rules.prices(rows, Field::InitialBid))),
    },
    ColumnDef { name: "reserve", data_type: DataType::Int64, make: reserves },
    ColumnDef { name: "dateTime", data_type: TIME, make: |rules, rows| Ok(rules.times(rows)) },
    ColumnDef { name: "expires", data_type: TIME, make: expiries },
    ColumnDef {
        name: "seller",
        data_type: DataType::Int64,
        make: |rules, rows| Ok(rules.persons(rows, Field::Seller, rules.sellers_hot_ratio, 0)),
    },
    ColumnDef { name: "category", data_type: DataType::Int64, make: categories },
    ColumnDef { name: "extra", data_type: DataType::Utf8, make: extras },
];

const ITEM_NAME_BYTES_MAX: u64 = 20;
const DESCRIPTION_BYTES_MAX: u64 = 100;
const FIRST_CATEGORY: i64 = 10;
const CATEGORIES: u64 = 5;

fn texts(rules: &Rules, rows: &Rows, field: Field, bytes_max: u64) -> Result<ArrayRef> {
    let draws = rules.draws(field);
    let mut column = TextColumn::new(rows.len(), bytes_max as usize);
    for event in &rows.events {
        let bits = draws.at(*event);
        column.add(rules.letters.text(bits, text_length(bits, bytes_max)));
        column.end();
    }
    column.finish()
}

/// The first bid, and as much again as another would be.
fn reserves(rules: &Rules, rows: &Rows) -> Result<ArrayRef> {
    let mut prices = rules.prices(rows, Field::InitialBid);
    prices.iter_mut().zip(rules.prices(rows, Field::Reserve)).for_each(|(price, more)| *price += more);
    Ok(longs(prices))
}

/// An auction is open for up to twice the time in which as many begin as are open at once.
fn expiries(rules: &Rules, rows: &Rows) -> Result<ArrayRef> {
    let draws = rules.draws(Field::Expires);
    let begin = rules.times_ms(rows.events.iter().copied());
    let open = rules.open_events();
    let later = rules.times_ms(rows.events.iter().map(|event| event.saturating_add(open)));
    let expiry = |((begin, later), event): ((&i64, i64), &u64)| {
        let horizon_ms = later.saturating_sub(*begin).unsigned_abs();
        begin.saturating_add_unsigned(1 + below(draws.at(*event), (2 * horizon_ms).max(1)))
    };
    Ok(times(begin.iter().zip(later).zip(&rows.events).map(expiry).collect()))
}

fn categories(rules: &Rules, rows: &Rows) -> Result<ArrayRef> {
    let draws = rules.draws(Field::Category);
    let category = |event: &u64| FIRST_CATEGORY + below(draws.at(*event), CATEGORIES) as i64;
    Ok(longs(rows.events.iter().map(category).collect()))
}

fn extras(rules: &Rules, rows: &Rows) -> Result<ArrayRef> {
    let wanted = rules.event_bytes[EventKind::Auction as usize];
    let (extra, name, description) =
        (rules.draws(Field::AuctionExtra), rules.draws(Field::ItemName), rules.draws(Field::Description));
    let mut column = TextColumn::new(rows.len(), wanted);
    for event in &rows.events {
        let name = text_length(name.at(*event), ITEM_NAME_BYTES_MAX);
        let description = text_length(description.at(*event), DESCRIPTION_BYTES_MAX);
        let bits = extra.at(*event);
        // Beside its texts an auction has six numbers and times of eight bytes.
        column.add(rules.letters.text(bits, extra_length(bits, 6 * 8 + name + description, wanted)));
        column.end();
    }
    column.finish()
}
