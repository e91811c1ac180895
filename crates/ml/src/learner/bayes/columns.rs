//! Which features are numbers and which are categories, and how a row's numbers are gathered.

use serde::{Deserialize, Serialize};

use crate::learner::FeatureKind;

/// Some features, apart by kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::learner) struct Columns {
    /// Features that are numbers.
    pub(in crate::learner) numbers: Box<[u32]>,
    /// Features that are categories: their value is the category's number.
    pub(in crate::learner) categories: Box<[u32]>,
    /// Whether `numbers` are the first features in order, so that the start of a row is the numbers.
    in_place: bool,
}

impl Columns {
    /// These of the features.
    pub(in crate::learner) fn new(kinds: &[FeatureKind], features: impl Iterator<Item = u32> + Clone) -> Self {
        let of = |kind| features.clone().filter(|feature| kinds.get(*feature as usize) == Some(&kind)).collect();
        let numbers: Box<[u32]> = of(FeatureKind::Number);
        let in_place = numbers.iter().enumerate().all(|(i, feature)| i == *feature as usize);
        Self { numbers, categories: of(FeatureKind::Category), in_place }
    }

    /// All of the features.
    pub(in crate::learner) fn all(kinds: &[FeatureKind]) -> Self {
        Self::new(kinds, 0..kinds.len() as u32)
    }

    /// The numbers of a row.
    #[inline]
    pub(in crate::learner) fn gather<'a>(&self, x: &'a [f64], buffer: &'a mut Vec<f64>) -> &'a [f64] {
        if self.in_place {
            return &x[..self.numbers.len()];
        }
        buffer.clear();
        buffer.extend(self.numbers.iter().map(|feature| x[*feature as usize]));
        buffer
    }

    /// Whether these are features of rows this wide, each of its kind.
    pub(in crate::learner) fn fits(&self, kinds: &[FeatureKind]) -> bool {
        let are = |features: &[u32], kind| features.iter().all(|feature| kinds.get(*feature as usize) == Some(&kind));
        let in_place = self.numbers.iter().enumerate().all(|(i, feature)| i == *feature as usize);
        are(&self.numbers, FeatureKind::Number)
            && are(&self.categories, FeatureKind::Category)
            && self.in_place == in_place
    }

    /// Bytes of memory beyond its own size.
    pub(in crate::learner) fn heap_bytes(&self) -> usize {
        (self.numbers.len() + self.categories.len()) * size_of::<u32>()
    }
}
