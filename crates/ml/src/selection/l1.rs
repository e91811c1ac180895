//! The order in which features enter a linear model as its L1 penalty falls.
//!
//! Scores a feature alone cannot tell a copy from news; the path of the lasso can: what others have said already enters late. The
//! rows are gathered as co-moments of all features, which merge exactly, so the path costs nothing a row.

use serde::{Deserialize, Serialize};

use super::{Evidence, Scores, Selector, SelectorDef, Setup, Takes};
use crate::Error;
use crate::block::Block;
use crate::learner::row_weight;
use crate::snapshot::{SnapshotError, decode, encode};

/// Most features: co-moments take 8 bytes a pair.
pub(super) const FEATURES_MAX: usize = 1000;

/// The penalties of the path: from the one at which the first feature enters down to a thousandth of it, in equal ratios.
const PENALTIES: usize = 100;
const LAST_PENALTY: f64 = 1e-3;

/// Coordinate descent ends after so many sweeps over the features, or when no weight moves by more.
const SWEEPS_MAX: usize = 1000;
const TOLERANCE: f64 = 1e-8;

/// The declaration.
pub(super) static L1: SelectorDef = SelectorDef {
    name: "l1",
    doc: "How early the feature enters a linear model of all features on the path of the lasso (Tibshirani 1996; coordinate descent over 100 penalties λ from λ_max to λ_max / 1000: Friedman, Hastie & Tibshirani 2010): the largest λ / λ_max with a weight that is not zero; features that enter between the same two penalties are put in order by their weights. Features and target are standardised; of classes each has a path of its own, for whether a row is of it, and the largest counts. It tells copies and sums of other features from news. A missing number counts as the mean. Dense numbers, at most 1000: a row costs d² and memory is 8·d² bytes for d features. Source: scikit-learn's lasso_path.",
    takes: Takes { classes: true, numbers: true, no_label: false, categories: false, sparse: false },
    make: |setup| Box::new(L1Path::new(setup)),
};

/// Co-moments of features, and what they have to do with the target.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct L1Path {
    width: usize,
    numbers: bool,
    weight: f64,
    means: Vec<f64>,
    /// `Σ w (x_i − mean_i)(x_j − mean_j)`, the lower triangle.
    products: Vec<f64>,
    /// Of a number to be predicted: its mean, its spread, and its co-moment with each feature. Empty for classes.
    target: Target,
    /// Of classes: their weight, and the means of the features.
    classes: Vec<Class>,
    /// How far the row at hand is from the means.
    #[serde(skip)]
    differences: Vec<f64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Target {
    mean: f64,
    squares: f64,
    products: Vec<f64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Class {
    weight: f64,
    means: Vec<f64>,
}

/// Where the pairs of feature `i` with those before it begin.
#[inline]
fn triangle(i: usize) -> usize {
    i * (i + 1) / 2
}

impl L1Path {
    fn new(setup: &Setup<'_>) -> Self {
        let width = setup.kinds.len();
        Self {
            width,
            numbers: setup.numbers,
            weight: 0.0,
            means: vec![0.0; width],
            products: vec![0.0; triangle(width)],
            target: Target { products: vec![0.0; if setup.numbers { width } else { 0 }], ..Target::default() },
            classes: Vec::new(),
            differences: Vec::new(),
        }
    }

    fn class(&mut self, class: usize) -> &mut Class {
        let width = self.width;
        if class >= self.classes.len() {
            self.classes.resize_with(class + 1, || Class { weight: 0.0, means: vec![0.0; width] });
        }
        &mut self.classes[class]
    }

    fn take(&mut self, x: &[f64], y: f64, weight: f64) {
        self.weight += weight;
        let share = weight / self.weight;
        // Differences from the means before; those from the means after are 1 − share of them.
        let mut differences = std::mem::take(&mut self.differences);
        differences.clear();
        let away = |(x, mean): (&f64, &f64)| if x.is_nan() { 0.0 } else { x - mean };
        differences.extend(x.iter().zip(&self.means).map(away));
        if self.numbers {
            let before = y - self.target.mean;
            self.target.mean += before * share;
            self.target.squares += weight * before * (y - self.target.mean);
            let scale = weight * before * (1.0 - share);
            self.target.products.iter_mut().zip(&differences).for_each(|(sum, own)| *sum += own * scale);
        } else {
            self.class(y as usize).weight += weight;
            let class = &mut self.classes[y as usize];
            let share = weight / class.weight;
            // What a class has instead of a missing number is the mean of all, too.
            for ((mean, all), difference) in class.means.iter_mut().zip(&self.means).zip(&differences) {
                *mean += (all + difference - *mean) * share;
            }
        }
        let mut at = 0;
        for i in 0..differences.len() {
            let scale = weight * (1.0 - share) * differences[i];
            for (sum, other) in self.products[at..].iter_mut().zip(&differences[..=i]) {
                *sum += scale * other;
            }
            at += i + 1;
        }
        self.means.iter_mut().zip(&differences).for_each(|(mean, difference)| *mean += difference * share);
        self.differences = differences;
    }

    fn add(&mut self, other: &Self) {
        let weight = self.weight + other.weight;
        if other.weight <= 0.0 {
            return;
        }
        let (share, both) = (other.weight / weight, self.weight * other.weight / weight);
        let differences: Vec<f64> = other.means.iter().zip(&self.means).map(|(theirs, mine)| theirs - mine).collect();
        let mut at = 0;
        for i in 0..self.width {
            for j in 0..=i {
                self.products[at] += other.products[at] + differences[i] * differences[j] * both;
                at += 1;
            }
        }
        let of_target = other.target.mean - self.target.mean;
        for (i, sum) in self.target.products.iter_mut().enumerate() {
            *sum += other.target.products[i] + differences[i] * of_target * both;
        }
        self.target.squares += other.target.squares + of_target * of_target * both;
        self.target.mean += of_target * share;
        for (class, theirs) in other.classes.iter().enumerate().filter(|(_, class)| class.weight > 0.0) {
            let mine = self.class(class);
            mine.weight += theirs.weight;
            let share = theirs.weight / mine.weight;
            mine.means.iter_mut().zip(&theirs.means).for_each(|(mean, theirs)| *mean += (theirs - *mean) * share);
        }
        self.means.iter_mut().zip(&differences).for_each(|(mean, difference)| *mean += difference * share);
        self.weight = weight;
    }

    /// Correlations of the features; nothing with those that do not vary.
    fn correlations(&self) -> Vec<f64> {
        let spreads: Vec<f64> = (0..self.width).map(|i| self.products[triangle(i) + i].sqrt()).collect();
        let mut all = vec![0.0; self.width * self.width];
        for i in 0..self.width {
            for j in 0..=i {
                let spread = spreads[i] * spreads[j];
                let own = if spread > 0.0 { self.products[triangle(i) + j] / spread } else { 0.0 };
                (all[i * self.width + j], all[j * self.width + i]) = (own, own);
            }
        }
        all
    }

    /// Correlations of the features with the target, or with whether a row is of a class: a list a path.
    fn of_targets(&self) -> Vec<Vec<f64>> {
        let correlation = |i: usize, product: f64, squares: f64| {
            let spread = self.products[triangle(i) + i].sqrt() * squares.sqrt();
            if spread > 0.0 { product / spread } else { 0.0 }
        };
        if self.numbers {
            let all = self.target.products.iter().enumerate();
            return vec![all.map(|(i, product)| correlation(i, *product, self.target.squares)).collect()];
        }
        let classes = self.classes.iter().filter(|class| class.weight > 0.0 && class.weight < self.weight);
        let of_class = |class: &Class| {
            let squares = class.weight * (1.0 - class.weight / self.weight);
            let product = |i: usize| class.weight * (class.means[i] - self.means[i]);
            (0..self.width).map(|i| correlation(i, product(i), squares)).collect()
        };
        // Two classes have one path between them.
        let paths: Vec<Vec<f64>> = classes.map(of_class).collect();
        if paths.len() == 2 { paths.into_iter().take(1).collect() } else { paths }
    }
}

/// The penalty at which each feature enters; 0 if it does not.
fn entries(correlations: &[f64], target: &[f64]) -> Vec<f64> {
    let width = target.len();
    let mut entered = vec![0.0; width];
    let first = target.iter().fold(0.0f64, |most, own| most.max(own.abs()));
    if first <= 0.0 {
        return entered;
    }
    let mut weights = vec![0.0; width];
    // What is left of the correlation of each feature with the target.
    let mut left = target.to_vec();
    let penalty = |k: usize| first * libm::pow(LAST_PENALTY, k as f64 / (PENALTIES - 1) as f64);
    for k in 1..PENALTIES {
        descend(correlations, penalty(k), &mut weights, &mut left);
        let new = |i: &usize| entered[*i] == 0.0 && weights[*i] != 0.0;
        let newcomers: Vec<usize> = (0..width).filter(new).collect();
        let largest = newcomers.iter().fold(0.0f64, |most, i| most.max(weights[*i].abs()));
        for i in newcomers {
            let share = weights[i].abs() / largest;
            entered[i] = penalty(k) + (penalty(k - 1) - penalty(k)) * share;
        }
    }
    entered
}

/// Coordinate descent on `½ βᵀRβ − rᵀβ + λ‖β‖₁`, from the weights as they are.
fn descend(correlations: &[f64], penalty: f64, weights: &mut [f64], left: &mut [f64]) {
    let width = weights.len();
    for _ in 0..SWEEPS_MAX {
        let mut moved = 0.0f64;
        for i in 0..width {
            let row = &correlations[i * width..(i + 1) * width];
            if row[i] <= 0.0 {
                continue;
            }
            let alone = left[i] + weights[i] * row[i];
            let weight = (alone.abs() - penalty).max(0.0).copysign(alone) / row[i];
            let step = weight - weights[i];
            if step != 0.0 {
                left.iter_mut().zip(row).for_each(|(left, other)| *left -= step * other);
                weights[i] = weight;
                moved = moved.max(step.abs());
            }
        }
        if moved < TOLERANCE {
            break;
        }
    }
}

impl Selector for L1Path {
    fn update(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        for (row, y) in y.iter().enumerate() {
            let weight = row_weight(weights, row);
            if weight > 0.0 {
                self.take(x.row(row).dense, *y, weight);
            }
        }
    }

    fn merge(&mut self, state: &[u8]) -> Result<(), Error> {
        let other: Self = decode(state)?;
        if !other.is_like(self) {
            return Err(Error::Merge("scores of other features".to_string()));
        }
        self.add(&other);
        Ok(())
    }

    fn scores(&self) -> Scores {
        let correlations = self.correlations();
        let paths: Vec<Vec<f64>> = self.of_targets().iter().map(|target| entries(&correlations, target)).collect();
        let most = |i: usize| paths.iter().map(|path| path[i]).fold(0.0, f64::max);
        let entered: Vec<f64> = (0..self.width).map(most).collect();
        let first = entered.iter().copied().fold(0.0, f64::max);
        let score = |entered: f64| if first > 0.0 { Evidence::of_score(entered / first, None) } else { Evidence::NONE };
        Scores { dense: entered.into_iter().map(score).collect(), sparse: Vec::new() }
    }

    fn save(&self) -> Vec<u8> {
        encode(self)
    }

    fn load(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        let saved: Self = decode(state)?;
        if !saved.is_like(self) {
            return Err(SnapshotError::Content("scores of other features".to_string()));
        }
        *self = saved;
        Ok(())
    }

    fn state_bytes(&self) -> usize {
        8 * (self.products.capacity() + 2 * self.width + self.target.products.capacity())
            + self.classes.len() * (8 * self.width + size_of::<Class>())
    }
}

impl L1Path {
    /// Whether it is of as many features and of such a target.
    fn is_like(&self, other: &Self) -> bool {
        self.width == other.width
            && self.numbers == other.numbers
            && self.means.len() == self.width
            && self.products.len() == triangle(self.width)
            && self.target.products.len() == other.target.products.len()
            && self.classes.iter().all(|class| class.means.len() == self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uncorrelated features enter when the penalty falls to their correlation.
    #[test]
    fn features_apart_enter_by_their_correlation() {
        let alone = |width: usize| -> Vec<f64> {
            (0..width * width).map(|at| f64::from(u8::from(at / width == at % width))).collect()
        };
        let target = [0.5, -0.1, 0.0, 0.3];
        let entered = entries(&alone(4), &target);
        let step = LAST_PENALTY.powf(-1.0 / (PENALTIES - 1) as f64);
        for (entered, target) in entered.iter().zip(target) {
            assert!(*entered >= target.abs() / step - 1e-12 && *entered <= target.abs() * step + 1e-12, "{entered}");
        }
        assert_eq!((entered[0], entered[2]), (0.5, 0.0));
    }

    /// A copy of what is in already says nothing.
    #[test]
    fn a_copy_enters_after_what_is_new() {
        let correlations = [1.0, 0.99, 0.0, 0.99, 1.0, 0.0, 0.0, 0.0, 1.0];
        let entered = entries(&correlations, &[0.8, 0.79, 0.2]);
        assert!(entered[0] > entered[2] && entered[2] > entered[1], "{entered:?}");
    }
}
