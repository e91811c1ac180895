//! The two sides of a table: reading it and writing it.
//!
//! ```text
//! TableSpec ──open_table──► Table ──scan──► Scan ──open(part, from)──► Reader ──next──► Chunk { batch, position, bad }
//!                             │
//!                             │              └──open_all(from)──► PartsReader ──next──► PartEvent
//!                             └────sink──► Sink:  write* prepare (write* prepare)*  finish
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::{Error, Reload, Result};

/// What `CREATE TABLE` says about a table.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// The name of the table, for messages.
    pub name: String,
    /// Its physical columns (no computed ones).
    pub schema: SchemaRef,
    /// What stands in `WITH (…)`, in the order of the script.
    pub options: Vec<(String, String)>,
    /// The folder that relative paths start from.
    pub base_dir: PathBuf,
}

/// A table whose connector is known and whose options are checked.
pub trait Table: Send + Sync + fmt::Debug {
    /// Whether a scan of it ends.
    fn is_bounded(&self) -> bool;

    /// What happens to a record that cannot be read.
    fn on_error(&self) -> OnError {
        OnError::Fail
    }

    /// When a lookup join reads it again; `None`: it is read when the job begins.
    fn reload(&self) -> Option<Reload> {
        None
    }

    /// Whether a scan makes use of a filter on this column. The engine applies every filter again in any case.
    fn uses_filter(&self, _filter: &ColumnFilter) -> bool {
        false
    }

    /// Prepares to read. Looks at the files, so a missing file or column is found here.
    ///
    /// # Errors
    /// The connector is a sink only, or what it reads is not there or not as declared.
    fn scan(&self, request: &ScanRequest) -> Result<Box<dyn Scan>>;

    /// Starts to write, or continues where `request.restore` says.
    ///
    /// # Errors
    /// The connector is a source only, or the target cannot be written, or what was prepared is no longer there.
    fn sink(&self, request: &SinkRequest) -> Result<Box<dyn Sink>>;

    /// Makes visible what a sink of this request handed over by [`Sink::hand_over`], be it in another process. What one sink handed
    /// over is committed in that order, and repeating it changes nothing; `again`: it may have been done before, so that hidden rows
    /// that are gone are taken for visible ones. [`SinkRequest::restore`] is not looked at.
    ///
    /// # Errors
    /// The storage refuses, or what was handed over is no longer there.
    fn commit(&self, _request: &SinkRequest, _handed_over: &[u8], _again: bool) -> Result<Committed> {
        Ok(Committed::default())
    }

    /// Puts the hidden rows that [`Sink::carry`] copied into a folder where a sink of this request looks for them: the sink of
    /// another run, which then goes on from what that other run prepared. Doing it again changes nothing.
    ///
    /// # Errors
    /// The folder has not what the request says, or the storage refuses.
    fn adopt(&self, _request: &SinkRequest, _folder: &Path) -> Result<()> {
        Ok(())
    }

    /// As [`Table::adopt`], for [`Table::dead_letter_sink`].
    ///
    /// # Errors
    /// As [`Table::adopt`].
    fn adopt_dead_letters(&self, _request: &SinkRequest, _folder: &Path) -> Result<()> {
        Ok(())
    }

    /// Where the bad records go when `on-error` is `dead-letter`: a sink over [`dead_letter_schema`] (the schema in the
    /// request is not looked at). `None` with the other policies.
    ///
    /// # Errors
    /// As [`Table::sink`].
    fn dead_letter_sink(&self, _request: &SinkRequest) -> Result<Option<Box<dyn Sink>>> {
        Ok(None)
    }
}

/// What happens to a record that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The reader returns [`Error::BadRecord`] and the job stops.
    Fail,
    /// It comes back in [`Chunk::bad`], to be counted.
    Skip,
    /// It comes back in [`Chunk::bad`], to be counted and written to [`Table::dead_letter_sink`].
    DeadLetter,
}

/// What is wanted of a scan.
#[derive(Debug, Clone)]
pub struct ScanRequest {
    /// Which columns, as indexes into the table's schema, in the order in which the batches should have them; `None` for all.
    pub projection: Option<Vec<usize>>,
    /// Only rows that satisfy all of these are wanted. Best effort: rows that do not may come all the same.
    pub filters: Vec<ColumnFilter>,
    /// The most rows in a batch.
    pub batch_rows: usize,
    /// No more rows than this are wanted of any one part.
    pub limit: Option<usize>,
    /// How many parts will be read at once; a hint.
    pub partitions: usize,
}

impl Default for ScanRequest {
    /// All columns and rows, 8192 at a time.
    fn default() -> Self {
        Self { projection: None, filters: Vec::new(), batch_rows: 8192, limit: None, partitions: 1 }
    }
}

/// A comparison of a column with a constant.
#[derive(Debug, Clone)]
pub struct ColumnFilter {
    /// The column, as an index into the table's schema.
    pub column: usize,
    /// How it is compared.
    pub op: CompareOp,
    /// With what: one row, of the column's type.
    pub value: ArrayRef,
}

/// `column op value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `<>`
    NotEq,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
}

/// A table about to be read, in parts that do not depend on each other.
pub trait Scan: Send + Sync + fmt::Debug {
    /// The columns of the batches.
    fn schema(&self) -> SchemaRef;

    /// How many parts there are. Reading them one after the other gives the table's rows in their order. The parts do not
    /// depend on the filters.
    fn parts(&self) -> usize;

    /// Opens a part, at its start or after a position that one of its readers gave.
    ///
    /// # Errors
    /// The file is gone or is not of its format; or it is not the one that the position was taken in.
    fn open(&self, part: usize, from: Option<&Position>) -> Result<Box<dyn Reader>>;

    /// How many bytes of input there are in all, if that is known: [`Chunk::bytes`] summed over the parts reaches this.
    fn total_bytes(&self) -> Option<u64>;

    /// How many rows there are in all, if that is known.
    fn total_rows(&self) -> Option<u64>;

    /// How the parts follow each other, and so which way they are read.
    fn order(&self) -> PartOrder {
        PartOrder::OneByOne
    }

    /// Opens all parts of a scan that is not [`PartOrder::OneByOne`]: each after its position in `from`, others from where the
    /// table says that reading begins.
    ///
    /// # Errors
    /// The input cannot be reached, or a position is of another one; always where parts are read one by one.
    fn open_all(&self, _from: &BTreeMap<u64, Position>) -> Result<Box<dyn PartsReader>> {
        Err(Error::Unsupported { table: String::new(), connector: "", what: "reads its parts one by one".to_string() })
    }

    /// Tells that a checkpoint with these positions is saved: nothing before them will be asked for again. A courtesy to
    /// whoever watches the input, such as a consumer group whose lag is shown; recovery does not rest on it.
    ///
    /// # Errors
    /// The input cannot be reached.
    fn checkpointed(&self, _positions: &BTreeMap<u64, Position>) -> Result<()> {
        Ok(())
    }

    /// A hash that tells this input from another: of its files' sizes, first and last bytes, or of the settings that its rows
    /// are computed by. The same in every version of this program, and wherever the files lie.
    ///
    /// # Errors
    /// A file is gone.
    fn fingerprint(&self) -> Result<u64>;
}

/// How the parts of a scan follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartOrder {
    /// Their number is known, and each is read to its end by [`Scan::open`]: the files of a folder.
    OneByOne,
    /// They go on beside each other, each with an event time of its own: the partitions of a topic. [`Scan::open_all`] reads them.
    SideBySide,
    /// They appear one after the other and are one stream together: a folder watched for new files. [`Scan::open_all`] reads
    /// them.
    AsTheyAppear,
}

/// Reads all parts of a table at once.
pub trait PartsReader: Send {
    /// What comes next. Waits for it up to `patience`. Asks for no more of the parts in `held` (rows of them that are on their
    /// way may still come): the caller waits for others first.
    ///
    /// # Errors
    /// The input cannot be read, or a record cannot and the table's policy is [`OnError::Fail`].
    fn next(&mut self, patience: Duration, held: &BTreeSet<u64>) -> Result<PartEvent>;
}

/// What a [`PartsReader`] gives.
#[derive(Debug, Clone)]
pub enum PartEvent {
    /// There is a part that was not spoken of before, and this is where it is read from. All parts that there are when reading
    /// begins are found before any rows come, others before their first rows.
    Found(Position),
    /// Rows of one part, which their position names.
    Chunk(Chunk),
    /// A part has given all that it has at this moment. Said again each time that this becomes true after rows of it. Only parts
    /// of which this was said can be found idle.
    CaughtUp(u64),
    /// A part is at its end.
    Ended(u64),
    /// Nothing has come.
    Nothing,
    /// All parts are at their end and no more will appear.
    End,
}

/// Reads one part of a table.
pub trait Reader: Send {
    /// The next rows; `None` at the end of the part. The chunk may have no rows (when all its records were bad).
    ///
    /// # Errors
    /// The file cannot be read, or a record cannot and the table's policy is [`OnError::Fail`].
    fn next(&mut self) -> Result<Option<Chunk>>;
}

/// Some rows, and where they end.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The rows.
    pub batch: RecordBatch,
    /// Where to continue after them.
    pub position: Position,
    /// The bytes of the input that this part's readers have consumed up to here, for showing progress.
    pub bytes: u64,
    /// The records among them that could not be read.
    pub bad: Vec<BadRecord>,
}

/// A place between two records of a part, from which reading can continue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The part that it is in.
    pub part: u64,
    /// The records of the part before it, bad ones included.
    pub records: u64,
    /// The rows of the part before it that came out.
    pub rows: u64,
    /// The bytes of the part before it, after decompression; 0 for formats that are not read in order of bytes.
    pub offset: u64,
    /// The lines of the part before it; 0 for formats without lines.
    pub lines: u64,
    /// What the input looked like.
    pub fingerprint: Fingerprint,
}

/// Enough of an input to notice that it was exchanged. A connector that computes its rows keeps its settings' hash here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The size of the file in bytes.
    pub bytes: u64,
    /// A hash of its first and last bytes.
    pub head: u64,
    /// A hash of the names and sizes of the files up to this one, so that files added before it are noticed.
    pub listing: u64,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// The file and line: `visits.csv line 17`.
    pub location: String,
    /// The record as it stands in the input, cut off after [`BadRecord::RAW_BYTES_MAX`].
    pub raw: String,
    /// What is wrong with it.
    pub reason: String,
}

impl BadRecord {
    /// The most that is kept of a bad record.
    pub const RAW_BYTES_MAX: usize = 4096;
    /// The most that is shown of one in an error.
    const SHOWN_CHARS_MAX: usize = 120;

    /// Keeps a bounded part of the record's bytes.
    pub(crate) fn new(location: String, raw: &[u8], reason: String) -> Self {
        let mut text = String::from_utf8_lossy(&raw[..raw.len().min(Self::RAW_BYTES_MAX)]).into_owned();
        if raw.len() > Self::RAW_BYTES_MAX {
            text.push('…');
        }
        Self { location, raw: text, reason }
    }

    /// The record as an error shows it.
    pub(crate) fn quoted(&self) -> String {
        if self.raw.is_empty() {
            return String::new();
        }
        let cut: String = self.raw.chars().take(Self::SHOWN_CHARS_MAX).collect();
        let more = if cut.len() < self.raw.len() { "…" } else { "" };
        format!("\n  in: {}{more}", cut.escape_debug())
    }
}

/// The columns of a dead letter: where the record stood, why it was refused, and the record.
pub fn dead_letter_schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![text("location"), text("reason"), text("raw")]))
}

/// Bad records as rows for a [`Table::dead_letter_sink`].
///
/// # Errors
/// None in practice: the columns are built to fit the schema.
pub fn dead_letters(bad: &[BadRecord]) -> Result<RecordBatch> {
    let column = |of: fn(&BadRecord) -> &str| Arc::new(StringArray::from_iter_values(bad.iter().map(of))) as ArrayRef;
    let columns = vec![column(|b| &b.location), column(|b| &b.reason), column(|b| &b.raw)];
    RecordBatch::try_new(dead_letter_schema(), columns).map_err(Error::arrow("dead letters"))
}

/// What is wanted of a sink.
#[derive(Debug, Clone)]
pub struct SinkRequest {
    /// The columns of the batches that will be written: the table's own, in its order.
    pub schema: SchemaRef,
    /// Whether what the table holds is replaced (when the sink commits, not before) rather than added to.
    pub overwrite: bool,
    /// A name for this sink of this run of the job: the same after a restart, different from every other run's and from the
    /// run's other sinks on the same table. It is part of the names of temporary files.
    pub job: String,
    /// A folder of the job for sinks that keep something beside their target; it may not exist yet, and lasts as long as the
    /// job can be resumed.
    pub folder: PathBuf,
    /// When rows become visible.
    pub commit: CommitMode,
    /// What [`Sink::prepare`] returned at the checkpoint to continue from. What was written after it is dropped.
    pub restore: Option<Vec<u8>>,
}

/// When the rows that were written become visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitMode {
    /// All at once, by [`Sink::finish`].
    AtEnd,
    /// After each checkpoint, by [`Sink::commit`]; for jobs without an end.
    EachCheckpoint,
}

/// Takes rows so that each is visible exactly once, whenever the process is killed.
///
/// With [`CommitMode::AtEnd`]:
/// `write* prepare (checkpoint is saved) write* prepare … write* prepare (checkpoint is saved) finish (job is marked done, [`Committed::log`] removed)`.
/// A job that is restarted from a checkpoint makes its sink with what `prepare` returned for it; if the last checkpoint
/// was after the last row it calls `finish` again, which does what is left to do.
///
/// With [`CommitMode::EachCheckpoint`]: `write* prepare (checkpoint is saved) commit write* prepare …`; after a restart `commit`
/// is called first, with what was restored. `finish` commits the rest.
pub trait Sink: Send {
    /// Takes rows. They are not visible yet.
    ///
    /// # Errors
    /// They cannot be stored, or have no form in the format.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Makes all rows so far durable and returns what to give as [`SinkRequest::restore`] to continue after them.
    ///
    /// # Errors
    /// The storage refuses.
    fn prepare(&mut self) -> Result<Vec<u8>>;

    /// Makes the rows of a `prepare` visible. Repeating it changes nothing. With [`CommitMode::AtEnd`] it does nothing.
    ///
    /// # Errors
    /// The storage refuses.
    fn commit(&mut self, prepared: &[u8]) -> Result<Committed>;

    /// Makes all rows visible, at once where the storage can. Repeating it, also in a new process, changes nothing.
    ///
    /// # Errors
    /// The storage refuses.
    fn finish(&mut self) -> Result<Committed>;

    /// As `prepare`, in a job where others than this sink make rows visible, by [`Table::commit`]: it lets go of the rows that it
    /// gives them. In place of `commit` and `finish`, and after the last row with `last`.
    ///
    /// # Errors
    /// The storage refuses, or the connector cannot be written to in this way.
    fn hand_over(&mut self, _last: bool) -> Result<HandedOver> {
        let what = "cannot hand rows over to be committed elsewhere".to_string();
        Err(Error::Unsupported { table: String::new(), connector: "", what })
    }

    /// Copies the rows of a `prepare` that are not visible yet into a folder, so that the sink of another run can go on with
    /// them by [`Table::adopt`]. False if the storage has no way to do that.
    ///
    /// # Errors
    /// The storage refuses.
    fn carry(&mut self, _prepared: &[u8], _folder: &Path) -> Result<bool> {
        Ok(false)
    }

    /// Drops what was written and not committed.
    ///
    /// # Errors
    /// The storage refuses.
    fn abort(&mut self) -> Result<()>;
}

/// What a sink hands over at a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOver {
    /// What [`Table::commit`] makes visible once the checkpoint is saved; `None`: there is nothing to make visible.
    pub commit: Option<Vec<u8>>,
    /// What to give as [`SinkRequest::restore`] to continue after it.
    pub restore: Vec<u8>,
}

/// What a sink made visible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The files, as the user would name them; empty for sinks without files.
    pub files: Vec<String>,
    /// The rows that this job wrote.
    pub rows: u64,
    /// The bytes that this job wrote.
    pub bytes: u64,
    /// A hidden file that lets `finish` be repeated after a crash. Once the job is marked as done, [`forget`] removes it.
    pub log: Option<PathBuf>,
}
