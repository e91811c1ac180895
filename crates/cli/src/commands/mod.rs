//! The commands, one a file.

mod check;
mod cluster_jobs;
mod completions;
mod explain;
mod functions;
mod jobs;
mod models;
mod options;
mod reference;
mod report;
mod run;
pub(crate) mod sql;
mod submit;

use crate::args::{Cli, Command, OutputArgs};
use crate::console::Console;
use crate::failure::Failure;

/// The outputs as the command line wants them.
pub(crate) fn console(cli: &Cli) -> Console {
    let output = match &cli.command {
        Command::Run(args) => Some(&args.output),
        Command::Sql(args) => Some(&args.output),
        _ => None,
    };
    let quiet = match &cli.command {
        Command::Submit(args) => args.quiet,
        _ => output.is_some_and(|OutputArgs { quiet, .. }| *quiet),
    };
    let rows_max = output.map_or(0, |output| output.max_rows);
    Console::new(cli.global.json, quiet, rows_max, cli.global.color)
}

/// Runs the command.
pub(crate) fn dispatch(cli: &Cli, console: &Console) -> Result<(), Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Run(args) => run::run(global, args, console),
        Command::Submit(args) => submit::submit(global, args, console),
        Command::Check(args) => check::check(global, args, console),
        Command::Explain(args) => explain::explain(global, args, console),
        Command::Sql(args) => sql::sql(global, args, console),
        Command::Models(args) => models::models(global, args, console),
        Command::Report(args) => report::report(global, args, console),
        Command::Jobs(args) => jobs::jobs(global, args, console),
        Command::Options(args) => options::options(args, console),
        Command::Functions(args) => functions::functions(global, args, console),
        Command::Reference => reference::reference(console),
        Command::Completions { shell } => completions::completions(*shell, console),
    }
}
