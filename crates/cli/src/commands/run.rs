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
    let result = run_script(&mut session, &script, &RunOptions { fresh: args.fresh }, &reporter);
    reporter.end();
    let report = match result {
        Ok(report) => report,
        Err(Error::Stopped { resumable: true }) => {
            let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
            return Err(Failure::Stopped { resume: again(arguments) });
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
    let plain = |c: char| c.is_alphanumeric() || "/.-_+,@=:%".contains(c);
    let mut command = "tidegate".to_string();
    for argument in arguments.filter(|argument| argument != "--fresh") {
        command.push(' ');
        match !argument.is_empty() && argument.chars().all(plain) {
            true => command.push_str(&argument),
            false => command.push_str(&format!("'{}'", argument.replace('\'', "'\\''"))),
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_pasted() {
        let again = |arguments: &[&str]| again(arguments.iter().map(|argument| argument.to_string()));
        assert_eq!(again(&["run", "jobs/a.sql", "--fresh"]), "tidegate run jobs/a.sql");
        assert_eq!(again(&["run", "my job's.sql", "--param", "d=1"]), "tidegate run 'my job'\\''s.sql' --param d=1");
    }
}
