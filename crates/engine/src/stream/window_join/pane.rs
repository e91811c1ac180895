//! The join of the rows of one window.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::common::JoinType;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use hashbrown::HashTable;
use rayon::prelude::*;

use super::WindowedInput;
use crate::Result;
use crate::batch::window::milliseconds;
use crate::stream::join::{ROWS_A_BATCH, Residual, batch, holds, keyed};

/// What comes out of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Pairs; with the rows of these sides that have no match.
    Pairs { left: bool, right: bool },
    /// The left rows that have a match.
    Matched,
    /// The left rows that have none.
    Unmatched,
    /// The same by the rules of `NOT IN`, where a comparison with NULL is not known to be false.
    NotIn,
}

impl Kind {
    /// The kind of a join of a plan, if its windows can be joined by themselves.
    pub(crate) fn of(join_type: JoinType, null_aware: bool) -> Option<Self> {
        match join_type {
            JoinType::Inner => Some(Self::Pairs { left: false, right: false }),
            JoinType::Left => Some(Self::Pairs { left: true, right: false }),
            JoinType::Right => Some(Self::Pairs { left: false, right: true }),
            JoinType::Full => Some(Self::Pairs { left: true, right: true }),
            JoinType::LeftSemi => Some(Self::Matched),
            JoinType::LeftAnti if null_aware => Some(Self::NotIn),
            JoinType::LeftAnti => Some(Self::Unmatched),
            _ => None,
        }
    }
}

/// How the rows of a window are joined.
pub(super) struct PaneJoin {
    pub left: WindowedInput,
    pub right: WindowedInput,
    pub residual: Option<Residual>,
    pub kind: Kind,
    pub schema: SchemaRef,
}

/// No row: the end of a list.
const NONE: u32 = u32::MAX;

/// The rows of a side, with their keys.
struct Keyed<'a> {
    rows: &'a RecordBatch,
    /// `window_start`, then the others.
    keys: Vec<ArrayRef>,
    hashes: Vec<u64>,
}

/// The right rows by the hash of their keys, as lists.
struct Lists {
    first: HashTable<(u64, u32)>,
    next: Vec<u32>,
}

/// What some of the left rows came to.
#[derive(Default)]
struct Part {
    pairs: Vec<RecordBatch>,
    left_matched: Vec<u32>,
    right_matched: Vec<u32>,
}

impl PaneJoin {
    /// Joins the rows of one window.
    pub(super) fn join(&self, left: &RecordBatch, right: &RecordBatch) -> Result<Vec<RecordBatch>> {
        let keeps_left = !matches!(self.kind, Kind::Matched | Kind::Pairs { left: false, .. });
        let keeps_right = matches!(self.kind, Kind::Pairs { right: true, .. });
        if left.num_rows() == 0 && !keeps_right || right.num_rows() == 0 && !keeps_left {
            return Ok(Vec::new());
        }
        let (left, right) = (Keyed::new(left, &self.left)?, Keyed::new(right, &self.right)?);
        let lists = Lists::new(&right);
        let part = |from: usize| self.join_part(&left, &right, &lists, from);
        let parts = (0..left.rows.num_rows().div_ceil(ROWS_A_BATCH)).into_par_iter().map(|i| part(i * ROWS_A_BATCH));
        let parts = parts.collect::<Result<Vec<Part>>>()?;

        let mut out = Vec::new();
        let (mut left_matched, mut right_matched) =
            (vec![false; left.rows.num_rows()], vec![false; right.rows.num_rows()]);
        for part in parts {
            out.extend(part.pairs);
            part.left_matched.iter().for_each(|row| left_matched[*row as usize] = true);
            part.right_matched.iter().for_each(|row| right_matched[*row as usize] = true);
        }
        if self.kind == Kind::NotIn {
            self.rule_out_unknown(&left, &right, &mut left_matched)?;
        }
        let wanted = match self.kind {
            Kind::Pairs { left, .. } => left.then_some(false),
            Kind::Matched => Some(true),
            Kind::Unmatched | Kind::NotIn => Some(false),
        };
        if let Some(wanted) = wanted {
            out.extend(self.alone(left.rows, &left_matched, wanted, true)?);
        }
        if keeps_right {
            out.extend(self.alone(right.rows, &right_matched, false, false)?);
        }
        Ok(out)
    }

    /// Joins the left rows from one on, as many as are joined at once.
    fn join_part(&self, left: &Keyed, right: &Keyed, lists: &Lists, from: usize) -> Result<Part> {
        let mut part = Part::default();
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for row in from..(from + ROWS_A_BATCH).min(left.rows.num_rows()) {
            let mut other = lists.first(left.hashes[row]);
            while other != NONE {
                lefts.push(row as u32);
                rights.push(other);
                if lefts.len() == ROWS_A_BATCH {
                    self.pair(left, right, std::mem::take(&mut lefts), std::mem::take(&mut rights), &mut part)?;
                }
                other = lists.next[other as usize];
            }
        }
        if !lefts.is_empty() {
            self.pair(left, right, lefts, rights, &mut part)?;
        }
        Ok(part)
    }

    /// Of pairs whose hashes are equal, adds those for which the condition holds.
    fn pair(&self, left: &Keyed, right: &Keyed, lefts: Vec<u32>, rights: Vec<u32>, part: &mut Part) -> Result<()> {
        let (lefts, rights) = (UInt32Array::from(lefts), UInt32Array::from(rights));
        let gather = |columns: &[ArrayRef], rows: &UInt32Array| {
            columns.iter().map(|column| Ok(take(column, rows, None)?)).collect::<Result<Vec<ArrayRef>>>()
        };
        let residual = match &self.residual {
            None => None,
            Some(residual) => {
                let of = |rows: &RecordBatch, places: &[usize]| {
                    places.iter().map(|place| Arc::clone(rows.column(*place))).collect::<Vec<_>>()
                };
                let mut columns = gather(&of(left.rows, &residual.left), &lefts)?;
                columns.extend(gather(&of(right.rows, &residual.right), &rights)?);
                Some((residual, columns))
            }
        };
        let (keys, others) = (gather(&left.keys, &lefts)?, gather(&right.keys, &rights)?);
        let holds = holds(lefts.len(), (&keys, &others), residual)?;
        let holding = |rows: &UInt32Array| -> Vec<u32> {
            rows.values().iter().zip(&holds).filter(|(_, holds)| *holds == Some(true)).map(|(row, _)| *row).collect()
        };
        let (lefts, rights) = (holding(&lefts), holding(&rights));
        if let Kind::Pairs { right: keeps_right, left: keeps_left } = self.kind {
            if keeps_right {
                part.right_matched.extend(&rights);
            }
            if keeps_left {
                part.left_matched.extend(&lefts);
            }
            if !lefts.is_empty() {
                let rows = lefts.len();
                let mut columns = gather(left.rows.columns(), &lefts.into())?;
                columns.extend(gather(right.rows.columns(), &rights.into())?);
                part.pairs.push(batch(&self.schema, columns, rows)?);
            }
        } else {
            part.left_matched.extend(lefts);
        }
        Ok(())
    }

    /// The rows of one side that have a match, or those that have none; for pairs, with NULLs for the other side.
    fn alone(&self, rows: &RecordBatch, matched: &[bool], wanted: bool, is_left: bool) -> Result<Option<RecordBatch>> {
        let chosen: Vec<u32> =
            (0..).zip(matched).filter(|(_, matched)| **matched == wanted).map(|(row, _)| row).collect();
        let count = chosen.len();
        if count == 0 {
            return Ok(None);
        }
        let chosen = UInt32Array::from(chosen);
        let own = rows.columns().iter().map(|column| take(column, &chosen, None)).collect::<Result<Vec<_>, _>>()?;
        let before = if is_left { 0 } else { self.schema.fields().len() - own.len() };
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        let null = |place: usize| new_null_array(self.schema.field(place).data_type(), count);
        columns.extend((0..before).map(null));
        columns.extend(own);
        columns.extend((columns.len()..self.schema.fields().len()).map(null));
        Ok(Some(batch(&self.schema, columns, count)?))
    }

    /// `a NOT IN (…)` is true if no value equals `a`, and none might: not where `a` is NULL, unless there is no value, nor
    /// where one of the values is NULL.
    fn rule_out_unknown(&self, left: &Keyed, right: &Keyed, ruled_out: &mut [bool]) -> Result<()> {
        let (starts, others) = (milliseconds(&left.keys[0])?, milliseconds(&right.keys[0])?);
        let is_null = |side: &Keyed| -> Vec<bool> {
            let null = |row: usize| side.keys[1..].iter().any(|key| key.is_null(row));
            (0..side.rows.num_rows()).map(null).collect()
        };
        let of = |rows: BooleanArray| -> HashSet<Option<i64>> {
            others.iter().zip(&rows).filter(|(_, wanted)| *wanted == Some(true)).map(|(start, _)| start).collect()
        };
        let any = of(BooleanArray::from(vec![true; others.len()]));
        let with_null = of(BooleanArray::from(is_null(right)));
        for ((row, start), null) in starts.iter().enumerate().zip(is_null(left)) {
            ruled_out[row] |= with_null.contains(&start) || (null && any.contains(&start));
        }
        Ok(())
    }
}

impl<'a> Keyed<'a> {
    fn new(rows: &'a RecordBatch, input: &WindowedInput) -> Result<Self> {
        let mut keys = vec![Arc::clone(rows.column(input.start))];
        for key in &input.keys {
            keys.push(key.evaluate(rows)?.into_array(rows.num_rows())?);
        }
        let mut hashes = vec![0; rows.num_rows()];
        create_hashes(&keys, &RandomState::with_seed(0), &mut hashes)?;
        Ok(Self { rows, keys, hashes })
    }
}

impl Lists {
    fn new(right: &Keyed) -> Self {
        let rows = right.rows.num_rows();
        let nulls = keyed(&right.keys);
        let mut lists = Self { first: HashTable::with_capacity(rows), next: vec![NONE; rows] };
        // From the last on, so that a list has its rows in the order in which they came. A NULL equals nothing.
        for row in (0..rows).rev().filter(|row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*row))) {
            let hash = right.hashes[row];
            let known = lists.first.entry(hash, |known| known.0 == hash, |known| known.0);
            let known = known.and_modify(|known| {
                lists.next[row] = known.1;
                known.1 = row as u32;
            });
            known.or_insert((hash, row as u32));
        }
        lists
    }

    fn first(&self, hash: u64) -> u32 {
        self.first.find(hash, |known| known.0 == hash).map_or(NONE, |known| known.1)
    }
}
