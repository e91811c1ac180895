//! A declared model: its specification, and how it is trained and registered.

use std::collections::BTreeMap;

use arrow::datatypes::{Field, Schema};
use chrono::{NaiveDate, NaiveDateTime};
use tidegate_ml::prequential::Prequential;
use tidegate_ml::replicas::Replicas;
use tidegate_ml::training::Training;
use tidegate_ml::{Model, ModelSpec, Task, Transform};
use tidegate_options::{Kind, OptionDef, Options, nearest, resolve};

/// Options of a model that are about training and registering it; the rest are the model's own.
pub const TRAINING_OPTIONS: &[OptionDef] = &[
    OptionDef::optional(
        "label",
        Kind::Text,
        "The label's column in CREATE MODEL … AS SELECT. Left out: the one that is no input.",
    ),
    OptionDef::optional("weight", Kind::Text, "The column of row weights in CREATE MODEL … AS SELECT."),
    OptionDef::new(
        "epochs",
        Kind::Int { min: 1, max: 10_000 },
        "1",
        "Passes over the rows of CREATE MODEL … AS SELECT.",
    ),
    OptionDef::new(
        "warm-start",
        Kind::Bool,
        "false",
        "Whether ML_TRAIN goes on from the registry's current version rather than from nothing.",
    ),
    OptionDef::optional(
        "version.at",
        Kind::List,
        "Event times (such as '2017-11-01 00:00:00') at which ML_TRAIN registers a version: what was learned up to then.",
    ),
    OptionDef::optional("version.alias", Kind::List, "Aliases for the versions of 'version.at', in the same order."),
    OptionDef::new("version.final", Kind::Bool, "true", "Whether a version is registered when ML_TRAIN ends."),
    OptionDef::new(
        "label.rows-waiting-max",
        Kind::Int { min: 1, max: i64::MAX },
        "10000000",
        "Most rows that may wait for their label at one time; the job stops when more do. Of several replicas each may have its \
         share of them wait; of models of keys each as many as that.",
    ),
    OptionDef::new(
        "training.parallelism",
        Kind::Int { min: 1, max: 256 },
        "1",
        "How many replicas of the model learn at once, each from its share of the rows. They are merged as the algorithm and the \
         transforms say. Part of the model's meaning: results depend on it, and not on the number of threads.",
    ),
    OptionDef::new(
        "training.sync-rows",
        Kind::Int { min: 1, max: i64::MAX },
        "10000",
        "With 'training.parallelism': the replicas are merged, and go on from what they make together, after so many rows of \
         all of them.",
    ),
    OptionDef::optional(
        "training.shard-by",
        Kind::List,
        "With 'training.parallelism': columns of the input; rows that are equal in them are learned by the same replica. Left \
         out: the replicas take rows in turn, 256 at a time.",
    ),
    OptionDef::new(
        "training.distributed",
        Kind::Bool,
        "false",
        "With 'training.parallelism', in Flink: the replicas learn in tasks of their own, on any number of task managers, and are \
         merged about every 'training.sync-rows' rows. Faster where one machine is not enough; what is learned then depends on \
         timing. Embedded it changes nothing.",
    ),
    OptionDef::new(
        "keyed.unknown",
        Kind::Choice(&["untrained", "null", "prior"]),
        "untrained",
        "With PARTITION BY, what predicts a row whose key's model has learned nothing: that model, untrained; nothing, so that \
         predictions are NULL; or a prior, a model of its own that learns from the rows of all keys.",
    ),
    OptionDef::new(
        "keyed.memory",
        Kind::Bytes,
        "256 mb",
        "With PARTITION BY, how much memory the models of keys may take; those used longest ago go to disk. Results do not \
         depend on it.",
    ),
    OptionDef::new(
        "keyed.ttl",
        Kind::Duration,
        "0 s",
        "With PARTITION BY, a key is forgotten, with its rows that wait, when the watermark is so far beyond the event time of \
         its last row. 0 keeps keys for ever.",
    ),
];

/// A model as `CREATE MODEL` declared it.
#[derive(Debug)]
pub struct ModelEntry {
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub spec: ModelSpec,
    /// The [`TRAINING_OPTIONS`].
    pub training: Options,
    /// Event times at which a version is registered, in milliseconds, ascending, with the alias it gets.
    pub version_points: Vec<(i64, Option<String>)>,
    /// The options as written, for SHOW CREATE MODEL and the registry.
    pub options: BTreeMap<String, String>,
    /// What COMMENT says.
    pub comment: Option<String>,
}

/// Why a declaration was refused: which option is at fault, if one is, and why.
#[derive(Debug)]
pub struct Refusal {
    /// The option at fault.
    pub option: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl Refusal {
    fn of_option(option: &str, message: impl Into<String>) -> Self {
        Self { option: Some(option.to_string()), message: message.into() }
    }
}

impl ModelEntry {
    /// Checks a declaration whole: options, inputs, outputs, transforms.
    pub fn declare(
        name: &str,
        input: &Schema,
        output: &Schema,
        transforms: Vec<Transform>,
        options: BTreeMap<String, String>,
        comment: Option<String>,
    ) -> Result<Self, Refusal> {
        let is_training = |key: &str| TRAINING_OPTIONS.iter().any(|def| def.name == key);
        let (training, own): (BTreeMap<_, _>, BTreeMap<_, _>) =
            options.iter().map(|(k, v)| (k.clone(), v.clone())).partition(|(key, _)| is_training(key));
        let training = resolve(&[TRAINING_OPTIONS], training.iter().map(|(k, v)| (k.as_str(), v.as_str())))
            .map_err(|error| Refusal { option: Some(error.key().to_string()), message: error.to_string() })?;
        let names = || Task::NAMES.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let Some(given) = own.get("task") else {
            return Err(Refusal::of_option("task", format!("option 'task' is missing; it takes one of {}", names())));
        };
        let Some(task) = Task::find(given) else {
            let hint = match nearest(given, Task::NAMES.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("it takes one of {}", names()),
            };
            return Err(Refusal::of_option("task", format!("option 'task': there is no task '{given}'; {hint}")));
        };
        let spec = ModelSpec::new(name, task, input, output, transforms, own).map_err(refusal)?;
        // Building it checks the algorithm, its options and the transforms.
        Model::new(spec.clone()).map_err(|error| suggest_training_option(error, &options))?;
        let version_points = version_points(&training)?;
        let entry = Self { name: name.to_string(), spec, training, version_points, options, comment };
        entry.check_replicas()?;
        entry.check_epochs()?;
        Ok(entry)
    }

    /// A model of the registry that no statement of the script declares.
    pub fn registered(spec: ModelSpec, options: BTreeMap<String, String>) -> Result<Self, Refusal> {
        let training = resolve(
            &[TRAINING_OPTIONS],
            options
                .iter()
                .filter(|(key, _)| TRAINING_OPTIONS.iter().any(|def| def.name == key.as_str()))
                .map(|(k, v)| (k.as_str(), v.as_str())),
        )
        .map_err(|error| Refusal { option: Some(error.key().to_string()), message: error.to_string() })?;
        let version_points = version_points(&training)?;
        let entry = Self { name: spec.name.clone(), spec, training, version_points, options, comment: None };
        entry.check_replicas()?;
        entry.check_epochs()?;
        Ok(entry)
    }

    /// The same model with other options.
    pub fn with_options(&self, options: BTreeMap<String, String>) -> Result<Self, Refusal> {
        let own = options.iter().filter(|(key, _)| !TRAINING_OPTIONS.iter().any(|def| def.name == key.as_str()));
        let mut spec = self.spec.clone();
        spec.options = own.map(|(key, value)| (key.clone(), value.clone())).collect();
        Model::new(spec.clone()).map_err(|error| suggest_training_option(error, &options))?;
        Ok(Self { comment: self.comment.clone(), ..Self::registered(spec, options)? })
    }

    /// How it learns from a stream, or from history: by itself, or by replicas.
    pub fn training(&self, model: Model) -> tidegate_ml::Result<Box<dyn Training>> {
        Ok(match self.replicas() {
            1 => Box::new(Prequential::new(model)),
            count => Box::new(Replicas::new(model, count, self.training.int("training.sync-rows") as u64)?),
        })
    }

    /// Whether its search can only be made over history, which is there for several passes.
    pub fn needs_history(&self) -> bool {
        Model::new(self.spec.clone()).is_ok_and(|model| model.needs_history())
    }

    /// How many replicas learn.
    pub fn replicas(&self) -> usize {
        self.training.int("training.parallelism") as usize
    }

    /// Whether, in Flink, replicas learn in tasks of their own.
    pub fn is_distributed(&self) -> bool {
        self.training.bool("training.distributed")
    }

    /// The columns by which rows are spread over replicas; none where they take rows in turn.
    pub fn shard_by(&self) -> Vec<&str> {
        match self.replicas() {
            1 => Vec::new(),
            _ => self.training.list("training.shard-by").iter().map(String::as_str).collect(),
        }
    }

    /// Whether replicas of it can be merged.
    fn check_replicas(&self) -> Result<(), Refusal> {
        if self.is_distributed() && self.replicas() == 1 {
            return Err(Refusal::of_option(
                "training.distributed",
                "option 'training.distributed' needs 'training.parallelism' of more than 1",
            ));
        }
        if self.replicas() > 1 {
            let model = Model::new(self.spec.clone()).map_err(refusal)?;
            self.training(model).map_err(|error| {
                Refusal::of_option("training.parallelism", format!("option 'training.parallelism': {error}"))
            })?;
        }
        Ok(())
    }

    /// Whether rows may be learned several times.
    fn check_epochs(&self) -> Result<(), Refusal> {
        if self.training.int("epochs") <= 1 {
            return Ok(());
        }
        let refuse =
            |why: String| Err(Refusal::of_option("epochs", format!("option 'epochs': {why}; leave 'epochs' at 1")));
        let model = Model::new(self.spec.clone()).map_err(refusal)?;
        if let Some(transform) = model.learns_from_labels() {
            return refuse(format!(
                "{transform} learns from labels, so a row that is learned twice would be told its own label"
            ));
        }
        if model.options().text("calibration") != "none" {
            return refuse(
                "'calibration' learns from what is predicted of rows that were not learned yet, which none is the second time"
                    .to_string(),
            );
        }
        Ok(())
    }

    /// The columns that the model adds.
    pub fn output_fields(&self) -> Vec<Field> {
        self.spec.output_schema().fields().iter().map(|field| field.as_ref().clone()).collect()
    }
}

fn refusal(error: tidegate_ml::Error) -> Refusal {
    let option = match &error {
        tidegate_ml::Error::Option(error) => Some(error.key().to_string()),
        _ => None,
    };
    Refusal { option, message: error.to_string() }
}

/// An option unknown to the learner may be one of training misspelt.
fn suggest_training_option(error: tidegate_ml::Error, given: &BTreeMap<String, String>) -> Refusal {
    if let tidegate_ml::Error::Option(tidegate_options::OptionError::Unknown { key, nearest: None, .. }) = &error
        && given.contains_key(key)
        && let Some(near) = tidegate_options::nearest(key, TRAINING_OPTIONS.iter().map(|def| def.name))
    {
        return Refusal::of_option(key, format!("unknown option '{key}'; did you mean '{near}'?"));
    }
    refusal(error)
}

fn version_points(training: &Options) -> Result<Vec<(i64, Option<String>)>, Refusal> {
    let (times, aliases) = (training.list("version.at"), training.list("version.alias"));
    if aliases.len() > times.len() {
        let message =
            format!("option 'version.alias' names {} aliases for {} times of 'version.at'", aliases.len(), times.len());
        return Err(Refusal::of_option("version.alias", message));
    }
    let mut points = times
        .iter()
        .enumerate()
        .map(|(i, text)| match read_time(text) {
            Some(time) => Ok((time, aliases.get(i).cloned())),
            None => Err(Refusal::of_option(
                "version.at",
                format!("option 'version.at': '{text}' is not a time such as '2017-11-01 00:00:00'"),
            )),
        })
        .collect::<Result<Vec<_>, _>>()?;
    points.sort_by_key(|(time, _)| *time);
    Ok(points)
}

fn read_time(text: &str) -> Option<i64> {
    let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let time = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let time = time.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    Some(time?.and_utc().timestamp_millis())
}
