//! Pearson's correlation of a feature with the number to be predicted.

use super::moments::WithNumber;
use super::probability::f_above;
use super::{Evidence, Gathering, Method, SelectorDef, Takes};

/// The declaration.
pub(super) static CORRELATION: SelectorDef = SelectorDef {
    name: "correlation",
    doc: "The magnitude of Pearson's correlation, `|Σ (x − mean_x)(y − mean_y)| / √(Σ (x − mean_x)² · Σ (y − mean_y)²)`, over co-moments; the p-value is that of its t-test. It sees linear dependence only. Numbers. Source: scikit-learn's r_regression.",
    takes: Takes { classes: false, numbers: true, no_label: false, categories: false, sparse: true },
    make: |setup| Box::new(Gathering::<Correlation>::new(setup)),
};

#[derive(Debug)]
struct Correlation;

impl Method for Correlation {
    type Statistic = WithNumber;

    fn evidence(feature: &WithNumber, _: u32) -> Evidence {
        let (_, p_value) = f_test(feature);
        Evidence::of_score(feature.correlation().abs(), Some(p_value))
    }
}

/// The F-test of a regression on one feature: `F = r² / (1 − r²) · (n − 2)` with 1 and n − 2 degrees of freedom, and its p-value.
pub(super) fn f_test(feature: &WithNumber) -> (f64, f64) {
    let (r, below) = (feature.correlation(), feature.x.weight - 2.0);
    if below <= 0.0 {
        return (f64::NAN, f64::NAN);
    }
    let f = r * r / (1.0 - r * r) * below;
    (f, f_above(f, 1.0, below))
}
