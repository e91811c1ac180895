//! A job that goes on for long: sessions, an interval join and deduplication over a million keys. Its memory is taken again and
//! again, and must not grow with the rows.

mod plot;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::Request;
use super::measurement::{Measurement, OURS};
use crate::{Result, process, workspace};
use plot::Plot;

pub const ABOUT: &str =
    "sessions, an interval join and deduplication over 1M keys: memory over rows, as a plot; ours alone";

const EVENTS: u64 = 100_000_000;
/// What a line of the job's output stands for.
const EVENTS_A_TICK: u64 = 100_000;
/// Keys are kept for 1.8 million events; memory may settle for some time after that.
const EVENTS_TO_SETTLE: u64 = 5_000_000;
/// How much more the last third may take than the one before it.
const GROWTH_MAX: f64 = 0.1;

/// The job's memory when it had read so many events.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    events: u64,
    resident_mib: f64,
}

pub fn run(request: &Request) -> Result<Vec<Measurement>> {
    let tidegate = workspace::build_tidegate()?;
    let events = request.rows.unwrap_or(EVENTS).max(EVENTS_A_TICK);
    let folder = workspace::data_folder()?.join("bench/soak");
    let work = folder.join("work");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work)?;
    let mut job = Command::new(tidegate);
    job.current_dir(&work).arg("run").arg(workspace::root().join("bench/soak/job.sql"));
    job.args(["--fresh", "--quiet", "--param", &format!("last_event={}", events - 1)]);
    job.args(["--param", &format!("last_purchase={}", (events / 10).max(1) - 1)]);
    let line = process::line(&job);
    eprintln!("$ {line}");

    let began = Instant::now();
    let mut child = job.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let printed = child.stdout.take().ok_or("the job has no output")?;
    let (mut samples, mut cpu_s): (Vec<Sample>, f64) = (Vec::new(), 0.0);
    for line in BufReader::new(printed).lines() {
        // A line of 100,000 events; the last one may have fewer.
        if !line?.starts_with("+I[") {
            continue;
        }
        let read = (samples.last().map_or(0, |sample| sample.events) + EVENTS_A_TICK).min(events);
        let process = format!("/proc/{}", child.id());
        // The job may be over before its last line is read.
        let (Ok(status), Ok(stat)) =
            (fs::read_to_string(format!("{process}/status")), fs::read_to_string(format!("{process}/stat")))
        else {
            continue;
        };
        if let (Some(resident_mib), Some(used_s)) = (resident_mib(&status), processor_s(&stat)) {
            samples.push(Sample { events: read, resident_mib });
            cpu_s = used_s;
        }
    }
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("{line} failed: {status}").into());
    }

    let mut csv = "events,resident_mib\n".to_owned();
    for sample in &samples {
        writeln!(csv, "{},{:.1}", sample.events, sample.resident_mib)?;
    }
    fs::write(folder.join("memory.csv"), csv)?;
    let points = samples.iter().map(|sample| (sample.events as f64 / 1e6, sample.resident_mib)).collect();
    let plot = Plot {
        title: "Resident memory of a job with sessions, an interval join and deduplication over 1M keys",
        across: "events read, in millions",
        up: "resident memory in MiB",
        points,
    };
    let picture = folder.join("memory.svg");
    fs::write(&picture, plot.to_svg())?;
    eprintln!("memory over events: {}", picture.display());
    if let Some(growth) = growth(&samples) {
        eprintln!("the last third took {:+.1} % of the memory of the one before it", 100.0 * growth);
        if growth > GROWTH_MAX {
            return Err(format!("memory grows with the rows: see {}", picture.display()).into());
        }
    }
    let figures = serde_json::json!({
        "cpu_s": cpu_s,
        "wall_s": began.elapsed().as_secs_f64(),
        "peak_mib": samples.iter().map(|sample| sample.resident_mib).fold(0.0, f64::max),
    });
    Ok(vec![Measurement::from_figures("soak", OURS, events, &figures, line)?])
}

/// By how much the last third of the samples lies above the third before it, once the job has settled.
fn growth(samples: &[Sample]) -> Option<f64> {
    let settled: Vec<f64> =
        samples.iter().filter(|sample| sample.events > EVENTS_TO_SETTLE).map(|sample| sample.resident_mib).collect();
    let third = settled.len() / 3;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (middle, last) = (settled.get(third..2 * third)?, settled.get(2 * third..)?);
    (third > 0).then(|| mean(last) / mean(middle) - 1.0)
}

/// What Linux says a process holds, in its `status`.
fn resident_mib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

/// The processor time of a process, of its `stat`: in hundredths of a second, which is what Linux counts in for programs.
fn processor_s(stat: &str) -> Option<f64> {
    // The name of the program, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_read() {
        assert_eq!(resident_mib("Name:\ttidegate\nVmRSS:\t    2048 kB\nThreads:\t5\n"), Some(2.0));
        assert_eq!(processor_s("7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0"), Some(3.0));
        assert_eq!((resident_mib("Name:\tx\n"), processor_s("nothing")), (None, None));
    }

    #[test]
    fn growth_is_of_the_last_third() {
        let samples = |memory: fn(u64) -> f64| -> Vec<Sample> {
            (1..=350).map(|i| Sample { events: i * EVENTS_A_TICK, resident_mib: memory(i) }).collect()
        };
        assert_eq!(growth(&samples(|_| 100.0)), Some(0.0));
        assert!(growth(&samples(|i| i as f64)).unwrap() > 0.4);
        assert_eq!(growth(&samples(|_| 100.0)[..50]), None);
    }
}
