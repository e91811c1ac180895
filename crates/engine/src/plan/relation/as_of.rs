//! `t FOR SYSTEM_TIME AS OF time`.
//!
//! | `t` | means |
//! |---|---|
//! | has an event time | the version that its key had at the time: [`VersionsNode`], until the join around it is known |
//! | has none | a table to look rows up in, as it is when the job begins |

use datafusion::common::{Column, Result, TableReference};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlannerContext, RelationPlanning};
use tidegate_sql::sqlparser::ast::{Expr, Spanned, TableFactor, TableVersion};
use tidegate_sql::{Diagnostic, Span};

use super::{extension, refused};
use crate::plan::attribute::rowtime;
use crate::plan::versioned::{Unversioned, Versioned, VersionsNode, versioned};

/// Plans a table that is followed by a version.
pub(super) fn plan(mut relation: TableFactor, context: &mut dyn RelationPlannerContext) -> Result<RelationPlanning> {
    let TableFactor::Table { name, alias, version, .. } = &mut relation else {
        return Ok(RelationPlanning::Original(Box::new(relation)));
    };
    let span = name.0.last().and_then(|part| Span::from_parser(part.span()));
    let refuse = |message: String, help: &str| match span {
        Some(span) => refused(Diagnostic::new(span, message).with_help(help)),
        None => DataFusionError::Plan(format!("{message}; {help}")),
    };
    let (name, alias, version) = (name.to_string(), alias.take(), version.take());
    let Some(TableVersion::ForSystemTimeAsOf(time)) = version else {
        let message = format!("'{name}' has no past versions that could be read");
        return Err(refuse(message, "write FOR SYSTEM_TIME AS OF, or leave it out"));
    };
    let plan = context.plan(relation)?;
    let Versioned { plan, key, time: versions_time } = match versioned(&plan)? {
        Ok(versioned) => versioned,
        Err(why) if why != Unversioned::NotSelected && rowtime(plan.schema()).is_none() => {
            return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))));
        }
        Err(why) => {
            let (message, help) = why.message();
            return Err(refuse(format!("'{name}' FOR SYSTEM_TIME AS OF: {message}"), help));
        }
    };
    let as_of = match &time {
        Expr::Identifier(column) => Some(Column::new_unqualified(&column.value)),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, column] => Some(Column::new(Some(TableReference::bare(table.value.as_str())), &column.value)),
            _ => None,
        },
        _ => None,
    };
    let (Some(as_of), Some(span)) = (as_of, span) else {
        let message = format!("'{name}' FOR SYSTEM_TIME AS OF {time}: a column is expected");
        return Err(refuse(message, "take the event time of the left side, such as a.ts"));
    };
    let node = VersionsNode { input: plan, key, time: versions_time, as_of, name, span };
    Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(extension(node), alias))))
}
