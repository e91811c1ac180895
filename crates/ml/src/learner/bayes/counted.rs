//! Naive Bayes of counted features: multinomial, complement, Bernoulli.

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef};

use super::MERGE;
use crate::block::Row;
use crate::learner::linear::exponential::exp;
use crate::learner::row_model::{ByRow, RowModel};
use crate::learner::{FeatureKind, Features, LearnerDef};
use crate::snapshot::SnapshotError;
use crate::{Error, Result, Task};

const SMOOTHING: OptionDef = OptionDef::new(
    "alpha",
    Kind::Float { min: 1e-10, max: 1e6 },
    "1.0",
    "Added to each count, so that nothing is impossible (Laplace: 1; Lidstone: less).",
);
const COUNTED: &[OptionDef] = &[SMOOTHING];
const BINARY: &[OptionDef] = &[
    SMOOTHING,
    OptionDef::new(
        "binarize",
        Kind::Float { min: -1e100, max: 1e100 },
        "0.0",
        "A number above this is there, any other is not.",
    ),
];

/// `multinomial_nb`: for counts, such as words of a text.
pub static MULTINOMIAL_NB: LearnerDef = LearnerDef {
    name: "multinomial_nb",
    doc: "Naive Bayes of counts, such as words: a class is how much of all there is of each feature in it (McCallum & Nigam \
          1998). Numbers below 0 count as 0.",
    tasks: &[Task::Classification],
    features: Features::NUMBERS,
    options: &[COUNTED],
    merge: MERGE,
    make: |options, shape| {
        let model = CountedNb::new(Event::Multinomial, options.float("alpha"), 0.0);
        Ok(Box::new(ByRow::new("multinomial_nb", shape, model)))
    },
};

/// `complement_nb`: for counts where classes are of different sizes.
pub static COMPLEMENT_NB: LearnerDef = LearnerDef {
    name: "complement_nb",
    doc: "Naive Bayes of counts by what the other classes have: steadier than multinomial_nb where some classes are rare (Rennie \
          et al. 2003). Its probabilities are not calibrated. Numbers below 0 count as 0.",
    tasks: &[Task::Classification],
    features: Features::NUMBERS,
    options: &[COUNTED],
    merge: MERGE,
    make: |options, shape| {
        let model = CountedNb::new(Event::Complement, options.float("alpha"), 0.0);
        Ok(Box::new(ByRow::new("complement_nb", shape, model)))
    },
};

/// `bernoulli_nb`: for features that are there or not.
pub static BERNOULLI_NB: LearnerDef = LearnerDef {
    name: "bernoulli_nb",
    doc: "Naive Bayes of features that are there or not; that one is not there tells as well (McCallum & Nigam 1998).",
    tasks: &[Task::Classification],
    features: Features::NUMBERS,
    options: &[BINARY],
    merge: MERGE,
    make: |options, shape| {
        let model = CountedNb::new(Event::Bernoulli, options.float("alpha"), options.float("binarize"));
        Ok(Box::new(ByRow::new("bernoulli_nb", shape, model)))
    },
};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Multinomial,
    Complement,
    Bernoulli,
}

#[derive(Debug)]
struct CountedNb {
    event: Event,
    alpha: f64,
    binarize: f64,
    width: usize,
    classes: usize,
    counts: Counts,
}

/// All that is counted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Counts {
    classes: Vec<OfClass>,
    /// Of all classes together.
    all: OfClass,
}

/// What is counted of one class. Features beyond the ends have a count of 0.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct OfClass {
    /// The weight of its rows.
    rows: f64,
    /// The sum of all counts.
    total: f64,
    dense: Vec<f64>,
    sparse: Vec<f64>,
    /// `Σ ln(1 − p)` of the features counted, for Bernoulli.
    nothing: f64,
}

#[inline]
fn of(counts: &[f64], feature: usize) -> f64 {
    counts.get(feature).copied().unwrap_or(0.0)
}

fn add(counts: &mut Vec<f64>, feature: usize, weight: f64) {
    if feature >= counts.len() {
        counts.resize(feature + 1, 0.0);
    }
    counts[feature] += weight;
}

fn combine(mine: &mut Vec<f64>, theirs: &[f64], sign: f64) {
    if theirs.len() > mine.len() {
        mine.resize(theirs.len(), 0.0);
    }
    mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += sign * theirs);
}

impl OfClass {
    fn combine(&mut self, other: &Self, sign: f64) {
        self.rows += sign * other.rows;
        self.total += sign * other.total;
        combine(&mut self.dense, &other.dense, sign);
        combine(&mut self.sparse, &other.sparse, sign);
    }

    fn features(&self) -> usize {
        self.dense.len() + self.sparse.len()
    }

    fn heap_bytes(&self) -> usize {
        (self.dense.capacity() + self.sparse.capacity()) * size_of::<f64>()
    }
}

impl CountedNb {
    fn new(event: Event, alpha: f64, binarize: f64) -> Self {
        Self { event, alpha, binarize, width: 0, classes: 0, counts: Counts::default() }
    }

    /// How much of a feature a value is.
    #[inline]
    fn amount(&self, value: f64) -> f64 {
        match self.event {
            Event::Bernoulli => f64::from(u8::from(value > self.binarize)),
            Event::Multinomial | Event::Complement => value.max(0.0),
        }
    }

    /// What of a row is counted: whether the feature is dense, which it is, and how much of it there is.
    #[inline]
    fn amounts<'a>(&'a self, x: Row<'a>) -> impl Iterator<Item = (bool, usize, f64)> + 'a {
        let dense = x.dense.iter().enumerate().map(|(feature, value)| (true, feature, self.amount(*value)));
        let sparse = x.indices.iter().zip(x.values).map(|(i, value)| (false, *i as usize, self.amount(*value)));
        dense.chain(sparse).filter(|(_, _, amount)| *amount > 0.0)
    }

    /// The logarithm of the likelihood of a row in a class, but for what all classes have in common.
    fn log_likelihood(&self, x: Row<'_>, class: &OfClass) -> f64 {
        let (alpha, all) = (self.alpha, &self.counts.all);
        let count = |dense: bool, feature: usize, of_class: &OfClass| {
            of(if dense { &of_class.dense } else { &of_class.sparse }, feature)
        };
        let features = all.features() as f64;
        match self.event {
            Event::Multinomial => {
                let whole = libm::log(class.total + alpha * features);
                let terms = self
                    .amounts(x)
                    .map(|(dense, feature, amount)| amount * (libm::log(count(dense, feature, class) + alpha) - whole));
                terms.sum()
            }
            Event::Complement => {
                let whole = libm::log((all.total - class.total).max(0.0) + alpha * features);
                let terms = self.amounts(x).map(|(dense, feature, amount)| {
                    let others = count(dense, feature, all) - count(dense, feature, class);
                    amount * (whole - libm::log(others.max(0.0) + alpha))
                });
                terms.sum()
            }
            Event::Bernoulli => {
                // Features that the class has not counted are missing from its rows, all of them.
                let rest = (all.features() - class.features()) as f64;
                let never = libm::log((class.rows + alpha) / (class.rows + 2.0 * alpha));
                let there = self.amounts(x).map(|(dense, feature, _)| {
                    let with = count(dense, feature, class);
                    libm::log((with + alpha) / ((class.rows - with).max(0.0) + alpha))
                });
                class.nothing + rest * never + there.sum::<f64>()
            }
        }
    }

    /// Computes what of a class's likelihood is the same for all rows.
    fn settle(&mut self, class: usize) {
        if self.event != Event::Bernoulli {
            return;
        }
        let alpha = self.alpha;
        let class = &mut self.counts.classes[class];
        let (rows, whole) = (class.rows, libm::log(class.rows + 2.0 * alpha));
        let without = |with: &f64| libm::log((rows - with).max(0.0) + alpha) - whole;
        class.nothing = class.dense.iter().chain(&class.sparse).map(without).sum();
    }

    fn check(&self, counts: &Counts) -> Result<(), SnapshotError> {
        let fits = |of_class: &OfClass| {
            of_class.dense.len() <= self.width
                && of_class.dense.len() <= counts.all.dense.len()
                && of_class.sparse.len() <= counts.all.sparse.len()
        };
        if counts.classes.len() <= self.classes && counts.classes.iter().all(fits) && fits(&counts.all) {
            return Ok(());
        }
        Err(SnapshotError::Content("counts of other features or classes".to_string()))
    }

    fn combine(&mut self, other: &Counts, sign: f64) {
        if other.classes.len() > self.counts.classes.len() {
            self.counts.classes.resize(other.classes.len(), OfClass::default());
        }
        self.counts.classes.iter_mut().zip(&other.classes).for_each(|(mine, theirs)| mine.combine(theirs, sign));
        self.counts.all.combine(&other.all, sign);
        (0..self.counts.classes.len()).for_each(|class| self.settle(class));
    }
}

impl RowModel for CountedNb {
    type State = Counts;
    type Scratch = ();

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.width = kinds.len();
    }

    fn set_classes(&mut self, classes: usize) {
        self.classes = classes;
    }

    fn predict(&self, x: Row<'_>, (): &mut (), scores: &mut [f64]) {
        let mut most = f64::NEG_INFINITY;
        for (class, score) in scores.iter_mut().enumerate() {
            *score = match self.counts.classes.get(class) {
                Some(of_class) if of_class.rows > 0.0 => {
                    let prior = if self.event == Event::Complement { 0.0 } else { libm::log(of_class.rows) };
                    prior + self.log_likelihood(x, of_class)
                }
                _ => f64::NEG_INFINITY,
            };
            most = most.max(*score);
        }
        if !most.is_finite() {
            let classes = scores.len() as f64;
            return scores.fill(1.0 / classes);
        }
        let mut sum = 0.0;
        for score in scores.iter_mut() {
            *score = exp(*score - most);
            sum += *score;
        }
        scores.iter_mut().for_each(|score| *score /= sum);
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, (): &mut ()) {
        let class = y as usize;
        if class >= self.counts.classes.len() {
            self.counts.classes.resize(class + 1, OfClass::default());
        }
        let mut counts = std::mem::take(&mut self.counts);
        for of_class in [&mut counts.classes[class], &mut counts.all] {
            of_class.rows += weight;
            // All dense features are there, whatever their value.
            if of_class.dense.len() < x.dense.len() {
                of_class.dense.resize(x.dense.len(), 0.0);
            }
            for (dense, feature, amount) in self.amounts(x) {
                add(if dense { &mut of_class.dense } else { &mut of_class.sparse }, feature, weight * amount);
                of_class.total += weight * amount;
            }
        }
        self.counts = counts;
        self.settle(class);
    }

    fn state(&self) -> impl Serialize {
        &self.counts
    }

    fn set_state(&mut self, state: Counts) -> Result<(), SnapshotError> {
        self.check(&state)?;
        self.counts = state;
        Ok(())
    }

    fn merge(&mut self, others: Vec<Counts>) -> Result<()> {
        for other in &others {
            self.check(other)?;
            self.combine(other, 1.0);
        }
        Ok(())
    }

    fn merge_since(&mut self, replicas: Vec<Counts>) -> Result<()> {
        let before = self.counts.clone();
        for replica in &replicas {
            self.check(replica)?;
            self.combine(replica, 1.0);
            self.combine(&before, -1.0);
        }
        Ok(())
    }

    fn renumber(&mut self, numbers: &[u32]) -> Result<()> {
        for of_class in self.counts.classes.iter_mut().chain([&mut self.counts.all]) {
            let counts = std::mem::take(&mut of_class.sparse);
            for (count, number) in counts.into_iter().zip(numbers) {
                if *number == u32::MAX {
                    return Err(Error::Merge("more categories were met than the models may keep".to_string()));
                }
                add(&mut of_class.sparse, *number as usize, count);
            }
        }
        Ok(())
    }

    fn renumber_classes(&mut self, numbers: &[u32], classes: usize) -> Result<()> {
        self.classes = classes;
        let of_classes = std::mem::take(&mut self.counts.classes);
        self.counts.classes = vec![OfClass::default(); classes];
        for (of_class, number) in of_classes.into_iter().zip(numbers) {
            self.counts.classes[*number as usize] = of_class;
        }
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let all = self.counts.classes.iter().chain([&self.counts.all]);
        self.counts.classes.capacity() * size_of::<OfClass>() + all.map(OfClass::heap_bytes).sum::<usize>()
    }
}
