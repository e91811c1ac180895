//! Tables and settings as Flink has them.

use std::collections::BTreeMap;
use std::path::Path;

use tidegate_sql::CreateTable;
use tidegate_sql::settings::PARAMETER_PREFIX;

/// Connectors whose tables are read and written by our own code there, too, so that files mean the same.
const OUR_OWN: &[&str] = &["filesystem", "datagen", "nexmark"];

/// The options that a table has in Flink.
pub(super) fn options(create: &CreateTable, folder: &Path, key: &str) -> Vec<(String, String)> {
    let given = create.options.iter().map(|pair| (pair.key.clone(), pair.value.clone()));
    let connector = create.options.iter().find(|pair| pair.key == "connector").map_or("", |pair| pair.value.as_str());
    if !OUR_OWN.contains(&connector) {
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

/// Settings that mean the same in Flink, or that are its own.
pub(super) fn settings(set: &[(String, String)], script_dir: &Path) -> BTreeMap<String, String> {
    // Times without a zone are those of UTC here.
    let mut settings = BTreeMap::from([("table.local-time-zone".to_string(), "UTC".to_string())]);
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
            _ => debug_assert!(!key.is_empty() || key.starts_with(PARAMETER_PREFIX)),
        }
    }
    settings
}
