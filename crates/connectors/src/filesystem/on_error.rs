//! What happens to records that cannot be read, as options say.

use std::path::PathBuf;

use tidegate_options::{Kind, OptionDef, Options};

use super::path;
use crate::{Error, OnError, Result, TableSpec};

/// The options that say so.
pub(crate) const OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "on-error",
        Kind::Choice(&["fail", "skip", "dead-letter"]),
        "fail",
        "What happens to a record that cannot be read: stop the job, pass over it and count it, or write it to 'dead-letter.path'.",
    ),
    OptionDef::optional(
        "dead-letter.path",
        Kind::Text,
        "Where bad records go, as JSON lines with their location and the reason; a file (.jsonl) or a folder.",
    ),
];

/// The names of formats whose own option says the same.
const IGNORING: [&str; 4] = [
    "csv.ignore-parse-errors",
    "json.ignore-parse-errors",
    "debezium-json.ignore-parse-errors",
    "avro.ignore-parse-errors",
];

/// The policy, and the place of dead letters if they are wanted. `of_format` has the options of the format.
pub(crate) fn resolve(spec: &TableSpec, options: &Options, of_format: &Options) -> Result<(OnError, Option<PathBuf>)> {
    let table = spec.name.as_str();
    let ignore = IGNORING.into_iter().find(|name| of_format.bool(name));
    let on_error = match (options.text("on-error"), ignore) {
        ("dead-letter", None) => OnError::DeadLetter,
        ("skip", _) => OnError::Skip,
        (_, None) => OnError::Fail,
        (policy, Some(ignore)) if options.is_given("on-error") => {
            let message = format!("'{ignore}' = 'true' means 'on-error' = 'skip', but 'on-error' is '{policy}'");
            return Err(Error::declaration(table, Some("on-error"), message));
        }
        (_, Some(_)) => OnError::Skip,
    };
    let dead_letters = match (on_error, options.text_opt("dead-letter.path")) {
        (OnError::DeadLetter, Some(at)) => Some(path::resolve(table, at, &spec.base_dir)?),
        (OnError::DeadLetter, None) => {
            let message = "'on-error' = 'dead-letter' needs a place for the bad records: set 'dead-letter.path'";
            return Err(Error::declaration(table, Some("on-error"), message));
        }
        (_, Some(_)) => {
            let message = "'dead-letter.path' has a meaning only with 'on-error' = 'dead-letter'";
            return Err(Error::declaration(table, Some("dead-letter.path"), message));
        }
        (_, None) => None,
    };
    Ok((on_error, dead_letters))
}
