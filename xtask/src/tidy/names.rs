//! Names of files and folders that say nothing.

use super::Finding;

const SAY_NOTHING: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"];

/// A file or folder is named after the concept that it holds.
pub fn check(path: &str) -> Option<Finding> {
    let stem = |part: &str| part.split('.').next().unwrap_or(part).to_lowercase();
    let part = path.split('/').find(|part| SAY_NOTHING.contains(&stem(part).as_str()))?;
    Some(Finding::new(path, format!("'{part}' says nothing: name it after the one concept that it holds")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_concepts() {
        assert!(check("crates/ml/src/utils.rs").is_some());
        assert!(check("crates/ml/src/common/mod.rs").is_some());
        assert!(check("web/Helpers.ts").is_some());
        assert!(check("crates/ml/src/learner/linear.rs").is_none());
        assert!(check("docs/commons.md").is_none());
    }
}
