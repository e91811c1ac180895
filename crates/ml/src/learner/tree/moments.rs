//! Weight, mean and spread of targets.

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

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
