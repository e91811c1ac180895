//! Parameters and how they move along a gradient.

use serde::{Deserialize, Serialize};

use super::settings::{Settings, VALUE_MAX};

/// Means of gradients below this are 0: they move nothing, and numbers that are not normal are slow.
const NEGLIGIBLE: f32 = 1e-30;

/// Some weights, and beside each the moving means of its gradient and of the square of it; without Adam there are none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Parameter {
    pub(super) values: Vec<f32>,
    means: Vec<f32>,
    squares: Vec<f32>,
}

/// How far a network has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Clock {
    /// Steps made.
    pub(super) steps: u64,
    /// `β1` and `β2` to the power of the steps, as a running product.
    powers: [f64; 2],
}

impl Default for Clock {
    fn default() -> Self {
        Self { steps: 0, powers: [1.0; 2] }
    }
}

/// What all parameters share in a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    adam: bool,
    /// What the gradient is multiplied by, to be no longer than allowed.
    pub(super) scale: f32,
    /// The rate, with Adam's corrections for the start at 0.
    rate: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    /// Added to the gradient, times the weight.
    l2: f32,
    /// What is left of a weight.
    shrink: f32,
}

impl Step {
    /// For parameters that pay no penalty.
    pub(super) fn without_penalty(self) -> Self {
        Self { l2: 0.0, shrink: 1.0, ..self }
    }
}

impl Clock {
    /// Counts a step.
    pub(super) fn advance(&mut self, settings: &Settings, scale: f32) -> Step {
        self.steps += 1;
        self.powers = [self.powers[0] * settings.beta1, self.powers[1] * settings.beta2];
        let root = (1.0 - self.powers[1]).sqrt();
        let adam = settings.adam;
        let rate = if adam { settings.learning_rate * root / (1.0 - self.powers[0]) } else { settings.learning_rate };
        Step {
            adam,
            scale,
            rate: rate as f32,
            beta1: settings.beta1 as f32,
            beta2: settings.beta2 as f32,
            epsilon: (settings.epsilon * root) as f32,
            l2: settings.l2 as f32,
            shrink: (1.0 - settings.learning_rate * settings.weight_decay).max(0.0) as f32,
        }
    }

    /// Whether it can have come from a network.
    pub(super) fn is_sound(&self) -> bool {
        self.steps < u64::MAX / 2 && self.powers.iter().all(|power| (0.0..=1.0).contains(power))
    }

    /// The clock of parameters that are averaged by these shares. The powers tell how much of the means is still their start
    /// at 0, and so are averaged as they are.
    pub(super) fn average(clocks: &[&Self], shares: &[f64], steps: u64) -> Self {
        let power = |i: usize| clocks.iter().zip(shares).map(|(clock, share)| clock.powers[i] * share).sum::<f64>();
        Self { steps, powers: [power(0).clamp(0.0, 1.0), power(1).clamp(0.0, 1.0)] }
    }
}

#[inline(always)]
fn bounded(value: f32) -> f32 {
    value.clamp(-VALUE_MAX, VALUE_MAX)
}

#[inline(always)]
fn noticeable(value: f32) -> f32 {
    if value.abs() < NEGLIGIBLE { 0.0 } else { value }
}

impl Parameter {
    /// Weights with these values.
    pub(super) fn new(values: Vec<f32>, adam: bool) -> Self {
        let slots = if adam { values.len() } else { 0 };
        Self { values, means: vec![0.0; slots], squares: vec![0.0; slots] }
    }

    /// Moves the weights from `first` on along their gradient.
    pub(super) fn update(&mut self, first: usize, gradient: &[f32], step: Step) {
        pulp::Arch::new().dispatch(Update { parameter: self, first, gradient, step });
    }

    #[inline(always)]
    fn follow(&mut self, first: usize, gradient: &[f32], step: Step) {
        let values = &mut self.values[first..first + gradient.len()];
        if !step.adam {
            for (value, gradient) in values.iter_mut().zip(gradient) {
                let gradient = gradient * step.scale + step.l2 * *value;
                *value = bounded(*value * step.shrink - step.rate * gradient);
            }
            return;
        }
        let means = &mut self.means[first..first + gradient.len()];
        let squares = &mut self.squares[first..first + gradient.len()];
        for (((value, mean), square), gradient) in values.iter_mut().zip(means).zip(squares).zip(gradient) {
            let gradient = gradient * step.scale + step.l2 * *value;
            *mean = noticeable(step.beta1 * *mean + (1.0 - step.beta1) * gradient);
            *square = noticeable(step.beta2 * *square + (1.0 - step.beta2) * (gradient * gradient));
            *value = bounded(*value * step.shrink - step.rate * *mean / (square.sqrt() + step.epsilon));
        }
    }

    /// Changes the layout of the values and of what is beside them.
    pub(super) fn relayout(&mut self, change: impl Fn(&[f32]) -> Vec<f32>) {
        self.values = change(&self.values);
        if !self.means.is_empty() {
            self.means = change(&self.means);
            self.squares = change(&self.squares);
        }
    }

    /// Adds weights that have not been learned yet.
    pub(super) fn extend(&mut self, values: impl IntoIterator<Item = f32>, adam: bool) {
        self.values.extend(values);
        if adam {
            self.means.resize(self.values.len(), 0.0);
            self.squares.resize(self.values.len(), 0.0);
        }
    }

    /// Takes over rows of `size` weights, and what is beside them: each pair says from where and to where.
    pub(super) fn copy_rows(&mut self, from: &Self, size: usize, pairs: impl IntoIterator<Item = (usize, usize)>) {
        for (source, target) in pairs {
            let (source, target) = (source * size..(source + 1) * size, target * size..(target + 1) * size);
            self.values[target.clone()].copy_from_slice(&from.values[source.clone()]);
            if !from.means.is_empty() {
                self.means[target.clone()].copy_from_slice(&from.means[source.clone()]);
                self.squares[target].copy_from_slice(&from.squares[source]);
            }
        }
    }

    /// The average by these shares, whose sum is 1. All are of one length.
    pub(super) fn average(all: &[&Self], shares: &[f64]) -> Self {
        let average = |of: fn(&Self) -> &[f32]| -> Vec<f32> {
            let mut sums = vec![0.0; all.first().map_or(0, |first| of(first).len())];
            for (one, share) in all.iter().zip(shares) {
                sums.iter_mut().zip(of(one)).for_each(|(sum, value)| *sum += share * f64::from(*value));
            }
            sums.into_iter().map(|sum| sum as f32).collect()
        };
        Self { values: average(|p| &p.values), means: average(|p| &p.means), squares: average(|p| &p.squares) }
    }

    /// Whether it can have come from a network with so many of them.
    pub(super) fn is_sound(&self, count: usize, adam: bool) -> bool {
        let slots = if adam { count } else { 0 };
        // Beyond what gradients of any allowed size can make of them.
        let within = |values: &[f32], most: f32| values.iter().all(|value| value.abs() <= most);
        self.values.len() == count
            && self.means.len() == slots
            && self.squares.len() == slots
            && within(&self.values, VALUE_MAX)
            && within(&self.means, 1e19)
            && within(&self.squares, 1e37)
            && self.squares.iter().all(|square| *square >= 0.0)
    }

    /// Bytes of memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        (self.values.capacity() + self.means.capacity() + self.squares.capacity()) * size_of::<f32>()
    }
}

/// A step to be made, compiled for each set of vector registers; which of them does not change a bit.
struct Update<'a> {
    parameter: &'a mut Parameter,
    first: usize,
    gradient: &'a [f32],
    step: Step,
}

impl pulp::WithSimd for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.parameter.follow(self.first, self.gradient, self.step);
    }
}

/// The sum of squares, in one fixed order.
pub(super) fn sum_of_squares(values: &[f32]) -> f64 {
    let mut sums = [0.0f64; 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    let rest: f64 = rest.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
    sums.iter().sum::<f64>() + rest
}
