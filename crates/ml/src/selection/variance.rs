//! The variance of a feature, whatever the label: what does not vary tells nothing.

use super::moments::Moments;
use super::{Evidence, Gathering, Method, SelectorDef, Takes};

/// The declaration.
pub(super) static VARIANCE: SelectorDef = SelectorDef {
    name: "variance",
    doc: "The variance of the feature, `Σ w·(x − mean)² / Σ w`, by Welford's method. It does not look at the label, and goes by the scale of the feature: of features scaled alike it tells nothing. Numbers. Source: scikit-learn's VarianceThreshold.",
    takes: Takes { classes: true, numbers: true, no_label: true, categories: false, sparse: true },
    make: |setup| Box::new(Gathering::<Variance>::new(setup)),
};

#[derive(Debug)]
struct Variance;

impl Method for Variance {
    type Statistic = Moments;

    fn evidence(moments: &Moments, _: u32) -> Evidence {
        let variance = if moments.weight > 0.0 { moments.squares / moments.weight } else { f64::NAN };
        Evidence::of_score(variance, None)
    }
}
