//! Class weights: rows of some classes count more.

use crate::{Error, Result};

/// How much a row counts by its class, besides its own weight.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ClassWeight {
    /// All the same.
    #[default]
    Even,
    /// `n / (k·n_c)`: `n` rows so far, `n_c` of them of the class, `k` classes met so far (2 for a binary task), all with the
    /// row at hand. Each class gets an equal say, as scikit-learn's `balanced`, with running counts.
    Balanced,
    /// A weight a class index; further classes weigh 1.
    Given(Vec<f64>),
}

impl ClassWeight {
    /// Most classes that weights can be given for.
    const CLASSES_MAX: usize = 100_000;

    /// Reads `balanced`, or `0:1,1:5`: the index of a class, a colon, its weight. Empty: all the same.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn read(text: &str) -> Result<Self> {
        let refuse = |part: &str| {
            Error::Spec(format!(
                "option 'class_weight': '{part}' is not a class's index and its weight; expected 'balanced', or \
                 weights such as '0:1,1:5' (0 is the first class, or false)"
            ))
        };
        if text.trim().is_empty() {
            return Ok(Self::Even);
        }
        if text.trim().eq_ignore_ascii_case("balanced") {
            return Ok(Self::Balanced);
        }
        let mut weights: Vec<Option<f64>> = Vec::new();
        for part in text.split(',') {
            let (class, weight) = part.split_once(':').ok_or_else(|| refuse(part.trim()))?;
            let class: usize = class.trim().parse().map_err(|_| refuse(part.trim()))?;
            let weight: f64 = weight.trim().parse().map_err(|_| refuse(part.trim()))?;
            if !(weight >= 0.0 && weight.is_finite()) || class >= Self::CLASSES_MAX {
                return Err(refuse(part.trim()));
            }
            weights.resize(weights.len().max(class + 1), None);
            if weights[class].replace(weight).is_some() {
                return Err(Error::Spec(format!("option 'class_weight': class {class} is given twice")));
            }
        }
        Ok(Self::Given(weights.into_iter().map(|weight| weight.unwrap_or(1.0)).collect()))
    }

    /// The weight of a row of `class` whose own weight is `weight`. `counts` has the weights of the rows so far by class,
    /// kept here when they are needed; `met` tells how many classes were met so far.
    #[inline]
    pub fn weigh(&self, class: usize, weight: f64, counts: &mut [f64], met: impl FnOnce() -> usize) -> f64 {
        match self {
            Self::Even => weight,
            Self::Given(weights) => weight * weights.get(class).copied().unwrap_or(1.0),
            Self::Balanced if weight.is_nan() || weight <= 0.0 => 0.0,
            Self::Balanced => {
                counts[class] += weight;
                weight * counts.iter().sum::<f64>() / (met() as f64 * counts[class])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        assert_eq!(ClassWeight::read("").unwrap(), ClassWeight::Even);
        assert_eq!(ClassWeight::read("Balanced").unwrap(), ClassWeight::Balanced);
        assert_eq!(ClassWeight::read("2:5, 0:0.5").unwrap(), ClassWeight::Given(vec![0.5, 1.0, 5.0]));
        for wrong in ["balance", "1", "a:1", "0:x", "0:-1", "0:inf", "0:1,", "9999999:1"] {
            assert!(ClassWeight::read(wrong).unwrap_err().to_string().contains("expected 'balanced'"), "{wrong}");
        }
        assert!(ClassWeight::read("0:1,0:2").unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn balanced_is_inverse_frequency() {
        let mut counts = [0.0; 2];
        let mut weigh = |class| ClassWeight::Balanced.weigh(class, 1.0, &mut counts, || 2);
        assert_eq!([weigh(0), weigh(0), weigh(0), weigh(1)], [0.5, 0.5, 0.5, 2.0]);
        assert_eq!(weigh(0), 5.0 / (2.0 * 4.0));
    }
}
