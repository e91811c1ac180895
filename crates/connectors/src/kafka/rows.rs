//! Messages as rows: the columns of the key beside those of the value.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;

use super::columns::Columns;
use super::format::Format;
use crate::format::BadRows;
use crate::format::message::{MessageDecoder, Messages};
use crate::{Error, Result};

/// Where a column of a row comes from.
#[derive(Debug, Clone, Copy)]
enum From {
    Key(usize),
    Value(usize),
}

/// Makes rows of messages.
pub(super) struct Rows {
    key: Option<Box<dyn MessageDecoder>>,
    /// None if all columns are in the key.
    value: Option<Box<dyn MessageDecoder>>,
    /// A column of the key that is NOT NULL.
    not_null_in_key: Option<String>,
    from: Vec<From>,
    schema: SchemaRef,
}

impl Rows {
    /// For the columns `wanted` of a table, which `schema` has. With all columns in the value, nothing is read of the key.
    pub(super) fn new(
        key: Option<&(Format, Columns)>,
        value: Option<&(Format, Columns)>,
        wanted: &[usize],
        schema: SchemaRef,
        batch_rows: usize,
    ) -> Result<Self> {
        let (mut in_key, mut in_value, mut from) = (Vec::new(), Vec::new(), Vec::new());
        let place = |of: Option<&(Format, Columns)>, column: &usize| {
            of.and_then(|(_, columns)| columns.places.iter().position(|place| place == column))
        };
        for column in wanted {
            if let Some(place) = place(value, column) {
                from.push(From::Value(in_value.len()));
                in_value.push(place);
            } else if let Some(place) = place(key, column) {
                from.push(From::Key(in_key.len()));
                in_key.push(place);
            }
        }
        let key_only = value.is_none();
        let read_key = key.filter(|_| key_only || !in_key.is_empty());
        let not_null = read_key.and_then(|(_, columns)| {
            in_key.iter().map(|place| columns.schema.field(*place)).find(|field| !field.is_nullable())
        });
        Ok(Self {
            not_null_in_key: not_null.map(|field| field.name().clone()),
            key: read_key.map(|(format, columns)| format.decoder(columns, &in_key, batch_rows)).transpose()?,
            value: value.map(|(format, columns)| format.decoder(columns, &in_value, batch_rows)).transpose()?,
            from,
            schema,
        })
    }

    /// Whether keys have to be kept.
    pub(super) fn reads_keys(&self) -> bool {
        self.key.is_some()
    }

    /// The rows of the messages that are not marked as bad afterwards.
    pub(super) fn make(&mut self, keys: &Messages, values: &Messages, bad: &mut BadRows) -> Result<RecordBatch> {
        let count = values.len();
        if self.value.is_some() {
            for row in (0..count).filter(|row| values.is_null(*row)) {
                bad.mark(row, || {
                    "it has no value (a tombstone): tables are append only, no row can be taken back".to_string()
                });
            }
        }
        // The rows of the key's batch, by message.
        let mut of_key = Vec::new();
        let key = match &mut self.key {
            Some(decoder) => {
                if let Some(column) = &self.not_null_in_key {
                    for row in (0..count).filter(|row| keys.is_null(*row)) {
                        bad.mark(row, || format!("it has no key, but column '{column}' is NOT NULL"));
                    }
                }
                let batch = decoder.decode(keys, bad)?;
                of_key = keys.wanted(bad);
                Some(batch)
            }
            None => None,
        };
        let value = self.value.as_mut().map(|decoder| decoder.decode(values, bad)).transpose()?;
        let good: Vec<usize> = (0..count).filter(|row| !bad.is_bad(*row)).collect();
        let key = key.map(|batch| align(&batch, &of_key, &good)).transpose()?;
        let column = |from: &From| match (from, &key, &value) {
            (From::Key(column), Some(columns), _) => Some(columns[*column].clone()),
            (From::Value(column), _, Some(batch)) => Some(batch.column(*column).clone()),
            _ => None,
        };
        let columns: Vec<ArrayRef> = self.from.iter().filter_map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(good.len()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(Error::arrow("making a batch of messages"))
    }
}

/// The columns of the rows `good`, of a batch that has the rows `of`: NULL where it has none, which is where there is no key.
fn align(batch: &RecordBatch, of: &[usize], good: &[usize]) -> Result<Vec<ArrayRef>> {
    if of == good {
        return Ok(batch.columns().to_vec());
    }
    let mut at = 0;
    let indexes: UInt32Array = good
        .iter()
        .map(|row| {
            while of.get(at).is_some_and(|found| found < row) {
                at += 1;
            }
            // A batch of messages has far fewer rows than this can count.
            (of.get(at) == Some(row)).then_some(at as u32)
        })
        .collect();
    let columns = batch.columns().iter().map(|column| take(column, &indexes, None));
    columns.collect::<Result<_, _>>().map_err(Error::arrow("putting keys beside values"))
}
