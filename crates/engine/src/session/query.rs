//! SELECT and EXPLAIN.

use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::displayable;
use datafusion::sql::parser::Statement as PlannerStatement;
use tidegate_options::nearest;
use tidegate_sql::sqlparser::ast::{Query, SetExpr, Statement as SqlStatement, TableFactor};
use tidegate_sql::{Located, Parameters, Source, Statement, parse_query};

use super::{Place, Session};
use crate::checkpoint::JobFolder;
use crate::job;
use crate::plan::event_time::with_marks;
use crate::plan::rewrite::rewrite_flink_spellings;
use crate::plan::temporal::join_versions;
use crate::plan::unnest::join_elements;
use crate::stream::compile::must_stream;
use crate::{Observer, Result};

impl Session {
    /// Plans a query, unoptimised.
    pub(crate) fn plan(&self, place: &Place<'_>, query: &Query) -> Result<LogicalPlan> {
        let mut query = query.clone();
        rewrite_flink_spellings(&mut query).map_err(|message| place.refuse(message))?;
        let statement = PlannerStatement::Statement(Box::new(SqlStatement::Query(Box::new(query))));
        let state = self.execution.context.state();
        let planned = self.execution.run(async { Ok(state.statement_to_plan(statement).await) })?;
        planned
            .and_then(join_elements)
            .and_then(join_versions)
            .and_then(with_marks)
            .map_err(|error| place.planning(self.with_nearest_table(error)))
    }

    /// Plans a relation of FROM by itself.
    pub(crate) fn plan_factor(&self, place: &Place<'_>, factor: &TableFactor) -> Result<LogicalPlan> {
        let mut query = parse_query("", "SELECT * FROM relation", &Parameters::default())?;
        if let SetExpr::Select(select) = query.body.as_mut()
            && let Some(from) = select.from.first_mut()
        {
            from.relation = factor.clone();
        }
        self.plan(place, &query)
    }

    /// Adds the nearest name to the news that there is no table of some name.
    fn with_nearest_table(&self, error: DataFusionError) -> DataFusionError {
        let DataFusionError::Diagnostic(mut diagnostic, inner) = error else { return error };
        let unknown = diagnostic.message.strip_prefix("table '").and_then(|rest| rest.strip_suffix("' not found"));
        let near = unknown.and_then(|name| nearest(name, self.declared.keys().map(String::as_str)));
        if let Some(near) = near {
            let help = format!("did you mean '{near}'?");
            diagnostic.add_help(help, None);
        }
        DataFusionError::Diagnostic(diagnostic, inner)
    }

    /// Runs a SELECT and gives its rows to the observer.
    pub(super) fn query(&mut self, place: &Place<'_>, query: &Query, observer: &dyn Observer) -> Result<()> {
        let plan = self.plan(place, query)?;
        let bytes_max = self.settings.bytes("execution.memory-limit").unwrap_or(1 << 30) as usize;
        let folder = JobFolder::passing(&self.checkpoints(), "select")?;
        let key = format!("{}-select-{}", folder.run_id(), self.jobs_run);
        self.jobs_run += 1;
        let step = folder.step(0)?;
        let context = self.job_context(place, step, key, observer)?;
        let ran = job::select(&plan, &context, bytes_max);
        folder.end()?;
        let (batches, report) = ran.map_err(|error| place.running(error))?;
        observer.rows(plan.schema().inner(), &batches);
        if !report.models.is_empty() {
            observer.done(&crate::Done::Job(report));
        }
        Ok(())
    }

    /// How a statement would run.
    pub(crate) fn explain(&self, source: &Source, located: &Located) -> Result<String> {
        let place = Place::new(source, located.span);
        match &located.statement {
            Statement::Query(query) => self.explain_plan(&place, &self.plan(&place, query)?, false),
            Statement::Insert(insert) => {
                let planned = self.plan_insert(&place, insert)?;
                Ok(format!("INSERT INTO {}\n{}", insert.table.value, self.explain_plan(&place, &planned.plan, false)?))
            }
            Statement::StatementSet(inserts) => inserts
                .iter()
                .map(|insert| {
                    let place = place.at(Some(insert.span));
                    let planned = self.plan_insert(&place, insert)?;
                    Ok(format!(
                        "INSERT INTO {}\n{}",
                        insert.table.value,
                        self.explain_plan(&place, &planned.plan, true)?
                    ))
                })
                .collect::<Result<Vec<_>>>()
                .map(|plans| plans.join("\n")),
            Statement::CreateModel(model) => match &model.query {
                Some(query) => self.explain_plan(&place, &self.plan(&place, query)?, false),
                None => Err(place.refuse("EXPLAIN takes a query or an INSERT")),
            },
            _ => Err(place.refuse("EXPLAIN takes a query or an INSERT")),
        }
    }

    fn explain_plan(&self, place: &Place<'_>, plan: &LogicalPlan, together: bool) -> Result<String> {
        let optimized = self.execution.context.state().optimize(plan).map_err(|error| place.planning(error))?;
        if together || self.must_stream_by_setting() || must_stream(plan)? {
            return Ok(format!("== runs as a stream, in rounds ==\n{}\n", optimized.display_indent()));
        }
        let execution = &self.execution;
        let physical = execution.run(async { execution.physical(plan.clone()).await })?;
        Ok(format!(
            "== runs as a bounded query ==\n{}\n== execution ==\n{}",
            optimized.display_indent(),
            displayable(physical.as_ref()).indent(false)
        ))
    }
}
