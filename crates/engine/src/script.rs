//! A whole script: its statements in order, with one checkpoint history.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use tidegate_sql::{Located, Script, Statement};

use crate::checkpoint::{JobFolder, ScriptFacts, Start, StepFacts};
use crate::session::{Place, Session, is_step};
use crate::{Done, Error, JobReport, Observer, Progress, Result};

/// How a script is run.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Forget an interrupted run and begin anew.
    pub fresh: bool,
    /// Begin with the state of this savepoint, or go on from the checkpoint of this job's folder, though the script has changed.
    pub from: Option<PathBuf>,
    /// With `from`: state that has no place in the script any more is dropped.
    pub allow_dropped_state: bool,
    /// When the observer asks to stop, end the sources and let the job come to its end.
    pub drain: bool,
}

/// What a script did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ScriptReport {
    /// How many statements ran.
    pub statements: usize,
    /// Its jobs, in order.
    pub jobs: Vec<JobReport>,
    /// Whether it went on with an interrupted run.
    pub resumed: bool,
    /// From start to end, of this run, in seconds.
    #[serde(serialize_with = "crate::report::seconds")]
    pub elapsed: Duration,
}

/// What a check found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CheckReport {
    /// How many statements were checked.
    pub statements: usize,
    /// The jobs that would run.
    pub jobs: Vec<String>,
    /// What is not wrong but looks like a mistake.
    pub warnings: Vec<String>,
}

/// Runs a script. A run that was interrupted is gone on with: steps that are done are passed over, the one under way goes on
/// from its last checkpoint.
///
/// # Errors
/// The first statement that is wrong or fails.
pub fn run_script(
    session: &mut Session,
    script: &Script,
    options: &RunOptions,
    observer: &dyn Observer,
) -> Result<ScriptReport> {
    let began = Instant::now();
    for name in &script.unused_parameters {
        observer.warning(&format!("the parameter '{name}' is not used by {}", script.source.name));
    }
    // The whole script is looked at before any of it runs: a mistake at its end should not cost an hour.
    check_script(session, script)?;
    let collecting = Collecting { inner: observer, jobs: std::sync::Mutex::default() };
    let steps = script.statements.iter().any(|located| is_step(&located.statement));
    let mut folder = match steps {
        true => Some(open_folder(session, script, options)?),
        false => None,
    };
    let resumed = folder.as_ref().is_some_and(|folder| folder.steps_done() > 0);
    session.drain = options.drain;
    let mut step = 0;
    for (index, located) in script.statements.iter().enumerate() {
        collecting.statement(index, &summary(&located.statement));
        let Some(held) = folder.as_mut().filter(|_| is_step(&located.statement)) else {
            session.run(&script.source, located, &collecting, None)?;
            continue;
        };
        if step < held.steps_done() {
            // A model that was trained is declared all the same: later statements use it.
            if let Statement::CreateModel(model) = &located.statement {
                session.create_model(&Place::new(&script.source, located.span), model)?;
            }
            collecting.done(&Done::AlreadyDone { message: summary(&located.statement) });
        } else {
            let ran = session.run(&script.source, located, &collecting, Some((held, step)));
            if matches!(ran, Err(Error::Saved(_) | Error::Stopped { resumable: false }))
                && let Some(folder) = folder.take()
            {
                // A savepoint has all of it, or the user wants none of it.
                folder.end()?;
            }
            ran?;
        }
        step += 1;
    }
    if let Some(folder) = folder {
        folder.end()?;
    }
    Ok(ScriptReport {
        statements: script.statements.len(),
        jobs: collecting.jobs.into_inner().unwrap_or_default(),
        resumed,
        elapsed: began.elapsed(),
    })
}

/// Checks a script whole without running it: names, types, options, models, and whether its queries can run as they must.
///
/// # Errors
/// The first statement that is wrong.
pub fn check_script(session: &mut Session, script: &Script) -> Result<CheckReport> {
    let mut checking = Session::for_checking(session.config().clone())?;
    let mut report = CheckReport { statements: script.statements.len(), ..CheckReport::default() };
    report.warnings.extend(script.unused_parameters.iter().map(|name| format!("the parameter '{name}' is not used")));
    for located in &script.statements {
        if checking.check(&script.source, located)? {
            report.jobs.push(summary(&located.statement));
        }
    }
    Ok(report)
}

/// How the queries and jobs of a script would run.
///
/// # Errors
/// The first statement that is wrong.
pub fn explain_script(session: &mut Session, script: &Script) -> Result<String> {
    let mut checking = Session::for_checking(session.config().clone())?;
    let mut text = String::new();
    for located in &script.statements {
        let explained = match &located.statement {
            Statement::Query(_) | Statement::Insert(_) | Statement::StatementSet(_) => true,
            Statement::CreateModel(model) => model.query.is_some(),
            _ => false,
        };
        checking.check(&script.source, located)?;
        if explained {
            text += &format!("-- line {}: {}\n", located.span.start.line, summary(&located.statement));
            text += checking.explain(&script.source, located)?.trim_end();
            text += "\n\n";
        }
    }
    Ok(text)
}

fn open_folder(session: &mut Session, script: &Script, options: &RunOptions) -> Result<JobFolder> {
    // The folder is needed before the first statement runs: what the script says about it is looked up ahead.
    let mut name = std::path::Path::new(&script.source.name)
        .file_stem()
        .map_or_else(|| "job".to_string(), |stem| stem.to_string_lossy().into_owned());
    for located in &script.statements {
        if let Statement::Set { key, .. } = &located.statement
            && matches!(key.as_str(), "job.name" | "execution.checkpointing.dir")
        {
            session.run(&script.source, located, &crate::Silent, None)?;
        }
    }
    let named = session.job_name().is_some();
    match session.job_name() {
        Some(given) => name = given,
        None => session.name_job(&name)?,
    }
    let mut safe: String =
        name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' }).collect();
    if !named {
        // Many a script is called job.sql: its folder tells one from another.
        let dir = std::path::absolute(&session.config().script_dir)?;
        safe += &format!("-{:08x}", fnv1a(dir.to_string_lossy().bytes()) as u32);
    }
    let path = session.checkpoints().join(safe.trim_start_matches('.'));
    let start = match &options.from {
        Some(path) => Start::From { path, allow_dropped: options.allow_dropped_state, fresh: options.fresh },
        None if options.fresh => Start::Fresh,
        None => Start::Resume,
    };
    JobFolder::open(&path, &name, facts(session, script), start)
}

/// What of a script matters to its checkpoints.
fn facts(session: &Session, script: &Script) -> ScriptFacts {
    let config = session.config();
    let step = |located: &Located| StepFacts {
        summary: summary(&located.statement),
        writes: match &located.statement {
            Statement::Insert(insert) => vec![insert.table.value.clone()],
            Statement::StatementSet(inserts) => inserts.iter().map(|insert| insert.table.value.clone()).collect(),
            Statement::CreateModel(model) => vec![model.name.value.clone()],
            _ => Vec::new(),
        },
    };
    ScriptFacts {
        name: script.source.name.to_string(),
        text: script.source.text.to_string(),
        parameters: config.parameters.given().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        settings: config.settings.clone(),
        steps: script.statements.iter().filter(|located| is_step(&located.statement)).map(step).collect(),
    }
}

/// FNV-1a, 64 bits: the same in every version of this program, which the standard library's hashes do not promise.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A statement in a few words.
pub(crate) fn summary(statement: &Statement) -> String {
    match statement {
        Statement::Set { key, .. } => format!("SET '{key}'"),
        Statement::ShowSettings => "SET".into(),
        Statement::Reset { .. } => "RESET".into(),
        Statement::CreateTable(create) => format!("CREATE TABLE {}", create.name.value),
        Statement::CreateView(create) => format!("CREATE VIEW {}", create.name.value),
        Statement::CreateModel(create) => format!("CREATE MODEL {}", create.name.value),
        Statement::AlterModel(alter) => format!("ALTER MODEL {}", alter.name.value),
        Statement::Drop { name, .. } => format!("DROP {}", name.value),
        Statement::Describe { name, .. } | Statement::DescribeAlgorithm(name) => format!("DESCRIBE {}", name.value),
        Statement::Show(_) => "SHOW".into(),
        Statement::Insert(insert) => format!("INSERT INTO {}", insert.table.value),
        Statement::StatementSet(inserts) => {
            let tables: Vec<&str> = inserts.iter().map(|insert| insert.table.value.as_str()).collect();
            format!("INSERT INTO {}", tables.join(", "))
        }
        Statement::Query(_) => "SELECT".into(),
        Statement::Explain(inner) => format!("EXPLAIN {}", summary(&inner.statement)),
    }
}

/// Passes everything on, and keeps the reports of jobs.
struct Collecting<'a> {
    inner: &'a dyn Observer,
    jobs: std::sync::Mutex<Vec<JobReport>>,
}

impl Observer for Collecting<'_> {
    fn statement(&self, index: usize, summary: &str) {
        self.inner.statement(index, summary);
    }

    fn progress(&self, progress: &Progress) {
        self.inner.progress(progress);
    }

    fn rows(&self, schema: &arrow::datatypes::SchemaRef, batches: &[arrow::array::RecordBatch]) {
        self.inner.rows(schema, batches);
    }

    fn warning(&self, message: &str) {
        self.inner.warning(message);
    }

    fn done(&self, done: &Done) {
        if let (Done::Job(report), Ok(mut jobs)) = (done, self.jobs.lock()) {
            jobs.push(report.clone());
        }
        self.inner.done(done);
    }

    fn should_stop(&self) -> bool {
        self.inner.should_stop()
    }
}
