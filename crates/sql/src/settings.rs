//! What `SET` sets, and errors about options at their place in a script.

use tidegate_options::{Kind, OptionDef, OptionError, Options, resolve};

use crate::{Diagnostic, OptionPair, Span};

/// Every setting of `SET 'name' = 'value'`. Defaults of script parameters, `param.…`, are not among them.
pub const SETTINGS: &[OptionDef] = &[
    OptionDef::optional(
        "parallelism.default",
        Kind::Int { min: 1, max: 1024 },
        "How many threads a job uses. If not set, as many as there are processor cores. Results do not depend on it.",
    ),
    OptionDef::new(
        "execution.runtime-mode",
        Kind::Choice(&["automatic", "streaming", "batch"]),
        "automatic",
        "How a query runs: streaming reads its tables as streams that go on, batch as finished tables. Automatic streams a \
         query with an unbounded table or a training function.",
    ),
    OptionDef::new(
        "execution.batch-size",
        Kind::Int { min: 1, max: 1 << 20 },
        "8192",
        "The most rows that move through the operators of a stream at once. Results do not depend on it.",
    ),
    OptionDef::new(
        "execution.shards",
        Kind::Int { min: 1, max: 4096 },
        "16",
        "Into how many parts keyed and parallel state is divided. Unlike the number of threads it is part of a job's meaning: \
         a checkpoint can only be resumed with as many.",
    ),
    OptionDef::new(
        "execution.memory-limit",
        Kind::Bytes,
        "1 gb",
        "How much memory queries may take before they spill to disk or fail; and the state of all operators of a stream together, \
         before the job fails.",
    ),
    OptionDef::new(
        "execution.checkpointing.interval",
        Kind::Duration,
        "10 s",
        "The time from one checkpoint to the next. 0 takes none.",
    ),
    OptionDef::optional(
        "execution.checkpointing.dir",
        Kind::Text,
        "The folder of the job's checkpoints. If not set, .tidegate/checkpoints/ and the job's name.",
    ),
    OptionDef::new(
        "execution.checkpointing.num-retained",
        Kind::Int { min: 1, max: 1000 },
        "1",
        "How many of a job's last checkpoints are kept. If the newest cannot be read, the one before it is gone on from, unless \
         rows after it can be seen already.",
    ),
    OptionDef::new(
        "execution.checkpointing.externalized-checkpoint-retention",
        Kind::Choice(&["RETAIN_ON_CANCELLATION", "DELETE_ON_CANCELLATION"]),
        "RETAIN_ON_CANCELLATION",
        "What becomes of the checkpoints of a job that the user stops: they are kept, so that running the script again goes on \
         from there, or they are deleted with all that is not visible yet.",
    ),
    OptionDef::optional(
        "execution.checkpointing.savepoint-dir",
        Kind::Text,
        "The folder that savepoints are put into. If not set, .tidegate/savepoints.",
    ),
    OptionDef::optional(
        "restart-strategy.type",
        Kind::Choice(&["none", "fixed-delay", "exponential-delay", "failure-rate"]),
        "Whether a job that fails because a disk, a file or a broker does not answer is restarted from its last checkpoint. If \
         not set: exponential-delay for a job without an end, none for others.",
    ),
    OptionDef::new(
        "restart-strategy.fixed-delay.attempts",
        Kind::Int { min: 1, max: i64::MAX },
        "1",
        "fixed-delay: how often a job is restarted.",
    ),
    OptionDef::new(
        "restart-strategy.fixed-delay.delay",
        Kind::Duration,
        "1 s",
        "fixed-delay: the time before a restart.",
    ),
    OptionDef::new(
        "restart-strategy.exponential-delay.initial-backoff",
        Kind::Duration,
        "1 s",
        "exponential-delay: the time before the first restart.",
    ),
    OptionDef::new(
        "restart-strategy.exponential-delay.max-backoff",
        Kind::Duration,
        "1 min",
        "exponential-delay: the longest time before a restart.",
    ),
    OptionDef::new(
        "restart-strategy.exponential-delay.backoff-multiplier",
        Kind::Float { min: 1.0, max: f64::INFINITY },
        "1.5",
        "exponential-delay: by how much the time grows with each restart.",
    ),
    OptionDef::new(
        "restart-strategy.exponential-delay.reset-backoff-threshold",
        Kind::Duration,
        "1 h",
        "exponential-delay: after so long without a failure the time before a restart is the first one again.",
    ),
    OptionDef::optional(
        "restart-strategy.exponential-delay.attempts-before-reset-backoff",
        Kind::Int { min: 1, max: i64::MAX },
        "exponential-delay: how many restarts there are without such a time in between. If not set, any number.",
    ),
    OptionDef::new(
        "restart-strategy.failure-rate.max-failures-per-interval",
        Kind::Int { min: 1, max: i64::MAX },
        "1",
        "failure-rate: how many failures in an interval a job is restarted after.",
    ),
    OptionDef::new(
        "restart-strategy.failure-rate.failure-rate-interval",
        Kind::Duration,
        "1 min",
        "failure-rate: the interval that failures are counted in.",
    ),
    OptionDef::new(
        "restart-strategy.failure-rate.delay",
        Kind::Duration,
        "1 s",
        "failure-rate: the time before a restart.",
    ),
    OptionDef::new(
        "table.exec.state.ttl",
        Kind::Duration,
        "0 s",
        "How long SELECT DISTINCT and ROW_NUMBER() OVER (…) = 1 over a stream know a key after its first row, and temporal joins a \
         version after it began, in event time. 0 keeps them for ever.",
    ),
    OptionDef::new(
        "table.exec.emit.allow-lateness",
        Kind::Duration,
        "0 s",
        "How long TUMBLE, HOP, CUMULATE and SESSION windows are held open after the watermark has passed their end, in event time. \
         Rows that come in the meantime count in the one result that the window gives then.",
    ),
    OptionDef::new(
        "table.exec.emit.early-fire.enabled",
        Kind::Bool,
        "false",
        "Whether aggregates by TUMBLE, HOP and CUMULATE window give results before the window closes, which \
         WINDOW_IS_FINAL(window_end) tells from the last one. Aggregates whose rows other aggregates or joins read do not.",
    ),
    OptionDef::optional(
        "table.exec.emit.early-fire.delay",
        Kind::Duration,
        "The interval of early results, in event time: they are given when the watermark passes a multiple of it.",
    ),
    OptionDef::optional(
        "table.exec.late-rows.table",
        Kind::Text,
        "A table that the late rows of streaming operators are written to, besides being counted. Its columns are among operator \
         STRING, event_time TIMESTAMP(3), current_watermark TIMESTAMP(3) and raw STRING, the row as JSON.",
    ),
    OptionDef::new(
        "table.exec.source.idle-timeout",
        Kind::Duration,
        "5 s",
        "After how long without rows an unbounded source, or a part of it such as a partition, is idle if it has given all that it \
         has: other ones do not wait for its event time any longer. 0 waits for ever.",
    ),
    OptionDef::new(
        "execution.watermark-alignment.max-drift",
        Kind::Duration,
        "0 s",
        "How far the event time of a source may be ahead of the slowest source of the job before it is not read for a while. 0 sets \
         no limit; the source that is behind is read first in any case.",
    ),
    OptionDef::optional(
        "registry.path",
        Kind::Text,
        "The folder of the model registry. If not set, .tidegate/registry.",
    ),
    OptionDef::optional("job.name", Kind::Text, "The job's name. If not set, the name of the script."),
];

/// The part of a SET key before a parameter's name.
pub const PARAMETER_PREFIX: &str = "param.";

/// Holds the options of a WITH clause against their declarations.
///
/// `clause` is pointed at when an option is missing.
///
/// # Errors
/// The first option that is unknown, given twice, of the wrong kind, or missing.
pub fn resolve_options(tables: &[&[OptionDef]], pairs: &[OptionPair], clause: Span) -> Result<Options, Diagnostic> {
    let given = pairs.iter().map(|pair| (pair.key.as_str(), pair.value.as_str()));
    resolve(tables, given).map_err(|error| option_error(&error, pairs, clause))
}

/// Points at the key or the value that an option error is about; at `clause` where neither was written.
pub fn option_error(error: &OptionError, pairs: &[OptionPair], clause: Span) -> Diagnostic {
    let pair = pairs.iter().rev().find(|pair| pair.key == error.key());
    let key_span = pair.map_or(clause, |pair| pair.key_span);
    match error {
        OptionError::Unknown { key, nearest, known } => {
            let diagnostic = Diagnostic::new(key_span, format!("unknown option '{key}'"));
            match nearest {
                Some(near) => diagnostic.with_help(format!("did you mean '{near}'?")),
                None if known.is_empty() => diagnostic,
                None => diagnostic.with_help(format!("known are: {}", known.join(", "))),
            }
        }
        OptionError::BadValue { .. } => Diagnostic::new(pair.map_or(clause, |pair| pair.value_span), error.to_string()),
        OptionError::Twice { .. } => Diagnostic::new(key_span, error.to_string()),
        OptionError::Missing { .. } => Diagnostic::new(clause, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Parameters, Statement, parse_script};

    const OPTIONS: &[OptionDef] = &[
        OptionDef::required("path", Kind::Text, "The file to read."),
        OptionDef::new("epochs", Kind::Int { min: 1, max: 100 }, "1", "How often."),
    ];

    fn said(clause: &str) -> String {
        let script =
            parse_script("a.sql", &format!("CREATE TABLE t (a INT)\nWITH ({clause})"), &Parameters::default()).unwrap();
        let Statement::CreateTable(table) = &script.statements[0].statement else { unreachable!() };
        let span = script.statements[0].span;
        resolve_options(&[OPTIONS], &table.options, span).unwrap_err().in_source(&script.source).to_string()
    }

    #[test]
    fn every_default_is_of_its_kind() {
        let options = resolve(&[SETTINGS], []).unwrap();
        assert_eq!(options.int("execution.batch-size"), 8192);
        assert_eq!(options.bytes("execution.memory-limit"), Some(1 << 30));
        assert_eq!(options.int_opt("parallelism.default"), None);
        assert_eq!(options.text("execution.runtime-mode"), "automatic");
    }

    #[test]
    fn an_option_error_points_at_the_key_or_the_value() {
        assert_eq!(
            said("'path' = 'x', 'epoch' = '5'"),
            "a.sql:2:21: unknown option 'epoch'\n  |\n2 | WITH ('path' = 'x', 'epoch' = '5')\n  |                     ^^^^^^^\n\
             help: did you mean 'epochs'?"
        );
        assert_eq!(
            said("'path' = 'x', 'epochs' = '0'"),
            "a.sql:2:32: option 'epochs': '0' is not a whole number from 1 to 100\n  |\n\
             2 | WITH ('path' = 'x', 'epochs' = '0')\n  |                                ^^^"
        );
        assert_eq!(
            said("'epochs' = '5'"),
            "a.sql:1:1: option 'path' is missing; it takes text: The file to read.\n  |\n\
             1 | CREATE TABLE t (a INT)\n  | ^^^^^^^^^^^^^^^^^^^^^^"
        );
    }
}
