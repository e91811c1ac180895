//! SQL logic tests: each file of `slt/` says what its statements give, and must give it however it is run.
//!
//! A file is run with several batch sizes, threads and shards, and with every job stopped after each few rounds and resumed,
//! in the same script and in one that has changed.
//! Tables write to a folder of the run's own. A new file is made by writing its statements and looking at what they give.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use sqllogictest::{DBOutput, DefaultColumnType, Runner};
use tempfile::TempDir;
use tidegate_engine::{Error, Observer, RunOptions, Session, SessionConfig, run_script};
use tidegate_sql::{Parameters, Statement, parse_script};
use tidegate_tests::data::repository;

/// A way to run a file.
#[derive(Debug, Clone, Copy)]
struct Way {
    batch_size: usize,
    threads: usize,
    shards: usize,
    /// Jobs are stopped after so many rounds, again and again until they end.
    stop_every: Option<usize>,
    /// The script is another one each time that a job is resumed, so that state is matched with what it is of.
    changes: bool,
}

const WAYS: [Way; 7] = [
    Way { batch_size: 8192, threads: 2, shards: 16, stop_every: None, changes: false },
    Way { batch_size: 1, threads: 1, shards: 1, stop_every: None, changes: false },
    Way { batch_size: 7, threads: 4, shards: 16, stop_every: None, changes: false },
    Way { batch_size: 8192, threads: 1, shards: 1, stop_every: Some(1), changes: false },
    Way { batch_size: 1, threads: 2, shards: 16, stop_every: Some(3), changes: false },
    Way { batch_size: 7, threads: 4, shards: 1, stop_every: Some(1), changes: false },
    Way { batch_size: 100, threads: 2, shards: 4, stop_every: Some(2), changes: true },
];

/// Keeps the rows of a result, and asks to stop every so many times that it is looked at, which is once a round.
#[derive(Default)]
struct Watcher {
    schema: RefCell<Option<SchemaRef>>,
    batches: RefCell<Vec<RecordBatch>>,
    stop_every: Option<usize>,
    rounds: Cell<usize>,
}

impl Observer for Watcher {
    fn rows(&self, schema: &SchemaRef, batches: &[RecordBatch]) {
        *self.schema.borrow_mut() = Some(schema.clone());
        self.batches.borrow_mut().extend_from_slice(batches);
    }

    fn should_stop(&self) -> bool {
        self.rounds.set(self.rounds.get() + 1);
        self.stop_every.is_some_and(|every| self.rounds.get().is_multiple_of(every))
    }
}

/// The engine, as the runner of these files wants a database.
struct Engine {
    way: Way,
    config: SessionConfig,
    session: Session,
    /// What was declared so far: each statement is read behind it, and a job that is resumed declares it again.
    declared: String,
    _folder: TempDir,
}

impl Engine {
    fn new(way: Way) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let setting = |key: &str, value: usize| (key.to_string(), value.to_string());
        let config = SessionConfig {
            script_dir: folder.path().to_path_buf(),
            home: folder.path().join("home"),
            settings: vec![
                setting("execution.batch-size", way.batch_size),
                setting("parallelism.default", way.threads),
                setting("execution.shards", way.shards),
            ],
            parameters: Parameters::default(),
        };
        let session = Session::new(config.clone()).expect("a session");
        Self { way, config, session, declared: String::new(), _folder: folder }
    }

    /// Runs a script as `tidegate run` does, and again as often as it is stopped.
    fn run_stopped(&self, text: &str, every: usize) -> Result<(), Error> {
        // Each time a round or more is done, so it comes to an end.
        for attempt in 0..100_000 {
            let watcher = Watcher { stop_every: Some(every), ..Watcher::default() };
            let mut session = Session::new(self.config.clone())?;
            let remark = if self.way.changes { format!("-- attempt {attempt}\n") } else { String::new() };
            let script = parse_script("test.slt", &format!("{text}{remark}"), &Parameters::default())?;
            let from = self.interrupted().filter(|_| self.way.changes && attempt > 0);
            let options = RunOptions { fresh: attempt == 0, from, ..RunOptions::default() };
            match run_script(&mut session, &script, &options, &watcher) {
                Err(Error::Stopped { resumable: true }) => {}
                other => return other.map(drop),
            }
        }
        panic!("it does not come to an end")
    }

    /// The folder of a job that has a checkpoint.
    fn interrupted(&self) -> Option<PathBuf> {
        let pattern = self.config.home.join("checkpoints/*/step-*/checkpoint");
        let found = glob::glob(pattern.to_str().expect("UTF-8")).expect("a pattern").find_map(Result::ok)?;
        found.ancestors().nth(2).map(Path::to_path_buf)
    }
}

impl sqllogictest::DB for Engine {
    type Error = Error;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Error> {
        let text = format!("{}{};\n", self.declared, sql.trim_end_matches(';'));
        let script = parse_script("test.slt", &text, &Parameters::default())?;
        let Some(located) = script.statements.last() else { return Ok(DBOutput::StatementComplete(0)) };
        let watcher = Watcher::default();
        match (&located.statement, self.way.stop_every) {
            (Statement::Insert(_) | Statement::StatementSet(_), Some(every)) => self.run_stopped(&text, every)?,
            _ => self.session.execute(&script.source, located, &watcher)?,
        }
        let declares = match &located.statement {
            Statement::CreateModel(model) => model.query.is_none(),
            Statement::CreateTable(_) | Statement::CreateView(_) | Statement::Set { .. } => true,
            Statement::Reset { .. } | Statement::Drop { .. } => true,
            _ => false,
        };
        if declares {
            self.declared = text;
        }
        let schema = watcher.schema.into_inner();
        let batches = watcher.batches.into_inner();
        Ok(match schema {
            None => DBOutput::StatementComplete(0),
            Some(schema) => DBOutput::Rows {
                types: schema.fields().iter().map(|field| column_type(field.data_type())).collect(),
                rows: batches.iter().flat_map(rows).collect(),
            },
        })
    }

    fn engine_name(&self) -> &str {
        "tidegate"
    }
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        data_type if data_type.is_integer() => DefaultColumnType::Integer,
        data_type if data_type.is_floating() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Text,
    }
}

fn rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    (0..batch.num_rows()).map(|row| batch.columns().iter().map(|column| value(column, row)).collect()).collect()
}

/// A value as the files have it: floats to twelve digits, so that they can be written down.
fn value(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_string();
    }
    if let Some(numbers) = column.as_primitive_opt::<Float64Type>() {
        let rounded: f64 = format!("{:.11e}", numbers.value(row)).parse().expect("a number that was just written");
        return format!("{rounded}");
    }
    let options = FormatOptions::default().with_null("NULL");
    let text = ArrayFormatter::try_new(column, &options).expect("a type that can be shown").value(row).to_string();
    if text.is_empty() { "(empty)".to_string() } else { text }
}

fn run_file(path: &Path, way: Way) -> Result<(), String> {
    let mut runner = Runner::new(|| async move { Ok::<_, Error>(Engine::new(way)) });
    runner.run_file(path).map_err(|error| format!("{way:?}\n{}", error.display(false)))
}

#[test]
fn every_file_gives_the_same_however_it_is_run() {
    let pattern = repository().join("tests/slt/**/*.slt");
    let files: Vec<_> =
        glob::glob(pattern.to_str().expect("UTF-8")).expect("a pattern").map(|path| path.expect("a path")).collect();
    assert!(files.len() >= 10, "{} files", files.len());
    // Whoever writes one file need not wait for all.
    let only = std::env::var("TIDEGATE_SLT").unwrap_or_default();
    let files: Vec<_> = files.iter().filter(|file| file.to_string_lossy().contains(&only)).collect();
    assert!(!files.is_empty(), "there is no file '{only}'");
    let wrong: Vec<String> =
        files.iter().flat_map(|file| WAYS.map(|way| run_file(file, way))).filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{} of {} runs differ:\n{}", wrong.len(), files.len() * WAYS.len(), wrong.join("\n"));
}
