//! What a bench measured, how it is measured, and how it is shown.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::{Result, process, workspace};

/// The systems' name for us: the ratios are ours to the others'.
pub const OURS: &str = "tidegate";

/// One system's run over one file.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// What was done to which data; measurements of the same work may be compared.
    pub work: String,
    /// Who did it.
    pub system: String,
    /// Rows processed.
    pub rows: u64,
    /// Processor time, of all threads.
    pub cpu_s: f64,
    /// Time on the clock.
    pub wall_s: f64,
    /// The most memory that was resident.
    pub peak_mib: f64,
    /// Quality of the predictions made, by metric. Empty where none were kept.
    pub quality: BTreeMap<String, f64>,
    /// How to do it again.
    pub command: String,
}

/// The measures of quality that stand first in the table.
const METRICS: [&str; 4] = ["accuracy", "f1", "log_loss", "roc_auc"];

impl Measurement {
    /// Runs a whole program and measures it from outside: everything it does counts.
    pub fn of_program(work: &str, system: &str, rows: u64, program: &Command) -> Result<Self> {
        Ok(Self::run_program(work, system, rows, program)?.0)
    }

    /// The same of a program that prints JSON objects, a line each, which are returned.
    pub fn of_printing_program(work: &str, system: &str, rows: u64, program: &Command) -> Result<(Self, Vec<Value>)> {
        let (measurement, printed) = Self::run_program(work, system, rows, program)?;
        let lines = printed.lines().filter_map(|line| serde_json::from_str(line).ok());
        Ok((measurement, lines.collect()))
    }

    fn run_program(work: &str, system: &str, rows: u64, program: &Command) -> Result<(Self, String)> {
        eprintln!("{work}: {system}");
        let report = std::env::temp_dir().join(format!("tidegate-bench-{}.json", std::process::id()));
        let mut measured = Command::new("python3");
        measured.arg(workspace::root().join("bench/measure.py")).arg(&report).arg("--");
        measured.arg(program.get_program()).args(program.get_args());
        if let Some(folder) = program.get_current_dir() {
            measured.current_dir(folder);
        }
        let printed = process::output(&mut measured)?;
        let figures: Value = serde_json::from_str(&std::fs::read_to_string(&report)?)?;
        std::fs::remove_file(&report)?;
        Ok((Self::from_figures(work, system, rows, &figures, process::line(program))?, printed))
    }

    /// Runs a peer's driver, which measures the part that counts by itself and prints the figures as its last line.
    pub fn of_driver(work: &str, system: &str, driver: &mut Command) -> Result<Self> {
        eprintln!("{work}: {system}");
        let printed = process::output(driver)?;
        let last = printed.lines().last().unwrap_or_default();
        let figures: Value = serde_json::from_str(last)
            .map_err(|error| format!("{} printed no figures ({error}): {last}", process::line(driver)))?;
        let rows = figures["rows"].as_u64().ok_or("the figures have no rows")?;
        Self::from_figures(work, system, rows, &figures, process::line(driver))
    }

    pub(super) fn from_figures(work: &str, system: &str, rows: u64, figures: &Value, command: String) -> Result<Self> {
        let figure = |name: &str| figures[name].as_f64().ok_or_else(|| format!("{system}: the figures have no {name}"));
        let mut measurement = Self {
            work: work.to_owned(),
            system: system.to_owned(),
            rows,
            cpu_s: figure("cpu_s")?,
            wall_s: figure("wall_s")?,
            peak_mib: figure("peak_mib")?,
            quality: BTreeMap::new(),
            command,
        };
        measurement.add_quality(&figures["quality"]);
        Ok(measurement)
    }

    /// Adds the numbers of a JSON object to the quality.
    pub fn add_quality(&mut self, object: &Value) {
        let numbers = object.as_object().into_iter().flatten();
        self.quality.extend(numbers.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))));
    }

    fn rows_per_cpu_s(&self) -> f64 {
        self.rows as f64 / self.cpu_s
    }

    /// One line for a program to read.
    pub fn to_json(&self) -> Value {
        json!({
            "work": self.work,
            "system": self.system,
            "rows": self.rows,
            "rows_per_cpu_s": self.rows_per_cpu_s().round(),
            "rows_per_wall_s": (self.rows as f64 / self.wall_s).round(),
            "peak_mib": (self.peak_mib * 10.0).round() / 10.0,
            "quality": self.quality,
            "command": self.command,
        })
    }
}

/// The JSON object that a script of ours wrote into a folder of result files.
pub fn read_result(folder: &Path) -> Result<Value> {
    let mut files: Vec<_> = match folder.is_dir() {
        true => {
            std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?
        }
        false => vec![folder.to_owned()],
    };
    files.sort();
    for file in files.iter().filter(|file| file.is_file()) {
        if let Some(line) = std::fs::read_to_string(file)?.lines().next() {
            return Ok(serde_json::from_str(line)?);
        }
    }
    Err(format!("{} holds no result", folder.display()).into())
}

/// A table for a person to read.
pub fn print_table(measurements: &[Measurement]) {
    let width =
        |name: fn(&Measurement) -> &str| measurements.iter().map(|m| name(m).chars().count()).max().unwrap_or(0);
    let (work, system) = (width(|m| &m.work).max(4), width(|m| &m.system).max(6));
    print!(
        "{:<work$}  {:<system$}  {:>9}  {:>12}  {:>12}  {:>9}",
        "work", "system", "rows", "rows/CPU-s", "rows/s", "peak MiB"
    );
    // Work without predictions has no columns for their quality.
    let mut metrics: Vec<&str> = measurements.iter().flat_map(|m| m.quality.keys().map(String::as_str)).collect();
    metrics.sort_by_key(|metric| (METRICS.iter().position(|known| known == metric).unwrap_or(METRICS.len()), *metric));
    metrics.dedup();
    metrics.iter().for_each(|metric| print!("  {metric:>8}"));
    println!();
    for m in measurements {
        print!(
            "{:<work$}  {:<system$}  {:>9}  {:>12}  {:>12}  {:>9.0}",
            m.work,
            m.system,
            m.rows,
            grouped(m.rows_per_cpu_s()),
            grouped(m.rows as f64 / m.wall_s),
            m.peak_mib
        );
        for metric in &metrics {
            match m.quality.get(*metric) {
                Some(value) => print!("  {value:>width$.4}", width = metric.len().max(8)),
                None => print!("  {:>width$}", "–", width = metric.len().max(8)),
            }
        }
        println!();
    }
}

/// How many times as many rows per CPU-second we process as each other system at the same work.
pub fn print_ratios(measurements: &[Measurement]) {
    let ours: Vec<&Measurement> = measurements.iter().filter(|m| m.system == OURS).collect();
    if ours.is_empty() || ours.len() == measurements.len() {
        return;
    }
    println!("\n{OURS}, rows per CPU-second as a multiple, and peak memory as a share, of:");
    for ours in ours {
        let others = measurements.iter().filter(|m| m.work == ours.work && m.system != OURS);
        let ratio = |m: &Measurement| {
            let (rows, memory) = (ours.rows_per_cpu_s() / m.rows_per_cpu_s(), ours.peak_mib / m.peak_mib);
            format!("{} {rows:.1}×, {:.0} %", m.system, 100.0 * memory)
        };
        println!("  {}: {}", ours.work, others.map(ratio).collect::<Vec<_>>().join("; "));
    }
}

/// A whole number with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0.4, 999.0, 1000.0, 1_234_567.8].map(grouped), ["0", "999", "1,000", "1,234,568"]);
    }

    #[test]
    fn figures_become_one_json_object() {
        let figures =
            json!({"cpu_s": 0.5, "wall_s": 0.25, "peak_mib": 12.34, "quality": {"accuracy": 0.75, "note": "x"}});
        let measurement = Measurement::from_figures("elec", OURS, 1000, &figures, "tidegate run x.sql".into()).unwrap();
        assert_eq!(
            measurement.to_json(),
            json!({
                "work": "elec", "system": "tidegate", "rows": 1000, "rows_per_cpu_s": 2000.0, "rows_per_wall_s": 4000.0,
                "peak_mib": 12.3, "quality": {"accuracy": 0.75}, "command": "tidegate run x.sql"
            })
        );
        assert!(Measurement::from_figures("elec", OURS, 1, &json!({}), String::new()).is_err());
    }
}
