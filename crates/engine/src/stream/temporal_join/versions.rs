//! The rows of a versioned table: each is the version of its key from its time on, until the next one's time.
//!
//! ```text
//!  key  ──hash──► shard ─► versions by time    t1 ──────► t2 ──────► t3 ───►      of two with one time the later arrival is it
//!                                                    ▲ a row of that key and of this time finds t1's
//! ```
//! Keys are compared as bytes of their row format, so that two that share a hash are told apart. State: for each key its latest
//! version before the horizon and those after it, and some 100 bytes and the key itself beside them; with a time to live, only
//! keys that have a version younger than that.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::physical_expr::PhysicalExpr;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rayon::prelude::*;

use crate::Result;
use crate::stream::held::HeldRows;
use crate::stream::join::{batch, evaluated, keyed};

/// Rows below which spreading them over the threads costs more than it gains.
const ROWS_TO_SPREAD_MIN: usize = if cfg!(test) { 8 } else { 2048 };

/// What a row and its table are matched by.
pub(crate) struct KeyAndTime {
    pub keys: Vec<Arc<dyn PhysicalExpr>>,
    /// The column of the time.
    pub time: usize,
}

/// The versions of all keys.
pub(crate) struct Versions {
    by: KeyAndTime,
    converter: RowConverter,
    /// The unit in which times are compared: the finer one of both sides.
    unit: TimeUnit,
    /// How long a version is known after its time, in that unit; `None`: for ever.
    ttl: Option<i64>,
    rows: HeldRows,
    schema: SchemaRef,
    next: u64,
    shards: Vec<Shard>,
    /// `None`: the work is not spread.
    threads: Option<Arc<rayon::ThreadPool>>,
}

/// Some of the keys.
#[derive(Default)]
struct Shard {
    /// The place of each key among `versions`, by its hash.
    places: HashTable<usize>,
    versions: Vec<OfKey>,
    /// Places that no key has any more.
    free: Vec<usize>,
    /// When versions of a key may become obsolete: when they begin, as they end the one before, and when they have lived.
    due: BinaryHeap<Reverse<(i64, usize)>>,
    key_bytes: usize,
    version_bytes: usize,
}

/// The versions of one key.
struct OfKey {
    hash: u64,
    key: Box<[u8]>,
    /// Times and the numbers of rows, by time.
    versions: Vec<(i64, u64)>,
}

/// A row on its way into a shard.
struct Arrival {
    hash: u64,
    row: usize,
    time: i64,
    number: u64,
}

impl Versions {
    /// Without versions yet. `schema` is that of the table, `other` the type of the times that will be asked for.
    pub(crate) fn new(
        by: KeyAndTime,
        schema: SchemaRef,
        other: &DataType,
        ttl_ms: Option<i64>,
        shards: usize,
        threads: Option<Arc<rayon::ThreadPool>>,
    ) -> Result<Self> {
        let types = by.keys.iter().map(|key| Ok(SortField::new(key.data_type(&schema)?)));
        let converter = RowConverter::new(types.collect::<Result<_>>()?)?;
        let unit = finer(schema.field(by.time).data_type(), other);
        Ok(Self {
            by,
            converter,
            unit,
            ttl: ttl_ms.map(|ttl| ttl.saturating_mul(ticks_a_millisecond(unit))),
            rows: HeldRows::new(Arc::clone(&schema)),
            schema,
            next: 0,
            shards: (0..shards.max(1)).map(|_| Shard::default()).collect(),
            threads,
        })
    }

    /// Takes rows of the table in. A row without a time or with a NULL in its key is the version of nothing.
    pub(crate) fn add(&mut self, rows: RecordBatch) -> Result<()> {
        let count = rows.num_rows();
        let first = self.next;
        self.next += count as u64;
        let keys = evaluated(&self.by.keys, &rows)?;
        let times = self.times(rows.column(self.by.time))?;
        let nulls = keyed(&keys);
        let mut hashes = vec![0; count];
        create_hashes(&keys, &RandomState::with_seed(0), &mut hashes)?;
        let keys = self.converter.convert_columns(&keys)?;
        let mut arrivals: Vec<Vec<Arrival>> = self.shards.iter().map(|_| Vec::new()).collect();
        let mut obsolete = Vec::new();
        for (row, hash) in hashes.into_iter().enumerate() {
            let number = first + row as u64;
            let keyed = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            match keyed && times.is_valid(row) {
                true => arrivals[self.shard_of(hash)].push(Arrival { hash, row, time: times.value(row), number }),
                false => obsolete.push(number),
            }
        }
        let ttl = self.ttl;
        let add = |(shard, arrivals): (&mut Shard, Vec<Arrival>)| {
            let mut replaced = Vec::new();
            arrivals.into_iter().for_each(|arrival| replaced.extend(shard.add(arrival, &keys, ttl)));
            replaced
        };
        let work = self.shards.iter_mut().zip(arrivals);
        let replaced: Vec<Vec<u64>> = match &self.threads {
            Some(threads) if count >= ROWS_TO_SPREAD_MIN => {
                let work: Vec<_> = work.collect();
                threads.install(|| work.into_par_iter().map(add).collect())
            }
            _ => work.map(add).collect(),
        };
        self.rows.push((first..self.next).collect(), rows)?;
        self.rows.release(obsolete.into_iter().chain(replaced.into_iter().flatten()))
    }

    /// Which row is the version of each key at each time.
    pub(crate) fn find(&self, keys: &[ArrayRef], times: &ArrayRef) -> Result<Vec<Option<u64>>> {
        let times = self.times(times)?;
        let nulls = keyed(keys);
        let mut hashes = vec![0; times.len()];
        create_hashes(keys, &RandomState::with_seed(0), &mut hashes)?;
        let keys = self.converter.convert_columns(keys)?;
        let find = |(row, hash): (usize, u64)| {
            let keyed = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            (keyed && times.is_valid(row))
                .then(|| self.shards[self.shard_of(hash)].find(hash, keys.row(row).data(), times.value(row), self.ttl))
                .flatten()
        };
        Ok(hashes.into_iter().enumerate().map(find).collect())
    }

    /// Some columns of rows that [`Versions::find`] gave; `None` is a row of NULLs.
    pub(crate) fn gather(&self, columns: &[usize], numbers: &[Option<u64>]) -> Result<Vec<ArrayRef>> {
        self.rows.gather(columns, numbers)
    }

    /// Gives up what no row from this time on, in milliseconds, can find.
    pub(crate) fn forget_before(&mut self, horizon_ms: i64) -> Result<()> {
        let horizon = horizon_ms.saturating_mul(ticks_a_millisecond(self.unit));
        let ttl = self.ttl;
        let obsolete: Vec<u64> = self.shards.iter_mut().flat_map(|shard| shard.forget_before(horizon, ttl)).collect();
        self.rows.release(obsolete.into_iter())
    }

    /// Bytes of memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.bytes() + self.shards.iter().map(Shard::bytes).sum::<usize>()
    }

    /// All rows that are held, in the order of their arrival: what [`Versions::add`] makes the same of.
    pub(crate) fn all(&mut self) -> Result<RecordBatch> {
        let (_, rows) = self.rows.all()?;
        batch(&self.schema, rows.columns().to_vec(), rows.num_rows())
    }

    /// Times in the common unit.
    fn times(&self, times: &ArrayRef) -> Result<Int64Array> {
        let zone = match times.data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        let times = cast(times, &DataType::Timestamp(self.unit, zone))?;
        Ok(cast(&times, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }

    fn shard_of(&self, hash: u64) -> usize {
        // The low and the high bits of a hash are those that the table inside a shard goes by.
        ((hash >> 24) % self.shards.len() as u64) as usize
    }
}

impl Shard {
    /// Takes a version in; gives the number of the one that it takes the place of.
    fn add(&mut self, arrival: Arrival, keys: &Rows, ttl: Option<i64>) -> Option<u64> {
        let Arrival { hash, row, time, number } = arrival;
        let key = keys.row(row).data();
        let Self { places, versions, free, .. } = self;
        let known = |place: &usize| versions[*place].hash == hash && *versions[*place].key == *key;
        let place = match places.entry(hash, known, |place| versions[*place].hash) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacant) => {
                let of_key = OfKey { hash, key: key.into(), versions: Vec::new() };
                self.key_bytes += key.len();
                let place = match free.pop() {
                    Some(place) => {
                        versions[place] = of_key;
                        place
                    }
                    None => {
                        versions.push(of_key);
                        versions.len() - 1
                    }
                };
                vacant.insert(place);
                place
            }
        };
        let versions = &mut self.versions[place].versions;
        let before = versions.partition_point(|(known, _)| *known <= time);
        if let Some((known, older)) = before.checked_sub(1).map(|last| &mut versions[last])
            && *known == time
        {
            return Some(std::mem::replace(older, number));
        }
        let capacity = versions.capacity();
        versions.insert(before, (time, number));
        self.version_bytes += (versions.capacity() - capacity) * size_of::<(i64, u64)>();
        self.due.push(Reverse((time, place)));
        if let Some(ttl) = ttl {
            self.due.push(Reverse((time.saturating_add(ttl), place)));
        }
        None
    }

    /// The version of a key at a time.
    fn find(&self, hash: u64, key: &[u8], time: i64, ttl: Option<i64>) -> Option<u64> {
        let place = self.places.find(hash, |place| {
            let known = &self.versions[*place];
            known.hash == hash && *known.key == *key
        })?;
        let versions = &self.versions[*place].versions;
        let (since, number) = versions[versions.partition_point(|(since, _)| *since <= time).checked_sub(1)?];
        ttl.is_none_or(|ttl| time.saturating_sub(since) < ttl).then_some(number)
    }

    fn forget_before(&mut self, horizon: i64, ttl: Option<i64>) -> Vec<u64> {
        let mut obsolete = Vec::new();
        while let Some(Reverse((time, place))) = self.due.peek().copied()
            && time <= horizon
        {
            self.due.pop();
            let known = &mut self.versions[place];
            let mut over = known.versions.partition_point(|(since, _)| *since <= horizon).saturating_sub(1);
            let is_over = |since: i64| ttl.is_some_and(|ttl| horizon.saturating_sub(since) >= ttl);
            over += usize::from(known.versions.get(over).is_some_and(|(since, _)| is_over(*since)));
            if over == 0 {
                continue;
            }
            let capacity = known.versions.capacity();
            obsolete.extend(known.versions.drain(..over).map(|(_, number)| number));
            if known.versions.capacity() > 4 * known.versions.len() {
                known.versions.shrink_to_fit();
            }
            self.version_bytes -= (capacity - known.versions.capacity()) * size_of::<(i64, u64)>();
            if known.versions.is_empty() {
                let hash = known.hash;
                self.key_bytes -= std::mem::take(&mut known.key).len();
                if let Ok(gone) = self.places.find_entry(hash, |known| *known == place) {
                    gone.remove();
                    self.free.push(place);
                }
            }
        }
        obsolete
    }

    fn bytes(&self) -> usize {
        self.key_bytes
            + self.version_bytes
            + self.places.allocation_size()
            + self.versions.capacity() * size_of::<OfKey>()
            + self.free.capacity() * size_of::<usize>()
            + self.due.capacity() * size_of::<(i64, usize)>()
    }
}

/// The finer unit of two types of times.
fn finer(one: &DataType, other: &DataType) -> TimeUnit {
    let unit = |data_type: &DataType| match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => TimeUnit::Millisecond,
        DataType::Timestamp(unit, _) => *unit,
        _ => TimeUnit::Millisecond,
    };
    let (one, other) = (unit(one), unit(other));
    if ticks_a_millisecond(one) >= ticks_a_millisecond(other) { one } else { other }
}

fn ticks_a_millisecond(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second | TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1_000_000,
    }
}
