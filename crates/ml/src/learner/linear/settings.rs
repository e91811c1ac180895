//! The options of linear learners, declared and read.

use tidegate_options::{Kind, OptionDef, Options};

use super::class_weight::ClassWeight;
use super::optimizer::Schedule;
use super::regularization::Penalty;
use crate::{Error, Result};

const fn from_zero(max: f64) -> Kind {
    Kind::Float { min: 0.0, max }
}

const fn fraction() -> Kind {
    Kind::Float { min: 0.0, max: 0.999_999_9 }
}

/// How large a rate or a penalty may be: beyond it, arithmetic would overflow on large features.
const MAX: f64 = 1e6;

const RATE_DOC: &str = "Step size of the optimizer; alpha of 'ftrl'.";
const L2_DOC: &str = "L2 penalty: weights decay by learning rate times this a row; with 'ftrl', its lambda 2.";

/// What every gradient learner takes.
pub(super) const GRADIENT: &[OptionDef] = &[
    OptionDef::new(
        "optimizer",
        Kind::Choice(&["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "ftrl"]),
        "sgd",
        "How weights move along the gradient.",
    ),
    OptionDef::new(
        "learning_rate_schedule",
        Kind::Choice(&["constant", "inverse_scaling", "optimal"]),
        "constant",
        "How the learning rate changes with the row number t: not; learning_rate / t^power_t; 1 / (l2 (t0 + t)).",
    ),
    OptionDef::new("power_t", from_zero(10.0), "0.5", "The power of the schedule 'inverse_scaling'."),
    OptionDef::new("momentum", fraction(), "0.9", "Share of the velocity kept each row, by 'momentum' and 'nesterov'."),
    OptionDef::new("rho", fraction(), "0.9", "Share of the mean squared gradient kept each row, by 'rmsprop'."),
    OptionDef::new("beta1", fraction(), "0.9", "Share of the mean gradient kept each row, by 'adam'."),
    OptionDef::new("beta2", fraction(), "0.999", "Share of the mean squared gradient kept each row, by 'adam'."),
    OptionDef::new(
        "epsilon",
        Kind::Float { min: 1e-30, max: MAX },
        "1e-8",
        "Added to the root of squared gradients, by 'adagrad', 'rmsprop' and 'adam'.",
    ),
    OptionDef::new(
        "ftrl_beta",
        Kind::Float { min: 1e-30, max: MAX },
        "1.0",
        "Beta of 'ftrl': smooths its first steps.",
    ),
    OptionDef::new(
        "l1",
        from_zero(MAX),
        "0.0",
        "L1 penalty: weights are cut by learning rate times this a row; with 'ftrl', its lambda 1.",
    ),
    OptionDef::optional(
        "intercept_learning_rate",
        from_zero(MAX),
        "Step size for the intercept. Left out: as learning_rate.",
    ),
    OptionDef::new("fit_intercept", Kind::Bool, "true", "Whether the intercept is learned."),
    OptionDef::new(
        "initial_intercept",
        Kind::Float { min: -1e150, max: 1e150 },
        "0.0",
        "The intercept before the first row.",
    ),
    OptionDef::new(
        "clip_gradient",
        Kind::Float { min: 1e-30, max: 1e12 },
        "1e12",
        "Largest gradient of the loss with regard to the score, with the row's weight taken in. The default is that of \
         River and scikit-learn: it stops overflow and nothing else.",
    ),
];

/// The learning rate, 0.01.
pub(super) const LEARNING_RATE: &[OptionDef] = &[OptionDef::new("learning_rate", from_zero(MAX), "0.01", RATE_DOC)];
/// The learning rate of the perceptron, 1.
pub(super) const LEARNING_RATE_ONE: &[OptionDef] = &[OptionDef::new("learning_rate", from_zero(MAX), "1.0", RATE_DOC)];
/// No L2 penalty.
pub(super) const L2: &[OptionDef] = &[OptionDef::new("l2", from_zero(MAX), "0.0", L2_DOC)];
/// The L2 penalty that makes a linear classifier a support vector machine.
pub(super) const L2_SVM: &[OptionDef] = &[OptionDef::new("l2", from_zero(MAX), "0.0001", L2_DOC)];
/// What classifiers take.
pub(super) const CLASSES: &[OptionDef] = &[OptionDef::optional(
    "class_weight",
    Kind::Text,
    "How much rows count by class: 'balanced', or index:weight pairs such as '0:1,1:5'.",
)];
/// The loss of linear regression.
pub(super) const REGRESSION_LOSS: &[OptionDef] = &[
    OptionDef::new(
        "loss",
        Kind::Choice(&["squared", "huber", "epsilon_insensitive", "quantile", "poisson"]),
        "squared",
        "What is minimised.",
    ),
    OptionDef::new(
        "huber_epsilon",
        Kind::Float { min: 1e-30, max: 1e150 },
        "1.0",
        "Where 'huber' turns from squares to lines.",
    ),
    OptionDef::new(
        "insensitive_epsilon",
        from_zero(1e150),
        "0.1",
        "Residuals up to this cost nothing, by 'epsilon_insensitive'.",
    ),
    OptionDef::new("quantile", from_zero(1.0), "0.5", "Which quantile 'quantile' estimates."),
];
/// The loss of a support vector machine.
pub(super) const SVM_LOSS: &[OptionDef] = &[OptionDef::new(
    "loss",
    Kind::Choice(&["hinge", "squared_hinge", "modified_huber"]),
    "hinge",
    "What is minimised.",
)];
/// What passive-aggressive learners take.
pub(super) const PASSIVE_AGGRESSIVE: &[OptionDef] = &[
    OptionDef::new(
        "variant",
        Kind::Choice(&["pa", "pa-i", "pa-ii"]),
        "pa-i",
        "How a row that contradicts others is met: obeyed; obeyed up to the aggressiveness; obeyed softly.",
    ),
    OptionDef::new(
        "aggressiveness",
        Kind::Float { min: 1e-30, max: 1e30 },
        "1.0",
        "C of 'pa-i' and 'pa-ii': the largest step, or the price of error. Noisy labels want less.",
    ),
    OptionDef::new("insensitive_epsilon", from_zero(1e150), "0.1", "Regression: residuals up to this teach nothing."),
    OptionDef::new("fit_intercept", Kind::Bool, "true", "Whether the intercept is learned."),
    OptionDef::new(
        "initial_intercept",
        Kind::Float { min: -1e150, max: 1e150 },
        "0.0",
        "The intercept before the first row.",
    ),
];

/// Options that only some values of another option use.
const USED_BY: &[(&str, &str, &[&str])] = &[
    ("power_t", "learning_rate_schedule", &["inverse_scaling"]),
    ("momentum", "optimizer", &["momentum", "nesterov"]),
    ("rho", "optimizer", &["rmsprop"]),
    ("beta1", "optimizer", &["adam"]),
    ("beta2", "optimizer", &["adam"]),
    ("epsilon", "optimizer", &["adagrad", "rmsprop", "adam"]),
    ("ftrl_beta", "optimizer", &["ftrl"]),
    ("huber_epsilon", "loss", &["huber"]),
    ("insensitive_epsilon", "loss", &["epsilon_insensitive"]),
    ("quantile", "loss", &["quantile"]),
    ("aggressiveness", "variant", &["pa-i", "pa-ii"]),
];

/// Settings that all linear learners share.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) learning_rate: f64,
    pub(super) intercept_learning_rate: f64,
    pub(super) schedule: Schedule,
    pub(super) fit_intercept: bool,
    pub(super) initial_intercept: f64,
    pub(super) clip_gradient: f64,
    pub(super) penalty: Penalty,
    pub(super) class_weight: ClassWeight,
}

impl Settings {
    /// Reads the options of a gradient learner.
    pub(super) fn gradient(options: &Options) -> Result<Self> {
        refuse_unused(options)?;
        let learning_rate = options.float("learning_rate");
        let (l1, l2) = (options.float("l1"), options.float("l2"));
        let ftrl = options.text("optimizer") == "ftrl";
        let schedule = match options.text("learning_rate_schedule") {
            "inverse_scaling" => Schedule::InverseScaling { power: options.float("power_t") },
            "optimal" => Schedule::optimal(l2),
            _ => Schedule::Constant,
        };
        if ftrl && schedule != Schedule::Constant {
            return Err(Error::Spec(
                "optimizer 'ftrl' has a rate a weight and takes no 'learning_rate_schedule'; leave it out".to_string(),
            ));
        }
        if ftrl && (learning_rate == 0.0 || options.float_opt("intercept_learning_rate") == Some(0.0)) {
            return Err(Error::Spec("optimizer 'ftrl' divides by the learning rate: it must be above 0".to_string()));
        }
        if let Schedule::Optimal { .. } = schedule {
            if l2 == 0.0 {
                return Err(Error::Spec(
                    "the learning_rate_schedule 'optimal' follows from the L2 penalty: 'l2' must be above 0"
                        .to_string(),
                ));
            }
            if let Some(key) =
                ["learning_rate", "intercept_learning_rate"].into_iter().find(|key| options.is_given(key))
            {
                return Err(Error::Spec(format!(
                    "option '{key}' has no effect with the learning_rate_schedule 'optimal', which follows from 'l2'"
                )));
            }
        }
        Ok(Self {
            learning_rate,
            intercept_learning_rate: options.float_opt("intercept_learning_rate").unwrap_or(learning_rate),
            schedule,
            fit_intercept: options.bool("fit_intercept"),
            initial_intercept: options.float("initial_intercept"),
            clip_gradient: options.float("clip_gradient"),
            // FTRL does the penalties itself.
            penalty: if ftrl { Penalty::default() } else { Penalty { l1, l2 } },
            class_weight: ClassWeight::read(options.text("class_weight"))?,
        })
    }

    /// The learning rate of features, or of the intercept.
    pub(super) fn rate_of(&self, is_intercept: bool) -> f64 {
        if is_intercept { self.intercept_learning_rate } else { self.learning_rate }
    }

    /// Reads the options of a passive-aggressive learner: gradient descent at rate 1, as its loss makes the step.
    pub(super) fn passive_aggressive(options: &Options) -> Result<Self> {
        refuse_unused(options)?;
        Ok(Self {
            learning_rate: 1.0,
            intercept_learning_rate: 1.0,
            schedule: Schedule::Constant,
            fit_intercept: options.bool("fit_intercept"),
            initial_intercept: options.float("initial_intercept"),
            clip_gradient: 1e150,
            penalty: Penalty::default(),
            class_weight: ClassWeight::read(options.text("class_weight"))?,
        })
    }
}

/// An option that is given and does nothing is a mistake.
fn refuse_unused(options: &Options) -> Result<()> {
    for (key, by, values) in USED_BY {
        let Some(value) = options.text_opt(by).filter(|value| !values.contains(value)) else { continue };
        if options.is_given(key) {
            return Err(Error::Spec(format!(
                "option '{key}' has no effect: it is used with '{by}' = '{}', and '{by}' is '{value}'",
                values.join("' or '")
            )));
        }
    }
    Ok(())
}
