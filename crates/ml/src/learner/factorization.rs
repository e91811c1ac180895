//! Factorisation machines.
//!
//! **Idea.** A linear model in which also each pair of features has a weight, and that weight is the product of a few factors of
//! either feature: so pairs that were never met together have one as well (Rendle 2010, "Factorization machines").
//!
//! **Formula.** `s = b + Σ w_i·x_i + Σ_{i<j} ⟨v_i, v_j⟩·x_i·x_j`, where the last sum is
//! `½·Σ_f ((Σ_i v_if·x_i)² − Σ_i v_if²·x_i²)`. Steps are AdaGrad's (Duchi, Hazan & Singer 2011) down the gradient of the log loss
//! (two classes), of softmax (more; each has weights of its own), or of squared error (numbers, taken less their running mean and by
//! their running deviation). No step moves a weight farther than `learning_rate`.
//!
//! **Two texts**, such as a visitor and a product, make it the biased matrix factorisation of Koren, Bell & Volinsky (2009): a mean, a
//! bias a visitor and a product, and the product of their factors.
//!
//! **Shapes.** Dense features and sparse ones; numbers beyond ±10⁶ count as that: scale them. A feature's factors are drawn by the
//! seed and its number when it is first met, with deviation `init_deviation`; until then it counts for nothing.
//!
//! **Cost a row.** `factors` times its features, to predict and again to learn, times the classes where there are more than two.
//! **Memory.** `16·(1 + factors)` bytes a feature and class.
//!
//! **Merging.** None.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef};

use super::linear::exponential::{exp, sigmoid};
use super::row_model::{ByRow, RowModel};
use super::{FeatureKind, Features, LearnerDef, Shape};
use crate::Task;
use crate::block::Row;
use crate::normal;
use crate::snapshot::SnapshotError;

/// Larger features count as this.
const LARGEST: f64 = 1e6;
/// What AdaGrad's sums of squares begin with.
const SQUARES: f64 = 1e-8;

const OPTIONS: &[OptionDef] = &[
    OptionDef::new("factors", Kind::Int { min: 1, max: 1000 }, "10", "How many factors a feature has."),
    OptionDef::new("learning_rate", Kind::Float { min: 0.0, max: 10.0 }, "0.1", "The largest step of a weight."),
    OptionDef::new(
        "l2",
        Kind::Float { min: 0.0, max: 1e3 },
        "0.0",
        "L2 penalty on weights and factors of a row's features.",
    ),
    OptionDef::new(
        "init_deviation",
        Kind::Float { min: 0.0, max: 10.0 },
        "0.1",
        "The deviation of the normal distribution that factors are drawn from.",
    ),
    OptionDef::new("seed", Kind::Int { min: 0, max: i64::MAX }, "1", "What factors are drawn by."),
];

/// `factorization_machine`: a linear model with a weight for each pair of features.
pub static FACTORIZATION_MACHINE: LearnerDef = LearnerDef {
    name: "factorization_machine",
    doc: "A linear model with a weight for each pair of features, made of a few factors of either (Rendle 2010); of two texts it is \
          biased matrix factorisation (Koren, Bell & Volinsky 2009).",
    tasks: &[Task::Classification, Task::Regression],
    features: Features::NUMBERS,
    options: &[OPTIONS],
    merge: "not at all: factors of models that learned apart mean different things",
    make: |options, shape| {
        let machine = Machine {
            shape,
            factors: usize::try_from(options.int("factors")).unwrap_or(1),
            rate: options.float("learning_rate"),
            l2: options.float("l2"),
            deviation: options.float("init_deviation"),
            seed: options.int("seed").unsigned_abs(),
            classes: 0,
            width: 0,
            learned: Learned::default(),
        };
        Ok(Box::new(ByRow::new("factorization_machine", shape, machine)))
    },
};

#[derive(Debug)]
struct Machine {
    shape: Shape,
    factors: usize,
    rate: f64,
    l2: f64,
    deviation: f64,
    seed: u64,
    classes: usize,
    width: usize,
    learned: Learned,
}

/// All that is learned.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Learned {
    /// One score: of the second of two classes, or a number. Else one a class.
    scores: Vec<Score>,
    /// Weight, mean and squared differences of targets that are numbers.
    targets: [f64; 3],
    /// Classes that rows have had, where there may be more than two.
    met: Vec<bool>,
}

/// What one score is made of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Score {
    intercept: Weight,
    dense: Vec<Weight>,
    sparse: Vec<Weight>,
}

/// A weight and AdaGrad's sum of squared gradients. A feature has `1 + factors` of them, side by side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Weight {
    value: f64,
    squares: f64,
}

impl Weight {
    #[inline]
    fn step(&mut self, gradient: f64, rate: f64) {
        self.squares += gradient * gradient;
        self.value -= rate * gradient / (SQUARES + self.squares).sqrt();
    }
}

/// Buffers for one row.
#[derive(Debug, Default)]
struct Scratch {
    /// `Σ_i v_if·x_i` of each score, one after the other.
    sums: Vec<f64>,
    scores: Vec<f64>,
}

/// A feature's values of a row: where its weights begin, in which list, and how much of it there is.
fn features<'a>(x: Row<'a>, stride: usize) -> impl Iterator<Item = (bool, usize, f64)> + 'a {
    let amount = |value: &f64| value.clamp(-LARGEST, LARGEST);
    let dense = x.dense.iter().enumerate().map(move |(i, value)| (true, i * stride, amount(value)));
    let sparse = x.indices.iter().zip(x.values).map(move |(i, value)| (false, *i as usize * stride, amount(value)));
    dense.chain(sparse).filter(|(_, _, amount)| *amount != 0.0)
}

impl Score {
    fn weights(&self, dense: bool, at: usize, stride: usize) -> Option<&[Weight]> {
        if dense { &self.dense } else { &self.sparse }.get(at..at + stride)
    }

    /// The score of a row; writes the sums of its factors.
    fn of(&self, x: Row<'_>, sums: &mut [f64]) -> f64 {
        let stride = sums.len() + 1;
        sums.fill(0.0);
        let (mut linear, mut own) = (self.intercept.value, 0.0);
        for (dense, at, amount) in features(x, stride) {
            // A feature that was not met counts for nothing.
            let Some(weights) = self.weights(dense, at, stride) else { continue };
            linear += weights[0].value * amount;
            for (sum, factor) in sums.iter_mut().zip(&weights[1..]) {
                let part = factor.value * amount;
                *sum += part;
                own += part * part;
            }
        }
        linear + 0.5 * (sums.iter().map(|sum| sum * sum).sum::<f64>() - own)
    }

    /// Moves down the gradient, of which `slope` is the part by the score.
    fn learn(&mut self, x: Row<'_>, sums: &[f64], slope: f64, rate: f64, l2: f64) {
        let stride = sums.len() + 1;
        self.intercept.step(slope, rate);
        for (dense, at, amount) in features(x, stride) {
            let list = if dense { &mut self.dense } else { &mut self.sparse };
            let Some((weight, factors)) = list.get_mut(at..at + stride).and_then(<[Weight]>::split_first_mut) else {
                continue;
            };
            weight.step(slope * amount + l2 * weight.value, rate);
            for (factor, sum) in factors.iter_mut().zip(sums) {
                let gradient = slope * amount * (sum - factor.value * amount);
                factor.step(gradient + l2 * factor.value, rate);
            }
        }
    }
}

impl Machine {
    fn scores(&self) -> usize {
        match self.shape {
            Shape::Binary | Shape::Number | Shape::Unlabelled => 1,
            Shape::Classes { .. } => self.classes,
        }
    }

    /// Draws the factors of features that are met for the first time.
    fn meet(&mut self, x: Row<'_>) {
        let stride = self.factors + 1;
        let sparse = x.indices.iter().max().map_or(0, |last| (*last as usize + 1) * stride);
        let Self { seed, deviation, .. } = *self;
        for (number, score) in self.learned.scores.iter_mut().enumerate() {
            for (kind, list, wanted) in [(0, &mut score.dense, x.dense.len() * stride), (1, &mut score.sparse, sparse)]
            {
                while list.len() < wanted {
                    let feature = (list.len() / stride) as u64;
                    let place = (feature << 1 | kind).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (number as u64) << 48;
                    let mut random = Pcg64Mcg::seed_from_u64(seed.wrapping_add(place));
                    list.push(Weight::default());
                    list.extend(
                        (1..stride).map(|_| Weight { value: deviation * normal::draw(&mut random), squares: 0.0 }),
                    );
                }
            }
        }
    }

    /// The scores of a row.
    fn score(&self, x: Row<'_>, scratch: &mut Scratch) {
        scratch.sums.resize(self.learned.scores.len() * self.factors, 0.0);
        scratch.scores.clear();
        for (score, sums) in self.learned.scores.iter().zip(scratch.sums.chunks_exact_mut(self.factors)) {
            scratch.scores.push(score.of(x, sums));
        }
    }

    /// The mean and the deviation of the targets so far.
    fn scale(&self) -> (f64, f64) {
        let [weight, mean, squares] = self.learned.targets;
        let deviation = if weight > 0.0 { (squares / weight).sqrt() } else { 0.0 };
        (mean, if deviation > 0.0 { deviation } else { 1.0 })
    }

    /// Makes probabilities of the scores of classes that were met.
    fn softmax(&self, scores: &mut [f64]) {
        let met = |class: usize| self.learned.met.get(class).copied().unwrap_or(false);
        let most = (0..scores.len()).filter(|class| met(*class)).map(|class| scores[class]);
        let most = most.fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for (class, score) in scores.iter_mut().enumerate() {
            *score = if met(class) { exp(*score - most) } else { 0.0 };
            sum += *score;
        }
        let classes = scores.len() as f64;
        scores.iter_mut().for_each(|score| *score = if sum > 0.0 { *score / sum } else { 1.0 / classes });
    }
}

impl RowModel for Machine {
    type State = Learned;
    type Scratch = Scratch;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.width = kinds.len();
    }

    fn set_classes(&mut self, classes: usize) {
        self.classes = classes;
        self.learned.scores.resize(self.scores(), Score::default());
    }

    fn predict(&self, x: Row<'_>, scratch: &mut Scratch, scores: &mut [f64]) {
        self.score(x, scratch);
        match self.shape {
            Shape::Binary => {
                let p = sigmoid(scratch.scores[0]);
                scores.copy_from_slice(&[1.0 - p, p]);
            }
            Shape::Number | Shape::Unlabelled => {
                let (mean, deviation) = self.scale();
                scores[0] = mean + deviation * scratch.scores[0];
            }
            Shape::Classes { .. } => {
                scores.copy_from_slice(&scratch.scores);
                self.softmax(scores);
            }
        }
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut Scratch) {
        self.meet(x);
        self.score(x, scratch);
        let mut slopes = std::mem::take(&mut scratch.scores);
        match self.shape {
            Shape::Binary => slopes[0] = sigmoid(slopes[0]) - y,
            Shape::Number | Shape::Unlabelled => {
                let [total, mean, squares] = &mut self.learned.targets;
                *total += weight;
                let difference = y - *mean;
                *mean += difference * (weight / *total);
                *squares += weight * difference * (y - *mean);
                let (mean, deviation) = self.scale();
                slopes[0] -= (y - mean) / deviation;
            }
            Shape::Classes { classes } => {
                let class = y as usize;
                self.learned.met.resize(classes.max(self.learned.met.len()).max(class + 1), false);
                self.learned.met[class] = true;
                self.softmax(&mut slopes);
                slopes[class] -= 1.0;
            }
        }
        let sums = scratch.sums.chunks_exact(self.factors);
        for ((score, sums), slope) in self.learned.scores.iter_mut().zip(sums).zip(&slopes) {
            score.learn(x, sums, weight * slope, self.rate, self.l2);
        }
        scratch.scores = slopes;
    }

    fn state(&self) -> impl Serialize {
        &self.learned
    }

    fn set_state(&mut self, state: Learned) -> Result<(), SnapshotError> {
        let stride = self.factors + 1;
        let whole = |list: &[Weight]| list.len().is_multiple_of(stride);
        let fits =
            |score: &Score| whole(&score.dense) && whole(&score.sparse) && score.dense.len() <= self.width * stride;
        if state.scores.len() != self.scores() || !state.scores.iter().all(fits) || state.met.len() > self.classes {
            return Err(SnapshotError::Content("factors of other features or classes".to_string()));
        }
        self.learned = state;
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let of = |score: &Score| {
            size_of::<Score>() + (score.dense.capacity() + score.sparse.capacity()) * size_of::<Weight>()
        };
        self.learned.scores.iter().map(of).sum::<usize>() + self.learned.met.capacity()
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    fn machine(factors: usize) -> Machine {
        Machine {
            shape: Shape::Number,
            factors,
            rate: 0.05,
            l2: 0.0,
            deviation: 0.1,
            seed: 7,
            classes: 0,
            width: 3,
            learned: Learned { scores: vec![Score::default()], ..Learned::default() },
        }
    }

    /// The score by the formula's double sum, and its gradient by differences, against what is computed.
    #[test]
    fn scores_and_gradients_are_those_of_the_formula() {
        let mut machine = machine(4);
        let (dense, indices, values) = ([0.5, -1.0, 2.0], [1u32, 4], [1.0, 0.25]);
        let x = Row { dense: &dense, indices: &indices, values: &values };
        machine.meet(x);
        machine.learned.scores[0].dense.iter_mut().step_by(5).enumerate().for_each(|(i, w)| w.value = i as f64 - 0.7);
        let by_formula = |score: &Score| {
            let all: Vec<(&[Weight], f64)> =
                features(x, 5).map(|(dense, at, amount)| (score.weights(dense, at, 5).unwrap(), amount)).collect();
            let mut sum = score.intercept.value;
            for (i, (a, x)) in all.iter().enumerate() {
                sum += a[0].value * x;
                for (b, y) in &all[i + 1..] {
                    sum += x * y * a[1..].iter().zip(&b[1..]).map(|(a, b)| a.value * b.value).sum::<f64>();
                }
            }
            sum
        };
        let mut sums = [0.0; 4];
        let score = machine.learned.scores[0].clone();
        assert!((score.of(x, &mut sums) - by_formula(&score)).abs() < 1e-12);
        // AdaGrad's sums after one step with slope 1 are the squared gradients.
        let mut stepped = score.clone();
        stepped.learn(x, &sums, 1.0, 0.0, 0.0);
        for at in 0..score.dense.len() {
            let (mut up, mut down) = (score.clone(), score.clone());
            up.dense[at].value += 1e-6;
            down.dense[at].value -= 1e-6;
            let slope = (by_formula(&up) - by_formula(&down)) / 2e-6;
            assert!((stepped.dense[at].squares - slope * slope).abs() < 1e-6, "weight {at}");
        }
    }

    /// A table of users by items that is a product of two factors and biases.
    #[test]
    fn two_texts_are_a_matrix() {
        let truth = |user: usize, item: usize| {
            let (a, b) = ((user * 7 % 5) as f64 - 2.0, (item * 11 % 7) as f64 - 3.0);
            20.0 + 3.0 * a - b + 2.0 * a * b
        };
        let (mut machine, mut scratch) = (machine(4), Scratch::default());
        let mut random = Pcg64Mcg::seed_from_u64(1);
        let mut errors = Vec::new();
        for _ in 0..40_000 {
            let (user, item): (u32, u32) = (random.random_range(0..40), random.random_range(0..30));
            let y = truth(user as usize, item as usize);
            let indices = [user, 40 + item];
            let x = Row { dense: &[], indices: &indices, values: &[1.0, 1.0] };
            let mut said = [0.0];
            machine.predict(x, &mut scratch, &mut said);
            errors.push((said[0] - y).abs());
            machine.learn(x, y, 1.0, &mut scratch);
        }
        let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
        assert!(mean(&errors[..1000]) > 4.0 && mean(&errors[39_000..]) < 0.2, "{}", mean(&errors[39_000..]));
    }
}
