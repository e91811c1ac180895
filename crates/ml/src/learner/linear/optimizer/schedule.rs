//! Learning rates that change as rows go by.

/// The learning rate at the `t`-th row, from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// Always `learning_rate`. Never settles, and so keeps up with a changing world.
    Constant,
    /// `learning_rate / t^power_t`. Settles; 0.5 is the classic choice for convex losses (Zinkevich 2003).
    InverseScaling {
        /// The power.
        power: f64,
    },
    /// `1 / (l2·(t0 + t − 1))` with `t0 = 1 / (l2·w)` and a typical weight `w = l2^(−¼)`: the optimal rate for a loss with
    /// an L2 penalty, started so that the first steps are as long as a typical weight (Bottou 2012). Takes no learning rate.
    Optimal {
        /// The L2 penalty; above 0.
        l2: f64,
        /// `t0 − 1`.
        offset: f64,
    },
}

impl Schedule {
    /// The optimal schedule for an L2 penalty above 0.
    pub fn optimal(l2: f64) -> Self {
        let typical_weight = (1.0 / l2.sqrt()).sqrt();
        Self::Optimal { l2, offset: 1.0 / (typical_weight * l2) - 1.0 }
    }

    /// The rate at row `t`, from 1, where the option says `learning_rate`.
    ///
    /// ```
    /// use tidegate_ml::learner::linear::optimizer::Schedule;
    /// assert_eq!(Schedule::InverseScaling { power: 0.5 }.rate(0.1, 4), 0.05);
    /// ```
    #[inline]
    pub fn rate(self, learning_rate: f64, t: u64) -> f64 {
        match self {
            Self::Constant => learning_rate,
            Self::InverseScaling { power: 0.5 } => learning_rate / (t as f64).sqrt(),
            Self::InverseScaling { power } => learning_rate / libm::pow(t as f64, power),
            Self::Optimal { l2, offset } => 1.0 / (l2 * (offset + t as f64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        assert_eq!(Schedule::Constant.rate(0.1, 1000), 0.1);
        let quarter = Schedule::InverseScaling { power: 0.25 };
        assert!((quarter.rate(0.1, 16) - 0.05).abs() < 1e-17);
        // l2 = 1e-4: a typical weight is 10, so t0 = 1000 and the first rate is 10.
        let optimal = Schedule::optimal(1e-4);
        assert!((optimal.rate(f64::NAN, 1) - 10.0).abs() < 1e-12);
        assert!((optimal.rate(f64::NAN, 1001) - 5.0).abs() < 1e-12);
    }
}
