//! A version of a keyed model: what all keys have learned, in one file that can be written and read in little memory.
//!
//! ```text
//!  "TGKV" 1 │ header │ block │ block │ … │ index │ where the index is │ "TGKV"
//!             spec,    keys and states,    the first key
//!             prior    ascending           of each block
//! ```
//! Header, blocks and index are each `length (u32, little-endian) │ content │ CRC-32`. A key is found by one search in the index
//! and one block of some 16 KiB.

use std::io::{Read, Seek, SeekFrom, Write};

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::Unknown;
use crate::keys::Keys;
use crate::model::Incoming;
use crate::model::saved::Learned;
use crate::rearrange::{some_rows, together};
use crate::rows::Rows;
use crate::snapshot::{SnapshotError, decode, encode};
use crate::{DataFault, Error, Model, Result};

const MAGIC: &[u8; 4] = b"TGKV";
const FORMAT: u8 = 1;
/// Bytes after which a block is closed.
const BLOCK_BYTES: usize = 16 << 10;
/// More than any block, header or index has.
const PART_BYTES_MAX: u32 = 1 << 30;
/// Blocks that a reader keeps.
const BLOCKS_KEPT: usize = 64;

/// Takes a key and what it has learned.
pub type Take<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

/// Gives what a key has learned.
pub type Find<'a> = dyn FnMut(&[u8]) -> Result<Option<Vec<u8>>> + 'a;

/// Whether bytes begin as a version of a keyed model does.
pub fn is_keyed(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// What a version says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    /// A model that has learned nothing, by [`Model::save`].
    pub untrained: Vec<u8>,
    /// The model of all keys, where there is one.
    pub prior: Option<Vec<u8>>,
    /// The columns that make the key, as a user knows them.
    pub key_columns: Vec<String>,
    /// What predicts a row of a key that is not there.
    pub unknown: Unknown,
}

fn failed(error: std::io::Error) -> Error {
    Error::Store(format!("the version of a keyed model: {error}"))
}

fn damaged(what: &str) -> Error {
    SnapshotError::Content(format!("the version of a keyed model: {what}")).into()
}

type Block = Vec<(Vec<u8>, Vec<u8>)>;

/// Writes a version.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    at: u64,
    block: Block,
    block_bytes: usize,
    index: Vec<(Vec<u8>, u64)>,
    keys: u64,
}

impl<W: Write> Writer<W> {
    /// Begins with the header.
    ///
    /// # Errors
    /// [`Error::Store`] when it cannot be written.
    pub fn new(to: W, header: &Header) -> Result<Self> {
        let mut writer = Self { to, at: 5, block: Vec::new(), block_bytes: 0, index: Vec::new(), keys: 0 };
        writer.to.write_all(MAGIC).and_then(|()| writer.to.write_all(&[FORMAT])).map_err(failed)?;
        writer.part(&encode(header))?;
        Ok(writer)
    }

    /// Adds what a key has learned, by [`super::learned_of`]. Keys must ascend.
    ///
    /// # Errors
    /// [`Error::Store`] when it cannot be written.
    pub fn add(&mut self, key: &[u8], learned: Vec<u8>) -> Result<()> {
        self.block_bytes += key.len() + learned.len();
        self.block.push((key.to_vec(), learned));
        self.keys += 1;
        if self.block_bytes >= BLOCK_BYTES { self.close_block() } else { Ok(()) }
    }

    fn close_block(&mut self) -> Result<()> {
        let Some((first, _)) = self.block.first() else { return Ok(()) };
        self.index.push((first.clone(), self.at));
        let block = std::mem::take(&mut self.block);
        self.block_bytes = 0;
        self.part(&encode(&block))
    }

    fn part(&mut self, content: &[u8]) -> Result<()> {
        let len = u32::try_from(content.len()).ok().filter(|len| *len <= PART_BYTES_MAX);
        let len = len.ok_or_else(|| Error::Limit("a version of a keyed model is too large to be written".into()))?;
        let written = self
            .to
            .write_all(&len.to_le_bytes())
            .and_then(|()| self.to.write_all(content))
            .and_then(|()| self.to.write_all(&crc32fast::hash(content).to_le_bytes()));
        self.at += u64::from(len) + 8;
        written.map_err(failed)
    }

    /// Writes the index; returns how many keys there are, and what was written to.
    ///
    /// # Errors
    /// [`Error::Store`] when it cannot be written.
    pub fn finish(mut self) -> Result<(u64, W)> {
        self.close_block()?;
        let at = self.at;
        let index = encode(&(self.keys, std::mem::take(&mut self.index)));
        self.part(&index)?;
        let ended = self.to.write_all(&at.to_le_bytes()).and_then(|()| self.to.write_all(MAGIC));
        ended.and_then(|()| self.to.flush()).map_err(failed)?;
        Ok((self.keys, self.to))
    }
}

/// Reads a version.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    header: Header,
    keys: u64,
    index: Vec<(Vec<u8>, u64)>,
    /// Blocks read last, the last at the end.
    kept: Vec<(usize, Block)>,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads the header and the index.
    ///
    /// # Errors
    /// [`Error::Snapshot`] when it is not a version of a keyed model, or damaged; [`Error::Store`] when it cannot be read.
    pub fn open(mut from: R) -> Result<Self> {
        let mut start = [0; 5];
        from.read_exact(&mut start).map_err(failed)?;
        if !is_keyed(&start) {
            return Err(SnapshotError::Malformed("it is no version of a keyed model").into());
        }
        if start[4] != FORMAT {
            let kind = "a keyed model".to_string();
            return Err(SnapshotError::Version { kind, found: start[4], known: FORMAT }.into());
        }
        let header = decode(&part(&mut from)?)?;
        from.seek(SeekFrom::End(-12)).map_err(failed)?;
        let mut end = [0; 12];
        from.read_exact(&mut end).map_err(failed)?;
        let (at, magic) = end.split_at(8);
        if magic != MAGIC {
            return Err(damaged("it is cut short"));
        }
        let at = u64::from_le_bytes(at.try_into().unwrap_or_default());
        from.seek(SeekFrom::Start(at)).map_err(failed)?;
        let (keys, index): (u64, Vec<(Vec<u8>, u64)>) = decode(&part(&mut from)?)?;
        if !index.is_sorted() {
            return Err(damaged("its index is not in order"));
        }
        Ok(Self { from, header, keys, index, kept: Vec::new() })
    }

    /// What the version says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many keys there are.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// What a key has learned.
    ///
    /// # Errors
    /// [`Error::Snapshot`] when the block is damaged; [`Error::Store`] when it cannot be read.
    pub fn find(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(number) = self.index.partition_point(|(first, _)| first.as_slice() <= key).checked_sub(1) else {
            return Ok(None);
        };
        let block = self.block(number)?;
        Ok(block.binary_search_by(|(other, _)| other.as_slice().cmp(key)).ok().map(|place| block[place].1.clone()))
    }

    fn block(&mut self, number: usize) -> Result<&Block> {
        let kept = match self.kept.iter().position(|(kept, _)| *kept == number) {
            Some(place) => self.kept.remove(place),
            None => {
                self.from.seek(SeekFrom::Start(self.index[number].1)).map_err(failed)?;
                let block: Block = decode(&part(&mut self.from)?)?;
                if !block.is_sorted() {
                    return Err(damaged("a block is not in order"));
                }
                (number, block)
            }
        };
        if self.kept.len() >= BLOCKS_KEPT {
            self.kept.remove(0);
        }
        self.kept.push(kept);
        self.kept.last().map(|(_, block)| block).ok_or_else(|| damaged("a block was just read"))
    }

    /// All keys in order, with what each has learned.
    ///
    /// # Errors
    /// As [`Reader::find`], and when `take` fails.
    pub fn each(&mut self, take: &mut Take<'_>) -> Result<()> {
        for number in 0..self.index.len() {
            self.block(number)?.iter().try_for_each(|(key, learned)| take(key, learned))?;
        }
        Ok(())
    }
}

fn part(from: &mut impl Read) -> Result<Vec<u8>> {
    let mut len = [0; 4];
    from.read_exact(&mut len).map_err(failed)?;
    let len = u32::from_le_bytes(len);
    if len > PART_BYTES_MAX {
        return Err(damaged("a part is too long"));
    }
    let mut content = Vec::new();
    from.by_ref().take(len.into()).read_to_end(&mut content).map_err(failed)?;
    let mut crc = [0; 4];
    from.read_exact(&mut crc).map_err(failed)?;
    if content.len() != len as usize || crc32fast::hash(&content) != u32::from_le_bytes(crc) {
        return Err(SnapshotError::Checksum.into());
    }
    Ok(content)
}

/// The state of a key that begins with what a version says it has learned.
///
/// # Errors
/// [`Error::Snapshot`] when the bytes are not what a key has learned.
pub fn state_of(learned: &[u8]) -> Result<Vec<u8>> {
    let learned: Learned = decode(learned)?;
    Ok(encode(&super::KeyState { waiting: None, seen: i64::MIN, learned }))
}

/// Predicts by the models of a version, each row by its key's.
#[derive(Debug)]
pub struct Predictor {
    bench: Model,
    untrained: Learned,
    prior: Option<Model>,
    unknown: Unknown,
}

impl Predictor {
    /// One for versions with this header, which predictions carry the number of.
    ///
    /// # Errors
    /// [`Error::Snapshot`] when the header is damaged.
    pub fn new(header: &Header, number: u64) -> Result<Self> {
        let load = |bytes: &[u8]| {
            let mut model = Model::load(bytes)?;
            model.set_version(number);
            Ok::<_, Error>(model)
        };
        let mut bench = load(&header.untrained)?;
        bench.labels.lift_limit();
        bench.pipeline.keep_texts();
        let prior = header.prior.as_deref().map(load).transpose()?;
        Ok(Self { untrained: bench.learned(), bench, prior, unknown: header.unknown })
    }

    /// Predicts every row. Columns are those of [`Model::predict`].
    ///
    /// # Errors
    /// As [`Model::predict`], and when `find`, which gives what a key has learned, fails.
    pub fn predict(&mut self, batch: &RecordBatch, keys: &Keys, find: &mut Find<'_>) -> Result<RecordBatch> {
        let mut order: Vec<u32> = (0..batch.num_rows() as u32).collect();
        order.sort_by(|a, b| keys.get(*a as usize).cmp(keys.get(*b as usize)));
        let mut incoming = Incoming { rows: Rows::new(self.bench.pipeline.columns()), ..Incoming::default() };
        self.bench.read_inputs(&some_rows(batch, &order)?, &mut incoming).map_err(|error| match error {
            Error::Data(fault) => DataFault { row: order[fault.row] as usize, ..fault }.into(),
            other => other,
        })?;
        let of_prior = match &self.prior {
            Some(prior) if self.unknown == Unknown::Prior => Some(prior.predict(batch)?),
            _ => None,
        };
        let (mut pieces, mut places) = (Vec::new(), vec![(0, 0); batch.num_rows()]);
        let of_nobody = pieces.len();
        pieces.push(self.bench.no_prediction()?);
        let prior_piece = of_prior.map(|predictions| {
            pieces.push(predictions);
            pieces.len() - 1
        });
        let mut buffers = crate::model::Buffers::default();
        let by_key = !self.bench.labels.are_targets();
        let mut predictions = self.bench.predictions(order.len());
        let (mut start, mut made) = (0, 0);
        while start < order.len() {
            let key = keys.get(order[start] as usize);
            let len = order[start..].iter().take_while(|row| keys.get(**row as usize) == key).count();
            let rows = &order[start..start + len];
            let learned: Option<Learned> = find(key)?.map(|learned| decode(&learned)).transpose()?;
            let taught = learned.as_ref().is_some_and(|learned| learned.has_learned());
            match (taught, self.unknown, prior_piece) {
                (false, Unknown::Null, _) => {
                    rows.iter().for_each(|row| places[*row as usize] = (of_nobody, 0));
                }
                (false, Unknown::Prior, Some(prior)) => {
                    rows.iter().for_each(|row| places[*row as usize] = (prior, *row as usize));
                }
                _ => {
                    self.bench.resume(learned.as_ref().unwrap_or(&self.untrained))?;
                    self.bench.predict_rows(&incoming.rows, start, len, &mut buffers, &mut predictions);
                    let own = pieces.len();
                    rows.iter().enumerate().for_each(|(i, row)| places[*row as usize] = (own, made + i));
                    made += len;
                    if by_key {
                        let done = std::mem::replace(&mut predictions, self.bench.predictions(0));
                        pieces.push(self.bench.finish(done)?);
                        made = 0;
                    }
                }
            }
            start += len;
        }
        if made > 0 {
            pieces.push(self.bench.finish(predictions)?);
        }
        let empty = self.bench.finish(self.bench.predictions(0))?;
        if places.is_empty() {
            return Ok(empty);
        }
        together(empty, &pieces, &places)
    }
}
