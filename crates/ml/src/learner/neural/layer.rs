//! A layer: each unit sums its inputs times its weights and adds its bias; hidden units make something of that sum.
//!
//! `z = x·W + b`; with layer normalisation `z' = γ·(z − mean) / √(variance + 1e-5) + β` over the units of a row (Ba, Kiros &
//! Hinton 2016); then `max(0, z)` (ReLU) or GELU, `z·σ(1.5957691·(z + 0.044715·z³))` (Hendrycks & Gimpel 2016, section 2), and
//! dropout: a unit is 0 with the probability `p`, else `1 / (1 − p)` times what it was (Srivastava et al. 2014).

use serde::{Deserialize, Serialize};

use super::optimizer::{Parameter, Step, sum_of_squares};
use super::product::{LANES, Left, multiply, transpose};
use super::random::{Purpose, Random};
use super::settings::{Activation, Settings, VALUE_MAX};
use crate::learner::linear::exponential::sigmoid;

/// Keeps the division by a variance finite.
const VARIANCE_MIN: f32 = 1e-5;

/// A layer with its learned state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Layer {
    inputs: usize,
    outputs: usize,
    /// `inputs × stride`: a row an input, a column a unit; 0 behind the last unit.
    weights: Parameter,
    bias: Parameter,
    /// `γ` and `β`, where there is layer normalisation.
    norm: Option<(Parameter, Parameter)>,
}

/// What a pass through a layer leaves for the way back.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// What comes out: `rows × stride`.
    pub(super) outputs: Vec<f32>,
    /// What the activation was given.
    sums: Vec<f32>,
    /// With layer normalisation: the sums at mean 0 and variance 1, and a row's `1 / √variance`.
    normal: Vec<f32>,
    narrow: Vec<f32>,
    /// With dropout: what each output was multiplied by.
    kept: Vec<f32>,
    /// The slope of the loss along what comes out, then along the sums.
    pub(super) slopes: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
    gain: Vec<f32>,
    shift: Vec<f32>,
}

/// How wide the rows of so many units are. Large ones grow by an eighth, so that classes met one by one are not moved each
/// time.
pub(super) fn stride_of(units: usize) -> usize {
    let step = if units <= 8 * LANES { LANES } else { (units.next_power_of_two() / 8).max(LANES) };
    units.next_multiple_of(step)
}

impl Layer {
    /// A layer whose units have initial weights. `number` tells layers apart, by which weights are drawn.
    pub(super) fn new(inputs: usize, outputs: usize, number: usize, is_hidden: bool, settings: &Settings) -> Self {
        let stride = stride_of(outputs);
        let parameter = |values| Parameter::new(values, settings.adam);
        let norm = (is_hidden && settings.layer_norm).then(|| {
            let gain = (0..stride).map(|unit| f32::from(u8::from(unit < outputs))).collect();
            (parameter(gain), parameter(vec![0.0; stride]))
        });
        let (weights, bias) = (parameter(vec![0.0; inputs * stride]), parameter(vec![0.0; stride]));
        let mut layer = Self { inputs, outputs, weights, bias, norm };
        if is_hidden {
            (0..outputs).for_each(|unit| layer.initialise(unit, number, is_hidden, settings));
        }
        layer
    }

    /// Draws the weights of a unit, uniformly: with variance `2 / inputs` for hidden units (He et al. 2015), so that sums keep
    /// their size from layer to layer, and a sixth of that for those of the last layer.
    pub(super) fn initialise(&mut self, unit: usize, number: usize, is_hidden: bool, settings: &Settings) {
        let limit = (if is_hidden { 6.0 } else { 1.0 } / self.inputs.max(1) as f32).sqrt();
        let mut random = Random::new(settings.seed, Purpose::Weights { layer: number, unit });
        let stride = self.stride();
        for input in 0..self.inputs {
            self.weights.values[input * stride + unit] = random.within(limit);
        }
    }

    /// Adds units whose weights are 0.
    pub(super) fn grow(&mut self, outputs: usize, settings: &Settings) {
        let (from, to) = (self.stride(), stride_of(outputs));
        self.outputs = outputs;
        if from == 0 {
            self.weights = Parameter::new(vec![0.0; self.inputs * to], settings.adam);
            self.bias = Parameter::new(vec![0.0; to], settings.adam);
        } else if from != to {
            let wider = |values: &[f32]| {
                let mut wide = vec![0.0; values.len() / from * to];
                for (wide, narrow) in wide.chunks_exact_mut(to).zip(values.chunks_exact(from)) {
                    wide[..from].copy_from_slice(narrow);
                }
                wide
            };
            self.weights.relayout(wider);
            self.bias.relayout(wider);
        }
    }

    /// What was unit `i` is from now on unit `numbers[i]`; other units have weights of 0.
    pub(super) fn renumber(&mut self, numbers: &[u32]) {
        let (stride, outputs) = (self.stride(), self.outputs);
        let moved = |values: &[f32]| {
            let mut moved = vec![0.0; values.len()];
            for (moved, row) in moved.chunks_exact_mut(stride).zip(values.chunks_exact(stride)) {
                for (value, number) in row[..outputs].iter().zip(numbers) {
                    if (*number as usize) < outputs {
                        moved[*number as usize] = *value;
                    }
                }
            }
            moved
        };
        if stride > 0 {
            self.weights.relayout(moved);
            self.bias.relayout(moved);
        }
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    pub(super) fn stride(&self) -> usize {
        stride_of(self.outputs)
    }

    /// Whether it can have come from a network with these settings.
    pub(super) fn is_sound(&self, inputs: usize, outputs: usize, is_hidden: bool, settings: &Settings) -> bool {
        // The bias first: it tells that the width is a real one.
        let sound = |parameter: &Parameter, rows: usize| {
            let count = rows.checked_mul(stride_of(outputs));
            count.is_some_and(|count| parameter.is_sound(count, settings.adam))
        };
        self.inputs == inputs
            && self.outputs == outputs
            && outputs <= u32::MAX as usize
            && sound(&self.bias, 1)
            && sound(&self.weights, inputs)
            && self.norm.is_some() == (is_hidden && settings.layer_norm)
            && self.norm.iter().all(|(gain, shift)| sound(gain, 1) && sound(shift, 1))
    }

    /// The average by these shares.
    pub(super) fn average(all: &[&Self], shares: &[f64]) -> Option<Self> {
        let first = all.first()?;
        let of = |of: fn(&Self) -> &Parameter| {
            Parameter::average(&all.iter().map(|layer| of(layer)).collect::<Vec<_>>(), shares)
        };
        let norms: Option<Vec<_>> = all.iter().map(|layer| layer.norm.as_ref()).collect();
        let norm = norms.map(|norms| {
            let (gains, shifts): (Vec<_>, Vec<_>) = norms.into_iter().map(|(gain, shift)| (gain, shift)).unzip();
            (Parameter::average(&gains, shares), Parameter::average(&shifts, shares))
        });
        Some(Self {
            inputs: first.inputs,
            outputs: first.outputs,
            weights: of(|l| &l.weights),
            bias: of(|l| &l.bias),
            norm,
        })
    }

    /// The sums of the last layer: `rows × stride`.
    pub(super) fn sums(&self, x: &[f32], x_stride: usize, rows: usize, passed: &mut Passed) {
        let stride = self.stride();
        passed.outputs.resize(rows * stride, 0.0);
        multiply(Left::new(x, x_stride), self.inputs, &self.weights.values, &mut passed.outputs, stride);
        for row in passed.outputs.chunks_exact_mut(stride.max(1)) {
            row.iter_mut().zip(&self.bias.values).for_each(|(sum, bias)| *sum += bias);
        }
    }

    /// What a hidden layer makes of some rows. `dropout`: where rows are learned, the number of the layer and of the step.
    pub(super) fn forward(
        &self,
        (x, x_stride): (&[f32], usize),
        rows: usize,
        settings: &Settings,
        dropout: Option<(usize, u64)>,
        passed: &mut Passed,
    ) {
        self.sums(x, x_stride, rows, passed);
        self.normalise(passed);
        if dropout.is_some() {
            passed.sums.clear();
            passed.sums.extend_from_slice(&passed.outputs);
        }
        match settings.activation {
            Activation::Relu => passed.outputs.iter_mut().for_each(|value| *value = relu(*value)),
            Activation::Gelu => passed.outputs.iter_mut().for_each(|value| *value = gelu(*value)),
        }
        passed.kept.clear();
        if let Some((layer, step)) = dropout.filter(|_| settings.dropout > 0.0) {
            let mut random = Random::new(settings.seed, Purpose::Dropout { layer, step });
            let kept = 1.0 / (1.0 - settings.dropout);
            passed.kept.resize(passed.outputs.len(), 0.0);
            let (stride, outputs) = (self.stride(), self.outputs);
            for row in passed.kept.chunks_exact_mut(stride) {
                for factor in &mut row[..outputs] {
                    *factor = if random.uniform() < settings.dropout { 0.0 } else { kept };
                }
            }
            passed.outputs.iter_mut().zip(&passed.kept).for_each(|(value, kept)| *value *= kept);
        }
    }

    fn normalise(&self, passed: &mut Passed) {
        let Some((gain, shift)) = &self.norm else { return };
        let (stride, units) = (self.stride(), self.outputs);
        passed.normal.clear();
        passed.normal.resize(passed.outputs.len(), 0.0);
        passed.narrow.clear();
        for (row, normal) in passed.outputs.chunks_exact_mut(stride).zip(passed.normal.chunks_exact_mut(stride)) {
            let count = units as f32;
            // Sums of huge numbers would not be finite.
            row.iter_mut().for_each(|value| *value = value.clamp(-VALUE_MAX, VALUE_MAX));
            let mean = row[..units].iter().sum::<f32>() / count;
            let variance = row[..units].iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / count;
            let narrow = 1.0 / (variance + VARIANCE_MIN).sqrt();
            passed.narrow.push(narrow);
            normal[..units].iter_mut().zip(&*row).for_each(|(normal, value)| *normal = (value - mean) * narrow);
            let factors = gain.values.iter().zip(&shift.values);
            for ((value, normal), (gain, shift)) in row.iter_mut().zip(&*normal).zip(factors) {
                *value = normal * gain + shift;
            }
        }
    }

    /// Turns the slopes along the outputs of a hidden layer into slopes along its sums.
    pub(super) fn slopes_of_sums(&self, settings: &Settings, passed: &mut Passed) {
        if !passed.kept.is_empty() {
            passed.slopes.iter_mut().zip(&passed.kept).for_each(|(slope, kept)| *slope *= kept);
        }
        let slopes = passed.slopes.iter_mut().zip(&passed.sums);
        match settings.activation {
            Activation::Relu => slopes.for_each(|(slope, sum)| *slope = if *sum > 0.0 { *slope } else { 0.0 }),
            Activation::Gelu => slopes.for_each(|(slope, sum)| *slope *= gelu_slope(*sum)),
        }
        let Some((gain, _)) = &self.norm else { return };
        let (stride, units) = (self.stride(), self.outputs);
        for values in [&mut passed.gain, &mut passed.shift] {
            values.clear();
            values.resize(stride, 0.0);
        }
        let rows = passed.slopes.chunks_exact_mut(stride).zip(passed.normal.chunks_exact(stride)).zip(&passed.narrow);
        for ((slopes, normal), narrow) in rows {
            passed.shift.iter_mut().zip(&*slopes).for_each(|(sum, slope)| *sum += slope);
            passed.gain.iter_mut().zip(slopes.iter().zip(normal)).for_each(|(sum, (s, n))| *sum += s * n);
            slopes.iter_mut().zip(&gain.values).for_each(|(slope, gain)| *slope *= gain);
            let count = units as f32;
            let mean = slopes[..units].iter().sum::<f32>() / count;
            let along = slopes[..units].iter().zip(normal).map(|(s, n)| s * n).sum::<f32>() / count;
            for (slope, normal) in slopes[..units].iter_mut().zip(normal) {
                *slope = narrow * (*slope - mean - normal * along);
            }
        }
    }

    /// The gradient of the weights, from the slopes along the sums.
    pub(super) fn gradient(&self, x: &[f32], x_stride: usize, passed: &mut Passed) {
        let stride = self.stride();
        let rows = passed.slopes.len() / stride.max(1);
        passed.weights.resize(self.inputs * stride, 0.0);
        multiply(Left::transposed(x, x_stride), rows, &passed.slopes, &mut passed.weights, stride);
        passed.bias.clear();
        passed.bias.resize(stride, 0.0);
        for row in passed.slopes.chunks_exact(stride.max(1)) {
            passed.bias.iter_mut().zip(row).for_each(|(sum, slope)| *sum += slope);
        }
    }

    /// The slopes along some of what came in: `rows × width`, padded with zeros.
    pub(super) fn slopes_of_inputs(
        &self,
        passed: &Passed,
        inputs: std::ops::Range<usize>,
        width: usize,
        buffer: &mut Vec<f32>,
        slopes: &mut Vec<f32>,
    ) {
        let stride = self.stride();
        let rows = &self.weights.values[inputs.start * stride..inputs.end * stride];
        transpose(rows, stride, 0..self.outputs, buffer, width);
        slopes.resize(passed.slopes.len() / stride.max(1) * width, 0.0);
        multiply(Left::new(&passed.slopes, stride), self.outputs, buffer, slopes, width);
    }

    /// The squared length of the gradient.
    pub(super) fn squared_norm(&self, passed: &Passed) -> f64 {
        let norm = if self.norm.is_some() { sum_of_squares(&passed.gain) + sum_of_squares(&passed.shift) } else { 0.0 };
        sum_of_squares(&passed.weights) + sum_of_squares(&passed.bias) + norm
    }

    /// Moves the weights along the gradient.
    pub(super) fn step(&mut self, passed: &Passed, step: Step) {
        self.weights.update(0, &passed.weights, step);
        let free = step.without_penalty();
        self.bias.update(0, &passed.bias, free);
        if let Some((gain, shift)) = &mut self.norm {
            gain.update(0, &passed.gain, free);
            shift.update(0, &passed.shift, free);
        }
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        let norm = self.norm.as_ref().map_or(0, |(gain, shift)| gain.heap_bytes() + shift.heap_bytes());
        self.weights.heap_bytes() + self.bias.heap_bytes() + norm
    }

    /// All that is learned, in one order.
    #[cfg(test)]
    pub(super) fn parameters(&mut self) -> Vec<&mut Parameter> {
        let mut all = vec![&mut self.weights, &mut self.bias];
        if let Some((gain, shift)) = &mut self.norm {
            all.extend([gain, shift]);
        }
        all
    }
}

impl Passed {
    /// The gradients, in the order of [`Layer::parameters`].
    #[cfg(test)]
    pub(super) fn gradients(&self, has_norm: bool) -> Vec<&[f32]> {
        let mut all = vec![&self.weights[..], &self.bias];
        if has_norm {
            all.extend([&self.gain[..], &self.shift]);
        }
        all
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        let buffers = [
            &self.outputs,
            &self.sums,
            &self.normal,
            &self.narrow,
            &self.kept,
            &self.slopes,
            &self.weights,
            &self.bias,
            &self.gain,
            &self.shift,
        ];
        buffers.iter().map(|buffer| buffer.capacity() * size_of::<f32>()).sum()
    }
}

/// `max(0, z)`, within bounds; 0 for what is no number.
#[inline(always)]
fn relu(z: f32) -> f32 {
    let positive = if z > 0.0 { z } else { 0.0 };
    if positive < VALUE_MAX { positive } else { VALUE_MAX }
}

/// `2·√(2/π)`.
const GELU_SCALE: f64 = 1.595_769_121_605_731;
const GELU_CUBE: f64 = 0.044_715;

/// GELU, within bounds.
#[inline]
fn gelu(z: f32) -> f32 {
    if z.is_nan() {
        return 0.0;
    }
    let z = f64::from(z.clamp(-VALUE_MAX, VALUE_MAX));
    (z * sigmoid(GELU_SCALE * (z + GELU_CUBE * z * z * z))) as f32
}

/// The slope of GELU.
#[inline]
fn gelu_slope(z: f32) -> f32 {
    // Further out it is 0 or 1, to the last bit of an f32.
    let z = if z.is_nan() { 0.0 } else { f64::from(z.clamp(-30.0, 30.0)) };
    let share = sigmoid(GELU_SCALE * (z + GELU_CUBE * z * z * z));
    (share + z * share * (1.0 - share) * GELU_SCALE * (1.0 + 3.0 * GELU_CUBE * z * z)) as f32
}
