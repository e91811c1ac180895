//! The F-test of an analysis of variance: do the means of the classes differ?

use super::moments::{Moments, OfClasses};
use super::probability::f_above;
use super::{Evidence, Gathering, Method, SelectorDef, Takes};

/// The declaration.
pub(super) static ANOVA_F: SelectorDef = SelectorDef {
    name: "anova_f",
    doc: "The F statistic of a one-way analysis of variance (Fisher 1925): the variance between the means of the classes over that within classes, `(Σ n_c (mean_c − mean)² / (C − 1)) / (Σ Σ (x − mean_c)² / (n − C))`, over Welford moments a class. It sees differences of means only. Numbers. Source: scikit-learn's f_classif.",
    takes: Takes { classes: true, numbers: false, no_label: false, categories: false, sparse: true },
    make: |setup| Box::new(Gathering::<AnovaF>::new(setup)),
};

#[derive(Debug)]
struct AnovaF;

impl Method for AnovaF {
    type Statistic = OfClasses;

    fn evidence(feature: &OfClasses, _: u32) -> Evidence {
        let classes = || feature.0.iter().filter(|class| class.weight > 0.0);
        let all = classes().fold(Moments::default(), |all, class| all.with(*class));
        let count = classes().count() as f64;
        let (above, below) = (count - 1.0, all.weight - count);
        if above <= 0.0 || below <= 0.0 {
            return Evidence::NONE;
        }
        let between: f64 =
            classes().map(|class| class.weight * (class.mean - all.mean) * (class.mean - all.mean)).sum();
        let within: f64 = classes().map(|class| class.squares).sum();
        // A feature that does not vary at all gives 0 / 0: there is nothing to tell.
        let f = (between / above) / (within / below);
        Evidence::of_score(f, Some(f_above(f, above, below)))
    }
}
