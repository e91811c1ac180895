//! Writes messages of Avro.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::CastOptions;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_avro::errors::AvroError;
use arrow_avro::schema::{FingerprintStrategy, SCHEMA_METADATA_KEY};
use arrow_avro::writer::format::{AvroBinaryFormat, AvroSoeFormat};
use arrow_avro::writer::{Encoder, WriterBuilder};

use super::decoder::Framing;
use super::schema::{avro_columns, avro_schema};
use crate::format::message::{MessageEncoder, Messages};
use crate::format::zone::convert;
use crate::{Error, Result};

/// Writes rows as messages of the schema that the table's columns give.
pub(crate) struct AvroEncoder {
    framing: Framing,
    /// The name of the schema in the registry.
    subject: String,
    text: String,
    /// The columns in Avro's types.
    columns: SchemaRef,
    encoder: Option<Encoder>,
}

impl AvroEncoder {
    /// For rows of a schema, which gets the name `subject` in the registry, if there is one.
    pub(crate) fn new(framing: Framing, subject: String, schema: &Schema) -> Self {
        let text = avro_schema(schema);
        let metadata = [(SCHEMA_METADATA_KEY.to_string(), text.clone())].into_iter().collect();
        let columns = Arc::new(avro_columns(schema).with_metadata(metadata));
        Self { framing, subject, text, columns, encoder: None }
    }

    /// The schema is registered with the first rows.
    fn encoder(&mut self) -> Result<&mut Encoder> {
        if self.encoder.is_none() {
            let builder = WriterBuilder::new(self.columns.as_ref().clone());
            let built = match &self.framing {
                Framing::Plain => builder.build_encoder::<AvroBinaryFormat>(),
                Framing::Registry(registry) => {
                    let id = registry.register(&self.subject, &self.text)?;
                    builder.with_fingerprint_strategy(FingerprintStrategy::Id(id)).build_encoder::<AvroSoeFormat>()
                }
            };
            self.encoder = Some(built.map_err(wrong)?);
        }
        self.encoder.as_mut().ok_or_else(|| wrong(AvroError::General("there is no encoder".to_string())))
    }
}

fn wrong(source: AvroError) -> Error {
    Error::arrow("writing Avro")(ArrowError::from(source))
}

impl MessageEncoder for AvroEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Messages) -> Result<()> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let fields = self.columns.fields().iter();
        let columns =
            batch.columns().iter().zip(fields).map(|(column, field)| convert(column, field.data_type(), &options));
        let converted = columns.collect::<Result<Vec<_>, _>>().map_err(Error::arrow("writing Avro"))?;
        let batch = RecordBatch::try_new(self.columns.clone(), converted).map_err(Error::arrow("writing Avro"))?;
        let encoder = self.encoder()?;
        encoder.encode(&batch).map_err(wrong)?;
        for row in encoder.flush().iter() {
            out.push(Some(&row));
        }
        Ok(())
    }
}
