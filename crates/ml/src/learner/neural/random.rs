//! Random numbers that depend on what they are for, and on nothing that was drawn before: so state needs none of them, and
//! what is initialised late is as it would have been early. SplitMix64 (Steele, Lea & Flood 2014).

use crate::splitmix::{GAMMA, mix};

/// What random numbers are for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// The weights of a unit of a layer.
    Weights { layer: usize, unit: usize },
    /// The embedding of a category of a column.
    Embedding { column: usize, category: usize },
    /// Which units are dropped in a step, of a layer.
    Dropout { layer: usize, step: u64 },
}

/// A source of random numbers.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Numbers for a purpose.
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        let (kind, first, second) = match purpose {
            Purpose::Weights { layer, unit } => (1, layer as u64, unit as u64),
            Purpose::Embedding { column, category } => (2, column as u64, category as u64),
            Purpose::Dropout { layer, step } => (3, layer as u64, step),
        };
        let fold = |state: u64, part: u64| mix(state.wrapping_add(GAMMA) ^ part);
        Self(fold(fold(fold(seed, kind), first), second))
    }

    /// From 0 up to but not including 1, in steps of 2⁻²⁴.
    #[inline]
    pub(super) fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(GAMMA);
        (mix(self.0) >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    /// Between `-limit` and `limit`.
    #[inline]
    pub(super) fn within(&mut self, limit: f32) -> f32 {
        (2.0 * self.uniform() - 1.0) * limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_and_apart() {
        let mut seen = std::collections::BTreeSet::new();
        let mut sum = 0.0;
        for unit in 0..100 {
            let mut random = Random::new(1, Purpose::Weights { layer: 0, unit });
            for _ in 0..100 {
                let value = random.uniform();
                assert!((0.0..1.0).contains(&value));
                sum += f64::from(value);
                seen.insert(value.to_bits());
            }
        }
        assert!((sum / 10_000.0 - 0.5).abs() < 0.01 && seen.len() > 9_990, "{sum} {}", seen.len());
    }
}
