//! Weight, mean and spread of a feature: alone, a class, and together with a number.

use serde::{Deserialize, Serialize};

use super::features::Statistic;
use crate::learner::FeatureKind;

/// Of some values: their weight, their mean, and the sum of squared differences from it (Welford 1962; West 1979 with weights).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moments {
    pub(super) weight: f64,
    pub(super) mean: f64,
    pub(super) squares: f64,
}

impl Moments {
    /// Both together (Chan, Golub & LeVeque 1979).
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

    fn zeros(weight: f64) -> Self {
        Self { weight: weight.max(0.0), ..Self::default() }
    }
}

impl Statistic for Moments {
    fn new(_: FeatureKind) -> Self {
        Self::default()
    }

    #[inline]
    fn take(&mut self, x: f64, _: f64, weight: f64) {
        self.weight += weight;
        let difference = x - self.mean;
        self.mean += difference * (weight / self.weight);
        self.squares += weight * difference * (x - self.mean);
    }

    fn merge(&mut self, other: &Self) {
        *self = self.with(*other);
    }

    fn with_zeros(&self, zero: &Self) -> Self {
        self.with(Self::zeros(zero.weight - self.weight))
    }
}

/// Moments of the values of each class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OfClasses(pub(super) Vec<Moments>);

impl OfClasses {
    fn class(&mut self, class: usize) -> &mut Moments {
        if class >= self.0.len() {
            self.0.resize(class + 1, Moments::default());
        }
        &mut self.0[class]
    }
}

impl Statistic for OfClasses {
    fn new(_: FeatureKind) -> Self {
        Self::default()
    }

    #[inline]
    fn take(&mut self, x: f64, y: f64, weight: f64) {
        self.class(y as usize).take(x, y, weight);
    }

    fn merge(&mut self, other: &Self) {
        other.0.iter().enumerate().for_each(|(class, theirs)| self.class(class).merge(theirs));
    }

    fn with_zeros(&self, zero: &Self) -> Self {
        let mut all = self.clone();
        for (class, zero) in zero.0.iter().enumerate() {
            let moments = all.class(class);
            *moments = moments.with_zeros(zero);
        }
        all
    }

    fn state_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Moments>()
    }
}

/// Moments of a feature and of a number, and the sum of the products of their differences from the means (Bennett et al. 2009).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct WithNumber {
    pub(super) x: Moments,
    pub(super) y: Moments,
    products: f64,
}

impl WithNumber {
    fn with(&self, other: &Self) -> Self {
        let weight = self.x.weight + other.x.weight;
        if weight <= 0.0 {
            return *self;
        }
        let share = self.x.weight * other.x.weight / weight;
        let differences = (other.x.mean - self.x.mean) * (other.y.mean - self.y.mean);
        Self {
            x: self.x.with(other.x),
            y: self.y.with(other.y),
            products: self.products + other.products + differences * share,
        }
    }

    /// Pearson's correlation; NaN where one of the two does not vary.
    pub(super) fn correlation(&self) -> f64 {
        let spread = self.x.squares.sqrt() * self.y.squares.sqrt();
        if spread > 0.0 { (self.products / spread).clamp(-1.0, 1.0) } else { f64::NAN }
    }
}

impl Statistic for WithNumber {
    fn new(_: FeatureKind) -> Self {
        Self::default()
    }

    #[inline]
    fn take(&mut self, x: f64, y: f64, weight: f64) {
        let before = y - self.y.mean;
        self.x.take(x, y, weight);
        self.y.take(y, y, weight);
        self.products += weight * before * (x - self.x.mean);
    }

    fn merge(&mut self, other: &Self) {
        *self = self.with(other);
    }

    fn with_zeros(&self, zero: &Self) -> Self {
        let weight = (zero.x.weight - self.x.weight).max(0.0);
        if weight <= 0.0 {
            return *self;
        }
        let mean = (zero.y.weight * zero.y.mean - self.y.weight * self.y.mean) / weight;
        let rest = Self { x: Moments::zeros(weight), y: Moments { weight, mean, squares: 0.0 }, products: 0.0 };
        // How the number varies over all rows is known as it is.
        Self { y: zero.y, ..self.with(&rest) }
    }
}
