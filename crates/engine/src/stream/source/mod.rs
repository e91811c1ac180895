//! A source of a dataflow, read ahead by a thread of its own.
//!
//! ```text
//!  parts one by one (files) ─────────────────────────┐
//!  parts as they appear (a watched folder) ──────────┼─► queue ─► round
//!  parts side by side (partitions) ──► alignment ────┘
//! ```

mod alignment;
mod event_time;
mod read;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use tidegate_connectors::{BadRecord, Position, Scan};

use self::alignment::PartPlace;
pub(crate) use self::event_time::EventTime;
use super::operator::BEFORE_ALL;
use crate::batch::scan::with_schema;
use crate::catalog::monitor::{SourceMonitor, storage};
use crate::queue::{Empty, Receiver, queue};
use crate::{Error, Result, SourceReport};

/// Batches that may wait between the thread that reads and the round.
const BATCHES_AHEAD: usize = 4;
/// Bytes of them. A larger batch waits alone.
const BYTES_AHEAD: usize = 64 << 20;

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
    place: Place,
    ended: bool,
    watermark: i64,
    counts: (u64, u64, u64),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Place {
    Start,
    /// The part being read, and where in it.
    Table {
        part: u64,
        position: Option<Position>,
    },
    /// Parts read side by side, or as they appeared.
    Parts(BTreeMap<u64, PartPlace>),
    Stage {
        offset: u64,
    },
}

impl Place {
    /// How far each part has been taken.
    fn parts(&self) -> BTreeMap<u64, PartPlace> {
        match self {
            Self::Parts(parts) => parts.clone(),
            _ => BTreeMap::new(),
        }
    }

    fn go(&mut self, moved: Moved) {
        match (self, moved) {
            (Self::Parts(parts), Moved::Parts(moved)) => parts.extend(moved),
            (place, Moved::Parts(moved)) => *place = Self::Parts(moved.into_iter().collect()),
            (place, Moved::Table { part, position }) => *place = Self::Table { part, position: Some(position) },
            (place, Moved::Stage { offset }) => *place = Self::Stage { offset },
        }
    }
}

/// What of a place changed.
enum Moved {
    Table { part: u64, position: Position },
    Parts(Vec<(u64, PartPlace)>),
    Stage { offset: u64 },
}

/// How a source is read.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Most rows in a batch.
    pub batch_rows: usize,
    /// After how long without rows an input that has given all there is counts as idle; `None`: never.
    pub idle_after: Option<Duration>,
    /// The event time, by which parts are put into order.
    pub time: Option<EventTime>,
}

/// What the thread sends.
enum Message {
    Rows(Arrival),
    /// Nothing has come for a while, and nothing is awaited.
    Idle,
}

/// A batch, and where the source stands after it. Counts and dead letters travel along, so that they take effect in the round
/// that takes the batch, and a checkpoint holds just what was taken.
struct Arrival {
    batch: Option<RecordBatch>,
    /// The greatest event time of its rows, in milliseconds.
    latest_ms: Option<i64>,
    moved: Moved,
    bytes: u64,
    bad: Vec<BadRecord>,
}

/// A source being read.
pub(crate) struct Source {
    input: Input,
    schema: SchemaRef,
    pace: Pace,
    progress: Progress,
    arrivals: Option<Arrivals>,
}

/// What the thread sends, and what tells it that somebody listens.
struct Arrivals {
    messages: Receiver<Result<Message>>,
    _wanted: Arc<()>,
}

/// What a source has to give at this moment.
pub(crate) enum Next {
    /// A batch, and the watermark after it.
    Batch(RecordBatch, i64),
    /// Nothing yet.
    Wait,
    /// Nothing for so long that others should not wait for it.
    Idle,
    /// Nothing any more.
    End,
}

impl Source {
    pub(crate) fn new(input: Input, schema: SchemaRef, pace: Pace) -> Self {
        let progress = Progress { place: Place::Start, ended: false, watermark: BEFORE_ALL, counts: (0, 0, 0) };
        Self { input, schema, pace, progress, arrivals: None }
    }

    /// The watermark, if its rows have an event time.
    pub(crate) fn watermark(&self) -> Option<i64> {
        self.pace.time.as_ref().map(|_| self.progress.watermark)
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
        let (sender, messages) = queue(BATCHES_AHEAD, BYTES_AHEAD, message_bytes);
        let (input, place, pace) = (self.input.clone(), self.progress.place.clone(), self.pace.clone());
        let wanted = Arc::new(());
        let still_wanted = Arc::downgrade(&wanted);
        self.arrivals = Some(Arrivals { messages, _wanted: wanted });
        std::thread::spawn(move || {
            if let Err(error) = read::read(&input, &place, &pace, &sender, &still_wanted) {
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

    /// What there is; waits for it up to `patience`.
    pub(crate) fn next(&mut self, patience: Duration) -> Result<Next> {
        let Some(Arrivals { messages, .. }) = &self.arrivals else { return Ok(Next::End) };
        let message = match messages.recv_within(patience) {
            Ok(message) => message?,
            Err(Empty::Yet) => return Ok(Next::Wait),
            Err(Empty::ForGood) => return Ok(self.end()),
        };
        let Message::Rows(Arrival { batch, latest_ms, moved, bytes, bad }) = message else { return Ok(Next::Idle) };
        self.progress.place.go(moved);
        if let Input::Table { monitor, .. } = &self.input {
            monitor.add(batch.as_ref().map_or(0, |batch| batch.num_rows() as u64), bytes, &bad)?;
        }
        let batch = match batch {
            Some(batch) => with_schema(batch, &self.schema)?,
            None => RecordBatch::new_empty(Arc::clone(&self.schema)),
        };
        if let (Some(latest_ms), Some(time)) = (latest_ms, &self.pace.time) {
            self.progress.watermark = self.progress.watermark.max(latest_ms.saturating_sub(time.delay_ms));
        }
        Ok(Next::Batch(batch, self.progress.watermark))
    }

    /// Tells the input that a checkpoint with this progress is saved.
    pub(crate) fn checkpointed(&self, progress: &Progress) {
        let (Input::Table { scan, .. }, Place::Parts(parts)) = (&self.input, &progress.place) else { return };
        let positions = parts.iter().map(|(part, place)| (*part, place.position.clone())).collect();
        // A courtesy that recovery does not rest on: the next checkpoint tries again.
        let _ = scan.checkpointed(&positions);
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

/// What a message takes in the queue.
fn message_bytes(message: &Result<Message>) -> usize {
    match message {
        Ok(Message::Rows(Arrival { batch: Some(batch), .. })) => batch.get_array_memory_size(),
        _ => 0,
    }
}

impl From<tidegate_connectors::Error> for Error {
    fn from(error: tidegate_connectors::Error) -> Self {
        storage(error)
    }
}
