//! The queries that a report is made of.

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use tidegate_engine::{Error, Observer, Session};
use tidegate_ml::model::INTERCEPT;
use tidegate_ml::{LabelKind, ModelSpec, OutputRole, Task};
use tidegate_options::nearest;
use tidegate_registry::Version;

use super::answer::{Answer, Asker, quoted};
use super::findings::{
    Binary, BySlice, ByTime, Classes, Drift, Facts, Findings, Importance, Measured, Quality, ReliabilityBin, Threshold,
    Trial, VersionPoint,
};
use crate::failure::Failure;

/// Names of views that the report's queries go by.
const ROWS: &str = "tidegate_report_rows";
const SCORED: &str = "tidegate_report_scored";
const BASE: &str = "tidegate_report_base";
/// The most values of a column that are told apart.
const SLICES_MAX: usize = 20;
/// The most weights of a linear model that are told.
const WEIGHTS_MAX: usize = 25;
/// The most windows that a period is cut into.
const WINDOWS_MAX: i64 = 60;
/// The most rows that columns are shuffled over, which asks the model for each column anew.
const PERMUTED_ROWS_MAX: u64 = 50_000;
/// How long windows may be: milliseconds, in words, in SQL.
const WINDOWS: &[(i64, &str, &str)] = &[
    (60_000, "minute", "INTERVAL '1' MINUTE"),
    (300_000, "5 minutes", "INTERVAL '5' MINUTE"),
    (3_600_000, "hour", "INTERVAL '1' HOUR"),
    (21_600_000, "6 hours", "INTERVAL '6' HOUR"),
    (86_400_000, "day", "INTERVAL '1' DAY"),
    (604_800_000, "week", "INTERVAL '7' DAY"),
    (2_592_000_000, "30 days", "INTERVAL '30' DAY"),
    (31_536_000_000, "365 days", "INTERVAL '365' DAY"),
];

/// Which version is reported on.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) version: Version,
    /// All versions of its model, the oldest first.
    pub(crate) versions: Vec<Version>,
    pub(crate) spec: ModelSpec,
}

/// What its reader wants to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    /// A table or view, or a query.
    pub(crate) data: Option<String>,
    /// What they are held against, for drift.
    pub(crate) base: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) time: Option<String>,
    pub(crate) slices: Vec<String>,
    /// The columns for the model's INPUT; none for those of the same names.
    pub(crate) args: Vec<String>,
    pub(crate) false_positive_cost: f64,
    pub(crate) false_negative_cost: f64,
}

/// Asks everything.
pub(crate) fn gather(
    session: &mut Session,
    subject: &Subject,
    question: &Question,
    observer: &dyn Observer,
) -> Result<Findings, Failure> {
    let reference = format!("{}${}", subject.version.model, subject.version.number);
    let mut gathering = Gathering {
        asker: Asker { session, observer },
        subject,
        question,
        model: quoted(&reference),
        left_out: Vec::new(),
    };
    let (importance, importance_of) = gathering.importance()?;
    let trials = gathering.trials()?;
    let quality = match &question.data {
        Some(data) => Some(gathering.quality(data)?),
        None => {
            gathering.left_out.push("How good the model is: say --data TABLE --label COLUMN.".to_string());
            None
        }
    };
    Ok(Findings {
        model: facts(subject),
        versions: subject.versions.iter().map(version_point).collect(),
        importance,
        importance_of,
        trials,
        quality,
        left_out: gathering.left_out,
    })
}

fn facts(subject: &Subject) -> Facts {
    let Subject { version, spec, .. } = subject;
    let option = |name: &str| spec.options.get(name).cloned().unwrap_or_default();
    let told_apart = ["provider", "task", "algorithm"];
    Facts {
        name: version.model.clone(),
        version: version.number,
        aliases: version.aliases.clone(),
        task: spec.task.name().to_string(),
        algorithm: option("algorithm"),
        created_at: version.created_at,
        trained_until: version.facts.trained_until,
        job: version.facts.job.clone(),
        rows_learned: version.facts.rows,
        artifact_bytes: version.artifact_bytes,
        inputs: spec.inputs.iter().map(|input| input.name.clone()).collect(),
        options: spec
            .options
            .iter()
            .filter(|(name, _)| !told_apart.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    }
}

fn version_point(version: &Version) -> VersionPoint {
    VersionPoint {
        number: version.number,
        aliases: version.aliases.clone(),
        created_at: version.created_at,
        rows: version.facts.rows,
        metrics: pairs(&version.facts.metrics),
    }
}

fn pairs(metrics: &BTreeMap<String, f64>) -> Vec<(String, f64)> {
    metrics.iter().map(|(name, value)| (name.clone(), *value)).collect()
}

/// What is asked, and of whom.
struct Gathering<'a> {
    asker: Asker<'a>,
    subject: &'a Subject,
    question: &'a Question,
    /// The version as SQL names it.
    model: String,
    left_out: Vec<String>,
}

/// The columns that a question is about, as SQL has them.
struct Scored {
    /// Of ML_ functions over labelled rows: `INPUT => …, MODEL => …, LABEL => …, ARGS => …`.
    arguments: String,
    label: String,
    /// The two metrics by window and by slice: name and aggregate.
    measured: [(&'static str, String); 2],
    /// Whether there are two classes and a probability.
    binary: bool,
}

impl Gathering<'_> {
    /// Asks for what not every model has. A refusal is told in the report.
    fn ask_if_it_can(&mut self, what: &str, sql: &str) -> Result<Option<Answer>, Failure> {
        match self.asker.ask(sql) {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::Script(refusal)) => {
                self.left_out.push(format!("{what}: {}.", refusal.message.trim_end_matches('.')));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What the learner itself says it goes by: splits of trees, else weights.
    fn importance(&mut self) -> Result<(Vec<Importance>, &'static str), Failure> {
        let by_splits = format!("SELECT * FROM ML_FEATURE_IMPORTANCE(MODEL => MODEL {})", self.model);
        match self.asker.ask(&by_splits) {
            Ok(answer) => {
                let values = answer.numbers("importance_gain").into_iter().zip(answer.texts("feature"));
                let mut importance: Vec<Importance> =
                    values.map(|(value, feature)| Importance { feature, value, spread: None }).collect();
                importance.sort_by(|a, b| b.value.unwrap_or(0.0).total_cmp(&a.value.unwrap_or(0.0)));
                return Ok((importance, "the mean gain of a split by it"));
            }
            Err(Error::Script(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let by_weights = format!(
            "SELECT processed_input, category, weight FROM ML_WEIGHTS(MODEL => MODEL {}) \
             WHERE processed_input <> '{INTERCEPT}' ORDER BY ABS(weight) DESC LIMIT {WEIGHTS_MAX}",
            self.model
        );
        let Some(answer) = self.ask_if_it_can("What the model goes by", &by_weights)? else {
            return Ok((Vec::new(), ""));
        };
        let names = answer.texts("processed_input").into_iter().zip(answer.texts("category"));
        let features = names.map(|(input, category)| match category.is_empty() {
            true => input,
            false => format!("{input} = {category}"),
        });
        let importance = features.zip(answer.numbers("weight"));
        let importance = importance.map(|(feature, value)| Importance { feature, value, spread: None }).collect();
        Ok((importance, "the weight, which of a scaled feature is that of one standard deviation"))
    }

    fn trials(&mut self) -> Result<Vec<Trial>, Failure> {
        let searched = |value: &String| value.starts_with("range(") || value.starts_with("choice(");
        if !self.subject.spec.options.values().any(searched) {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT * FROM ML_TRIAL_INFO(MODEL => MODEL {})", self.model);
        let Some(answer) = self.ask_if_it_can("Trials", &sql)? else { return Ok(Vec::new()) };
        let (ids, losses, rows) = (answer.counts("trial_id"), answer.numbers("eval_loss"), answer.counts("rows"));
        let (status, optimal) = (answer.texts("status"), answer.flags("is_optimal"));
        let mut trials: Vec<Trial> = (0..answer.len())
            .map(|row| Trial {
                id: ids[row],
                parameters: answer.map("hyperparameters", row),
                loss: losses[row],
                rows: rows[row],
                status: status[row].clone(),
                is_optimal: optimal[row],
            })
            .collect();
        // What got further is better known, and was not dropped for being worse.
        let loss = |trial: &Trial| trial.loss.unwrap_or(f64::INFINITY);
        trials.sort_by(|a, b| {
            (b.is_optimal, b.rows).cmp(&(a.is_optimal, a.rows)).then(loss(a).total_cmp(&loss(b))).then(a.id.cmp(&b.id))
        });
        Ok(trials)
    }

    fn quality(&mut self, data: &str) -> Result<Quality, Failure> {
        let spec = &self.subject.spec;
        if !spec.task.has_labels() {
            return Err(Failure::command(format!(
                "model '{}' is for '{}', which has no labels to hold it against",
                spec.name,
                spec.task.name()
            ))
            .with_help("leave --data out"));
        }
        self.declare_rows(data)?;
        let scored = self.scored()?;
        let time = self.question.time.as_deref().map(quoted);
        let (first, last) =
            time.as_ref().map_or(("NULL".into(), "NULL".into()), |t| (format!("MIN({t})"), format!("MAX({t})")));
        let counts = self.asker.ask(&format!(
            "SELECT COUNT(*) AS n, COUNT({}) AS labelled, {first} AS first_time, {last} AS last_time FROM {SCORED}",
            scored.label
        ))?;
        let (rows, labelled) = (counts.counts("n")[0], counts.counts("labelled")[0]);
        if labelled == 0 {
            return Err(Failure::command(format!(
                "{data} has {} with a label: there is nothing to hold the model against",
                if rows == 0 { "no row, and so none".to_string() } else { format!("{rows} rows, none") }
            )));
        }
        let period = counts.times("first_time")[0].zip(counts.times("last_time")[0]);
        let evaluated = self.asker.ask(&format!(
            "SELECT * FROM ML_EVALUATE({}, TASK => '{}')",
            scored.arguments,
            spec.task.name()
        ))?;
        let metrics = evaluated
            .map("result", 0)
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
            .collect();
        let by_time = self.by_time(&scored, period)?;
        let mut by_slice = Vec::new();
        for column in &self.question.slices {
            by_slice.push(self.by_slice(&scored, column)?);
        }
        if by_slice.is_empty() {
            self.left_out.push("Quality by slice: say --slice COLUMN, once for each column.".to_string());
        }
        let classes = if spec.task == Task::Classification { self.classes(&scored)? } else { None };
        let binary = if scored.binary { Some(self.binary(&scored)?) } else { None };
        let (permutation, permutation_of) = self.permutation(&scored)?;
        let drift = self.drift()?;
        let measured = [scored.measured[0].0, scored.measured[1].0];
        let data = data.to_string();
        Ok(Quality {
            data,
            rows,
            labelled,
            period,
            metrics,
            measured,
            by_time,
            by_slice,
            classes,
            binary,
            permutation,
            permutation_of,
            base: self.question.base.clone(),
            drift,
        })
    }

    /// Gives the rows of a table, view or query a name. Returns them without any.
    fn declare(&mut self, argument: &str, data: &str, view: &str) -> Result<Answer, Failure> {
        let begins_with =
            |word: &str| data.trim_start().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let query = match begins_with("SELECT ") || begins_with("WITH ") {
            true => data.trim().trim_end_matches(';').to_string(),
            false => {
                let tables = self.asker.session.names().tables;
                if !tables.iter().any(|table| table == data) {
                    let failure = Failure::command(format!("{argument}: there is no table or view '{data}'"));
                    return Err(match nearest(data, tables.iter().map(String::as_str)) {
                        Some(near) => failure.with_help(format!("did you mean {near}?")),
                        None if tables.is_empty() => {
                            failure.with_help("name the script that declares it: --script FILE")
                        }
                        None => failure.with_help(format!("there are: {}", tables.join(", "))),
                    });
                }
                format!("SELECT * FROM {}", quoted(data))
            }
        };
        // To look must not train: each query here would do it once more.
        let plan = self.asker.ask(&format!("EXPLAIN {query}"))?;
        if plan.texts("plan").iter().any(|line| line.contains("ML_TRAIN")) {
            return Err(Failure::command(format!("{argument}: {data} trains a model whenever it is read")).with_help(
                "name what the model is asked about: the table below ML_TRAIN, or one that its predictions were written to",
            ));
        }
        self.asker.ask(&format!("CREATE VIEW {view} AS {query}"))?;
        Ok(self.asker.ask(&format!("SELECT * FROM {view} LIMIT 0"))?)
    }

    /// Gives the rows a name, and looks whether they have the columns that were named.
    fn declare_rows(&mut self, data: &str) -> Result<(), Failure> {
        let columns = self.declare("--data", data, ROWS)?;
        let names = columns.columns();
        let Question { label, time, slices, args, .. } = self.question;
        let label = label
            .as_ref()
            .ok_or_else(|| Failure::command("--data needs the column of the labels").with_help("say --label COLUMN"))?;
        let named = [("--label", label)].into_iter().chain(time.iter().map(|time| ("--time", time)));
        let named =
            named.chain(slices.iter().map(|slice| ("--slice", slice))).chain(args.iter().map(|arg| ("--args", arg)));
        for (argument, column) in named {
            if !names.contains(column) {
                let failure = Failure::command(format!("{argument}: {data} has no column '{column}'"));
                return Err(match nearest(column, names.iter().map(String::as_str)) {
                    Some(near) => failure.with_help(format!("did you mean {near}?")),
                    None => failure.with_help(format!("its columns are: {}", names.join(", "))),
                });
            }
        }
        if let Some(time) = time
            && !matches!(columns.data_type(time), Some(DataType::Timestamp(_, _)))
        {
            return Err(Failure::command(format!("--time: column '{time}' is no TIMESTAMP")));
        }
        Ok(())
    }

    /// Declares the rows with their predictions.
    fn scored(&mut self) -> Result<Scored, Failure> {
        let spec = &self.subject.spec;
        let label_name = self.question.label.as_deref().unwrap_or_default();
        let label = quoted(label_name);
        let args: Vec<String> = self.question.args.iter().map(|arg| quoted(arg)).collect();
        let args = if args.is_empty() { String::new() } else { format!(", ARGS => DESCRIPTOR({})", args.join(", ")) };
        let model = &self.model;
        let given = format!("INPUT => TABLE {ROWS}, MODEL => MODEL {model}");
        self.asker.ask(&format!("CREATE VIEW {SCORED} AS SELECT * FROM ML_PREDICT({given}{args})"))?;
        let output = |role| spec.outputs.iter().find(|output| output.role == role).map(|output| quoted(&output.name));
        let predicted = output(OutputRole::Predicted).unwrap_or_default();
        let arguments = format!("{given}, LABEL => DESCRIPTOR({label}){args}");
        let probability = output(OutputRole::Probability);
        let binary = probability.is_some();
        let measured = match (spec.task, probability, output(OutputRole::Probabilities)) {
            (Task::Regression, ..) => {
                [("MAE", format!("ML_MAE({label}, {predicted})")), ("RMSE", format!("ML_RMSE({label}, {predicted})"))]
            }
            (_, Some(probability), _) => {
                let positive = self.positive(&label);
                [
                    ("LogLoss", format!("ML_LOG_LOSS({positive}, {probability})")),
                    ("RocAuc", format!("ML_ROC_AUC({positive}, {probability})")),
                ]
            }
            (_, None, Some(probabilities)) => [
                ("LogLoss", format!("ML_LOG_LOSS({label}, {probabilities})")),
                ("Accuracy", format!("ML_ACCURACY({label}, {predicted})")),
            ],
            (_, None, None) => [
                ("Accuracy", format!("ML_ACCURACY({label}, {predicted})")),
                ("Kappa", format!("ML_KAPPA({label}, {predicted})")),
            ],
        };
        Ok(Scored { arguments, label, measured, binary })
    }

    /// Whether a label is of the class that the probability is of: the second of two.
    fn positive(&self, label: &str) -> String {
        let spec = &self.subject.spec;
        let classes = spec.options.get("classes").map(|classes| classes.split(',').map(str::trim).collect::<Vec<_>>());
        match (spec.label, classes.as_deref()) {
            (LabelKind::Integer, Some([_, second])) => format!("({label} = {second})"),
            (LabelKind::Text, Some([_, second])) => format!("({label} = '{}')", second.replace('\'', "''")),
            _ => label.to_string(),
        }
    }

    fn by_time(&mut self, scored: &Scored, period: Option<(i64, i64)>) -> Result<Option<ByTime>, Failure> {
        let Some(time) = self.question.time.as_deref().map(quoted) else {
            self.left_out.push("Quality over time: say --time COLUMN.".to_string());
            return Ok(None);
        };
        let Some((first, last)) = period else { return Ok(None) };
        let span = last.saturating_sub(first);
        let longest = WINDOWS.len() - 1;
        let which = WINDOWS.iter().position(|(ms, ..)| span / ms < WINDOWS_MAX).unwrap_or(longest);
        let (_, every, interval) = WINDOWS[which];
        let [(_, a), (_, b)] = &scored.measured;
        let answer = self.asker.ask(&format!(
            "SELECT window_start, COUNT(*) AS n, COUNT({label}) AS labelled, {a} AS a, {b} AS b \
             FROM TABLE(TUMBLE(TABLE {SCORED}, DESCRIPTOR({time}), {interval})) \
             GROUP BY window_start, window_end ORDER BY window_start",
            label = scored.label
        ))?;
        let starts = answer.times("window_start").into_iter().map(|start| start.unwrap_or_default()).collect();
        Ok(Some(ByTime { every, windows: measured(&answer, starts) }))
    }

    fn by_slice(&mut self, scored: &Scored, column: &str) -> Result<BySlice, Failure> {
        let [(_, a), (_, b)] = &scored.measured;
        let answer = self.asker.ask(&format!(
            "SELECT {column} AS slice, COUNT(*) AS n, COUNT({label}) AS labelled, {a} AS a, {b} AS b, COUNT(*) OVER () AS slices \
             FROM {SCORED} GROUP BY {column} ORDER BY n DESC, slice LIMIT {SLICES_MAX}",
            column = quoted(column),
            label = scored.label
        ))?;
        let all = answer.counts("slices").first().copied().unwrap_or(0);
        let slices = measured(&answer, answer.texts("slice"));
        Ok(BySlice { column: column.to_string(), more: all.saturating_sub(slices.len() as u64), slices })
    }

    fn classes(&mut self, scored: &Scored) -> Result<Option<Classes>, Failure> {
        let sql = format!("SELECT * FROM ML_CONFUSION_MATRIX({})", scored.arguments);
        let Some(answer) = self.ask_if_it_can("Which classes are taken for which", &sql)? else { return Ok(None) };
        let names = answer.texts("expected_label");
        let columns: Vec<Vec<u64>> = answer.columns().iter().skip(1).map(|name| answer.counts(name)).collect();
        let counts = (0..names.len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
        Ok(Some(Classes { names, counts }))
    }

    fn binary(&mut self, scored: &Scored) -> Result<Binary, Failure> {
        let arguments = &scored.arguments;
        let curve = self.asker.ask(&format!(
            "SELECT false_positive_rate, recall, CASE WHEN true_positives + false_positives > 0 \
             THEN CAST(true_positives AS DOUBLE) / (true_positives + false_positives) END AS `precision` \
             FROM ML_ROC_CURVE({arguments}) ORDER BY threshold DESC"
        ))?;
        let recall = curve.numbers("recall");
        let with_recall = |column: &str, recall_first: bool| -> Vec<(f64, f64)> {
            let both =
                curve.numbers(column).into_iter().zip(&recall).filter_map(|(other, recall)| Some((other?, (*recall)?)));
            both.map(|(other, recall)| if recall_first { (recall, other) } else { (other, recall) }).collect()
        };
        let reliability = self
            .ask_if_it_can("Calibration", &format!("SELECT * FROM ML_RELIABILITY({arguments}) WHERE `rows` > 0"))?
            .map_or(Vec::new(), |answer| reliability(&answer));
        let (positive_cost, negative_cost) = (self.question.false_positive_cost, self.question.false_negative_cost);
        let best = self.ask_if_it_can(
            "The threshold of least cost",
            &format!(
                "SELECT * FROM ML_BEST_THRESHOLD({arguments}, FALSE_POSITIVE_COST => {positive_cost}, FALSE_NEGATIVE_COST => {negative_cost})"
            ),
        )?;
        let threshold = best.filter(|best| best.len() > 0).and_then(|best| {
            let first = |column: &str| best.numbers(column)[0];
            Some(Threshold {
                threshold: first("threshold")?,
                false_positive_cost: positive_cost,
                false_negative_cost: negative_cost,
                cost: first("cost")?,
                precision: first("precision"),
                recall: first("recall"),
            })
        });
        Ok(Binary {
            roc: with_recall("false_positive_rate", false),
            precision_recall: with_recall("precision", true),
            reliability,
            threshold,
        })
    }

    /// How much worse it is where a column tells nothing.
    fn permutation(&mut self, scored: &Scored) -> Result<(Vec<Importance>, &'static str), Failure> {
        let some = format!("(SELECT * FROM {ROWS} LIMIT {PERMUTED_ROWS_MAX})");
        let arguments = scored.arguments.replacen(&format!("TABLE {ROWS}"), &format!("TABLE {some}"), 1);
        let sql = format!("SELECT * FROM ML_PERMUTATION_IMPORTANCE({arguments}) ORDER BY importance DESC");
        let Some(answer) = self.ask_if_it_can("What it costs to lose a column", &sql)? else {
            return Ok((Vec::new(), ""));
        };
        let values = answer.numbers("importance").into_iter().zip(answer.numbers("importance_stddev"));
        let importance = answer
            .texts("feature")
            .into_iter()
            .zip(values)
            .map(|(feature, (value, spread))| Importance { feature, value, spread })
            .collect();
        let of = if self.subject.spec.task == Task::Regression { "the squared error" } else { "the log loss" };
        Ok((importance, of))
    }

    /// How far the rows are from others, such as those that the version learned.
    fn drift(&mut self) -> Result<Vec<Drift>, Failure> {
        let Some(base) = &self.question.base else {
            self.left_out.push(
                "How far the data has moved: say --base TABLE, of rows such as those that the model learned."
                    .to_string(),
            );
            return Ok(Vec::new());
        };
        let columns = self.declare("--base", base, BASE)?.columns();
        let inputs = match self.question.args.is_empty() {
            true => self.subject.spec.inputs.iter().map(|input| input.name.clone()).collect(),
            false => self.question.args.clone(),
        };
        if let Some(missing) = inputs.iter().find(|input| !columns.contains(input)) {
            return Err(Failure::command(format!("--base: {base} has no column '{missing}', which the model reads"))
                .with_help(format!("its columns are: {}", columns.join(", "))));
        }
        let inputs: Vec<String> = inputs.iter().map(|input| quoted(input)).collect();
        let answer = self.asker.ask(&format!(
            "SELECT * FROM ML_VALIDATE_DATA_DRIFT(BASE => TABLE {BASE}, STUDY => TABLE {ROWS}, ARGS => DESCRIPTOR({}))",
            inputs.join(", ")
        ))?;
        let (inputs, metrics) = (answer.texts("input"), answer.texts("metric"));
        let (thresholds, values, anomalies) =
            (answer.numbers("threshold"), answer.numbers("value"), answer.flags("is_anomaly"));
        let drift = (0..answer.len()).map(|row| Drift {
            input: inputs[row].clone(),
            metric: metrics[row].clone(),
            threshold: thresholds[row],
            value: values[row],
            is_anomaly: anomalies[row],
        });
        Ok(drift.collect())
    }
}

fn measured<T>(answer: &Answer, of: Vec<T>) -> Vec<Measured<T>> {
    let counts = answer.counts("n").into_iter().zip(answer.counts("labelled"));
    let values = answer.numbers("a").into_iter().zip(answer.numbers("b"));
    let rows = of.into_iter().zip(counts).zip(values);
    rows.map(|((of, (rows, labelled)), (a, b))| Measured { of, rows, labelled, values: [a, b] }).collect()
}

fn reliability(answer: &Answer) -> Vec<ReliabilityBin> {
    let number =
        |column: &str| answer.numbers(column).into_iter().map(|value| value.unwrap_or(f64::NAN)).collect::<Vec<_>>();
    let (mean, observed) = (number("mean_probability"), number("observed_rate"));
    let (low, high) = (number("observed_lower"), number("observed_upper"));
    let rows = answer.counts("rows");
    (0..answer.len())
        .map(|row| ReliabilityBin {
            rows: rows[row],
            mean_probability: mean[row],
            observed_rate: observed[row],
            interval: (low[row], high[row]),
        })
        .collect()
}
