//! A session: what a script has declared so far, and the statements that run in it.

mod check;
mod describe;
mod insert;
mod model;
mod place;
mod query;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig as DataFusionConfig, SessionContext};
use tidegate_options::{Options, resolve};
use tidegate_registry::Registry;
use tidegate_sql::settings::{PARAMETER_PREFIX, SETTINGS};
use tidegate_sql::{Located, Parameters, Source, Span, Statement};

use crate::batch::planner::TidegatePlanner;
use crate::catalog::models::Models;
use crate::checkpoint::JobFolder;
use crate::execution::Execution;
use crate::job::{Context, restart};
use crate::plan::relation::TableFunctions;
use crate::stream::compile::Setting;
use crate::stream::late_rows::{self, LateRows};
use crate::stream::train::TrainSetting;
use crate::types::FlinkTypes;
use crate::{Done, Error, Observer, Result};

pub(crate) use place::Place;

/// Where a session lives and what it begins with.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Relative paths of tables start here: the script's own folder.
    pub script_dir: PathBuf,
    /// Where Tidegate keeps what it keeps: `.tidegate`.
    pub home: PathBuf,
    /// Settings given from outside; they win over the script's.
    pub settings: Vec<(String, String)>,
    /// The script's parameters.
    pub parameters: Parameters,
}

/// The names that a session knows, for completion.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Tables and views.
    pub tables: Vec<String>,
    /// Models, declared and registered.
    pub models: Vec<String>,
    /// Functions.
    pub functions: Vec<String>,
    /// Settings.
    pub settings: Vec<String>,
}

/// What a table or view was declared with, for SHOW and DESCRIBE.
#[derive(Debug)]
struct Declared {
    /// The statement as written.
    text: String,
    /// The line that it begins on.
    line: u32,
    is_view: bool,
    table: Option<Arc<crate::catalog::table::ConnectorTable>>,
}

/// What a script has declared so far.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    /// What SET has set, in the order of the first time.
    set: Vec<(String, String)>,
    settings: Options,
    execution: Execution,
    threads: Arc<rayon::ThreadPool>,
    models: Arc<Models>,
    declared: BTreeMap<String, Declared>,
    checking: bool,
    /// Tables that jobs of the script write: they may not be there yet while it is checked.
    written: std::collections::BTreeSet<String>,
    jobs_run: usize,
    /// When the user asks a job to stop, its sources are ended.
    pub(crate) drain: bool,
}

impl Session {
    /// A session with nothing declared.
    ///
    /// # Errors
    /// A setting given from outside is unknown or wrong, or threads cannot be started.
    pub fn new(config: SessionConfig) -> Result<Self> {
        Self::build(config, false)
    }

    /// A session in which statements are checked and nothing runs.
    pub(crate) fn for_checking(config: SessionConfig) -> Result<Self> {
        Self::build(config, true)
    }

    fn build(config: SessionConfig, checking: bool) -> Result<Self> {
        let settings = resolved(&config.settings).map_err(|error| Error::Usage(error.to_string()))?;
        let registry = registry_path(&config, &settings);
        let models = Arc::new(Models::new(registry, checking));
        let threads = threads(&settings);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("tidegate-query")
            .enable_time()
            .build()?;
        let state = state(&settings, threads, &models)?;
        let context = SessionContext::new_with_state(state);
        crate::function::register(&context);
        let threads =
            rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("tidegate-{i}")).build();
        Ok(Self {
            set: config.settings.clone(),
            config,
            settings,
            execution: Execution::new(context, Arc::new(runtime)),
            threads: Arc::new(threads.map_err(|error| Error::Storage(error.to_string()))?),
            models,
            declared: BTreeMap::new(),
            checking,
            written: Default::default(),
            jobs_run: 0,
            drain: false,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// The registry of models.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn registry(&self) -> Result<&Registry> {
        self.models.registry().map(AsRef::as_ref)
    }

    /// The names that it knows, for completion.
    pub fn names(&self) -> Names {
        let mut models = self.models.declared_names();
        if let Ok(registered) = self.registry().and_then(|r| r.models().map_err(crate::catalog::models::storage)) {
            models.extend(registered.into_iter().map(|model| model.name));
        }
        models.sort();
        models.dedup();
        Names {
            tables: self.declared.keys().cloned().collect(),
            models,
            functions: self.function_names(),
            settings: SETTINGS.iter().map(|def| def.name.to_string()).collect(),
        }
    }

    /// Runs one statement outside of a script, as a shell does: a job has no history beyond its own run.
    ///
    /// # Errors
    /// Whatever is wrong with the statement, or goes wrong in it.
    pub fn execute(&mut self, source: &Source, statement: &Located, observer: &dyn Observer) -> Result<()> {
        let is_job = is_step(&statement.statement);
        if !is_job {
            return self.run(source, statement, observer, None);
        }
        let mut folder = JobFolder::passing(&self.checkpoints(), "shell")?;
        let result = self.run(source, statement, observer, Some((&mut folder, 0)));
        folder.end()?;
        result
    }

    /// Runs one statement; a job keeps its checkpoints in the folder, under the step's number.
    pub(crate) fn run(
        &mut self,
        source: &Source,
        located: &Located,
        observer: &dyn Observer,
        folder: Option<(&mut JobFolder, usize)>,
    ) -> Result<()> {
        let place = Place::new(source, located.span);
        let said = |message: String| observer.done(&Done::Statement { message });
        match &located.statement {
            Statement::Set { key, value } => said(self.set(&place, key, value)?),
            Statement::Reset { key } => said(self.reset(&place, key.as_deref())?),
            Statement::CreateTable(table) => said(self.create_table(&place, table)?),
            Statement::CreateView(view) => said(self.create_view(&place, view)?),
            Statement::CreateModel(model) => {
                let message = self.create_model(&place, model)?;
                match &model.query {
                    None => said(message),
                    Some(query) => {
                        let report = self.train_on_history(&place, model, query, observer, folder)?;
                        observer.done(&Done::Job(report));
                    }
                }
            }
            Statement::AlterModel(alter) => said(self.alter_model(&place, alter)?),
            Statement::Drop { kind, name, if_exists } => said(self.drop_object(&place, *kind, name, *if_exists)?),
            Statement::Insert(insert) => {
                let report = self.insert(&place, std::slice::from_ref(insert), observer, folder)?;
                observer.done(&Done::Job(report));
            }
            Statement::StatementSet(inserts) => {
                let report = self.insert(&place, inserts, observer, folder)?;
                observer.done(&Done::Job(report));
            }
            Statement::Query(query) => self.query(&place, query, observer)?,
            Statement::Explain(inner) => {
                let text = self.explain(source, inner)?;
                let lines = Arc::new(arrow::array::StringArray::from_iter(text.lines().map(Some))) as _;
                give(observer, RecordBatch::try_from_iter([("plan", lines)])?);
            }
            Statement::ShowSettings => give(observer, self.show_settings()?),
            Statement::Show(show) => give(observer, self.show(&place, show)?),
            Statement::Describe { kind, name, extended } => {
                give(observer, self.describe(&place, *kind, name, *extended)?);
            }
            Statement::DescribeAlgorithm(name) => give(observer, self.describe_algorithm(&place, name)?),
        }
        Ok(())
    }

    fn set(&mut self, place: &Place<'_>, key: &str, value: &str) -> Result<String> {
        // The parser has already taken in the default of a parameter.
        if let Some(parameter) = key.strip_prefix(PARAMETER_PREFIX) {
            return Ok(format!("parameter '{parameter}' set"));
        }
        if self.config.settings.iter().any(|(outer, _)| outer == key) {
            return Ok(format!("'{key}' stays as it was given from outside"));
        }
        let mut set = self.set.clone();
        set.retain(|(known, _)| known != key);
        set.push((key.to_string(), value.to_string()));
        self.apply(place, set)?;
        Ok(format!("'{key}' set"))
    }

    fn reset(&mut self, place: &Place<'_>, key: Option<&str>) -> Result<String> {
        let set = match key {
            None => self.config.settings.clone(),
            Some(key) => self.set.iter().filter(|(known, _)| known != key).cloned().collect(),
        };
        self.apply(place, set)?;
        Ok(key.map_or("all settings reset".to_string(), |key| format!("'{key}' reset")))
    }

    /// Makes settings take effect; what was declared stays.
    fn apply(&mut self, place: &Place<'_>, set: Vec<(String, String)>) -> Result<()> {
        let settings = resolved(&set).map_err(|error| place.refuse(error.to_string()))?;
        let registry = registry_path(&self.config, &settings);
        if registry != registry_path(&self.config, &self.settings) {
            self.models = Arc::new(self.models.with_registry(registry));
        }
        let threads = threads(&settings);
        let before = self.execution.context.state();
        let state = SessionStateBuilder::new_from_existing(before)
            // Not a new catalog: the old one has what was declared so far.
            .with_config(datafusion_config(threads).with_create_default_catalog_and_schema(false))
            .with_runtime_env(Arc::new(runtime_env(&settings)?.build()?))
            .with_relation_planners(vec![Arc::new(TableFunctions { models: Arc::clone(&self.models) })])
            .build();
        self.execution.context = SessionContext::new_with_state(state);
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("tidegate-{i}")).build();
        self.threads = Arc::new(pool.map_err(|error| Error::Storage(error.to_string()))?);
        (self.set, self.settings) = (set, settings);
        Ok(())
    }

    /// Whether a table or a view of this name was declared.
    pub(crate) fn is_declared(&self, name: &str) -> bool {
        self.declared.contains_key(name)
    }

    /// What SET has set, in the order of the first time.
    pub(crate) fn set_so_far(&self) -> &[(String, String)] {
        &self.set
    }

    /// `streaming`, `batch` or `automatic`.
    pub(crate) fn runtime_mode(&self) -> &str {
        self.settings.text("execution.runtime-mode")
    }

    /// The registry, opened or not.
    pub(crate) fn open_registry(&self) -> Arc<tidegate_training::OpenRegistry> {
        self.models.open_registry()
    }

    /// Tables that a job writes: they may not be there yet.
    pub(crate) fn note_written<'a>(&mut self, tables: impl Iterator<Item = &'a str>) {
        self.written.extend(tables.map(str::to_string));
    }

    /// The name that the script gives the job.
    pub(crate) fn job_name(&self) -> Option<String> {
        self.settings.text_opt("job.name").map(str::to_string)
    }

    /// `parallelism.default`, where it is set.
    pub(crate) fn parallelism(&self) -> Option<usize> {
        self.settings.int_opt("parallelism.default").map(|threads| threads as usize)
    }

    /// Names the job after its script.
    pub(crate) fn name_job(&mut self, name: &str) -> Result<()> {
        let mut set = self.set.clone();
        set.push(("job.name".to_string(), name.to_string()));
        self.settings = resolved(&set).map_err(|error| Error::Usage(error.to_string()))?;
        Ok(())
    }

    /// Where the jobs' folders are.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        match self.settings.text_opt("execution.checkpointing.dir") {
            Some(path) => self.config.script_dir.join(path),
            None => self.config.home.join("checkpoints"),
        }
    }

    /// Where savepoints go that nobody names a place for.
    fn savepoints(&self) -> PathBuf {
        let folder = match self.settings.text_opt("execution.checkpointing.savepoint-dir") {
            Some(path) => self.config.script_dir.join(path),
            None => self.config.home.join("savepoints"),
        };
        // Who asks for one may be in another folder.
        std::path::absolute(&folder).unwrap_or(folder)
    }

    /// What a job needs besides its plans.
    fn job_setting(&self, place: &Place<'_>, folder: &Path, key: &str) -> Result<Setting> {
        Ok(Setting {
            execution: self.execution.clone(),
            folder: folder.to_path_buf(),
            batch_rows: self.settings.int("execution.batch-size") as usize,
            shards: self.settings.int("execution.shards") as usize,
            state_ttl_ms: self.state_ttl_ms(),
            threads: Arc::clone(&self.threads),
            train: TrainSetting {
                models: Arc::clone(&self.models),
                key: key.to_string(),
                job: self.settings.text_opt("job.name").unwrap_or("job").to_string(),
                checking: self.checking,
            },
            allowed_lateness_ms: self.positive_duration("table.exec.emit.allow-lateness").map_or(0, milliseconds),
            early_ms: self.early_ms(place)?,
            late_rows: self.late_rows(place)?,
            memory_bytes_max: memory_bytes_max(&self.settings),
            views: self
                .declared
                .iter()
                .filter(|(_, declared)| declared.is_view)
                .map(|(name, declared)| (name.clone(), declared.line))
                .collect(),
            idle_after: self.positive_duration("table.exec.source.idle-timeout"),
            max_drift_ms: self.positive_duration("execution.watermark-alignment.max-drift").map(milliseconds),
            checkpoints_retained: self.settings.int("execution.checkpointing.num-retained") as usize,
            checking: self.checking,
        })
    }

    /// The interval of early results, if there are any.
    fn early_ms(&self, place: &Place<'_>) -> Result<Option<i64>> {
        if !self.settings.bool("table.exec.emit.early-fire.enabled") {
            return Ok(None);
        }
        match self.positive_duration("table.exec.emit.early-fire.delay").map(milliseconds) {
            Some(every) if every > 0 => Ok(Some(every)),
            _ => Err(place.refuse(
                "'table.exec.emit.early-fire.enabled' needs the interval of early results: SET 'table.exec.emit.early-fire.delay' \
                 = '1 min'",
            )),
        }
    }

    /// The table that late rows are written to.
    fn late_rows(&self, place: &Place<'_>) -> Result<Option<LateRows>> {
        let Some(name) = self.settings.text_opt("table.exec.late-rows.table") else { return Ok(None) };
        let Some(declared) = self.declared.get(name) else { return Err(self.no_such_table(place, name)) };
        let Some(table) = &declared.table else {
            return Err(place.refuse(format!("'{name}' is a view; late rows can be written to a table only")));
        };
        late_rows::check(name, &table.schema).map_err(|message| place.refuse(message))?;
        Ok(Some(LateRows { table: Arc::clone(table), declared: insert::plain_text(&declared.text) }))
    }

    /// What a job runs with that keeps its files in `folder`.
    fn job_context<'a>(
        &self,
        place: &Place<'_>,
        folder: PathBuf,
        key: String,
        observer: &'a dyn Observer,
    ) -> Result<Context<'a>> {
        Ok(Context {
            setting: self.job_setting(place, &folder, &key)?,
            key,
            folder,
            checkpoint_every: self.checkpoint_every(),
            retained: self.settings.int("execution.checkpointing.num-retained") as usize,
            savepoints: self.savepoints(),
            restart: Some(restart::Setting::new(&self.settings)),
            drain: self.drain,
            delete_on_stop: self.settings.text("execution.checkpointing.externalized-checkpoint-retention")
                == "DELETE_ON_CANCELLATION",
            run: None,
            streaming: self.must_stream_by_setting(),
            observer,
        })
    }

    fn checkpoint_every(&self) -> Duration {
        self.settings.duration("execution.checkpointing.interval").unwrap_or(Duration::from_secs(10))
    }

    /// How long keys of deduplication are kept; `None`: for ever.
    fn state_ttl_ms(&self) -> Option<i64> {
        self.positive_duration("table.exec.state.ttl").map(milliseconds)
    }

    /// A setting for which 0 means none.
    fn positive_duration(&self, setting: &str) -> Option<Duration> {
        self.settings.duration(setting).filter(|duration| !duration.is_zero())
    }

    fn must_stream_by_setting(&self) -> bool {
        self.settings.text("execution.runtime-mode") == "streaming"
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Whether a statement is a job, with a place in the history of its script.
pub(crate) fn is_step(statement: &Statement) -> bool {
    match statement {
        Statement::Insert(_) | Statement::StatementSet(_) => true,
        Statement::CreateModel(model) => model.query.is_some(),
        _ => false,
    }
}

fn give(observer: &dyn Observer, batch: RecordBatch) {
    observer.rows(&batch.schema(), &[batch]);
}

fn resolved(set: &[(String, String)]) -> Result<Options, tidegate_options::OptionError> {
    let own = set.iter().filter(|(key, _)| !key.starts_with(PARAMETER_PREFIX));
    resolve(&[SETTINGS], own.map(|(key, value)| (key.as_str(), value.as_str())))
}

fn registry_path(config: &SessionConfig, settings: &Options) -> PathBuf {
    match settings.text_opt("registry.path") {
        Some(path) => config.script_dir.join(path),
        None => config.home.join("registry"),
    }
}

fn threads(settings: &Options) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    settings.int_opt("parallelism.default").map_or(cores, |threads| threads as usize)
}

fn datafusion_config(threads: usize) -> DataFusionConfig {
    let mut config = DataFusionConfig::new().with_target_partitions(threads);
    let options = config.options_mut();
    // Names are as they are written, as in Flink.
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.collect_spans = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    // What columns mean to time is in their metadata, which execution plans do not keep as logical ones do.
    options.execution.skip_physical_aggregate_schema_check = true;
    // A view with ORDER BY may be what a model is trained on, and then the order is its meaning.
    options.sql_parser.enable_subquery_sort_elimination = false;
    // It makes `m['key']` over what ML_TRAIN gives ambiguous, and our scans make no use of it.
    options.optimizer.enable_leaf_expression_pushdown = false;
    config
}

fn runtime_env(settings: &Options) -> Result<RuntimeEnvBuilder> {
    Ok(RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes_max(settings)))))
}

fn memory_bytes_max(settings: &Options) -> usize {
    settings.bytes("execution.memory-limit").unwrap_or(1 << 30) as usize
}

fn state(settings: &Options, threads: usize, models: &Arc<Models>) -> Result<SessionState> {
    Ok(SessionStateBuilder::new()
        .with_config(datafusion_config(threads))
        .with_runtime_env(Arc::new(runtime_env(settings)?.build()?))
        .with_default_features()
        .with_query_planner(Arc::new(TidegatePlanner))
        .with_relation_planners(vec![Arc::new(TableFunctions { models: Arc::clone(models) })])
        .with_type_planner(Arc::new(FlinkTypes))
        .build())
}

impl std::fmt::Debug for Execution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Execution").finish_non_exhaustive()
    }
}

/// The whole of a statement, where nothing smaller is to blame.
impl<'a> Place<'a> {
    pub(crate) fn at(&self, span: Option<Span>) -> Self {
        Place::new(self.source, span.unwrap_or(self.span))
    }
}
