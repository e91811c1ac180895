//! The operators of a job as a graph, and the round that drives it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::identity::{Description, Identity};
use super::late_rows::{self, LateRows};
use super::matching::{Matched, Parts, matched};
use super::memory::Memory;
use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use super::sink::SinkThread;
use super::source::{Next, Source};
use super::state::{DataflowState, Identities, OperatorState, SinkState};
use crate::batch::scan::with_schema;
use crate::stopwatch::Stopwatch;
use crate::{Error, Result};

/// Where a batch goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// An operator, and which of its inputs.
    Operator { node: usize, input: usize },
    /// A sink.
    Sink(usize),
}

/// A place in the graph that rows come out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Output {
    Source(usize),
    Operator(usize),
}

struct Node {
    operator: Box<dyn Operator>,
    identity: Identity,
    /// The watermark of each input; the operator sees the least.
    inputs: Vec<i64>,
    watermark: i64,
    targets: Vec<Port>,
    /// Whether it has a state that grows.
    grows: bool,
}

/// How a round went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// A batch went through.
    Progressed,
    /// Nothing has arrived.
    Waited,
    /// All sources have ended and everything is through.
    Ended,
}

/// What happens to rows that reach a sink.
pub(crate) enum Taker {
    /// A table's sink, on its thread, and the columns as the table declares them.
    Table(SinkThread, SchemaRef),
    /// Rows kept for the reader of the script, and how many bytes of them at the most.
    Rows { batches: Vec<RecordBatch>, bytes: usize, bytes_max: usize },
}

pub(crate) struct SinkNode {
    pub name: String,
    identity: Identity,
    /// Names the sink to its connector, in this run: see [`tidegate_connectors::SinkRequest::job`].
    pub key: String,
    pub taker: Option<Taker>,
    pub rows: u64,
}

/// A graph of sources, operators and sinks. Operators stand in topological order.
#[derive(Default)]
pub(crate) struct Dataflow {
    pub sources: Vec<Source>,
    source_identities: Vec<Identity>,
    source_targets: Vec<Vec<Port>>,
    ended: Vec<bool>,
    /// Sources of which nothing has come for so long that others do not wait for them.
    idle: Vec<bool>,
    nodes: Vec<Node>,
    pub sinks: Vec<SinkNode>,
    /// The sink of late rows, and its columns.
    late_rows: Option<(usize, SchemaRef)>,
    turn: usize,
    max_drift_ms: Option<i64>,
    memory: Memory,
    /// Where what is added stands in the script.
    pub making: Making,
    /// For each INSERT and each ML_TRAIN, in which version of the script it came.
    pub generations: BTreeMap<String, u32>,
    /// How long batches and watermarks were under way, waiting for sinks included.
    busy: Duration,
}

/// The INSERT that parts are made for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Making {
    pub insert: String,
    pub line: u32,
    /// The version of the script that it came in, counted from the first that there is state of.
    pub generation: u32,
    /// The view, and its line, that each kind of operator stands in, where all of the kind stand in one.
    pub views: BTreeMap<&'static str, (String, u32)>,
}

impl Dataflow {
    /// `max_drift_ms`: how far the event time of a source may be ahead of another's before it waits; `None`: it never does.
    /// `state_bytes_max`: how much memory the state of all operators may take.
    pub(crate) fn new(max_drift_ms: Option<i64>, state_bytes_max: u64) -> Self {
        Self { max_drift_ms, memory: Memory::new(state_bytes_max), ..Self::default() }
    }

    pub(crate) fn add_source(&mut self, source: Source) -> Output {
        self.sources.push(source);
        self.source_identities.push(Identity::default());
        self.source_targets.push(Vec::new());
        self.ended.push(false);
        self.idle.push(false);
        Output::Source(self.sources.len() - 1)
    }

    /// Says what a source is.
    pub(crate) fn identify(&mut self, source: Output, identity: Identity) -> Output {
        if let Output::Source(index) = source {
            self.source_identities[index] = self.placed(identity);
        }
        source
    }

    /// Adds an operator whose state, if it has one, is only good for the very same plan.
    pub(crate) fn add_operator(&mut self, operator: Box<dyn Operator>, inputs: &[Output]) -> Output {
        self.add(operator, None, inputs)
    }

    /// Adds an operator whose state is good for every plan in which it is described in the same way.
    pub(crate) fn add_described(
        &mut self,
        operator: Box<dyn Operator>,
        description: Description,
        inputs: &[Output],
    ) -> Output {
        self.add(operator, Some(description), inputs)
    }

    fn add(&mut self, mut operator: Box<dyn Operator>, description: Option<Description>, inputs: &[Output]) -> Output {
        let below: Vec<&Identity> = inputs.iter().map(|input| self.identity(*input)).collect();
        let identity = self.placed(Identity::over(description, "an operator", &below));
        let node = self.nodes.len();
        self.nodes.push(Node {
            grows: operator.measure().is_some(),
            operator,
            identity,
            inputs: vec![BEFORE_ALL; inputs.len()],
            watermark: BEFORE_ALL,
            targets: Vec::new(),
        });
        for (input, from) in inputs.iter().enumerate() {
            self.connect(*from, Port::Operator { node, input });
        }
        Output::Operator(node)
    }

    fn identity(&self, of: Output) -> &Identity {
        match of {
            Output::Source(source) => &self.source_identities[source],
            Output::Operator(node) => &self.nodes[node].identity,
        }
    }

    /// With its place in the script.
    fn placed(&self, identity: Identity) -> Identity {
        let Making { insert, line, generation, views } = &self.making;
        let view = views.get(identity.description.kind.as_str()).cloned();
        Identity { insert: insert.clone(), line: *line, generation: *generation, view, ..identity }
    }

    /// `declared` is how the table is declared: rows that are not visible yet fit no other declaration.
    pub(crate) fn add_sink(&mut self, name: String, declared: &str, from: Output) -> usize {
        let description = Description::named("the sink", &name).on("the declaration", declared);
        let identity = self.placed(Identity::over(Some(description), "", &[]));
        self.sinks.push(SinkNode { name, identity, key: String::new(), taker: None, rows: 0 });
        let sink = self.sinks.len() - 1;
        self.connect(from, Port::Sink(sink));
        sink
    }

    /// Adds the sink of a table that late rows go to, if there are operators that leave such rows out.
    pub(crate) fn add_late_rows(&mut self, to: &LateRows) {
        let mut judges = 0;
        for lateness in self.nodes.iter_mut().filter_map(|node| node.operator.lateness()) {
            lateness.keep_late();
            judges += 1;
        }
        if judges > 0 {
            let name = to.table.name.clone();
            let description = Description::named("the sink of late rows", &name).on("the declaration", &to.declared);
            let identity = Identity::over(Some(description), "", &[]);
            self.sinks.push(SinkNode { name, identity, key: String::new(), taker: None, rows: 0 });
            self.late_rows = Some((self.sinks.len() - 1, Arc::clone(&to.table.schema)));
        }
    }

    /// The place of the sink of late rows, if there is one.
    pub(crate) fn late_rows(&self) -> Option<usize> {
        self.late_rows.as_ref().map(|(sink, _)| *sink)
    }

    fn connect(&mut self, from: Output, to: Port) {
        match from {
            Output::Source(source) => self.source_targets[source].push(to),
            Output::Operator(node) => self.nodes[node].targets.push(to),
        }
    }

    /// Takes one batch from the next source that has one through everything.
    pub(crate) fn round(&mut self, patience: Duration) -> Result<Round> {
        let mut waited = false;
        for index in self.next_sources() {
            // A bounded source is waited for, so that sources take turns in the same order each time.
            let bounded = self.sources[index].is_bounded();
            match self.sources[index].next(if bounded { patience } else { Duration::ZERO })? {
                Next::Wait if bounded => return Ok(Round::Waited),
                Next::Wait => waited = true,
                next => return self.take(index, next),
            }
        }
        // Only unbounded sources are left, and none has anything: wait for the one whose turn it is.
        let first = self.next_sources().first().copied();
        if let (true, Some(index)) = (waited, first) {
            let next = self.sources[index].next(patience)?;
            return self.take(index, next);
        }
        Ok(if self.ended.iter().all(|ended| *ended) { Round::Ended } else { Round::Waited })
    }

    /// The sources that have not ended, in the order in which they are asked: the one whose event time is furthest behind first,
    /// so that no input runs far ahead of another; those without an event time take their turns among them.
    fn next_sources(&self) -> Vec<usize> {
        let sources = self.sources.len();
        let turns = (0..sources).map(|turn| (self.turn + turn) % sources).filter(|index| !self.ended[*index]);
        let mut order: Vec<usize> = turns.collect();
        let watermark = |index: usize| self.sources[index].watermark();
        if order.first().is_some_and(|first| watermark(*first).is_some()) {
            // The sort is stable: equal ones take turns.
            order.sort_by_key(|index| watermark(*index).unwrap_or(AFTER_ALL));
        }
        if let Some(max_drift_ms) = self.max_drift_ms {
            let going = |index: &&usize| !self.idle[**index];
            let slowest = order.iter().filter(going).filter_map(|index| watermark(*index)).min();
            let limit = slowest.map_or(AFTER_ALL, |slowest| slowest.saturating_add(max_drift_ms));
            order.retain(|index| watermark(*index).is_none_or(|watermark| watermark <= limit));
        }
        order
    }

    /// Takes what a source gave through everything.
    fn take(&mut self, index: usize, next: Next) -> Result<Round> {
        match next {
            Next::Batch(batch, watermark) => {
                self.turn = index + 1;
                self.idle[index] = false;
                self.send(&self.source_targets[index].clone(), &batch)?;
                self.advance(&self.source_targets[index].clone(), watermark, false)?;
            }
            Next::Idle => self.idle[index] = true,
            Next::Wait => return Ok(Round::Waited),
            Next::End => {
                self.ended[index] = true;
                self.advance(&self.source_targets[index].clone(), AFTER_ALL, false)?;
            }
        }
        self.advance_idle()?;
        self.check_memory()?;
        Ok(if self.ended.iter().all(|ended| *ended) { Round::Ended } else { Round::Progressed })
    }

    /// Idle sources are not waited for: their event time is taken to be that of the others. Where all are idle it is the
    /// greatest of theirs, as in Flink: whichever became idle last, nothing waits for the other.
    fn advance_idle(&mut self) -> Result<()> {
        if !self.idle.contains(&true) {
            return Ok(());
        }
        let watermarks = |idle: bool| -> Vec<i64> {
            let these = (0..self.sources.len()).filter(|index| self.idle[*index] == idle && !self.ended[*index]);
            these.filter_map(|index| self.sources[index].watermark()).collect()
        };
        let least = watermarks(false).into_iter().min().or_else(|| watermarks(true).into_iter().max());
        let Some(least) = least else { return Ok(()) };
        for index in 0..self.sources.len() {
            if self.idle[index] && !self.ended[index] {
                self.advance(&self.source_targets[index].clone(), least, true)?;
            }
        }
        Ok(())
    }

    /// Takes a batch of a source through everything.
    fn send(&mut self, targets: &[Port], batch: &RecordBatch) -> Result<()> {
        let began = Stopwatch::start();
        let passed = self.pass(targets, batch);
        self.busy += began.elapsed();
        passed
    }

    /// Takes a watermark of a source through everything.
    fn advance(&mut self, targets: &[Port], watermark: i64, idle: bool) -> Result<()> {
        let began = Stopwatch::start();
        let told = self.tell(targets, watermark, idle);
        self.busy += began.elapsed();
        told
    }

    fn pass(&mut self, targets: &[Port], batch: &RecordBatch) -> Result<()> {
        for target in targets {
            match *target {
                Port::Sink(sink) => self.sinks[sink].take(batch)?,
                Port::Operator { node, input } => {
                    let mut out = Vec::new();
                    if self.nodes[node].grows {
                        self.memory.taken(batch.get_array_memory_size());
                    }
                    self.nodes[node].operator.process(input, batch.clone(), &mut out)?;
                    self.hand_over_late_rows(node)?;
                    self.forward_with_watermarks(node, &out)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the rows that an operator has just left out.
    fn hand_over_late_rows(&mut self, node: usize) -> Result<()> {
        let Some((sink, schema)) = &self.late_rows else { return Ok(()) };
        let operator = &mut self.nodes[node].operator;
        let Some(late) = operator.lateness().map(|lateness| lateness.take_late()).transpose()?.flatten() else {
            return Ok(());
        };
        let name = operator.operator_report().map_or(String::new(), |report| report.operator);
        self.sinks[*sink].take(&late_rows::as_declared(&name, &late, schema)?)
    }

    /// Forwards what an operator made of a batch, and the watermarks within it, each at its place.
    fn forward_with_watermarks(&mut self, node: usize, batches: &[RecordBatch]) -> Result<()> {
        let mut sent = 0;
        for (until, watermark) in self.nodes[node].operator.watermarks_within() {
            self.forward(node, &batches[sent..until])?;
            sent = until;
            let targets = self.nodes[node].targets.clone();
            self.tell(&targets, watermark, false)?;
        }
        self.forward(node, &batches[sent..])
    }

    fn forward(&mut self, node: usize, batches: &[RecordBatch]) -> Result<()> {
        if batches.is_empty() {
            return Ok(());
        }
        let targets = self.nodes[node].targets.clone();
        batches.iter().try_for_each(|batch| self.pass(&targets, batch))
    }

    /// Moves the watermark of inputs on. `idle`: not because of rows of theirs, but because they are not waited for.
    fn tell(&mut self, targets: &[Port], watermark: i64, idle: bool) -> Result<()> {
        for target in targets {
            let Port::Operator { node, input } = *target else { continue };
            let state = &mut self.nodes[node];
            state.inputs[input] = state.inputs[input].max(watermark);
            let least = state.inputs.iter().copied().min().unwrap_or(watermark);
            if least <= state.watermark {
                continue;
            }
            state.watermark = least;
            let mut out = Vec::new();
            // Where inputs come together, the other ones have rows.
            let idle = idle && state.inputs.len() == 1;
            let passed_on = match idle {
                true => state.operator.idle(least, &mut out)?,
                false => state.operator.watermark(least, &mut out)?,
            };
            self.forward(node, &out)?;
            let targets = self.nodes[node].targets.clone();
            self.tell(&targets, passed_on, idle)?;
        }
        Ok(())
    }

    /// Tells the operators how long the job has been running.
    pub(crate) fn tick(&mut self, running: Duration) -> Result<()> {
        self.nodes.iter_mut().try_for_each(|node| node.operator.tick(running))
    }

    /// Stops the job before its state fills the memory.
    fn check_memory(&mut self) -> Result<()> {
        if !self.memory.is_due() {
            return Ok(());
        }
        let held: Vec<(usize, u64)> = self
            .nodes
            .iter_mut()
            .enumerate()
            .filter_map(|(index, node)| node.operator.measure().map(|bytes| (index, bytes)))
            .collect();
        let name = |index: usize| self.nodes[index].operator.operator_report().map(|report| report.operator);
        let named = held.into_iter().map(|(index, bytes)| (name(index).unwrap_or_default(), bytes)).collect();
        self.memory.measured(named)
    }

    /// How long batches and watermarks were under way in all, waiting for sinks included. The rest of the time of the rounds
    /// is waiting for sources.
    pub(crate) fn busy(&self) -> Duration {
        self.busy
    }

    /// How long was waited for sinks in all.
    pub(crate) fn waited_for_sinks(&self) -> Duration {
        let waited = |sink: &SinkNode| match &sink.taker {
            Some(Taker::Table(sink, _)) => sink.waited(),
            _ => Duration::ZERO,
        };
        self.sinks.iter().map(waited).sum()
    }

    /// The state between two rounds. Sinks have made durable what they took.
    pub(crate) fn snapshot(&mut self) -> Result<DataflowState> {
        let operator = |node: &mut Node| {
            Ok(OperatorState {
                state: node.operator.snapshot()?,
                inputs: node.inputs.clone(),
                watermark: node.watermark,
            })
        };
        Ok(DataflowState {
            sources: self.sources.iter_mut().map(Source::snapshot).collect(),
            ended: self.ended.clone(),
            turn: self.turn as u64,
            operators: self.nodes.iter_mut().map(operator).collect::<Result<_>>()?,
            sinks: self.sinks.iter().map(SinkNode::state).collect::<Result<_>>()?,
            identities: Identities {
                sources: self.source_identities.clone(),
                operators: self.nodes.iter().map(|node| node.identity.clone()).collect(),
                sinks: self.sinks.iter().map(|sink| sink.identity.clone()).collect(),
            },
            generations: self.generations.clone(),
        })
    }

    /// Finds for each part its state; see [`matched`].
    ///
    /// # Errors
    /// State would be lost, and `allow_dropped` does not say that it may.
    pub(crate) fn matched(&self, state: DataflowState, allow_dropped: bool) -> Result<Matched> {
        let now = Parts {
            sources: self.source_identities.iter().collect(),
            operators: self.nodes.iter().map(|node| &node.identity).collect(),
            sinks: self.sinks.iter().map(|sink| &sink.identity).collect(),
        };
        matched(state, &now, allow_dropped)
    }

    /// Goes on from a state. Sinks are attached afterwards.
    pub(crate) fn restore(&mut self, state: &Matched) -> Result<()> {
        for (node, state) in self.nodes.iter_mut().zip(&state.operators) {
            let Some(OperatorState { state, inputs, watermark }) = state else { continue };
            if !state.is_empty() {
                node.operator.restore(state).map_err(|error| of_operator(&node.identity, error))?;
            }
            // A UNION may have got another branch.
            if inputs.len() == node.inputs.len() {
                node.inputs.clone_from(inputs);
                node.watermark = *watermark;
            }
        }
        for (sink, state) in self.sinks.iter_mut().zip(&state.sinks) {
            sink.rows = state.as_ref().map_or(0, |state| state.rows);
        }
        for (ended, state) in self.ended.iter_mut().zip(&state.sources) {
            *ended = state.as_ref().is_some_and(|(_, ended)| *ended);
        }
        self.turn = state.turn;
        Ok(())
    }

    /// Starts the threads that read.
    pub(crate) fn start(&mut self, state: Option<&Matched>) {
        for (index, source) in self.sources.iter_mut().enumerate() {
            let progress = state.and_then(|state| state.sources.get(index)?.as_ref());
            source.start(progress.map(|(progress, _)| progress.clone()));
        }
    }

    /// Tells parts that are new in a changed script which of their inputs have ended: what has ended says so only once.
    pub(crate) fn settle(&mut self) -> Result<()> {
        for source in 0..self.sources.len() {
            if self.ended[source] {
                self.advance(&self.source_targets[source].clone(), AFTER_ALL, false)?;
            }
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].watermark == AFTER_ALL {
                let targets = self.nodes[node].targets.clone();
                self.advance(&targets, AFTER_ALL, false)?;
            }
        }
        Ok(())
    }

    /// Ends all sources where they are: windows close, and what waits for more rows waits no longer.
    pub(crate) fn drain(&mut self) -> Result<()> {
        for source in 0..self.sources.len() {
            if !std::mem::replace(&mut self.ended[source], true) {
                self.advance(&self.source_targets[source].clone(), AFTER_ALL, false)?;
            }
        }
        Ok(())
    }

    /// Tells the sources that a checkpoint of this state is saved.
    pub(crate) fn checkpointed(&self, state: &DataflowState) {
        for (source, progress) in self.sources.iter().zip(&state.sources) {
            source.checkpointed(progress);
        }
    }

    pub(crate) fn operators(&mut self) -> impl Iterator<Item = &mut Box<dyn Operator>> {
        self.nodes.iter_mut().map(|node| &mut node.operator)
    }
}

/// Says whose state could not be read.
fn of_operator(identity: &Identity, error: Error) -> Error {
    match error {
        Error::Storage(message) => Error::Storage(format!("the state of {}: {message}", identity.words())),
        other => other,
    }
}

impl SinkNode {
    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        match &mut self.taker {
            Some(Taker::Table(sink, schema)) => sink.write(with_schema(batch.clone(), schema)?),
            Some(Taker::Rows { batches, bytes, bytes_max }) => {
                *bytes += batch.get_array_memory_size();
                if *bytes > *bytes_max {
                    return Err(Error::Limit(
                        "the result of the SELECT is larger than 'execution.memory-limit': write it to a table with INSERT INTO, or add LIMIT".into(),
                    ));
                }
                batches.push(batch.clone());
                Ok(())
            }
            None => Err(Error::Internal(format!("the sink of {} is not open", self.name))),
        }
    }

    fn state(&self) -> Result<SinkState> {
        let prepared = match &self.taker {
            Some(Taker::Table(sink, _)) => sink.prepare()?,
            _ => Vec::new(),
        };
        Ok(SinkState { key: self.key.clone(), prepared, rows: self.rows, is_visible: false, carried: None })
    }
}
