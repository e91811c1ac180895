//! What a column means to time: carried through plans as field metadata, which projections keep.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::common::metadata::FieldMetadata;

const ROWTIME: &str = "tidegate.rowtime";
const WINDOW: &str = "tidegate.window";

/// The event time of a table: which column, and how far rows may come out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub(crate) struct Rowtime {
    /// The column.
    pub column: usize,
    /// The watermark is the greatest time so far less this, in milliseconds.
    pub delay_ms: i64,
}

/// Which edge of its window a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowEdge {
    /// `window_start`: groups, but does not tell when the window closes.
    Start,
    /// `window_end`: the window closes when the watermark reaches it.
    End,
    /// `window_time`, the last moment of the window. Rows come out of a window before the watermark passes it, so that as an
    /// event time it has no late rows.
    Last,
}

/// Marks a column as the event time, with its watermark's delay.
pub(crate) fn with_rowtime(field: Field, delay_ms: i64) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(ROWTIME.to_string(), delay_ms.to_string());
    field.with_metadata(metadata)
}

/// The column as an ordinary one: neither an event time nor an edge of a window.
pub(crate) fn ordinary(field: Field) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.remove(ROWTIME);
    metadata.remove(WINDOW);
    field.with_metadata(metadata)
}

/// The column as one that is no event time.
pub(crate) fn without_rowtime(field: Field) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.remove(ROWTIME);
    field.with_metadata(metadata)
}

/// The mark of an event time with this delay, as metadata; without one, the mark of a column that is none, which takes the
/// place of another mark.
pub(crate) fn rowtime_mark(delay_ms: Option<i64>) -> FieldMetadata {
    let mark = delay_ms.map_or_else(|| "none".to_string(), |delay| delay.to_string());
    FieldMetadata::from(HashMap::from([(ROWTIME.to_string(), mark)]))
}

/// The mark of a column that is neither an event time nor an edge of a window, which takes the place of another mark.
pub(crate) fn no_mark() -> FieldMetadata {
    FieldMetadata::from(HashMap::from([ROWTIME, WINDOW].map(|mark| (mark.to_string(), "none".to_string()))))
}

/// Marks a column as an edge of a window.
pub(crate) fn with_window_edge(field: Field, edge: WindowEdge) -> Field {
    let word = match edge {
        WindowEdge::Start => "start",
        WindowEdge::End => "end",
        WindowEdge::Last => "last",
    };
    let mut metadata = field.metadata().clone();
    metadata.insert(WINDOW.to_string(), word.to_string());
    field.with_metadata(metadata)
}

/// The event time among the columns of a schema: the first column marked as one.
pub(crate) fn rowtime(schema: &DFSchema) -> Option<Rowtime> {
    schema.fields().iter().enumerate().find_map(|(column, field)| Some(Rowtime { column, delay_ms: delay_ms(field)? }))
}

/// Whether a column is an event time or an edge of a window.
pub(crate) fn is_marked(field: &Field) -> bool {
    delay_ms(field).is_some() || window_edge(field).is_some()
}

/// Whether metadata says what a column means to time.
pub(crate) fn has_mark<'a>(metadata: impl IntoIterator<Item = (&'a String, &'a String)>) -> bool {
    metadata.into_iter().any(|(key, _)| key == ROWTIME || key == WINDOW)
}

/// The watermark's delay, if this column is an event time.
pub(crate) fn delay_ms(field: &Field) -> Option<i64> {
    field.metadata().get(ROWTIME)?.parse().ok()
}

/// The edge of a window that this column holds, if it does.
pub(crate) fn window_edge(field: &Field) -> Option<WindowEdge> {
    match field.metadata().get(WINDOW)?.as_str() {
        "start" => Some(WindowEdge::Start),
        "end" => Some(WindowEdge::End),
        "last" => Some(WindowEdge::Last),
        _ => None,
    }
}

/// How many of a timestamp type's units make a millisecond, as (multiply, divide); `None` for other types.
pub(crate) fn to_milliseconds(data_type: &DataType) -> Option<(i64, i64)> {
    match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => Some((1000, 1)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => Some((1, 1)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Some((1, 1000)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some((1, 1_000_000)),
        _ => None,
    }
}
