//! Which of several trials is worse for certain, told from their losses over the same rows.
//!
//! **Idea.** Losses of a row are paired: what is hard for one trial is hard for all, so that differences are known long before means
//! are (Maron & Moore 1994, "Hoeffding races"; Birattari et al. 2002, "A racing algorithm for configuring metaheuristics"). Rows of a
//! stream depend on those before them, so what is tested are means of [`BATCH_ROWS`] rows each (batch means: Law & Carson 1979).
//!
//! **Formula.** Epochs are `m, 2m, 4m, …` rows long, and each is judged by itself: a trial that learns slowly is not held to how it
//! began. At the end of epoch `e` (from 0) the trial of least mean loss `l` leads. With `d` the mean of another's loss less the leader's over the
//! epoch's `k` batches, `s` its standard deviation, `N` trials in all, and Student's `t` of `k − 1` degrees of freedom at
//! `confidence / ((N − 1)(e + 1)(e + 2))` (so that the best of all is dropped with the probability `confidence` at most, whoever leads), it is dropped if
//! `d − t·s/√k > −tolerance·l`: it is worse, or cannot be better by more than the tolerance.
//!
//! Before the first epoch there may be a warm-up, in which trials learn and one leads, but nothing is held against any: where labels are
//! late, those known at first are not like those to come.
//!
//! Cost: an addition a row and trial, `N²/2` a batch. Memory: `N²` numbers.

use serde::{Deserialize, Serialize};

use crate::normal;

/// Rows of a batch.
pub(super) const BATCH_ROWS: u64 = 100;

/// When trials are dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rules {
    /// Batches of the first epoch, at least 2.
    pub(super) first_epoch: u64,
    pub(super) confidence: f64,
    pub(super) tolerance: f64,
    /// Whether any is dropped at all.
    pub(super) drops: bool,
}

/// Losses of the trials that are left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Comparison {
    /// How many trials there were at first.
    trials: u32,
    /// The trials that are left, ascending.
    left: Vec<u32>,
    /// The place of the leader among them.
    leader: u32,
    epoch: u32,
    /// Batches of the warm-up; 0 once it is over.
    warmup: u64,
    /// Rows of the batch that is being filled.
    rows: u64,
    /// Their losses added up.
    sums: Vec<f64>,
    /// Batches of this epoch.
    batches: u64,
    /// Means over these.
    means: Vec<f64>,
    /// Sums of products of deviations from the means, a row a trial; only from the diagonal on.
    products: Vec<f64>,
    /// Sums of the batch means of the epoch before.
    before: Vec<f64>,
}

impl Comparison {
    /// Of this many trials, after a warm-up of so many batches.
    pub(super) fn new(trials: usize, warmup: u64) -> Self {
        Self {
            trials: trials as u32,
            left: (0..trials as u32).collect(),
            leader: 0,
            epoch: 0,
            warmup,
            rows: 0,
            sums: vec![0.0; trials],
            batches: 0,
            means: vec![0.0; trials],
            products: vec![0.0; trials * trials],
            before: vec![0.0; trials],
        }
    }

    /// Whether nothing counts yet.
    pub(super) fn is_warming_up(&self) -> bool {
        self.warmup > 0
    }

    /// The trials that are left, ascending.
    pub(super) fn left(&self) -> &[u32] {
        &self.left
    }

    /// The trial that leads.
    pub(super) fn leader(&self) -> usize {
        self.left[self.leader as usize] as usize
    }

    /// How many rows may be taken before trials can be dropped.
    pub(super) fn rows_to_go(&self) -> usize {
        (BATCH_ROWS - self.rows) as usize
    }

    /// Takes losses of rows, no more than [`Comparison::rows_to_go`]; `losses` gives those of a trial.
    pub(super) fn take<'a>(&mut self, rows: usize, losses: impl Fn(usize) -> &'a [f64], rules: Rules) {
        for (sum, trial) in self.sums.iter_mut().zip(&self.left) {
            for loss in losses(*trial as usize) {
                *sum += loss;
            }
        }
        self.rows += rows as u64;
        if self.rows == BATCH_ROWS {
            self.end_batch(rules);
        }
    }

    fn end_batch(&mut self, rules: Rules) {
        self.rows = 0;
        self.batches += 1;
        let (n, count) = (self.batches as f64, self.left.len());
        // Welford's update, for pairs.
        let mut deviations = std::mem::take(&mut self.sums);
        for (deviation, mean) in deviations.iter_mut().zip(&mut self.means) {
            *deviation = *deviation / BATCH_ROWS as f64 - *mean;
            *mean += *deviation / n;
        }
        for (i, row) in self.products.chunks_exact_mut(count).enumerate() {
            let factor = deviations[i] * (n - 1.0) / n;
            row[i..].iter_mut().zip(&deviations[i..]).for_each(|(product, other)| *product += factor * other);
        }
        deviations.fill(0.0);
        self.sums = deviations;
        self.elect();
        if self.batches == self.warmup {
            self.warmup = 0;
            self.begin_epoch();
        }
        if self.is_warming_up() {
            return;
        }
        let length = rules.first_epoch.saturating_mul(1 << self.epoch.min(40));
        if self.batches >= length {
            self.end_epoch(rules);
        }
    }

    /// The leader is who has lost least in this epoch and the one before.
    fn elect(&mut self) {
        let n = self.batches as f64;
        let total = |i: usize| self.before[i] + self.means[i] * n;
        self.leader = (0..self.left.len()).min_by(|a, b| total(*a).total_cmp(&total(*b))).unwrap_or(0) as u32;
    }

    fn end_epoch(&mut self, rules: Rules) {
        let count = self.left.len();
        let best = (0..count).min_by(|a, b| self.means[*a].total_cmp(&self.means[*b])).unwrap_or(0);
        let mut stays = vec![true; count];
        if rules.drops && count > 1 {
            let k = self.batches as f64;
            let e = f64::from(self.epoch);
            let tests = f64::from(self.trials - 1) * (e + 1.0) * (e + 2.0);
            let t = student(rules.confidence / tests, k - 1.0);
            for (i, stays) in stays.iter_mut().enumerate().filter(|(i, _)| *i != best) {
                let product = |i: usize, j: usize| self.products[i.min(j) * count + i.max(j)];
                let squares = (product(i, i) + product(best, best) - 2.0 * product(i, best)).max(0.0);
                let error = (squares / (k - 1.0) / k).sqrt();
                let difference = self.means[i] - self.means[best];
                *stays = difference - t * error <= -rules.tolerance * self.means[best].abs();
            }
        }
        self.before = self.means.iter().map(|mean| mean * self.batches as f64).collect();
        let keep = |values: &mut Vec<f64>| {
            let mut stay = stays.iter();
            values.retain(|_| stay.next().copied().unwrap_or(true));
        };
        keep(&mut self.before);
        let mut stay = stays.iter();
        self.left.retain(|_| stay.next().copied().unwrap_or(true));
        self.leader = stays[..best].iter().filter(|stays| **stays).count() as u32;
        self.epoch += 1;
        self.begin_epoch();
    }

    /// Forgets what has been lost in the batches so far.
    fn begin_epoch(&mut self) {
        let count = self.left.len();
        for values in [&mut self.sums, &mut self.means] {
            values.clear();
            values.resize(count, 0.0);
        }
        self.products.clear();
        self.products.resize(count * count, 0.0);
        self.batches = 0;
    }

    /// Of this many trials, of which this one is left.
    pub(super) fn of_one(trials: usize, left: usize) -> Self {
        Self { trials: trials as u32, left: vec![left as u32], ..Self::new(1, 0) }
    }

    /// Bytes of memory.
    pub(super) fn state_bytes(&self) -> usize {
        8 * (self.sums.len() + self.means.len() + self.products.len() + self.before.len()) + 4 * self.left.len()
    }

    /// Whether it can be one of so many trials.
    pub(super) fn fits(&self, trials: usize) -> bool {
        let count = self.left.len();
        self.trials as usize == trials
            && (self.leader as usize) < count
            && self.left.iter().all(|trial| (*trial as usize) < trials)
            && self.left.windows(2).all(|pair| pair[0] < pair[1])
            && self.rows < BATCH_ROWS
            && [&self.sums, &self.means, &self.before].iter().all(|values| values.len() == count)
            && self.products.len() == count * count
    }
}

/// What Student's `t` of `freedom` degrees of freedom is above with this probability, below ½: by Cornish and Fisher's expansion about
/// the normal distribution (Abramowitz & Stegun 26.7.5).
fn student(probability: f64, freedom: f64) -> f64 {
    let z = normal::above_with(probability);
    let square = z * z;
    let first = z * (square + 1.0) / 4.0;
    let second = z * ((5.0 * square + 16.0) * square + 3.0) / 96.0;
    let third = z * (((3.0 * square + 19.0) * square + 17.0) * square - 15.0) / 384.0;
    z + (first + (second + third / freedom) / freedom) / freedom
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    const RULES: Rules = Rules { first_epoch: 10, confidence: 0.05, tolerance: 0.0, drops: true };

    /// Runs trials whose losses are these plus a noise that they share, and one of their own.
    fn race(losses: &[f64], own: f64, rules: Rules, rows: usize, seed: u64) -> Comparison {
        let random = &mut Pcg64Mcg::seed_from_u64(seed);
        let mut comparison = Comparison::new(losses.len(), 0);
        for _ in 0..rows {
            let shared: f64 = random.random();
            let row: Vec<[f64; 1]> =
                losses.iter().map(|loss| [loss + shared + own * (random.random::<f64>() - 0.5)]).collect();
            comparison.take(1, |trial| &row[trial], rules);
        }
        comparison
    }

    #[test]
    fn quantiles_are_those_of_tables() {
        // scipy.stats.t.isf([0.05, 0.001, 1e-5], [9, 19, 99])
        for (p, freedom, expected) in [(0.05, 9.0, 1.833_112_93), (0.001, 19.0, 3.579_400_15), (1e-5, 99.0, 4.478_5)] {
            assert!((student(p, freedom) / expected - 1.0).abs() < 2e-3, "{} {}", student(p, freedom), expected);
        }
    }

    #[test]
    fn the_worse_are_dropped_and_the_best_leads() {
        let comparison = race(&[0.5, 0.4, 0.9, 0.4001], 0.2, RULES, 15_000, 1);
        assert_eq!(comparison.leader(), if comparison.left().contains(&1) { 1 } else { 3 });
        assert!(!comparison.left().contains(&0) && !comparison.left().contains(&2), "{:?}", comparison.left());
    }

    #[test]
    fn what_cannot_be_told_apart_stays_until_it_is_within_the_tolerance() {
        let alike = [0.4, 0.4];
        assert_eq!(race(&alike, 0.2, RULES, 15_000, 2).left().len(), 2);
        assert_eq!(race(&alike, 0.2, Rules { tolerance: 0.05, ..RULES }, 15_000, 2).left().len(), 1);
        assert_eq!(race(&[0.4, 0.9], 0.2, Rules { drops: false, ..RULES }, 15_000, 2).left().len(), 2);
    }

    #[test]
    fn what_is_lost_in_the_warm_up_is_not_held_against_a_trial() {
        let run = |warmup: u64| {
            let mut comparison = Comparison::new(2, warmup);
            for row in 0..5_000 {
                // The first is good at first, and the second from then on.
                let first = if row < 2_000 { 0.0 } else { 1.0 };
                let losses = [[first + f64::from(row % 7) * 1e-3], [1.0 - first]];
                comparison.take(1, |trial| &losses[trial], RULES);
            }
            comparison
        };
        assert_eq!(run(0).left(), [0]);
        assert_eq!((run(20).left(), run(20).leader(), run(20).is_warming_up()), (&[1][..], 1, false));
        assert!(run(60).is_warming_up() && run(60).left().len() == 2);
    }

    /// The share of races in which the best is dropped is no more than the confidence, even if others are as good.
    #[test]
    fn the_best_is_seldom_dropped() {
        let wrong = (0..200).filter(|seed| !race(&[0.4; 4], 1.0, RULES, 7_000, *seed).left().contains(&0)).count();
        assert!(wrong <= 18, "{wrong} of 200, where 10 are expected at most");
    }

    #[test]
    fn batches_do_not_matter() {
        let losses: Vec<Vec<f64>> =
            (0..3).map(|i| (0..5_000).map(|row| f64::from((row * 7 + i * 13) % 31)).collect()).collect();
        let run = |cut: usize| {
            let mut comparison = Comparison::new(3, 2);
            let mut at = 0;
            while at < 5_000 {
                let len = comparison.rows_to_go().min(cut).min(5_000 - at);
                comparison.take(len, |trial| &losses[trial][at..at + len], RULES);
                at += len;
            }
            comparison
        };
        assert_eq!(run(1), run(64));
        assert_eq!(run(1), run(4096));
    }
}
