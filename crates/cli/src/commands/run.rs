//! `tidegate run`: a whole script, with its checkpoint history.

use serde_json::json;
use tidegate_engine::{Error, RunOptions, run_script};

use crate::args::{GlobalArgs, RunArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::observer::Reporter;
use crate::render::number;
use crate::script::{ScriptText, parameters, session};
use crate::stop::Stop;

pub(crate) fn run(global: &GlobalArgs, args: &RunArgs, console: &Console) -> Result<(), Failure> {
    let text = ScriptText::open(&args.script)?;
    let parameters = parameters(&args.session)?;
    let script = text.parse(&parameters)?;
    let mut session = session(global, &args.session, parameters, &text.folder)?;
    let stop = Stop::on_signals().map_err(|error| Failure::Storage(format!("cannot listen for Ctrl-C: {error}")))?;
    let reporter = Reporter::new(console, &stop);
    let options = RunOptions {
        fresh: args.fresh,
        from: args.from.clone(),
        allow_dropped_state: args.allow_dropped_state,
        drain: args.drain,
    };
    let result = run_script(&mut session, &script, &options, &reporter);
    reporter.end();
    let report = match result {
        Ok(report) => report,
        Err(Error::Stopped { resumable: true }) => {
            let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
            return Err(Failure::Stopped { resume: again(arguments) });
        }
        Err(Error::Saved(savepoint)) => {
            let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
            let resume = format!("{} --from {}", again(arguments), quoted(&savepoint.display().to_string()));
            return Err(Failure::Saved { savepoint, resume });
        }
        Err(error) => return Err(error.into()),
    };
    if console.json {
        let seconds = report.elapsed.as_secs_f64();
        console.print_tagged("script", json!({ "statements": report.statements, "elapsed": seconds }));
    } else if !console.quiet && report.jobs.len() > 1 {
        let jobs = number::counted(report.jobs.len() as u64, "job");
        let line = format!("{jobs} in {}", number::duration(report.elapsed));
        console.note(console.err.paint.dim(line).to_string());
    }
    Ok(())
}

/// The command that goes on with the run: the one that began it, but never from the start.
fn again(arguments: impl Iterator<Item = String>) -> String {
    let mut command = "tidegate".to_string();
    let mut is_value = false;
    for argument in arguments {
        // What it began with is in its checkpoint by now.
        let left_out = std::mem::take(&mut is_value)
            || matches!(argument.as_str(), "--fresh" | "--allow-dropped-state" | "--allow-non-restored-state")
            || argument.starts_with("--from=");
        is_value = argument == "--from";
        if !left_out && !is_value {
            command.push(' ');
            command.push_str(&quoted(&argument));
        }
    }
    command
}

/// An argument as a shell reads it.
pub(super) fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/.-_+,@=:%".contains(c);
    match !argument.is_empty() && argument.chars().all(plain) {
        true => argument.to_string(),
        false => format!("'{}'", argument.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_pasted() {
        let again = |arguments: &[&str]| again(arguments.iter().map(|argument| argument.to_string()));
        assert_eq!(again(&["run", "jobs/a.sql", "--fresh"]), "tidegate run jobs/a.sql");
        assert_eq!(again(&["run", "a.sql", "--from", "a savepoint", "--allow-dropped-state"]), "tidegate run a.sql");
        assert_eq!(again(&["run", "my job's.sql", "--param", "d=1"]), "tidegate run 'my job'\\''s.sql' --param d=1");
    }
}
