//! Prints rows as Flink's `print` does: `+I[1, abc, null]`.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use tidegate_options::{Kind, OptionDef, resolve};

use crate::blackhole::restored_rows;
use crate::format::zone;
use crate::{
    CONNECTOR_OPTION, Committed, ConnectorDef, Error, HandedOver, Result, Scan, ScanRequest, Sink, SinkRequest, Table,
    TableSpec,
};

const OPTIONS: &[OptionDef] = &[
    OptionDef::optional("print-identifier", Kind::Text, "A text in front of every row."),
    OptionDef::new("standard-error", Kind::Bool, "false", "Whether rows go to the standard error."),
];

/// Prints rows.
pub(crate) static PRINT: ConnectorDef = ConnectorDef {
    name: "print",
    doc: "Prints rows to the standard output. After a restart, rows since the last checkpoint are printed again.",
    source_options: &[],
    sink_options: &[CONNECTOR_OPTION, OPTIONS],
    make: |spec| Ok(Arc::new(Print::new(spec)?)),
};

#[derive(Debug)]
struct Print {
    name: String,
    identifier: String,
    to_error: bool,
}

impl Print {
    fn new(spec: &TableSpec) -> Result<Self> {
        let given = spec.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let options = resolve(&[CONNECTOR_OPTION, OPTIONS], given)
            .map_err(|source| Error::Option { table: spec.name.clone(), source })?;
        let identifier = options.text_opt("print-identifier").map(|text| format!("{text}> ")).unwrap_or_default();
        Ok(Self { name: spec.name.clone(), identifier, to_error: options.bool("standard-error") })
    }
}

impl Table for Print {
    fn is_bounded(&self) -> bool {
        true
    }

    fn scan(&self, _request: &ScanRequest) -> Result<Box<dyn Scan>> {
        Err(Error::write_only(&self.name, "print"))
    }

    fn sink(&self, request: &SinkRequest) -> Result<Box<dyn Sink>> {
        let sink =
            PrintSink { identifier: self.identifier.clone(), to_error: self.to_error, rows: restored_rows(request) };
        Ok(Box::new(sink))
    }
}

struct PrintSink {
    identifier: String,
    to_error: bool,
    rows: u64,
}

/// The rows as text, a line each.
fn format_rows(identifier: &str, batch: &RecordBatch) -> Result<String> {
    let options = FormatOptions::default().with_null("null").with_display_error(true);
    let batch =
        &zone::with_zones_of(batch, &zone::with_offsets(batch.schema_ref())).map_err(Error::arrow("printing rows"))?;
    let columns: Result<Vec<_>, _> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options)).collect();
    let columns = columns.map_err(Error::arrow("printing rows"))?;
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        text.push_str(identifier);
        text.push_str("+I[");
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                text.push_str(", ");
            }
            column.value(row).write(&mut text).map_err(Error::arrow("printing rows"))?;
        }
        text.push_str("]\n");
    }
    Ok(text)
}

impl Sink for PrintSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let text = format_rows(&self.identifier, batch)?;
        let written = match self.to_error {
            true => io::stderr().lock().write_all(text.as_bytes()),
            false => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            }
        };
        written.map_err(|source| Error::Io { action: "write to", path: "the standard output".to_string(), source })?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn prepare(&mut self) -> Result<Vec<u8>> {
        Ok(self.rows.to_le_bytes().to_vec())
    }

    fn commit(&mut self, _prepared: &[u8]) -> Result<Committed> {
        Ok(Committed { rows: self.rows, ..Committed::default() })
    }

    fn finish(&mut self) -> Result<Committed> {
        Ok(Committed { rows: self.rows, ..Committed::default() })
    }

    fn hand_over(&mut self, _last: bool) -> Result<HandedOver> {
        // Nothing is hidden.
        Ok(HandedOver { commit: None, restore: self.prepare()? })
    }

    fn carry(&mut self, _prepared: &[u8], _folder: &Path) -> Result<bool> {
        // Nothing is hidden.
        Ok(true)
    }

    fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMillisecondArray};

    #[test]
    fn rows_look_as_in_flink() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("a", Arc::new(Int64Array::from(vec![1, 2]))),
            ("b", Arc::new(StringArray::from(vec![Some("x, y"), None]))),
            ("c", Arc::new(Float64Array::from(vec![0.5, 2.0]))),
            ("d", Arc::new(TimestampMillisecondArray::from(vec![0, 1_488_371_696_789]))),
            ("e", Arc::new(TimestampMillisecondArray::from(vec![Some(0), None]).with_timezone("UTC"))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let expected = "out> +I[1, x, y, 0.5, 1970-01-01T00:00:00, 1970-01-01T00:00:00Z]\nout> +I[2, null, 2.0, 2017-03-01T12:34:56.789, null]\n";
        assert_eq!(format_rows("out> ", &batch).unwrap(), expected);
    }
}
