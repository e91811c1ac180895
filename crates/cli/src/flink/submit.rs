//! Submits programs to a cluster, one after the other.

use serde_json::json;

use super::jobs::is_id;
use super::program::{Mode, Program};
use super::rest::{Client, Refusal};
use super::watch::{Ended, Watch};
use super::{jar, jobs};
use crate::console::Console;
use crate::failure::Failure;
use crate::render::cell;
use crate::stop::Stop;

/// The class of the archive that runs a program.
const ENTRY_CLASS: &str = "tidegate.flink.job.Program";

/// How programs are submitted.
pub(crate) struct SubmitOptions {
    /// The state to begin with.
    pub(crate) savepoint: Option<String>,
    /// Whether state of the savepoint may find no place in the job.
    pub(crate) allow_dropped_state: bool,
    /// Do not wait for the job.
    pub(crate) detach: bool,
    /// Show each vertex.
    pub(crate) watch: bool,
}

/// Submits programs: each begins when the one before it has come to its end.
pub(crate) fn submit(
    client: &Client,
    jar: &std::path::Path,
    programs: &[Program],
    options: &SubmitOptions,
    console: &Console,
) -> Result<(), Failure> {
    if options.detach && programs.len() > 1 {
        let steps = programs.len();
        return Err(Failure::command(format!(
            "--detach: the script has {steps} steps, each of which begins when the one before it has ended"
        ))
        .with_help("leave --detach out, or submit the steps as scripts of their own"));
    }
    if options.savepoint.is_some() && programs.len() > 1 {
        return Err(Failure::command(format!(
            "--savepoint: the script has {} steps, and a savepoint is of one job",
            programs.len()
        )));
    }
    client.check_version()?;
    let jar = jar::on_cluster(client, jar)?;
    let stop = Stop::on_signals().map_err(|error| Failure::Storage(format!("cannot listen for Ctrl-C: {error}")))?;
    for (index, program) in programs.iter().enumerate() {
        let id = started(client, &jar, program, options)?;
        told(client, &id, program, (index + 1, programs.len()), console);
        if options.detach {
            return Ok(());
        }
        let watch = Watch { client, id: &id, name: &program.name, table: options.watch, console, stop: &stop };
        match watch.to_the_end()? {
            Ended::Finished => {}
            Ended::Canceled => {
                return Err(Failure::cluster(format!("job '{}' was cancelled", program.name)));
            }
            Ended::Detached => {
                left(client, &id, program, programs.len() - index - 1, console);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Starts a job and returns its id.
fn started(client: &Client, jar: &str, program: &Program, options: &SubmitOptions) -> Result<String, Failure> {
    let mut body = json!({ "entryClass": ENTRY_CLASS, "programArgsList": [json!(program).to_string()] });
    if let Some(savepoint) = &options.savepoint {
        body["savepointPath"] = json!(savepoint);
        body["allowNonRestoredState"] = json!(options.allow_dropped_state);
    }
    let path = format!("/jars/{}/run", super::rest::encoded(jar));
    let answer = client.try_post(&path, &body)?.map_err(|refusal| refused(client, program, &refusal))?;
    match answer["jobid"].as_str() {
        Some(id) if is_id(id) => Ok(id.to_string()),
        _ => Err(Failure::cluster(format!("Flink at {} took the job but names no id", client.url()))),
    }
}

/// A job that Flink does not take is a wrong script if its planner says why.
fn refused(client: &Client, program: &Program, refusal: &Refusal) -> Failure {
    let Refusal { status, reason } = refusal;
    match reason.is_of_data() {
        true => Failure::command(format!("Flink does not take '{}': {}", program.name, reason.message)),
        false => Failure::cluster(format!(
            "Flink at {} cannot start '{}' and answers {status}: {}",
            client.url(),
            program.name,
            reason.message
        )),
    }
}

fn told(client: &Client, id: &str, program: &Program, (step, steps): (usize, usize), console: &Console) {
    if console.json {
        let submitted = json!({ "job": id, "name": program.name, "mode": program.mode, "step": step, "steps": steps, "flink": client.url() });
        return console.print_tagged("submitted", submitted);
    }
    // The id is a result: what scripts go on with.
    console.print_line(id);
    if !console.quiet {
        let of = if steps > 1 { format!(" (step {step} of {steps})") } else { String::new() };
        console.note(format!("submitted '{}'{of} to {}", cell::printable(&program.name), client.url()));
    }
}

/// Says how a job that nobody waits for any more is looked after.
fn left(client: &Client, id: &str, program: &Program, steps_left: usize, console: &Console) {
    let url = client.url();
    if console.json {
        return console.print_tagged("detached", json!({ "job": id, "steps_left": steps_left }));
    }
    let end = match program.mode {
        Mode::Streaming => format!("`tidegate jobs stop {id} --flink {url}` stops it with a savepoint"),
        Mode::Batch => format!("`tidegate jobs cancel {id} --flink {url}` ends it"),
    };
    console.note(format!("the job goes on: {end}; `tidegate jobs show {id} --flink {url}` shows how it goes"));
    if steps_left > 0 {
        console.warn(&format!("the script's last {steps_left} steps are not submitted"));
    }
}

/// Why a job failed, as the error of the command.
pub(super) fn failure_of(client: &Client, id: &str, name: &str) -> Failure {
    let cause = jobs::failures(client, id).ok().and_then(|failures| failures.into_iter().next());
    match cause {
        Some((_, reason)) => {
            Failure::Job { name: name.to_string(), message: reason.message.clone(), of_data: reason.is_of_data() }
        }
        None => Failure::Job { name: name.to_string(), message: "Flink names no reason".to_string(), of_data: false },
    }
}

/// A path as every machine of a cluster is to understand it: one without a scheme is of this machine's files.
pub(crate) fn path_on_cluster(path: &std::path::Path) -> Result<String, Failure> {
    let text = path.display().to_string();
    if text.contains(":/") {
        return Ok(text);
    }
    let absolute = std::path::absolute(path).map_err(|error| Failure::Storage(format!("{text}: {error}")))?;
    Ok(absolute.display().to_string())
}

/// Puts settings of the command line over those of programs.
pub(crate) fn override_settings(programs: &mut [Program], settings: &[(String, String)]) {
    for program in programs {
        program.settings.extend(settings.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_whole() {
        let path = |text: &str| path_on_cluster(std::path::Path::new(text)).unwrap();
        assert_eq!(path("s3://bucket/savepoint-1"), "s3://bucket/savepoint-1");
        assert_eq!(path("file:/tmp/savepoint-1"), "file:/tmp/savepoint-1");
        assert_eq!(path("/tmp/savepoint-1"), "/tmp/savepoint-1");
        assert!(path("savepoint-1").starts_with('/'));
    }

    #[test]
    fn the_command_line_comes_last() {
        let program = json!({ "name": "a", "mode": "batch", "settings": { "x": "1", "y": "2" }, "inserts": [] });
        let mut programs = [serde_json::from_value(program).unwrap()];
        override_settings(&mut programs, &[("x".to_string(), "3".to_string())]);
        assert_eq!(json!(programs[0])["settings"], json!({ "x": "3", "y": "2" }));
    }
}
