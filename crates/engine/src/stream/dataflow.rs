//! The operators of a job as a graph, and the round that drives it.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

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
    nodes: Vec<Node>,
    pub sinks: Vec<SinkNode>,
    turn: usize,
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
    pub(crate) fn add_source(&mut self, source: Source) -> Output {
        self.sources.push(source);
        self.source_targets.push(Vec::new());
        self.ended.push(false);
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

    fn connect(&mut self, from: Output, to: Port) {
        match from {
            Output::Source(source) => self.source_targets[source].push(to),
            Output::Operator(node) => self.nodes[node].targets.push(to),
        }
    }

    /// The sources in the order in which they are asked: those with an event time the furthest behind first, so that joins need
    /// not keep what one side is ahead of the other; the others in turn between them.
    fn turns(&self) -> Vec<usize> {
        let count = self.sources.len();
        let mut order: Vec<usize> = (0..count).map(|i| (self.turn + i) % count).collect();
        let timed = |index: &usize| self.sources[*index].has_time() && !self.ended[*index];
        let mut behind: Vec<usize> = order.iter().copied().filter(timed).collect();
        behind.sort_by_key(|index| self.sources[*index].watermark());
        let mut behind = behind.into_iter();
        for index in &mut order {
            if timed(index) {
                *index = behind.next().unwrap_or(*index);
            }
        }
        order
    }

    /// Takes one batch from the next source that has one through everything.
    pub(crate) fn round(&mut self, patience: Duration) -> Result<Round> {
        let sources = self.sources.len();
        for (attempt, index) in self.turns().into_iter().enumerate() {
            if self.ended[index] {
                continue;
            }
            let place = (self.turn + attempt) % sources;
            // A bounded source is waited for, so that sources take turns in the same order each time.
            let patience = if self.sources[index].is_bounded() { patience } else { Duration::ZERO };
            match self.sources[index].next(patience)? {
                Next::Batch(batch, watermark) => {
                    self.turn = place + 1;
                    self.send(&self.source_targets[index].clone(), &batch)?;
                    self.advance(&self.source_targets[index].clone(), watermark)?;
                    return Ok(Round::Progressed);
                }
                Next::Wait if self.sources[index].is_bounded() => return Ok(Round::Waited),
                Next::Wait => {}
                Next::End => {
                    self.ended[index] = true;
                    self.advance(&self.source_targets[index].clone(), AFTER_ALL)?;
                    let all_ended = self.ended.iter().all(|ended| *ended);
                    return Ok(if all_ended { Round::Ended } else { Round::Progressed });
                }
            }
        }
        if self.ended.iter().all(|ended| *ended) {
            return Ok(Round::Ended);
        }
        // Only unbounded sources are left, and none has anything: wait for the one whose turn it is.
        if let Some(index) = (0..sources).map(|i| (self.turn + i) % sources).find(|i| !self.ended[*i])
            && let Next::Batch(batch, watermark) = self.sources[index].next(patience)?
        {
            self.turn = index + 1;
            self.send(&self.source_targets[index].clone(), &batch)?;
            self.advance(&self.source_targets[index].clone(), watermark)?;
            return Ok(Round::Progressed);
        }
        Ok(Round::Waited)
    }

    fn send(&mut self, targets: &[Port], batch: &RecordBatch) -> Result<()> {
        for target in targets {
            match *target {
                Port::Sink(sink) => self.sinks[sink].take(batch)?,
                Port::Operator { node, input } => {
                    let mut out = Vec::new();
                    self.nodes[node].operator.process(input, batch.clone(), &mut out)?;
                    self.forward(node, &out)?;
                }
            }
        }
        Ok(())
    }

    fn forward(&mut self, node: usize, batches: &[RecordBatch]) -> Result<()> {
        if batches.is_empty() {
            return Ok(());
        }
        let targets = self.nodes[node].targets.clone();
        batches.iter().try_for_each(|batch| self.send(&targets, batch))
    }

    fn advance(&mut self, targets: &[Port], watermark: i64) -> Result<()> {
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
            let passed_on = state.operator.watermark(least, &mut out)?;
            self.forward(node, &out)?;
            let targets = self.nodes[node].targets.clone();
            self.advance(&targets, passed_on)?;
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
