//! SESSION inside DataFusion: over rows sorted by key and time, a session ends where the next row is of another key or more
//! than the gap later.
//!
//! ```text
//!  batch │ k k k k │ k k b b b │        the rows of the session that is not known to have ended are held,
//!        └─ held ──┴ goes on ┴ held     the others go out with their windows
//! ```

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{SortOptions, concat_batches, filter, filter_record_batch, is_not_null};
use arrow::datatypes::SchemaRef;
use arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{
    EquivalenceProperties, LexRequirement, OrderingRequirements, PhysicalExpr, PhysicalSortRequirement,
};
use datafusion::physical_plan::execution_plan::{EmissionType, ExecutionPlanProperties};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, InputDistributionRequirements, PlanProperties,
    SendableRecordBatchStream,
};
use futures::StreamExt;

use super::window::{milliseconds, with_windows};

/// SESSION over all rows.
#[derive(Debug)]
pub(crate) struct SessionExec {
    time: Arc<dyn PhysicalExpr>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    gap_ms: i64,
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl SessionExec {
    pub(crate) fn new(
        time: Arc<dyn PhysicalExpr>,
        keys: Vec<Arc<dyn PhysicalExpr>>,
        gap_ms: i64,
        input: Arc<dyn ExecutionPlan>,
        schema: SchemaRef,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            input.boundedness(),
        );
        Self { time, keys, gap_ms, input, schema, properties: Arc::new(properties) }
    }
}

impl DisplayAs for SessionExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SESSION")
    }
}

impl ExecutionPlan for SessionExec {
    fn name(&self) -> &str {
        "SESSION"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![match self.keys.as_slice() {
            [] => Distribution::SinglePartition,
            keys => Distribution::KeyPartitioned(keys.to_vec()),
        }])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let columns = self.keys.iter().chain([&self.time]);
        let ascending = |column| PhysicalSortRequirement::new(Arc::clone(column), Some(SortOptions::default()));
        vec![LexRequirement::new(columns.map(ascending)).map(OrderingRequirements::new)]
    }

    /// See RowwiseExec: it does, but the output is not said to be sorted.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self::new(
                Arc::clone(&self.time),
                self.keys.clone(),
                self.gap_ms,
                input,
                Arc::clone(&self.schema),
            ))),
            _ => internal_err!("SESSION has one input"),
        }
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expression in self.keys.iter().chain([&self.time]) {
            if let TreeNodeRecursion::Stop = visit(expression)? {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let mut sessions = SortedSessions::new(self)?;
        let ended = futures::stream::once(std::future::ready(None));
        let output = input.map(Some).chain(ended).filter_map(move |batch| {
            let closed = match batch {
                Some(Ok(batch)) => sessions.process(batch),
                Some(Err(error)) => Err(error),
                None => sessions.finish(),
            };
            std::future::ready(closed.transpose())
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), output)))
    }
}

/// The sessions of sorted rows, as they go by.
struct SortedSessions {
    time: Arc<dyn PhysicalExpr>,
    keys: Vec<Arc<dyn PhysicalExpr>>,
    converter: RowConverter,
    gap_ms: i64,
    schema: SchemaRef,
    /// The session of the last row.
    open: Option<Open>,
    /// Its rows of earlier batches.
    held: Vec<RecordBatch>,
}

struct Open {
    /// NULL keys are one key; `None`: there is no PARTITION BY.
    key: Option<OwnedRow>,
    start: i64,
    end: i64,
    rows: usize,
}

impl SortedSessions {
    fn new(exec: &SessionExec) -> Result<Self> {
        let input = exec.input.schema();
        let fields = exec.keys.iter().map(|key| Ok(SortField::new(key.data_type(&input)?))).collect::<Result<_>>()?;
        Ok(Self {
            time: Arc::clone(&exec.time),
            keys: exec.keys.clone(),
            converter: RowConverter::new(fields)?,
            gap_ms: exec.gap_ms,
            schema: Arc::clone(&exec.schema),
            open: None,
            held: Vec::new(),
        })
    }

    /// The rows of the sessions that this batch ends.
    fn process(&mut self, mut batch: RecordBatch) -> Result<Option<RecordBatch>> {
        let mut time = self.time.evaluate(&batch)?.into_array(batch.num_rows())?;
        if time.null_count() > 0 {
            // A row without a time is in no window.
            let known = is_not_null(&time)?;
            batch = filter_record_batch(&batch, &known)?;
            time = filter(&time, &known)?;
        }
        let rows = batch.num_rows();
        let keys = self.keys.iter().map(|key| key.evaluate(&batch)?.into_array(rows)).collect::<Result<Vec<_>>>()?;
        let keys = if keys.is_empty() { None } else { Some(self.converter.convert_columns(&keys)?) };
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        let mut open_from = 0;
        for (row, time) in milliseconds(&time)?.values().iter().copied().enumerate() {
            let end = time.saturating_add(self.gap_ms);
            match &mut self.open {
                Some(open) if time <= open.end && open.is_of(&keys, row) => {
                    open.end = end;
                    open.rows += 1;
                }
                open => {
                    if let Some(open) = open.take() {
                        open.close(&mut starts, &mut ends);
                    }
                    *open =
                        Some(Open { key: keys.as_ref().map(|keys| keys.row(row).owned()), start: time, end, rows: 1 });
                    open_from = row;
                }
            }
        }
        if starts.is_empty() {
            self.held.push(batch);
            return Ok(None);
        }
        self.held.push(batch.slice(0, open_from));
        let closed = concat_batches(&batch.schema(), &self.held)?;
        self.held = vec![batch.slice(open_from, rows - open_from)];
        Ok(Some(with_windows(&closed, starts, ends, &self.schema)?))
    }

    /// The rows of the last session.
    fn finish(&mut self) -> Result<Option<RecordBatch>> {
        let Some(open) = self.open.take() else { return Ok(None) };
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        open.close(&mut starts, &mut ends);
        let held = std::mem::take(&mut self.held);
        let [first, ..] = held.as_slice() else { return internal_err!("an open session holds its rows") };
        Ok(Some(with_windows(&concat_batches(&first.schema(), &held)?, starts, ends, &self.schema)?))
    }
}

impl Open {
    fn is_of(&self, keys: &Option<Rows>, row: usize) -> bool {
        match (&self.key, keys) {
            (Some(mine), Some(keys)) => mine.row() == keys.row(row),
            _ => true,
        }
    }

    /// Gives each of its rows the window.
    fn close(self, starts: &mut Vec<i64>, ends: &mut Vec<i64>) {
        starts.extend(std::iter::repeat_n(self.start, self.rows));
        ends.extend(std::iter::repeat_n(self.end, self.rows));
    }
}
