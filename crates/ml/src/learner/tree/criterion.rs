//! How much better a split is than none.

/// What a split is to improve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Criterion {
    /// Entropy of the classes, in bits, before the split less that after it (Quinlan 1986).
    InfoGain,
    /// Gini's impurity before the split less that after it (Breiman et al. 1984).
    Gini,
    /// Hellinger's distance of the branches of a class from those of the rest, the largest of all classes (Cieslak et al.
    /// 2012).
    Hellinger,
}

/// `n·log₂ n`.
#[inline]
fn n_log_n(n: f64) -> f64 {
    if n > 0.0 { n * libm::log2(n) } else { 0.0 }
}

/// Entropy of classes of these weights, times their sum.
fn entropy(counts: &[f64]) -> f64 {
    let (mut sum, mut terms) = (0.0, 0.0);
    for &count in counts {
        sum += count;
        terms += n_log_n(count);
    }
    n_log_n(sum) - terms
}

/// Gini's impurity of classes of these weights, times their sum.
fn impurity(counts: &[f64]) -> f64 {
    let sum: f64 = counts.iter().sum();
    let squares: f64 = counts.iter().map(|count| count * count).sum();
    if sum > 0.0 { sum - squares / sum } else { 0.0 }
}

impl Criterion {
    /// The merit of a split: `branches` holds a weight a class, branch after branch, and `classes` is how many there are. The
    /// weights before are the sums, of rows for which the split's feature is known.
    pub(super) fn merit(self, branches: &[f64], classes: usize, before: &mut Vec<f64>) -> f64 {
        before.clear();
        before.resize(classes, 0.0);
        for branch in branches.chunks_exact(classes) {
            before.iter_mut().zip(branch).for_each(|(sum, count)| *sum += count);
        }
        let total: f64 = before.iter().sum();
        if total <= 0.0 {
            return 0.0;
        }
        let after = |of: fn(&[f64]) -> f64| branches.chunks_exact(classes).map(of).sum::<f64>();
        match self {
            Self::InfoGain => (entropy(before) - after(entropy)) / total,
            Self::Gini => (impurity(before) - after(impurity)) / total,
            Self::Hellinger => {
                let mut most = 0.0f64;
                for class in 0..classes {
                    let (own, rest) = (before[class], total - before[class]);
                    if own <= 0.0 || rest <= 0.0 {
                        continue;
                    }
                    let squares = branches.chunks_exact(classes).map(|branch| {
                        let sum: f64 = branch.iter().sum();
                        let distance = (branch[class] / own).sqrt() - ((sum - branch[class]).max(0.0) / rest).sqrt();
                        distance * distance
                    });
                    most = most.max(squares.sum::<f64>().sqrt());
                }
                most
            }
        }
    }

    /// By how much a split improves on none: its merit times the weight of the rows, by the weight of each class in each branch.
    pub(super) fn gain(self, branches: &[Vec<f64>], classes: usize) -> f64 {
        let count = |branch: &'_ Vec<f64>, class| branch.get(class).copied().unwrap_or(0.0);
        let flat: Vec<f64> =
            branches.iter().flat_map(|branch| (0..classes).map(move |class| count(branch, class))).collect();
        self.merit(&flat, classes, &mut Vec::new()) * flat.iter().sum::<f64>()
    }

    /// How far merits can lie apart, where `classes` classes were met.
    pub(super) fn range(self, classes: usize) -> f64 {
        match self {
            Self::InfoGain => libm::log2(classes.max(2) as f64),
            Self::Gini => 1.0,
            Self::Hellinger => std::f64::consts::SQRT_2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_of_splits_one_after_the_other_are_the_gain_of_all() {
        let (a, b, c) = (vec![5.0, 1.0, 2.0], vec![1.0, 7.0], vec![0.0, 2.0, 9.0]);
        let both: Vec<f64> = vec![6.0, 8.0, 2.0];
        for criterion in [Criterion::InfoGain, Criterion::Gini] {
            let at_once = criterion.gain(&[a.clone(), b.clone(), c.clone()], 3);
            let in_turn = criterion.gain(&[both.clone(), c.clone()], 3) + criterion.gain(&[a.clone(), b.clone()], 3);
            assert!(at_once > 0.0 && (at_once - in_turn).abs() < 1e-12);
        }
        // Ten rows, of which a perfect split tells a bit each.
        assert!((Criterion::InfoGain.gain(&[vec![5.0], vec![0.0, 5.0]], 2) - 10.0).abs() < 1e-12);
    }

    #[test]
    fn merits_are_those_of_the_formulas() {
        let merit = |criterion: Criterion, branches: &[f64]| criterion.merit(branches, 2, &mut Vec::new());
        // A perfect split of two equal classes is worth one bit, half of Gini, and the root of two.
        let perfect = [5.0, 0.0, 0.0, 5.0];
        assert!((merit(Criterion::InfoGain, &perfect) - 1.0).abs() < 1e-15);
        assert!((merit(Criterion::Gini, &perfect) - 0.5).abs() < 1e-15);
        assert!((merit(Criterion::Hellinger, &perfect) - std::f64::consts::SQRT_2).abs() < 1e-15);
        for criterion in [Criterion::InfoGain, Criterion::Gini, Criterion::Hellinger] {
            assert!(merit(criterion, &[2.0, 4.0, 1.0, 2.0]).abs() < 1e-12, "a split that tells nothing");
        }
        // Quinlan's example of play by wind: 9 yes and 5 no, 6 and 2 in weak wind, 3 and 3 in strong.
        assert!((merit(Criterion::InfoGain, &[6.0, 2.0, 3.0, 3.0]) - 0.048127030408269274).abs() < 1e-12);
    }
}
