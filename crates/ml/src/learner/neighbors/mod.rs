//! Nearest neighbours over the latest rows.
//!
//! **Idea.** A row is what the rows most like it were (Cover & Hart 1967), of the last `window_size` learned (Read et al. 2012).
//!
//! **Formula.** `d² = Σ δ_i²`; of a number `δ_i` is the difference by the range of that number in the window; of a category it is 0
//! where both are the same and 1 elsewhere; where either is missing it is 1. The `n_neighbors` rows with the least `d` vote for
//! their class, or their targets are averaged; by their weight, and with `'weights' = 'distance'` also by `1 / d`. Of rows as near
//! the later ones count.
//!
//! **Shapes.** Numbers and texts as they are, any of which may be missing. Before any row, classes are alike and a number is 0.
//!
//! **Cost a row.** One pass over the window, a feature at a time, which the compiler turns into vector instructions: for windows of a
//! thousand rows that beats any index, as an index must be kept at every row. **Memory.** `8·window_size` bytes a feature.
//!
//! **Merging.** None: a window of rows is of one stream.

mod window;

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef};

use super::row_model::{ByRow, RowModel};
use super::{FeatureKind, Features, LearnerDef, Shape};
use crate::Task;
use crate::block::Row;
use crate::snapshot::SnapshotError;
use window::{Nearest, Window};

const OPTIONS: &[OptionDef] = &[
    OptionDef::new("n_neighbors", Kind::Int { min: 1, max: 10_000 }, "3", "How many of the nearest rows are asked."),
    OptionDef::new(
        "window_size",
        Kind::Int { min: 1, max: 10_000_000 },
        "1000",
        "How many of the latest rows are kept.",
    ),
    OptionDef::new(
        "weights",
        Kind::Choice(&["uniform", "distance"]),
        "uniform",
        "Whether all of the nearest rows count alike, or nearer ones more.",
    ),
];

/// `knn`: what the most similar of the latest rows were.
pub static KNN: LearnerDef = LearnerDef {
    name: "knn",
    doc: "What the most similar of the latest rows were: the commonest class, or the mean (Cover & Hart 1967; over a window: Read et \
          al. 2012).",
    tasks: &[Task::Classification, Task::Regression],
    features: Features::TABLE,
    options: &[OPTIONS],
    merge: "not at all: a window of rows is of one stream",
    make: |options, shape| {
        let count = |name| usize::try_from(options.int(name)).unwrap_or(usize::MAX);
        let model = Knn {
            neighbors: count("n_neighbors"),
            by_distance: options.text("weights") == "distance",
            is_number: shape == Shape::Number,
            classes: 0,
            window: Window::new(count("window_size")),
        };
        Ok(Box::new(ByRow::new("knn", shape, model)))
    },
};

#[derive(Debug)]
struct Knn {
    neighbors: usize,
    by_distance: bool,
    is_number: bool,
    classes: usize,
    window: Window,
}

/// A row of the window, as it is saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Neighbor {
    x: Vec<f64>,
    target: f64,
    weight: f64,
}

impl RowModel for Knn {
    /// The rows of the window, oldest first.
    type State = Vec<Neighbor>;
    type Scratch = Nearest;

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.window.set_features(kinds);
    }

    fn set_classes(&mut self, classes: usize) {
        self.classes = classes;
    }

    fn predict(&self, x: Row<'_>, nearest: &mut Nearest, scores: &mut [f64]) {
        scores.fill(0.0);
        let mut whole = 0.0;
        for (distance, target, weight) in self.window.nearest(x.dense, self.neighbors, nearest) {
            // A row that is the same counts as much as any can.
            let weight = if self.by_distance { weight / distance.sqrt().max(1e-9) } else { weight };
            if self.is_number {
                scores[0] += weight * target;
            } else if let Some(score) = scores.get_mut(target as usize) {
                *score += weight;
            }
            whole += weight;
        }
        if whole > 0.0 {
            scores.iter_mut().for_each(|score| *score /= whole);
        } else if !self.is_number {
            let classes = scores.len() as f64;
            scores.fill(1.0 / classes);
        }
    }

    fn learn(&mut self, x: Row<'_>, y: f64, weight: f64, _: &mut Nearest) {
        self.window.push(x.dense, y, weight);
    }

    fn state(&self) -> impl Serialize {
        self.window.rows().map(|(x, target, weight)| Neighbor { x, target, weight }).collect::<Vec<_>>()
    }

    fn set_state(&mut self, state: Self::State) -> Result<(), SnapshotError> {
        let class = |target: f64| self.is_number || (target >= 0.0 && target < self.classes as f64);
        let fits = |row: &Neighbor| row.x.len() == self.window.width() && row.weight > 0.0 && class(row.target);
        if state.len() > self.window.capacity() || !state.iter().all(fits) {
            return Err(SnapshotError::Content("a window of other rows".to_string()));
        }
        self.window.clear();
        state.iter().for_each(|row| self.window.push(&row.x, row.target, row.weight));
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        self.window.heap_bytes()
    }
}
