//! The `tidegate` command: runs scripts, checks them, and looks after models.

mod args;
mod commands;
mod console;
mod failure;
mod flink;
mod observer;
mod render;
mod report;
mod script;
mod shell;
mod stop;

use std::process::ExitCode;

use args::Cli;
use render::error::report;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::read();
    let console = commands::console(&cli);
    match commands::dispatch(&cli, &console).and_then(|()| console.finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&console, &failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
