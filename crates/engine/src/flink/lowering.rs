//! The way through a script: what declares is kept, what shows runs here, and each step becomes a [`Program`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use datafusion::logical_expr::LogicalPlan;
use tidegate_ml::metric::REPORTS;
use tidegate_sql::call::{ArgValue, TableFunction};
use tidegate_sql::flink::{Replace, create_table, lower_query, quoted};
use tidegate_sql::sqlparser::ast::{Query, TableFactor};
use tidegate_sql::{CreateModel, CreateView, Insert, Located, ObjectKind, Script, Source, Span};

use super::operator::{self, Order, RunFacts, Unsupported};
use super::program::{Mode, Operator, Program, Statement};
use super::table;
use crate::catalog::bad_rows::BadRows;
use crate::catalog::table::ConnectorTable;
use crate::plan::node::{PredictNode, ReportNode, TrainNode};
use crate::plan::relation::TRAINS;
use crate::session::{Place, Session, SessionConfig};
use crate::stream::compile::tables;
use crate::{Error, Observer, Result, Silent};

/// Something that programs may need: a table, a view, an operator.
#[derive(Debug, Clone)]
struct Kept {
    name: String,
    /// The relations that it reads.
    needs: BTreeSet<String>,
    statement: Statement,
}

/// A script on its way to Flink.
#[derive(Debug)]
pub struct Lowering<'s> {
    session: Session,
    script: &'s Script,
    /// The statement that comes next.
    next: usize,
    /// How many steps there have been.
    steps: usize,
    kept: Vec<Kept>,
    /// The tables of Flink's own connectors, which are read by several tasks.
    partitioned: BTreeSet<String>,
    /// What a job is called that has no name: a SET of anything forgets the one that the session was given.
    unnamed: String,
    /// Names the run: versions registered twice under it are one.
    run: String,
    /// Only show what would run.
    explaining: bool,
}

impl<'s> Lowering<'s> {
    /// Checks the script whole. `run` names this run, and no other.
    ///
    /// # Errors
    /// The first statement that is wrong, or that Flink cannot run.
    pub fn new(config: SessionConfig, script: &'s Script, run: &str) -> Result<Self> {
        explain_for_flink(config.clone(), script)?;
        Self::begin(Session::new(config)?, script, run, false)
    }

    fn begin(mut session: Session, script: &'s Script, run: &str, explaining: bool) -> Result<Self> {
        let stem = std::path::Path::new(&script.source.name).file_stem();
        let unnamed = stem.map_or_else(|| "job".to_string(), |stem| stem.to_string_lossy().into_owned());
        if session.job_name().is_none() {
            session.name_job(&unnamed)?;
        }
        Ok(Self {
            session,
            unnamed,
            script,
            next: 0,
            steps: 0,
            kept: Vec::new(),
            partitioned: BTreeSet::new(),
            run: run.to_string(),
            explaining,
        })
    }

    /// How many steps the script has: jobs, one after the other.
    pub fn steps(&self) -> usize {
        self.script.statements.iter().filter(|located| crate::session::is_step(&located.statement)).count()
    }

    /// Goes on to the next step, which is to run when the ones before it are done. What shows something on the way runs here; its rows go
    /// to `observer`. `None`: the script is at its end.
    ///
    /// # Errors
    /// A statement is wrong, fails, or cannot run in Flink.
    pub fn next_program(&mut self, observer: &dyn Observer) -> Result<Option<Program>> {
        let script = self.script;
        while let Some(located) = script.statements.get(self.next) {
            self.next += 1;
            if let Some(program) = self.statement(&script.source, located, observer)? {
                self.steps += 1;
                return Ok(Some(program));
            }
        }
        Ok(None)
    }

    fn statement(&mut self, source: &Source, located: &Located, observer: &dyn Observer) -> Result<Option<Program>> {
        use tidegate_sql::Statement as S;
        let place = Place::new(source, located.span);
        match &located.statement {
            S::CreateTable(create) => {
                self.session.run(source, located, &Silent, None)?;
                let job = self.job_name();
                let options = table::options(create, &self.session.config().script_dir, &self.step_key(), &job);
                if !table::is_our_own(create) {
                    self.partitioned.insert(create.name.value.clone());
                }
                let text = create_table(create, &options);
                self.keep(&create.name.value, BTreeSet::new(), Statement::Sql(text));
            }
            S::CreateView(create) => {
                self.view(&place, create)?;
                self.session.run(source, located, &Silent, None)?;
            }
            S::CreateModel(create) => {
                self.session.create_model(&place, create)?;
                if let Some(query) = &create.query {
                    return self.history(&place, create, query).map(Some);
                }
            }
            S::Insert(insert) => return self.inserts(&place, std::slice::from_ref(insert)).map(Some),
            S::StatementSet(inserts) => return self.inserts(&place, inserts).map(Some),
            S::Drop { kind, name, .. } => {
                self.session.run(source, located, &Silent, None)?;
                if *kind != ObjectKind::Model {
                    self.kept.retain(|kept| kept.name != name.value);
                }
            }
            S::Query(query) => {
                let plan = self.session.plan(&place, query)?;
                if crate::stream::compile::must_stream(&plan)? {
                    return Err(place.refuse_with_help(
                        "a SELECT cannot show the rows of a stream that runs in Flink",
                        "INSERT the rows into a table, and SELECT from that",
                    ));
                }
                if !self.explaining {
                    self.session.run(source, located, observer, None)?;
                }
            }
            S::Explain(_) | S::Show(_) | S::ShowSettings | S::Describe { .. } | S::DescribeAlgorithm(_)
                if self.explaining => {}
            S::AlterModel(_) if self.explaining => {
                self.session.check(source, located)?;
            }
            _ => self.session.run(source, located, observer, None)?,
        }
        Ok(None)
    }

    fn keep(&mut self, name: &str, needs: BTreeSet<String>, mut statement: Statement) {
        if let Statement::Operator(operator) = &mut statement {
            // Its state is found again by its name, which therefore nothing else has.
            let stem = std::mem::take(&mut operator.name);
            let is_free = |name: &String| {
                let same = |kept: &Kept| matches!(&kept.statement, Statement::Operator(other) if &other.name == name);
                !self.kept.iter().any(same)
            };
            let mut numbered = (2..).map(|number| format!("{stem} {number}"));
            operator.name = Some(stem.clone()).filter(is_free).or_else(|| numbered.find(is_free)).unwrap_or(stem);
        }
        self.kept.retain(|kept| kept.name != name);
        self.kept.push(Kept { name: name.to_string(), needs, statement });
    }

    fn view(&mut self, place: &Place<'_>, create: &CreateView) -> Result<()> {
        let mut query = create.query.as_ref().clone();
        let needs = self.lower(place, &mut query)?;
        let columns: Vec<String> = create.columns.iter().map(|column| quoted(&column.value)).collect();
        let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
        let name = &create.name.value;
        let text = format!("CREATE TEMPORARY VIEW {}{columns} AS\n{query}", quoted(name));
        self.keep(name, needs, Statement::Sql(text));
        Ok(())
    }

    /// Lowers a query in place; operators in it are kept. Gives the relations that it reads.
    fn lower(&mut self, place: &Place<'_>, query: &mut Query) -> Result<BTreeSet<String>> {
        let key = self.step_key();
        let mut calls = Calls { lowering: self, place, key };
        lower_query(query, &mut calls)
    }

    fn job_name(&self) -> String {
        self.session.job_name().unwrap_or_else(|| self.unnamed.clone())
    }

    /// How many threads a task may have.
    fn threads(&self) -> usize {
        self.session.parallelism().unwrap_or(1)
    }

    /// What versions of this step are registered under.
    fn step_key(&self) -> String {
        format!("{}-{}", self.run, self.steps)
    }

    /// A name that nothing has yet.
    fn free_name(&self, stem: &str) -> String {
        let taken = |name: &String| self.kept.iter().any(|kept| &kept.name == name) || self.session.is_declared(name);
        (1..).map(|number| format!("{stem}_{number}")).find(|name| !taken(name)).unwrap_or_default()
    }

    fn inserts(&mut self, place: &Place<'_>, inserts: &[Insert]) -> Result<Program> {
        if let Some(lost) = table::lost(self.session.set_so_far()) {
            return Err(refuse(place, lost));
        }
        let (mut texts, mut needs, mut bounded) = (Vec::new(), BTreeSet::new(), true);
        for insert in inserts {
            let place = place.at(Some(insert.span));
            // What is wrong is told in our words, with its place.
            let planned = self.session.plan_insert(&place, insert)?;
            check_functions(&place, &planned.plan)?;
            bounded &= self.is_bounded(&planned.plan)?;
            let mut query = insert.query.as_ref().clone();
            needs.extend(self.lower(&place, &mut query)?);
            needs.insert(insert.table.value.clone());
            texts.push(insert_text(insert, &query));
        }
        let tables: Vec<&str> = inserts.iter().map(|insert| insert.table.value.as_str()).collect();
        self.session.note_written(tables.iter().copied());
        self.program(&format!("INSERT INTO {}", tables.join(", ")), bounded, needs, texts)
    }

    fn history(&mut self, place: &Place<'_>, create: &CreateModel, query: &Query) -> Result<Program> {
        let name = &create.name.value;
        let (entry, plan, columns) = self.session.plan_history(place, create, query)?;
        check_functions(place, &plan)?;
        let mut lowered = query.clone();
        let needs = self.lower(place, &mut lowered)?;
        let (view, done) = (self.free_name("create_model"), self.free_name("done"));
        let registry = self.registry()?;
        let key = self.step_key();
        let job = self.job_name();
        let threads = self.threads();
        let run = RunFacts { registry: &registry, key: &key, job: &job, threads };
        let order = self.order(&plan)?;
        let operator = operator::history(&entry, &plan, &columns, (view.clone(), lowered.to_string()), order, &run)
            .map_err(|unsupported| refuse(place, unsupported))?;
        self.keep(&view, needs, Statement::Operator(Box::new(operator)));
        // A job needs a sink; the operator gives no rows.
        let nothing = format!("CREATE TEMPORARY TABLE {} (`row` INT) WITH ('connector' = 'blackhole')", quoted(&done));
        self.keep(&done, BTreeSet::new(), Statement::Sql(nothing));
        let insert = format!("INSERT INTO {} SELECT 1 FROM {}", quoted(&done), quoted(&view));
        let bounded = self.is_bounded(&plan)?;
        self.program(&format!("CREATE MODEL {name}"), bounded, [view, done].into_iter().collect(), vec![insert])
    }

    fn is_bounded(&self, plan: &LogicalPlan) -> Result<bool> {
        let tables = tables(plan)?;
        Ok(tables.iter().filter_map(|table| table.downcast_ref::<ConnectorTable>()).all(|t| t.table.is_bounded()))
    }

    /// The order in which rows come to what learns from them.
    fn order(&self, plan: &LogicalPlan) -> Result<Order> {
        let tables = tables(plan)?;
        let mut tables = tables.iter().filter_map(|table| table.downcast_ref::<ConnectorTable>());
        let is_partitioned = tables.any(|table| self.partitioned.contains(&table.name));
        Ok(if is_partitioned { Order::OfEventTime } else { Order::OfSources })
    }

    /// The folder of the registry, which is there from now on.
    fn registry(&self) -> Result<PathBuf> {
        let registry = self.session.open_registry();
        if !self.explaining {
            registry.open()?;
        }
        Ok(std::path::absolute(registry.path())?)
    }

    /// A job, with what it needs of what was declared.
    fn program(&self, what: &str, bounded: bool, needs: BTreeSet<String>, inserts: Vec<String>) -> Result<Program> {
        let mode = match self.session.runtime_mode() {
            "streaming" => Mode::Streaming,
            _ if bounded => Mode::Batch,
            _ => Mode::Streaming,
        };
        let needed = self.needed(needs);
        let in_order = self.below_training(&needed);
        let statements = needed
            .iter()
            .map(|kept| match &kept.statement {
                Statement::Operator(operator) => Statement::Operator(Box::new(Operator {
                    in_order: operator.in_order || in_order.contains(&kept.name),
                    event_time: operator.event_time.clone().filter(|_| mode == Mode::Streaming),
                    ..operator.as_ref().clone()
                })),
                sql => sql.clone(),
            })
            .collect();
        let job = self.job_name();
        let mut settings = table::settings(self.session.set_so_far(), &self.session.config().script_dir);
        if needed.iter().any(|kept| self.partitioned.contains(&kept.name)) {
            table::let_partitions_be_idle(&mut settings);
        }
        Ok(Program { name: format!("{job}: {what}"), mode, settings, statements, inserts })
    }

    /// What was kept of these names, and of what they need, in the order of the script.
    fn needed(&self, names: BTreeSet<String>) -> Vec<&Kept> {
        let by_name: BTreeMap<&str, &Kept> = self.kept.iter().map(|kept| (kept.name.as_str(), kept)).collect();
        let (mut found, mut open) = (BTreeSet::new(), names.into_iter().collect::<Vec<_>>());
        while let Some(name) = open.pop() {
            if let Some(kept) = by_name.get(name.as_str())
                && found.insert(name)
            {
                open.extend(kept.needs.iter().cloned());
            }
        }
        self.kept.iter().filter(|kept| found.contains(&kept.name)).collect()
    }

    /// The relations from which something learns: their rows have to come in order.
    fn below_training(&self, needed: &[&Kept]) -> BTreeSet<String> {
        let learns = |kept: &&&Kept| matches!(&kept.statement, Statement::Operator(operator) if operator.in_order);
        let needs = needed.iter().filter(learns).flat_map(|kept| kept.needs.iter().cloned()).collect();
        self.needed(needs).into_iter().map(|kept| kept.name.clone()).collect()
    }
}

/// Refuses functions that Flink does not have.
fn check_functions(place: &Place<'_>, plan: &LogicalPlan) -> Result<()> {
    match crate::function::unknown_to_flink(plan)? {
        None => Ok(()),
        Some(function) => Err(place.refuse_with_help(
            format!("{function} in a query does not run in Flink"),
            "make the feature in the model's TRANSFORM, or run the script embedded",
        )),
    }
}

/// How the steps of a script would run in Flink.
///
/// # Errors
/// The first statement that is wrong, or that Flink cannot run.
pub fn explain_for_flink(config: SessionConfig, script: &Script) -> Result<Vec<Program>> {
    let mut lowering = Lowering::begin(Session::for_checking(config)?, script, "run", true)?;
    let mut programs = Vec::new();
    while let Some(program) = lowering.next_program(&Silent)? {
        programs.push(program);
    }
    Ok(programs)
}

fn insert_text(insert: &Insert, query: &Query) -> String {
    let verb = if insert.overwrite { "INSERT OVERWRITE" } else { "INSERT INTO" };
    let columns: Vec<String> = insert.columns.iter().map(|column| quoted(&column.value)).collect();
    let columns = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    format!("{verb} {}{columns}\n{query}", quoted(&insert.table.value))
}

fn refuse(place: &Place<'_>, unsupported: Unsupported) -> Error {
    place.refuse_with_help(unsupported.message, unsupported.help)
}

/// The calls of a query: ML functions become operators.
struct Calls<'l, 's, 'p> {
    lowering: &'l mut Lowering<'s>,
    place: &'p Place<'p>,
    key: String,
}

impl Calls<'_, '_, '_> {
    /// The query of INPUT, and the relations that it reads.
    fn input(&mut self, call: &TableFunction) -> Result<(String, BTreeSet<String>)> {
        let table = call.args.iter().find_map(|argument| match &argument.value {
            ArgValue::Table(table) => Some(table),
            _ => None,
        });
        let Some(table) = table else {
            return Err(self.place.at(Some(call.span)).refuse("expected a table"));
        };
        match &table.name {
            Some(name) => {
                let plain = name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.clone());
                Ok((format!("SELECT * FROM {name}"), plain.collect()))
            }
            None => {
                // It is lowered already: what it reads is asked for once more.
                let mut query = table.query.as_ref().clone();
                let needs = lower_query(&mut query, &mut Nothing)?;
                Ok((table.query.to_string(), needs))
            }
        }
    }

    fn check_trained(&self, place: &Place<'_>, predict: &PredictNode) -> Result<()> {
        match predict.model.0.stands_in && !self.lowering.explaining {
            true => Err(place.refuse_with_help(
                format!("model '{}' has no version yet", predict.model.0.reference),
                "train it first",
            )),
            false => Ok(()),
        }
    }

    fn plan(&self, original: &TableFactor, span: Span) -> Result<LogicalPlan> {
        self.lowering.session.plan_factor(&self.place.at(Some(span)), original)
    }
}

impl Replace for Calls<'_, '_, '_> {
    type Error = Error;

    fn call(&mut self, original: &TableFactor, lowered: &TableFunction) -> Result<Option<String>> {
        let span = lowered.span;
        let place = self.place.at(Some(span));
        match lowered.name.as_str() {
            name if TRAINS.contains(&name) || name == "ML_PREDICT" => {}
            name if REPORTS.contains(&name) => {}
            name if name.starts_with("ML_") => {
                return Err(place.refuse_with_help(
                    format!("{name} does not run in Flink"),
                    "write SELECT … FROM that function: it runs here",
                ));
            }
            _ => return Ok(None),
        }
        let plan = self.plan(original, span)?;
        let (input, needs) = self.input(lowered)?;
        let view = self.lowering.free_name(&lowered.name.to_lowercase());
        let registry = self.lowering.registry()?;
        let job = self.lowering.job_name();
        let threads = self.lowering.threads();
        let run = RunFacts { registry: &registry, key: &self.key, job: &job, threads };
        let bad_rows = BadRows::from(tables(&plan)?);
        let found = node(&plan);
        if let Some(Node::Report(report)) = &found {
            let Some(Node::Predict(predict)) = node(&report.input) else {
                return Err(Error::Internal(format!("{} was planned over something else", lowered.name)));
            };
            if !self.lowering.is_bounded(&plan)? {
                return Err(place.refuse_with_help(
                    format!("{} reads a stream, which has no end to report at", lowered.name),
                    "write the predictions to a table, and report over that",
                ));
            }
            self.check_trained(&place, predict)?;
            let predicted = self.lowering.free_name("ml_predict");
            let operator = operator::predict(predict, (predicted.clone(), input), &bad_rows, &run)
                .map_err(|unsupported| refuse(&place, unsupported))?;
            self.lowering.keep(&predicted, needs, Statement::Operator(Box::new(operator)));
            let operator = operator::report(report, &predict.model.0.reference, (view.clone(), &predicted))
                .map_err(|unsupported| refuse(&place, unsupported))?;
            self.lowering.keep(&view, BTreeSet::from([predicted]), Statement::Operator(Box::new(operator)));
            return Ok(Some(view));
        }
        let operator = match found {
            Some(Node::Train(train)) => {
                let order = self.lowering.order(&plan)?;
                operator::train(train, (view.clone(), input), &bad_rows, order, &run)
            }
            Some(Node::Predict(predict)) => {
                self.check_trained(&place, predict)?;
                operator::predict(predict, (view.clone(), input), &bad_rows, &run)
            }
            _ => return Err(Error::Internal(format!("{} was planned as something else", lowered.name))),
        };
        let operator = operator.map_err(|unsupported| refuse(&place, unsupported))?;
        self.lowering.keep(&view, needs, Statement::Operator(Box::new(operator)));
        Ok(Some(view))
    }

    fn view(&mut self, query: &Query) -> Result<String> {
        let mut lowered = query.clone();
        let needs = lower_query(&mut lowered, &mut Nothing)?;
        let name = self.lowering.free_name("subquery");
        let text = format!("CREATE TEMPORARY VIEW {} AS\n{query}", quoted(&name));
        self.lowering.keep(&name, needs, Statement::Sql(text));
        Ok(name)
    }
}

/// Replaces nothing: for the names that a query reads.
struct Nothing;

impl Replace for Nothing {
    type Error = Error;

    fn call(&mut self, _: &TableFactor, _: &TableFunction) -> Result<Option<String>> {
        Ok(None)
    }

    fn view(&mut self, _: &Query) -> Result<String> {
        Ok(String::new())
    }
}

enum Node<'p> {
    Train(&'p TrainNode),
    Predict(&'p PredictNode),
    Report(&'p ReportNode),
}

/// The ML function that a plan of nothing else is.
fn node(plan: &LogicalPlan) -> Option<Node<'_>> {
    if let LogicalPlan::Extension(extension) = plan {
        let node = extension.node.as_any();
        if let Some(train) = node.downcast_ref() {
            return Some(Node::Train(train));
        }
        if let Some(predict) = node.downcast_ref() {
            return Some(Node::Predict(predict));
        }
        if let Some(report) = node.downcast_ref() {
            return Some(Node::Report(report));
        }
    }
    match plan.inputs().as_slice() {
        [input] => node(input),
        _ => None,
    }
}
