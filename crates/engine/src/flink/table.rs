//! Tables and settings as Flink has them.

use std::collections::BTreeMap;
use std::path::Path;

use tidegate_sql::CreateTable;

use super::operator::Unsupported;

/// Connectors whose tables are read and written by our own code there, too, so that files mean the same.
const OUR_OWN: &[&str] = &["filesystem", "datagen", "nexmark"];

fn connector(create: &CreateTable) -> &str {
    create.options.iter().find(|pair| pair.key == "connector").map_or("", |pair| pair.value.as_str())
}

/// Whether a table is read and written by our own code.
pub(super) fn is_our_own(create: &CreateTable) -> bool {
    OUR_OWN.contains(&connector(create))
}

/// The options that a table has in Flink.
pub(super) fn options(create: &CreateTable, folder: &Path, key: &str, job: &str) -> Vec<(String, String)> {
    let given = create.options.iter().map(|pair| (pair.key.clone(), pair.value.clone()));
    let connector = connector(create);
    if connector == "kafka" {
        return of_topic(given.collect(), &format!("tidegate-{job}-{}", create.name.value));
    }
    if !is_our_own(create) {
        return given.collect();
    }
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let ours = [
        ("connector", "tidegate".to_string()),
        ("tidegate.connector", connector.to_string()),
        ("tidegate.folder", folder.display().to_string()),
        ("tidegate.key", key.to_string()),
    ];
    ours.into_iter()
        .map(|(key, value)| (key.to_string(), value))
        .chain(given.filter(|(key, _)| key != "connector"))
        .collect()
}

/// What is not said of a topic is here as it is with `tidegate run`: rows are read when they are committed, and written exactly once.
fn of_topic(mut options: Vec<(String, String)>, transactions: &str) -> Vec<(String, String)> {
    let mut unless_said = |key: &str, value: &str| {
        if !options.iter().any(|(said, _)| said == key) {
            options.push((key.to_string(), value.to_string()));
        }
    };
    unless_said("properties.isolation.level", "read_committed");
    unless_said("sink.delivery-guarantee", "exactly-once");
    // Two that write under one name would end each other's transactions.
    unless_said("sink.transactional-id-prefix", transactions);
    // What a broker allows; Flink would ask for an hour.
    unless_said("properties.transaction.timeout.ms", "900000");
    options
}

/// Partitions that nothing comes from do not hold the others back; unless a script says how long they do.
pub(super) fn let_partitions_be_idle(settings: &mut BTreeMap<String, String>) {
    settings.entry("table.exec.source.idle-timeout".to_string()).or_insert_with(|| "5 s".to_string());
}

/// A setting that would be lost in Flink, if one is set, and what to do.
pub(super) fn lost(set: &[(String, String)]) -> Option<Unsupported> {
    let late_rows = set.iter().any(|(key, _)| key == "table.exec.late-rows.table");
    late_rows.then(|| Unsupported {
        message:
            "late rows cannot be written to a table in Flink ('table.exec.late-rows.table'): it drops and counts them"
                .into(),
        help: "RESET 'table.exec.late-rows.table' before, or run the script with tidegate run",
    })
}

/// Settings that mean the same in Flink, or that are its own.
pub(super) fn settings(set: &[(String, String)], script_dir: &Path) -> BTreeMap<String, String> {
    let ours = [
        // Times without a zone are those of UTC here.
        ("table.local-time-zone", "UTC"),
        // Else Flink copies each row between two steps of one task. Nothing of a script keeps a row that it was given.
        ("pipeline.object-reuse", "true"),
    ];
    let mut settings: BTreeMap<String, String> =
        ours.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    for (key, value) in set {
        match key.as_str() {
            "execution.checkpointing.dir" | "execution.checkpointing.savepoint-dir" => {
                let path = script_dir.join(value);
                let path = std::path::absolute(&path).unwrap_or(path);
                settings.insert(key.clone(), format!("file://{}", path.display()));
            }
            "parallelism.default"
            | "execution.checkpointing.interval"
            | "execution.checkpointing.num-retained"
            | "execution.checkpointing.externalized-checkpoint-retention"
            | "table.exec.state.ttl"
            | "table.exec.emit.allow-lateness"
            | "table.exec.emit.early-fire.enabled"
            | "table.exec.emit.early-fire.delay"
            | "table.exec.source.idle-timeout" => {
                settings.insert(key.clone(), value.clone());
            }
            key if key.starts_with("restart-strategy.") => {
                settings.insert(key.to_string(), value.clone());
            }
            // How the embedded engine works, or what the lowering has taken by itself.
            _ => {}
        }
    }
    settings
}
