//! A sink on a thread of its own, so that encoding and compressing go on beside the next round.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use arrow::array::RecordBatch;
use tidegate_connectors::{Committed, Sink};

use crate::catalog::monitor::storage;
use crate::{Error, Result};

/// Batches that may wait for the thread.
const BATCHES_AHEAD: usize = 4;

/// What the thread is asked to do. Every request but a write is answered.
enum Request {
    Write(RecordBatch),
    Prepare(Sender<Result<Vec<u8>>>),
    Commit(Vec<u8>, Sender<Result<Committed>>),
    Carry(Vec<u8>, PathBuf, Sender<Result<bool>>),
    Finish(Sender<Result<Committed>>),
    Abort(Sender<Result<()>>),
}

/// A sink being written by a thread.
pub(crate) struct SinkThread {
    requests: SyncSender<Request>,
}

impl SinkThread {
    pub(crate) fn new(sink: Box<dyn Sink>) -> Self {
        let (requests, received) = sync_channel(BATCHES_AHEAD);
        std::thread::spawn(move || serve(sink, &received));
        Self { requests }
    }

    /// Takes rows. An error comes with a later request.
    pub(crate) fn write(&self, batch: RecordBatch) -> Result<()> {
        self.requests.send(Request::Write(batch)).map_err(|_| gone())
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

    fn ask<T>(&self, request: impl FnOnce(Sender<Result<T>>) -> Request) -> Result<T> {
        let (reply, answer) = channel();
        self.requests.send(request(reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

fn gone() -> Error {
    Error::Internal("the thread of a sink is gone".into())
}

/// Does what is asked, in order, until nobody asks any more. After an error, every later request gets it.
fn serve(mut sink: Box<dyn Sink>, requests: &Receiver<Request>) {
    let mut failed: Option<Error> = None;
    while let Ok(request) = requests.recv() {
        match request {
            Request::Write(batch) => {
                if failed.is_none() {
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
