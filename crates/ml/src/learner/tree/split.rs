//! Splits: what a node asks of a row, and which question is the best.

use serde::{Deserialize, Serialize};

use super::class_histogram::ClassHistogram;
use super::observer::Observed;
use super::settings::{NumericObserver, Settings};
use crate::explain::tree::Question as Asks;
use crate::learner::bayes::{Columns, Evidence};

/// Most branches of one split.
const BRANCHES_MAX: usize = 256;

/// What a node asks of a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Question {
    /// Is the number at most this? Then the first branch, else the second.
    AtMost(f64),
    /// Is it this category? Then the first branch, else the second.
    Is(f64),
    /// Which category is it? A branch each.
    Which(u32),
}

/// A question about a feature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::learner) struct Split {
    pub(super) question: Question,
    pub(super) feature: u32,
    /// Where rows go whose feature is missing, or a category that has no branch: to the branch with most rows.
    pub(super) missing: u32,
}

impl Split {
    /// The branch of a row.
    #[inline]
    pub(super) fn branch(&self, x: &[f64]) -> u32 {
        let value = x[self.feature as usize];
        match self.question {
            Question::AtMost(threshold) if value <= threshold => 0,
            Question::AtMost(threshold) if value > threshold => 1,
            Question::Is(category) if value == category => 0,
            Question::Is(_) if !value.is_nan() => 1,
            Question::Which(branches) if value < f64::from(branches) => value as u32,
            _ => self.missing,
        }
    }

    /// How many branches it has.
    pub(super) fn branches(&self) -> u32 {
        match self.question {
            Question::AtMost(_) | Question::Is(_) => 2,
            Question::Which(branches) => branches,
        }
    }

    /// Whether it can be asked of rows this wide.
    pub(super) fn fits(&self, width: usize) -> bool {
        (self.feature as usize) < width
            && self.missing < self.branches()
            && (1..=BRANCHES_MAX as u32).contains(&self.branches())
    }
}

impl Asks for Split {
    fn feature(&self) -> u32 {
        self.feature
    }

    fn branches(&self) -> u32 {
        Self::branches(self)
    }

    #[inline]
    fn branch(&self, x: &[f64]) -> u32 {
        Self::branch(self, x)
    }
}

/// A split that was weighed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) merit: f64,
    pub(super) split: Split,
    /// The weight of each class, branch after branch.
    pub(super) branches: Vec<f64>,
}

/// The best split of each feature is weighed against the others: this is the best and the merit of the second.
#[derive(Debug, Default)]
pub(super) struct Contest {
    pub(super) best: Option<Candidate>,
    pub(super) second: f64,
    // Buffers.
    branches: Vec<f64>,
    before: Vec<f64>,
    all: Vec<f64>,
}

impl Contest {
    /// Weighs all splits that what a leaf has observed allows, against none, whose merit is 0.
    pub(super) fn hold(&mut self, observed: &Observed, columns: &Columns, classes: usize, settings: &Settings) {
        (self.best, self.second) = (None, 0.0);
        let mut best_merit = 0.0;
        let features = (0..columns.numbers.len()).map(|at| (true, at));
        for (is_number, at) in features.chain((0..columns.categories.len()).map(|at| (false, at))) {
            let found = if is_number {
                self.best_threshold(observed, at, columns.numbers[at], classes, settings)
            } else {
                self.best_categories(&observed.evidence, at, columns.categories[at], classes, settings)
            };
            let Some(found) = found else { continue };
            if found.merit > best_merit {
                self.second = best_merit;
                best_merit = found.merit;
                self.best = Some(found);
            } else {
                self.second = self.second.max(found.merit);
            }
        }
    }

    /// The merit of a split that was found earlier, on what is known now: of a threshold the best one, as it may have moved.
    pub(super) fn merit_of(
        &mut self,
        split: &Split,
        observed: &Observed,
        columns: &Columns,
        classes: usize,
        settings: &Settings,
    ) -> f64 {
        let place = |features: &[u32]| features.iter().position(|feature| *feature == split.feature);
        let best = self.best.take();
        let found = match place(&columns.numbers) {
            Some(at) => self.best_threshold(observed, at, split.feature, classes, settings),
            None => place(&columns.categories)
                .and_then(|at| self.best_categories(&observed.evidence, at, split.feature, classes, settings)),
        };
        self.best = best;
        found.map_or(0.0, |found| found.merit)
    }

    /// The merit of the split whose branches are in the buffer, if it is one at all.
    fn weigh(&mut self, classes: usize, settings: &Settings) -> Option<f64> {
        let total: f64 = self.branches.iter().sum();
        let large = self.branches.chunks_exact(classes).filter(|branch| {
            let sum: f64 = branch.iter().sum();
            sum > 0.0 && sum >= settings.min_branch_share * total
        });
        (large.count() >= 2).then(|| settings.criterion.merit(&self.branches, classes, &mut self.before))
    }

    fn best_threshold(
        &mut self,
        observed: &Observed,
        at: usize,
        feature: u32,
        classes: usize,
        settings: &Settings,
    ) -> Option<Candidate> {
        match settings.numeric_observer {
            NumericObserver::Gaussian => self.best_of_thresholds(&observed.evidence, at, feature, classes, settings),
            NumericObserver::Histogram { .. } => {
                self.best_between_bins(observed.histograms.get(at)?, feature, classes, settings)
            }
        }
    }

    /// Of all thresholds between two bins.
    fn best_between_bins(
        &mut self,
        histogram: &ClassHistogram,
        feature: u32,
        classes: usize,
        settings: &Settings,
    ) -> Option<Candidate> {
        let mut best = None;
        self.branches.clear();
        self.branches.resize(2 * classes, 0.0);
        (0..histogram.len()).for_each(|bin| histogram.add(bin, &mut self.branches[classes..]));
        self.all.clear();
        self.all.extend_from_slice(&self.branches[classes..]);
        for bin in 1..histogram.len() {
            let (up_to, beyond) = self.branches.split_at_mut(classes);
            histogram.add(bin - 1, up_to);
            for ((beyond, all), up_to) in beyond.iter_mut().zip(&self.all).zip(up_to) {
                *beyond = (all - *up_to).max(0.0);
            }
            if !histogram.is_within_class(bin - 1) {
                let question = Question::AtMost(histogram.threshold(bin - 1));
                self.keep_better(&mut best, question, feature, classes, settings);
            }
        }
        best
    }

    /// Of some thresholds between the least and the most value, by normal distributions.
    fn best_of_thresholds(
        &mut self,
        evidence: &Evidence,
        at: usize,
        feature: u32,
        classes: usize,
        settings: &Settings,
    ) -> Option<Candidate> {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        let distributions: Vec<_> = evidence.iter().map(|(class, of)| (class, of.numbers.of(at))).collect();
        for (_, distribution) in &distributions {
            (least, most) = (least.min(distribution.min), most.max(distribution.max));
        }
        if least >= most {
            return None;
        }
        let mut best: Option<Candidate> = None;
        let parts = (settings.numeric_splits + 1) as f64;
        for i in 1..=settings.numeric_splits {
            let threshold = least + (most - least) * (i as f64 / parts);
            self.branches.clear();
            self.branches.resize(2 * classes, 0.0);
            for (class, distribution) in &distributions {
                let up_to = distribution.weight_up_to(threshold);
                self.branches[*class] = up_to;
                self.branches[classes + class] = distribution.weight - up_to;
            }
            self.keep_better(&mut best, Question::AtMost(threshold), feature, classes, settings);
        }
        best
    }

    fn best_categories(
        &mut self,
        evidence: &Evidence,
        at: usize,
        feature: u32,
        classes: usize,
        settings: &Settings,
    ) -> Option<Candidate> {
        let met = evidence.iter().map(|(_, of)| of.categories[at].len()).max().unwrap_or(0);
        let mut best = None;
        if !settings.binary_splits && met <= BRANCHES_MAX {
            self.branches.clear();
            self.branches.resize(met * classes, 0.0);
            for (class, of) in evidence.iter() {
                for category in 0..met {
                    self.branches[category * classes + class] = of.categories[at].of(category);
                }
            }
            self.keep_better(&mut best, Question::Which(met as u32), feature, classes, settings);
        }
        for category in 0..met {
            self.branches.clear();
            self.branches.resize(2 * classes, 0.0);
            for (class, of) in evidence.iter() {
                let counts = &of.categories[at];
                self.branches[class] = counts.of(category);
                self.branches[classes + class] = (counts.total() - counts.of(category)).max(0.0);
            }
            self.keep_better(&mut best, Question::Is(category as f64), feature, classes, settings);
        }
        best
    }

    /// Takes the split whose branches are in the buffer if it is better than what there is.
    fn keep_better(
        &mut self,
        best: &mut Option<Candidate>,
        question: Question,
        feature: u32,
        classes: usize,
        settings: &Settings,
    ) {
        let Some(merit) = self.weigh(classes, settings) else { return };
        if best.as_ref().is_some_and(|best| merit <= best.merit) {
            return;
        }
        let (mut missing, mut heaviest) = (0, f64::NEG_INFINITY);
        for (branch, counts) in self.branches.chunks_exact(classes).enumerate() {
            let sum = counts.iter().sum();
            if sum > heaviest {
                (missing, heaviest) = (branch as u32, sum);
            }
        }
        let split = Split { question, feature, missing };
        match best {
            Some(best) => {
                (best.merit, best.split) = (merit, split);
                best.branches.clone_from(&self.branches);
            }
            None => *best = Some(Candidate { merit, split, branches: self.branches.clone() }),
        }
    }
}
