//! `tidegate submit`: a script on a cluster of Apache Flink.

use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_engine::flink::Lowering;

use crate::args::{GlobalArgs, SubmitArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::flink::rest::Client;
use crate::flink::submit::{Steps, SubmitOptions, path_on_cluster};
use crate::flink::{self, jar};
use crate::observer::Reporter;
use crate::script::{ScriptText, config, parameters};
use crate::stop::Stop;

pub(crate) fn submit(global: &GlobalArgs, args: &SubmitArgs, console: &Console) -> Result<(), Failure> {
    let text = ScriptText::open(&args.script)?;
    let script;
    // A mistake is told before anything is asked of the cluster.
    let steps = match text.text.trim_start().starts_with(['{', '[']) {
        true => Steps::of_programs(&text.name, &text.text)?.with_settings(&settings(args)),
        false => {
            let parameters = parameters(&args.session)?;
            script = text.parse_whole(&parameters, console)?;
            let mut config = config(global, &args.session, parameters, &text.folder);
            config.settings = settings(args);
            Steps::Script(Box::new(Lowering::new(config, &script, &run_name())?))
        }
    };
    let client = Client::new(&args.flink)?;
    let jar = jar::find(args.jar.as_deref())?;
    let options = SubmitOptions {
        savepoint: args.savepoint.as_deref().map(path_on_cluster).transpose()?,
        allow_dropped_state: args.allow_dropped_state,
        detach: args.detach,
        watch: args.watch,
    };
    let stop = Stop::on_signals().map_err(|error| Failure::Storage(format!("cannot listen for Ctrl-C: {error}")))?;
    let reporter = Reporter::new(console, &stop);
    let submitted = flink::submit::submit(&client, &jar, steps, &options, (console, &reporter, &stop));
    reporter.end();
    submitted
}

/// A name that no other run has.
fn run_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("flink-{:x}-{:x}", since.as_nanos(), std::process::id())
}

/// The settings of the command line. An option for a setting comes after -s, and so wins.
fn settings(args: &SubmitArgs) -> Vec<(String, String)> {
    let parallelism = args.parallelism.map(|n| ("parallelism.default".to_string(), n.to_string()));
    let interval = args.checkpoint_interval.clone();
    let interval = interval.map(|interval| ("execution.checkpointing.interval".to_string(), interval));
    args.session.settings.iter().cloned().chain(parallelism).chain(interval).collect()
}
