//! A sink on a thread of its own, so that encoding and compressing go on beside the next round.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use arrow::array::RecordBatch;
use tidegate_connectors::{Committed, Sink};

use crate::catalog::monitor::storage;
use crate::queue::{self, Receiver, queue};
use crate::stopwatch::Stopwatch;
use crate::{Error, Result};

/// Batches that may wait for the thread.
const BATCHES_AHEAD: usize = 4;
/// Bytes of them. A larger batch waits alone.
const BYTES_AHEAD: usize = 64 << 20;

/// What the thread is asked to do. Every request but a write is answered.
enum Request {
    Write(RecordBatch),
    Prepare(Sender<Result<Vec<u8>>>),
    Commit(Vec<u8>, Sender<Result<Committed>>),
    Carry(Vec<u8>, PathBuf, Sender<Result<bool>>),
    Finish(Sender<Result<Committed>>),
    Abort(Sender<Result<()>>),
}

impl Request {
    fn bytes(&self) -> usize {
        match self {
            Self::Write(batch) => batch.get_array_memory_size(),
            _ => 0,
        }
    }
}

/// A sink being written by a thread. When this goes, so does the thread, and what it had not written yet is dropped.
pub(crate) struct SinkThread {
    requests: Option<queue::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    dropped: Arc<AtomicBool>,
    /// How long it was waited for, in nanoseconds.
    waited: AtomicU64,
}

impl SinkThread {
    pub(crate) fn new(sink: Box<dyn Sink>) -> Self {
        let (requests, received) = queue(BATCHES_AHEAD, BYTES_AHEAD, Request::bytes);
        let dropped = Arc::new(AtomicBool::new(false));
        let is_dropped = Arc::clone(&dropped);
        let thread = std::thread::spawn(move || serve(sink, &received, &is_dropped));
        Self { requests: Some(requests), thread: Some(thread), dropped, waited: AtomicU64::new(0) }
    }

    /// Takes rows. An error comes with a later request.
    pub(crate) fn write(&self, batch: RecordBatch) -> Result<()> {
        let waited = self.send(Request::Write(batch))?;
        self.add_waited(waited);
        Ok(())
    }

    /// See [`Sink::prepare`].
    pub(crate) fn prepare(&self) -> Result<Vec<u8>> {
        self.ask(Request::Prepare)
    }

    /// See [`Sink::commit`].
    pub(crate) fn commit(&self, prepared: Vec<u8>) -> Result<Committed> {
        self.ask(|reply| Request::Commit(prepared, reply))
    }

    /// See [`Sink::carry`].
    pub(crate) fn carry(&self, prepared: Vec<u8>, folder: &Path) -> Result<bool> {
        self.ask(|reply| Request::Carry(prepared, folder.to_path_buf(), reply))
    }

    /// See [`Sink::finish`].
    pub(crate) fn finish(&self) -> Result<Committed> {
        self.ask(Request::Finish)
    }

    /// See [`Sink::abort`].
    pub(crate) fn abort(&self) -> Result<()> {
        self.ask(Request::Abort)
    }

    /// How long was waited for it in all: for room for rows, and for answers.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited.load(Ordering::Relaxed))
    }

    fn add_waited(&self, waited: Duration) {
        self.waited.fetch_add(waited.as_nanos() as u64, Ordering::Relaxed);
    }

    fn send(&self, request: Request) -> Result<Duration> {
        self.requests.as_ref().and_then(|requests| requests.send(request).ok()).ok_or_else(gone)
    }

    fn ask<T>(&self, request: impl FnOnce(Sender<Result<T>>) -> Request) -> Result<T> {
        let began = Stopwatch::start();
        let (reply, answer) = channel();
        self.send(request(reply))?;
        let answered = answer.recv();
        self.add_waited(began.elapsed());
        answered.map_err(|_| gone())?
    }
}

impl Drop for SinkThread {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
        self.requests = None;
        // A job that is restarted opens the same files again: this thread must not write them any more by then.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn gone() -> Error {
    Error::Internal("the thread of a sink is gone".into())
}

/// Does what is asked, in order, until nobody asks any more. After an error, every later request gets it.
fn serve(mut sink: Box<dyn Sink>, requests: &Receiver<Request>, dropped: &AtomicBool) {
    let mut failed: Option<Error> = None;
    while let Some(request) = requests.recv() {
        match request {
            Request::Write(batch) => {
                if failed.is_none() && !dropped.load(Ordering::Relaxed) {
                    failed = sink.write(&batch).err().map(storage);
                }
            }
            Request::Abort(reply) => answer(reply, sink.abort().map_err(storage)),
            Request::Prepare(reply) => answer(reply, unless(&failed, || sink.prepare())),
            Request::Commit(prepared, reply) => answer(reply, unless(&failed, || sink.commit(&prepared))),
            Request::Carry(prepared, folder, reply) => {
                answer(reply, unless(&failed, || sink.carry(&prepared, &folder)));
            }
            Request::Finish(reply) => answer(reply, unless(&failed, || sink.finish())),
        }
    }
}

fn unless<T>(failed: &Option<Error>, act: impl FnOnce() -> tidegate_connectors::Result<T>) -> Result<T> {
    match failed {
        Some(error) => Err(error.duplicate()),
        None => act().map_err(storage),
    }
}

fn answer<T>(reply: Sender<Result<T>>, result: Result<T>) {
    // The asker waits for it; if it is gone, so is the job.
    let _ = reply.send(result);
}
