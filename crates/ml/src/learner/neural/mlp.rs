//! The multilayer perceptron as a learner: rows into mini-batches, outputs into scores, losses, snapshots.

use serde::{Deserialize, Serialize};

use super::network::{Network, Work};
use super::rows::Rows;
use super::settings::{SLOPE_MAX, Settings, VALUE_MAX};
use crate::block::Block;
use crate::learner::bayes::Columns;
use crate::learner::linear::exponential::{exp, sigmoid};
use crate::learner::{FeatureKind, Learner, Shape, row_weight};
use crate::snapshot::{SnapshotError, decode, encode};
use crate::{Error, Result};

const NAME: &str = "mlp";
/// Rows that are predicted in one pass: few enough for what is between two layers to stay near the processor.
const ROWS_AT_ONCE: usize = 256;
/// Weights of rows beyond this count as this.
const WEIGHT_MAX: f64 = 1e12;

/// A multilayer perceptron.
#[derive(Debug)]
pub(super) struct Mlp {
    settings: Settings,
    shape: Shape,
    kinds: Vec<FeatureKind>,
    columns: Columns,
    learned: Learned,
    work: Work,
    /// Rows to be predicted.
    asked: Rows,
}

/// All that is learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Learned {
    network: Network,
    /// Which classes take part; empty where there is one output.
    active: Vec<bool>,
    /// Rows learned, those of the mini-batch among them.
    rows: u64,
    batch: Batch,
}

/// The rows that wait for their step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Batch {
    rows: Rows,
    targets: Vec<f64>,
    weights: Vec<f64>,
}

/// The saved form.
#[derive(Serialize, Deserialize)]
struct Saved<L> {
    name: String,
    classes: usize,
    learned: L,
}

/// How many outputs a shape has.
fn outputs_of(shape: Shape) -> usize {
    match shape {
        Shape::Classes { classes } => classes,
        Shape::Binary | Shape::Number | Shape::Unlabelled => 1,
    }
}

/// What an output says.
#[inline]
fn read(output: f32) -> f64 {
    if output.is_nan() { 0.0 } else { f64::from(output.clamp(-VALUE_MAX, VALUE_MAX)) }
}

/// Probabilities of the classes that take part, in the place of their outputs; of the others it is 0.
fn softmax(scores: &mut [f64], active: &[bool]) {
    let taking_part = scores.iter().zip(active).filter(|(_, active)| **active);
    let most = taking_part.map(|(score, _)| *score).fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for (score, active) in scores.iter_mut().zip(active) {
        *score = if *active { exp(*score - most) } else { 0.0 };
        sum += *score;
    }
    if sum > 0.0 {
        scores.iter_mut().for_each(|score| *score /= sum);
    }
}

impl Mlp {
    /// One that has learned nothing, and knows of no features yet.
    pub(super) fn new(settings: Settings, shape: Shape) -> Self {
        let columns = Columns::default();
        let learned = Learned::new(&columns, shape, &settings);
        let (kinds, work, asked) = (Vec::new(), Work::default(), Rows::default());
        Self { settings, shape, kinds, columns, learned, work, asked }
    }

    /// Appends the scores of a row, from what came out for it.
    fn push_scores(shape: Shape, outputs: &[f32], active: &[bool], scores: &mut Vec<f64>) {
        match shape {
            Shape::Binary => scores.push(sigmoid(read(outputs[0]))),
            Shape::Number | Shape::Unlabelled => scores.push(read(outputs[0])),
            Shape::Classes { classes } => {
                let first = scores.len();
                scores.extend(outputs[..classes].iter().map(|output| read(*output)));
                softmax(&mut scores[first..], active);
            }
        }
    }

    /// Takes a row into the mini-batch.
    fn take_in(&mut self, dense: &[f64], target: f64, weight: f64) {
        if target.is_nan() {
            return;
        }
        if let Shape::Classes { classes } = self.shape {
            let class = target as usize;
            debug_assert!(class < classes, "class {class} was not told by set_classes");
            if class >= classes {
                return;
            }
            self.learned.activate(class, &self.settings);
        }
        let bound = f64::from(VALUE_MAX);
        let batch = &mut self.learned.batch;
        batch.rows.push(dense, &self.columns, self.settings.embeddings_max);
        batch.targets.push(target.clamp(-bound, bound));
        batch.weights.push(weight.min(WEIGHT_MAX));
        self.learned.rows += 1;
        if self.learned.batch.rows.len() >= self.settings.batch_size {
            self.make_step();
        }
    }

    /// Learns the mini-batch as it is.
    fn make_step(&mut self) {
        self.learned.make_step(&self.columns, self.shape, &self.settings, &mut self.work);
    }

    fn read(&self, bytes: &[u8]) -> Result<Saved<Learned>, SnapshotError> {
        let saved: Saved<Learned> = decode(bytes)?;
        if saved.name != NAME {
            return Err(SnapshotError::Kind { found: saved.name, expected: NAME.to_string() });
        }
        let known = outputs_of(self.shape);
        let shape = match self.shape {
            Shape::Classes { .. } => Shape::Classes { classes: saved.classes },
            other => other,
        };
        if saved.classes < known || outputs_of(shape) != saved.classes {
            let found = saved.classes;
            return Err(SnapshotError::Content(format!("{found} classes, where {known} were expected")));
        }
        if !saved.learned.is_sound(&self.columns, shape, &self.settings) {
            return Err(SnapshotError::Content("a network of other layers, features or classes".to_string()));
        }
        Ok(saved)
    }

    /// States of other learners with the same classes, their mini-batches learned.
    fn read_all(&self, states: &[&[u8]]) -> Result<Vec<Learned>> {
        let mut work = Work::default();
        let mut learned = Vec::new();
        for state in states {
            let saved = self.read(state).map_err(|error| Error::Merge(error.to_string()))?;
            if saved.classes != outputs_of(self.shape) {
                return Err(Error::Merge("the states know different classes".to_string()));
            }
            learned.push(saved.learned);
        }
        for one in &mut learned {
            one.make_step(&self.columns, self.shape, &self.settings, &mut work);
        }
        Ok(learned)
    }

    /// Becomes the average of `all` by these counts, which are not all 0.
    fn become_average(&mut self, mut all: Vec<Learned>, counts: &[f64], rows: u64, steps: u64) {
        let sum: f64 = counts.iter().sum();
        let shares: Vec<f64> = counts.iter().map(|count| count / sum).collect();
        let classes = self.learned.active.len();
        let active: Vec<bool> =
            (0..classes).map(|class| all.iter().any(|one| one.active.get(class) == Some(&true))).collect();
        for one in &mut all {
            active.iter().enumerate().filter(|(_, active)| **active).for_each(|(c, _)| one.activate(c, &self.settings));
        }
        let networks = all.into_iter().map(|one| one.network).collect();
        if let Some(network) = Network::average(networks, &shares, steps, &self.settings) {
            self.learned = Learned { network, active, rows, batch: Batch::default() };
        }
    }
}

impl Learned {
    fn new(columns: &Columns, shape: Shape, settings: &Settings) -> Self {
        let outputs = outputs_of(shape);
        let mut network = Network::new(columns, outputs, settings);
        (0..outputs).for_each(|output| network.initialise(output, settings));
        // Classes that were declared take part from the start.
        let active = if let Shape::Classes { classes } = shape { vec![true; classes] } else { Vec::new() };
        Self { network, active, rows: 0, batch: Batch::default() }
    }

    /// Lets a class take part.
    #[inline]
    fn activate(&mut self, class: usize, settings: &Settings) {
        if let Some(active) = self.active.get_mut(class).filter(|active| !**active) {
            *active = true;
            self.network.initialise(class, settings);
        }
    }

    fn make_step(&mut self, columns: &Columns, shape: Shape, settings: &Settings, work: &mut Work) {
        let Self { network, active, batch, .. } = self;
        let count = batch.rows.len();
        if count == 0 {
            return;
        }
        network.meet(&batch.rows, settings);
        network.forward(&batch.rows, true, settings, work);
        let stride = network.stride();
        let (outputs, slopes) = work.slopes();
        let mut probabilities = Vec::new();
        let rows = outputs.chunks_exact(stride).zip(slopes.chunks_exact_mut(stride));
        for ((outputs, slopes), (target, weight)) in rows.zip(batch.targets.iter().zip(&batch.weights)) {
            let share = weight / count as f64;
            let bounded = |slope: f64| (slope * share).clamp(-SLOPE_MAX, SLOPE_MAX) as f32;
            match shape {
                Shape::Binary => slopes[0] = bounded(sigmoid(read(outputs[0])) - target),
                Shape::Number | Shape::Unlabelled => {
                    let error = read(outputs[0]) - target;
                    slopes[0] = bounded(error.clamp(-settings.huber_epsilon, settings.huber_epsilon));
                }
                Shape::Classes { classes } => {
                    probabilities.clear();
                    probabilities.extend(outputs[..classes].iter().map(|output| read(*output)));
                    softmax(&mut probabilities, active);
                    for (class, (slope, probability)) in slopes.iter_mut().zip(&probabilities).enumerate() {
                        *slope = bounded(probability - f64::from(u8::from(class == *target as usize)));
                    }
                }
            }
        }
        network.backward(&batch.rows, columns, settings, work);
        network.step(settings, work);
        batch.rows.clear();
        batch.targets.clear();
        batch.weights.clear();
    }

    /// Whether it can have come from a learner of these features, this shape and these settings.
    fn is_sound(&self, columns: &Columns, shape: Shape, settings: &Settings) -> bool {
        let (outputs, count) = (outputs_of(shape), self.batch.rows.len());
        let targets = &self.batch.targets;
        let bound = f64::from(VALUE_MAX);
        let fits = match shape {
            Shape::Number | Shape::Unlabelled => {
                self.active.is_empty() && targets.iter().all(|target| target.abs() <= bound)
            }
            Shape::Binary => self.active.is_empty() && targets.iter().all(|target| (0.0..=1.0).contains(target)),
            Shape::Classes { classes } => {
                let is_met = |target: &f64| *target >= 0.0 && self.active.get(*target as usize) == Some(&true);
                self.active.len() == classes && targets.iter().all(is_met)
            }
        };
        fits && count < settings.batch_size
            && targets.len() == count
            && self.batch.weights.len() == count
            && self.batch.weights.iter().all(|weight| *weight > 0.0 && *weight <= WEIGHT_MAX)
            && self.batch.rows.are_sound(columns, settings.embeddings_max)
            && self.rows < u64::MAX / 2
            && self.network.is_sound(columns, outputs, settings)
    }
}

impl Learner for Mlp {
    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.columns = Columns::all(kinds);
        self.learned = Learned::new(&self.columns, self.shape, &self.settings);
    }

    fn predict(&self, x: &Block, scores: &mut Vec<f64>) {
        let (mut rows, mut work) = (Rows::default(), Work::default());
        let mut first = 0;
        while first < x.rows() {
            let end = x.rows().min(first + ROWS_AT_ONCE);
            rows.clear();
            (first..end).for_each(|row| rows.push(x.row(row).dense, &self.columns, self.settings.embeddings_max));
            self.learned.network.forward(&rows, false, &self.settings, &mut work);
            let stride = self.learned.network.stride();
            for row in 0..rows.len() {
                let outputs = &work.outputs()[row * stride..(row + 1) * stride];
                Self::push_scores(self.shape, outputs, &self.learned.active, scores);
            }
            first = end;
        }
    }

    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        for (row, target) in y.iter().enumerate() {
            let weight = row_weight(weights, row);
            if weight > 0.0 {
                self.take_in(x.row(row).dense, *target, weight);
            }
        }
    }

    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        let mut first = 0;
        while first < y.len() {
            // Up to the row that fills the mini-batch all are predicted by the weights there are: in one pass.
            let mut room = self.settings.batch_size - self.learned.batch.rows.len();
            let mut end = first;
            while end < y.len() && room > 0 && end - first < ROWS_AT_ONCE {
                let learns = row_weight(weights, end) > 0.0;
                room -= usize::from(learns);
                end += 1;
                // A class takes part from the row after the first that has it.
                if learns && self.learned.active.get(y[end - 1] as usize) == Some(&false) {
                    break;
                }
            }
            let mut asked = std::mem::take(&mut self.asked);
            asked.clear();
            (first..end).for_each(|row| asked.push(before.row(row).dense, &self.columns, self.settings.embeddings_max));
            self.learned.network.forward(&asked, false, &self.settings, &mut self.work);
            self.asked = asked;
            let stride = self.learned.network.stride();
            for (row, target) in y.iter().enumerate().take(end).skip(first) {
                let outputs = &self.work.outputs()[(row - first) * stride..][..stride];
                Self::push_scores(self.shape, outputs, &self.learned.active, scores);
                let weight = row_weight(weights, row);
                if weight > 0.0 {
                    self.take_in(after.row(row).dense, *target, weight);
                }
            }
            first = end;
        }
    }

    fn set_classes(&mut self, classes: usize) {
        if let Shape::Classes { classes: known } = &mut self.shape
            && classes > *known
        {
            *known = classes;
            self.learned.network.grow(classes, &self.settings);
            self.learned.active.resize(classes, false);
        }
    }

    fn renumber_classes(&mut self, numbers: &[u32], classes: usize) -> Result<()> {
        self.set_classes(classes);
        let Learned { network, active, batch, .. } = &mut self.learned;
        if let Some(last) = network.layers.last_mut() {
            last.renumber(numbers);
        }
        let were = std::mem::replace(active, vec![false; active.len()]);
        for (was, number) in were.into_iter().zip(numbers) {
            if let Some(active) = active.get_mut(*number as usize) {
                *active = was;
            }
        }
        for target in &mut batch.targets {
            *target = numbers.get(*target as usize).map_or(*target, |number| f64::from(*number));
        }
        Ok(())
    }

    fn renumber_categories(&mut self, feature: usize, numbers: &[u32]) -> Result<()> {
        let column = self.columns.categories.iter().position(|category| *category as usize == feature);
        if let Some(column) = column {
            let Learned { network, batch, .. } = &mut self.learned;
            let columns = network.embeddings.len();
            if let Some(embedding) = network.embeddings.get_mut(column) {
                embedding.renumber(numbers, column, &self.settings);
            }
            batch.rows.renumber(column, columns, numbers, self.settings.embeddings_max);
        }
        Ok(())
    }

    fn merge(&mut self, others: &[&[u8]]) -> Result<()> {
        let mut all = self.read_all(others)?;
        let mut own = self.learned.clone();
        own.make_step(&self.columns, self.shape, &self.settings, &mut self.work);
        all.insert(0, own);
        let counts: Vec<f64> = all.iter().map(|one| one.rows as f64).collect();
        if counts.iter().any(|count| *count > 0.0) {
            let rows = all.iter().fold(0u64, |rows, one| rows.saturating_add(one.rows));
            let steps = all.iter().fold(0u64, |steps, one| steps.saturating_add(one.network.clock.steps));
            self.become_average(all, &counts, rows, steps);
        }
        Ok(())
    }

    fn merge_since(&mut self, replicas: &[&[u8]]) -> Result<()> {
        let all = self.read_all(replicas)?;
        let (rows, steps) = (self.learned.rows, self.learned.network.clock.steps);
        let since: Vec<u64> = all.iter().map(|one| one.rows.saturating_sub(rows)).collect();
        if since.iter().any(|since| *since > 0) {
            let rows = since.iter().fold(rows, |rows, since| rows.saturating_add(*since));
            let made = all.iter().map(|one| one.network.clock.steps.saturating_sub(steps));
            let steps = made.fold(steps, |steps, made| steps.saturating_add(made));
            let counts: Vec<f64> = since.iter().map(|since| *since as f64).collect();
            self.become_average(all, &counts, rows, steps);
        }
        Ok(())
    }

    fn save(&self) -> Vec<u8> {
        encode(&Saved { name: NAME.to_string(), classes: outputs_of(self.shape), learned: &self.learned })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let saved = self.read(state)?;
        if let Shape::Classes { classes } = &mut self.shape {
            *classes = saved.classes;
        }
        self.learned = saved.learned;
        self.work = Work::default();
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        let Learned { network, active, batch, .. } = &self.learned;
        let batch = batch.rows.heap_bytes() + 8 * (batch.targets.capacity() + batch.weights.capacity());
        let kinds = self.kinds.capacity() * size_of::<FeatureKind>() + self.columns.heap_bytes();
        let buffers = self.work.heap_bytes() + self.asked.heap_bytes();
        size_of::<Self>() + network.heap_bytes() + active.capacity() + batch + kinds + buffers
    }
}

#[cfg(test)]
impl Mlp {
    /// All that is learned, in one order: embeddings, then a layer's weights, bias, gain and shift.
    pub(super) fn parameters(&mut self) -> Vec<&mut super::optimizer::Parameter> {
        let network = &mut self.learned.network;
        let embeddings = network.embeddings.iter_mut().map(|embedding| embedding.parameter());
        embeddings.chain(network.layers.iter_mut().flat_map(|layer| layer.parameters())).collect()
    }

    /// The gradients of the last step, in the order of [`Mlp::parameters`].
    pub(super) fn gradients(&self) -> Vec<Vec<f32>> {
        let hidden = self.settings.hidden.len();
        let layers = self.work.passed.iter().enumerate();
        let of_layers = layers
            .flat_map(|(i, passed)| passed.gradients(self.settings.layer_norm && i < hidden))
            .map(<[f32]>::to_vec);
        self.work.touched.iter().map(|touched| touched.gradient().to_vec()).chain(of_layers).collect()
    }

    /// The mean loss of some rows, with units dropped as in the next step.
    pub(super) fn loss_of(&self, x: &Block, y: &[f64], weights: &[f64]) -> f64 {
        let (mut rows, mut work) = (Rows::default(), Work::default());
        (0..y.len()).for_each(|row| rows.push(x.row(row).dense, &self.columns, self.settings.embeddings_max));
        self.learned.network.forward(&rows, true, &self.settings, &mut work);
        let stride = self.learned.network.stride();
        let mut sum = 0.0;
        for (row, (target, weight)) in y.iter().zip(weights).enumerate() {
            let mut scores = Vec::new();
            Self::push_scores(self.shape, &work.outputs()[row * stride..], &self.learned.active, &mut scores);
            sum += weight
                * match self.shape {
                    Shape::Number | Shape::Unlabelled => 0.5 * (scores[0] - target) * (scores[0] - target),
                    Shape::Binary => -(if *target == 1.0 { scores[0] } else { 1.0 - scores[0] }).ln(),
                    Shape::Classes { .. } => -scores[*target as usize].ln(),
                };
        }
        sum / y.len() as f64
    }
}
