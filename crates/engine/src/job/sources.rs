//! The tables that a job reads: what they gave so far, and where their bad records go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::logical_expr::LogicalPlan;
use tidegate_connectors::{CommitMode, OnError, SinkRequest, dead_letter_schema};

use super::watch::Totals;
use crate::catalog::monitor::storage;
use crate::catalog::table::ConnectorTable;
use crate::stream::compile::tables;
use crate::{Error, Result, SourceReport};

/// The tables of a job.
pub(super) struct Sources {
    /// Each as often as the plans read it.
    readings: Vec<Arc<dyn TableProvider>>,
    /// The place in `readings` where each table is read first.
    first: Vec<usize>,
}

impl Sources {
    pub(super) fn of<'p>(plans: impl Iterator<Item = &'p LogicalPlan>) -> Result<Self> {
        let readings: Vec<_> = plans.map(tables).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        let name = |i: usize| readings[i].downcast_ref::<ConnectorTable>().map(|table| table.name.as_str());
        let first = (0..readings.len()).filter(|i| (0..*i).all(|earlier| name(earlier) != name(*i))).collect();
        Ok(Self { readings, first })
    }

    /// Each table once.
    pub(super) fn tables(&self) -> impl Iterator<Item = &ConnectorTable> {
        self.first.iter().filter_map(|i| self.readings[*i].downcast_ref::<ConnectorTable>())
    }

    /// Begins to count anew what each table gives, and opens its dead letters: `key` names the job, `restored` has what a
    /// checkpoint kept of them, and `carried` the hidden ones if that checkpoint came with a savepoint.
    pub(super) fn begin(
        &self,
        key: &str,
        restored: Option<&BTreeMap<String, Vec<u8>>>,
        carried: Option<&Path>,
    ) -> Result<()> {
        for table in self.tables() {
            let sink = match table.table.on_error() {
                OnError::DeadLetter => {
                    let request = SinkRequest {
                        schema: dead_letter_schema(),
                        overwrite: false,
                        job: format!("{key}-dead-{}", table.name),
                        commit: CommitMode::AtEnd,
                        restore: restored.and_then(|sinks| sinks.get(&table.name).cloned()),
                    };
                    if let Some(folder) = carried {
                        table.table.adopt_dead_letters(&request, &folder.join(dead(&table.name))).map_err(storage)?;
                    }
                    table.table.dead_letter_sink(&request).map_err(storage)?
                }
                _ => None,
            };
            table.monitor.reset(sink);
        }
        Ok(())
    }

    /// Makes the dead letters so far durable: what a checkpoint keeps of them, by table.
    pub(super) fn prepare_dead_letters(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut prepared = BTreeMap::new();
        for table in self.tables() {
            if let Some(state) = table.monitor.with_dead_letters(|sink| sink.prepare().map_err(storage))? {
                prepared.insert(table.name.clone(), state);
            }
        }
        Ok(prepared)
    }

    /// Copies the dead letters so far, which are not visible yet, into a folder of a savepoint.
    pub(super) fn carry_dead_letters(&self, prepared: &BTreeMap<String, Vec<u8>>, folder: &Path) -> Result<()> {
        for table in self.tables() {
            let Some(prepared) = prepared.get(&table.name) else { continue };
            let folder = folder.join(dead(&table.name));
            let carried = table.monitor.with_dead_letters(|sink| sink.carry(prepared, &folder).map_err(storage))?;
            if carried == Some(false) {
                return Err(Error::Usage(format!(
                    "the dead letters of table '{}' cannot be put into a savepoint",
                    table.name
                )));
            }
        }
        Ok(())
    }

    /// Drops the dead letters so far: a savepoint has them.
    pub(super) fn abort_dead_letters(&self) -> Result<()> {
        for table in self.tables() {
            table.monitor.with_dead_letters(|sink| sink.abort().map_err(storage))?;
        }
        Ok(())
    }

    /// Makes the dead letters visible, and gives the logs of that.
    pub(super) fn finish_dead_letters(&self) -> Result<Vec<PathBuf>> {
        let mut logs = Vec::new();
        for table in self.tables() {
            logs.extend(table.monitor.finish_dead_letters()?);
        }
        Ok(logs)
    }

    /// What there is to read, every reading counted, where all tables know.
    pub(super) fn totals(&self) -> Totals {
        let tables = self.readings.iter().filter_map(|table| table.downcast_ref::<ConnectorTable>());
        Totals::sum(tables.map(|table| match table.table.scan(&Default::default()) {
            Ok(scan) => (scan.total_rows(), scan.total_bytes()),
            Err(_) => (None, None),
        }))
    }

    /// What tells this data from other data: see [`ConnectorTable::fingerprint`].
    pub(super) fn fingerprint(&self) -> String {
        let tables: Vec<String> = self.tables().filter_map(ConnectorTable::fingerprint).collect();
        tables.join("; ")
    }

    /// What each table gave.
    pub(super) fn reports(&self) -> Vec<SourceReport> {
        self.tables().filter_map(|table| table.monitor.report(&table.name)).collect()
    }
}

/// The folder of a table's dead letters in a savepoint.
fn dead(table: &str) -> String {
    format!("dead-{:016x}", crate::stream::identity::hash(table))
}
