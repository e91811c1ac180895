//! Nexmark: an auction house's events, asked eight of its questions, by us and by Apache Flink in one process.
//!
//! Both make the same events themselves, and run the same texts of `bench/nexmark`. Each query is run over all events and over a
//! tenth of them: the difference is what the events take, without the start of the program. bench/README.md says more.

mod check;
mod flink;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Request;
use super::measurement::{Measurement, OURS};
use crate::{Result, workspace};
use flink::Flink;

pub const ABOUT: &str = "Nexmark q0–q5, q7, q8 at parallelism 1 and 2; against Apache Flink; rows are events";

const QUERIES: [&str; 8] = ["q0", "q1", "q2", "q3", "q4", "q5", "q7", "q8"];
const PARALLELISMS: [u32; 2] = [1, 2];
const EVENTS: u64 = 20_000_000;
/// Results are compared row by row over so many events.
const EVENTS_COMPARED: u64 = 1_000_000;

/// Where scripts and results of a run are.
struct Place {
    folder: PathBuf,
}

/// What a script is to do.
struct Work {
    query: &'static str,
    events: u64,
    parallelism: u32,
    /// Where results are written; they are dropped without.
    results: Option<PathBuf>,
}

/// A system's form of what the scripts leave open.
struct Dialect {
    name: &'static str,
    /// Settings before the first statement.
    settings: fn(parallelism: u32) -> String,
    /// The options of the table of results.
    sink: fn(results: Option<&Path>) -> String,
}

const TIDEGATE: Dialect = Dialect {
    name: OURS,
    settings: |parallelism| {
        format!(
            "SET 'execution.runtime-mode' = 'streaming';\nSET 'parallelism.default' = '{parallelism}';\n\
             SET 'execution.checkpointing.interval' = '0 s';\n"
        )
    },
    sink: |results| match results {
        Some(folder) => format!(
            "'connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', 'csv.header' = 'false'",
            folder.join("results.csv").display()
        ),
        None => "'connector' = 'blackhole'".to_owned(),
    },
};

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let place = Place { folder: workspace::data_folder()?.join("bench/nexmark") };
    let tidegate = if request.wants(OURS) { Some(workspace::build_tidegate()?) } else { None };
    let flink = if request.wants(flink::NAME) { Some(Flink::build()?) } else { None };
    let events = request.rows.unwrap_or(EVENTS);
    if let (Some(tidegate), Some(flink)) = (&tidegate, &flink) {
        for query in QUERIES {
            check::compare(&place, tidegate, flink, query, events.min(EVENTS_COMPARED))?;
        }
    }
    let mut measurements = Vec::new();
    for parallelism in PARALLELISMS {
        for query in QUERIES {
            let mut rows = Vec::new();
            let mut measure = |name: &str, run: &dyn Fn(&Work) -> Result<(Measurement, u64)>| -> Result<()> {
                let work = |events| Work { query, events, parallelism, results: None };
                let (all, found) = run(&work(events))?;
                let (tenth, _) = run(&work(events / 10))?;
                rows.push((name.to_owned(), found));
                measurements.extend(with_difference(all, &tenth));
                Ok(())
            };
            if let Some(tidegate) = &tidegate {
                measure(OURS, &|work| place.ours(tidegate, work))?;
            }
            if let Some(flink) = &flink {
                measure(flink::NAME, &|work| flink.run(&place, work))?;
            }
            if let [(_, ours), (_, theirs)] = rows.as_slice()
                && ours != theirs
            {
                return Err(format!("{query} has {ours} results in {OURS}, and {theirs} in {}", flink::NAME).into());
            }
        }
    }
    Ok(measurements)
}

/// A run over all events, and the difference to one over a tenth of them. That is left out if it drowns in how much the start of
/// a program takes from one time to the next.
fn with_difference(all: Measurement, tenth: &Measurement) -> Vec<Measurement> {
    let (cpu_s, wall_s) = (all.cpu_s - tenth.cpu_s, all.wall_s - tenth.wall_s);
    if cpu_s <= 0.0 || wall_s <= 0.0 {
        eprintln!("{}: {} events are too few to tell them from the start of {}", all.work, all.rows, all.system);
        return vec![all];
    }
    let work = format!("{}, without the start", all.work);
    let events_alone = Measurement { work, rows: all.rows - tenth.rows, cpu_s, wall_s, ..all.clone() };
    vec![all, events_alone]
}

impl Place {
    /// Writes the script of some work, and says where it is. What an earlier run left there is gone.
    fn script(&self, dialect: &Dialect, work: &Work) -> Result<PathBuf> {
        let texts = workspace::root().join("bench/nexmark");
        let tables = fs::read_to_string(texts.join("tables.sql"))?;
        let query = fs::read_to_string(texts.join("queries").join(format!("{}.sql", work.query)))?;
        let script: String = format!("{tables}\n{query}")
            .replace("${events}", &work.events.to_string())
            .replace("${sink}", &(dialect.sink)(work.results.as_deref()))
            .lines()
            .filter(|line| !line.starts_with("--"))
            .map(|line| format!("{line}\n"))
            .collect();
        let folder = self.folder.join(dialect.name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        if let Some(results) = &work.results {
            if results.exists() {
                fs::remove_dir_all(results)?;
            }
            fs::create_dir_all(results)?;
        }
        let path = folder.join(format!("{}.sql", work.query));
        fs::write(&path, (dialect.settings)(work.parallelism) + &script)?;
        Ok(path)
    }

    /// Runs ours, and says how many results there were.
    fn ours(&self, tidegate: &Path, work: &Work) -> Result<(Measurement, u64)> {
        let script = self.script(&TIDEGATE, work)?;
        let mut run = Command::new(tidegate);
        run.current_dir(self.folder.join(OURS)).arg("run").arg(script).args(["--json", "--fresh"]);
        let (measurement, printed) = Measurement::of_printing_program(&work.name(), OURS, work.events, &run)?;
        let job = printed.iter().find(|line| line["type"] == "job").ok_or("tidegate reported no job")?;
        let rows = job["sinks"][0]["rows"].as_u64().ok_or("tidegate reported no rows")?;
        Ok((measurement, rows))
    }
}

impl Work {
    fn name(&self) -> String {
        format!("{}, parallelism {}", self.query, self.parallelism)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_is_there_and_leaves_nothing_open() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { folder: folder.path().to_path_buf() };
        for query in QUERIES {
            for dialect in [&TIDEGATE, &flink::DIALECT] {
                let work = Work { query, events: 1234, parallelism: 2, results: None };
                let script = fs::read_to_string(place.script(dialect, &work).unwrap()).unwrap();
                assert!(!script.contains("${") && !script.contains("--"), "{script}");
                assert!(script.contains("'1234'") && script.contains("'parallelism.default' = '2'"), "{script}");
            }
        }
    }

    #[test]
    fn the_difference_is_of_the_other_nine_tenths() {
        let of = |rows, cpu_s| {
            let figures = serde_json::json!({"cpu_s": cpu_s, "wall_s": cpu_s, "peak_mib": 1.0});
            Measurement::from_figures("q0", OURS, rows, &figures, String::new()).unwrap()
        };
        let both = with_difference(of(100, 3.0), &of(10, 1.0));
        assert_eq!(both.iter().map(|m| (m.rows, m.cpu_s)).collect::<Vec<_>>(), [(100, 3.0), (90, 2.0)]);
        assert_eq!(with_difference(of(100, 1.0), &of(10, 1.5)).len(), 1);
    }
}
