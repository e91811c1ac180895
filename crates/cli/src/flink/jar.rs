//! The archive that a cluster runs programs with: where it is, and whether the cluster has it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::rest::Client;
use crate::failure::Failure;

/// The archive's name beside the binary.
const NAME: &str = concat!("tidegate-flink-", env!("CARGO_PKG_VERSION"), ".jar");
/// Hexadecimal digits of the archive's hash in its name on the cluster.
const HASH_DIGITS: usize = 16;

/// The archive: the one that is given, else the one beside the binary.
pub(crate) fn find(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return match path.is_file() {
            true => Ok(path.to_path_buf()),
            false => Err(Failure::command(format!("there is no archive {}", path.display())).with_help(HELP)),
        };
    }
    let binary = std::env::current_exe().map_err(|error| Failure::Storage(format!("this binary's place: {error}")))?;
    let path = binary.with_file_name(NAME);
    match path.is_file() {
        true => Ok(path),
        false => Err(Failure::command(format!("there is no {}", path.display())).with_help(HELP)),
    }
}

const HELP: &str = "`cargo xtask package flink` makes the archive that Flink runs jobs with; put it beside tidegate, or name it by --jar \
                    or TIDEGATE_FLINK_JAR";

/// Has the cluster keep the archive, if it does not yet, and returns the cluster's id of it.
pub(crate) fn on_cluster(client: &Client, jar: &Path) -> Result<String, Failure> {
    let bytes = fs::read(jar).map_err(|error| Failure::Storage(format!("cannot read {}: {error}", jar.display())))?;
    let name = name_of(&bytes);
    if let Some(id) = kept(&client.get("/jars")?, &name) {
        return Ok(id);
    }
    let answer = client.upload(&name, &bytes)?;
    // The answer has the path on the job manager, and the id is its last part.
    let path = answer["filename"].as_str().unwrap_or_default();
    match path.rsplit(['/', '\\']).next() {
        Some(id) if !id.is_empty() => Ok(id.to_string()),
        _ => Err(Failure::cluster(format!("Flink at {} took the archive but names no file", client.url()))),
    }
}

/// A name with the hash of what is in the archive: another content is another archive.
fn name_of(jar: &[u8]) -> String {
    let hash: String = Sha256::digest(jar).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("tidegate-flink-{}-{}.jar", env!("CARGO_PKG_VERSION"), &hash[..HASH_DIGITS])
}

/// The id of the newest archive of this name.
fn kept(jars: &Value, name: &str) -> Option<String> {
    let files = jars["files"].as_array().into_iter().flatten().filter(|file| file["name"] == name);
    let newest = files.max_by_key(|file| file["uploaded"].as_u64())?;
    newest["id"].as_str().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_name_tells_the_content() {
        // SHA-256 of "abc", FIPS 180-2, appendix B.1.
        let name = name_of(b"abc");
        assert!(name.ends_with("-ba7816bf8f01cfea.jar"), "{name}");
    }

    #[test]
    fn what_the_cluster_has_is_not_sent_again() {
        let jars = json!({"files": [
            {"id": "1_a.jar", "name": "a.jar", "uploaded": 1}, {"id": "2_a.jar", "name": "a.jar", "uploaded": 2}, {"name": 3},
        ]});
        assert_eq!(kept(&jars, "a.jar"), Some("2_a.jar".to_string()));
        assert_eq!(kept(&jars, "b.jar"), None);
        assert_eq!(kept(&json!([]), "a.jar"), None);
    }

    #[test]
    fn an_archive_that_is_not_there_is_named() {
        let failure = find(Some(Path::new("/nowhere/a.jar"))).unwrap_err();
        assert_eq!(failure.to_string(), "there is no archive /nowhere/a.jar");
    }
}
