//! Joins a stream with a bounded table, which was read before the stream began.
//!
//! ```text
//!  stream ──► row ──hash of its key──► places in the table ──► row and table row, in the order of the stream,
//!                                                               then of the table
//! ```
//! A row is answered at once, so that the times and the watermark of the stream go on as they are. State: the table and 20
//! bytes a row of it. It is not part of a checkpoint: a job that is resumed reads the table again.
//!
//! In a job without an end the table may be read again at an interval, between two rounds: the stream waits meanwhile, and rows
//! are answered from the one reading or from the other, never from both. While it is read, both are in memory.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::physical_expr::PhysicalExpr;
use hashbrown::HashTable;

use super::join::{ROWS_A_BATCH, Residual, Side, batch, evaluated, holds, keyed};
use super::operator::Operator;
use crate::{Error, OperatorReport, Result};

/// Joins a stream with a table.
pub(crate) struct LookupJoin {
    /// The side that the table is on.
    table_side: Side,
    table: Table,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    residual: Option<Residual>,
    /// Whether rows of the stream without a match are kept, with NULLs.
    outer: bool,
    schema: SchemaRef,
    table_keys: Vec<Arc<dyn PhysicalExpr>>,
    reload: Option<Reload>,
    state_bytes_max: u64,
}

/// Reads a table.
pub(crate) type ReadTable = Box<dyn Fn() -> Result<RecordBatch> + Send>;

/// Reads the table again, at an interval.
struct Reload {
    read: ReadTable,
    when: tidegate_connectors::Reload,
    /// When it is next read, since the job began; `None`: that is counted from the next moment on.
    due: Option<Duration>,
}

/// A table by key.
struct Table {
    rows: RecordBatch,
    keys: Vec<ArrayRef>,
    /// The places of rows whose keys have no NULL, by the hash of the key, then in the table's order.
    places: Vec<u32>,
    /// For each hash, where its rows begin and end in `places`.
    runs: HashTable<(u64, u32, u32)>,
}

impl Table {
    fn new(rows: RecordBatch, keys: &[Arc<dyn PhysicalExpr>]) -> Result<Self> {
        let count = u32::try_from(rows.num_rows())
            .map_err(|_| Error::Limit("a stream is joined with a table of more than 4 billion rows".into()))?;
        let keys = evaluated(keys, &rows)?;
        let mut hashes = vec![0; rows.num_rows()];
        create_hashes(&keys, &RandomState::with_seed(0), &mut hashes)?;
        let keyed = keyed(&keys);
        let is_keyed = |place: &u32| keyed.as_ref().is_none_or(|keyed| keyed.is_valid(*place as usize));
        let mut places: Vec<u32> = (0..count).filter(is_keyed).collect();
        places.sort_unstable_by_key(|place| (hashes[*place as usize], *place));
        let mut runs = HashTable::new();
        let mut start = 0;
        for run in places.chunk_by(|a, b| hashes[*a as usize] == hashes[*b as usize]) {
            let end = start + run.len() as u32;
            if let Some(first) = run.first() {
                let hash = hashes[*first as usize];
                runs.insert_unique(hash, (hash, start, end), |known| known.0);
            }
            start = end;
        }
        Ok(Self { rows, keys, places, runs })
    }

    /// The places of the rows whose keys have this hash.
    fn find(&self, hash: u64) -> &[u32] {
        match self.runs.find(hash, |known| known.0 == hash) {
            Some((_, start, end)) => &self.places[*start as usize..*end as usize],
            None => &[],
        }
    }

    fn bytes(&self) -> u64 {
        let index = self.places.capacity() * size_of::<u32>() + self.runs.allocation_size();
        (self.rows.get_array_memory_size() + index) as u64
    }
}

impl LookupJoin {
    pub(crate) fn new(
        table_side: Side,
        table: RecordBatch,
        stream_keys: Vec<Arc<dyn PhysicalExpr>>,
        table_keys: Vec<Arc<dyn PhysicalExpr>>,
        residual: Option<Residual>,
        outer: bool,
        schema: SchemaRef,
    ) -> Result<Self> {
        let table = Table::new(table, &table_keys)?;
        let state_bytes_max = table.bytes();
        let keys = stream_keys;
        Ok(Self { table_side, table, keys, residual, outer, schema, table_keys, reload: None, state_bytes_max })
    }

    /// Has the table read again.
    pub(crate) fn reloaded(self, when: tidegate_connectors::Reload, read: ReadTable) -> Self {
        Self { reload: Some(Reload { read, when, due: None }), ..self }
    }

    /// The rows of the stream and of the table that may match: the hashes of their keys are equal.
    fn candidates(&self, keys: &[ArrayRef], rows: usize) -> Result<(Vec<u32>, Vec<u32>)> {
        let mut hashes = vec![0; rows];
        create_hashes(keys, &RandomState::with_seed(0), &mut hashes)?;
        let keyed = keyed(keys);
        let (mut stream, mut table) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for (row, hash) in hashes.into_iter().enumerate() {
            if keyed.as_ref().is_none_or(|keyed| keyed.is_valid(row)) {
                let found = self.table.find(hash);
                stream.extend(std::iter::repeat_n(row as u32, found.len()));
                table.extend_from_slice(found);
            }
        }
        Ok((stream, table))
    }

    /// Columns of the left side, then of the right side.
    fn in_order<T>(&self, mut stream: Vec<T>, mut table: Vec<T>) -> Vec<T> {
        match self.table_side {
            Side::Left => {
                table.append(&mut stream);
                table
            }
            Side::Right => {
                stream.append(&mut table);
                stream
            }
        }
    }

    /// The rows of the stream, each with its rows of the table; `None` is a row of NULLs.
    fn matches(&self, rows: &RecordBatch) -> Result<(Vec<u32>, Vec<Option<u32>>)> {
        let keys = evaluated(&self.keys, rows)?;
        let (stream, table) = self.candidates(&keys, rows.num_rows())?;
        let (stream, table) = (UInt32Array::from(stream), UInt32Array::from(table));
        let residual = match &self.residual {
            None => None,
            Some(residual) => {
                let (of_stream, of_table) = match self.table_side {
                    Side::Left => (&residual.right, &residual.left),
                    Side::Right => (&residual.left, &residual.right),
                };
                let of_stream = taken(of_stream.iter().map(|column| rows.column(*column)), &stream)?;
                let of_table = taken(of_table.iter().map(|column| self.table.rows.column(*column)), &table)?;
                Some((residual, self.in_order(of_stream, of_table)))
            }
        };
        let of_table = taken(self.table.keys.iter(), &table)?;
        let holds = holds(stream.len(), (&taken(keys.iter(), &stream)?, &of_table), residual)?;

        let mut found = Vec::with_capacity(stream.len());
        let mut with = Vec::with_capacity(stream.len());
        let mut next = 0;
        let mut skip_to = |row: u32, found: &mut Vec<u32>, with: &mut Vec<Option<u32>>| {
            if self.outer {
                found.extend(next..row);
                with.resize(found.len(), None);
            }
            next = row + 1;
        };
        for (candidate, holds) in holds.iter().enumerate() {
            if holds == Some(true) {
                let row = stream.value(candidate);
                if found.last() != Some(&row) {
                    skip_to(row, &mut found, &mut with);
                }
                found.push(row);
                with.push(Some(table.value(candidate)));
            }
        }
        skip_to(rows.num_rows() as u32, &mut found, &mut with);
        Ok((found, with))
    }
}

impl Operator for LookupJoin {
    fn process(&mut self, _input: usize, rows: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let (stream, table) = self.matches(&rows)?;
        for (stream, table) in stream.chunks(ROWS_A_BATCH).zip(table.chunks(ROWS_A_BATCH)) {
            let of_stream = taken(rows.columns().iter(), &UInt32Array::from(stream.to_vec()))?;
            let of_table = taken(self.table.rows.columns().iter(), &UInt32Array::from(table.to_vec()))?;
            out.push(batch(&self.schema, self.in_order(of_stream, of_table), stream.len())?);
        }
        Ok(())
    }

    fn tick(&mut self, running: Duration) -> Result<()> {
        let Some(reload) = &mut self.reload else { return Ok(()) };
        let next = running.saturating_add(reload.when.every);
        match reload.due {
            Some(due) if running < due => {}
            Some(_) => {
                self.table = Table::new((reload.read)()?, &self.table_keys)?;
                // The next moment is after the end of the reading.
                reload.due = if reload.when.from_end { None } else { Some(next) };
                self.measure();
            }
            None => reload.due = Some(next),
        }
        Ok(())
    }

    fn measure(&mut self) -> Option<u64> {
        let bytes = self.table.bytes();
        self.state_bytes_max = self.state_bytes_max.max(bytes);
        Some(bytes)
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        let operator = "lookup join".to_string();
        Some(OperatorReport { operator, rows_late: 0, state_bytes_max: self.state_bytes_max })
    }
}

fn taken<'a>(columns: impl Iterator<Item = &'a ArrayRef>, places: &UInt32Array) -> Result<Vec<ArrayRef>> {
    columns.map(|column| Ok(take(column, places, None)?)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use datafusion::physical_expr::expressions::Column;

    use super::*;

    /// Of a table whose one row has key 1 and the number of times that it was read.
    fn join(when: tidegate_connectors::Reload) -> (LookupJoin, Arc<AtomicI64>) {
        let readings = Arc::new(AtomicI64::new(0));
        let read = {
            let readings = Arc::clone(&readings);
            move || {
                let reading = readings.fetch_add(1, Ordering::SeqCst) + 1;
                let column = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
                Ok(RecordBatch::try_from_iter([("key", column(1)), ("reading", column(reading))])?)
            }
        };
        let key = || vec![Arc::new(Column::new("key", 0)) as Arc<dyn PhysicalExpr>];
        let fields = ["key", "key", "reading"].map(|name| Field::new(name, DataType::Int64, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let join = LookupJoin::new(Side::Right, read().unwrap(), key(), key(), None, true, schema).unwrap();
        (join.reloaded(when, Box::new(read)), readings)
    }

    fn answer(join: &mut LookupJoin) -> i64 {
        let mut out = Vec::new();
        let row = RecordBatch::try_from_iter([("key", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        join.process(0, row, &mut out).unwrap();
        out[0].column(2).as_primitive::<Int64Type>().value(0)
    }

    #[test]
    fn the_table_is_read_again_when_the_clock_says_so_and_only_then() {
        let every = Duration::from_secs(60);
        let at = |join: &mut LookupJoin, seconds: u64| {
            join.tick(Duration::from_secs(seconds)).unwrap();
            answer(join)
        };
        let (mut from_start, _) = join(tidegate_connectors::Reload { every, from_end: false });
        assert_eq!(answer(&mut from_start), 1, "without a tick it is what it was");
        let answers = [1, 30, 60, 61, 100, 121, 500, 501, 560].map(|seconds| at(&mut from_start, seconds));
        // Due 60 after each reading: at 61, at 121, and at 181, when nobody looked before 500.
        assert_eq!(answers, [1, 1, 1, 2, 2, 3, 4, 4, 5]);
        let (mut from_end, readings) = join(tidegate_connectors::Reload { every, from_end: true });
        let answers = [1, 61, 70, 121, 129, 130].map(|seconds| at(&mut from_end, seconds));
        // The reading at 61 has ended by 70, when the clock is looked at again.
        assert_eq!(answers, [1, 2, 2, 2, 2, 3]);
        assert_eq!(readings.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn a_table_that_is_not_reloaded_has_no_time() {
        let (join, readings) = join(tidegate_connectors::Reload { every: Duration::from_secs(1), from_end: true });
        let mut join = LookupJoin { reload: None, ..join };
        join.tick(Duration::from_secs(1000)).unwrap();
        join.tick(Duration::from_secs(2000)).unwrap();
        assert_eq!((answer(&mut join), readings.load(Ordering::SeqCst)), (1, 1));
    }
}
