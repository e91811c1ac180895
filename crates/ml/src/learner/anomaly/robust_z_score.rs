//! The modified z-score, over the latest rows.
//!
//! **Idea.** How far a number is from the median of the latest ones, by the median of such distances. Neither is moved by the few
//! outliers that mean and standard deviation would follow.
//!
//! **Formula.** `z = 0.6745·|x − median| / MAD`, with `MAD = median |x_i − median|`; the factor makes it the z-score of normal values
//! (Iglewicz & Hoaglin 1993, "How to detect and handle outliers", section 3.3). Where more than half of the values are the same, the
//! MAD is 0: then `z = |x − median| / (1.2533·mean |x_i − median|)`, and where all are, any other value has the greatest score. The
//! score of a row is the greatest of its numbers.
//!
//! | parameter | default | what it does |
//! |---|---|---|
//! | `window_size` | 1000 | values of each number that are kept |
//! | `min_rows` | 20 | values before there is a score |
//! | `threshold` | 3.5 | scores above it are anomalies |
//!
//! **Shapes.** Numbers; missing ones are passed over. Scores: `z`, at most 10⁹; whether it is above the threshold.
//!
//! **Cost a row.** Some binary searches a number. **Memory.** `16·window_size` bytes a number. Row weights above 0 count as 1.
//!
//! **Merging.** None: a window of rows is of one stream.

use serde::Serialize;
use tidegate_options::{Kind, OptionDef};

use super::tell;
use super::window::{Saved, SortedWindow};
use crate::Task;
use crate::block::Row;
use crate::learner::row_model::{ByRow, RowModel};
use crate::learner::{FeatureKind, Features, LearnerDef};
use crate::snapshot::SnapshotError;

/// `z` of a normal value one median deviation from the median.
const BY_MEDIAN: f64 = 0.6745;
/// The standard deviation of normal values, in mean deviations.
const BY_MEAN: f64 = 1.253_314;
/// The greatest score.
const LARGEST: f64 = 1e9;

const OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "window_size",
        Kind::Int { min: 3, max: 1_000_000 },
        "1000",
        "How many of the latest values of each number are kept.",
    ),
    OptionDef::new(
        "min_rows",
        Kind::Int { min: 1, max: 1_000_000 },
        "20",
        "How many values of a number there are before it is scored.",
    ),
    OptionDef::new("threshold", Kind::Float { min: 0.0, max: 1e9 }, "3.5", "Scores above it are anomalies."),
];

/// `robust_z_score`: how far numbers are from the median of the latest ones.
pub static ROBUST_Z_SCORE: LearnerDef = LearnerDef {
    name: "robust_z_score",
    doc: "How far a number is from the median of the latest ones, by the median of such distances; of a row the farthest (Iglewicz & \
          Hoaglin 1993).",
    tasks: &[Task::AnomalyDetection],
    features: Features { categories: false, missing: true, sparse: false },
    options: &[OPTIONS],
    merge: "not at all: a window of rows is of one stream",
    make: |options, shape| {
        let count = |name| usize::try_from(options.int(name)).unwrap_or(usize::MAX);
        let model = RobustZScore {
            window_size: count("window_size"),
            min_rows: count("min_rows").min(count("window_size")),
            threshold: options.float("threshold"),
            windows: Vec::new(),
        };
        Ok(Box::new(ByRow::new("robust_z_score", shape, model)))
    },
};

#[derive(Debug)]
struct RobustZScore {
    window_size: usize,
    min_rows: usize,
    threshold: f64,
    /// A window a feature.
    windows: Vec<SortedWindow>,
}

/// The score of a value; none where too little is known.
fn z(window: &SortedWindow, value: f64) -> Option<f64> {
    let median = window.median()?;
    let distance = (value - median).abs();
    let spread = match window.median_deviation(median)? / BY_MEDIAN {
        0.0 => window.mean_deviation(median) * BY_MEAN,
        spread => spread,
    };
    Some(if distance == 0.0 { 0.0 } else { (distance / spread).min(LARGEST) })
}

impl RowModel for RobustZScore {
    /// The values of each window.
    type State = Vec<Saved>;
    type Scratch = ();

    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.windows.resize(kinds.len(), SortedWindow::default());
    }

    fn set_classes(&mut self, _classes: usize) {}

    fn predict(&self, x: Row<'_>, _scratch: &mut (), scores: &mut [f64]) {
        let known = x.dense.iter().zip(&self.windows);
        let known = known.filter(|(value, window)| value.is_finite() && window.len() >= self.min_rows);
        let score = known.filter_map(|(value, window)| z(window, *value)).fold(f64::NAN, f64::max);
        tell(score, self.threshold, scores);
    }

    fn learn(&mut self, x: Row<'_>, _y: f64, _weight: f64, _scratch: &mut ()) {
        for (value, window) in x.dense.iter().zip(&mut self.windows).filter(|(value, _)| value.is_finite()) {
            window.push(*value, self.window_size);
        }
    }

    fn state(&self) -> impl Serialize {
        self.windows.iter().map(SortedWindow::save).collect::<Vec<_>>()
    }

    fn set_state(&mut self, state: Self::State) -> Result<(), SnapshotError> {
        if state.len() != self.windows.len() {
            let (found, expected) = (state.len(), self.windows.len());
            return Err(SnapshotError::Content(format!("{found} windows, where {expected} were expected")));
        }
        let load = |saved| SortedWindow::load(saved, self.window_size);
        self.windows = state.into_iter().map(load).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        let windows = self.windows.capacity() * size_of::<SortedWindow>();
        windows + self.windows.iter().map(SortedWindow::heap_bytes).sum::<usize>()
    }
}
