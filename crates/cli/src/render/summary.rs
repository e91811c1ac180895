//! What a job did, in a few lines.
//!
//! ```text
//! ✓ INSERT INTO predictions · 1,469,307 rows in 12.3 s · 119k rows/s
//!     read     visits       1,469,307 rows, 12 bad
//!     wrote    predictions  1,201,224 rows to out/predictions.parquet
//!     trained  intent       1,100,000 rows learned, 3 unlabelled, at most 234,111 waiting · version 3
//! ```

use tidegate_engine::{Backpressure, JobReport, ModelReport, OperatorReport, SinkReport, SourceReport};
use unicode_width::UnicodeWidthStr;

use super::number;
use super::paint::Paint;

/// The most files that are named; of more, the rest is counted.
const FILES_MAX: usize = 3;

/// The share of the time from which on it is told what a job waited for.
const WAITED_MIN: f64 = 0.1;

/// The lines of a job's summary.
pub(crate) fn lines(job: &JobReport, paint: Paint) -> Vec<String> {
    let rows: u64 = job.sources.iter().map(|source| source.rows).sum();
    let mut facts = vec![paint.bold(&job.name).to_string()];
    if !job.sources.is_empty() {
        facts.push(format!("{} in {}", number::counted(rows, "row"), number::duration(job.elapsed)));
        facts.push(number::rate(rows as f64 / job.elapsed.as_secs_f64()));
    } else {
        facts.push(number::duration(job.elapsed));
    }
    let mut lines = vec![format!("{} {}", paint.green("✓"), facts.join(" · "))];

    let details: Vec<(&str, &str, String)> = job
        .sources
        .iter()
        .map(|source| ("read", source.table.as_str(), read(source, paint)))
        .chain(job.models.iter().map(|model| ("trained", model.model.as_str(), trained(model, paint))))
        .chain(job.operators.iter().filter(|o| o.rows_late > 0).map(|o| ("late", o.operator.as_str(), late(o, paint))))
        .chain(job.sinks.iter().map(|sink| ("wrote", sink.table.as_str(), wrote(sink))))
        .collect();
    let verbs = details.iter().map(|(verb, _, _)| verb.len()).max().unwrap_or(0);
    let names = details.iter().map(|(_, name, _)| name.width()).max().unwrap_or(0);
    for (verb, name, text) in details {
        let gap = " ".repeat(names - name.width());
        lines.push(format!("    {}  {name}{gap}  {text}", paint.dim(format!("{verb:<verbs$}"))));
    }
    if let Some(waited) = waited(&job.backpressure) {
        lines.push(format!("    {}", paint.dim(format!("waited for {waited} of the time"))));
    }
    if let Some(checkpoint) = job.resumed_from {
        lines.push(format!("    {}", paint.dim(format!("went on from checkpoint {checkpoint}"))));
    }
    if job.restarts > 0 {
        let times = number::counted(job.restarts, "time");
        lines.push(format!("    {}", paint.yellow(format!("restarted {times} from its last checkpoint"))));
    }
    lines
}

/// What a stream waited for, where that was a good part of the time: `sinks 50 %`.
pub(super) fn waited(backpressure: &Backpressure) -> Option<String> {
    let parts = [("sources", backpressure.waiting_for_sources), ("sinks", backpressure.waiting_for_sinks)];
    let told: Vec<String> = parts
        .iter()
        .filter(|(_, share)| *share >= WAITED_MIN)
        .map(|(what, share)| format!("{what} {:.0} %", share * 100.0))
        .collect();
    (!told.is_empty()).then(|| told.join(" and "))
}

fn read(source: &SourceReport, paint: Paint) -> String {
    let mut rows = number::counted(source.rows, "row");
    if source.scans > 1 {
        rows += &format!(" in {} scans", source.scans);
    }
    if source.bad == 0 {
        return rows;
    }
    format!("{rows}, {}", paint.yellow(format!("{} bad", number::count(source.bad))))
}

fn late(operator: &OperatorReport, paint: Paint) -> String {
    paint.yellow(format!("{} too late, left out", number::counted(operator.rows_late, "row"))).to_string()
}

fn wrote(sink: &SinkReport) -> String {
    let rows = number::counted(sink.rows, "row");
    if sink.files.is_empty() {
        return rows;
    }
    let named: Vec<&str> = sink.files.iter().take(FILES_MAX).map(String::as_str).collect();
    let more = match sink.files.len().saturating_sub(FILES_MAX) {
        0 => String::new(),
        more => format!(" and {}", number::counted(more as u64, "more file")),
    };
    format!("{rows} to {}{more}", named.join(", "))
}

fn trained(model: &ModelReport, paint: Paint) -> String {
    let mut facts = vec![format!("{} learned", number::counted(model.rows_learned, "row"))];
    if model.rows_predicted > 0 {
        facts.push(format!("{} predicted", number::count(model.rows_predicted)));
    }
    if model.rows_unlabelled > 0 {
        facts.push(format!("{} without a label", number::count(model.rows_unlabelled)));
    }
    if model.rows_waiting_max > 0 {
        facts.push(format!("at most {} waiting for theirs", number::count(model.rows_waiting_max)));
    }
    if model.rows_bad > 0 {
        facts.push(paint.yellow(format!("{} bad", number::count(model.rows_bad))).to_string());
    }
    let mut text = facts.join(", ");
    match model.versions.as_slice() {
        [] => {}
        [one] => text.push_str(&format!(" · version {one}")),
        [first, .., last] if last - first + 1 == model.versions.len() as u64 => {
            text.push_str(&format!(" · versions {first} to {last}"));
        }
        many => {
            let numbers: Vec<String> = many.iter().map(u64::to_string).collect();
            text.push_str(&format!(" · versions {}", numbers.join(", ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_training_job() {
        let job = JobReport {
            name: "EXECUTE STATEMENT SET".to_string(),
            sources: vec![SourceReport { table: "visits".to_string(), scans: 1, rows: 1_469_307, bad: 12, bytes: 1 }],
            sinks: vec![
                SinkReport {
                    table: "predictions".to_string(),
                    rows: 1_201_224,
                    files: vec!["out/predictions.parquet".to_string()],
                },
                SinkReport {
                    table: "quality".to_string(),
                    rows: 12,
                    files: (0..5).map(|i| format!("q/part-{i}.csv")).collect(),
                },
            ],
            models: vec![ModelReport {
                model: "intent".to_string(),
                versions: vec![1, 2],
                rows_predicted: 1_201_224,
                rows_learned: 1_100_000,
                rows_unlabelled: 3,
                rows_bad: 0,
                rows_waiting_max: 234_111,
                state_bytes: 4096,
            }],
            operators: vec![OperatorReport { operator: "TUMBLE".to_string(), rows_late: 4, state_bytes_max: 1 }],
            checkpoints: 2,
            resumed_from: Some(7),
            restarts: 1,
            backpressure: Backpressure { waiting_for_sources: 0.04, waiting_for_sinks: 0.5 },
            elapsed: Duration::from_millis(12_300),
        };
        assert_eq!(
            lines(&job, Paint::default()).join("\n"),
            "\
✓ EXECUTE STATEMENT SET · 1,469,307 rows in 12.3 s · 119k rows/s
    read     visits       1,469,307 rows, 12 bad
    trained  intent       1,100,000 rows learned, 1,201,224 predicted, 3 without a label, at most 234,111 waiting for theirs · versions 1 to 2
    late     TUMBLE       4 rows too late, left out
    wrote    predictions  1,201,224 rows to out/predictions.parquet
    wrote    quality      12 rows to q/part-0.csv, q/part-1.csv, q/part-2.csv and 2 more files
    waited for sinks 50 % of the time
    went on from checkpoint 7
    restarted 1 time from its last checkpoint"
        );
    }

    #[test]
    fn a_job_without_sources() {
        let job =
            JobReport { name: "INSERT INTO t".to_string(), elapsed: Duration::from_millis(4), ..JobReport::default() };
        assert_eq!(lines(&job, Paint::default()), ["✓ INSERT INTO t · 4 ms"]);
    }
}
