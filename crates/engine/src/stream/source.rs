//! A source of a dataflow, read ahead by a thread of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, max};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMillisecondType};
use serde::{Deserialize, Serialize};
use tidegate_connectors::{BadRecord, Position, Scan};

use super::operator::BEFORE_ALL;
use super::spill::SpillReader;
use crate::batch::scan::with_schema;
use crate::catalog::monitor::{SourceMonitor, storage};
use crate::plan::attribute::Rowtime;
use crate::{Error, Result, SourceReport};

/// Batches that may wait between the thread that reads and the round.
const BATCHES_AHEAD: usize = 4;

/// Where a source reads from.
#[derive(Clone)]
pub(crate) enum Input {
    /// A table of a connector.
    Table { name: String, scan: Arc<dyn Scan>, monitor: Arc<SourceMonitor>, bounded: bool },
    /// A stage computed before the stream began.
    Stage { path: PathBuf },
}

/// How far a source has been read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The part being read, and where in it. For a stage, the offset stands in for the part.
    place: Place,
    ended: bool,
    watermark: i64,
    counts: (u64, u64, u64),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Place {
    Start,
    Table { part: u64, position: Option<Position> },
    Stage { offset: u64 },
}

/// What the thread sends: a batch, and where the source stands after it. Counts and dead letters travel along, so that they
/// take effect in the round that takes the batch, and a checkpoint holds just what was taken.
struct Arrival {
    batch: RecordBatch,
    place: Place,
    bytes: u64,
    bad: Vec<BadRecord>,
}

/// A source being read.
pub(crate) struct Source {
    input: Input,
    schema: SchemaRef,
    rowtime: Option<Rowtime>,
    progress: Progress,
    arrivals: Option<Receiver<Result<Arrival>>>,
}

/// What a source has to give at this moment.
pub(crate) enum Next {
    /// A batch, and the watermark after it.
    Batch(RecordBatch, i64),
    /// Nothing yet.
    Wait,
    /// Nothing any more.
    End,
}

impl Source {
    pub(crate) fn new(input: Input, schema: SchemaRef, rowtime: Option<Rowtime>) -> Self {
        let progress = Progress { place: Place::Start, ended: false, watermark: BEFORE_ALL, counts: (0, 0, 0) };
        Self { input, schema, rowtime, progress, arrivals: None }
    }

    /// Begins to read, from the start or from where a checkpoint says.
    pub(crate) fn start(&mut self, from: Option<Progress>) {
        if let Some(progress) = from {
            self.progress = progress;
        }
        if let Input::Table { name, monitor, .. } = &self.input {
            monitor.begin_scan();
            let (rows, bytes, bad) = self.progress.counts;
            monitor.restore(&SourceReport { table: name.clone(), scans: 1, rows, bytes, bad });
        }
        if self.progress.ended {
            return;
        }
        let (sender, receiver) = sync_channel(BATCHES_AHEAD);
        let (input, place) = (self.input.clone(), self.progress.place.clone());
        self.arrivals = Some(receiver);
        std::thread::spawn(move || {
            if let Err(error) = read(&input, &place, &sender) {
                // Nobody listens when the job has already ended.
                let _ = sender.send(Err(error));
            }
        });
    }

    /// Whether its input ends.
    pub(crate) fn is_bounded(&self) -> bool {
        match &self.input {
            Input::Table { bounded, .. } => *bounded,
            Input::Stage { .. } => true,
        }
    }

    /// Whether its rows have an event time, which its watermark follows.
    pub(crate) fn has_time(&self) -> bool {
        self.rowtime.is_some()
    }

    /// No row before this is expected.
    pub(crate) fn watermark(&self) -> i64 {
        self.progress.watermark
    }

    /// What there is; waits for it up to `patience`.
    pub(crate) fn next(&mut self, patience: Duration) -> Result<Next> {
        let Some(arrivals) = &self.arrivals else { return Ok(Next::End) };
        let arrival = match arrivals.try_recv() {
            Ok(arrival) => arrival?,
            Err(TryRecvError::Disconnected) => return Ok(self.end()),
            Err(TryRecvError::Empty) => match arrivals.recv_timeout(patience) {
                Ok(arrival) => arrival?,
                Err(RecvTimeoutError::Timeout) => return Ok(Next::Wait),
                Err(RecvTimeoutError::Disconnected) => return Ok(self.end()),
            },
        };
        self.progress.place = arrival.place;
        if let Input::Table { monitor, .. } = &self.input {
            monitor.add(arrival.batch.num_rows() as u64, arrival.bytes, &arrival.bad)?;
        }
        let batch = with_schema(arrival.batch, &self.schema)?;
        if let Some(rowtime) = self.rowtime
            && let Some(latest) = latest_ms(&batch, rowtime.column)?
        {
            self.progress.watermark = self.progress.watermark.max(latest.saturating_sub(rowtime.delay_ms));
        }
        Ok(Next::Batch(batch, self.progress.watermark))
    }

    fn end(&mut self) -> Next {
        self.progress.ended = true;
        self.arrivals = None;
        Next::End
    }

    /// Where it stands between rounds.
    pub(crate) fn snapshot(&mut self) -> Progress {
        if let Input::Table { name, monitor, .. } = &self.input
            && let Some(report) = monitor.report(name)
        {
            self.progress.counts = (report.rows, report.bytes, report.bad);
        }
        self.progress.clone()
    }

    /// What a progress bar wants to know: rows in all and bytes in all, where known.
    pub(crate) fn totals(&self) -> (Option<u64>, Option<u64>) {
        match &self.input {
            Input::Table { scan, .. } => (scan.total_rows(), scan.total_bytes()),
            Input::Stage { .. } => (None, None),
        }
    }
}

fn latest_ms(batch: &RecordBatch, column: usize) -> Result<Option<i64>> {
    let time = cast(batch.column(column), &DataType::Timestamp(TimeUnit::Millisecond, None))?;
    Ok(max(time.as_primitive::<TimestampMillisecondType>()))
}

/// Reads the input to its end, in order. Ends early without an error when nobody listens.
fn read(input: &Input, place: &Place, sender: &SyncSender<Result<Arrival>>) -> Result<()> {
    match input {
        Input::Table { scan, .. } => {
            let (first, mut position) = match place {
                Place::Table { part, position } => (*part as usize, position.clone()),
                _ => (0, None),
            };
            for part in first..scan.parts() {
                let mut reader = scan.open(part, position.as_ref()).map_err(storage)?;
                position = None;
                let mut bytes_before = None;
                while let Some(chunk) = reader.next().map_err(storage)? {
                    let bytes = chunk.bytes.saturating_sub(bytes_before.unwrap_or_default());
                    bytes_before = Some(chunk.bytes);
                    let place = Place::Table { part: part as u64, position: Some(chunk.position) };
                    if sender.send(Ok(Arrival { batch: chunk.batch, place, bytes, bad: chunk.bad })).is_err() {
                        return Ok(());
                    }
                }
            }
        }
        Input::Stage { path } => {
            let offset = match place {
                Place::Stage { offset } => *offset,
                _ => 0,
            };
            let mut reader = SpillReader::open(path, offset)?;
            while let Some((batch, offset)) = reader.next()? {
                let arrival = Arrival { batch, place: Place::Stage { offset }, bytes: 0, bad: Vec::new() };
                if sender.send(Ok(arrival)).is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

impl From<tidegate_connectors::Error> for Error {
    fn from(error: tidegate_connectors::Error) -> Self {
        storage(error)
    }
}
