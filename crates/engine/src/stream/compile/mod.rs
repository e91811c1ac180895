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
//! | [`places`] | where in a script operators stand |
//! | [`expression`] | expressions, from logical to physical |
//! | [`in_order`] | late rows left out, and unions put into order, below what goes by event time |
//! | [`scan`] | tables and stages |
//! | [`join`] | joins: of two streams, of a stream and a table |
//! | [`temporal_join`] | joins with the versions of a table |
//! | [`time_bound`] | how a join's condition bounds the time of one side by the other's |
//! | [`window`] | windows and aggregates by window |
//! | [`slices`] | aggregates by windows that overlap |
//! | [`window_join`] | joins of the rows that are in one window |
//! | [`over`] | aggregates OVER the rows before each row |
//! | [`deduplicate`] | ROW_NUMBER() = 1, DISTINCT |
//! | [`window_top_n`] | ROW_NUMBER() <= N of each window |
//! | [`elsewhere`] | what operators cannot do |

mod deduplicate;
mod elsewhere;
mod expression;
mod in_order;
mod join;
pub(crate) mod over;
mod places;
mod scan;
mod slices;
pub(crate) mod temporal_join;
mod time_bound;
mod visit;
mod window;
mod window_join;
mod window_top_n;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datafusion::common::TableReference;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use tidegate_training::{Place, Snapshots};

use self::expression::{column, physical, physical_all};
use self::scan::Shared;
use self::visit::{stage_table, train_node, visit};
use super::dataflow::{Dataflow, Making, Output};
use super::identity::{Description, columns, expression, expressions};
use super::in_time::InTime;
use super::late_rows::LateRows;
use super::merge::Merge;
use super::stage::StageTable;
use super::stateless::{Elements, Filter, Predict, Project};
use super::train::{Train, TrainSetting};
use crate::batch::rowwise::Rowwise;
use crate::batch::unnest::Unnest;
use crate::catalog::bad_rows::BadRows;
use crate::execution::Execution;
use crate::plan::feature_scores::FeatureScoresNode;
use crate::plan::node::{InTimeNode, MergeNode, PredictNode, TrainNode};
use crate::plan::temporal::TemporalJoinNode;
use crate::plan::unnest::UnnestNode;
use crate::plan::window::{SessionNode, WindowNode};
use crate::{Error, Result};

pub(crate) use self::expression::has_subquery;
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
    /// How long windows are held open for late rows, in milliseconds of event time.
    pub allowed_lateness_ms: i64,
    /// The interval of early results of windows, in milliseconds of event time.
    pub early_ms: Option<i64>,
    /// The table that late rows are written to.
    pub late_rows: Option<LateRows>,
    /// How much memory the state of the job's operators may take, the table that a lookup join holds included.
    pub memory_bytes_max: usize,
    /// The views of the script, and the lines that they are on.
    pub views: BTreeMap<String, u32>,
    /// After how long without rows an unbounded source is not waited for; `None`: it always is.
    pub idle_after: Option<Duration>,
    /// How far the event time of a source may run ahead of another's; `None`: as far as it likes.
    pub max_drift_ms: Option<i64>,
    /// How many checkpoints are kept: operators with files of their own keep what those refer to.
    pub checkpoints_retained: usize,
    /// Only check: compute nothing, keep nothing.
    pub checking: bool,
}

/// Puts a dataflow together from the plans of a job.
pub(crate) struct Compiler<'a> {
    setting: &'a Setting,
    dataflow: Dataflow,
    trained: Vec<(TrainNode, Output, Arc<StageTable>)>,
    /// The names of the files of stages so far.
    files: Vec<String>,
    /// In which version of the script INSERTs and ML_TRAINs came, as far as there is state of them.
    generations: BTreeMap<String, u32>,
    /// That of the others.
    new_generation: u32,
    /// The tables that are read already.
    scans: Vec<(Shared, Output)>,
    /// What is being lowered goes straight to a sink: through filters and projections, that is.
    straight: bool,
    /// The interval at which the windows that are lowered next give early results.
    early_ms: Option<i64>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(setting: &'a Setting) -> Self {
        Self {
            setting,
            dataflow: Dataflow::new(setting.max_drift_ms, setting.memory_bytes_max as u64),
            trained: Vec::new(),
            files: Vec::new(),
            generations: BTreeMap::new(),
            new_generation: 0,
            scans: Vec::new(),
            straight: false,
            early_ms: None,
        }
    }

    /// Goes on from a state that has these generations. What is new in the script is of the next one, and reads its tables from
    /// their start by itself; what was there before goes on where it stands. If nothing of it is left, its place is taken.
    pub(crate) fn resuming<'n>(
        &mut self,
        generations: &BTreeMap<String, u32>,
        mut inserts: impl Iterator<Item = &'n str>,
    ) {
        let newest = generations.values().max().copied().unwrap_or_default();
        let some_are_left = inserts.any(|insert| generations.contains_key(insert));
        self.generations = generations.clone();
        self.new_generation = if some_are_left { newest + 1 } else { newest };
    }

    /// The generation of an INSERT or an ML_TRAIN.
    fn generation(&mut self, name: &str) -> u32 {
        let generation = self.generations.get(name).copied().unwrap_or(self.new_generation);
        self.dataflow.generations.insert(name.to_string(), generation);
        generation
    }

    /// Adds a plan whose rows go to a sink of this name. `declared` and `line` are of the sink and of its INSERT: they tell its
    /// parts from others, see [`crate::stream::identity`].
    pub(crate) fn add(&mut self, name: &str, declared: &str, line: u32, plan: &LogicalPlan) -> Result<()> {
        let views = places::views(plan, &self.setting.views);
        let generation = self.generation(name);
        self.dataflow.making = Making { insert: name.to_string(), line, generation, views };
        let output = self.compile(plan)?;
        self.dataflow.add_sink(name.to_string(), declared, output);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Dataflow {
        if let Some(late_rows) = &self.setting.late_rows {
            self.dataflow.add_late_rows(late_rows);
        }
        self.dataflow
    }

    /// Cuts, optimises and lowers a plan.
    fn compile(&mut self, plan: &LogicalPlan) -> Result<Output> {
        let plan = self.cut(plan.clone())?;
        let plan = self.optimize(&plan)?;
        self.straight = true;
        let output = self.lower(&plan);
        self.straight = false;
        output
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
        // It may have been there before the INSERT that reads it first.
        let generation = self.generation(&format!("ML_TRAIN {}", node.model.0.name));
        let reader = std::mem::replace(&mut self.dataflow.making.generation, generation);
        // What lies below was cut already: the plan is walked from below.
        let input = self.optimize(&node.input)?;
        let over = node.over(input)?;
        let from = match over.rowtime {
            Some(rowtime) => self.lower(&self.merged(&over.input, rowtime.column)?)?,
            None => self.lower(&over.input)?,
        };
        let operator = Train::new(
            &over,
            BadRows::from(self.tables_below(&node.input)?),
            &self.setting.train,
            &self.setting.threads,
            Place {
                folder: &self.setting.folder,
                shards: self.setting.shards,
                snapshots: Snapshots::Savepoints { retained: self.setting.checkpoints_retained },
            },
        )?;
        let output = self.dataflow.add_described(Box::new(operator), places::training(&over), &[from]);
        self.dataflow.making.generation = reader;
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

    /// Turns an optimised plan into operators.
    fn lower(&mut self, plan: &LogicalPlan) -> Result<Output> {
        let before = self.straight;
        self.straight &= is_straight(plan) || matches!(plan, LogicalPlan::Aggregate(_));
        let output = self.lower_node(plan);
        self.straight = before;
        output
    }

    fn lower_node(&mut self, plan: &LogicalPlan) -> Result<Output> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => self.lower(&alias.input),
            LogicalPlan::Projection(projection) if !has_subquery(&projection.expr) => {
                let input = self.lower(&projection.input)?;
                let columns = physical_all(&projection.expr, projection.input.schema())?;
                let schema = Arc::clone(projection.schema.inner());
                let description = Description::stateless("SELECT", expressions(&projection.expr));
                Ok(self.dataflow.add_described(Box::new(Project { columns, schema }), description, &[input]))
            }
            LogicalPlan::Filter(filter) if !has_subquery(std::slice::from_ref(&filter.predicate)) => {
                if let Some(output) = self.lower_first_rows(plan, filter)? {
                    return Ok(output);
                }
                let input = self.lower(&filter.input)?;
                let predicate = physical(&filter.predicate, filter.input.schema())?;
                let description = Description::stateless("WHERE", expression(&filter.predicate));
                Ok(self.dataflow.add_described(Box::new(Filter { predicate }), description, &[input]))
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
                    let args = physical_all(&predict.columns(), predict.input.schema())?;
                    let rowwise = Rowwise::predict(predict, args, BadRows::from(self.tables_below(&predict.input)?));
                    let schema = Arc::clone(predict.schema.inner());
                    let description = Description::stateless(predict.function(), expressions(&predict.args));
                    return Ok(self.dataflow.add_described(
                        Box::new(Predict { rowwise, schema, threads: Arc::clone(&self.setting.threads) }),
                        description,
                        &[input],
                    ));
                }
                if let Some(in_time) = node.downcast_ref::<InTimeNode>() {
                    let input = self.lower(&in_time.input)?;
                    let operator = InTime::new(in_time.name.clone(), in_time.rowtime);
                    let time = in_time.input.schema().field(in_time.rowtime.column).name();
                    let description = Description::new(&in_time.name).on("time", time);
                    return Ok(self.dataflow.add_described(Box::new(operator), description, &[input]));
                }
                if let Some(unnest) = node.downcast_ref::<UnnestNode>() {
                    let input = self.lower(&unnest.input)?;
                    let UnnestNode { ordinality, outer, .. } = *unnest;
                    let schema = Arc::clone(unnest.schema.inner());
                    let unnest = Unnest { collection: unnest.place()?, ordinality, outer };
                    let description = Description::stateless("UNNEST", columns(&schema));
                    return Ok(self.dataflow.add_described(
                        Box::new(Elements { unnest, schema }),
                        description,
                        &[input],
                    ));
                }
                if let Some(join) = node.downcast_ref::<TemporalJoinNode>() {
                    return self.lower_temporal_join(join);
                }
                if let Some(merge) = node.downcast_ref::<MergeNode>() {
                    let inputs = merge.inputs.iter().map(|input| self.lower(input)).collect::<Result<Vec<_>>>()?;
                    let operator = Merge::new(Arc::clone(merge.schema.inner()), inputs.len(), merge.time);
                    let description = Description::new("UNION")
                        .on("time", merge.schema.field(merge.time).name())
                        .on("rows of", columns(merge.schema.as_arrow()));
                    return Ok(self.dataflow.add_described(Box::new(operator), description, &inputs));
                }
                if let Some(window) = node.downcast_ref::<WindowNode>() {
                    return self.lower_window(plan, window);
                }
                if let Some(session) = node.downcast_ref::<SessionNode>() {
                    return self.lower_session(plan, session);
                }
                if node.is::<FeatureScoresNode>() {
                    let instead = "write the rows to a table, and score that";
                    return self.elsewhere(plan, "ML_FEATURE_SCORES", instead);
                }
                self.elsewhere(
                    plan,
                    "a report (ML_EVALUATE, ML_CONFUSION_MATRIX, ML_ROC_CURVE, ML_PERMUTATION_IMPORTANCE)",
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

/// Whether what comes out of this node are rows of its input, changed one by one.
fn is_straight(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(_) | LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::Union(_) => {
            true
        }
        LogicalPlan::Extension(extension) => extension.node.as_any().is::<PredictNode>(),
        _ => false,
    }
}
