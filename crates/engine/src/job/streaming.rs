//! INSERTs that run as one dataflow, in rounds, with checkpoints.
//!
//! ```text
//! open: compile, match with the checkpoint, attach sinks ──► rounds … checkpoint … rounds ──► last checkpoint ──► finish
//!   ▲                                                            │
//!   └─────────── a failure worth another try (restart.rs) ◄──────┘
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_connectors::CommitMode;

use super::checkpoints::{Checkpoint, Checkpoints};
use super::restart::Restarts;
use super::sources::Sources;
use super::watch::{Totals, Watch};
use super::{Context, Insert, PATIENCE, open_sink, saving};
use crate::catalog::table::ConnectorTable;
use crate::requests::{Answer, Inbox, Pending};
use crate::stream::compile::Compiler;
use crate::stream::dataflow::{Dataflow, Round, Taker};
use crate::stream::state::SinkState;
use crate::{Backpressure, Error, JobReport, Result, SinkReport};

/// Runs INSERTs to the end of their sources, from the last checkpoint if there is one.
pub(super) fn run(
    name: &str,
    inserts: &[Insert],
    context: &Context<'_>,
    done: impl FnOnce(&[PathBuf]) -> Result<()>,
) -> Result<JobReport> {
    let began = Instant::now();
    let sources = Sources::of(inserts.iter().map(|insert| &insert.plan))?;
    let bounded = sources.tables().all(|table| table.table.is_bounded());
    let mut restarts = Restarts::new(context.restart.as_ref(), bounded);
    let mut tally = Tally::default();
    let (report, logs, number) = loop {
        let mut watch = Watch::begin(name, &sources, Totals::default(), context.observer);
        match attempt(name, inserts, context, &sources, &mut watch, &mut tally) {
            Ok(finished) => break finished,
            // What fails before a single round has run is a mistake rather than a mishap.
            Err(error) if error.is_transient() && tally.rounds => {
                restarts.wait(name, error, &watch, context.run.as_ref())?;
            }
            Err(error) => return Err(error),
        }
    };
    done(&logs)?;
    if let Some(asked) = tally.asked {
        asked.answer(&Answer { checkpoint: number, ..Answer::default() })?;
    }
    Ok(JobReport { restarts: restarts.count(), elapsed: began.elapsed(), ..report })
}

/// What is counted over all attempts.
#[derive(Default)]
struct Tally {
    /// Whether a round has run.
    rounds: bool,
    checkpoints: u64,
    /// The checkpoint that the first attempt went on from.
    resumed_from: Option<u64>,
    pressure: Pressure,
    /// The sources are to be ended, also if the job is restarted before it has come to its end.
    draining: bool,
    /// The request that asked for it, which has no answer yet.
    asked: Option<Pending>,
}

/// What the rounds waited for, and how long they took in all.
#[derive(Debug, Clone, Copy, Default)]
struct Pressure {
    sources: Duration,
    sinks: Duration,
    total: Duration,
}

impl Pressure {
    fn plus(self, other: Self) -> Self {
        Self { sources: self.sources + other.sources, sinks: self.sinks + other.sinks, total: self.total + other.total }
    }

    fn shares(self) -> Backpressure {
        let share = |part: Duration| match self.total.is_zero() {
            true => 0.0,
            false => (part.as_secs_f64() / self.total.as_secs_f64()).min(1.0),
        };
        Backpressure { waiting_for_sources: share(self.sources), waiting_for_sinks: share(self.sinks) }
    }
}

/// A job that is through: its report, the logs of its sinks, and the number of its last checkpoint.
type Finished = (JobReport, Vec<PathBuf>, u64);

/// Runs from the last checkpoint to the end.
fn attempt(
    name: &str,
    inserts: &[Insert],
    context: &Context<'_>,
    sources: &Sources,
    watch: &mut Watch<'_>,
    tally: &mut Tally,
) -> Result<Finished> {
    let mut stream = Stream::open(inserts, context, sources, watch)?;
    if !std::mem::replace(&mut tally.rounds, true) {
        tally.resumed_from = (stream.number > 0).then_some(stream.number);
    }
    let first = stream.number;
    let ran = stream.run(watch, tally);
    tally.checkpoints += stream.number - first;
    ran?;

    for operator in stream.dataflow.operators() {
        operator.finish()?;
    }
    let (mut sinks, mut logs) = (Vec::with_capacity(stream.dataflow.sinks.len()), Vec::new());
    for sink in &stream.dataflow.sinks {
        let Some(Taker::Table(taker, _)) = &sink.taker else { continue };
        let committed = taker.finish()?;
        sinks.push(SinkReport { table: sink.name.clone(), rows: sink.rows, files: committed.files });
        logs.extend(committed.log);
    }
    logs.extend(sources.finish_dead_letters()?);
    let report = JobReport {
        name: name.to_string(),
        sources: sources.reports(),
        sinks,
        models: stream.dataflow.operators().filter_map(|operator| operator.model_report()).collect(),
        operators: stream.dataflow.operators().filter_map(|operator| operator.operator_report()).collect(),
        checkpoints: tally.checkpoints,
        resumed_from: tally.resumed_from,
        backpressure: tally.pressure.shares(),
        ..JobReport::default()
    };
    Ok((report, logs, stream.number))
}

/// A dataflow under way, and its checkpoints.
struct Stream<'a> {
    context: &'a Context<'a>,
    sources: &'a Sources,
    dataflow: Dataflow,
    checkpoints: Checkpoints,
    commit: CommitMode,
    /// The last checkpoint's number.
    number: u64,
    ended: bool,
    inbox: Option<Inbox>,
}

impl<'a> Stream<'a> {
    fn open(inserts: &[Insert], context: &'a Context<'a>, sources: &'a Sources, watch: &mut Watch<'_>) -> Result<Self> {
        let mut checkpoints = Checkpoints::new(&context.folder, context.retained);
        let found = checkpoints.find()?;
        let mut compiler = Compiler::new(&context.setting);
        if let Some(found) = &found {
            let inserts = inserts.iter().map(|insert| insert.table.name.as_str());
            compiler.resuming(&found.checkpoint.dataflow.generations, inserts);
        }
        for insert in inserts {
            compiler.add(&insert.table.name, &insert.declared, insert.line, &insert.plan)?;
        }
        let mut dataflow = compiler.finish();
        // What each sink writes to: the tables of the INSERTs, then that of late rows, which are added to it.
        let late_rows = context.setting.late_rows.as_ref().filter(|_| dataflow.late_rows().is_some());
        let late_rows = late_rows.map(|late_rows| (late_rows.table.as_ref(), false));
        let tables = inserts.iter().map(|insert| (insert.table.as_ref(), insert.overwrite));
        let tables: Vec<(&ConnectorTable, bool)> = tables.chain(late_rows).collect();
        let bounded = dataflow.sources.iter().all(|source| source.is_bounded());
        let commit = if bounded { CommitMode::AtEnd } else { CommitMode::EachCheckpoint };

        let (mut number, mut ended, mut state) = (0, false, None);
        let (mut dead_letters, mut carried) = (None, false);
        if let Some(found) = found {
            let names: Vec<&str> = tables.iter().map(|(table, _)| table.name.as_str()).collect();
            found.may_be_gone_on_with(&names)?;
            if let Some(damaged) = &found.damaged {
                let message = format!("{damaged}; goes on from checkpoint {} instead", found.checkpoint.number);
                context.observer.warning(&message);
            }
            let checkpoint = found.checkpoint;
            if checkpoint.shows_rows == bounded && !checkpoint.dataflow.sinks.iter().all(|sink| sink.is_visible) {
                return Err(Error::Usage(match bounded {
                    true => "the state is of a job that reads a table without end and shows rows as it goes; the script reads only bounded tables now, and would show them at its end".into(),
                    false => "the state is of a job over bounded tables, whose rows are not visible before its end; the script now reads a table without end".to_string(),
                }));
            }
            let matched = dataflow.matched(checkpoint.dataflow, context.allow_dropped())?;
            for dropped in &matched.dropped {
                context.observer.warning(&format!("{dropped}: dropped"));
            }
            dataflow.restore(&matched)?;
            (number, ended, carried) = (checkpoint.number, checkpoint.ended, checkpoint.carried);
            (dead_letters, state) = (Some(checkpoint.dead_letters), Some(matched));
        }
        let from = carried.then(|| context.folder.join(crate::savepoint::CARRIED));
        sources.begin(&context.key, &context.folder, dead_letters.as_ref(), from.as_deref())?;
        if let Some(run) = &context.run {
            run.accept()?;
        }
        let mut stream = Self {
            inbox: context.run.as_ref().map(|run| Inbox::new(&run.folder)),
            context,
            sources,
            dataflow,
            checkpoints,
            commit,
            number,
            ended,
        };
        let sinks = state.as_mut().map(|state| std::mem::take(&mut state.sinks)).unwrap_or_default();
        stream.attach(&tables, sinks)?;
        stream.dataflow.start(state.as_ref());
        if state.is_some() {
            stream.dataflow.settle()?;
        }
        watch.set_totals(Totals::sum(stream.dataflow.sources.iter().map(|source| source.totals())));
        Ok(stream)
    }

    /// Opens the sinks, each where its state says.
    fn attach(&mut self, tables: &[(&ConnectorTable, bool)], mut states: Vec<Option<SinkState>>) -> Result<()> {
        states.resize(tables.len(), None);
        // A key is never given to another sink of the same run.
        let taken: Vec<String> = states.iter().flatten().map(|state| state.key.clone()).collect();
        let mut free = (0..).map(|n| format!("{}-{n}", self.context.key)).filter(|key| !taken.contains(key));
        for ((&(table, overwrite), state), node) in tables.iter().zip(states).zip(&mut self.dataflow.sinks) {
            let mut new_key = || free.next().unwrap_or_default();
            let (key, overwrite, restore, carried) = match state {
                None => (new_key(), overwrite, None, None),
                // What was there before the savepoint was replaced then.
                Some(state) if state.is_visible => (new_key(), false, None, None),
                Some(state) => match state.carried {
                    None => (state.key, overwrite, Some(state.prepared), None),
                    Some(folder) => (new_key(), overwrite, Some(state.prepared), Some(folder)),
                },
            };
            let carried = carried.map(|name| self.context.folder.join(crate::savepoint::CARRIED).join(name));
            let job = key.clone();
            let sink =
                open_sink((table, overwrite), self.context, job, self.commit, restore.clone(), carried.as_deref())?;
            if let (CommitMode::EachCheckpoint, Some(prepared)) = (self.commit, restore) {
                sink.commit(prepared)?;
            }
            node.key = key;
            node.taker = Some(Taker::Table(sink, Arc::clone(&table.schema)));
        }
        Ok(())
    }

    /// Runs rounds until all sources have ended.
    fn run(&mut self, watch: &mut Watch<'_>, tally: &mut Tally) -> Result<()> {
        let every = self.context.checkpoint_every;
        if tally.draining {
            self.dataflow.drain()?;
        }
        let mut checkpointed = Instant::now();
        let before = tally.pressure;
        let (began, mut rounds) = (Instant::now(), Duration::ZERO);
        while !self.ended {
            let round_began = Instant::now();
            let round = self.dataflow.round(PATIENCE)?;
            rounds += round_began.elapsed();
            tally.pressure = before.plus(Pressure {
                sources: rounds.saturating_sub(self.dataflow.busy()),
                sinks: self.dataflow.waited_for_sinks(),
                total: began.elapsed(),
            });
            watch.set_backpressure(tally.pressure.shares());
            if self.commit == CommitMode::EachCheckpoint {
                self.dataflow.tick(began.elapsed())?;
            }
            if round == Round::Ended {
                self.take_checkpoint(true)?;
            }
            watch.look();
            if self.ended {
                break;
            }
            if !tally.draining && watch.should_stop() {
                if self.context.delete_on_stop {
                    return self.cancel();
                }
                if !self.context.drain {
                    self.take_checkpoint(false)?;
                    return Err(Error::Stopped { resumable: true });
                }
                tally.draining = true;
                self.dataflow.drain()?;
            }
            if let Some(pending) = self.inbox.as_mut().map_or(Ok(None), Inbox::next)? {
                match (pending.request.drain, tally.draining) {
                    (true, true) => pending.refuse("it is ending its sources already")?,
                    (true, false) => {
                        (tally.draining, tally.asked) = (true, Some(pending));
                        self.dataflow.drain()?;
                    }
                    (false, _) => self.serve(&pending)?,
                }
            }
            if checkpointed.elapsed() >= every && !every.is_zero() {
                self.take_checkpoint(false)?;
                checkpointed = Instant::now();
            }
        }
        watch.tell();
        Ok(())
    }

    /// Ends for good: what can be seen stays, and nothing else.
    fn cancel<T>(&mut self) -> Result<T> {
        if let Some(run) = &self.context.run {
            run.give_up()?;
        }
        self.abort()?;
        Err(Error::Stopped { resumable: false })
    }

    /// Drops all rows that cannot be seen.
    fn abort(&self) -> Result<()> {
        for sink in &self.dataflow.sinks {
            if let Some(Taker::Table(sink, _)) = &sink.taker {
                sink.abort()?;
            }
        }
        self.sources.abort_dead_letters()
    }

    /// Takes a checkpoint, and shows the rows up to it where that is done as the job goes.
    fn take_checkpoint(&mut self, ended: bool) -> Result<Checkpoint> {
        self.number += 1;
        let dead_letters = self.sources.prepare_dead_letters()?;
        let checkpoint = Checkpoint {
            number: self.number,
            ended,
            shows_rows: self.commit == CommitMode::EachCheckpoint,
            dataflow: self.dataflow.snapshot()?,
            dead_letters,
            carried: false,
        };
        self.checkpoints.save(&checkpoint)?;
        self.dataflow.checkpointed(&checkpoint.dataflow);
        self.ended = ended;
        if checkpoint.shows_rows {
            for (sink, state) in self.dataflow.sinks.iter().zip(&checkpoint.dataflow.sinks) {
                if let Some(Taker::Table(sink, _)) = &sink.taker {
                    sink.commit(state.prepared.clone())?;
                }
            }
        }
        Ok(checkpoint)
    }

    /// Does what is asked: takes a savepoint, stops, or both.
    fn serve(&mut self, pending: &Pending) -> Result<()> {
        let Some(run) = &self.context.run else { return Ok(()) };
        let checkpoint = self.take_checkpoint(false)?;
        let mut answer = Answer { checkpoint: checkpoint.number, ..Answer::default() };
        if pending.request.savepoint {
            let parent = pending.request.to.as_ref().unwrap_or(&self.context.savepoints);
            match saving::save(run, self.context, self.sources, &self.dataflow, checkpoint, parent) {
                Ok(folder) => answer.savepoint = Some(folder),
                // The job goes on: it is the savepoint that there is no room for.
                Err(error) => return pending.refuse(error.to_string()),
            }
        }
        if !pending.request.stop {
            return pending.answer(&answer);
        }
        let Some(savepoint) = answer.savepoint.clone() else {
            pending.answer(&answer)?;
            return Err(Error::Stopped { resumable: true });
        };
        // From here on the savepoint alone goes on; hidden rows are in it.
        run.give_up()?;
        self.abort()?;
        pending.answer(&answer)?;
        Err(Error::Saved(savepoint))
    }
}
