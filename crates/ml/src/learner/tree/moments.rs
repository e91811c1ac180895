//! Weight, mean and spread of targets.

use serde::{Deserialize, Serialize};

use crate::explain::importance::Came;

/// Of some targets: their weight, their mean, and the sum of squared differences from it (West 1979).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    pub(super) weight: f64,
    pub(super) mean: f64,
    squares: f64,
}

impl Moments {
    /// Takes in a target.
    #[inline]
    pub(super) fn learn(&mut self, y: f64, weight: f64) {
        self.weight += weight;
        let difference = y - self.mean;
        self.mean += difference * (weight / self.weight);
        self.squares += weight * difference * (y - self.mean);
    }

    /// Of both together (Chan, Golub & LeVeque 1979).
    #[inline]
    pub(super) fn with(self, other: Self) -> Self {
        let weight = self.weight + other.weight;
        if weight <= 0.0 {
            return self;
        }
        let difference = other.mean - self.mean;
        Self {
            weight,
            mean: self.mean + difference * (other.weight / weight),
            squares: self.squares + other.squares + difference * difference * (self.weight * other.weight / weight),
        }
    }

    /// The standard deviation.
    #[inline]
    pub(super) fn deviation(self) -> f64 {
        if self.weight > 0.0 { (self.squares / self.weight).max(0.0).sqrt() } else { 0.0 }
    }
}

impl Came for Moments {
    fn join(&mut self, other: &Self) {
        *self = self.with(*other);
    }

    fn weight(&self) -> f64 {
        self.weight
    }
}

/// By how much the squared errors fall when each branch has a mean of its own: `Σ wᵢ·(mᵢ − m)²`.
pub(super) fn explained_squares(branches: &[Moments]) -> f64 {
    let all = branches.iter().fold(Moments::default(), |all, branch| all.with(*branch));
    branches.iter().map(|branch| branch.weight * (branch.mean - all.mean) * (branch.mean - all.mean)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_are_those_within_and_between() {
        let of = |values: &[f64]| {
            let mut moments = Moments::default();
            values.iter().for_each(|value| moments.learn(*value, 1.0));
            moments
        };
        let (left, right) = (of(&[1.0, 2.0, 3.0]), of(&[7.0, 9.0]));
        let between = explained_squares(&[left, right]);
        assert!((left.with(right).squares - (left.squares + right.squares + between)).abs() < 1e-12);
    }

    #[test]
    fn parts_together_are_the_whole() {
        let of = |values: &[f64]| {
            let mut moments = Moments::default();
            values.iter().for_each(|value| moments.learn(*value, 2.0));
            moments
        };
        let (whole, parts) = (of(&[1.0, 5.0, 2.0, 8.0]), of(&[1.0]).with(of(&[5.0, 2.0, 8.0])));
        assert_eq!((whole.weight, whole.mean), (8.0, 4.0));
        assert!(
            (whole.deviation() - 7.5f64.sqrt()).abs() < 1e-15 && (parts.deviation() - whole.deviation()).abs() < 1e-15
        );
        assert_eq!(of(&[3.0]).with(Moments::default()), of(&[3.0]));
        assert_eq!(Moments::default().with(of(&[3.0])), of(&[3.0]));
    }
}
