//! A folder watched for new files.
//!
//! Files are read in the order in which they are found, those found together by name; each once, as it is then. So a file must be
//! whole when it appears: written under a name that begins with `.` or `_`, and renamed. A part is a file or, of Parquet, some
//! rows of a row group; it is numbered by a hash of its path, so that a job that is resumed knows what it has read.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::FileTable;
use super::path::{self, Hash};
use super::source::FileScan;
use crate::{Chunk, Error, PartEvent, PartOrder, PartsReader, Position, Reader, Result, Scan, ScanRequest};

/// The offset of a part that has been read to its end.
const AT_END: u64 = u64::MAX;

/// A watched folder or pattern.
#[derive(Debug)]
pub(super) struct WatchedScan {
    table: Arc<FileTable>,
    request: ScanRequest,
    schema: SchemaRef,
    interval: Duration,
}

impl WatchedScan {
    pub(super) fn new(table: &FileTable, request: &ScanRequest, interval: Duration) -> Result<Self> {
        // Files that are there and are not of the table's columns are found now rather than in the middle of the job.
        let files = path::list_watched(&table.name, &table.path)?;
        let schema = FileScan::over(table, request, files)?.schema();
        Ok(Self { table: Arc::new(table.clone()), request: request.clone(), schema, interval })
    }
}

impl Scan for WatchedScan {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn parts(&self) -> usize {
        0
    }

    fn open(&self, part: usize, _from: Option<&Position>) -> Result<Box<dyn Reader>> {
        let message = format!("part {part} cannot be read by itself: the folder is watched");
        Err(Error::declaration(&self.table.name, Some("source.monitor-interval"), message))
    }

    fn order(&self) -> PartOrder {
        PartOrder::AsTheyAppear
    }

    fn open_all(&self, from: &BTreeMap<u64, Position>) -> Result<Box<dyn PartsReader>> {
        Ok(Box::new(WatchedReader {
            table: self.table.clone(),
            request: self.request.clone(),
            schema: self.schema.clone(),
            interval: self.interval,
            from: from.clone(),
            found: HashSet::new(),
            waiting: VecDeque::new(),
            current: None,
            looked: None,
        }))
    }

    fn total_bytes(&self) -> Option<u64> {
        None
    }

    fn total_rows(&self) -> Option<u64> {
        None
    }

    fn fingerprint(&self) -> Result<u64> {
        FileScan::over(&self.table, &self.request, path::list_watched(&self.table.name, &self.table.path)?)?
            .fingerprint()
    }
}

/// Reads files as they appear.
struct WatchedReader {
    table: Arc<FileTable>,
    request: ScanRequest,
    schema: SchemaRef,
    interval: Duration,
    /// Where to go on in parts that were read before.
    from: BTreeMap<u64, Position>,
    /// Hashes of the paths found so far.
    found: HashSet<u64>,
    waiting: VecDeque<PathBuf>,
    current: Option<OpenFile>,
    /// When the folder was looked at last.
    looked: Option<Instant>,
}

/// A file being read.
struct OpenFile {
    scan: FileScan,
    /// A hash of its path.
    path_hash: Hash,
    /// The part of it that is read, and its number among all parts.
    part: usize,
    number: u64,
    reader: Box<dyn Reader>,
}

impl OpenFile {
    /// Opens the first part at or after `part` that is not at its end yet.
    fn open(scan: FileScan, path_hash: Hash, part: usize, from: &mut BTreeMap<u64, Position>) -> Result<Option<Self>> {
        for part in part..scan.parts() {
            let mut number = path_hash;
            number.add(&(part as u64).to_le_bytes());
            let position = from.remove(&number.0);
            if position.as_ref().is_some_and(|position| position.offset == AT_END) {
                continue;
            }
            let position = position.map(|position| Position { part: part as u64, ..position });
            let reader = scan.open(part, position.as_ref())?;
            return Ok(Some(Self { scan, path_hash, part, number: number.0, reader }));
        }
        Ok(None)
    }
}

impl WatchedReader {
    /// Finds files that were not there before.
    fn look(&mut self) -> Result<()> {
        self.looked = Some(Instant::now());
        for file in path::list_watched(&self.table.name, &self.table.path)? {
            if self.found.insert(self.hash(&file).0) {
                self.waiting.push_back(file);
            }
        }
        Ok(())
    }

    /// Tells a file from others, also where the script's folder lies elsewhere.
    fn hash(&self, file: &Path) -> Hash {
        let mut hash = Hash::default();
        hash.add(file.strip_prefix(&self.table.base_dir).unwrap_or(file).as_os_str().as_encoded_bytes());
        hash
    }
}

impl PartsReader for WatchedReader {
    fn next(&mut self, patience: Duration, _held: &BTreeSet<u64>) -> Result<PartEvent> {
        loop {
            if let Some(file) = &mut self.current {
                if let Some(chunk) = file.reader.next()? {
                    let position = Position { part: file.number, ..chunk.position };
                    return Ok(PartEvent::Chunk(Chunk { position, ..chunk }));
                }
                // An empty chunk tells that the part is done with.
                let position = Position { part: file.number, offset: AT_END, ..Position::default() };
                let end =
                    Chunk { batch: RecordBatch::new_empty(self.schema.clone()), position, bytes: 0, bad: Vec::new() };
                if let Some(OpenFile { scan, path_hash, part, .. }) = self.current.take() {
                    self.current = OpenFile::open(scan, path_hash, part + 1, &mut self.from)?;
                }
                return Ok(PartEvent::Chunk(end));
            }
            if let Some(file) = self.waiting.pop_front() {
                let hash = self.hash(&file);
                let scan = FileScan::over(&self.table, &self.request, vec![file])?;
                self.current = OpenFile::open(scan, hash, 0, &mut self.from)?;
                continue;
            }
            let since = self.looked.map_or(self.interval, |looked| looked.elapsed());
            if since < self.interval {
                std::thread::sleep(patience.min(self.interval - since));
                return Ok(PartEvent::Nothing);
            }
            self.look()?;
        }
    }
}
