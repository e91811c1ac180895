//! `tidegate sql`: statements from the command line, standard input or an interactive shell.

use std::io::{self, IsTerminal};
use std::path::Path;

use tidegate_engine::{Error, Observer, Session};
use tidegate_sql::{Parameters, Script};

use crate::args::{GlobalArgs, SqlArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::observer::Reporter;
use crate::script::{ScriptText, parameters, session};
use crate::shell;
use crate::stop::Stop;

pub(crate) fn sql(global: &GlobalArgs, args: &SqlArgs, console: &Console) -> Result<(), Failure> {
    let parameters = parameters(&args.session)?;
    let text = match &args.command {
        Some(statements) => ScriptText::here("command line", statements.as_str()),
        None if io::stdin().is_terminal() => {
            let session = session(global, &args.session, parameters.clone(), Path::new("."))?;
            return shell::run(global, session, parameters, console);
        }
        None => ScriptText::standard_input()?,
    };
    run_text(global, args, parameters, &text, console)
}

/// Runs all statements; the first error ends it. Nothing runs if a statement cannot be parsed.
fn run_text(
    global: &GlobalArgs,
    args: &SqlArgs,
    parameters: Parameters,
    text: &ScriptText,
    console: &Console,
) -> Result<(), Failure> {
    let script = text.parse_whole(&parameters, console)?;
    let mut session = session(global, &args.session, parameters, &text.folder)?;
    let stop = Stop::on_signals().map_err(|error| Failure::Storage(format!("cannot listen for Ctrl-C: {error}")))?;
    let reporter = Reporter::new(console, &stop);
    let result = execute(&mut session, &script, &reporter);
    reporter.end();
    Ok(result?)
}

/// Runs statements one by one.
pub(crate) fn execute(session: &mut Session, script: &Script, observer: &dyn Observer) -> Result<(), Error> {
    for statement in &script.statements {
        session.execute(&script.source, statement, observer)?;
    }
    Ok(())
}
