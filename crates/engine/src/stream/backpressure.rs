//! A slow sink holds back the thread that reads: between the two there is never more than the queues may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tidegate_connectors::{Chunk, Committed, Position, Reader, Result, Scan, Sink};

use super::dataflow::{Dataflow, Round, Taker};
use super::sink::SinkThread;
use super::source::{Input, Pace, Source};
use crate::catalog::monitor::SourceMonitor;

const BATCHES: usize = 500;
/// Far more than the queues hold, and far less than there are.
const AHEAD_MAX: usize = 32;

/// How many batches were read and written.
#[derive(Debug, Default)]
struct Counts {
    read: AtomicUsize,
    written: AtomicUsize,
    most_between: AtomicUsize,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
}

#[derive(Debug, Clone)]
struct Numbers(Arc<Counts>);

impl Scan for Numbers {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn parts(&self) -> usize {
        1
    }

    fn open(&self, _part: usize, _from: Option<&Position>) -> Result<Box<dyn Reader>> {
        Ok(Box::new(self.clone()))
    }

    fn total_bytes(&self) -> Option<u64> {
        None
    }

    fn total_rows(&self) -> Option<u64> {
        None
    }

    fn fingerprint(&self) -> Result<u64> {
        Ok(0)
    }
}

impl Reader for Numbers {
    fn next(&mut self) -> Result<Option<Chunk>> {
        let read = self.0.read.fetch_add(1, Ordering::SeqCst);
        if read >= BATCHES {
            return Ok(None);
        }
        let between = (read + 1).saturating_sub(self.0.written.load(Ordering::SeqCst));
        self.0.most_between.fetch_max(between, Ordering::SeqCst);
        let column = Arc::new(Int64Array::from(vec![read as i64]));
        let batch = RecordBatch::try_new(schema(), vec![column]).expect("a column of the schema");
        Ok(Some(Chunk { batch, position: Position::default(), bytes: 0, bad: Vec::new() }))
    }
}

/// Takes no batch before it is let.
struct Slow {
    counts: Arc<Counts>,
    open: Receiver<()>,
}

impl Sink for Slow {
    fn write(&mut self, _batch: &RecordBatch) -> Result<()> {
        // Once the gate is open for good, nobody holds its other end.
        let _ = self.open.recv();
        self.counts.written.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn prepare(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _prepared: &[u8]) -> Result<Committed> {
        Ok(Committed::default())
    }

    fn finish(&mut self) -> Result<Committed> {
        Ok(Committed::default())
    }

    fn abort(&mut self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_slow_sink_holds_back_the_thread_that_reads() {
    let counts = Arc::new(Counts::default());
    let (gate, open) = channel();
    let mut dataflow = Dataflow::default();
    let input = Input::Table {
        name: "numbers".into(),
        scan: Arc::new(Numbers(Arc::clone(&counts))),
        monitor: Arc::new(SourceMonitor::default()),
        bounded: true,
    };
    let pace = Pace { batch_rows: 1, idle_after: None, time: None };
    let source = dataflow.add_source(Source::new(input, schema(), pace));
    let sink = dataflow.add_sink("slow".into(), "", source);
    let slow = SinkThread::new(Box::new(Slow { counts: Arc::clone(&counts), open }));
    dataflow.sinks[sink].taker = Some(Taker::Table(slow, schema()));
    dataflow.start(None);
    let rounds = std::thread::spawn(move || {
        while dataflow.round(Duration::from_millis(100)).expect("a round") != Round::Ended {}
        let Some(Taker::Table(sink, _)) = &dataflow.sinks[sink].taker else { panic!("no sink") };
        sink.finish().expect("the end");
        (dataflow.waited_for_sinks(), dataflow.busy())
    });
    // Nothing is let through: reading comes to a halt with full queues.
    while counts.most_between.load(Ordering::SeqCst) < 8 {
        std::thread::yield_now();
    }
    assert_eq!(counts.written.load(Ordering::SeqCst), 0);
    // Batch by batch, reading follows the sink.
    for _ in 0..BATCHES / 2 {
        gate.send(()).expect("the sink waits");
    }
    while counts.written.load(Ordering::SeqCst) < BATCHES / 2 {
        std::thread::yield_now();
    }
    drop(gate);
    let (waited, busy) = rounds.join().expect("the rounds end");
    assert_eq!(counts.written.load(Ordering::SeqCst), BATCHES);
    let most = counts.most_between.load(Ordering::SeqCst);
    assert!((8..=AHEAD_MAX).contains(&most), "{most} batches between reading and writing");
    assert!(waited > Duration::ZERO && waited <= busy + waited, "waited {waited:?}, busy {busy:?}");
}
