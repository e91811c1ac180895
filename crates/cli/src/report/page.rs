//! The page: everything in one file, which asks for nothing from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::findings::{
    Binary, BySlice, ByTime, Classes, Drift, Facts, Findings, Importance, Measured, Quality, Trial, VersionPoint,
};
use super::plot::{Axis, Bar, Line, Mark, Plot, bars, lines};
use crate::render::datetime::moment;
use crate::render::number;

/// Bars and trials that are shown; what is below is of little weight, and said to be left out.
const BARS_MAX: usize = 25;
const TRIALS_MAX: usize = 40;
/// Confusion matrices of more classes cannot be read.
const CLASSES_MAX: usize = 20;
const WIDE: f64 = 860.0;
const HALF: f64 = 420.0;

/// A figure beside its name; the first that a reader looks for come first.
const HEADLINES: &[&str] =
    &["Accuracy", "LogLoss", "RocAuc", "PrAuc", "F1", "Mcc", "MAE", "RMSE", "R2", "MAPE", "PositiveRate"];

/// Draws the page.
pub(crate) fn page(findings: &Findings) -> String {
    let Facts { name, version, .. } = &findings.model;
    let body = html! {
        (head(&findings.model))
        @if let Some(quality) = &findings.quality { (of_quality(quality)) }
        @if !findings.importance.is_empty() {
            h2 { "What it goes by" }
            p .soft { "As the learner tells it: " (findings.importance_of) ". Features that tell the same share what they are worth." }
            (importance("Importance of features", &findings.importance))
        }
        @if findings.versions.len() > 1 { (of_versions(&findings.versions, *version)) }
        @if !findings.trials.is_empty() { (of_trials(&findings.trials)) }
        (options(&findings.model))
        @if !findings.left_out.is_empty() {
            h2 { "Not in this report" }
            ul .soft { @for what in &findings.left_out { li { (what) } } }
        }
        footer { "Written by tidegate " (env!("CARGO_PKG_VERSION")) ". Every figure is the result of a query over the version and the data named here. Times are UTC." }
    };
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Nothing is fetched and nothing runs, whatever names the data holds.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (name) " " (version) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body { (body) }
        }
    };
    whole.into_string()
}

fn head(model: &Facts) -> Markup {
    html! {
        h1 { (model.name) " " span .soft { "version " (model.version) } }
        p {
            @for alias in &model.aliases { span .tag { (alias) } }
            span .tag { (model.task) } span .tag { (model.algorithm) }
        }
        div .cards {
            (card(number::count(model.rows_learned), "rows learned"))
            @if let Some(until) = model.trained_until { (card(day(until), "trained until")) }
            (card(number::count(model.inputs.len() as u64), "inputs"))
            (card(number::bytes(model.artifact_bytes), "saved size"))
        }
    }
}

fn day(time: i64) -> String {
    moment(time).chars().take(10).collect()
}

fn card(value: impl AsRef<str>, name: &str) -> Markup {
    html! { div .card { b { (value.as_ref()) } span { (name) } } }
}

fn of_quality(quality: &Quality) -> Markup {
    let headline = |name: &&&str| quality.metrics.iter().find(|(metric, _)| metric == **name);
    html! {
        h2 { "How good it is" }
        p .soft {
            "Asked about " (number::counted(quality.rows, "row")) " of " code { (quality.data) }
            @if let Some((first, last)) = quality.period { ", from " (moment(first)) " to " (moment(last)) }
            @if quality.labelled < quality.rows { "; " (number::count(quality.labelled)) " of them have a label, and the others count in no figure" }
            ". It learned nothing from them here; if it has learned them before, the figures flatter it."
        }
        div .cards { @for (name, value) in HEADLINES.iter().filter_map(|name| headline(&name)) { (card(figure(*value), name)) } }
        details { summary { "All metrics" } (metrics(&quality.metrics)) }
        @if let Some(by_time) = &quality.by_time { (of_time(by_time, &quality.measured)) }
        @for by_slice in &quality.by_slice { (of_slices(by_slice, quality)) }
        @if let Some(binary) = &quality.binary { (of_binary(binary)) }
        @if let Some(classes) = &quality.classes { (of_classes(classes)) }
        @if !quality.permutation.is_empty() {
            h2 { "What it costs to lose a column" }
            p .soft {
                "How much " (quality.permutation_of) " gets worse where the column is shuffled among the rows, so that it tells nothing; "
                "the line is one standard deviation over repetitions."
            }
            (importance("Cost of losing a column", &quality.permutation))
        }
        @if !quality.drift.is_empty() { (of_drift(&quality.drift, quality.base.as_deref().unwrap_or_default())) }
    }
}

/// A figure as a page shows it.
fn figure(value: f64) -> String {
    number::float(value)
}

fn metrics(metrics: &[(String, f64)]) -> Markup {
    html! {
        table {
            tr { th { "metric" } th .n { "value" } }
            @for (name, value) in metrics { tr { td { (name) } td .n { (figure(*value)) } } }
        }
    }
}

fn of_time(by_time: &ByTime, measured: &[&str; 2]) -> Markup {
    let windows = &by_time.windows;
    let counts: Vec<(f64, f64)> = windows.iter().map(|window| (window.of as f64, window.labelled as f64)).collect();
    let plot = |i: usize| {
        let points: Vec<(f64, f64)> =
            windows.iter().map(|window| (window.of as f64, window.values[i].unwrap_or(f64::NAN))).collect();
        let plot = Plot {
            title: measured[i],
            x_title: "",
            y_title: measured[i],
            x: Axis::times(points.iter().map(|point| point.0)),
            y: Axis::around(points.iter().map(|point| point.1)),
            width: WIDE,
            height: 230.0,
            counts: counts.clone(),
        };
        lines(&plot, &[Line::new(measured[i], Mark::Main, points)])
    };
    html! {
        h2 { "Over time" }
        figure {
            (plot(0)) (plot(1))
            figcaption { "A point for each " (by_time.every) ". The pale columns are how many labelled rows it stands for: few rows, little certainty." }
        }
    }
}

fn of_slices(by_slice: &BySlice, quality: &Quality) -> Markup {
    let whole = quality.metrics.iter().find(|(name, _)| name == quality.measured[0]).map(|(_, value)| *value);
    let name = |slice: &Measured<String>| if slice.of.is_empty() { "(none)".to_string() } else { slice.of.clone() };
    let drawn: Vec<Bar> = by_slice
        .slices
        .iter()
        .map(|slice| Bar {
            name: name(slice),
            value: slice.values[0].unwrap_or(f64::NAN),
            spread: None,
            label: slice.values[0].map(figure).unwrap_or_default(),
            loud: false,
        })
        .collect();
    html! {
        h2 { "By " (by_slice.column) }
        figure {
            (bars(&format!("{} by {}", quality.measured[0], by_slice.column), &drawn, whole))
            figcaption {
                (quality.measured[0]) ", the values with the most rows first; the dashed line is the figure of all rows."
                @if by_slice.more > 0 { " " (number::counted(by_slice.more, "further value")) " left out." }
            }
        }
        details {
            summary { "As a table" }
            table {
                tr { th { (by_slice.column) } th .n { "rows" } th .n { "labelled" } @for metric in quality.measured { th .n { (metric) } } }
                @for slice in &by_slice.slices {
                    tr {
                        td { (name(slice)) } td .n { (number::count(slice.rows)) } td .n { (number::count(slice.labelled)) }
                        @for value in slice.values { td .n { (value.map(figure).unwrap_or_default()) } }
                    }
                }
            }
        }
    }
}

fn of_binary(binary: &Binary) -> Markup {
    let square = |title, x_title, y_title| Plot {
        title,
        x_title,
        y_title,
        x: Axis::unit(),
        y: Axis::unit(),
        width: HALF,
        height: 340.0,
        counts: Vec::new(),
    };
    let curve = |points: &[(f64, f64)]| Line::new("the model", Mark::Main, points.to_vec());
    let diagonal = |name| Line::new(name, Mark::Guide, vec![(0.0, 0.0), (1.0, 1.0)]);
    let bins = &binary.reliability;
    let observed = Line {
        bars: bins.iter().map(|bin| bin.interval).collect(),
        ..Line::new(
            "observed",
            Mark::Points,
            bins.iter().map(|bin| (bin.mean_probability, bin.observed_rate)).collect(),
        )
    };
    let reliability = Plot {
        counts: bins.iter().map(|bin| (bin.mean_probability, bin.rows as f64)).collect(),
        ..square("Reliability", "predicted probability", "observed rate")
    };
    html! {
        h2 { "Telling two classes apart" }
        div .pair {
            figure {
                (lines(&square("ROC curve", "false positive rate", "recall"), &[curve(&[&[(0.0, 0.0)][..], &binary.roc].concat()), diagonal("chance")]))
                figcaption { "ROC curve: what a lower threshold finds, and what it costs." }
            }
            figure {
                (lines(&square("Precision and recall", "recall", "precision"), &[curve(&binary.precision_recall)]))
                figcaption { "Precision by recall: how many of those it names are right, the more of them it finds." }
            }
        }
        @if !bins.is_empty() {
            h2 { "Calibration" }
            div .pair {
                figure {
                    (lines(&reliability, &[diagonal("calibrated"), observed]))
                    figcaption { "Of the rows with a probability of .7, seven of ten should be positive. Lines are 95 % intervals, pale columns rows." }
                }
                table {
                    tr { th .n { "predicted" } th .n { "observed" } th .n { "95 %" } th .n { "rows" } }
                    @for bin in bins {
                        @let off = bin.mean_probability < bin.interval.0 || bin.mean_probability > bin.interval.1;
                        tr {
                            td .n { (format!("{:.3}", bin.mean_probability)) }
                            td class=(if off { "n bad" } else { "n" }) { (format!("{:.3}", bin.observed_rate)) }
                            td .n { (format!("{:.3}–{:.3}", bin.interval.0, bin.interval.1)) }
                            td .n { (number::count(bin.rows)) }
                        }
                    }
                }
            }
        }
        @if let Some(best) = &binary.threshold {
            p {
                "If a false positive costs " (best.false_positive_cost) " and a false negative " (best.false_negative_cost)
                ", the cheapest threshold on these rows is " b { (format!("{:.3}", best.threshold)) } ": a cost of " (figure(best.cost))
                @if let (Some(precision), Some(recall)) = (best.precision, best.recall) {
                    ", precision " (format!("{precision:.3}")) ", recall " (format!("{recall:.3}"))
                }
                "."
            }
        }
    }
}

fn of_classes(classes: &Classes) -> Markup {
    if classes.names.len() > CLASSES_MAX {
        return html! { p .soft { "The confusion matrix of " (classes.names.len()) " classes is left out; ML_CONFUSION_MATRIX gives it." } };
    }
    html! {
        h2 { "Which class is taken for which" }
        table {
            tr { th { "expected ╲ predicted" } @for name in &classes.names { th .n { (name) } } }
            @for (row, counts) in classes.counts.iter().enumerate() {
                tr {
                    td { (classes.names[row]) }
                    @for (column, count) in counts.iter().enumerate() {
                        td class=(if row == column { "n hit" } else { "n" }) { (number::count(*count)) }
                    }
                }
            }
        }
    }
}

fn importance(title: &str, importance: &[Importance]) -> Markup {
    let drawn: Vec<Bar> = importance
        .iter()
        .take(BARS_MAX)
        .map(|of| Bar {
            name: of.feature.clone(),
            value: of.value.unwrap_or(f64::NAN),
            spread: of.spread,
            label: of.value.map(figure).unwrap_or_default(),
            loud: false,
        })
        .collect();
    html! {
        figure {
            (bars(title, &drawn, None))
            @if importance.len() > BARS_MAX { figcaption { (importance.len() - BARS_MAX) " features with less are left out." } }
        }
    }
}

fn of_drift(drift: &[Drift], base: &str) -> Markup {
    let moved = drift.iter().filter(|drift| drift.is_anomaly).count();
    let drawn: Vec<Bar> = drift
        .iter()
        .map(|drift| Bar {
            name: drift.input.clone(),
            value: drift.value.unwrap_or(f64::NAN),
            spread: None,
            label: drift.value.map(figure).unwrap_or_default(),
            loud: drift.is_anomaly,
        })
        .collect();
    let same = |threshold: &Option<f64>| *threshold == drift[0].threshold;
    let threshold = drift[0].threshold.filter(|_| drift.iter().all(|drift| same(&drift.threshold)));
    let mut measures: Vec<&str> = drift.iter().map(|drift| drift.metric.as_str()).collect();
    measures.sort_unstable();
    measures.dedup();
    html! {
        h2 { "How far the data has moved" }
        p {
            "Held against the rows of " code { (base) } ", by " (measures.join(" and ").to_lowercase().replace('_', " ")) ". "
            @if moved == 0 { span .good { "No column is beyond its threshold." } }
            @else { span .bad { (number::counted(moved as u64, "column")) " beyond the threshold." } }
        }
        figure { (bars("Distance of each input", &drawn, threshold)) }
    }
}

fn of_versions(versions: &[VersionPoint], this: u64) -> Markup {
    let names = ["LogLoss", "Accuracy", "RMSE", "MAE"];
    let metric = names.iter().find(|name| versions.iter().any(|version| value(version, name).is_some()));
    let points = |name: &str| -> Vec<(f64, f64)> {
        versions.iter().map(|version| (version.rows as f64, value(version, name).unwrap_or(f64::NAN))).collect()
    };
    html! {
        h2 { "Learning curve" }
        p .soft { "Each version as it was registered: the rows it had learned, and the quality over them, measured before each row was learned." }
        @if let Some(name) = metric {
            @let points = points(name);
            @let plot = Plot {
                title: "Learning curve", x_title: "rows learned", y_title: name,
                x: Axis::around(points.iter().map(|point| point.0)), y: Axis::around(points.iter().map(|point| point.1)),
                width: WIDE, height: 230.0, counts: Vec::new(),
            };
            figure { (lines(&plot, &[Line::new(name, Mark::Main, points.clone())])) }
        }
        table {
            tr { th .n { "version" } th { "aliases" } th { "created" } th .n { "rows" } @if let Some(name) = metric { th .n { (name) } } }
            @for version in versions {
                tr class=(if version.number == this { "best" } else { "" }) {
                    td .n { (version.number) } td { (version.aliases.join(", ")) } td { (moment(version.created_at)) }
                    td .n { (number::count(version.rows)) }
                    @if let Some(name) = metric { td .n { (value(version, name).map(figure).unwrap_or_default()) } }
                }
            }
        }
    }
}

fn value(version: &VersionPoint, name: &str) -> Option<f64> {
    version.metrics.iter().find(|(metric, _)| metric == name).map(|(_, value)| *value)
}

fn of_trials(trials: &[Trial]) -> Markup {
    let drawn: Vec<Bar> = trials
        .iter()
        .take(TRIALS_MAX)
        .map(|trial| Bar {
            name: format!("trial {}", trial.id),
            value: trial.loss.unwrap_or(f64::NAN),
            spread: None,
            label: trial.loss.map(figure).unwrap_or_default(),
            loud: trial.is_optimal,
        })
        .collect();
    let parameters: Vec<&str> = trials[0].parameters.iter().map(|(name, _)| name.as_str()).collect();
    html! {
        h2 { "Trials" }
        p .soft {
            (number::counted(trials.len() as u64, "configuration")) " tried over the same rows; the loss is of the rows that each has seen, so that of those "
            "dropped early is of fewer."
        }
        figure { (bars("Loss of each trial", &drawn, None)) }
        table {
            tr { th .n { "trial" } @for name in &parameters { th .n { (name) } } th .n { "loss" } th .n { "rows" } th { "status" } }
            @for trial in trials.iter().take(TRIALS_MAX) {
                tr class=(if trial.is_optimal { "best" } else { "" }) {
                    td .n { (trial.id) }
                    @for name in &parameters {
                        td .n { (trial.parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())) }
                    }
                    td .n { (trial.loss.map(figure).unwrap_or_default()) } td .n { (number::count(trial.rows)) }
                    td { (trial.status.to_lowercase()) }
                }
            }
        }
        @if trials.len() > TRIALS_MAX { p .soft { (trials.len() - TRIALS_MAX) " further trials are left out; ML_TRIAL_INFO gives them." } }
    }
}

fn options(model: &Facts) -> Markup {
    html! {
        h2 { "What it is" }
        table {
            tr { td { "registered" } td { (moment(model.created_at)) } }
            tr { td { "by job" } td { (model.job) } }
            tr { td { "inputs" } td { (model.inputs.join(", ")) } }
            @for (name, value) in &model.options { tr { td { code { (name) } } td { code { (value) } } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            name: "intent".to_string(),
            version: 3,
            aliases: vec!["<i>".to_string()],
            task: "classification".to_string(),
            algorithm: "logistic_regression".to_string(),
            created_at: 0,
            trained_until: None,
            job: "job".to_string(),
            rows_learned: 1_234,
            artifact_bytes: 10,
            inputs: vec!["x".to_string()],
            options: Vec::new(),
        }
    }

    #[test]
    fn a_page_stands_alone_and_trusts_no_name() {
        let findings = Findings {
            model: facts(),
            versions: Vec::new(),
            importance: vec![Importance {
                feature: "</svg><script>alert(1)</script>".to_string(),
                value: Some(0.5),
                spread: None,
            }],
            importance_of: "weight",
            trials: Vec::new(),
            quality: None,
            left_out: vec!["say --data".to_string()],
        };
        let html = page(&findings);
        assert!(html.contains("1,234") && html.contains("&lt;i&gt;") && html.contains("say --data"));
        assert!(!html.contains("<script"));
        for fetched in ["http://", "https://", "url(", "@import", " src="] {
            assert!(!html.contains(fetched), "{fetched}");
        }
    }
}
