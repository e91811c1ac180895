//! Takes rows and drops them; for measuring what is before it.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use tidegate_options::resolve;

use crate::{
    CONNECTOR_OPTION, Committed, ConnectorDef, Error, HandedOver, Result, Scan, ScanRequest, Sink, SinkRequest, Table,
    TableSpec,
};

/// Takes rows and drops them.
pub(crate) static BLACKHOLE: ConnectorDef = ConnectorDef {
    name: "blackhole",
    doc: "Takes rows, counts them and drops them.",
    source_options: &[],
    sink_options: &[CONNECTOR_OPTION],
    make: |spec| Ok(Arc::new(Blackhole::new(spec)?)),
};

#[derive(Debug)]
struct Blackhole {
    name: String,
}

impl Blackhole {
    fn new(spec: &TableSpec) -> Result<Self> {
        let given = spec.options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        resolve(&[CONNECTOR_OPTION], given).map_err(|source| Error::Option { table: spec.name.clone(), source })?;
        Ok(Self { name: spec.name.clone() })
    }
}

impl Table for Blackhole {
    fn is_bounded(&self) -> bool {
        true
    }

    fn scan(&self, _request: &ScanRequest) -> Result<Box<dyn Scan>> {
        Err(Error::write_only(&self.name, "blackhole"))
    }

    fn sink(&self, request: &SinkRequest) -> Result<Box<dyn Sink>> {
        Ok(Box::new(CountingSink { rows: restored_rows(request) }))
    }
}

struct CountingSink {
    rows: u64,
}

/// The number of rows that a sink without files had taken at the checkpoint.
pub(crate) fn restored_rows(request: &SinkRequest) -> u64 {
    let bytes = request.restore.as_deref().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    bytes.map_or(0, u64::from_le_bytes)
}

impl Sink for CountingSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
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
