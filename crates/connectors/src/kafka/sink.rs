//! Writes rows so that each is visible exactly once to consumers that read what is committed.
//!
//! ```text
//! each checkpoint   write ──► spool and open transaction    prepare: both durable    commit: rows and number of the epoch, at once
//! at the end        write ──► spool                         prepare: durable         finish: the same, from the spool
//! ```
//!
//! A job with an end may run long, and a transaction may not; so nothing is sent before its end. Then all rows become visible in
//! one transaction, or in several if they are more than a transaction should hold: numbered pieces of the spool.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::direct::DirectSink;
use super::encode::RowEncoder;
use super::spool::{Replay, Spool};
use super::transaction::Transactions;
use super::{Guarantee, KafkaTable};
use crate::filesystem::carried::copy;
use crate::filesystem::commit::{Names, remove};
use crate::filesystem::path::sync_folder;
use crate::{CommitMode, Committed, Error, Result, Sink, SinkRequest};

/// How much a transaction at the end of a job holds, before another one is begun.
const PIECE_BYTES: u64 = 1 << 30;

/// What a checkpoint keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Prepared {
    version: u8,
    /// The name of the transactions, and their topic.
    id: String,
    topic: String,
    /// The number that becomes visible with the rows.
    epoch: u64,
    /// Where they are, and how many bytes of it.
    spool: PathBuf,
    spool_bytes: u64,
    /// How much a piece of it has.
    piece_bytes: u64,
    /// What the job wrote, with these.
    rows: u64,
    bytes: u64,
}

const PREPARED_VERSION: u8 = 1;

/// The name of the spool in a folder to which it was carried.
const CARRIED: &str = "spool";

/// Opens a sink of the kind that is wanted.
pub(super) fn open(table: &KafkaTable, request: &SinkRequest) -> Result<Box<dyn Sink>> {
    let wrong = |option: &str, message: &str| Err(Error::declaration(&table.name, Some(option), message));
    if table.topics.len() > 1 {
        return wrong("topic", "several topics can be read together, but only one can be written to");
    }
    if request.overwrite {
        let what = "adds rows to a topic: INSERT OVERWRITE would have to delete those that are there".to_string();
        return Err(Error::Unsupported { table: table.name.clone(), connector: "kafka", what });
    }
    if table.guarantee != Guarantee::ExactlyOnce {
        return Ok(Box::new(DirectSink::open(table, request)?));
    }
    for (name, needed) in
        [("acks", &["all", "-1"][..]), ("request.required.acks", &["all", "-1"]), ("enable.idempotence", &["true"])]
    {
        if let Some(given) = table.properties.get(name).filter(|given| !needed.contains(given)) {
            let message =
                format!("'properties.{name}' = '{given}' does not go with 'sink.delivery-guarantee' = 'exactly-once'");
            return wrong(&format!("properties.{name}"), &message);
        }
    }
    Ok(Box::new(KafkaSink::open(table, request)?))
}

/// Writes in transactions.
struct KafkaSink {
    topic: String,
    names: Names,
    mode: CommitMode,
    encoder: RowEncoder,
    transactions: Transactions,
    /// The name of the transactions.
    id: String,
    /// The number of the epoch that rows are written in.
    epoch: u64,
    spool: Option<Spool>,
    piece_bytes: u64,
    rows: u64,
    bytes: u64,
    /// At the end: what is made visible, once that is settled.
    settled: Option<Prepared>,
}

impl KafkaSink {
    fn open(table: &KafkaTable, request: &SinkRequest) -> Result<Self> {
        let topic = table.topics[0].clone();
        let folder = &request.folder;
        fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
        let names = Names::new(&request.job, &folder.join(&topic));
        let restored = match &request.restore {
            Some(bytes) => Some(restored(&table.name, &topic, &names, request.commit, bytes)?),
            None => None,
        };
        let id = format!("{}-{}", table.transactional_prefix, request.job);
        if let Some(prepared) = restored.as_ref().filter(|prepared| prepared.id != id && prepared.spool_bytes > 0)
            && request.commit == CommitMode::EachCheckpoint
        {
            // Another run goes on from a checkpoint of this one: what it prepared is made visible under its own name.
            let number = known(&table.name, &prepared.id, Transactions::look(table, &prepared.id)?)?;
            if number < prepared.epoch {
                Transactions::take_over(table, &prepared.id)?
                    .commit_or_replay(prepared.epoch, || Replay::open(&prepared.spool, prepared.spool_bytes))?;
            }
        }
        let mut transactions = Transactions::take_over(table, &id)?;
        let mut sink_epoch = 1;
        match &restored {
            None => transactions.begin_at(0)?,
            // Of rows that another run has hidden nothing is visible under this one's name.
            Some(prepared) if prepared.id != id && request.commit == CommitMode::AtEnd => transactions.begin_at(0)?,
            Some(prepared) if prepared.id != id => {
                transactions.begin_at(prepared.epoch)?;
                sink_epoch = prepared.epoch + 1;
            }
            Some(prepared) => {
                let number = known(&table.name, &id, transactions.committed())?;
                if request.commit == CommitMode::EachCheckpoint && number > prepared.epoch {
                    let message = format!(
                        "the checkpoint is the {}th that was written to it, and the rows of the {number}th are visible \
                         already: they would be there twice; 'sink.delivery-guarantee' = 'at-least-once' allows it",
                        prepared.epoch
                    );
                    return Err(Error::Changed { path: format!("topic '{topic}'"), message });
                }
                sink_epoch = prepared.epoch + 1;
            }
        }
        let mut sink = Self {
            topic,
            names,
            mode: request.commit,
            encoder: RowEncoder::new(table)?,
            transactions,
            id,
            epoch: sink_epoch,
            spool: None,
            piece_bytes: PIECE_BYTES,
            rows: 0,
            bytes: 0,
            settled: None,
        };
        if let Some(prepared) = restored {
            sink.rows = prepared.rows;
            sink.bytes = prepared.bytes;
            sink.piece_bytes = prepared.piece_bytes;
            if sink.mode == CommitMode::AtEnd && sink.known_number() > 0 {
                // An earlier process began to make the rows visible, so the job has no more of them.
                sink.settled = Some(prepared.clone());
            } else if sink.mode == CommitMode::AtEnd && prepared.spool_bytes > 0 {
                sink.spool = Some(Spool::reopen(&prepared.spool, prepared.spool_bytes)?);
            }
            sink.names.clean(|path| path == prepared.spool)?;
        } else {
            // What an earlier run of the same name left is of no use.
            sink.names.clean(|_| false)?;
        }
        Ok(sink)
    }

    fn known_number(&self) -> u64 {
        self.transactions.committed().unwrap_or_default()
    }

    /// Where the rows of the epoch are kept.
    fn spool_path(&self) -> PathBuf {
        spool_path(&self.names, self.mode, self.epoch)
    }

    fn token(&mut self) -> Result<Prepared> {
        let (spool, spool_bytes) = match &mut self.spool {
            Some(spool) => (spool.path().to_path_buf(), spool.sync()?),
            None => (self.spool_path(), 0),
        };
        Ok(Prepared {
            version: PREPARED_VERSION,
            id: self.id.clone(),
            topic: self.topic.clone(),
            epoch: self.epoch,
            spool,
            spool_bytes,
            piece_bytes: self.piece_bytes,
            rows: self.rows,
            bytes: self.bytes,
        })
    }

    /// Makes the pieces of a spool visible, from the first that is not.
    fn write_pieces(&mut self, prepared: &Prepared) -> Result<()> {
        if prepared.spool_bytes == 0 {
            return Ok(());
        }
        if !prepared.spool.exists() && self.known_number() > 0 {
            // All are visible, and the job was marked as done.
            return Ok(());
        }
        // Where each piece ends: with the message that fills it.
        let mut ends = Vec::new();
        let mut scan = Replay::open(&prepared.spool, prepared.spool_bytes)?;
        let mut start = 0;
        while scan.next()?.is_some() {
            if scan.at() - start >= prepared.piece_bytes || scan.at() == prepared.spool_bytes {
                ends.push((start, scan.at()));
                start = scan.at();
            }
        }
        for (index, (start, end)) in ends.into_iter().enumerate() {
            let number = index as u64 + 1;
            if self.known_number() >= number {
                continue;
            }
            let piece = || Replay::part(&prepared.spool, start, end);
            self.transactions.commit_or_replay(number, piece)?;
        }
        Ok(())
    }

    fn committed(&self) -> Committed {
        Committed { rows: self.rows, bytes: self.bytes, ..Committed::default() }
    }
}

/// Where the rows of an epoch are kept. Those of a job with an end are in a file with the name of the log of a commit, so that it
/// stays until the job is marked as done.
fn spool_path(names: &Names, mode: CommitMode, epoch: u64) -> PathBuf {
    match mode {
        CommitMode::AtEnd => names.log(),
        CommitMode::EachCheckpoint => names.segment(epoch),
    }
}

/// Puts the spool that [`Sink::carry`] copied where the sink of a request looks for it.
pub(super) fn adopt(table: &KafkaTable, request: &SinkRequest, folder: &Path) -> Result<()> {
    let Some(bytes) = &request.restore else { return Ok(()) };
    let topic = &table.topics[0];
    let names = Names::new(&request.job, &request.folder.join(topic));
    let prepared = restored(&table.name, topic, &names, request.commit, bytes)?;
    if prepared.spool_bytes == 0 {
        return Ok(());
    }
    fs::create_dir_all(names.folder()).map_err(Error::io("create the folder", names.folder()))?;
    let spool = spool_path(&names, request.commit, prepared.epoch);
    copy(&folder.join(CARRIED), &spool, prepared.spool_bytes)?;
    sync_folder(names.folder())
}

/// What a checkpoint kept, if it is of this topic.
fn restored(table: &str, topic: &str, names: &Names, mode: CommitMode, bytes: &[u8]) -> Result<Prepared> {
    let changed = |message: String| Err(Error::Changed { path: format!("table '{table}'"), message });
    match postcard::from_bytes::<Prepared>(bytes) {
        Ok(prepared) if prepared.version != PREPARED_VERSION => {
            changed("the checkpoint's state of this sink is not of this version of Tidegate".to_string())
        }
        Ok(prepared) if prepared.topic != topic => changed(format!(
            "cannot continue: the checkpoint was taken while rows went to the topic '{}', not to '{topic}'",
            prepared.topic
        )),
        Ok(mut prepared) => {
            // The folder may have another name than it had, or the rows were carried here from another run.
            let here = spool_path(names, mode, prepared.epoch);
            if here.exists() {
                prepared.spool = here;
            }
            Ok(prepared)
        }
        Err(_) => changed("the checkpoint's state of this sink is not of this version of Tidegate".to_string()),
    }
}

/// The number of the last epoch that is visible, which has to be there once a checkpoint was taken.
fn known(table: &str, id: &str, number: Option<u64>) -> Result<u64> {
    number.ok_or_else(|| {
        let message = format!(
            "cannot continue: the consumer group '{id}', which keeps the number of what was written, has forgotten it \
             (brokers keep it as long as 'offsets.retention.minutes' says), so that nobody can tell whether the rows of the \
             checkpoint are there; 'sink.delivery-guarantee' = 'at-least-once' goes on and writes them again"
        );
        Error::Changed { path: format!("table '{table}'"), message }
    })
}

impl Sink for KafkaSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.settled.is_some() || batch.num_rows() == 0 {
            return Ok(());
        }
        self.encoder.encode(batch)?;
        if self.spool.is_none() {
            let path = self.spool_path();
            self.spool = Some(Spool::create(&path)?);
            sync_folder(self.names.folder())?;
        }
        let (keys, values) = (&self.encoder.keys, &self.encoder.values);
        if let Some(spool) = &mut self.spool {
            spool.append(keys, values)?;
        }
        if self.mode == CommitMode::EachCheckpoint {
            for row in 0..values.len() {
                self.transactions.send(keys.get(row), values.get(row));
            }
            self.transactions.listen();
        }
        self.rows += batch.num_rows() as u64;
        self.bytes += (keys.bytes_len() + values.bytes_len()) as u64;
        Ok(())
    }

    fn prepare(&mut self) -> Result<Vec<u8>> {
        let prepared = match &self.settled {
            Some(prepared) => prepared.clone(),
            None => self.token()?,
        };
        if self.mode == CommitMode::EachCheckpoint {
            self.transactions.flush();
            self.spool = None;
            self.epoch += 1;
        }
        postcard::to_stdvec(&prepared).map_err(|source| Error::Changed {
            path: format!("topic '{}'", self.topic),
            message: format!("the sink's state cannot be encoded: {source}"),
        })
    }

    fn commit(&mut self, prepared: &[u8]) -> Result<Committed> {
        if self.mode == CommitMode::AtEnd {
            return Ok(Committed::default());
        }
        let prepared = restored(&self.topic, &self.topic, &self.names, self.mode, prepared)?;
        let is_visible = prepared.id != self.id || self.known_number() >= prepared.epoch;
        if prepared.spool_bytes > 0 && !is_visible {
            let replay = || Replay::open(&prepared.spool, prepared.spool_bytes);
            self.transactions.commit_or_replay(prepared.epoch, replay)?;
        }
        remove(&prepared.spool)?;
        Ok(Committed { rows: prepared.rows, bytes: prepared.bytes, ..Committed::default() })
    }

    fn finish(&mut self) -> Result<Committed> {
        if self.mode == CommitMode::EachCheckpoint {
            let prepared = self.prepare()?;
            self.commit(&prepared)?;
            self.names.clean(|_| false)?;
            return Ok(self.committed());
        }
        let prepared = match self.settled.take() {
            Some(prepared) => prepared,
            None => self.token()?,
        };
        self.spool = None;
        let written = self.write_pieces(&prepared);
        let log = prepared.spool.clone();
        self.settled = Some(prepared);
        written?;
        Ok(Committed { log: log.exists().then_some(log), ..self.committed() })
    }

    fn carry(&mut self, prepared: &[u8], folder: &Path) -> Result<bool> {
        let prepared = restored(&self.topic, &self.topic, &self.names, self.mode, prepared)?;
        let is_visible = self.mode == CommitMode::EachCheckpoint && self.known_number() >= prepared.epoch;
        if prepared.spool_bytes > 0 && !is_visible {
            fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
            copy(&prepared.spool, &folder.join(CARRIED), prepared.spool_bytes)?;
            sync_folder(folder)?;
        }
        Ok(true)
    }

    fn abort(&mut self) -> Result<()> {
        self.spool = None;
        if self.transactions.is_open() {
            self.transactions.abort()?;
        }
        self.names.clean(|_| false)
    }
}
