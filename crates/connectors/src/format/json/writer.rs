//! Writes JSON lines.

use arrow::array::{RecordBatch, StringArray};
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;

use crate::format::text::TextEncoder;
use crate::format::zone;
use crate::{Error, Result};

/// Turns batches into JSON lines. A NULL is left out; a number that JSON has no form for, such as NaN, is null.
pub(crate) struct JsonEncoder;

impl TextEncoder for JsonEncoder {
    fn header(&self) -> Vec<u8> {
        Vec::new()
    }

    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let mut writer = WriterBuilder::new()
            .with_timestamp_format("%Y-%m-%d %H:%M:%S%.f".to_string())
            .with_timestamp_tz_format("%Y-%m-%d %H:%M:%S%.fZ".to_string())
            .build::<_, LineDelimited>(out);
        let written =
            zone::with_zones_of(batch, &zone::with_offsets(batch.schema_ref())).and_then(|batch| writer.write(&batch));
        written.map_err(Error::arrow("writing JSON"))
    }

    fn accepts_header(&self, _first_line: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// Each row as the line that the format `json` has for it.
///
/// # Errors
/// A column is of a type that has no form in JSON.
pub fn json_rows(batch: &RecordBatch) -> Result<StringArray> {
    let mut lines = Vec::new();
    JsonEncoder.encode(batch, &mut lines)?;
    // Text in JSON has its line ends escaped.
    Ok(String::from_utf8_lossy(&lines).lines().map(Some).collect())
}
