//! A network: embeddings of categories beside the numbers, then layers; how it is passed forwards and backwards.

use serde::{Deserialize, Serialize};

use super::embedding::{Embedding, Touched};
use super::layer::{Layer, Passed};
use super::optimizer::Clock;
use super::product::LANES;
use super::rows::Rows;
use super::settings::Settings;
use crate::learner::bayes::Columns;

/// All that a network has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Network {
    pub(super) embeddings: Vec<Embedding>,
    pub(super) layers: Vec<Layer>,
    pub(super) clock: Clock,
}

/// Buffers of a pass.
#[derive(Debug, Default)]
pub(super) struct Work {
    inputs: Vec<f32>,
    pub(super) passed: Vec<Passed>,
    pub(super) touched: Vec<Touched>,
    transposed: Vec<f32>,
    slopes: Vec<f32>,
}

/// How many numbers a row is, with those that stand for its categories.
fn inputs_of(columns: &Columns, settings: &Settings) -> usize {
    columns.numbers.len() + columns.categories.len() * settings.embedding_size
}

/// Inputs and outputs of each layer, and whether it is hidden.
fn shapes(columns: &Columns, outputs: usize, settings: &Settings) -> impl Iterator<Item = (usize, usize, bool)> {
    let before = std::iter::once(inputs_of(columns, settings)).chain(settings.hidden.iter().copied());
    let hidden = settings.hidden.len();
    let after = settings.hidden.iter().copied().chain(std::iter::once(outputs));
    before
        .zip(after)
        .enumerate()
        .map(move |(i, (inputs, outputs))| (inputs, outputs, i < hidden))
        .collect::<Vec<_>>()
        .into_iter()
}

impl Network {
    /// A network that has learned nothing. The weights of the last layer are 0 until [`Network::initialise`].
    pub(super) fn new(columns: &Columns, outputs: usize, settings: &Settings) -> Self {
        let layer = |(number, (inputs, outputs, is_hidden))| Layer::new(inputs, outputs, number, is_hidden, settings);
        Self {
            embeddings: columns.categories.iter().map(|_| Embedding::new(settings)).collect(),
            layers: shapes(columns, outputs, settings).enumerate().map(layer).collect(),
            clock: Clock::default(),
        }
    }

    /// Draws the weights of an output.
    pub(super) fn initialise(&mut self, output: usize, settings: &Settings) {
        let number = settings.hidden.len();
        if let Some(last) = self.layers.last_mut() {
            last.initialise(output, number, false, settings);
        }
    }

    /// Adds outputs whose weights are 0.
    pub(super) fn grow(&mut self, outputs: usize, settings: &Settings) {
        if let Some(last) = self.layers.last_mut().filter(|last| last.outputs() < outputs) {
            last.grow(outputs, settings);
        }
    }

    /// How far apart the rows of [`Work::outputs`] begin.
    pub(super) fn stride(&self) -> usize {
        self.layers.last().map_or(0, Layer::stride)
    }

    /// Passes rows to the outputs: one product a layer. `learning`: units are dropped, and all is kept for the way back.
    pub(super) fn forward(&self, rows: &Rows, learning: bool, settings: &Settings, work: &mut Work) {
        work.passed.resize_with(self.layers.len(), Passed::default);
        let mut stride = rows.numbers.len() / rows.len().max(1);
        let inputs = if self.embeddings.is_empty() {
            &rows.numbers
        } else {
            let numbers = stride;
            stride += self.embeddings.len() * settings.embedding_size;
            work.inputs.clear();
            for row in 0..rows.len() {
                work.inputs.extend_from_slice(&rows.numbers[row * numbers..(row + 1) * numbers]);
                let categories = &rows.categories[row * self.embeddings.len()..];
                for (embedding, category) in self.embeddings.iter().zip(categories) {
                    work.inputs.extend_from_slice(embedding.of(*category, settings));
                }
            }
            &work.inputs
        };
        let mut x = (&inputs[..], stride);
        let mut passed = &mut work.passed[..];
        for (number, layer) in self.layers.iter().enumerate() {
            let Some((here, rest)) = std::mem::take(&mut passed).split_first_mut() else { return };
            if number < settings.hidden.len() {
                let step = learning.then_some((number, self.clock.steps));
                layer.forward(x, rows.len(), settings, step, here);
            } else {
                layer.sums(x.0, x.1, rows.len(), here);
            }
            x = (&here.outputs, layer.stride());
            passed = rest;
        }
    }

    /// Turns the slopes of the loss along the outputs ([`Work::slopes`]) into gradients. After [`Network::forward`] of the
    /// same rows.
    pub(super) fn backward(&self, rows: &Rows, columns: &Columns, settings: &Settings, work: &mut Work) {
        let Work { inputs, passed, touched, transposed, slopes } = work;
        let numbers = columns.numbers.len();
        let (x, stride) = match self.embeddings.is_empty() {
            true => (&rows.numbers, numbers),
            false => (&*inputs, inputs_of(columns, settings)),
        };
        for (number, layer) in self.layers.iter().enumerate().rev() {
            let (before, here) = passed.split_at_mut(number);
            let here = &mut here[0];
            if number < settings.hidden.len() {
                layer.slopes_of_sums(settings, here);
            }
            match before.last_mut().zip(number.checked_sub(1).and_then(|before| self.layers.get(before))) {
                Some((before, below)) => {
                    layer.gradient(&before.outputs, below.stride(), here);
                    let (width, slopes) = (below.stride(), &mut before.slopes);
                    layer.slopes_of_inputs(here, 0..below.outputs(), width, transposed, slopes);
                }
                None => layer.gradient(x, stride, here),
            }
        }
        touched.resize_with(self.embeddings.len(), Touched::default);
        touched.iter_mut().for_each(|touched| touched.clear(settings));
        if let Some((first, here)) = self.layers.first().zip(passed.first()).filter(|_| !self.embeddings.is_empty()) {
            let width = (stride - numbers).next_multiple_of(LANES);
            first.slopes_of_inputs(here, numbers..stride, width, transposed, slopes);
            let of_rows = slopes.chunks_exact(width).zip(rows.categories.chunks_exact(self.embeddings.len()));
            for (slopes, categories) in of_rows {
                let columns = slopes.chunks_exact(settings.embedding_size).zip(categories).zip(&self.embeddings);
                for (((slopes, category), embedding), touched) in columns.zip(touched.iter_mut()) {
                    embedding.touch(*category, slopes, touched, settings);
                }
            }
            touched.iter_mut().for_each(Touched::settle);
        }
    }

    /// Moves all along the gradients. Where those are no numbers, nothing moves.
    pub(super) fn step(&mut self, settings: &Settings, work: &Work) {
        let of_layers: f64 =
            self.layers.iter().zip(&work.passed).map(|(layer, passed)| layer.squared_norm(passed)).sum();
        let of_embeddings: f64 = work.touched.iter().map(|touched| touched.squared_norm(settings)).sum();
        let norm = (of_layers + of_embeddings).sqrt();
        if !norm.is_finite() {
            return;
        }
        let scale = if norm > settings.clip_gradient { settings.clip_gradient / norm } else { 1.0 };
        let step = self.clock.advance(settings, scale as f32);
        self.layers.iter_mut().zip(&work.passed).for_each(|(layer, passed)| layer.step(passed, step));
        for (embedding, touched) in self.embeddings.iter_mut().zip(&work.touched) {
            embedding.step(touched, step.without_penalty(), settings);
        }
    }

    /// Gives an embedding to each category of some rows.
    pub(super) fn meet(&mut self, rows: &Rows, settings: &Settings) {
        let columns = self.embeddings.len();
        for (column, embedding) in self.embeddings.iter_mut().enumerate() {
            let of_column = rows.categories.iter().skip(column).step_by(columns);
            let known = of_column.filter(|category| (**category as usize) < settings.embeddings_max).max();
            embedding.grow(known.map_or(0, |most| *most as usize + 1), column, settings);
        }
    }

    /// The average of networks by these shares, whose sum is 1. All have the same outputs.
    pub(super) fn average(mut all: Vec<Self>, shares: &[f64], steps: u64, settings: &Settings) -> Option<Self> {
        let first = all.first()?;
        let (columns, layers) = (first.embeddings.len(), first.layers.len());
        for column in 0..columns {
            let most = all.iter().map(|network| network.embeddings[column].categories(settings)).max()?;
            all.iter_mut().for_each(|network| network.embeddings[column].grow(most, column, settings));
        }
        let embedding = |column| {
            let embeddings: Vec<_> = all.iter().map(|network| &network.embeddings[column]).collect();
            Embedding::average(&embeddings, shares)
        };
        let layer =
            |number| Layer::average(&all.iter().map(|network| &network.layers[number]).collect::<Vec<_>>(), shares);
        let clocks: Vec<_> = all.iter().map(|network| &network.clock).collect();
        Some(Self {
            embeddings: (0..columns).map(embedding).collect(),
            layers: (0..layers).map(layer).collect::<Option<_>>()?,
            clock: Clock::average(&clocks, shares, steps),
        })
    }

    /// Whether it can have come from a network with these settings.
    pub(super) fn is_sound(&self, columns: &Columns, outputs: usize, settings: &Settings) -> bool {
        let shapes = shapes(columns, outputs, settings);
        self.layers.len() == settings.hidden.len() + 1
            && self.embeddings.len() == columns.categories.len()
            && self.embeddings.iter().all(|embedding| embedding.is_sound(settings))
            && self
                .layers
                .iter()
                .zip(shapes)
                .all(|(layer, (inputs, outputs, is_hidden))| layer.is_sound(inputs, outputs, is_hidden, settings))
            && self.clock.is_sound()
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        let layers: usize = self.layers.iter().map(Layer::heap_bytes).sum();
        let embeddings: usize = self.embeddings.iter().map(Embedding::heap_bytes).sum();
        layers
            + embeddings
            + self.layers.capacity() * size_of::<Layer>()
            + self.embeddings.capacity() * size_of::<Embedding>()
    }
}

impl Work {
    /// What came out of the last pass.
    pub(super) fn outputs(&self) -> &[f32] {
        self.passed.last().map_or(&[], |last| &last.outputs)
    }

    /// The slopes of the loss along what came out, to be filled: as many zeros as that.
    pub(super) fn slopes(&mut self) -> (&[f32], &mut [f32]) {
        match self.passed.last_mut() {
            Some(Passed { outputs, slopes, .. }) => {
                slopes.clear();
                slopes.resize(outputs.len(), 0.0);
                (outputs, slopes)
            }
            None => (&[], &mut []),
        }
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        let own = [&self.inputs, &self.transposed, &self.slopes].map(|buffer| buffer.capacity() * size_of::<f32>());
        let passed: usize = self.passed.iter().map(|passed| size_of::<Passed>() + passed.heap_bytes()).sum();
        let touched: usize = self.touched.iter().map(|touched| size_of::<Touched>() + touched.heap_bytes()).sum();
        own.iter().sum::<usize>() + passed + touched
    }
}
