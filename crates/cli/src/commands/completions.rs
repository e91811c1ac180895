//! `tidegate completions`: what a shell needs to complete the command line.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::Cli;
use crate::console::Console;
use crate::failure::Failure;

pub(crate) fn completions(shell: Shell, console: &Console) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "tidegate", &mut script);
    console.print(|out| out.write_all(&script));
    Ok(())
}
