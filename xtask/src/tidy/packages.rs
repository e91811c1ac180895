//! Which package may depend on which.

use serde_json::Value;

use super::Finding;

/// Imports point one way: cli → server → engine → {sql, connectors, training → {registry, ml}}. Options are a leaf that all may use; tests
/// may use everything, and nothing uses tests or xtask.
const MAY_USE: &[(&str, &[&str])] = &[
    ("tidegate-options", &[]),
    ("tidegate-ml", &["options"]),
    ("tidegate-sql", &["options"]),
    ("tidegate-connectors", &["options"]),
    ("tidegate-registry", &["options"]),
    ("tidegate-training", &["options", "registry", "ml"]),
    ("tidegate-engine", &["options", "sql", "connectors", "registry", "ml", "training"]),
    ("tidegate-server", &["options", "sql", "connectors", "registry", "ml", "engine"]),
    ("tidegate-cli", &["options", "sql", "connectors", "registry", "ml", "engine", "server"]),
];

/// What would bring an engine, a virtual machine, a runtime or a disk into crates that must not know of any.
const NEVER: &[(&str, &[&str])] = &[
    ("tidegate-ml", &["datafusion", "jni", "tokio", "rusqlite", "sqlparser", "parquet", "object_store"]),
    ("tidegate-sql", &["datafusion", "tokio", "rusqlite", "parquet", "object_store"]),
    ("tidegate-registry", &["datafusion", "arrow", "sqlparser"]),
    ("xtask", &["datafusion", "arrow", "tokio"]),
];

pub fn check(metadata: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let may_use = MAY_USE.iter().find(|(package, _)| *package == name).map(|(_, others)| *others);
        let never = NEVER.iter().find(|(package, _)| *package == name).map_or(&[][..], |(_, others)| *others);
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let other = dependency["name"].as_str().unwrap_or_default();
            // What tests use does not reach users.
            if dependency["kind"] == "dev" {
                continue;
            }
            if never.iter().any(|refused| other == *refused || other.starts_with(&format!("{refused}-"))) {
                findings.push(Finding::new(name, format!("depends on {other}, which must stay out of it")));
            }
            let ours = other.strip_prefix("tidegate-");
            if let (Some(ours), Some(may_use)) = (ours, may_use)
                && !may_use.contains(&ours)
            {
                let allowed = if may_use.is_empty() { "none of ours".to_owned() } else { may_use.join(", ") };
                findings.push(Finding::new(name, format!("depends on {other}; it may use {allowed}")));
            }
            if matches!(other, "tidegate-tests" | "xtask") || (name == "xtask" && ours.is_some()) {
                findings.push(Finding::new(name, format!("depends on {other}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependency: &str, kind: Value) -> Vec<Finding> {
        check(&serde_json::json!({
            "packages": [{"name": name, "dependencies": [{"name": dependency, "kind": kind}]}]
        }))
    }

    #[test]
    fn imports_point_one_way() {
        assert_eq!(package("tidegate-engine", "tidegate-ml", Value::Null), []);
        assert_eq!(package("tidegate-ml", "tidegate-options", Value::Null), []);
        assert_eq!(package("tidegate-ml", "tidegate-sql", Value::Null).len(), 1);
        assert_eq!(package("tidegate-engine", "tidegate-cli", Value::Null).len(), 1);
        assert_eq!(package("tidegate-engine", "tidegate-cli", "dev".into()), []);
        assert_eq!(package("xtask", "tidegate-ml", Value::Null).len(), 1);
    }

    #[test]
    fn the_core_knows_no_engine() {
        assert_eq!(package("tidegate-ml", "datafusion-common", Value::Null).len(), 1);
        assert_eq!(package("tidegate-ml", "arrow", Value::Null), []);
        assert_eq!(package("tidegate-sql", "tokio", Value::Null).len(), 1);
    }
}
