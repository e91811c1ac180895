//! Gaussian naive Bayes.

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef};

use super::{Columns, Evidence, MERGE};
use crate::block::Row;
use crate::learner::row_model::{ByRow, RowModel};
use crate::learner::{FeatureKind, Features, LearnerDef};
use crate::snapshot::SnapshotError;
use crate::{Result, Task};

const OPTIONS: &[OptionDef] = &[OptionDef::new(
    "categories_per_class",
    Kind::Int { min: 2, max: 10_000_000 },
    "10000",
    "Most categories of a text that are told apart; later ones count as missing.",
)];

/// `gaussian_nb`: normal distributions of numbers, shares of categories.
pub static GAUSSIAN_NB: LearnerDef = LearnerDef {
    name: "gaussian_nb",
    doc: "Naive Bayes with a normal distribution a number and class, and a share a category (John & Langley 1995).",
    tasks: &[Task::Classification],
    features: Features::TABLE,
    options: &[OPTIONS],
    merge: MERGE,
    make: |options, shape| {
        let categories_max = usize::try_from(options.int("categories_per_class")).unwrap_or(usize::MAX);
        Ok(Box::new(ByRow::new("gaussian_nb", shape, GaussianNb::new(categories_max))))
    },
};

#[derive(Debug)]
struct GaussianNb {
    categories_max: usize,
    kinds: Vec<FeatureKind>,
    columns: Columns,
    classes: usize,
    learned: Learned,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Learned {
    /// The weight of each class.
    counts: Vec<f64>,
    evidence: Evidence,
}

impl GaussianNb {
    fn new(categories_max: usize) -> Self {
        Self { categories_max, kinds: Vec::new(), columns: Columns::default(), classes: 0, learned: Learned::default() }
    }

    fn check(&self, state: &Learned) -> Result<(), SnapshotError> {
        if state.counts.len() <= self.classes && state.evidence.fits(&self.columns, self.classes) {
            return Ok(());
        }
        Err(SnapshotError::Content("distributions of other features or classes".to_string()))
    }

    fn add(&mut self, other: &Learned) {
        if other.counts.len() > self.learned.counts.len() {
            self.learned.counts.resize(other.counts.len(), 0.0);
        }
        self.learned.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.learned.evidence.merge(&other.evidence);
    }
}

impl RowModel for GaussianNb {
    type State = Learned;
    type Scratch = Vec<f64>;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.columns = Columns::all(kinds);
    }

    fn set_classes(&mut self, classes: usize) {
        self.classes = classes;
    }

    fn predict(&self, x: Row<'_>, scratch: &mut Vec<f64>, scores: &mut [f64]) {
        let numbers = self.columns.gather(x.dense, scratch);
        let Learned { counts, evidence } = &self.learned;
        if !evidence.posterior(numbers, x.dense, &self.columns, counts, scores) {
            let sum: f64 = counts.iter().sum();
            let classes = scores.len() as f64;
            for (class, score) in scores.iter_mut().enumerate() {
                let count = counts.get(class).copied().unwrap_or(0.0);
                *score = if sum > 0.0 { count / sum } else { 1.0 / classes };
            }
        }
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, scratch: &mut Vec<f64>) {
        let class = y as usize;
        let numbers = self.columns.gather(x.dense, scratch);
        let Learned { counts, evidence } = &mut self.learned;
        if class >= counts.len() {
            counts.resize(class + 1, 0.0);
        }
        counts[class] += weight;
        evidence.learn(numbers, x.dense, &self.columns, class, weight, self.categories_max);
        evidence.refresh();
    }

    fn state(&self) -> impl Serialize {
        &self.learned
    }

    fn set_state(&mut self, state: Learned) -> Result<(), SnapshotError> {
        self.check(&state)?;
        self.learned = state;
        Ok(())
    }

    fn merge(&mut self, others: Vec<Learned>) -> Result<()> {
        for other in &others {
            self.check(other)?;
            self.add(other);
        }
        self.learned.evidence.refresh();
        Ok(())
    }

    fn merge_since(&mut self, replicas: Vec<Learned>) -> Result<()> {
        let before = self.learned.clone();
        for mut replica in replicas {
            self.check(&replica)?;
            replica.counts.iter_mut().zip(&before.counts).for_each(|(now, then)| *now -= then);
            replica.evidence.forget(&before.evidence);
            self.add(&replica);
        }
        self.learned.evidence.refresh();
        Ok(())
    }

    fn renumber_classes(&mut self, numbers: &[u32], classes: usize) -> Result<()> {
        self.classes = classes;
        let counts = std::mem::take(&mut self.learned.counts);
        self.learned.counts = vec![0.0; classes];
        for (count, number) in counts.into_iter().zip(numbers) {
            self.learned.counts[*number as usize] = count;
        }
        self.learned.evidence.renumber(numbers);
        Ok(())
    }

    fn renumber_categories(&mut self, feature: usize, numbers: &[u32]) -> Result<()> {
        if let Some(at) = self.columns.categories.iter().position(|category| *category as usize == feature) {
            self.learned.evidence.renumber_categories(at, numbers);
        }
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        self.kinds.capacity()
            + self.columns.heap_bytes()
            + self.learned.counts.capacity() * size_of::<f64>()
            + self.learned.evidence.heap_bytes()
    }
}
