//! What operators cannot do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use futures::TryStreamExt;

use super::Compiler;
use super::visit::{stage_table, visit};
use crate::catalog::table::ConnectorTable;
use crate::plan::attribute::{Rowtime, WindowEdge, rowtime, window_edge};
use crate::stream::collect::Collect;
use crate::stream::dataflow::Output;
use crate::stream::identity::{self, Description, Identity};
use crate::stream::source::{EventTime, Input, Source};
use crate::stream::spill::SpillWriter;
use crate::stream::stage::StageTable;
use crate::{Error, Result};

impl Compiler<'_> {
    /// What operators cannot do: over bounded tables DataFusion does it before the stream begins, over a stage of a bounded
    /// job when the stream has ended; over an unbounded table it is refused.
    pub(super) fn elsewhere(
        &mut self,
        plan: &LogicalPlan,
        construct: &'static str,
        instead: &'static str,
    ) -> Result<Output> {
        let mut stages: Vec<Arc<StageTable>> = Vec::new();
        // Of each stage the columns that any of its scans reads.
        let mut columns: BTreeSet<usize> = BTreeSet::new();
        visit(plan, &mut |node| {
            if let (Some(stage), LogicalPlan::TableScan(scan)) = (stage_table(node), node) {
                match &scan.projection {
                    Some(projection) => columns.extend(projection),
                    None => columns.extend(0..stage.schema.fields().len()),
                }
                if !stages.iter().any(|known| known.id == stage.id) {
                    stages.push(stage);
                }
            }
            Ok(())
        })?;
        if let Some(table) = self.unbounded_below(plan)? {
            return Err(refused(construct, instead, &table));
        }
        match stages.as_slice() {
            [] => self.compute_before(plan),
            [stage] => {
                let Some((_, output, _)) = self.trained.iter().find(|(_, _, known)| known.id == stage.id) else {
                    return Err(Error::Internal(format!("stage {} is read before it is made", stage.id)));
                };
                let output = *output;
                let kept = identity::columns(&stage.schema.project(&columns.iter().copied().collect::<Vec<_>>())?);
                let model = self.trained.get(stage.id).map_or(String::new(), |(node, _, _)| node.model.0.name.clone());
                let path = self.file(&format!("{model}: {kept}"));
                let collect = Collect::new(
                    path,
                    Arc::clone(stage),
                    columns.into_iter().collect(),
                    plan.clone(),
                    self.setting.execution.clone(),
                );
                let mut description =
                    Description::named("rows kept for a query at the end, of", &model).on("columns", kept);
                description.computes = plan.display_indent().to_string();
                Ok(self.dataflow.add_described(Box::new(collect), description, &[output]))
            }
            _ => Err(Error::Data(format!(
                "{construct} over several ML_TRAIN results cannot run in one job: write each to a table with INSERT INTO first"
            ))),
        }
    }

    /// The name of a table without end that a plan reads, if there is one.
    pub(super) fn unbounded_below(&self, plan: &LogicalPlan) -> Result<Option<String>> {
        let tables = self.tables_below(plan)?;
        let mut unbounded =
            tables.iter().filter_map(|table| table.downcast_ref::<ConnectorTable>()).filter(|t| !t.table.is_bounded());
        Ok(unbounded.next().map(|table| table.name.clone()))
    }

    /// The file for what is made as a text says: the same one in a script that has changed elsewhere.
    fn file(&mut self, made: &str) -> PathBuf {
        let name = format!("stage-{:016x}", identity::hash(made));
        let before = self.files.iter().filter(|known| **known == name).count();
        self.files.push(name.clone());
        self.setting.folder.join(if before == 0 { name } else { format!("{name}-{before}") })
    }

    /// Computes a bounded part of the plan into a file, once: a resumed job finds it there.
    fn compute_before(&mut self, plan: &LogicalPlan) -> Result<Output> {
        let schema = Arc::clone(plan.schema().inner());
        let path = self.file(&plan.display_indent_schema().to_string());
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
        // Rows with the time of a window come in any order out of DataFusion, and none of them is late: see Origin::Input.
        let is_window_time = |time: &Rowtime| window_edge(plan.schema().field(time.column)) == Some(WindowEdge::Last);
        let rowtime = rowtime(plan.schema()).filter(|time| !is_window_time(time));
        let pace = self.pace(rowtime.map(EventTime::from));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let source = self.dataflow.add_source(Source::new(Input::Stage { path }, schema, pace));
        Ok(self.dataflow.identify(source, Identity::stage(&name)))
    }
}

/// The refusal of a construct over an unbounded table. [`crate::session`] adds the place.
fn refused(construct: &'static str, instead: &'static str, table: &str) -> Error {
    Error::Unstreamable { construct, instead, table: table.to_string() }
}
