//! A leaf: what has come to it, and how it predicts.

use serde::{Deserialize, Serialize};

use super::observer::Observed;
use super::settings::{LeafPrediction, Settings};
use crate::explain::tree;
use crate::learner::FeatureKind;
use crate::learner::bayes::Columns;

/// A leaf of a tree for classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Leaf {
    /// The weight of each class that came here, or to where the leaf was split off, as far as that is known.
    pub(super) counts: Vec<f64>,
    /// What was learned since. `None`: the leaf has stopped looking for splits.
    pub(super) observed: Option<Observed>,
    /// The features it looks at, where they are not all.
    pub(super) columns: Option<Columns>,
    /// Splits above it.
    pub(super) depth: u32,
    /// Its weight when it last looked for a split.
    pub(super) looked_at: f64,
    /// The weight of rows that the commonest class was right for.
    majority_right: f64,
    /// The weight of rows that naive Bayes was right for.
    bayes_right: f64,
}

/// Buffers for one row.
#[derive(Debug, Default)]
pub(in crate::learner) struct Scratch {
    numbers: Vec<f64>,
    pub(super) probabilities: Vec<f64>,
}

/// What each way of predicting says about a row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Guess {
    majority: Option<usize>,
    bayes: Option<usize>,
}

/// The first of the largest.
#[inline]
pub(in crate::learner) fn largest(values: &[f64]) -> Option<usize> {
    let mut best = None;
    let mut most = f64::NEG_INFINITY;
    for (i, value) in values.iter().enumerate() {
        if *value > most {
            (best, most) = (Some(i), *value);
        }
    }
    best
}

impl Leaf {
    /// A leaf to which these weights came.
    pub(super) fn new(counts: Vec<f64>, depth: u32, columns: Option<Columns>) -> Self {
        let looked_at = counts.iter().sum();
        Self {
            counts,
            observed: Some(Observed::default()),
            columns,
            depth,
            looked_at,
            majority_right: 0.0,
            bayes_right: 0.0,
        }
    }

    /// The weight that came here.
    pub(super) fn weight(&self) -> f64 {
        self.counts.iter().sum()
    }

    /// Whether rows of one class only came here.
    pub(super) fn is_pure(&self) -> bool {
        self.counts.iter().filter(|count| **count > 0.0).count() < 2
    }

    /// How much there is to gain: the weight that the commonest class does not account for.
    pub(super) fn promise(&self) -> f64 {
        self.weight() - self.counts.iter().copied().fold(0.0, f64::max)
    }

    fn columns<'a>(&'a self, all: &'a Columns) -> &'a Columns {
        self.columns.as_ref().unwrap_or(all)
    }

    /// Writes the share of each class.
    fn shares(&self, probabilities: &mut [f64]) {
        let weight = self.weight();
        let classes = probabilities.len();
        for (class, probability) in probabilities.iter_mut().enumerate() {
            let count = self.counts.get(class).copied().unwrap_or(0.0);
            *probability = if weight > 0.0 { count / weight } else { 1.0 / classes as f64 };
        }
    }

    /// The leaf as it is explained: it says the share of each class.
    pub(super) fn explained(&self, classes: usize) -> tree::Leaf {
        let mut values = vec![0.0; classes];
        self.shares(&mut values);
        tree::Leaf { values: values.into(), terms: Box::default(), cover: self.weight() }
    }

    /// Writes the probabilities of a row. `both`: also says what the way of predicting that is not used would say.
    #[inline]
    pub(super) fn predict(
        &self,
        x: &[f64],
        all: &Columns,
        settings: &Settings,
        both: bool,
        numbers: &mut Vec<f64>,
        probabilities: &mut [f64],
    ) -> Guess {
        let Some(observed) =
            self.observed.as_ref().filter(|_| settings.leaf_prediction != LeafPrediction::MajorityClass)
        else {
            self.shares(probabilities);
            return Guess::default();
        };
        let adaptive = settings.leaf_prediction == LeafPrediction::Adaptive;
        let by_majority = adaptive && self.majority_right > self.bayes_right;
        let mut guess = Guess::default();
        let mut knows = false;
        if both || !by_majority {
            let columns = self.columns(all);
            let numbers = columns.gather(x, numbers);
            knows = observed.evidence.posterior(numbers, x, columns, &self.counts, probabilities);
            // Where naive Bayes knows nothing it says what the classes' shares say, as in a new leaf: it is not wrong there.
            guess.bayes = if knows { largest(probabilities) } else { largest(&self.counts) };
        }
        if both && adaptive {
            guess.majority = largest(&self.counts);
        }
        if by_majority || !knows {
            self.shares(probabilities);
        }
        guess
    }

    /// Learns a row of a class with a weight.
    #[inline]
    pub(super) fn learn(
        &mut self,
        x: &[f64],
        all: &Columns,
        settings: &Settings,
        (class, weight): (usize, f64),
        guess: Guess,
        numbers: &mut Vec<f64>,
    ) {
        if class >= self.counts.len() {
            self.counts.resize(class + 1, 0.0);
        }
        self.counts[class] += weight;
        let Some(observed) = &mut self.observed else { return };
        if guess.majority == Some(class) {
            self.majority_right += weight;
        }
        if guess.bayes == Some(class) {
            self.bayes_right += weight;
        }
        let columns = self.columns.as_ref().unwrap_or(all);
        let numbers = columns.gather(x, numbers);
        observed.learn(numbers, x, columns, (class, weight), settings);
        if settings.leaf_prediction != LeafPrediction::MajorityClass {
            observed.evidence.refresh();
        }
    }

    /// Whether it is a leaf of a tree with these features and classes.
    pub(super) fn fits(&self, all: &Columns, kinds: &[FeatureKind], classes: usize, settings: &Settings) -> bool {
        let columns = self.columns(all);
        columns.fits(kinds)
            && self.counts.len() <= classes
            && self.observed.as_ref().is_none_or(|observed| observed.fits(columns, classes, settings))
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.counts.capacity() * size_of::<f64>()
            + self.columns.as_ref().map_or(0, Columns::heap_bytes)
            + self.observed.as_ref().map_or(0, Observed::heap_bytes)
    }
}

impl Scratch {
    /// The buffer for numbers, and that for probabilities of so many classes.
    pub(super) fn split(&mut self, classes: usize) -> (&mut Vec<f64>, &mut [f64]) {
        self.probabilities.resize(classes, 0.0);
        (&mut self.numbers, &mut self.probabilities)
    }

    /// The buffer for numbers.
    pub(super) fn numbers(&mut self) -> &mut Vec<f64> {
        &mut self.numbers
    }
}

#[cfg(test)]
mod tests {
    use tidegate_options::resolve;

    use super::*;
    use crate::learner::tree::HOEFFDING_TREE;

    #[test]
    fn naive_bayes_is_not_wrong_where_it_knows_nothing() {
        let settings = Settings::new(&resolve(HOEFFDING_TREE.options, []).unwrap());
        let columns = Columns::all(&[FeatureKind::Number]);
        let mut leaf = Leaf::new(vec![5.0, 1.0], 1, None);
        let (mut numbers, mut probabilities) = (Vec::new(), [0.0; 2]);
        let guess = leaf.predict(&[0.3], &columns, &settings, true, &mut numbers, &mut probabilities);
        assert_eq!((guess.majority, guess.bayes), (Some(0), Some(0)));
        assert_eq!(probabilities, [5.0 / 6.0, 1.0 / 6.0]);
        leaf.learn(&[0.3], &columns, &settings, (0, 6.0), guess, &mut numbers);
        assert_eq!((leaf.majority_right, leaf.bayes_right), (6.0, 6.0));
    }
}
