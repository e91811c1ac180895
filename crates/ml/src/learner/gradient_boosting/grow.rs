//! How a tree is grown: leaf by leaf, each split by histograms of gradients.
//!
//! ```text
//!  open leaves ──best gain──► split ──► the smaller branch: its histograms from its rows
//!                                       the larger branch:  those of the leaf less those of the smaller
//! ```
//! A histogram holds a sum a bin of the gradients `g`, the second derivatives `h` and the rows. With `S(g, h) = g² / (h + λ)`, half
//! of what a leaf takes off the loss, the gain of a split is `S(left) + S(right) − S(both)` (Chen & Guestrin 2016, equation 7). Of
//! a number all thresholds between bins are tried, with what is missing on either side; of a category the ways to cut the bins in
//! two once they are in the order of `g / (h + smoothing)`, of which one is the best of all (Fisher 1958; Ke et al. 2017).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::bins::{BINS_MAX, Bins, Column};
use super::settings::Settings;
use super::tree::{BinSet, Node, Tree, holds};
use crate::spread::{Spread, each};

/// The least second derivatives of a branch: with less a step has no measure (as in scikit-learn and LightGBM).
const HESSIAN_MIN: f64 = 1e-3;
/// The least gain, by what both branches gain together: less is rounding.
const GAIN_MIN: f64 = 1e-12;
/// What is added to the second derivatives of a category where categories are put in order (Ke et al. 2017's LightGBM: `cat_smooth`).
const CATEGORY_SMOOTHING: f64 = 10.0;
/// A category with fewer rows in a leaf is one of the rest there.
const CATEGORY_ROWS_MIN: u64 = 10;
/// A node is given to threads when it has more values than this, in pieces of at least half as many.
const VALUES_A_PIECE: usize = 1 << 15;

/// The gradient of the loss of a row by its raw score, and the second derivative.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gradient {
    pub(super) g: f64,
    pub(super) h: f64,
}

/// The gradients of some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    g: f64,
    h: f64,
    rows: u64,
}

impl Sums {
    #[inline]
    fn add(&mut self, gradient: Gradient) {
        self.g += gradient.g;
        self.h += gradient.h;
        self.rows += 1;
    }

    #[inline]
    fn plus(self, other: Self) -> Self {
        Self { g: self.g + other.g, h: self.h + other.h, rows: self.rows + other.rows }
    }

    #[inline]
    fn minus(self, other: Self) -> Self {
        Self { g: self.g - other.g, h: self.h - other.h, rows: self.rows.saturating_sub(other.rows) }
    }

    /// Half of what the best step takes off the loss.
    #[inline]
    fn score(self, l2: f64) -> f64 {
        // Not g² first, which may be too large.
        if self.h > 0.0 { self.g * (self.g / (self.h + l2)) } else { 0.0 }
    }

    /// The best step.
    fn step(self, l2: f64) -> f64 {
        if self.h > 0.0 { -self.g / (self.h + l2) } else { 0.0 }
    }
}

/// A split of a leaf that was weighed.
#[derive(Debug, Clone)]
struct Candidate {
    gain: f64,
    column: usize,
    /// Bins that go to the first branch.
    set: BinSet,
    /// Of a number the last bin of the first branch.
    up_to: usize,
    first: Sums,
}

/// A leaf that may yet be split.
#[derive(Debug)]
struct Open {
    node: usize,
    /// Its rows are those from `begin` to `end` in the grower's order.
    begin: usize,
    end: usize,
    sums: Sums,
    depth: u32,
    /// Its histograms, where there is memory for them.
    histograms: Option<Vec<Sums>>,
    best: Option<Candidate>,
}

/// A leaf of a grown tree: the rows from `begin` to `end` of [`Grower::order`] came to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    pub(super) begin: usize,
    pub(super) end: usize,
    pub(super) value: f64,
}

/// Grows trees on the same rows one after the other.
#[derive(Debug)]
pub(super) struct Grower<'a> {
    columns: &'a [Column],
    settings: &'a Settings,
    spread: &'a dyn Spread,
    /// How many bins all columns have together.
    histogram_size: usize,
    /// Histograms that nobody uses.
    free: Vec<Vec<Sums>>,
    /// For a leaf that cannot keep its own.
    lent: Vec<Sums>,
    /// The rows, those of a leaf side by side and in order.
    order: Vec<u32>,
    buffer: Vec<u32>,
    /// Gradients of the rows of a leaf.
    gathered: Vec<Gradient>,
}

impl<'a> Grower<'a> {
    /// For trees on so many rows. `memory` is what histograms may take, of which there are two at least.
    pub(super) fn new(
        columns: &'a [Column],
        rows: usize,
        settings: &'a Settings,
        memory: usize,
        spread: &'a dyn Spread,
    ) -> Self {
        let histogram_size: usize = columns.iter().map(|column| column.bins.rest() + 1).sum();
        let histograms = (memory / (histogram_size * size_of::<Sums>()).max(1)).clamp(2, settings.max_leaves.max(2));
        let free = vec![Vec::new(); histograms];
        let order = Vec::with_capacity(rows);
        let (lent, buffer, gathered) = (Vec::new(), Vec::new(), Vec::new());
        Self { columns, settings, spread, histogram_size, free, lent, order, buffer, gathered }
    }

    /// The rows, those of a leaf side by side.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Grows a tree on gradients, one a row, and writes the leaves that rows came to.
    pub(super) fn grow(&mut self, gradients: &[Gradient], reached: &mut Vec<Reached>) -> Tree {
        self.order.clear();
        self.order.extend(0..gradients.len() as u32);
        let mut sums = Sums::default();
        gradients.iter().for_each(|gradient| sums.add(*gradient));
        let mut tree = Tree { nodes: vec![Node::Leaf(0.0)], sets: Vec::new(), facts: vec![0.0] };
        let mut root = Open { node: 0, begin: 0, end: gradients.len(), sums, depth: 0, histograms: None, best: None };
        if self.may_split(&root) {
            root.histograms = self.free.pop();
            self.look(gradients, &mut root, None);
        }

        // The leaf with the most gain is split first; of those alike the oldest.
        let mut queue = BinaryHeap::new();
        let mut leaves = vec![root];
        let enqueue = |queue: &mut BinaryHeap<(u64, Reverse<usize>)>, at: usize, leaf: &Open| {
            if let Some(best) = &leaf.best {
                // Bits of numbers above 0 are in their order.
                queue.push((best.gain.to_bits(), Reverse(at)));
            }
        };
        enqueue(&mut queue, 0, &leaves[0]);
        while leaves.len() < self.settings.max_leaves {
            let Some((_, Reverse(at))) = queue.pop() else { break };
            let Some((first, second)) = self.split(gradients, &mut leaves[at], &mut tree) else { break };
            leaves[at] = first;
            leaves.push(second);
            enqueue(&mut queue, at, &leaves[at]);
            enqueue(&mut queue, leaves.len() - 1, &leaves[leaves.len() - 1]);
        }
        reached.clear();
        for leaf in leaves {
            let value = self.settings.learning_rate * leaf.sums.step(self.settings.l2);
            tree.nodes[leaf.node] = Node::Leaf(value);
            tree.facts[leaf.node] = leaf.sums.rows as f64;
            reached.push(Reached { begin: leaf.begin, end: leaf.end, value });
            self.free.extend(leaf.histograms);
        }
        tree
    }

    fn may_split(&self, leaf: &Open) -> bool {
        leaf.depth < self.settings.max_depth
            && leaf.sums.rows >= 2 * self.settings.min_samples_leaf
            && leaf.sums.h >= 2.0 * HESSIAN_MIN
    }

    /// Splits a leaf by its best split.
    fn split(&mut self, gradients: &[Gradient], leaf: &mut Open, tree: &mut Tree) -> Option<(Open, Open)> {
        let best = leaf.best.take()?;
        let column = &self.columns[best.column];
        let first_node = tree.nodes.len();
        let (feature, first) = (column.feature as u32, first_node as u32);
        tree.nodes[leaf.node] = match &column.bins {
            Bins::Number(thresholds) => {
                let missing_first = holds(&best.set, column.bins.rest() as u8);
                // Only what is missing is not in the first branch when all bins are.
                let threshold = thresholds.get(best.up_to).copied().unwrap_or(f64::INFINITY);
                Node::AtMost { feature, threshold, missing_first, first }
            }
            Bins::Category(_) => {
                tree.sets.push(best.set);
                Node::Among { feature, set: tree.sets.len() as u32 - 1, first }
            }
        };
        tree.nodes.extend([Node::Leaf(0.0); 2]);
        tree.facts[leaf.node] = best.gain;
        tree.facts.extend([0.0; 2]);

        let middle = leaf.begin + self.partition(leaf.begin..leaf.end, &column.rows, &best.set);
        let branch = |number: usize, begin, end, sums| Open {
            node: first_node + number,
            begin,
            end,
            sums,
            depth: leaf.depth + 1,
            histograms: None,
            best: None,
        };
        let mut first = branch(0, leaf.begin, middle, best.first);
        let mut second = branch(1, middle, leaf.end, leaf.sums.minus(best.first));
        let whole = leaf.histograms.take();
        let (small, large) = if first.end - first.begin <= second.end - second.begin {
            (&mut first, &mut second)
        } else {
            (&mut second, &mut first)
        };
        match (self.may_split(small), self.may_split(large)) {
            (false, false) => self.free.extend(whole),
            (_, true) if whole.is_some() => {
                small.histograms = self.free.pop();
                large.histograms = whole;
                self.look(gradients, small, Some(large));
            }
            // There was no memory for the leaf's histograms, or they are of no use.
            (is_small, is_large) => {
                self.free.extend(whole);
                for (leaf, is_open) in [(small, is_small), (large, is_large)] {
                    if is_open {
                        leaf.histograms = self.free.pop();
                        self.look(gradients, leaf, None);
                    }
                }
            }
        }
        for leaf in [&mut first, &mut second] {
            if leaf.best.is_none() {
                self.free.extend(leaf.histograms.take());
            }
        }
        Some((first, second))
    }

    /// Puts rows of a set's bins before the others, both in order; how many they are.
    fn partition(&mut self, rows: std::ops::Range<usize>, bins: &[u8], set: &BinSet) -> usize {
        self.buffer.clear();
        let rows = &mut self.order[rows];
        let mut kept = 0;
        for at in 0..rows.len() {
            let row = rows[at];
            if holds(set, bins[row as usize]) {
                rows[kept] = row;
                kept += 1;
            } else {
                self.buffer.push(row);
            }
        }
        rows[kept..].copy_from_slice(&self.buffer);
        kept
    }

    /// Finds the best split of a leaf by its rows, and that of the leaf beside it, which has the histograms of both so far, by what
    /// the first leaves over.
    fn look(&mut self, gradients: &[Gradient], leaf: &mut Open, mut beside: Option<&mut Open>) {
        let rows = &self.order[leaf.begin..leaf.end];
        self.gathered.clear();
        self.gathered.extend(rows.iter().map(|row| gradients[*row as usize]));

        let (is_kept, mut read) = match leaf.histograms.take() {
            Some(histograms) => (true, histograms),
            None => (false, std::mem::take(&mut self.lent)),
        };
        read.clear();
        read.resize(self.histogram_size, Sums::default());
        let mut whole = beside.as_mut().and_then(|beside| beside.histograms.take());
        let sums = self.may_split(leaf).then_some(leaf.sums);
        let beside_sums = beside.as_ref().map_or(Sums::default(), |beside| beside.sums);

        let mut parts = parts(self.columns, &mut read, whole.as_deref_mut());
        let (gathered, settings) = (&self.gathered, self.settings);
        let work = |part: &mut Part<'_>| part.look(rows, gathered, sums, beside_sums, settings);
        let columns_a_piece = (VALUES_A_PIECE / (rows.len() + BINS_MAX)).max(1);
        if parts.len() > columns_a_piece {
            let mut pieces: Vec<_> = parts.chunks_mut(columns_a_piece).collect();
            each(self.spread, &mut pieces, |piece| piece.iter_mut().for_each(work));
        } else {
            parts.iter_mut().for_each(work);
        }
        for part in parts {
            keep_better(&mut leaf.best, part.best);
            if let Some(beside) = &mut beside {
                keep_better(&mut beside.best, part.beside_best);
            }
        }
        if let Some(beside) = beside {
            beside.histograms = whole;
        }
        if is_kept { leaf.histograms = Some(read) } else { self.lent = read }
    }
}

/// Takes a split if it is better than what there is: of splits as good that of the first column.
fn keep_better(best: &mut Option<Candidate>, found: Option<Candidate>) {
    if let Some(found) = found
        && best.as_ref().is_none_or(|best| found.gain > best.gain)
    {
        *best = Some(found);
    }
}

/// One column's part of the work on a new leaf, or on two.
struct Part<'a> {
    at: usize,
    column: &'a Column,
    /// The column's histogram of the leaf whose rows are read.
    read: &'a mut [Sums],
    best: Option<Candidate>,
    /// That of the leaf beside it, which holds both so far.
    whole: Option<&'a mut [Sums]>,
    beside_best: Option<Candidate>,
}

fn parts<'a>(columns: &'a [Column], mut read: &'a mut [Sums], mut whole: Option<&'a mut [Sums]>) -> Vec<Part<'a>> {
    let part = |(at, column): (usize, &'a Column)| {
        let bins = column.bins.rest() + 1;
        let (own, rest) = std::mem::take(&mut read).split_at_mut(bins);
        read = rest;
        let both = whole.take().map(|left| left.split_at_mut(bins));
        let (both, rest) = both.unzip();
        whole = rest;
        Part { at, column, read: own, best: None, whole: both, beside_best: None }
    };
    columns.iter().enumerate().map(part).collect()
}

impl Part<'_> {
    /// Fills the histogram from rows and their gradients, and finds the best splits; `sums` is what the leaf holds if it may split.
    fn look(&mut self, rows: &[u32], gradients: &[Gradient], sums: Option<Sums>, beside: Sums, settings: &Settings) {
        let bins = &self.column.rows[..];
        for (row, gradient) in rows.iter().zip(gradients) {
            self.read[usize::from(bins[*row as usize])].add(*gradient);
        }
        if let Some(sums) = sums {
            self.best = best_of(self.at, self.column, self.read, sums, settings);
        }
        if let Some(whole) = &mut self.whole {
            whole.iter_mut().zip(&*self.read).for_each(|(whole, read)| *whole = whole.minus(*read));
            self.beside_best = best_of(self.at, self.column, whole, beside, settings);
        }
    }
}

/// The gain of a split, if it is one.
#[inline]
fn gain(first: Sums, whole: Sums, whole_score: f64, settings: &Settings) -> Option<f64> {
    let second = whole.minus(first);
    if first.rows.min(second.rows) < settings.min_samples_leaf || first.h.min(second.h) < HESSIAN_MIN {
        return None;
    }
    let both = first.score(settings.l2) + second.score(settings.l2);
    let gain = both - whole_score;
    (gain > GAIN_MIN * both && gain.is_finite()).then_some(gain)
}

/// The best split by a column.
fn best_of(at: usize, column: &Column, histogram: &[Sums], whole: Sums, settings: &Settings) -> Option<Candidate> {
    match column.bins {
        Bins::Number(_) => best_threshold(at, histogram, whole, settings),
        Bins::Category(_) => best_categories(at, histogram, whole, settings),
    }
}

fn best_threshold(column: usize, histogram: &[Sums], whole: Sums, settings: &Settings) -> Option<Candidate> {
    let (missing, bins) = histogram.split_last()?;
    let whole_score = whole.score(settings.l2);
    // Gain, the last bin of the first branch, whether what is missing is in it.
    let mut best: Option<(f64, usize, bool, Sums)> = None;
    let mut first = Sums::default();
    for (bin, sums) in bins.iter().enumerate() {
        if sums.rows == 0 {
            continue;
        }
        first = first.plus(*sums);
        let mut weigh = |first, missing_first| {
            if let Some(gain) = gain(first, whole, whole_score, settings)
                && best.is_none_or(|best| gain > best.0)
            {
                best = Some((gain, bin, missing_first, first));
            }
        };
        weigh(first, false);
        if missing.rows > 0 {
            weigh(first.plus(*missing), true);
        }
    }
    best.map(|(gain, up_to, missing_first, first)| {
        // Where nothing was missing, what will be goes where most rows went.
        let missing_first = if missing.rows > 0 { missing_first } else { 2 * first.rows >= whole.rows };
        let mut set = [0; 4];
        let last = missing_first.then_some(bins.len());
        (0..=up_to).chain(last).for_each(|bin| set[bin >> 6] |= 1 << (bin & 63));
        Candidate { gain, column, set, up_to, first }
    })
}

fn best_categories(column: usize, histogram: &[Sums], whole: Sums, settings: &Settings) -> Option<Candidate> {
    // Those with few rows are among the rest, which is the last bin.
    let rest_bin = histogram.len() - 1;
    let is_common = |bin: usize| bin < rest_bin && histogram[bin].rows >= CATEGORY_ROWS_MIN;
    let rare = (0..histogram.len()).filter(|bin| !is_common(*bin));
    let rest = rare.fold(Sums::default(), |rest, bin| rest.plus(histogram[bin]));
    let slope = |sums: Sums| sums.g / (sums.h + CATEGORY_SMOOTHING);
    let mut groups: Vec<(f64, usize, Sums)> =
        (0..rest_bin).filter(|bin| is_common(*bin)).map(|bin| (slope(histogram[bin]), bin, histogram[bin])).collect();
    if rest.rows > 0 {
        groups.push((slope(rest), rest_bin, rest));
    }
    groups.sort_by(|a, b| a.0.total_cmp(&b.0));

    let whole_score = whole.score(settings.l2);
    let mut best: Option<(f64, usize, Sums)> = None;
    let mut first = Sums::default();
    for (place, (_, _, sums)) in groups.iter().enumerate() {
        first = first.plus(*sums);
        if let Some(gain) = gain(first, whole, whole_score, settings)
            && best.is_none_or(|best| gain > best.0)
        {
            best = Some((gain, place, first));
        }
    }
    best.map(|(gain, place, first)| {
        let mut set = [0; 4];
        let mut put = |bin: usize| set[bin >> 6] |= 1 << (bin & 63);
        groups[..=place].iter().for_each(|(_, bin, _)| put(*bin));
        let rest_first = match groups.iter().position(|(_, bin, _)| *bin == rest_bin) {
            Some(at) => at <= place,
            None => 2 * first.rows >= whole.rows,
        };
        if rest_first {
            (0..histogram.len()).filter(|bin| !is_common(*bin)).for_each(put);
        }
        Candidate { gain, column, set, up_to: 0, first }
    })
}
