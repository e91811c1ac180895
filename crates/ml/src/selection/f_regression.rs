//! The F-test of a linear regression on one feature.

use super::correlation::f_test;
use super::moments::WithNumber;
use super::{Evidence, Gathering, Method, SelectorDef, Takes};

/// The declaration.
pub(super) static F_REGRESSION: SelectorDef = SelectorDef {
    name: "f_regression",
    doc: "The F statistic of a linear regression on the one feature, `r² / (1 − r²) · (n − 2)`, where r is Pearson's correlation over co-moments. It orders features as 'correlation' does. Numbers. Source: scikit-learn's f_regression.",
    takes: Takes { classes: false, numbers: true, no_label: false, categories: false, sparse: true },
    make: |setup| Box::new(Gathering::<FRegression>::new(setup)),
};

#[derive(Debug)]
struct FRegression;

impl Method for FRegression {
    type Statistic = WithNumber;

    fn evidence(feature: &WithNumber, _: u32) -> Evidence {
        let (f, p_value) = f_test(feature);
        Evidence::of_score(f, Some(p_value))
    }
}
