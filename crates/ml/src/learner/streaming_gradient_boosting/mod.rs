//! Gradient boosting of streaming trees.
//!
//! **Idea.** Boosting steps one after the other, each a streaming tree for numbers that learns, row by row, the step that those
//! before it leave to be taken (SGBT: Gunasekara, Pfahringer, Gomes & Bifet 2024, "Gradient boosted trees for evolving data
//! streams", algorithm 1; for numbers SGBR, the same authors 2025). No rows are kept.
//!
//! **Formula.** `s_m(x) = s_{m−1}(x) + η·f_m(x)`. With `g` and `h` the derivatives of the loss at `s_{m−1}`, tree `m` learns the target
//! `−g/h` with a weight in proportion to `h`: Newton's step by weighted least squares (XGBoost: Chen & Guestrin 2016, equation 3). Of
//! classes the loss is `−ln p`, `p_k = e^s_k / Σ e^s`: `g = p − y`, `h = p(1 − p)`, and the weight is `4h`, which is 1 at most; a step
//! has a tree a class, its committee. For a number the loss is `½(y − s)²`: `g = s − y`, `h = 1`. Weights are times that of the row.
//! `s₀` is 0, and for a number the mean of the targets before.
//!
//! The first class met has the score 0 as long as there are but two: then a step has one tree, as logistic regression has one
//! line. A class has trees from the first row of it on, the first `max_classes` that are met; others are predicted never, and not
//! learned. Targets beyond ±10¹⁰⁰ count as that.
//!
//! **Trees.** As `hoeffding_tree_regressor`; each splits by `subspace` of the features, and the linear models in its leaves have all
//! numbers. Every tree predicts a row before it learns it. They do not detect changes, as FIMT-DD does in the paper; nor are rows
//! learned several times or skipped, as in its variants. The paper has 100 steps of 0.0125 and leaves that predict the mean; without change
//! detection that is right about 0.795 of Elec, and 20 steps of 0.2 with linear models about 0.867 in a fifth of the time.
//!
//! **Threads.** Tree `m` can take a row once it has learned the row before and trees up to `m − 1` have taken this one: groups of steps
//! work on runs of rows at once, like a wave. Results are the same for any number of threads, and any cutting into batches.
//!
//! **Cost a row.** That of a tree times `rounds`, and of more than two classes times them. **Memory.** Bounded by `max_memory`, of which
//! each tree has its share. **Merging.** None, as for trees.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_options::{Kind, OptionDef, Options};

use super::row_model::{RowModel, alike};
use super::tree::{self, GrownRegressor, RegressionTree, RegressorScratch, RegressorSettings, Size, Subspace, Tree};
use super::{FeatureKind, Features, Learner, LearnerDef, Shape, row_weight};
use crate::block::{Block, Row};
use crate::explain::{Boosted, Ensemble, Explainer, Importance};
use crate::snapshot::{SnapshotError, decode, encode};
use crate::spread::{InTurn, Spread, each};
use crate::{Error, Result, Task};

const NAME: &str = "streaming_gradient_boosting";

const OPTIONS: &[OptionDef] = &[
    OptionDef::new("rounds", Kind::Int { min: 1, max: 10_000 }, "20", "How many boosting steps there are."),
    OptionDef::new("learning_rate", Kind::Float { min: 1e-6, max: 1.0 }, "0.2", "How much of a step is taken."),
    OptionDef::new(
        "subspace",
        Kind::Float { min: 0.0, max: 1.0 },
        "0.75",
        "The share of the features that a tree may split by; each step draws its own.",
    ),
    OptionDef::new(
        "max_classes",
        Kind::Int { min: 2, max: 10_000 },
        "100",
        "Most classes that get trees, the first that are met.",
    ),
    OptionDef::new("seed", Kind::Int { min: 0, max: i64::MAX }, "1", "What features are drawn by."),
    OptionDef::new(
        "max_memory",
        Kind::Bytes,
        "256 mb",
        "Memory of all trees together. Beyond its share the least promising leaves of a tree stop looking for splits.",
    ),
];

/// `streaming_gradient_boosting`: trees one after the other that learn row by row what those before them leave.
pub static STREAMING_GRADIENT_BOOSTING: LearnerDef = LearnerDef {
    name: NAME,
    doc: "Streaming trees one after the other, each of which learns, row by row, the step that those before it leave to be taken (SGBT: \
          Gunasekara, Pfahringer, Gomes & Bifet 2024).",
    tasks: &[Task::Classification, Task::Regression],
    features: Features::TABLE,
    options: &[OPTIONS, tree::BOOSTED, tree::REGRESSOR],
    merge: "not at all: trees that have split differently have no common shape",
    make: |options, shape| Ok(Box::new(StreamingGradientBoosting::new(options, shape))),
};

/// The least probability that a derivative is taken at, so that steps are numbers.
const PROBABILITY_MIN: f64 = 1e-6;
/// The largest target that is learned.
const TARGET_MAX: f64 = 1e100;
/// How many rows and how many steps are a piece of work.
const ROWS_A_PIECE: usize = 128;
const STEPS_A_PIECE: usize = 8;

#[derive(Debug)]
struct StreamingGradientBoosting {
    shape: Shape,
    kinds: Vec<FeatureKind>,
    rounds: usize,
    rate: f64,
    max_classes: usize,
    seed: u64,
    subspace: Subspace,
    tree: RegressorSettings,
    /// Classes that have been met, in the order in which they were; of [`Shape::Binary`] both from the start.
    classes: Vec<u32>,
    start: Mean,
    groups: Vec<Group>,
    spread: Arc<dyn Spread + Send>,
}

/// The mean of the targets so far.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Mean {
    weight: f64,
    mean: f64,
}

/// Steps that are one piece of work.
#[derive(Debug)]
struct Group {
    steps: Vec<Step>,
    scratch: RegressorScratch,
    /// What a tree says.
    said: [f64; 1],
    /// The step that each score should take, and its weight.
    newton: Vec<(f64, f64)>,
    probabilities: Vec<f64>,
}

/// A boosting step: a tree a score.
#[derive(Debug)]
struct Step {
    number: usize,
    trees: Vec<RegressionTree>,
}

/// The saved form.
#[derive(Serialize, Deserialize)]
struct Saved<N, G> {
    name: N,
    known: usize,
    classes: Vec<u32>,
    start: Mean,
    /// Step after step.
    trees: Vec<G>,
}

/// Rows that groups of steps take one after the other, and their scores so far.
#[derive(Debug, Default)]
struct Run {
    begin: usize,
    /// Of the features that are predicted; row-major.
    said: Vec<f64>,
    /// Of the features that are learned.
    learned: Vec<f64>,
}

/// What a learner is given at once.
#[derive(Debug, Clone, Copy)]
struct Batch<'a> {
    before: &'a Block,
    after: &'a Block,
    y: &'a [f64],
    weights: &'a [f64],
}

/// Rows to be predicted and learned.
#[derive(Debug, Clone, Copy)]
struct Rows<'a> {
    before: &'a Block,
    after: &'a Block,
    /// The first of them; what follows is from this row on.
    first: usize,
    /// The target of each row: a number, or the place of its class among those met.
    targets: &'a [f64],
    /// 0 for a row that is not learned.
    weights: &'a [f64],
    /// How many scores a row has.
    width: usize,
    is_number: bool,
    rate: f64,
}

/// Moves a probability to where a step from it is a number.
#[inline]
fn bounded(p: f64) -> f64 {
    p.clamp(PROBABILITY_MIN, 1.0 - PROBABILITY_MIN)
}

/// `1 / (1 + e^−s)`.
#[inline]
fn logistic(score: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-score))
}

/// `e^s_k / Σ e^s` of scores.
#[inline]
fn softmax(scores: &mut [f64]) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|score| *score = libm::exp(*score - most));
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// Writes the step that each score should take, `−g/h`, and its weight.
#[inline]
fn newton(scores: &[f64], target: f64, is_number: bool, steps: &mut Vec<(f64, f64)>, buffer: &mut Vec<f64>) {
    steps.clear();
    let step = |p: f64, is: bool| {
        let (p, y) = (bounded(p), f64::from(u8::from(is)));
        let h = p * (1.0 - p);
        ((y - p) / h, 4.0 * h)
    };
    match scores {
        [score] if is_number => steps.push((target - score, 1.0)),
        [score] => steps.push(step(logistic(*score), target == 1.0)),
        scores => {
            buffer.clear();
            buffer.extend_from_slice(scores);
            softmax(buffer);
            steps.extend(buffer.iter().enumerate().map(|(class, p)| step(*p, target as usize == class)));
        }
    }
}

impl Group {
    /// Takes rows: adds what each step says to their scores, and learns what it should have said.
    fn take(&mut self, run: &mut Run, rows: Rows<'_>) {
        let Rows { before, after, first, width, rate, .. } = rows;
        let pairs = run.said.chunks_exact_mut(width).zip(run.learned.chunks_exact_mut(width));
        for (row, (said, learned)) in (run.begin..).zip(pairs) {
            let (y, weight) = (rows.targets[row - first], rows.weights[row - first]);
            let x = after.row(row);
            // Mostly nothing that was learned from the row changes its features.
            let same = std::ptr::eq(before, after) || alike(before.row(row), x);
            for step in &mut self.steps {
                if !same || weight <= 0.0 {
                    let x = before.row(row);
                    for (tree, score) in step.trees.iter().zip(&mut *said) {
                        tree.predict(x, &mut self.scratch, &mut self.said);
                        *score += rate * self.said[0];
                    }
                }
                if weight > 0.0 {
                    newton(learned, y, rows.is_number, &mut self.newton, &mut self.probabilities);
                    for ((tree, score), (target, share)) in step.trees.iter_mut().zip(&mut *learned).zip(&self.newton) {
                        tree.learn_predict(x, *target, share * weight, &mut self.scratch, &mut self.said);
                        *score += rate * self.said[0];
                    }
                }
            }
            if same && weight > 0.0 {
                said.copy_from_slice(learned);
            }
        }
    }

    /// Adds what each step says to the scores of a row.
    fn predict(&self, x: Row<'_>, rate: f64, scratch: &mut RegressorScratch, scores: &mut [f64]) {
        let mut said = [0.0];
        for step in &self.steps {
            for (tree, score) in step.trees.iter().zip(&mut *scores) {
                tree.predict(x, scratch, &mut said);
                *score += rate * said[0];
            }
        }
    }
}

impl StreamingGradientBoosting {
    fn new(options: &Options, shape: Shape) -> Self {
        let rounds = usize::try_from(options.int("rounds")).unwrap_or(usize::MAX);
        let group = |first: usize| Group {
            steps: (first..rounds.min(first + STEPS_A_PIECE))
                .map(|number| Step { number, trees: Vec::new() })
                .collect(),
            scratch: RegressorScratch::default(),
            said: [0.0],
            newton: Vec::new(),
            probabilities: Vec::new(),
        };
        let mut boosting = Self {
            shape,
            kinds: Vec::new(),
            rounds,
            rate: options.float("learning_rate"),
            max_classes: usize::try_from(options.int("max_classes")).unwrap_or(usize::MAX),
            seed: options.int("seed").unsigned_abs(),
            subspace: Subspace::ByTree(Size::Share(options.float("subspace"))),
            tree: RegressorSettings::new(options),
            classes: Vec::new(),
            start: Mean::default(),
            groups: (0..rounds).step_by(STEPS_A_PIECE).map(group).collect(),
            spread: Arc::new(InTurn),
        };
        boosting.begin();
        boosting
    }

    fn is_number(&self) -> bool {
        self.shape == Shape::Number
    }

    /// How many classes are known; none for a number.
    fn known(&self) -> usize {
        match self.shape {
            Shape::Number | Shape::Unlabelled => 0,
            Shape::Binary => 2,
            Shape::Classes { classes } => classes,
        }
    }

    /// How many scores a row has.
    fn width(&self) -> usize {
        match (self.is_number(), self.classes.len()) {
            (true, _) | (false, 2) => 1,
            (false, 0 | 1) => 0,
            (false, classes) => classes,
        }
    }

    /// Becomes what has learned nothing.
    fn begin(&mut self) {
        self.classes = if self.shape == Shape::Binary { vec![0, 1] } else { Vec::new() };
        self.start = Mean::default();
        self.groups.iter_mut().flat_map(|group| &mut group.steps).for_each(|step| step.trees.clear());
        self.plant();
    }

    /// Gives each step as many trees as there are scores.
    fn plant(&mut self) {
        let width = self.width();
        let settings = self.tree.clone().sharing_memory(self.rounds * width);
        for step in self.groups.iter_mut().flat_map(|group| &mut group.steps) {
            step.trees.iter_mut().for_each(|tree| tree.share_memory(&settings));
            let seed = self.seed.wrapping_add((step.number as u64) << 32);
            let plant = || {
                let mut tree = RegressionTree::new(settings.clone(), self.subspace, seed);
                tree.set_features(&self.kinds);
                tree
            };
            // The one tree of two classes is that of the second. The first had the score 0, as new trees have.
            if step.trees.len() == 1 && width > 1 {
                step.trees.insert(0, plant());
            }
            step.trees.resize_with(width, plant);
        }
    }

    /// Whether a row of this class is the first.
    fn is_new(&self, class: f64) -> bool {
        !self.is_number() && self.classes.len() < self.max_classes && !self.classes.contains(&(class as u32))
    }

    /// Writes what scores say of a row: a probability a class known, or the number.
    fn answer(&self, scores: &mut [f64], answers: &mut Vec<f64>) {
        match (self.shape, &scores) {
            (Shape::Number | Shape::Unlabelled, _) => answers.push(scores[0]),
            (Shape::Binary, _) => answers.push(logistic(scores[0])),
            (Shape::Classes { classes }, _) => {
                let begin = answers.len();
                let unmet = if self.classes.is_empty() { 1.0 / classes as f64 } else { 0.0 };
                answers.resize(begin + classes, unmet);
                let answers = &mut answers[begin..];
                match self.classes[..] {
                    [] => {}
                    [only] => answers[only as usize] = 1.0,
                    [first, second] => {
                        let p = logistic(scores[0]);
                        (answers[first as usize], answers[second as usize]) = (1.0 - p, p);
                    }
                    _ => {
                        softmax(scores);
                        self.classes.iter().zip(scores).for_each(|(class, p)| answers[*class as usize] = *p);
                    }
                }
            }
        }
    }

    /// Takes rows none of which is the first of its class; writes what is said of those from `said` on.
    fn take(&mut self, batch: Batch<'_>, rows: Range<usize>, said: usize, answers: &mut Vec<f64>) {
        let Batch { before, after, y, weights } = batch;
        let (begin, end, y) = (rows.start, rows.end, &y[rows]);
        let (width, is_number) = (self.width(), self.is_number());
        let mut starts = Vec::with_capacity(y.len());
        let mut targets = Vec::with_capacity(y.len());
        let mut counted = Vec::with_capacity(y.len());
        for (row, y) in (begin..).zip(y) {
            starts.push(self.start.mean);
            let weight = row_weight(weights, row);
            if is_number {
                let y = y.clamp(-TARGET_MAX, TARGET_MAX);
                // The first row is the mean's alone: before it there is no score to step from.
                counted.push(if self.start.weight > 0.0 { weight } else { 0.0 });
                targets.push(y);
                self.start.learn(y, weight);
            } else {
                let place = self.classes.iter().position(|class| *class == *y as u32);
                targets.push(place.unwrap_or(0) as f64);
                counted.push(if place.is_some() { weight } else { 0.0 });
            }
        }
        let start = |row: usize| if is_number { starts[row - begin] } else { 0.0 };
        let run = |first: usize| {
            let rows = first..end.min(first + ROWS_A_PIECE);
            let scores: Vec<f64> = rows.flat_map(|row| std::iter::repeat_n(start(row), width)).collect();
            Run { begin: first, said: scores.clone(), learned: scores }
        };
        let mut runs: Vec<Run> = (begin..end).step_by(ROWS_A_PIECE).map(run).collect();
        let rows = Rows {
            before,
            after,
            first: begin,
            targets: &targets,
            weights: &counted,
            width,
            is_number,
            rate: self.rate,
        };
        if width > 0 {
            wave(&*self.spread, &mut self.groups, &mut runs, |group, run| group.take(run, rows));
        }
        for row in said.max(begin)..end {
            let (run, at) = ((row - begin) / ROWS_A_PIECE, (row - begin) % ROWS_A_PIECE);
            self.answer(&mut runs[run].said[at * width..(at + 1) * width], answers);
        }
    }

    fn check<N, G>(&self, saved: &Saved<N, G>) -> bool {
        let mut classes = saved.classes.clone();
        classes.sort_unstable();
        classes.dedup();
        let right = match self.shape {
            Shape::Number | Shape::Unlabelled => saved.classes.is_empty(),
            Shape::Binary => saved.classes == [0, 1],
            Shape::Classes { .. } => {
                saved.classes.len() <= self.max_classes
                    && classes.len() == saved.classes.len()
                    && classes.iter().all(|class| (*class as usize) < saved.known)
            }
        };
        right && saved.known >= self.known() && saved.start.mean.abs() <= TARGET_MAX && saved.start.weight >= 0.0
    }
}

impl Mean {
    fn learn(&mut self, y: f64, weight: f64) {
        if weight > 0.0 {
            self.weight += weight;
            // Halves, since the difference of two numbers may be none.
            self.mean += (0.5 * y - 0.5 * self.mean) * (2.0 * (weight / self.weight));
        }
    }
}

/// Gives each run to each group, in order; groups work on different runs at once.
fn wave<G: Send, R: Send>(spread: &dyn Spread, groups: &mut [G], runs: &mut [R], work: impl Fn(&mut G, &mut R) + Sync) {
    if groups.is_empty() || runs.is_empty() {
        return;
    }
    for front in 0..groups.len() + runs.len() - 1 {
        // Group `g` takes run `front - g`.
        let first = front.saturating_sub(runs.len() - 1);
        let last = front.min(groups.len() - 1);
        let groups = groups[first..=last].iter_mut();
        let mut pairs: Vec<_> = groups.zip(runs[front - last..=front - first].iter_mut().rev()).collect();
        match &mut pairs[..] {
            [(group, run)] => work(group, run),
            pairs => each(spread, pairs, |(group, run)| work(group, run)),
        }
    }
}

impl Learner for StreamingGradientBoosting {
    fn set_features(&mut self, kinds: &[FeatureKind]) {
        self.kinds = kinds.to_vec();
        self.begin();
    }

    fn set_spread(&mut self, spread: Arc<dyn Spread + Send>) {
        self.spread = spread;
    }

    fn predict(&self, x: &Block, scores: &mut Vec<f64>) {
        let width = self.width();
        let mut pieces: Vec<(usize, Vec<f64>)> =
            (0..x.rows()).step_by(ROWS_A_PIECE).map(|first| (first, Vec::new())).collect();
        each(&*self.spread, &mut pieces, |(first, answers)| {
            let mut scratch = RegressorScratch::default();
            let mut said = vec![0.0; width];
            for row in *first..x.rows().min(*first + ROWS_A_PIECE) {
                said.fill(self.start.mean);
                self.groups.iter().for_each(|group| group.predict(x.row(row), self.rate, &mut scratch, &mut said));
                self.answer(&mut said, answers);
            }
        });
        pieces.into_iter().for_each(|(_, answers)| scores.extend(answers));
    }

    fn learn(&mut self, x: &Block, y: &[f64], weights: &[f64]) {
        self.learn_predict(x, x, y, weights, &mut Vec::new());
    }

    fn learn_predict(&mut self, before: &Block, after: &Block, y: &[f64], weights: &[f64], scores: &mut Vec<f64>) {
        let batch = Batch { before, after, y, weights };
        let mut begin = 0;
        // What is said of the first row of a class is said before there are trees for the class.
        let mut said = 0;
        for (row, class) in y.iter().enumerate() {
            if row_weight(weights, row) > 0.0 && self.is_new(*class) {
                self.take(batch, begin..row, said, scores);
                let mut own = vec![self.start.mean; self.width()];
                let mut scratch = RegressorScratch::default();
                self.groups.iter().for_each(|group| group.predict(before.row(row), self.rate, &mut scratch, &mut own));
                self.answer(&mut own, scores);
                self.classes.push(*class as u32);
                self.plant();
                (begin, said) = (row, row + 1);
            }
        }
        self.take(batch, begin..y.len(), said, scores);
    }

    fn explainer(&self) -> Option<Box<dyn Explainer>> {
        let steps = || self.groups.iter().flat_map(|group| &group.steps);
        let score = |score: usize| {
            let trees = steps().filter_map(|step| Some((self.rate, step.trees.get(score)?.explained())));
            Ensemble::new(self.start.mean, trees.collect())
        };
        Some(Box::new(Boosted::new(self.classes.clone(), (0..self.width()).map(score).collect())))
    }

    fn importance(&self) -> Option<Vec<Importance>> {
        let mut importance = vec![Importance::default(); self.kinds.len()];
        let steps = self.groups.iter().flat_map(|group| &group.steps);
        steps.flat_map(|step| &step.trees).for_each(|tree| tree.add_importance(&mut importance));
        Some(importance)
    }

    fn set_classes(&mut self, classes: usize) {
        if let Shape::Classes { classes: known } = &mut self.shape {
            *known = classes.max(*known);
        }
    }

    fn merge(&mut self, _: &[&[u8]]) -> Result<()> {
        Err(Error::Merge("boosted trees cannot be merged: what each has grown fits its own rows".to_string()))
    }

    fn save(&self) -> Vec<u8> {
        let trees = self.groups.iter().flat_map(|group| &group.steps).flat_map(|step| &step.trees);
        encode(&Saved {
            name: NAME,
            known: self.known(),
            classes: self.classes.clone(),
            start: self.start,
            trees: trees.map(Tree::grown).collect::<Vec<_>>(),
        })
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved<String, GrownRegressor> = decode(state)?;
        if saved.name != NAME {
            return Err(SnapshotError::Kind { found: saved.name, expected: NAME.to_string() }.into());
        }
        let wrong = || SnapshotError::Content("boosted trees of other classes, or of another number".to_string());
        if !self.check(&saved) {
            return Err(wrong().into());
        }
        self.set_classes(saved.known);
        self.begin();
        (self.classes, self.start) = (saved.classes, saved.start);
        if saved.trees.len() != self.rounds * self.width() {
            self.begin();
            return Err(wrong().into());
        }
        self.plant();
        let steps = self.groups.iter_mut().flat_map(|group| &mut group.steps);
        let trees = steps.flat_map(|step| &mut step.trees);
        Ok(trees.zip(saved.trees).try_for_each(|(tree, grown)| tree.set_state(grown))?)
    }

    fn state_bytes(&self) -> usize {
        let steps = self.groups.iter().flat_map(|group| &group.steps);
        let trees = steps.flat_map(|step| &step.trees).map(|tree| size_of::<RegressionTree>() + tree.heap_bytes());
        size_of::<Self>() + trees.sum::<usize>() + self.rounds * size_of::<Step>()
    }
}

#[cfg(test)]
mod tests;
