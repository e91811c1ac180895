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

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ExprSchema, TableReference};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan};
use datafusion::physical_expr::aggregate::{LoweredAggregate, LoweredAggregateBuilder};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use futures::TryStreamExt;
use tidegate_connectors::ScanRequest;

use super::aggregate::{Aggregate, WindowAggregate};
use super::collect::Collect;
use super::dataflow::{Dataflow, Output};
use super::source::{Input, Source};
use super::spill::SpillWriter;
use super::stage::StageTable;
use super::stateless::{Filter, Predict, Project};
use super::train::{Train, TrainSetting};
use super::tumble::Tumble;
use crate::batch::rowwise::Rowwise;
use crate::catalog::bad_rows::BadRows;
use crate::catalog::monitor::storage;
use crate::catalog::table::ConnectorTable;
use crate::execution::Execution;
use crate::plan::attribute::{WindowEdge, rowtime, window_edge};
use crate::plan::node::{PredictNode, TrainNode, WindowNode};
use crate::{Error, Result};

/// Whether a plan must run as a stream: it trains a model row by row, or reads what does not end.
pub(crate) fn must_stream(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    visit(plan, &mut |node| {
        found |= train_node(node).is_some() || connector_table(node).is_some_and(|t| !t.table.is_bounded());
        Ok(())
    })?;
    Ok(found)
}

/// The tables of connectors that a plan reads.
pub(crate) fn tables(plan: &LogicalPlan) -> Result<Vec<Arc<dyn datafusion::catalog::TableProvider>>> {
    let mut found = Vec::new();
    visit(plan, &mut |node| {
        if let LogicalPlan::TableScan(scan) = node {
            let provider = source_as_provider(&scan.source)?;
            if provider.downcast_ref::<ConnectorTable>().is_some() {
                found.push(provider);
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// Visits every node, those of subqueries included.
fn visit(plan: &LogicalPlan, see: &mut dyn FnMut(&LogicalPlan) -> Result<()>) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        see(node)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn train_node(plan: &LogicalPlan) -> Option<&TrainNode> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

fn connector_table(plan: &LogicalPlan) -> Option<Arc<ConnectorTable>> {
    let LogicalPlan::TableScan(scan) = plan else { return None };
    let provider = source_as_provider(&scan.source).ok()?;
    let provider: Arc<dyn std::any::Any + Send + Sync> = provider;
    provider.downcast().ok()
}

fn stage_table(plan: &LogicalPlan) -> Option<Arc<StageTable>> {
    let LogicalPlan::TableScan(scan) = plan else { return None };
    let provider = source_as_provider(&scan.source).ok()?;
    let provider: Arc<dyn std::any::Any + Send + Sync> = provider;
    provider.downcast().ok()
}

/// What a job needs to know to be put together.
pub(crate) struct Setting {
    pub execution: Execution,
    /// Where stages are kept.
    pub folder: PathBuf,
    pub batch_rows: usize,
    pub shards: usize,
    /// Where an operator spreads the work on one batch.
    pub threads: Arc<rayon::ThreadPool>,
    pub train: TrainSetting,
    /// Only check: compute nothing, keep nothing.
    pub checking: bool,
}

/// Puts a dataflow together from the plans of a job.
pub(crate) struct Compiler<'a> {
    setting: &'a Setting,
    dataflow: Dataflow,
    trained: Vec<(TrainNode, Output, Arc<StageTable>)>,
    files: usize,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(setting: &'a Setting) -> Self {
        Self { setting, dataflow: Dataflow::default(), trained: Vec::new(), files: 0 }
    }

    /// Adds a plan whose rows go to a sink of this name.
    pub(crate) fn add(&mut self, name: &str, plan: &LogicalPlan) -> Result<()> {
        let output = self.compile(plan)?;
        self.dataflow.add_sink(name.to_string(), output);
        Ok(())
    }

    pub(crate) fn finish(self) -> Dataflow {
        self.dataflow
    }

    /// Cuts, optimises and lowers a plan.
    fn compile(&mut self, plan: &LogicalPlan) -> Result<Output> {
        let plan = self.cut(plan.clone())?;
        let plan = self.setting.execution.optimize(&plan)?;
        self.lower(&plan)
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
        let input = self.setting.execution.optimize(&node.input)?;
        let from = self.lower(&input)?;
        let operator = Train::new(node, BadRows::from(self.tables_below(&node.input)?), &self.setting.train)?;
        let output = self.dataflow.add_operator(Box::new(operator), &[from]);
        let stage = Arc::new(StageTable::new(self.trained.len(), Arc::clone(node.schema.inner())));
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
        match plan {
            LogicalPlan::SubqueryAlias(alias) => self.lower(&alias.input),
            LogicalPlan::Projection(projection) if !has_subquery(&projection.expr) => {
                let input = self.lower(&projection.input)?;
                let columns = physical_all(&projection.expr, projection.input.schema())?;
                let schema = Arc::clone(projection.schema.inner());
                Ok(self.dataflow.add_operator(Box::new(Project { columns, schema }), &[input]))
            }
            LogicalPlan::Filter(filter) if !has_subquery(std::slice::from_ref(&filter.predicate)) => {
                let input = self.lower(&filter.input)?;
                let predicate = physical(&filter.predicate, filter.input.schema())?;
                Ok(self.dataflow.add_operator(Box::new(Filter { predicate }), &[input]))
            }
            LogicalPlan::Union(union) => {
                let inputs = union.inputs.iter().map(|input| self.lower(input)).collect::<Result<Vec<_>>>()?;
                let schema = Arc::clone(union.schema.inner());
                let columns = (0..schema.fields().len())
                    .map(|i| {
                        let name = schema.field(i).name();
                        Arc::new(datafusion::physical_expr::expressions::Column::new(name, i)) as Arc<dyn PhysicalExpr>
                    })
                    .collect();
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
                if let Some(window) = node.downcast_ref::<WindowNode>() {
                    let Some(delay_ms) = window.delay_ms else {
                        return self.elsewhere(
                            plan,
                            "TUMBLE over a column that is not an event time",
                            "declare WATERMARK FOR the time column in CREATE TABLE",
                        );
                    };
                    let input = self.lower(&window.input)?;
                    let time = physical(&window.time, window.input.schema())?;
                    let schema = Arc::clone(window.schema.inner());
                    let tumble = Tumble::new(time, window.size_ms, window.offset_ms, delay_ms, schema);
                    return Ok(self.dataflow.add_operator(Box::new(tumble), &[input]));
                }
                self.elsewhere(
                    plan,
                    "a report (ML_EVALUATE, ML_CONFUSION_MATRIX, ML_ROC_CURVE)",
                    "write the predictions to a table, and report over that",
                )
            }
            LogicalPlan::Aggregate(aggregate) => {
                let schema = aggregate.input.schema();
                let end = aggregate.group_expr.iter().position(|expr| is_window_end(expr, schema));
                match end {
                    Some(end) => self.lower_window_aggregate(aggregate, end),
                    None if aggregate.aggr_expr.is_empty() => self.elsewhere(plan, "DISTINCT, or GROUP BY without a window,", "group by a window"),
                    None => self.elsewhere(plan, "GROUP BY without a window", "group by window_start, window_end of TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))"),
                }
            }
            LogicalPlan::Sort(_) => self.elsewhere(plan, "ORDER BY", "leave it out, and sort what the sink holds"),
            LogicalPlan::Limit(_) => self.elsewhere(plan, "LIMIT", "leave it out, or read a bounded table"),
            LogicalPlan::Join(_) => {
                self.elsewhere(plan, "JOIN", "join bounded tables into one first, with INSERT INTO")
            }
            LogicalPlan::Window(_) => {
                self.elsewhere(plan, "an OVER aggregate", "compute it over a bounded table, with INSERT INTO")
            }
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) => self.elsewhere(
                plan,
                "a subquery in an expression",
                "write what it gives to a table first, with INSERT INTO",
            ),
            _ => self.elsewhere(
                plan,
                "this construct",
                "use filters, projections, UNION ALL, TUMBLE windows and the ML functions",
            ),
        }
    }

    fn lower_scan(&mut self, plan: &LogicalPlan, scan: &TableScan) -> Result<Output> {
        let schema = Arc::clone(scan.projected_schema.inner());
        if let Some(stage) = stage_table(plan) {
            let Some((_, output, _)) = self.trained.iter().find(|(_, _, known)| known.id == stage.id) else {
                return Err(Error::Internal(format!("stage {} is read before it is made", stage.id)));
            };
            let output = *output;
            return match &scan.projection {
                None => Ok(output),
                Some(columns) => {
                    let columns = columns
                        .iter()
                        .map(|i| {
                            let name = stage.schema.field(*i).name();
                            Arc::new(datafusion::physical_expr::expressions::Column::new(name, *i))
                                as Arc<dyn PhysicalExpr>
                        })
                        .collect();
                    Ok(self.dataflow.add_operator(Box::new(Project { columns, schema }), &[output]))
                }
            };
        }
        let Some(table) = connector_table(plan) else {
            return self.elsewhere(plan, "this table", "use a table declared with CREATE TABLE");
        };
        if self.setting.checking {
            let input = Input::Stage { path: PathBuf::new() };
            return Ok(self.dataflow.add_source(Source::new(input, schema, rowtime(&scan.projected_schema))));
        }
        let request = ScanRequest {
            projection: scan.projection.clone(),
            filters: table.column_filters(&scan.filters),
            batch_rows: self.setting.batch_rows,
            limit: None,
            partitions: 1,
        };
        let input = Input::Table {
            name: table.name.clone(),
            scan: Arc::from(table.table.scan(&request).map_err(storage)?),
            monitor: Arc::clone(&table.monitor),
            bounded: table.table.is_bounded(),
        };
        Ok(self.dataflow.add_source(Source::new(input, schema, rowtime(&scan.projected_schema))))
    }

    fn lower_window_aggregate(
        &mut self,
        aggregate: &datafusion::logical_expr::Aggregate,
        window_end: usize,
    ) -> Result<Output> {
        let input = self.lower(&aggregate.input)?;
        let schema = aggregate.input.schema();
        let groups = physical_all(&aggregate.group_expr, schema)?;
        let aggregates = aggregate
            .aggr_expr
            .iter()
            .map(|expr| {
                let properties = ExecutionProps::new();
                let planning = PhysicalPlanningContext::default();
                let LoweredAggregate { aggregate, filter, .. } =
                    LoweredAggregateBuilder::new(expr, schema, schema.as_arrow(), &properties, &planning).build()?;
                Ok(Aggregate { function: aggregate, filter })
            })
            .collect::<Result<Vec<_>>>()?;
        let output: SchemaRef = Arc::clone(aggregate.schema.inner());
        let operator = WindowAggregate::new(
            groups,
            window_end,
            aggregates,
            output,
            self.setting.shards,
            Arc::clone(&self.setting.threads),
        );
        Ok(self.dataflow.add_operator(Box::new(operator), &[input]))
    }

    /// What operators cannot do: over bounded tables DataFusion does it before the stream begins, over a stage of a bounded
    /// job when the stream has ended; over an unbounded table it is refused.
    fn elsewhere(&mut self, plan: &LogicalPlan, construct: &'static str, instead: &'static str) -> Result<Output> {
        let mut stages: Vec<Arc<StageTable>> = Vec::new();
        let mut unbounded = None;
        visit(plan, &mut |node| {
            if let Some(stage) = stage_table(node)
                && !stages.iter().any(|known| known.id == stage.id)
            {
                stages.push(stage);
            }
            Ok(())
        })?;
        for table in self.tables_below(plan)? {
            if let Some(table) = table.downcast_ref::<ConnectorTable>().filter(|t| !t.table.is_bounded()) {
                unbounded = Some(table.name.clone());
            }
        }
        if let Some(table) = unbounded {
            return Err(refused(construct, instead, &table));
        }
        self.files += 1;
        let path = self.setting.folder.join(format!("stage-{}", self.files));
        match stages.as_slice() {
            [] => self.compute_before(plan, path),
            [stage] => {
                let Some((_, output, _)) = self.trained.iter().find(|(_, _, known)| known.id == stage.id) else {
                    return Err(Error::Internal(format!("stage {} is read before it is made", stage.id)));
                };
                let output = *output;
                let collect = Collect::new(path, Arc::clone(stage), plan.clone(), self.setting.execution.clone());
                Ok(self.dataflow.add_operator(Box::new(collect), &[output]))
            }
            _ => Err(Error::Data(format!(
                "{construct} over several ML_TRAIN results cannot run in one job: write each to a table with INSERT INTO first"
            ))),
        }
    }

    /// Computes a bounded part of the plan into a file, once: a resumed job finds it there.
    fn compute_before(&mut self, plan: &LogicalPlan, path: PathBuf) -> Result<Output> {
        let schema = Arc::clone(plan.schema().inner());
        if !self.setting.checking && !path.exists() {
            // Without a sort the order of rows is that of one thread, so that it is the same each time.
            let execution = match plan {
                LogicalPlan::Sort(_) => self.setting.execution.clone(),
                _ => self.setting.execution.with_partitions(1),
            };
            let unfinished = path.with_extension("unfinished");
            let mut writer = SpillWriter::open(&unfinished, 0)?;
            execution.run(async {
                let mut stream = execution.stream(plan.clone()).await?;
                while let Some(batch) = stream.try_next().await? {
                    writer.write(&batch)?;
                }
                Ok(())
            })?;
            writer.sync()?;
            std::fs::rename(&unfinished, &path)?;
        }
        let rowtime = rowtime(plan.schema());
        Ok(self.dataflow.add_source(Source::new(Input::Stage { path }, schema, rowtime)))
    }
}

/// The refusal of a construct over an unbounded table. [`crate::session`] adds the place.
fn refused(construct: &'static str, instead: &'static str, table: &str) -> Error {
    Error::Unstreamable { construct, instead, table: table.to_string() }
}

fn has_subquery(exprs: &[Expr]) -> bool {
    exprs.iter().any(|expr| {
        let subquery = |e: &Expr| {
            Ok(matches!(e, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_)))
        };
        expr.exists(subquery).unwrap_or(true)
    })
}

fn is_window_end(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Column(column) => {
            schema.field_from_column(column).is_ok_and(|field| window_edge(field) == Some(WindowEdge::End))
        }
        Expr::Alias(alias) => is_window_end(&alias.expr, schema),
        _ => false,
    }
}

fn physical(expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
    Ok(create_physical_expr(expr, schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())?)
}

fn physical_all(exprs: &[Expr], schema: &DFSchema) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
    exprs.iter().map(|expr| physical(expr, schema)).collect()
}
