//! The first rows of each window, or of each key of it: `ROW_NUMBER() OVER (PARTITION BY window_start, window_end, … ORDER BY …)
//! <= N`; with N = 1 the deduplication of windows.
//!
//! ```text
//!  rows ─► window_end ─► partition { its N first rows so far, by the bytes of what they are sorted by } ─ watermark ─► out
//! ```
//! A window's rows come out when the watermark reaches its end, and are never taken back. They come by window, then by the
//! partition whose oldest row came first, then by their number. Of rows that are sorted alike the one that came first is the
//! first; where only the latest row by a time is kept, the one that came last is, as in Flink.
//!
//! State: N rows of each partition of every open window, and some 100 bytes and the sort key for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::row::RowConverter;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::physical_expr::PhysicalExpr;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::{decode, encode};

use super::held::HeldRows;
use super::join::{batch, evaluated};
use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use super::spill::{batch_from_bytes, batch_to_bytes};
use crate::batch::window::milliseconds;
use crate::{Error, OperatorReport, Result};

/// Rows that come out at once.
const ROWS_A_BATCH: usize = 8192;

/// What is kept of which rows.
pub(crate) struct First {
    /// What rows are numbered by; the one at `window_end` is the end of a window.
    pub partition: Vec<Arc<dyn PhysicalExpr>>,
    pub window_end: usize,
    pub partition_rows: RowConverter,
    /// What they are sorted by.
    pub sort: Vec<Arc<dyn PhysicalExpr>>,
    pub sort_rows: RowConverter,
    /// So many are kept.
    pub count: usize,
    /// Whether of rows that are sorted alike the one that came last is the first.
    pub last_of_equals: bool,
}

/// Keeps the first rows of windows.
pub(crate) struct WindowTopN {
    first: First,
    /// That of the output: the columns of the input, then the row's number.
    schema: SchemaRef,
    input: SchemaRef,
    rows: HeldRows,
    next: u64,
    /// The open windows by their end, in milliseconds.
    windows: BTreeMap<i64, Window>,
    watermark: i64,
    rows_late: u64,
    state_bytes_max: u64,
}

#[derive(Default)]
struct Window {
    partitions: HashTable<Partition>,
    key_bytes: usize,
}

struct Partition {
    hash: u64,
    key: Box<[u8]>,
    /// In their order, so many as are kept at the most.
    rows: Vec<Kept>,
}

struct Kept {
    sort: Vec<u8>,
    number: u64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    watermark: i64,
    rows_late: u64,
    state_bytes_max: u64,
    rows: Vec<u8>,
}

impl Partition {
    /// Takes a row in, if it is among the first; gives the one that is not any more.
    fn offer(&mut self, sort: &[u8], number: u64, count: usize, last_of_equals: bool) -> Option<u64> {
        let place = match last_of_equals {
            true => self.rows.partition_point(|kept| kept.sort.as_slice() < sort),
            false => self.rows.partition_point(|kept| kept.sort.as_slice() <= sort),
        };
        if place >= count {
            return Some(number);
        }
        // The memory of the one that goes is that of the one that comes.
        let gone = if self.rows.len() == count { self.rows.pop() } else { None };
        let out = gone.as_ref().map(|gone| gone.number);
        let mut bytes = gone.map_or_else(Vec::new, |gone| gone.sort);
        bytes.clear();
        bytes.extend_from_slice(sort);
        self.rows.insert(place, Kept { sort: bytes, number });
        out
    }
}

impl WindowTopN {
    pub(crate) fn new(first: First, input: SchemaRef, schema: SchemaRef) -> Self {
        let rows = HeldRows::new(Arc::clone(&input));
        let windows = BTreeMap::new();
        Self { first, schema, input, rows, next: 0, windows, watermark: BEFORE_ALL, rows_late: 0, state_bytes_max: 0 }
    }

    fn take(&mut self, rows: &RecordBatch) -> Result<()> {
        let count = rows.num_rows();
        let start = self.next;
        self.next += count as u64;
        let First { partition, window_end, partition_rows, sort, sort_rows, count: kept_count, last_of_equals } =
            &self.first;
        let partition = evaluated(partition, rows)?;
        let ends = milliseconds(&partition[*window_end])?;
        let mut hashes = vec![0; count];
        create_hashes(&partition, &RandomState::with_seed(0), &mut hashes)?;
        let keys = partition_rows.convert_columns(&partition)?;
        let sort = sort_rows.convert_columns(&evaluated(sort, rows)?)?;
        let mut chosen = vec![false; count];
        let mut obsolete = Vec::new();
        let mut window: Option<(i64, &mut Window)> = None;
        for (row, hash) in hashes.into_iter().enumerate() {
            let end = if ends.is_valid(row) { ends.value(row) } else { BEFORE_ALL };
            if end.saturating_sub(1) <= self.watermark {
                self.rows_late += 1;
                continue;
            }
            // Rows of one window mostly follow each other.
            let of_end = match window {
                Some((known, of_end)) if known == end => of_end,
                _ => self.windows.entry(end).or_default(),
            };
            let key = keys.row(row).data();
            let known = |partition: &Partition| partition.hash == hash && *partition.key == *key;
            let partition = match of_end.partitions.entry(hash, known, |partition| partition.hash) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(vacant) => {
                    of_end.key_bytes += key.len();
                    vacant.insert(Partition { hash, key: key.into(), rows: Vec::new() }).into_mut()
                }
            };
            chosen[row] = true;
            let gone = partition.offer(sort.row(row).data(), start + row as u64, *kept_count, *last_of_equals);
            match gone.map(|gone| gone.checked_sub(start).ok_or(gone)) {
                Some(Ok(of_this_batch)) => chosen[of_this_batch as usize] = false,
                Some(Err(older)) => obsolete.push(older),
                None => {}
            }
            window = Some((end, of_end));
        }
        self.rows.release(obsolete.into_iter())?;
        let numbers = chosen.iter().enumerate().filter(|(_, chosen)| **chosen).map(|(row, _)| start + row as u64);
        let numbers: Vec<u64> = numbers.collect();
        self.rows.push(numbers, filter_record_batch(rows, &BooleanArray::from(chosen))?)
    }

    /// The rows of the windows that have ended.
    fn close(&mut self, out: &mut Vec<RecordBatch>) -> Result<()> {
        let (mut numbers, mut places) = (Vec::new(), Vec::new());
        while let Some(window) = self.windows.first_entry()
            && window.key().saturating_sub(1) <= self.watermark
        {
            let mut partitions: Vec<Partition> = window.remove().partitions.into_iter().collect();
            partitions.sort_unstable_by_key(|partition| partition.rows.iter().map(|kept| kept.number).min());
            for partition in partitions {
                places.extend(1..=partition.rows.len() as u64);
                numbers.extend(partition.rows.into_iter().map(|kept| kept.number));
            }
        }
        let all: Vec<usize> = (0..self.input.fields().len()).collect();
        for (numbers, places) in numbers.chunks(ROWS_A_BATCH).zip(places.chunks(ROWS_A_BATCH)) {
            let rows: Vec<Option<u64>> = numbers.iter().copied().map(Some).collect();
            let mut columns = self.rows.gather(&all, &rows)?;
            columns.push(Arc::new(UInt64Array::from(places.to_vec())) as ArrayRef);
            out.push(batch(&self.schema, columns, numbers.len())?);
        }
        self.rows.release(numbers.into_iter())
    }

    fn measure_state(&mut self) -> u64 {
        let partition = |partition: &Partition| {
            let sorts: usize = partition.rows.iter().map(|kept| kept.sort.capacity()).sum();
            sorts + partition.rows.capacity() * size_of::<Kept>()
        };
        let window = |window: &Window| {
            let rows: usize = window.partitions.iter().map(partition).sum();
            rows + window.key_bytes + window.partitions.allocation_size()
        };
        let bytes = (self.rows.bytes() + self.windows.values().map(window).sum::<usize>()) as u64;
        self.state_bytes_max = self.state_bytes_max.max(bytes);
        bytes
    }
}

impl Operator for WindowTopN {
    fn process(&mut self, _input: usize, batch: RecordBatch, _out: &mut Vec<RecordBatch>) -> Result<()> {
        self.take(&batch)
    }

    fn watermark(&mut self, time: i64, out: &mut Vec<RecordBatch>) -> Result<i64> {
        self.watermark = self.watermark.max(time);
        if time == AFTER_ALL || self.windows.first_key_value().is_some_and(|(end, _)| end.saturating_sub(1) <= time) {
            self.measure_state();
            self.close(out)?;
        }
        Ok(time)
    }

    fn measure(&mut self) -> Option<u64> {
        Some(self.measure_state())
    }

    fn snapshot(&mut self) -> Result<Vec<u8>> {
        self.measure_state();
        let (_, rows) = self.rows.all()?;
        let Self { watermark, rows_late, state_bytes_max, .. } = *self;
        Ok(encode(&Saved { watermark, rows_late, state_bytes_max, rows: batch_to_bytes(&rows)? }))
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved = decode(state).map_err(|error| Error::Storage(error.to_string()))?;
        // In the order of their arrival they become the first of their partitions again.
        self.take(&batch_from_bytes(&saved.rows)?)?;
        (self.watermark, self.rows_late, self.state_bytes_max) =
            (saved.watermark, saved.rows_late, saved.state_bytes_max);
        Ok(())
    }

    fn operator_report(&self) -> Option<OperatorReport> {
        Some(OperatorReport {
            operator: "window top-N".into(),
            rows_late: self.rows_late,
            state_bytes_max: self.state_bytes_max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array, TimestampMillisecondArray};
    use arrow::compute::SortOptions;
    use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit, UInt64Type};
    use arrow::row::SortField;
    use datafusion::physical_expr::expressions::Column;
    use proptest::prelude::*;

    /// A row of a window that ends at a time, of a key, with what it is sorted by.
    type Row = (i64, i64, i64);

    fn operator(count: usize, descending: bool, last_of_equals: bool) -> WindowTopN {
        let time = DataType::Timestamp(TimeUnit::Millisecond, None);
        let types =
            [("number", DataType::Int64), ("end", time.clone()), ("key", DataType::Int64), ("by", DataType::Int64)];
        let fields: Vec<Field> = types.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect();
        let out = [fields.clone(), vec![Field::new("row_number", DataType::UInt64, true)]].concat();
        let column = |name: &str, place| Arc::new(Column::new(name, place)) as Arc<dyn PhysicalExpr>;
        let options = SortOptions { descending, nulls_first: false };
        let first = First {
            partition: vec![column("end", 1), column("key", 2)],
            window_end: 0,
            partition_rows: RowConverter::new(vec![SortField::new(time), SortField::new(DataType::Int64)]).unwrap(),
            sort: vec![column("by", 3)],
            sort_rows: RowConverter::new(vec![SortField::new_with_options(DataType::Int64, options)]).unwrap(),
            count,
            last_of_equals,
        };
        WindowTopN::new(first, Arc::new(Schema::new(fields)), Arc::new(Schema::new(out)))
    }

    fn batch_of(operator: &WindowTopN, rows: &[Row], from: usize) -> RecordBatch {
        let numbers = Int64Array::from_iter_values((from..from + rows.len()).map(|number| number as i64));
        let ends = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.0));
        let keys = Int64Array::from_iter_values(rows.iter().map(|row| row.1));
        let by = Int64Array::from_iter_values(rows.iter().map(|row| row.2));
        let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(ends), Arc::new(keys), Arc::new(by)];
        RecordBatch::try_new(Arc::clone(&operator.input), columns).unwrap()
    }

    fn come_out(out: &[RecordBatch]) -> Vec<(i64, u64)> {
        let pairs = |batch: &RecordBatch| {
            let numbers = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
            numbers.into_iter().zip(batch.column(4).as_primitive::<UInt64Type>().values().to_vec())
        };
        out.iter().flat_map(|batch| pairs(batch).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn of_equal_rows_the_first_or_the_last_to_come_is_kept() {
        for (last_of_equals, kept) in [(false, 0), (true, 2)] {
            let (mut operator, mut out) = (operator(1, true, last_of_equals), Vec::new());
            let rows = batch_of(&operator, &[(10, 1, 5), (10, 1, 3), (10, 1, 5), (10, 1, 4)], 0);
            operator.process(0, rows, &mut out).unwrap();
            operator.watermark(8, &mut out).unwrap();
            assert!(out.is_empty(), "the window ends at 10");
            operator.watermark(9, &mut out).unwrap();
            assert_eq!(come_out(&out), [(kept, 1)]);
            let late = batch_of(&operator, &[(10, 1, 9)], 4);
            operator.process(0, late, &mut out).unwrap();
            assert_eq!((operator.rows_late, operator.rows.bytes()), (1, 0));
        }
    }

    proptest! {
        #[test]
        fn it_gives_what_sorting_gives_however_it_is_run(
            rows in proptest::collection::vec((1..4i64, 0..3i64, 0..5i64), 0..60),
            count in 1..4usize, descending: bool, cut in 1..9usize, saved_after in 0..8usize,
        ) {
            let (mut operator, mut out) = (operator(count, descending, false), Vec::new());
            for (turn, part) in rows.chunks(cut).enumerate() {
                let batch = batch_of(&operator, part, turn * cut);
                operator.process(0, batch, &mut out).unwrap();
                if turn == saved_after {
                    let saved = operator.snapshot().unwrap();
                    operator = self::operator(count, descending, false);
                    operator.restore(&saved).unwrap();
                }
            }
            operator.watermark(AFTER_ALL, &mut out).unwrap();
            let mut partitions: BTreeMap<(i64, i64), Vec<(i64, i64)>> = BTreeMap::new();
            for (number, (end, key, by)) in rows.iter().enumerate() {
                let by = if descending { -by } else { *by };
                partitions.entry((*end, *key)).or_default().push((by, number as i64));
            }
            let mut expected: Vec<(i64, i64, Vec<i64>)> = Vec::new();
            for ((end, _), mut sorted) in partitions {
                sorted.sort();
                let kept: Vec<i64> = sorted.into_iter().take(count).map(|(_, number)| number).collect();
                expected.push((end, kept.iter().copied().min().unwrap_or_default(), kept));
            }
            expected.sort();
            let expected: Vec<(i64, u64)> =
                expected.into_iter().flat_map(|(_, _, kept)| kept.into_iter().zip(1..)).collect();
            prop_assert_eq!(come_out(&out), expected);
            prop_assert_eq!(operator.rows.bytes(), 0);
        }
    }
}
