//! Joins.
//!
//! | join | when | operator |
//! |---|---|---|
//! | interval join | each side's event time is bounded by the other's | [`IntervalJoin`] |
//! | lookup join | one side is a bounded table | [`LookupJoin`] |
//! | window join | windows begin and end together | [`super::window_join`] |
//!
//! Each needs an equality, and the first two are an inner or a left join. Joins with the versions of a table are in
//! [`super::temporal_join`].

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, ExprSchemable, Join, LogicalPlan, Projection};
use futures::TryStreamExt;
use tidegate_connectors::Reload;

use super::Compiler;
use super::expression::{has_subquery, physical};
use super::time_bound::{TimeBound, time_bound};
use super::visit::{stage_table, visit};
use super::window_join::{SameWindow, same_window, with_marks};
use crate::catalog::table::ConnectorTable;
use crate::plan::attribute::{delay_ms, rowtime_mark};
use crate::plan::event_time::marked;
use crate::stream::dataflow::Output;
use crate::stream::identity::{Description, columns, expressions, span};
use crate::stream::interval_join::{Interval, IntervalJoin, JoinInput};
use crate::stream::join::{Residual, Side};
use crate::stream::lookup_join::{LookupJoin, ReadTable};
use crate::{Error, Result};

/// How a join runs as a stream.
enum Streamed {
    Window(SameWindow),
    Interval(TimeBound),
    /// The side that is a table.
    Lookup(Side),
}

impl Compiler<'_> {
    pub(super) fn lower_join(&mut self, plan: &LogicalPlan, join: &Join) -> Result<Output> {
        match self.streamed(join)? {
            Some(Streamed::Window(same)) => self.lower_window_join(join, &same),
            Some(Streamed::Interval(bound)) => self.lower_interval_join(join, &bound),
            Some(Streamed::Lookup(table)) => self.lower_lookup_join(join, table),
            None if !matches!(join.join_type, JoinType::Inner | JoinType::Left) => {
                self.elsewhere(plan, "this kind of JOIN", "write it as a JOIN or a LEFT JOIN, with the stream on the left")
            }
            None if join.on.is_empty() => self.elsewhere(plan, "a JOIN without an equality", "add one, such as a.id = b.id"),
            None => self.elsewhere(
                plan,
                "a JOIN of two streams without a bound on their times",
                "bound the event time of one by the other's in ON, such as b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR; both need a WATERMARK; or join rows of one window: a.window_start = b.window_start AND a.window_end = b.window_end",
            ),
        }
    }

    /// The side of a join that is a table in which rows of the other one are looked up, if there is one.
    pub(super) fn looked_up(&self, join: &Join) -> Result<Option<Side>> {
        Ok(match self.streamed(join)? {
            Some(Streamed::Lookup(table)) => Some(table),
            _ => None,
        })
    }

    /// How a join can run as a stream, if it can.
    fn streamed(&self, join: &Join) -> Result<Option<Streamed>> {
        let nested = |(left, _): &(Expr, Expr)| left.get_type(join.left.schema()).is_ok_and(|t| t.is_nested());
        if join.on.is_empty()
            || join.on.iter().any(nested)
            || join.null_equality != NullEquality::NullEqualsNothing
            || join.filter.as_ref().is_some_and(|filter| has_subquery(std::slice::from_ref(filter)))
        {
            return Ok(None);
        }
        if let Some(same) = same_window(join) {
            return Ok(Some(Streamed::Window(same)));
        }
        if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
            return Ok(None);
        }
        if let Some(bound) = time_bound(join) {
            return Ok(Some(Streamed::Interval(bound)));
        }
        let (left, right) = (self.is_table(&join.left)?, self.is_table(&join.right)?);
        Ok(match join.join_type {
            JoinType::Left => right.then_some(Streamed::Lookup(Side::Right)),
            // Of two tables, the one with an event time is read as a stream, or else the left one.
            _ if left && right && self.has_time(&join.right)? && !self.has_time(&join.left)? => {
                Some(Streamed::Lookup(Side::Left))
            }
            _ if right => Some(Streamed::Lookup(Side::Right)),
            _ => left.then_some(Streamed::Lookup(Side::Left)),
        })
    }

    /// Whether a plan reads bounded tables only, and nothing that another operator of the job gives.
    fn is_table(&self, plan: &LogicalPlan) -> Result<bool> {
        let mut stages = false;
        visit(plan, &mut |node| {
            stages |= stage_table(node).is_some();
            Ok(())
        })?;
        let bounded = |table: &ConnectorTable| table.table.is_bounded();
        let tables = self.tables_below(plan)?;
        Ok(!stages && tables.iter().all(|table| table.downcast_ref::<ConnectorTable>().is_some_and(bounded)))
    }

    /// Whether a table that a plan reads has an event time, selected or not.
    fn has_time(&self, plan: &LogicalPlan) -> Result<bool> {
        let timed = |table: &ConnectorTable| table.schema.fields().iter().any(|field| delay_ms(field).is_some());
        Ok(self.tables_below(plan)?.iter().any(|table| table.downcast_ref::<ConnectorTable>().is_some_and(timed)))
    }

    fn lower_interval_join(&mut self, join: &Join, bound: &TimeBound) -> Result<Output> {
        let left = self.lower(&self.in_time(&join.left, bound.left, "JOIN, left input")?)?;
        let right = self.lower(&self.in_time(&join.right, bound.right, "JOIN, right input")?)?;
        let side = |plan: &LogicalPlan, time, keys: Vec<&Expr>| {
            let keys = keys.into_iter().map(|key| physical(key, plan.schema())).collect::<Result<_>>()?;
            Ok::<_, Error>(JoinInput { schema: Arc::clone(plan.schema().inner()), time, keys })
        };
        let (left_keys, right_keys) = join.on.iter().map(|(left, right)| (left, right)).unzip();
        let inputs = (side(&join.left, bound.left, left_keys)?, side(&join.right, bound.right, right_keys)?);
        let operator = IntervalJoin::new(
            inputs,
            bound.interval,
            residual(&join.schema, join.left.schema(), conjunction(bound.residual.clone()))?,
            join.join_type == JoinType::Left,
            Arc::clone(join.schema.inner()),
            self.setting.shards,
            Arc::clone(&self.setting.threads),
        )?;
        let (left_keys, right_keys): (Vec<&Expr>, Vec<&Expr>) =
            join.on.iter().map(|(left, right)| (left, right)).unzip();
        let Interval { lower_ms, upper_ms } = bound.interval;
        let description = Description::new("interval join")
            .on("keys", format!("{} = {}", expressions(left_keys), expressions(right_keys)))
            .on("from", span(lower_ms))
            .on("to", span(upper_ms))
            .on("kind", join.join_type)
            .on("left rows of", columns(join.left.schema().as_arrow()))
            .on("right rows of", columns(join.right.schema().as_arrow()));
        Ok(self.dataflow.add_described(Box::new(operator), description, &[left, right]))
    }

    fn lower_lookup_join(&mut self, join: &Join, table: Side) -> Result<Output> {
        let (stream, rows) = match table {
            Side::Left => (&join.right, &join.left),
            Side::Right => (&join.left, &join.right),
        };
        let (mut stream_keys, mut table_keys) = (Vec::new(), Vec::new());
        for (left, right) in &join.on {
            let (of_stream, of_table) = if table == Side::Left { (right, left) } else { (left, right) };
            stream_keys.push(physical(of_stream, stream.schema())?);
            table_keys.push(physical(of_table, rows.schema())?);
        }
        let read = self.reader(rows);
        let now = match self.setting.checking {
            true => RecordBatch::new_empty(Arc::clone(rows.schema().inner())),
            false => read()?,
        };
        let mut operator = LookupJoin::new(
            table,
            now,
            stream_keys,
            table_keys,
            residual(&join.schema, join.left.schema(), join.filter.clone())?,
            join.join_type == JoinType::Left,
            Arc::clone(join.schema.inner()),
        )?;
        if let Some(when) = self.reload(rows)? {
            operator = operator.reloaded(when, read);
        }
        let input = self.lower(stream)?;
        let description = Description::stateless("lookup join", expressions(join.on.iter().map(|(left, _)| left)));
        Ok(self.dataflow.add_described(Box::new(operator), description, &[input]))
    }

    /// When the tables of a plan are to be read again: the most often that one of them says.
    fn reload(&self, plan: &LogicalPlan) -> Result<Option<Reload>> {
        let tables = self.tables_below(plan)?;
        let tables = tables.iter().filter_map(|table| table.downcast_ref::<ConnectorTable>());
        Ok(tables.filter_map(|table| table.table.reload()).min_by_key(|reload| reload.every))
    }

    /// Reads the rows of a bounded plan, in the order of one thread, so that it is the same each time.
    fn reader(&self, plan: &LogicalPlan) -> ReadTable {
        let (plan, schema) = (plan.clone(), Arc::clone(plan.schema().inner()));
        let (execution, bytes_max) = (self.setting.execution.with_partitions(1), self.setting.memory_bytes_max);
        Box::new(move || {
            let (mut batches, mut bytes): (Vec<RecordBatch>, usize) = (Vec::new(), 0);
            execution.run(async {
                let mut rows = execution.stream(plan.clone()).await?;
                while let Some(batch) = rows.try_next().await? {
                    bytes += batch.get_array_memory_size();
                    if bytes > bytes_max {
                        return Err(Error::Limit(
                            "the table that a stream is joined with is larger than 'execution.memory-limit': raise it, or select fewer rows or columns of the table".into(),
                        ));
                    }
                    batches.push(crate::batch::scan::with_schema(batch, &schema)?);
                }
                Ok(())
            })?;
            Ok(concat_batches(&schema, &batches)?)
        })
    }

    /// Marks which columns that come out of joins are event times, and with which delay: see
    /// [`crate::stream::interval_join`]. What lies above sees the marks.
    pub(super) fn with_event_times(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let marked = plan.transform_up(|node| {
            let node = marked(node.recompute_schema()?)?;
            let LogicalPlan::Join(join) = &node else { return Ok(Transformed::yes(node)) };
            let own = join.left.schema().fields().len();
            let side_of = |column: usize| if column < own { Side::Left } else { Side::Right };
            let streamed = self.streamed(join)?;
            if let Some(Streamed::Window(same)) = &streamed {
                return Ok(Transformed::yes(with_marks(join, same, node.clone())?));
            }
            let mark = |column: usize| match &streamed {
                Some(Streamed::Interval(bound)) if column == bound.left => Some(bound.interval.left_delay_ms()),
                Some(Streamed::Interval(bound)) if column == own + bound.right && join.join_type == JoinType::Inner => {
                    Some(bound.interval.right_delay_ms())
                }
                Some(Streamed::Lookup(table)) if *table != side_of(column) => delay_ms(join.schema.field(column)),
                _ => None,
            };
            let changed = |column: usize| mark(column) != delay_ms(join.schema.field(column));
            if streamed.is_none() || !(0..join.schema.fields().len()).any(changed) {
                return Ok(Transformed::yes(node));
            }
            let columns = join.schema.columns().into_iter().enumerate().map(|(place, column)| {
                let (relation, name) = (column.relation.clone(), column.name.clone());
                let metadata = changed(place).then(|| rowtime_mark(mark(place)));
                match metadata {
                    None => Expr::Column(column),
                    metadata => Expr::Column(column).alias_qualified_with_metadata(relation, name, metadata),
                }
            });
            let columns = columns.collect();
            Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(node))?)))
        })?;
        Ok(marked.data)
    }
}

/// A predicate over the columns that it reads of both sides of a join.
pub(super) fn residual(joined: &DFSchema, left: &DFSchema, predicate: Option<Expr>) -> Result<Option<Residual>> {
    let Some(predicate) = predicate else { return Ok(None) };
    let own = left.fields().len();
    let places = predicate.column_refs().into_iter().map(|column| Ok(joined.index_of_column(column)?));
    let places = places.collect::<Result<BTreeSet<usize>>>()?;
    let fields = places.iter().map(|place| {
        let (table, field) = joined.qualified_field(*place);
        (table.cloned(), Arc::clone(field))
    });
    let schema = DFSchema::new_with_metadata(fields.collect(), Default::default())?;
    Ok(Some(Residual {
        predicate: physical(&predicate, &schema)?,
        left: places.iter().copied().filter(|place| *place < own).collect(),
        right: places.iter().filter_map(|place| place.checked_sub(own)).collect(),
        schema: Arc::clone(schema.inner()),
    }))
}
