//! `tidegate options`: every option there is, from the tables that the code itself reads.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::json;
use tidegate_connectors::CONNECTORS;
use tidegate_engine::TRAINING_OPTIONS;
use tidegate_ml::learner::{Features, LEARNERS, LearnerDef};
use tidegate_ml::selection::{SELECTION_OPTIONS, SELECTORS};
use tidegate_ml::spec::MODEL_OPTIONS;
use tidegate_ml::tuning::TUNING_OPTIONS;
use tidegate_options::{OptionDef, nearest};
use tidegate_sql::settings::SETTINGS;

use crate::args::{OptionsArgs, OptionsOf};
use crate::console::{Console, Stream};
use crate::failure::Failure;
use crate::render::facts::wrap;

/// How wide texts are where there is no terminal.
const TEXT_WIDTH: usize = 100;

/// Options that belong together.
pub(super) struct Group {
    of: OptionsOf,
    /// The connector or algorithm; empty for what holds for all.
    name: &'static str,
    pub(super) title: String,
    pub(super) doc: Cow<'static, str>,
    pub(super) options: Vec<Entry>,
}

/// An option, and when it matters.
pub(super) struct Entry {
    pub(super) option: &'static OptionDef,
    /// `source` or `sink`, if only there.
    pub(super) only: Option<&'static str>,
}

pub(crate) fn options(args: &OptionsArgs, console: &Console) -> Result<(), Failure> {
    let groups: Vec<Group> = all().into_iter().filter(|group| args.of.is_none_or(|of| of == group.of)).collect();
    let chosen: Vec<&Group> = match &args.name {
        None => groups.iter().collect(),
        Some(name) => {
            let found: Vec<&Group> = groups.iter().filter(|group| group.name.eq_ignore_ascii_case(name)).collect();
            if found.is_empty() {
                return Err(unknown(name, &groups));
            }
            found
        }
    };
    for (i, group) in chosen.iter().enumerate() {
        match console.json {
            true => group.options.iter().for_each(|entry| console.print_tagged("option", as_json(group, entry))),
            false => console.print(|out| {
                if i > 0 {
                    writeln!(out)?;
                }
                write_group(out, console.out, group)
            }),
        }
    }
    Ok(())
}

fn unknown(name: &str, groups: &[Group]) -> Failure {
    let known: Vec<&str> = groups.iter().map(|group| group.name).filter(|name| !name.is_empty()).collect();
    let failure = Failure::command(format!("'{name}' is no connector and no algorithm with options of this kind"));
    match nearest(name, known.iter().copied()) {
        Some(near) => failure.with_help(format!("did you mean '{near}'?")),
        None if known.is_empty() => failure,
        None => failure.with_help(format!("known are: {}", known.join(", "))),
    }
}

/// All options, in the order in which a reader meets them.
pub(super) fn all() -> Vec<Group> {
    let everywhere =
        |options: &'static [OptionDef]| options.iter().map(|option| Entry { option, only: None }).collect();
    let mut groups = vec![Group {
        of: OptionsOf::Settings,
        name: "",
        title: "Settings: SET 'key' = 'value'".to_string(),
        doc: "".into(),
        options: everywhere(SETTINGS),
    }];
    for connector in CONNECTORS {
        groups.push(Group {
            of: OptionsOf::Table,
            name: connector.name,
            title: format!("Tables: CREATE TABLE … WITH ('connector' = '{}', …)", connector.name),
            doc: connector.doc.into(),
            options: sides(connector.source_options, connector.sink_options),
        });
    }
    groups.push(Group {
        of: OptionsOf::Model,
        name: "",
        title: "Models: CREATE MODEL … WITH ('key' = 'value', …)".to_string(),
        doc: "".into(),
        options: everywhere(MODEL_OPTIONS),
    });
    groups.push(Group {
        of: OptionsOf::Model,
        name: "",
        title: "Models: how they are trained and registered".to_string(),
        doc: "".into(),
        options: everywhere(TRAINING_OPTIONS),
    });
    groups.push(Group {
        of: OptionsOf::Model,
        name: "",
        title: "Models: how they are tuned".to_string(),
        doc: "An option of the algorithm may be `range(low, high)`, `range(low, high, log)` or `choice(a, b, …)`, and `'algorithm'` may be a choice. ML_TRIAL_INFO tells how each trial did.".into(),
        options: everywhere(TUNING_OPTIONS),
    });
    let ways = SELECTORS.iter().map(|way| format!("`{}`: {}", way.name, way.doc)).collect::<Vec<_>>().join("\n\n");
    groups.push(Group {
        of: OptionsOf::Model,
        name: "",
        title: "Models: how they choose features".to_string(),
        doc: format!("With `'select'` a model learns from the best of its features. ML_FEATURE_SCORES tells scores of the columns of a table by the same ways.\n\n{ways}").into(),
        options: everywhere(SELECTION_OPTIONS),
    });
    for learner in LEARNERS {
        groups.push(Group {
            of: OptionsOf::Model,
            name: learner.name,
            title: format!("Models: CREATE MODEL … WITH ('algorithm' = '{}', …)", learner.name),
            doc: learner_doc(learner).into(),
            options: learner
                .options
                .iter()
                .flat_map(|table| table.iter())
                .map(|option| Entry { option, only: None })
                .collect(),
        });
    }
    groups
}

/// What a learner is, takes and how it merges.
fn learner_doc(learner: &LearnerDef) -> String {
    let Features { categories, missing, sparse } = learner.features;
    let texts = match (categories, sparse) {
        (true, _) => "Takes texts as they are",
        (false, true) => "Texts are one-hot encoded",
        (false, false) => "Takes numbers only",
    };
    let missing = if missing { "numbers may be missing" } else { "a missing number is refused" };
    let tasks: Vec<&str> = learner.tasks.iter().map(|task| task.name()).collect();
    format!("{}\n\nFor {}. {texts}; {missing}. Merges {}.", learner.doc, tasks.join(" and "), learner.merge)
}

/// The options of a table, each once.
fn sides(source: &[&'static [OptionDef]], sink: &[&'static [OptionDef]]) -> Vec<Entry> {
    let has =
        |tables: &[&'static [OptionDef]], name: &str| tables.iter().any(|table| table.iter().any(|o| o.name == name));
    let mut entries: Vec<Entry> = Vec::new();
    for option in source.iter().chain(sink).flat_map(|table| table.iter()) {
        if entries.iter().any(|entry| entry.option.name == option.name) {
            continue;
        }
        let only = match (has(source, option.name), has(sink, option.name)) {
            (true, false) => Some("source"),
            (false, true) => Some("sink"),
            _ => None,
        };
        entries.push(Entry { option, only });
    }
    entries
}

fn as_json(group: &Group, entry: &Entry) -> serde_json::Value {
    let option = entry.option;
    json!({
        "of": match group.of { OptionsOf::Settings => "settings", OptionsOf::Table => "table", OptionsOf::Model => "model" },
        "group": group.name,
        "name": option.name,
        "kind": option.kind.to_string(),
        "default": option.default,
        "required": option.required,
        "only": entry.only,
        "doc": option.doc,
    })
}

fn write_group(out: &mut dyn Write, stream: Stream, group: &Group) -> io::Result<()> {
    let (paint, width) = (stream.paint, stream.width.unwrap_or(TEXT_WIDTH));
    writeln!(out, "{}", paint.bold(paint.green(&group.title)))?;
    // The first line of a doc is the idea; the rest is for the reference page.
    for line in wrap(group.doc.trim().lines().next().unwrap_or_default(), width) {
        writeln!(out, "{line}")?;
    }
    for Entry { option, only } in &group.options {
        let value = match option.default {
            Some(default) => format!("default '{default}'"),
            None if option.required => "required".to_string(),
            None => "optional".to_string(),
        };
        let only = only.map(|side| format!("; {side} only")).unwrap_or_default();
        let facts = format!("{value}; {}{only}", option.kind);
        writeln!(out, "\n  {}  {}", paint.cyan(option.name), paint.dim(facts))?;
        for line in wrap(option.doc, width.saturating_sub(6).max(20)) {
            writeln!(out, "      {line}")?;
        }
    }
    if group.options.is_empty() {
        writeln!(out, "\n  {}", paint.dim("no options of its own"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tidegate_options::Kind;

    use super::*;

    static PATH: &[OptionDef] = &[OptionDef::required("path", Kind::Text, "The file.")];
    static READ: &[OptionDef] = &[OptionDef::new("skip", Kind::Bool, "false", "Passes over bad records.")];
    static WRITE: &[OptionDef] = &[OptionDef::optional("size", Kind::Bytes, "How large a file gets.")];

    #[test]
    fn a_group_reads_well() {
        let group = Group {
            of: OptionsOf::Table,
            name: "filesystem",
            title: "Tables".to_string(),
            doc: "Files.\n\nMore about them.".into(),
            options: sides(&[PATH, READ], &[PATH, WRITE]),
        };
        let mut out = Vec::new();
        write_group(&mut out, Stream::default(), &group).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
Tables
Files.

  path  required; text
      The file.

  skip  default 'false'; true or false; source only
      Passes over bad records.

  size  optional; a size such as '64 mb'; sink only
      How large a file gets.
"
        );
        assert_eq!(as_json(&group, &group.options[1])["default"], "false");
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        let groups = all();
        assert!(groups.iter().any(|group| group.of == OptionsOf::Settings));
        let failure = unknown("logistic_regresion", &groups);
        assert_eq!(failure.help(), Some("did you mean 'logistic_regression'?".to_string()));
    }
}
