//! Writes rows that are there at once, and again after a crash.

use arrow::array::RecordBatch;
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;
use rdkafka::util::Timeout;

use super::encode::RowEncoder;
use super::producer::Outlet;
use super::{Guarantee, KafkaTable};
use crate::blackhole::restored_rows;
use crate::{Committed, Error, Result, Sink, SinkRequest};

/// Writes without transactions.
pub(super) struct DirectSink {
    outlet: Outlet,
    encoder: RowEncoder,
    /// Whether a checkpoint waits until what was written has arrived.
    waits: bool,
    rows: u64,
    bytes: u64,
}

impl DirectSink {
    pub(super) fn open(table: &KafkaTable, request: &SinkRequest) -> Result<Self> {
        let mut config = table.properties.producer();
        let waits = table.guarantee == Guarantee::AtLeastOnce;
        if waits {
            table.properties.default(&mut config, "enable.idempotence", "true");
        }
        let outlet = Outlet::open(table, &config)?;
        Ok(Self { outlet, encoder: RowEncoder::new(table)?, waits, rows: restored_rows(request), bytes: 0 })
    }

    fn failed(&self, source: KafkaError) -> Error {
        self.outlet.cluster.failed(format!("write to the topic '{}' of", self.outlet.topic), source)
    }

    /// Waits until all messages are delivered, or one is given up.
    fn flush(&mut self) -> Result<()> {
        // Not for ever: the client gives a message up after `delivery.timeout.ms`.
        self.outlet.client.flush(Timeout::Never).map_err(|source| self.failed(source))?;
        match self.outlet.cluster.listener.lost() {
            Some(source) => Err(self.failed(source)),
            None => Ok(()),
        }
    }
}

impl Sink for DirectSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.encoder.encode(batch)?;
        for row in 0..self.encoder.values.len() {
            let (key, value) = (self.encoder.keys.get(row), self.encoder.values.get(row));
            if let Err(source) = self.outlet.send(key, value) {
                return Err(self.failed(source));
            }
        }
        self.rows += batch.num_rows() as u64;
        self.bytes += (self.encoder.keys.bytes_len() + self.encoder.values.bytes_len()) as u64;
        self.outlet.listen();
        match self.outlet.cluster.listener.lost() {
            Some(source) if self.waits => Err(self.failed(source)),
            _ => Ok(()),
        }
    }

    fn prepare(&mut self) -> Result<Vec<u8>> {
        if self.waits {
            self.flush()?;
        }
        Ok(self.rows.to_le_bytes().to_vec())
    }

    fn commit(&mut self, _prepared: &[u8]) -> Result<Committed> {
        Ok(Committed { rows: self.rows, bytes: self.bytes, ..Committed::default() })
    }

    fn finish(&mut self) -> Result<Committed> {
        self.flush()?;
        self.commit(&[])
    }

    fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}
