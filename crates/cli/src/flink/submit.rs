//! Submits programs to a cluster, one after the other.

use serde_json::json;
use tidegate_engine::Observer;
use tidegate_engine::flink::{Lowering, Mode, Program};

use super::jobs::is_id;
use super::rest::{Client, Refusal};
use super::watch::{Ended, Watch};
use super::{jar, jobs};
use crate::console::Console;
use crate::failure::Failure;
use crate::render::cell;
use crate::stop::Stop;

/// The class of the archive that runs a program.
const ENTRY_CLASS: &str = "tidegate.flink.job.Program";

/// What Flink names where a savepoint has state that a job has no place for.
const DROPPED_STATE: &str = "--allowNonRestoredState";

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

/// What is submitted, a step after the other.
pub(crate) enum Steps<'s> {
    /// Those of a script.
    Script(Box<Lowering<'s>>),
    /// Programs as they are.
    Programs(std::vec::IntoIter<Program>),
}

impl Steps<'_> {
    /// The programs that `tidegate explain --flink --json` prints, or a list of them.
    pub(crate) fn of_programs(name: &str, text: &str) -> Result<Self, Failure> {
        let unreadable = |error: serde_json::Error| {
            Failure::command(format!("{name} begins as a program does, but is none: {error}"))
                .with_help("tidegate explain --flink --json prints the programs of a script")
        };
        let programs: Vec<Program> = match text.trim_start().starts_with('[') {
            true => serde_json::from_str(text).map_err(unreadable)?,
            false => {
                serde_json::Deserializer::from_str(text).into_iter().collect::<Result<_, _>>().map_err(unreadable)?
            }
        };
        Ok(Self::Programs(programs.into_iter()))
    }

    /// Programs with settings that win over their own; a script has taken them already.
    pub(crate) fn with_settings(self, settings: &[(String, String)]) -> Self {
        match self {
            Self::Programs(programs) => {
                let with = |mut program: Program| {
                    program.settings.extend(settings.iter().cloned());
                    program
                };
                Self::Programs(programs.map(with).collect::<Vec<_>>().into_iter())
            }
            script @ Self::Script(_) => script,
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Script(script) => script.steps(),
            Self::Programs(programs) => programs.len(),
        }
    }

    fn next(&mut self, observer: &dyn Observer) -> Result<Option<Program>, Failure> {
        match self {
            Self::Script(script) => Ok(script.next_program(observer)?),
            Self::Programs(programs) => Ok(programs.next()),
        }
    }
}

/// Submits the steps of a script: each when the one before it has come to its end. What the script shows on the way goes to `observer`.
pub(crate) fn submit(
    client: &Client,
    jar: &std::path::Path,
    mut script: Steps<'_>,
    options: &SubmitOptions,
    (console, observer, stop): (&Console, &dyn Observer, &Stop),
) -> Result<(), Failure> {
    let steps = script.count();
    if options.detach && steps > 1 {
        return Err(Failure::command(format!(
            "--detach: the script has {steps} steps, each of which begins when the one before it has ended"
        ))
        .with_help("leave --detach out, or submit the steps as scripts of their own"));
    }
    if options.savepoint.is_some() && steps > 1 {
        return Err(Failure::command(format!(
            "--savepoint: the script has {steps} steps, and a savepoint is of one job"
        )));
    }
    client.check_version()?;
    let jar = jar::on_cluster(client, jar)?;
    let mut step = 0;
    while let Some(program) = script.next(observer)? {
        step += 1;
        let id = started(client, &jar, &program, options)?;
        told(client, &id, &program, (step, steps), console);
        if options.detach {
            return Ok(());
        }
        let watch = Watch { client, id: &id, name: &program.name, table: options.watch, console, stop };
        match watch.to_the_end()? {
            Ended::Finished => {}
            Ended::Canceled => {
                return Err(Failure::cluster(format!("job '{}' was cancelled", program.name)));
            }
            Ended::Detached => {
                left(client, &id, &program, steps - step, console);
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
        // In Flink's words, which are of another command.
        true if reason.message.contains(DROPPED_STATE) => {
            let message = format!("Flink does not take '{}': {}", program.name, reason.message);
            Failure::command(message).with_help("--allow-dropped-state drops what has no place in the script any more")
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_whole() {
        let path = |text: &str| path_on_cluster(std::path::Path::new(text)).unwrap();
        assert_eq!(path("s3://bucket/savepoint-1"), "s3://bucket/savepoint-1");
        assert_eq!(path("file:/saved/savepoint-1"), "file:/saved/savepoint-1");
        assert_eq!(path("/saved/savepoint-1"), "/saved/savepoint-1");
        assert!(path("savepoint-1").starts_with('/'));
    }
}
