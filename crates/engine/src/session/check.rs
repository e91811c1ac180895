//! Checking a statement without running it.

use datafusion::logical_expr::LogicalPlan;
use tidegate_connectors::{Error as E, ScanRequest};
use tidegate_sql::{Located, Source, Statement};

use super::{Place, Session, is_step};
use crate::catalog::monitor::storage;
use crate::catalog::table::ConnectorTable;
use crate::stream::compile::{Compiler, must_stream, tables};
use crate::{Result, Silent};

impl Session {
    /// Declares what a statement declares, plans what it would run, and runs nothing. Says whether it is a job.
    pub(crate) fn check(&mut self, source: &Source, located: &Located) -> Result<bool> {
        let place = Place::new(source, located.span);
        match &located.statement {
            Statement::Insert(insert) => self.check_inserts(&place, std::slice::from_ref(insert))?,
            Statement::StatementSet(inserts) => self.check_inserts(&place, inserts)?,
            Statement::Query(query) => {
                let plan = self.plan(&place, query)?;
                self.check_sources(&place, &plan)?;
                self.execution.context.state().optimize(&plan).map_err(|error| place.planning(error))?;
            }
            Statement::CreateModel(model) => {
                self.create_model(&place, model)?;
                if let Some(query) = &model.query {
                    self.plan_history(&place, model, query)?;
                }
            }
            Statement::Explain(inner) => {
                self.explain(source, inner)?;
            }
            _ => self.run(source, located, &Silent, None)?,
        }
        Ok(is_step(&located.statement))
    }

    /// What a query reads must be there, unless an earlier job of the script writes it.
    fn check_sources(&self, place: &Place<'_>, plan: &LogicalPlan) -> Result<()> {
        for table in tables(plan)? {
            if let Some(table) =
                table.downcast_ref::<ConnectorTable>().filter(|table| !self.written.contains(&table.name))
            {
                table.table.scan(&ScanRequest::default()).map_err(|error| match error {
                    // The script is right, what it reads is not.
                    E::BadRecord(_) | E::Corrupt { .. } | E::Io { .. } => storage(error),
                    other => place.refuse(other.to_string()),
                })?;
            }
        }
        Ok(())
    }

    fn check_inserts(&mut self, place: &Place<'_>, inserts: &[tidegate_sql::Insert]) -> Result<()> {
        let setting = self.job_setting(place, std::path::Path::new(""), "check")?;
        let mut compiler = Compiler::new(&setting);
        let mut streams = self.must_stream_by_setting() || inserts.len() > 1;
        let mut planned = Vec::with_capacity(inserts.len());
        for insert in inserts {
            let insert_place = place.at(Some(insert.span));
            let plan = self.plan_insert(&insert_place, insert)?;
            streams |= must_stream(&plan.plan)?;
            self.check_sources(&insert_place, &plan.plan)?;
            planned.push((insert_place, plan));
        }
        for (place, insert) in &planned {
            if streams {
                compiler
                    .add(&insert.table.name, &insert.declared, insert.line, &insert.plan)
                    .map_err(|error| place.running(error))?;
            } else {
                self.execution.context.state().optimize(&insert.plan).map_err(|error| place.planning(error))?;
            }
        }
        self.written.extend(inserts.iter().map(|insert| insert.table.value.clone()));
        Ok(())
    }
}
