//! `tidegate submit`: a script on a cluster of Apache Flink.

use crate::args::SubmitArgs;
use crate::console::Console;
use crate::failure::Failure;
use crate::flink::program::programs_of;
use crate::flink::rest::Client;
use crate::flink::submit::{SubmitOptions, override_settings, path_on_cluster};
use crate::flink::{self, jar};
use crate::script::ScriptText;

pub(crate) fn submit(args: &SubmitArgs, console: &Console) -> Result<(), Failure> {
    let client = Client::new(&args.flink)?;
    let text = ScriptText::open(&args.script)?;
    let mut programs = programs_of(&text)?;
    override_settings(&mut programs, &settings(args));
    let jar = jar::find(args.jar.as_deref())?;
    let options = SubmitOptions {
        savepoint: args.savepoint.as_deref().map(path_on_cluster).transpose()?,
        allow_dropped_state: args.allow_dropped_state,
        detach: args.detach,
        watch: args.watch,
    };
    flink::submit::submit(&client, &jar, &programs, &options, console)
}

/// The settings of the command line. An option for a setting comes after -s, and so wins.
fn settings(args: &SubmitArgs) -> Vec<(String, String)> {
    let parallelism = args.parallelism.map(|n| ("parallelism.default".to_string(), n.to_string()));
    let interval = args.checkpoint_interval.clone();
    let interval = interval.map(|interval| ("execution.checkpointing.interval".to_string(), interval));
    args.session.settings.iter().cloned().chain(parallelism).chain(interval).collect()
}
