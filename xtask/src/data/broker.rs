//! The Kafka broker that tests start: what `tests/broker/pom.xml` names, copied by Maven into `$TIDEGATE_DATA/kafka`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::{Result, process, workspace};

/// Its name among the data sets.
pub const NAME: &str = "kafka";

pub const ABOUT: &str = "Apache Kafka, as Java archives: the broker that tests start";

/// Makes the broker's files available and returns their folder.
pub fn fetch() -> Result<PathBuf> {
    let data = workspace::data_folder()?;
    let folder = data.join(NAME);
    let pom = workspace::root().join("tests/broker/pom.xml");
    // When another version is wanted, they are copied anew.
    let expected = fs::read_to_string(&pom)?;
    if fs::read_to_string(folder.join(".source")).is_ok_and(|found| found == expected) {
        eprintln!("{NAME:<17} ready in {}", folder.display());
        return Ok(folder);
    }
    fs::create_dir_all(&data)?;
    let copied = data.join(format!(".{NAME}.{}", std::process::id()));
    eprintln!("downloading Apache Kafka with Maven");
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "--file"]).arg(&pom).arg("dependency:copy-dependencies");
    maven.arg(format!("-DoutputDirectory={}", copied.display()));
    process::output(&mut maven).map_err(|error| {
        format!(
            "cannot download Apache Kafka: no repository of Maven's was reached, or it has no such version.\n{error}"
        )
    })?;
    fs::write(copied.join(".source"), expected)?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(&copied, &folder)?;
    eprintln!("{NAME:<17} ready in {}", folder.display());
    Ok(folder)
}
