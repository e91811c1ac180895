//! Any other aggregate, by DataFusion's accumulators: an accumulator a key where the frame is unbounded; where rows leave it,
//! the frame's rows are kept and the aggregate is taken anew for each row, so that nothing drifts and a checkpoint changes
//! nothing. Cost a row: one update, or as many as the frame has rows, in one vectorised call.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::{Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use serde::{Deserialize, Serialize};
use tidegate_ml::snapshot::encode;

use super::frame::{Frame, Rows, retain};
use super::function::OverFunction;
use crate::stream::spill::{batch_from_bytes, batch_to_bytes};
use crate::{Error, Result};

/// An aggregate over all earlier rows of a key.
pub(crate) struct Accumulated {
    function: Arc<AggregateFunctionExpr>,
    frame: Frame,
    keys: Vec<Box<dyn Accumulator>>,
}

impl Accumulated {
    pub(crate) fn new(function: Arc<AggregateFunctionExpr>, frame: Frame) -> Self {
        Self { function, frame, keys: Vec::new() }
    }
}

impl OverFunction for Accumulated {
    fn evaluate(&mut self, rows: &Rows<'_>, _leaving: &[u32], arguments: &[ArrayRef]) -> Result<ArrayRef> {
        while self.keys.len() < rows.key_count {
            self.keys.push(self.function.create_accumulator()?);
        }
        let mut results = Vec::with_capacity(rows.keys.len());
        let mut one_row = Vec::with_capacity(arguments.len());
        for block in rows.blocks(self.frame.has_peers()) {
            for row in block.clone() {
                one_row.clear();
                one_row.extend(arguments.iter().map(|argument| argument.slice(row, 1)));
                self.keys[rows.keys[row]].update_batch(&one_row)?;
            }
            for row in block {
                results.push(self.keys[rows.keys[row]].evaluate()?);
            }
        }
        Ok(ScalarValue::iter_to_array(results)?)
    }

    fn retain(&mut self, kept: &[bool]) {
        retain(&mut self.keys, kept);
    }

    fn state_bytes(&self) -> usize {
        self.keys.iter().map(|accumulator| accumulator.size()).sum()
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        let states = self.keys.iter_mut().map(|key| Ok(key.state()?)).collect::<Result<Vec<_>>>()?;
        let Some(first) = states.first() else { return Ok(Vec::new()) };
        let columns = (0..first.len())
            .map(|i| Ok(ScalarValue::iter_to_array(states.iter().map(|state| state[i].clone()))?))
            .collect::<Result<Vec<_>>>()?;
        let bytes = batch_to_bytes(&numbered_columns(columns)?)?;
        // Taking its state out may have emptied an accumulator: all are built again from what was saved.
        self.restore(&bytes)?;
        Ok(bytes)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        self.keys.clear();
        if bytes.is_empty() {
            return Ok(());
        }
        let states = batch_from_bytes(bytes)?;
        for key in 0..states.num_rows() {
            let mut accumulator = self.function.create_accumulator()?;
            accumulator.merge_batch(states.slice(key, 1).columns())?;
            self.keys.push(accumulator);
        }
        Ok(())
    }
}

/// An aggregate over a frame that rows leave.
pub(crate) struct Recomputed {
    function: Arc<AggregateFunctionExpr>,
    frame: Frame,
    /// The arguments of the rows that each key's frame holds; none before the first.
    keys: Vec<Vec<ArrayRef>>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    counts: Vec<u64>,
    rows: Option<Vec<u8>>,
}

impl Recomputed {
    pub(crate) fn new(function: Arc<AggregateFunctionExpr>, frame: Frame) -> Self {
        Self { function, frame, keys: Vec::new() }
    }

    /// The results of one key for its rows among those that are emitted, in their order.
    fn results(
        &mut self,
        key: usize,
        mine: &[u32],
        times: &[i64],
        leaving: &[u32],
        arguments: &[ArrayRef],
        results: &mut [ScalarValue],
    ) -> Result<()> {
        let held = std::mem::take(&mut self.keys[key]);
        let rows = UInt32Array::from(mine.to_vec());
        let all = arguments
            .iter()
            .enumerate()
            .map(|(i, argument)| {
                let new = take(argument, &rows, None)?;
                Ok(match held.get(i) {
                    Some(held) => concat(&[held, &new])?,
                    None => new,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let before = held.first().map_or(0, |column| column.len());
        let (mut start, mut next) = (0, 0);
        while let Some(row) = mine.get(next) {
            let time = times[*row as usize];
            let peers = match self.frame.has_peers() {
                true => mine[next..].iter().take_while(|row| times[**row as usize] == time).count(),
                false => 1,
            };
            start += leaving[*row as usize] as usize;
            let end = before + next + peers;
            let frame: Vec<ArrayRef> = all.iter().map(|column| column.slice(start, end - start)).collect();
            let mut accumulator = self.function.create_accumulator()?;
            accumulator.update_batch(&frame)?;
            let result = accumulator.evaluate()?;
            for row in &mine[next..next + peers] {
                results[*row as usize] = result.clone();
            }
            next += peers;
        }
        self.keys[key] = all.iter().map(|column| column.slice(start, before + mine.len() - start)).collect();
        Ok(())
    }
}

impl OverFunction for Recomputed {
    fn evaluate(&mut self, rows: &Rows<'_>, leaving: &[u32], arguments: &[ArrayRef]) -> Result<ArrayRef> {
        self.keys.resize(rows.key_count, Vec::new());
        let mut by_key: Vec<u32> = (0..rows.keys.len() as u32).collect();
        by_key.sort_by_key(|row| rows.keys[*row as usize]);
        let mut results = vec![ScalarValue::Null; by_key.len()];
        for mine in by_key.chunk_by(|a, b| rows.keys[*a as usize] == rows.keys[*b as usize]) {
            let key = rows.keys[mine[0] as usize];
            self.results(key, mine, rows.times, leaving, arguments, &mut results)?;
        }
        Ok(ScalarValue::iter_to_array(results)?)
    }

    fn retain(&mut self, kept: &[bool]) {
        retain(&mut self.keys, kept);
    }

    fn state_bytes(&self) -> usize {
        self.keys.iter().flatten().map(|column| column.get_array_memory_size()).sum()
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        let counts = self.keys.iter().map(|columns| columns.first().map_or(0, |c| c.len() as u64)).collect();
        let batches = self.keys.iter().filter(|columns| !columns.is_empty());
        let batches = batches.map(|columns| numbered_columns(columns.clone())).collect::<Result<Vec<_>>>()?;
        let rows = match batches.first() {
            Some(first) => Some(batch_to_bytes(&arrow::compute::concat_batches(&first.schema(), &batches)?)?),
            None => None,
        };
        Ok(encode(&Saved { counts, rows }))
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let saved: Saved = super::saved(bytes)?;
        let rows = saved.rows.map(|bytes| batch_from_bytes(&bytes)).transpose()?;
        let mut start = 0;
        self.keys = saved
            .counts
            .iter()
            .map(|count| match &rows {
                Some(rows) if start + *count as usize <= rows.num_rows() => {
                    let mine = rows.slice(start, *count as usize);
                    start += mine.num_rows();
                    Ok(mine.columns().to_vec())
                }
                _ if *count == 0 => Ok(Vec::new()),
                _ => Err(Error::Storage("the checkpoint's rows are not as many as its keys hold".into())),
            })
            .collect::<Result<_>>()?;
        Ok(())
    }
}

/// Columns as a batch, to be saved.
fn numbered_columns(columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let field = |(i, column): (usize, &ArrayRef)| Field::new(format!("c{i}"), column.data_type().clone(), true);
    let fields: Vec<Field> = columns.iter().enumerate().map(field).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
