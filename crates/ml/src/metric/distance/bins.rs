//! Bins of about equal weight, bounded by values that occur.

use super::{Counts, Step};

/// The rows of each bin. Edges are the 1/bins, 2/bins, … quantiles of the weight: the least values that so much of the weight is at or
/// below. A bin holds what is above the edge before it, up to its own; the first begins and the last ends at infinity. Where values are
/// so frequent that edges coincide, there are fewer bins. Values below all that have weight get a bin of their own if the first
/// edge is the least value that has weight: else they could not be told from it.
pub(super) fn equal_weight(steps: &[Step], bins: usize, weight: impl Fn(Counts) -> u128) -> Vec<Counts> {
    let total: u128 = steps.iter().map(|step| weight(step.counts)).sum();
    let (bins, mut edges, mut below) = (bins as u128, 0, 0);
    let mut filled = Vec::new();
    let mut open: Counts = [0, 0];
    for step in steps {
        let with = below + weight(step.counts);
        let at_edge = edges + 1 < bins && with > below && with * bins >= total * (edges + 1);
        if at_edge && below == 0 && open != [0, 0] {
            filled.push(std::mem::take(&mut open));
        }
        open = [open[0] + step.counts[0], open[1] + step.counts[1]];
        below = with;
        if at_edge {
            filled.push(std::mem::take(&mut open));
            edges = with * bins / total;
        }
    }
    if open != [0, 0] {
        filled.push(open);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(f64, u64, u64)], bins: usize) -> Vec<Counts> {
        let steps: Vec<Step> = values.iter().map(|&(value, a, b)| Step { value, counts: [a, b] }).collect();
        equal_weight(&steps, bins, |counts| counts[0].into())
    }

    #[test]
    fn edges_are_quantiles_of_the_weight() {
        let even: Vec<(f64, u64, u64)> = (0..100).map(|i| (f64::from(i), 1, 2)).collect();
        assert_eq!(of(&even, 4), [[25, 50]; 4]);
        // What lies outside of the reference is in the outer bins.
        let wide = [&[(-9.0, 0, 7)], even.as_slice(), &[(999.0, 0, 5)]].concat();
        assert_eq!(of(&wide, 2), [[50, 107], [50, 105]]);
    }

    #[test]
    fn frequent_values_take_several_edges() {
        assert_eq!(of(&[(1.0, 8, 0), (2.0, 1, 1), (3.0, 1, 4)], 4), [[8, 0], [2, 5]]);
        assert_eq!(of(&[(0.0, 0, 3), (1.0, 8, 1), (2.0, 0, 2)], 4), [[0, 3], [8, 1], [0, 2]]);
        assert_eq!(of(&[], 4), [[0, 0]; 0]);
    }
}
