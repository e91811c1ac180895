//! The operators of a job as a graph, and the round that drives it.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

use super::late_rows;
use super::operator::{AFTER_ALL, BEFORE_ALL, Operator};
use super::sink::SinkThread;
use super::source::{Next, Progress, Source};
use crate::batch::scan::with_schema;
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
    /// The watermark of each input; the operator sees the least.
    inputs: Vec<i64>,
    watermark: i64,
    targets: Vec<Port>,
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
    pub taker: Option<Taker>,
    pub rows: u64,
}

/// A graph of sources, operators and sinks. Operators stand in topological order.
#[derive(Default)]
pub(crate) struct Dataflow {
    pub sources: Vec<Source>,
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
}

/// The state of all of it between two rounds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DataflowState {
    sources: Vec<Progress>,
    ended: Vec<bool>,
    turn: u64,
    operators: Vec<(Vec<u8>, Vec<i64>, i64)>,
    sinks: Vec<(Vec<u8>, u64)>,
}

impl Dataflow {
    /// `max_drift_ms`: how far the event time of a source may be ahead of another's before it waits; `None`: it never does.
    pub(crate) fn new(max_drift_ms: Option<i64>) -> Self {
        Self { max_drift_ms, ..Self::default() }
    }

    pub(crate) fn add_source(&mut self, source: Source) -> Output {
        self.sources.push(source);
        self.source_targets.push(Vec::new());
        self.ended.push(false);
        self.idle.push(false);
        Output::Source(self.sources.len() - 1)
    }

    pub(crate) fn add_operator(&mut self, operator: Box<dyn Operator>, inputs: &[Output]) -> Output {
        let node = self.nodes.len();
        self.nodes.push(Node {
            operator,
            inputs: vec![BEFORE_ALL; inputs.len()],
            watermark: BEFORE_ALL,
            targets: Vec::new(),
        });
        for (input, from) in inputs.iter().enumerate() {
            self.connect(*from, Port::Operator { node, input });
        }
        Output::Operator(node)
    }

    pub(crate) fn add_sink(&mut self, name: String, from: Output) -> usize {
        self.sinks.push(SinkNode { name, taker: None, rows: 0 });
        let sink = self.sinks.len() - 1;
        self.connect(from, Port::Sink(sink));
        sink
    }

    /// Adds a sink of this name that late rows go to, if there are operators that leave such rows out.
    pub(crate) fn add_late_rows(&mut self, name: String, schema: SchemaRef) {
        let mut judges = 0;
        for lateness in self.nodes.iter_mut().filter_map(|node| node.operator.lateness()) {
            lateness.keep_late();
            judges += 1;
        }
        if judges > 0 {
            self.sinks.push(SinkNode { name, taker: None, rows: 0 });
            self.late_rows = Some((self.sinks.len() - 1, schema));
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
        Ok(if self.ended.iter().all(|ended| *ended) { Round::Ended } else { Round::Progressed })
    }

    /// Idle sources are not waited for: their event time is taken to be that of the others.
    fn advance_idle(&mut self) -> Result<()> {
        if !self.idle.contains(&true) {
            return Ok(());
        }
        let going = (0..self.sources.len()).filter(|index| !self.idle[*index] && !self.ended[*index]);
        let Some(least) = going.filter_map(|index| self.sources[index].watermark()).min() else { return Ok(()) };
        for index in 0..self.sources.len() {
            if self.idle[index] && !self.ended[index] {
                self.advance(&self.source_targets[index].clone(), least, true)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, targets: &[Port], batch: &RecordBatch) -> Result<()> {
        for target in targets {
            match *target {
                Port::Sink(sink) => self.sinks[sink].take(batch)?,
                Port::Operator { node, input } => {
                    let mut out = Vec::new();
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
            self.advance(&targets, watermark, false)?;
        }
        self.forward(node, &batches[sent..])
    }

    fn forward(&mut self, node: usize, batches: &[RecordBatch]) -> Result<()> {
        if batches.is_empty() {
            return Ok(());
        }
        let targets = self.nodes[node].targets.clone();
        batches.iter().try_for_each(|batch| self.send(&targets, batch))
    }

    /// Moves the watermark of inputs on. `idle`: not because of rows of theirs, but because they are not waited for.
    fn advance(&mut self, targets: &[Port], watermark: i64, idle: bool) -> Result<()> {
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
            self.advance(&targets, passed_on, idle)?;
        }
        Ok(())
    }

    /// The state between two rounds. Sinks have made durable what they took.
    pub(crate) fn snapshot(&mut self) -> Result<DataflowState> {
        Ok(DataflowState {
            sources: self.sources.iter_mut().map(Source::snapshot).collect(),
            ended: self.ended.clone(),
            turn: self.turn as u64,
            operators: self
                .nodes
                .iter_mut()
                .map(|node| Ok((node.operator.snapshot()?, node.inputs.clone(), node.watermark)))
                .collect::<Result<_>>()?,
            sinks: self.sinks.iter().map(|sink| Ok((sink.prepare()?, sink.rows))).collect::<Result<_>>()?,
        })
    }

    /// Goes on from a state. Sinks are attached afterwards, with what [`DataflowState::sink`] says.
    pub(crate) fn restore(&mut self, state: &DataflowState) -> Result<()> {
        let same_shape = state.sources.len() == self.sources.len()
            && state.operators.len() == self.nodes.len()
            && state.sinks.len() == self.sinks.len();
        if !same_shape {
            return Err(Error::Storage("the checkpoint is of another plan; run with --fresh to begin anew".into()));
        }
        for (node, (bytes, inputs, watermark)) in self.nodes.iter_mut().zip(&state.operators) {
            if !bytes.is_empty() {
                node.operator.restore(bytes)?;
            }
            node.inputs.clone_from(inputs);
            node.watermark = *watermark;
        }
        for (sink, (_, rows)) in self.sinks.iter_mut().zip(&state.sinks) {
            sink.rows = *rows;
        }
        self.ended.clone_from(&state.ended);
        self.turn = state.turn as usize;
        Ok(())
    }

    /// Starts the threads that read.
    pub(crate) fn start(&mut self, state: Option<&DataflowState>) {
        for (index, source) in self.sources.iter_mut().enumerate() {
            source.start(state.map(|state| state.sources[index].clone()));
        }
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

impl DataflowState {
    /// What the sink of this number gave at the checkpoint.
    pub(crate) fn sink(&self, index: usize) -> Option<&[u8]> {
        self.sinks.get(index).map(|(prepared, _)| prepared.as_slice())
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

    fn prepare(&self) -> Result<Vec<u8>> {
        match &self.taker {
            Some(Taker::Table(sink, _)) => sink.prepare(),
            _ => Ok(Vec::new()),
        }
    }
}
