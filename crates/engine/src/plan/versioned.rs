//! Versioned tables: `t FOR SYSTEM_TIME AS OF time`.
//!
//! | a versioned table | its key | its rows |
//! |---|---|---|
//! | a table with a PRIMARY KEY and a WATERMARK | the primary key | its rows |
//! | a view that keeps the last row of each key: `ROW_NUMBER() OVER (PARTITION BY key ORDER BY ts DESC) = 1` | that key | those below |
//!
//! and a view that takes columns of one of these. Each row is the version of its key from its event time on.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{Column, DFSchemaRef, Result};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, UserDefinedLogicalNodeCore, lit};
use tidegate_sql::Span;

use super::attribute::{delay_ms, rowtime};
use super::row_number::FirstRows;
use crate::catalog::table::ConnectorTable;

/// A plan whose rows are versions.
pub(crate) struct Versioned {
    pub plan: LogicalPlan,
    /// The columns of the key.
    pub key: Vec<usize>,
    /// The event time.
    pub time: usize,
}

/// Versions, or why they are none.
pub(crate) type Found = std::result::Result<Versioned, Unversioned>;

/// Why a plan with an event time is no versioned table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unversioned {
    /// It has no key.
    NoKey,
    /// A column of the key, or the event time, is not selected.
    NotSelected,
    /// Some versions are filtered out, after which the version of a key is not known.
    Filtered,
}

impl Unversioned {
    /// What is missing, and what to write.
    pub(crate) fn message(self) -> (&'static str, &'static str) {
        match self {
            Self::NoKey => (
                "it has a WATERMARK but no key, which a table with versions needs",
                "declare PRIMARY KEY (…) NOT ENFORCED, or a view that keeps the last row of each key: ROW_NUMBER() OVER (PARTITION BY key ORDER BY ts DESC) = 1; or bound its event time with an interval join",
            ),
            Self::NotSelected => (
                "it does not select the key and the event time of the versions below it",
                "select them, too, as they are",
            ),
            Self::Filtered => (
                "it filters versions, after which it is not known when a version ends",
                "put the condition into ON, or into WHERE after the join",
            ),
        }
    }
}

/// A plan as a versioned table.
pub(crate) fn versioned(plan: &LogicalPlan) -> Result<Found> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let provider = source_as_provider(&scan.source)?;
            let key = provider.downcast_ref::<ConnectorTable>().map_or(&[][..], |table| &table.primary_key);
            let selected = |column: &usize| match &scan.projection {
                Some(columns) => columns.iter().position(|selected| selected == column),
                None => Some(*column),
            };
            let key: Option<Vec<usize>> = key.iter().map(selected).collect();
            Ok(match (key, rowtime(plan.schema())) {
                (Some(key), Some(time)) if !key.is_empty() => {
                    Ok(Versioned { plan: plan.clone(), key, time: time.column })
                }
                (None, _) => Err(Unversioned::NotSelected),
                _ => Err(Unversioned::NoKey),
            })
        }
        LogicalPlan::SubqueryAlias(alias) => above(plan, versioned(&alias.input)?),
        LogicalPlan::Projection(projection) => above(plan, versioned(&projection.input)?),
        LogicalPlan::Filter(filter) => {
            match FirstRows::of(filter).and_then(|first| Some((last_rows(&first)?, first))) {
                Some((_, first)) if !first.others.is_empty() => Ok(Err(Unversioned::Filtered)),
                Some((last, _)) => over_window(&filter.input, last?),
                None => Ok(versioned(&filter.input)?.and(Err(Unversioned::Filtered))),
            }
        }
        _ => Ok(Err(Unversioned::NoKey)),
    }
}

/// The rows of which a filter keeps the last of each key by event time, with the number 1.
fn last_rows(first: &FirstRows<'_>) -> Option<Result<Versioned>> {
    let schema = first.window.input.schema();
    let place = |expr: &Expr| match expr {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        _ => None,
    };
    let [sort] = first.params.order_by.as_slice() else { return None };
    let time = place(&sort.expr).filter(|time| delay_ms(schema.field(*time)).is_some())?;
    let key = first.params.partition_by.iter().map(place).collect::<Option<Vec<usize>>>()?;
    if first.count != 1 || sort.asc || key.is_empty() {
        return None;
    }
    let (_, number) = first.window.schema.qualified_field(schema.fields().len());
    let columns = schema.columns().into_iter().map(Expr::Column).chain([lit(1u64).alias(number.name())]).collect();
    let rows = Projection::try_new(columns, Arc::clone(&first.window.input)).map(LogicalPlan::Projection);
    Some(rows.map(|plan| Versioned { plan, key, time }))
}

/// What lies between a filter and the window below it, over versions in place of the window.
fn over_window(plan: &LogicalPlan, versions: Versioned) -> Result<Found> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => above(plan, over_window(&alias.input, versions)?),
        LogicalPlan::Projection(projection) => above(plan, over_window(&projection.input, versions)?),
        _ => Ok(Ok(versions)),
    }
}

/// A node that takes columns, over versions.
fn above(plan: &LogicalPlan, below: Found) -> Result<Found> {
    let Versioned { plan: input, key, time } = match below {
        Ok(below) => below,
        Err(why) => return Ok(Err(why)),
    };
    let selected = |column: &usize| match plan {
        LogicalPlan::Projection(projection) => projection.expr.iter().position(|expr| {
            let mut expr = expr;
            while let Expr::Alias(alias) = expr {
                expr = &alias.expr;
            }
            matches!(expr, Expr::Column(found) if input.schema().maybe_index_of_column(found) == Some(*column))
        }),
        _ => Some(*column),
    };
    let (key, time) = (key.iter().map(selected).collect::<Option<Vec<usize>>>(), selected(&time));
    let (Some(key), Some(time)) = (key, time) else { return Ok(Err(Unversioned::NotSelected)) };
    let plan = plan.with_new_exprs(plan.expressions(), vec![input])?;
    Ok(Ok(Versioned { plan, key, time }))
}

/// `t FOR SYSTEM_TIME AS OF a.ts` where it stands, until the join around it is known: see [`super::temporal`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct VersionsNode {
    pub input: LogicalPlan,
    /// The columns of the key, and the event time.
    pub key: Vec<usize>,
    pub time: usize,
    /// The column that says when, of the other side.
    pub as_of: Column,
    /// What it is called, and where it stands.
    pub name: String,
    pub span: Span,
}

impl PartialOrd for VersionsNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.as_of.partial_cmp(&other.as_of).filter(|o| *o != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for VersionsNode {
    fn name(&self) -> &str {
        "VERSIONS"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VERSIONS: as of {}", self.as_of)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(Self { input: inputs.remove(0), ..self.clone() })
    }
}
