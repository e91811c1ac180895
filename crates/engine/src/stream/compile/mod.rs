//! A plan to a dataflow.
//!
//! ```text
//!   plan ──cut──► ML_TRAIN below, a stage table above       (one operator, however many plans read it)
//!        ──optimise──► DataFusion's rules, on each piece
//!        ──lower──► filter, project, predict, window, aggregate: operators
//!                   anything else, over bounded tables: computed by DataFusion before the stream …
//!                   … or, over a stage of a bounded job, after it
//!                   anything else, over an unbounded table: refused
//! ```
//!
//! | file | what it is |
//! |---|---|
//! | [`visit`] | questions about a plan |
//! | [`expression`] | expressions, from logical to physical |
//! | [`scan`] | tables and stages |
//! | [`sharing`] | what is the same in a plan is done once |
//! | [`join`] | joins: of two streams, of a stream and a table |
//! | [`time_bound`] | how a join's condition bounds the time of one side by the other's |
//! | [`window`] | windows and aggregates by window |
//! | [`slices`] | aggregates by windows that overlap |
//! | [`window_join`] | joins of the rows that are in one window |
//! | [`over`] | aggregates OVER the rows before each row |
//! | [`deduplicate`] | ROW_NUMBER() = 1, DISTINCT |
//! | [`elsewhere`] | what operators cannot do |

mod deduplicate;
mod elsewhere;
mod expression;
mod join;
pub(crate) mod over;
mod scan;
mod sharing;
mod slices;
mod time_bound;
mod visit;
mod window;
mod window_join;

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use self::expression::{column, has_subquery, physical, physical_all};
use self::sharing::Sharing;
use self::visit::{stage_table, train_node, visit};
use super::dataflow::{Dataflow, Output};
use super::in_time::InTime;
use super::stage::StageTable;
use super::stateless::{Filter, Predict, Project};
use super::train::{Train, TrainSetting};
use crate::batch::rowwise::Rowwise;
use crate::catalog::bad_rows::BadRows;
use crate::execution::Execution;
use crate::plan::node::{InTimeNode, PredictNode, TrainNode};
use crate::plan::window::{SessionNode, WindowNode};
use crate::{Error, Result};

pub(crate) use self::visit::{must_stream, tables};

/// What a job needs to know to be put together.
pub(crate) struct Setting {
    pub execution: Execution,
    /// Where stages are kept.
    pub folder: PathBuf,
    pub batch_rows: usize,
    pub shards: usize,
    /// How long the keys of deduplication are kept, in event time; `None`: for ever.
    pub state_ttl_ms: Option<i64>,
    /// Where an operator spreads the work on one batch.
    pub threads: Arc<rayon::ThreadPool>,
    pub train: TrainSetting,
    /// How large the table may be that a lookup join holds.
    pub memory_bytes_max: usize,
    /// Only check: compute nothing, keep nothing.
    pub checking: bool,
}

/// Puts a dataflow together from the plans of a job.
pub(crate) struct Compiler<'a> {
    setting: &'a Setting,
    dataflow: Dataflow,
    trained: Vec<(TrainNode, Output, Arc<StageTable>)>,
    files: usize,
    sharing: Sharing,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(setting: &'a Setting) -> Self {
        Self { setting, dataflow: Dataflow::default(), trained: Vec::new(), files: 0, sharing: Sharing::default() }
    }

    /// Adds a plan whose rows go to a sink of this name.
    pub(crate) fn add(&mut self, name: &str, plan: &LogicalPlan) -> Result<()> {
        let output = self.compile(plan)?;
        self.sharing.end();
        self.dataflow.add_sink(name.to_string(), output);
        Ok(())
    }

    pub(crate) fn finish(self) -> Dataflow {
        self.dataflow
    }

    /// Cuts, optimises and lowers a plan.
    fn compile(&mut self, plan: &LogicalPlan) -> Result<Output> {
        let plan = self.cut(plan.clone())?;
        let plan = self.optimize(&plan)?;
        self.sharing.begin(&plan)?;
        self.lower(&plan)
    }

    /// Optimises a plan, and marks the event times that come out of its joins.
    fn optimize(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        self.with_event_times(self.setting.execution.optimize(plan)?)
    }

    /// Replaces each ML_TRAIN by a table of what comes out of it. Equal ones are one operator.
    fn cut(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let cut =
            plan.transform_up_with_subqueries(|node| {
                let Some(train) = train_node(&node) else { return Ok(Transformed::no(node)) };
                let stage = self.train(train)?;
                let schema = Arc::clone(train.schema.inner());
                let name = TableReference::bare(format!("stage_{}", stage.id));
                let scan = LogicalPlanBuilder::scan(name, provider_as_source(stage), None)?;
                // The columns keep the qualifiers that the plan above knows them by.
                let qualified =
                    scan.schema().columns().into_iter().zip(train.schema.iter()).map(|(column, (table, field))| {
                        Expr::Column(column).alias_qualified(table.cloned(), field.name())
                    });
                let columns: Vec<Expr> = qualified.collect();
                debug_assert_eq!(columns.len(), schema.fields().len());
                Ok(Transformed::yes(scan.project(columns)?.build()?))
            })?;
        Ok(cut.data)
    }

    fn train(&mut self, node: &TrainNode) -> Result<Arc<StageTable>> {
        if let Some((_, _, stage)) = self.trained.iter().find(|(known, _, _)| known == node) {
            return Ok(Arc::clone(stage));
        }
        if let Some((known, _, _)) = self.trained.iter().find(|(known, _, _)| known.model == node.model) {
            return Err(Error::Data(format!(
                "model '{}' is trained twice in one job, on different inputs: train it in one ML_TRAIN, or declare two models",
                known.model.0.name
            )));
        }
        // What lies below was cut already: the plan is walked from below.
        let input = self.optimize(&node.input)?;
        self.sharing.begin(&input)?;
        let from = self.lower(&input)?;
        let over = node.over(input)?;
        let operator = Train::new(&over, BadRows::from(self.tables_below(&node.input)?), &self.setting.train)?;
        let output = self.dataflow.add_operator(Box::new(operator), &[from]);
        let stage = Arc::new(StageTable::new(self.trained.len(), Arc::clone(over.schema.inner())));
        self.trained.push((node.clone(), output, Arc::clone(&stage)));
        Ok(stage)
    }

    /// The tables that a plan reads, also through what was cut out of it.
    fn tables_below(&self, plan: &LogicalPlan) -> Result<Vec<Arc<dyn datafusion::catalog::TableProvider>>> {
        let mut found = tables(plan)?;
        let mut stages = Vec::new();
        visit(plan, &mut |node| {
            stages.extend(stage_table(node).map(|stage| stage.id));
            Ok(())
        })?;
        for (node, _, stage) in &self.trained {
            if stages.contains(&stage.id) {
                found.extend(self.tables_below(&node.input)?);
            }
        }
        Ok(found)
    }

    /// Turns an optimised plan into operators; what is the same in it only once.
    fn lower(&mut self, plan: &LogicalPlan) -> Result<Output> {
        if let Some(output) = self.sharing.lowered(plan) {
            return Ok(output);
        }
        let output = match self.sharing.wider(plan)? {
            None => self.lower_new(plan)?,
            Some((wide, places)) => {
                let input = self.lower(&wide)?;
                let schema = Arc::clone(plan.schema().inner());
                let columns = places.into_iter().map(|place| column(wide.schema().inner(), place)).collect();
                self.dataflow.add_operator(Box::new(Project { columns, schema }), &[input])
            }
        };
        self.sharing.keep(plan, output);
        Ok(output)
    }

    fn lower_new(&mut self, plan: &LogicalPlan) -> Result<Output> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => self.lower(&alias.input),
            LogicalPlan::Projection(projection) if !has_subquery(&projection.expr) => {
                let input = self.lower(&projection.input)?;
                let columns = physical_all(&projection.expr, projection.input.schema())?;
                let schema = Arc::clone(projection.schema.inner());
                Ok(self.dataflow.add_operator(Box::new(Project { columns, schema }), &[input]))
            }
            LogicalPlan::Filter(filter) if !has_subquery(std::slice::from_ref(&filter.predicate)) => {
                if let Some(output) = self.lower_first_row(plan, filter)? {
                    return Ok(output);
                }
                let input = self.lower(&filter.input)?;
                let predicate = physical(&filter.predicate, filter.input.schema())?;
                Ok(self.dataflow.add_operator(Box::new(Filter { predicate }), &[input]))
            }
            LogicalPlan::Union(union) => {
                let inputs = union.inputs.iter().map(|input| self.lower(input)).collect::<Result<Vec<_>>>()?;
                let schema = Arc::clone(union.schema.inner());
                let columns = (0..schema.fields().len()).map(|i| column(&schema, i)).collect();
                Ok(self.dataflow.add_operator(Box::new(Project { columns, schema }), &inputs))
            }
            LogicalPlan::TableScan(scan) => self.lower_scan(plan, scan),
            LogicalPlan::Extension(extension) => {
                let node = extension.node.as_any();
                if let Some(predict) = node.downcast_ref::<PredictNode>() {
                    let input = self.lower(&predict.input)?;
                    let args = physical_all(&predict.args, predict.input.schema())?;
                    let rowwise = Rowwise::predict(predict, args, BadRows::from(self.tables_below(&predict.input)?));
                    let schema = Arc::clone(predict.schema.inner());
                    return Ok(self.dataflow.add_operator(
                        Box::new(Predict { rowwise, schema, threads: Arc::clone(&self.setting.threads) }),
                        &[input],
                    ));
                }
                if let Some(in_time) = node.downcast_ref::<InTimeNode>() {
                    let input = self.lower(&in_time.input)?;
                    let operator = InTime::new(in_time.name.clone(), in_time.rowtime);
                    return Ok(self.dataflow.add_operator(Box::new(operator), &[input]));
                }
                if let Some(window) = node.downcast_ref::<WindowNode>() {
                    return self.lower_window(plan, window);
                }
                if let Some(session) = node.downcast_ref::<SessionNode>() {
                    return self.lower_session(plan, session);
                }
                self.elsewhere(
                    plan,
                    "a report (ML_EVALUATE, ML_CONFUSION_MATRIX, ML_ROC_CURVE)",
                    "write the predictions to a table, and report over that",
                )
            }
            LogicalPlan::Aggregate(aggregate) => self.lower_aggregate(plan, aggregate),
            LogicalPlan::Sort(_) => self.elsewhere(plan, "ORDER BY", "leave it out, and sort what the sink holds"),
            LogicalPlan::Limit(_) => self.elsewhere(plan, "LIMIT", "leave it out, or read a bounded table"),
            LogicalPlan::Join(join) => self.lower_join(plan, join),
            LogicalPlan::Window(window) => self.lower_over(plan, window),
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) => self.elsewhere(
                plan,
                "a subquery in an expression",
                "write what it gives to a table first, with INSERT INTO",
            ),
            _ => self.elsewhere(
                plan,
                "this construct",
                "use filters, projections, UNION ALL, windows, OVER aggregates, joins, DISTINCT and the ML functions",
            ),
        }
    }
}
