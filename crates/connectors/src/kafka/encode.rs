//! Rows as keys and values of messages.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::KafkaTable;
use super::columns::Columns;
use super::format::Side;
use crate::format::conform;
use crate::format::message::{MessageEncoder, Messages};
use crate::{Error, Result};

/// Turns rows into messages.
pub(super) struct RowEncoder {
    table: String,
    schema: SchemaRef,
    key: Option<(Box<dyn MessageEncoder>, Columns)>,
    value: Option<(Box<dyn MessageEncoder>, Columns)>,
    pub(super) keys: Messages,
    pub(super) values: Messages,
}

impl RowEncoder {
    pub(super) fn new(table: &KafkaTable) -> Result<Self> {
        let topic = table.topics[0].as_str();
        let encoder = |side, of: &Option<(super::format::Format, Columns)>| {
            let Some((format, columns)) = of else { return Ok(None) };
            Ok(Some((format.encoder(&table.name, columns, topic, side)?, columns.clone())))
        };
        Ok(Self {
            table: table.name.clone(),
            schema: table.schema.clone(),
            key: encoder(Side::Key, &table.key)?,
            value: encoder(Side::Value, &table.value)?,
            keys: Messages::default(),
            values: Messages::default(),
        })
    }

    /// Makes `keys` and `values` those of a batch: as many of both as it has rows. What has no column has no bytes.
    pub(super) fn encode(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = conform(&self.table, &self.schema, batch)?;
        for (of, out) in [(&mut self.key, &mut self.keys), (&mut self.value, &mut self.values)] {
            out.clear();
            match of {
                Some((encoder, columns)) => {
                    let part = batch.project(&columns.places).map_err(Error::arrow("the columns of messages"))?;
                    // By the names that they have in the messages.
                    let part = RecordBatch::try_new(columns.schema.clone(), part.columns().to_vec())
                        .map_err(Error::arrow("the columns of messages"))?;
                    encoder.encode(&part, out)?;
                }
                None => (0..batch.num_rows()).for_each(|_| out.push(None)),
            }
        }
        Ok(())
    }
}
