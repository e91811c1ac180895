//! The temporal join: `a [LEFT] JOIN t FOR SYSTEM_TIME AS OF a.ts ON a.id = t.id`, each row of `a` with the version that its key
//! had at its time.
//!
//! A node of its own, and not a JOIN of DataFusion's: a filter that moved below it would take versions out, and rows would find
//! the version before.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinType, Result, TableReference, internal_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::utils::{conjunction, find_valid_equijoin_key_pair, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Extension, Join, LogicalPlan, Operator, UserDefinedLogicalNodeCore, build_join_schema,
};
use tidegate_sql::Diagnostic;

use super::attribute::{delay_ms, ordinary, with_rowtime, without_rowtime};
use super::relation::refused;
use super::row_number::bare;
use super::versioned::VersionsNode;

/// A temporal join.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TemporalJoinNode {
    pub left: LogicalPlan,
    /// The versions.
    pub right: LogicalPlan,
    /// The event times of both sides, columns of theirs.
    left_time: Expr,
    right_time: Expr,
    /// The columns of the right side that its versions are of.
    key: Vec<Expr>,
    /// What stands after ON.
    condition: Expr,
    /// Whether rows without a version are kept, with NULLs.
    pub outer: bool,
    pub schema: DFSchemaRef,
}

/// The condition of a temporal join in its parts.
pub(crate) struct Matched {
    /// What must be equal, in the order of the key's columns.
    pub left: Vec<Expr>,
    pub right: Vec<Expr>,
    /// What else must hold of a row and its version.
    pub residual: Option<Expr>,
}

impl TemporalJoinNode {
    fn over(&self, left: LogicalPlan, right: LogicalPlan) -> Result<Self> {
        let time = place(&left, &self.left_time)?;
        let kind = if self.outer { JoinType::Left } else { JoinType::Inner };
        let joined = build_join_schema(left.schema(), right.schema(), &kind)?;
        let own = left.schema().fields().len();
        let meant = |(column, (table, field)): (usize, (Option<&TableReference>, &FieldRef))| {
            let field = field.as_ref().clone();
            // Rows come in the order of this time: from here on it has no delay.
            let field = match column {
                column if column == time => with_rowtime(field, 0),
                column if column < own => without_rowtime(field),
                _ => ordinary(field),
            };
            (table.cloned(), Arc::new(field))
        };
        let fields = joined.iter().enumerate().map(meant).collect();
        let schema = Arc::new(DFSchema::new_with_metadata(fields, joined.metadata().clone())?);
        Ok(Self { left, right, schema, ..self.clone() })
    }

    /// The columns of the times of both sides.
    pub(crate) fn times(&self) -> Result<(usize, usize)> {
        Ok((place(&self.left, &self.left_time)?, place(&self.right, &self.right_time)?))
    }

    /// The condition in its parts.
    pub(crate) fn matched(&self) -> Result<Matched> {
        let mut equal: Vec<Option<(Expr, Expr)>> = vec![None; self.key.len()];
        let mut others = Vec::new();
        for condition in split_conjunction(&self.condition) {
            let pair = equality(condition, self.left.schema(), self.right.schema())?;
            let column = pair.as_ref().and_then(|(_, right)| self.key.iter().position(|key| key == bare(right)));
            match column {
                Some(column) if equal[column].is_none() => equal[column] = pair,
                _ => others.push(condition.clone()),
            }
        }
        let Some(equal) = equal.into_iter().collect::<Option<Vec<_>>>() else {
            return internal_err!("a temporal join lost the equality of its key");
        };
        let (left, right) = equal.into_iter().unzip();
        Ok(Matched { left, right, residual: conjunction(others) })
    }
}

/// The place of a column of a plan.
fn place(plan: &LogicalPlan, column: &Expr) -> Result<usize> {
    match column {
        Expr::Column(column) => plan.schema().index_of_column(column),
        other => internal_err!("{other} is not a column"),
    }
}

/// What a condition says is equal: of the left side, and of the right one.
fn equality(condition: &Expr, left: &DFSchema, right: &DFSchema) -> Result<Option<(Expr, Expr)>> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left: one, op: Operator::Eq, right: other }) => {
            find_valid_equijoin_key_pair(one, other, left, right)
        }
        _ => Ok(None),
    }
}

/// Turns each JOIN with versions into a temporal join.
///
/// # Errors
/// What is wrong with one, at its place.
pub(crate) fn join_versions(plan: LogicalPlan) -> Result<LogicalPlan> {
    // Above a temporal join other columns are event times than above the JOIN that it was.
    let mut changed = false;
    let joined = plan.transform_up_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = &node
            && let Some((versions, right)) = versions_of(&join.right)?
        {
            changed = true;
            let node = Arc::new(temporal_join(join, versions, right)?);
            return Ok(Transformed::yes(LogicalPlan::Extension(Extension { node })));
        }
        Ok(if changed { Transformed::yes(node.recompute_schema()?) } else { Transformed::no(node) })
    })?;
    let mut stray = None;
    joined.data.apply_with_subqueries(|node| {
        stray = stray.take().or(versions_node(node).map(|node| (node.span, node.name.clone())));
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })?;
    match stray {
        None => Ok(joined.data),
        Some((span, name)) => Err(refused(
            Diagnostic::new(span, format!("'{name}' FOR SYSTEM_TIME AS OF: its versions are not joined with anything"))
                .with_help(format!("write … JOIN {name} FOR SYSTEM_TIME AS OF the event time of the left side, ON …")),
        )),
    }
}

fn versions_node(plan: &LogicalPlan) -> Option<&VersionsNode> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

/// The versions that one side of a join is, and that side without the mark.
fn versions_of(plan: &LogicalPlan) -> Result<Option<(&VersionsNode, LogicalPlan)>> {
    if let LogicalPlan::SubqueryAlias(alias) = plan {
        let Some((versions, below)) = versions_of(&alias.input)? else { return Ok(None) };
        return Ok(Some((versions, plan.with_new_exprs(Vec::new(), vec![below])?)));
    }
    Ok(versions_node(plan).map(|versions| (versions, versions.input.clone())))
}

fn temporal_join(join: &Join, versions: &VersionsNode, right: LogicalPlan) -> Result<TemporalJoinNode> {
    let refuse = |message: String, help: String| -> DataFusionError {
        let message = format!("'{}' FOR SYSTEM_TIME AS OF: {message}", versions.name);
        refused(Diagnostic::new(versions.span, message).with_help(help))
    };
    let outer = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left => true,
        other => {
            let message = format!("a {other} JOIN with versions is not supported");
            return Err(refuse(message, "write JOIN or LEFT JOIN, with the versions on the right".to_string()));
        }
    };
    let left = join.left.as_ref();
    let times = || left.schema().iter().filter(|(_, field)| delay_ms(field).is_some());
    let named =
        || times().map(|(table, field)| Column::from((table, field)).flat_name()).collect::<Vec<_>>().join(", ");
    let help = || match named() {
        none if none.is_empty() => "declare a WATERMARK FOR it on the left side".to_string(),
        named => format!("take {named}"),
    };
    let as_of = &versions.as_of;
    let time = match left.schema().maybe_index_of_column(as_of) {
        Some(time) if delay_ms(left.schema().field(time)).is_some() => time,
        Some(_) => return Err(refuse(format!("'{as_of}' is not an event time"), help())),
        None => {
            let names = left.schema().fields().iter().map(|field| field.name().as_str());
            let near = tidegate_options::nearest(&as_of.name, names);
            let help = near.map_or_else(help, |near| format!("did you mean '{near}'?"));
            return Err(refuse(format!("the left side has no column '{as_of}'"), help));
        }
    };
    let equal = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    let condition = conjunction(equal.chain(join.filter.clone()));
    let column = |plan: &LogicalPlan, place| Expr::Column(Column::from(plan.schema().qualified_field(place)));
    let key: Vec<Expr> = versions.key.iter().map(|place| column(&right, *place)).collect();
    let mut missing = key.clone();
    for condition in condition.iter().flat_map(split_conjunction) {
        if let Some((_, equal)) = equality(condition, left.schema(), right.schema())? {
            missing.retain(|key| key != &equal);
        }
    }
    let Some(condition) = condition.filter(|_| missing.is_empty()) else {
        let missing = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let message = format!("ON must say what {missing} is equal to, the key of the versions");
        return Err(refuse(message, format!("add an equality, such as ON a.id = {missing}")));
    };
    let node = TemporalJoinNode {
        left: left.clone(),
        left_time: column(left, time),
        right_time: column(&right, versions.time),
        right: right.clone(),
        key,
        condition,
        outer,
        schema: Arc::clone(&join.schema),
    };
    node.over(left.clone(), right)
}

impl PartialOrd for TemporalJoinNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.condition.partial_cmp(&other.condition).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for TemporalJoinNode {
    fn name(&self) -> &str {
        "TEMPORAL_JOIN"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        [&self.condition, &self.left_time, &self.right_time].into_iter().chain(&self.key).cloned().collect()
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let own = self.left.schema().fields().len();
        let (left, right): (Vec<usize>, Vec<usize>) = output_columns.iter().partition(|column| **column < own);
        Some(vec![left, right.into_iter().map(|column| column - own).collect()])
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.outer { "LEFT TEMPORAL JOIN" } else { "TEMPORAL JOIN" };
        write!(f, "{kind}: as of {} on {}", self.left_time, self.condition)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut exprs = exprs.into_iter();
        let (Some(condition), Some(left_time), Some(right_time)) = (exprs.next(), exprs.next(), exprs.next()) else {
            return internal_err!("a temporal join has a condition and two times");
        };
        let Ok([left, right]) = <[LogicalPlan; 2]>::try_from(inputs) else {
            return internal_err!("a temporal join has two inputs");
        };
        let node = Self { condition, left_time, right_time, key: exprs.collect(), ..self.clone() };
        node.over(left, right)
    }
}
