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
    let pom = workspace::root().join("tests/broker/pom.xml");
    workspace::kept(NAME, &fs::read_to_string(&pom)?, |folder| {
        eprintln!("downloading Apache Kafka with Maven");
        let mut maven = Command::new("mvn");
        maven.args(["--quiet", "--batch-mode", "--file"]).arg(&pom).arg("dependency:copy-dependencies");
        maven.arg(format!("-DoutputDirectory={}", folder.display()));
        process::output(&mut maven).map(drop).map_err(|error| {
            format!(
                "cannot download Apache Kafka: no repository of Maven's was reached, or it has no such version.\n{error}"
            )
            .into()
        })
    })
}
