//! Half-space trees.
//!
//! **Idea.** Trees cut space in halves, at random, and count how many rows of a window fall into each part. A row in a part that was
//! almost empty in the window before is unusual (Tan, Ting & Liu 2011, "Fast anomaly detection for streaming data").
//!
//! **Formula.** A node at depth `d` that `m` rows of the last window fell into has the mass `m·2^d`: what the window would hold if all
//! of space were as full. A row goes down each of the trees to the first node with fewer than `size_limit·window_size` rows, or to
//! the greatest depth; with `s` the mean of the masses there,
//!
//! ```text
//!  score = 1 / (1 + s / window_size)
//! ```
//! which is 1 in a void, ½ where it is as full as if the rows were spread evenly, and near 0 in a crowd. The order of rows is that of
//! the paper, which has the sum of masses; scores here do not depend on how many trees or rows there are.
//!
//! A tree cuts the space in which the rows of the window lie, and as much around it as chance has it: with `q` drawn evenly between the
//! least and the greatest value of a number, from `q − 2w` to `q + 2w`, `w` being how far `q` is from the farther end. Each node halves
//! it in a number drawn at random. The paper takes numbers between 0 and 1, and this space once for all; here it is that of each
//! window, so that numbers need no scale and may wander. Below a node with few rows no row is asked, so that no node is kept there.
//!
//! | parameter | default | what it does |
//! |---|---|---|
//! | `n_trees` | 25 | trees |
//! | `height` | 15 | the greatest depth |
//! | `window_size` | 250 | rows of a window |
//! | `size_limit` | 0.1 | the share of a window that is few |
//! | `anomaly_share` | 0.01 | the share of the latest rows that are anomalies |
//! | `threshold` | – | scores above it are anomalies, whatever their share |
//! | `seed` | 0 | of the cuts |
//!
//! **Shapes.** Numbers; a missing one is less than any. Scores: the score, none in the first window; whether it is above the threshold,
//! or above all but `anomaly_share` of the latest 1000 scores.
//!
//! **Cost a row.** A way down each tree to score it; building trees costs as much again. **Memory.** `8·window_size` bytes a feature;
//! and at most `48·height/size_limit` bytes a tree. Row weights above 0 count as 1.
//!
//! **Merging.** None: a window of rows is of one stream.

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef};

use super::tell;
use super::window::{Saved, SortedWindow};
use crate::Task;
use crate::block::Row;
use crate::learner::row_model::{ByRow, RowModel};
use crate::learner::{FeatureKind, Features, LearnerDef};
use crate::snapshot::SnapshotError;
use crate::splitmix::{GAMMA, mix};

/// How many of the latest scores tell which are the highest.
const SCORES_KEPT: usize = 1000;
/// How many of them there are before they tell.
const SCORES_MIN: usize = 100;

const OPTIONS: &[OptionDef] = &[
    OptionDef::new("n_trees", Kind::Int { min: 1, max: 10_000 }, "25", "How many trees there are."),
    OptionDef::new("height", Kind::Int { min: 1, max: 40 }, "15", "How deep a tree is at most."),
    OptionDef::new(
        "window_size",
        Kind::Int { min: 2, max: 1_000_000 },
        "250",
        "How many rows are counted before their counts are what others are scored by.",
    ),
    OptionDef::new(
        "size_limit",
        Kind::Float { min: 0.001, max: 1.0 },
        "0.1",
        "The share of a window below which a part of space is not cut further.",
    ),
    OptionDef::new(
        "anomaly_share",
        Kind::Float { min: 0.0, max: 1.0 },
        "0.01",
        "Which share of the latest rows, those with the highest scores, are anomalies.",
    ),
    OptionDef::optional(
        "threshold",
        Kind::Float { min: 0.0, max: 1.0 },
        "Scores above it are anomalies. Left out: by 'anomaly_share'.",
    ),
    OptionDef::new("seed", Kind::Int { min: 0, max: i64::MAX }, "0", "Of the cuts."),
];

/// `half_space_trees`: rows where hardly any were.
pub static HALF_SPACE_TREES: LearnerDef = LearnerDef {
    name: "half_space_trees",
    doc: "How empty the part of space is in which a row lies, by random cuts and the rows of the window before (Tan, Ting & Liu 2011).",
    tasks: &[Task::AnomalyDetection],
    features: Features { categories: false, missing: true, sparse: false },
    options: &[OPTIONS],
    merge: "not at all: a window of rows is of one stream",
    make: |options, shape| {
        let count = |name| usize::try_from(options.int(name)).unwrap_or(usize::MAX);
        let window_size = count("window_size");
        let settings = Settings {
            trees: count("n_trees"),
            height: options.int("height") as u32,
            window_size,
            few: ((options.float("size_limit") * window_size as f64).ceil() as u32).max(1),
            anomaly_share: options.float("anomaly_share"),
            threshold: options.float_opt("threshold"),
            seed: options.int("seed") as u64,
        };
        let model = HalfSpaceTrees {
            settings,
            features: 0,
            window: Vec::new(),
            rows: 0,
            forest: None,
            scores: SortedWindow::default(),
        };
        Ok(Box::new(ByRow::new("half_space_trees", shape, model)))
    },
};

#[derive(Debug, Clone, Copy)]
struct Settings {
    trees: usize,
    height: u32,
    window_size: usize,
    /// Nodes with fewer rows are not cut.
    few: u32,
    anomaly_share: f64,
    threshold: Option<f64>,
    seed: u64,
}

#[derive(Debug)]
struct HalfSpaceTrees {
    settings: Settings,
    features: usize,
    /// The rows of the window that is not over, one after the other.
    window: Vec<f64>,
    rows: usize,
    /// The counts of the window before.
    forest: Option<Forest>,
    /// The latest scores.
    scores: SortedWindow,
}

/// A node, and where its halves are. A leaf has none: its halves are at 0, which is a root.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Node {
    feature: u32,
    /// What is less goes to the lower half.
    cut: f64,
    lower: u32,
    rows: u32,
}

/// Trees with their counts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Forest {
    /// The upper half of a node follows its lower half.
    nodes: Vec<Node>,
    roots: Vec<u32>,
}

/// Of one tree, while it is built.
struct Planting<'a> {
    settings: Settings,
    features: usize,
    window: &'a [f64],
    /// What chance there is depends on the tree and on the way to a node, so that the cuts are the same whatever the rows.
    seed: u64,
    /// The space that is left, a number each: from, to.
    space: Vec<(f64, f64)>,
    nodes: &'a mut Vec<Node>,
}

/// Whether a value belongs to the lower half: a missing one does.
#[inline]
fn is_lower(value: f64, cut: f64) -> bool {
    value < cut || value.is_nan()
}

/// A well-mixed number for each number, also for 0.
fn mixed(z: u64) -> u64 {
    mix(z.wrapping_add(GAMMA))
}

impl Forest {
    /// The trees for the rows of a window.
    fn plant(settings: Settings, features: usize, window: &[f64]) -> Self {
        let mut forest = Self::default();
        let ends = ends(features, window);
        let mut rows: Vec<u32> = (0..settings.window_size as u32).collect();
        for tree in 0..settings.trees as u64 {
            let seed = mixed(settings.seed ^ mixed(tree));
            let around = |(feature, &(least, greatest)): (usize, &(f64, f64))| {
                let share = (mixed(seed ^ (feature as u64) << 1) >> 11) as f64 / (1u64 << 53) as f64;
                let q = least + share * (greatest - least);
                let w = (q - least).max(greatest - q);
                (q - 2.0 * w, q + 2.0 * w)
            };
            let space = ends.iter().enumerate().map(around).collect();
            let root = forest.nodes.len();
            forest.roots.push(root as u32);
            forest.nodes.push(Node { feature: 0, cut: 0.0, lower: 0, rows: rows.len() as u32 });
            let mut planting = Planting { settings, features, window, seed, space, nodes: &mut forest.nodes };
            planting.grow(root, 1, 0, &mut rows);
        }
        forest
    }

    /// The mean mass where a row lies.
    #[inline]
    fn mass(&self, x: &[f64]) -> f64 {
        let mut sum = 0.0;
        for &root in &self.roots {
            let (mut node, mut size) = (&self.nodes[root as usize], 1.0);
            while node.lower != 0 {
                let place = node.lower + u32::from(!is_lower(x[node.feature as usize], node.cut));
                node = &self.nodes[place as usize];
                size *= 2.0;
            }
            sum += f64::from(node.rows) * size;
        }
        sum / self.roots.len() as f64
    }

    /// Whether every way down ends, and looks at features that there are.
    fn fits(&self, settings: &Settings, features: usize) -> bool {
        let halves = |(place, node): (usize, &Node)| {
            node.lower == 0
                || (node.lower as usize > place
                    && (node.lower as usize) + 1 < self.nodes.len()
                    && (node.feature as usize) < features)
        };
        self.roots.len() == settings.trees
            && self.roots.iter().all(|root| (*root as usize) < self.nodes.len())
            && self.nodes.iter().enumerate().all(halves)
    }
}

impl Planting<'_> {
    /// Cuts a node that has enough rows. `way` is the number of the node in a tree that is complete.
    fn grow(&mut self, place: usize, way: u64, depth: u32, rows: &mut [u32]) {
        if depth == self.settings.height || (rows.len() as u32) < self.settings.few || self.features == 0 {
            return;
        }
        let feature = (mixed(self.seed ^ mixed(way)) % self.features as u64) as usize;
        let (from, to) = self.space[feature];
        let cut = 0.5 * from + 0.5 * to;
        let value = |row: u32| self.window[row as usize * self.features + feature];
        let mut lower_rows = 0;
        for i in 0..rows.len() {
            if is_lower(value(rows[i]), cut) {
                rows.swap(i, lower_rows);
                lower_rows += 1;
            }
        }
        let (below, above) = rows.split_at_mut(lower_rows);
        let lower = self.nodes.len();
        let leaf = |rows: &[u32]| Node { feature: 0, cut: 0.0, lower: 0, rows: rows.len() as u32 };
        self.nodes.extend([leaf(below), leaf(above)]);
        (self.nodes[place].feature, self.nodes[place].cut, self.nodes[place].lower) =
            (feature as u32, cut, lower as u32);
        self.space[feature] = (from, cut);
        self.grow(lower, 2 * way, depth + 1, below);
        self.space[feature] = (cut, to);
        self.grow(lower + 1, 2 * way + 1, depth + 1, above);
        self.space[feature] = (from, to);
    }
}

/// The least and the greatest value of each number, a little apart where they are the same; 0 and 1 where there are none.
fn ends(features: usize, window: &[f64]) -> Vec<(f64, f64)> {
    let mut ends = vec![(f64::INFINITY, f64::NEG_INFINITY); features];
    for row in window.chunks_exact(features.max(1)) {
        for (value, (least, greatest)) in row.iter().zip(&mut ends).filter(|(value, _)| value.is_finite()) {
            *least = least.min(*value);
            *greatest = greatest.max(*value);
        }
    }
    for (least, greatest) in &mut ends {
        if *least > *greatest {
            (*least, *greatest) = (0.0, 1.0);
        }
        let apart = 1e-6 * least.abs().max(1.0);
        if *greatest - *least < apart {
            (*least, *greatest) = (*least - apart, *greatest + apart);
        }
    }
    ends
}

impl HalfSpaceTrees {
    fn score(&self, x: &[f64]) -> f64 {
        let of = |forest: &Forest| 1.0 / (1.0 + forest.mass(x) / self.settings.window_size as f64);
        self.forest.as_ref().map_or(f64::NAN, of)
    }

    fn threshold(&self) -> f64 {
        let by_share =
            || (self.scores.len() >= SCORES_MIN).then(|| self.scores.quantile(1.0 - self.settings.anomaly_share));
        self.settings.threshold.or_else(|| by_share().flatten()).unwrap_or(f64::INFINITY)
    }

    fn learn_scored(&mut self, x: &[f64], score: f64) {
        if score.is_finite() && self.settings.threshold.is_none() {
            self.scores.push(score, SCORES_KEPT);
        }
        self.window.extend_from_slice(x);
        self.rows += 1;
        if self.rows == self.settings.window_size {
            self.forest = Some(Forest::plant(self.settings, self.features, &self.window));
            self.window.clear();
            self.rows = 0;
        }
    }
}

impl RowModel for HalfSpaceTrees {
    /// The rows of the window and how many, the trees, the latest scores.
    type State = (Vec<f64>, u64, Option<Forest>, Saved);
    type Scratch = ();

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.features = kinds.len();
    }

    fn set_classes(&mut self, _classes: usize) {}

    fn predict(&self, x: Row<'_>, _scratch: &mut (), scores: &mut [f64]) {
        tell(self.score(x.dense), self.threshold(), scores);
    }

    fn learn(&mut self, x: Row<'_>, _y: f64, _weight: f64, _scratch: &mut ()) {
        self.learn_scored(x.dense, self.score(x.dense));
    }

    fn learn_predict(&mut self, x: Row<'_>, _y: f64, _weight: f64, _scratch: &mut (), scores: &mut [f64]) {
        let score = self.score(x.dense);
        tell(score, self.threshold(), scores);
        self.learn_scored(x.dense, score);
    }

    fn state(&self) -> impl Serialize {
        (&self.window, self.rows as u64, &self.forest, self.scores.save())
    }

    fn set_state(&mut self, (window, rows, forest, scores): Self::State) -> Result<(), SnapshotError> {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let fits = rows < self.settings.window_size
            && window.len() == rows * self.features
            && window.iter().all(|value| !value.is_infinite())
            && forest.as_ref().is_none_or(|forest| forest.fits(&self.settings, self.features));
        if !fits {
            return Err(SnapshotError::Content("rows or trees that do not fit the model".to_string()));
        }
        self.scores = SortedWindow::load(scores, SCORES_KEPT)?;
        (self.window, self.rows, self.forest) = (window, rows, forest);
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let forest = |forest: &Forest| forest.nodes.capacity() * size_of::<Node>() + forest.roots.capacity() * 4;
        self.window.capacity() * 8 + self.forest.as_ref().map_or(0, forest) + self.scores.heap_bytes()
    }
}
