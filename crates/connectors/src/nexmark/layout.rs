//! What a declared table takes of the events: those of one kind with their columns, or all in one table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int32Array, StructArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Fields, Schema};

use super::events::{ColumnDef, EventKind, KINDS, Rows, Rules, TIME, times};
use super::{auction, bid, person};
use crate::error::did_you_mean;
use crate::{Error, Result};

/// The columns of a declared table, in its order.
pub(super) enum Layout {
    /// Events of one kind.
    Flat(EventKind, Vec<&'static ColumnDef>),
    /// All events: `event_type`, a row for each kind, which is NULL where the event is of another, and the time.
    Events(Vec<EventColumn>),
}

pub(super) enum EventColumn {
    Type,
    Time,
    /// The row of a kind: its declared fields, and how each is made.
    Row(EventKind, Fields, Vec<&'static ColumnDef>),
}

fn columns_of(kind: EventKind) -> &'static [ColumnDef] {
    match kind {
        EventKind::Person => person::COLUMNS,
        EventKind::Auction => auction::COLUMNS,
        EventKind::Bid => bid::COLUMNS,
    }
}

const EVENT_COLUMNS: [&str; 5] = ["event_type", "person", "auction", "bid", "dateTime"];

impl Layout {
    /// `kind`: `None` for a table of all events.
    pub(super) fn new(table: &str, kind: Option<EventKind>, schema: &Schema) -> Result<Self> {
        let wrong = |message| Error::declaration(table, None, message);
        match kind {
            Some(kind) => Ok(Self::Flat(kind, chosen(schema.fields(), kind, "").map_err(wrong)?)),
            None => {
                let column = |field: &Arc<Field>| event_column(field).map_err(wrong);
                Ok(Self::Events(schema.fields().iter().map(column).collect::<Result<_>>()?))
            }
        }
    }

    /// Some of the columns, of some rows.
    pub(super) fn make(&self, rules: &Rules, columns: &[usize], first: u64, count: usize) -> Result<Vec<ArrayRef>> {
        match self {
            Self::Flat(kind, defs) => {
                let rows = rules.rows(*kind, first, count);
                columns.iter().map(|column| (defs[*column].make)(rules, &rows)).collect()
            }
            Self::Events(all) => {
                let events = first..first + count as u64;
                let column = |column: &usize| match &all[*column] {
                    EventColumn::Type => {
                        let types = events.clone().map(|event| rules.kind(event) as i32);
                        Ok(Arc::new(Int32Array::from_iter_values(types)) as ArrayRef)
                    }
                    EventColumn::Time => Ok(times(rules.times_ms(events.clone()))),
                    EventColumn::Row(kind, fields, defs) => row(rules, *kind, fields, defs, first, count),
                };
                columns.iter().map(column).collect()
            }
        }
    }
}

/// How the declared columns of a kind are made. Names are compared without their case, as `datetime` and `dateTime` are.
fn chosen(fields: &Fields, kind: EventKind, within: &str) -> Result<Vec<&'static ColumnDef>, String> {
    let known = columns_of(kind);
    let choose = |field: &Arc<Field>| {
        let name = field.name();
        let Some(def) = known.iter().find(|def| def.name.eq_ignore_ascii_case(name)) else {
            let hint = did_you_mean(name, known.iter().map(|def| def.name));
            return Err(format!("column '{within}{name}': nexmark has no such column{hint}"));
        };
        if *field.data_type() != def.data_type {
            return Err(wrong_type(&format!("{within}{name}"), &def.data_type));
        }
        Ok(def)
    };
    fields.iter().map(choose).collect()
}

fn event_column(field: &Field) -> Result<EventColumn, String> {
    let name = field.name();
    let kind = match EVENT_COLUMNS.iter().position(|known| known.eq_ignore_ascii_case(name)) {
        Some(0) if *field.data_type() == DataType::Int32 => return Ok(EventColumn::Type),
        Some(0) => return Err(wrong_type(name, &DataType::Int32)),
        Some(4) if *field.data_type() == TIME => return Ok(EventColumn::Time),
        Some(4) => return Err(wrong_type(name, &TIME)),
        Some(place) => KINDS[place - 1],
        None => {
            let hint = did_you_mean(name, EVENT_COLUMNS);
            return Err(format!("column '{name}': nexmark has no such column in a table of all events{hint}"));
        }
    };
    match field.data_type() {
        DataType::Struct(fields) => {
            Ok(EventColumn::Row(kind, fields.clone(), chosen(fields, kind, &format!("{name}."))?))
        }
        _ => Err(format!("column '{name}' of a table of all events is a ROW<…> of that event's columns")),
    }
}

fn wrong_type(name: &str, wanted: &DataType) -> String {
    let wanted = match wanted {
        DataType::Int32 => "INT",
        DataType::Int64 => "BIGINT",
        DataType::Utf8 => "STRING",
        _ => "TIMESTAMP(3)",
    };
    format!("column '{name}' of nexmark is of type {wanted}")
}

/// The events of a kind at their places among others, where the row is NULL.
fn row(
    rules: &Rules,
    kind: EventKind,
    fields: &Fields,
    defs: &[&'static ColumnDef],
    first: u64,
    count: usize,
) -> Result<ArrayRef> {
    let before = rules.rows_before(kind, first);
    let rows: Rows = rules.rows(kind, before, (rules.rows_before(kind, first + count as u64) - before) as usize);
    let mut places: Vec<Option<u32>> = vec![None; count];
    for (row, event) in rows.events.iter().enumerate() {
        places[(event - first) as usize] = Some(row as u32);
    }
    let places = UInt32Array::from(places);
    let arrow = || Error::arrow("rows of nexmark");
    let columns: Result<Vec<ArrayRef>> =
        defs.iter().map(|def| take(&(def.make)(rules, &rows)?, &places, None).map_err(arrow())).collect();
    let row = StructArray::try_new_with_length(fields.clone(), columns?, places.nulls().cloned(), count);
    Ok(Arc::new(row.map_err(arrow())?))
}
