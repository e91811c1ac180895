//! Questions to a session, and answers as columns.

use std::cell::RefCell;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef, TimeUnit, TimestampMillisecondType};
use tidegate_engine::{Error, Observer, Progress, Session};
use tidegate_sql::{Parameters, parse_script};

/// What a query gave.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    rows: RecordBatch,
}

/// Runs queries, and shows how far they are.
pub(super) struct Asker<'a> {
    pub(super) session: &'a mut Session,
    pub(super) observer: &'a dyn Observer,
}

impl Asker<'_> {
    /// Runs a statement. Its rows are the answer.
    pub(super) fn ask(&mut self, sql: &str) -> Result<Answer, Error> {
        let script = parse_script("report", sql, &Parameters::default())?;
        let kept = Kept { rows: RefCell::default(), observer: self.observer };
        for statement in &script.statements {
            self.session.execute(&script.source, statement, &kept)?;
        }
        let (schema, batches) =
            kept.rows.into_inner().unwrap_or_else(|| (SchemaRef::new(arrow::datatypes::Schema::empty()), Vec::new()));
        let rows = concat_batches(&schema, &batches).map_err(|error| Error::Usage(error.to_string()))?;
        Ok(Answer { rows })
    }
}

/// Keeps rows, and passes progress on.
struct Kept<'a> {
    rows: RefCell<Option<(SchemaRef, Vec<RecordBatch>)>>,
    observer: &'a dyn Observer,
}

impl Observer for Kept<'_> {
    fn rows(&self, schema: &SchemaRef, batches: &[RecordBatch]) {
        self.rows.replace(Some((schema.clone(), batches.to_vec())));
    }

    fn progress(&self, progress: &Progress) {
        self.observer.progress(progress);
    }

    fn warning(&self, message: &str) {
        self.observer.warning(message);
    }

    fn should_stop(&self) -> bool {
        self.observer.should_stop()
    }
}

impl Answer {
    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// The names of its columns.
    pub(super) fn columns(&self) -> Vec<String> {
        self.rows.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// The type of a column.
    pub(super) fn data_type(&self, column: &str) -> Option<DataType> {
        self.rows.schema_ref().field_with_name(column).ok().map(|field| field.data_type().clone())
    }

    fn as_type(&self, column: &str, wanted: &DataType) -> Option<arrow::array::ArrayRef> {
        cast(self.rows.column_by_name(column)?, wanted).ok()
    }

    /// A column as numbers; `None` where there is none.
    pub(super) fn numbers(&self, column: &str) -> Vec<Option<f64>> {
        match self.as_type(column, &DataType::Float64) {
            Some(array) => array.as_primitive::<Float64Type>().iter().collect(),
            None => vec![None; self.len()],
        }
    }

    /// A column as counts; 0 where there is none.
    pub(super) fn counts(&self, column: &str) -> Vec<u64> {
        match self.as_type(column, &DataType::Int64) {
            Some(array) => array
                .as_primitive::<Int64Type>()
                .iter()
                .map(|count| count.unwrap_or(0).try_into().unwrap_or(0))
                .collect(),
            None => vec![0; self.len()],
        }
    }

    /// A column of times: milliseconds since 1970-01-01 UTC.
    pub(super) fn times(&self, column: &str) -> Vec<Option<i64>> {
        match self.as_type(column, &DataType::Timestamp(TimeUnit::Millisecond, None)) {
            Some(array) => array.as_primitive::<TimestampMillisecondType>().iter().collect(),
            None => vec![None; self.len()],
        }
    }

    /// A column as texts; empty where there is none.
    pub(super) fn texts(&self, column: &str) -> Vec<String> {
        match self.as_type(column, &DataType::Utf8) {
            Some(array) => array.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_string()).collect(),
            None => vec![String::new(); self.len()],
        }
    }

    /// A column of flags; false where there is none.
    pub(super) fn flags(&self, column: &str) -> Vec<bool> {
        match self.as_type(column, &DataType::Boolean) {
            Some(array) => array.as_boolean().iter().map(|flag| flag.unwrap_or(false)).collect(),
            None => vec![false; self.len()],
        }
    }

    /// The entries of a map in a row, in their order, as texts; empty if there is no such map.
    pub(super) fn map(&self, column: &str, row: usize) -> Vec<(String, String)> {
        let Some(maps) = self.rows.column_by_name(column).and_then(|array| array.as_map_opt()) else {
            return Vec::new();
        };
        if row >= maps.len() || maps.is_null(row) {
            return Vec::new();
        }
        let entries = maps.value(row);
        let text = |i: usize| cast(entries.column(i), &DataType::Utf8).ok();
        let (Some(keys), Some(values)) = (text(0), text(1)) else { return Vec::new() };
        let pairs = keys.as_string::<i32>().iter().zip(values.as_string::<i32>().iter());
        pairs.map(|(key, value)| (key.unwrap_or_default().to_string(), value.unwrap_or_default().to_string())).collect()
    }
}

/// A name as SQL has it, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
