//! Linear models, learned online.
//!
//! **Idea.** A weighted sum of the features is a score; each row moves the weights a little, down the gradient of its loss.
//!
//! **Formula.** `s = Σ w_i·x_i + b`. With the loss `ℓ(s, y)` and `g = ∂ℓ/∂s`, clipped to `±clip_gradient`, the optimizer is given the
//! gradient `g·x_i` for weight `i` and `g` for the intercept `b` (Bottou 1998, "Online learning and stochastic approximations").
//!
//! | algorithm | task | loss | scores | more than two classes |
//! |---|---|---|---|---|
//! | `logistic_regression` | classification | log | probability | softmax (multinomial) |
//! | `linear_svm` | classification | hinge, squared hinge, modified Huber | `σ(s)`; modified Huber: its own | one-vs-rest |
//! | `perceptron` | classification | perceptron | `σ(s)` | one-vs-rest |
//! | `passive_aggressive` | both | hinge or epsilon-insensitive, exact steps | `σ(s)`, or the number | one-vs-rest |
//! | `linear_regression` | regression | squared, Huber, epsilon-insensitive, quantile, Poisson | the number | |
//!
//! The scores `σ(s)` of margin losses lie between 0 and 1 and order rows as the margin does, with ½ at the border, but are
//! **not calibrated** probabilities: do not read log loss from them.
//!
//! **Parameters.** In [`LearnerDef::options`](super::LearnerDef), each with its default and one line; [`optimizer`],
//! [`optimizer::Schedule`], [`regularization`] and [`class_weight`] tell more. The learning rate counts rows from 1, also
//! across save and load. A row of weight 0, its own times its class's, is no row. A row of weight 2 has twice the
//! gradient, which is not the same as coming twice.
//!
//! **Shapes.** Dense features and sparse ones ([`crate::block`]); the weights grow with the features met. A class that was
//! declared takes part from the start, another from the first row that has it.
//!
//! **Cost a row.** One pass over its features to score, one to learn, each times the number of classes.
//! **Memory.** `8·(1 + slots)` bytes a feature and class ([`optimizer`] has the slots), 16 more a sparse feature with `l1` or `l2`.
//!
//! **Merging.** Approximate: parameter mixing. Weights and optimizer state are averaged, each state by the rows it has
//! learned; rows and class counts are added (McDonald, Hall & Mann 2010; Zinkevich, Weimer, Smola & Li 2010). For a convex loss
//! the average is no worse than the states are on average, by Jensen's inequality; it is not what one learner of all the
//! rows would have learned. A feature that a state has not met counts as weight 0 there. States must index features alike.
//! Replicas of parallel training move the weights they had at the last sync by the average of what each has moved them, by the
//! rows it has learned since: one round of iterative parameter mixing (McDonald, Hall & Mann 2010). A weight that only one
//! replica has moved moves by that replica's share.
//!
//! **Numbers.** Sums run in one fixed order and the exponential is plain arithmetic, so weights are the same to the bit on all
//! machines and for all batch sizes. Features up to 1e150 in size give finite weights.
//!
//! **Errors.** Options that are of no use together, when the learner is made. None while learning.
//!
//! ```
//! use tidegate_ml::block::Block;
//! use tidegate_ml::learner::{LEARNERS, Shape};
//!
//! let def = LEARNERS.iter().find(|def| def.name == "logistic_regression").unwrap();
//! let options = tidegate_options::resolve(def.options, [("learning_rate", "1.0")]).unwrap();
//! let mut learner = (def.make)(&options, Shape::Binary).unwrap();
//!
//! let mut x = Block::default();
//! x.reset(2, 1); // two rows, one dense feature
//! x.dense.copy_from_slice(&[1.0, -1.0]);
//! learner.learn(&x, &[1.0, 0.0], &[]);
//! // The first row: s = 0, g = σ(0) − 1 = −½, so w = ½ and b = ½. The second: s = 0, g = ½, so w = 1 and b = 0.
//! assert_eq!((learner.weights()[0].dense[0], learner.weights()[0].intercept), (1.0, 0.0));
//!
//! let mut scores = Vec::new();
//! learner.predict(&x, &mut scores);
//! assert!((scores[0] - 0.7310585786300049).abs() < 1e-15); // σ(1)
//! ```

use tidegate_options::Options;

use self::loss::{
    EpsilonInsensitive, Hinge, Huber, Log, Loss, ModifiedHuber, Perceptron, Poisson, Quantile, Squared, SquaredHinge,
};
use self::multiclass::{Multiclass, Scheme};
use self::one_vs_rest::OneVsRest;
use self::optimizer::{AdaGrad, Adam, Ftrl, Momentum, Nesterov, RmsProp, Sgd};
use self::passive_aggressive::{Classification, Regression, Variant};
use self::settings::Settings;
use self::single::Single;
use self::softmax::Softmax;
use super::{Features, Learner, LearnerDef, Shape};
use crate::{Error, Result, Task};

pub mod class_weight;
pub mod exponential;
pub mod loss;
mod multiclass;
mod one_vs_rest;
pub mod optimizer;
pub mod passive_aggressive;
pub mod regularization;
mod settings;
mod single;
mod softmax;
mod state;
#[cfg(test)]
mod tests;

const MERGE: &str = "approximately: weights and optimizer state are averaged by rows learned, counts are added; in parallel \
                     training, by rows learned since the last sync, and counts added since";

/// `logistic_regression`: log loss; softmax for more than two classes.
pub static LOGISTIC_REGRESSION: LearnerDef = LearnerDef {
    name: "logistic_regression",
    doc: "Log odds as a weighted sum of the features, by gradient descent on the log loss; softmax for many classes \
          (Bottou 1998; McMahan et al. 2013).",
    tasks: &[Task::Classification],
    features: Features::NUMBERS,
    options: &[settings::LEARNING_RATE, settings::L2, settings::GRADIENT, settings::CLASSES],
    merge: MERGE,
    make: |options, shape| match shape {
        Shape::Binary => single(Log, options, true),
        Shape::Classes { classes } => multiclass(Softmax, options, classes),
        Shape::Number | Shape::Unlabelled => Err(wrong_task("logistic_regression", "classification")),
    },
};

/// `linear_regression`: a number, by one of several losses.
pub static LINEAR_REGRESSION: LearnerDef = LearnerDef {
    name: "linear_regression",
    doc: "A number as a weighted sum of the features, by gradient descent on a loss: the mean, a robust mean (Huber \
          1964), a quantile (Koenker & Bassett 1978), or a count (Poisson).",
    tasks: &[Task::Regression],
    features: Features::NUMBERS,
    options: &[settings::LEARNING_RATE, settings::L2, settings::GRADIENT, settings::REGRESSION_LOSS],
    merge: MERGE,
    make: |options, shape| {
        if shape != Shape::Number {
            return Err(wrong_task("linear_regression", "regression"));
        }
        match options.text("loss") {
            "huber" => single(Huber { epsilon: options.float("huber_epsilon") }, options, false),
            "epsilon_insensitive" => single(insensitive(options), options, false),
            "quantile" => single(Quantile { tau: options.float("quantile") }, options, false),
            "poisson" => single(Poisson, options, false),
            _ => single(Squared, options, false),
        }
    },
};

/// `linear_svm`: a linear support vector machine.
pub static LINEAR_SVM: LearnerDef = LearnerDef {
    name: "linear_svm",
    doc: "A linear support vector machine, by gradient descent on the hinge loss with an L2 penalty; one-vs-rest for many \
          classes. Its probabilities are not calibrated (Shalev-Shwartz, Singer & Srebro 2007).",
    tasks: &[Task::Classification],
    features: Features::NUMBERS,
    options: &[settings::LEARNING_RATE, settings::L2_SVM, settings::GRADIENT, settings::SVM_LOSS, settings::CLASSES],
    merge: MERGE,
    make: |options, shape| match options.text("loss") {
        "squared_hinge" => classifier("linear_svm", SquaredHinge, options, shape),
        "modified_huber" => classifier("linear_svm", ModifiedHuber, options, shape),
        _ => classifier("linear_svm", Hinge, options, shape),
    },
};

/// `perceptron`: moves when it is wrong, and only then.
pub static PERCEPTRON: LearnerDef = LearnerDef {
    name: "perceptron",
    doc: "A line between classes that moves when it is wrong, and only then; one-vs-rest for many classes. Its \
          probabilities are not calibrated (Rosenblatt 1958).",
    tasks: &[Task::Classification],
    features: Features::NUMBERS,
    options: &[settings::LEARNING_RATE_ONE, settings::L2, settings::GRADIENT, settings::CLASSES],
    merge: MERGE,
    make: |options, shape| classifier("perceptron", Perceptron, options, shape),
};

/// `passive_aggressive`: the smallest step that puts a row right.
pub static PASSIVE_AGGRESSIVE: LearnerDef = LearnerDef {
    name: "passive_aggressive",
    doc: "The smallest step that puts each row right, with no learning rate; one-vs-rest for many classes. Its probabilities \
          are not calibrated (Crammer et al. 2006).",
    tasks: &[Task::Classification, Task::Regression],
    features: Features::NUMBERS,
    options: &[settings::PASSIVE_AGGRESSIVE, settings::CLASSES],
    merge: MERGE,
    make: |options, shape| {
        let variant = match (options.text("variant"), options.float("aggressiveness")) {
            ("pa", _) => Variant::Hard,
            ("pa-ii", c) => Variant::Soft(c),
            (_, c) => Variant::Bounded(c),
        };
        let settings = Settings::passive_aggressive(options)?;
        let (unused, task) = match shape {
            Shape::Number | Shape::Unlabelled => ("class_weight", "classification"),
            _ => ("insensitive_epsilon", "regression"),
        };
        if options.is_given(unused) {
            return Err(Error::Spec(format!("option '{unused}' has no effect: it is used with 'task' = '{task}'")));
        }
        Ok(match shape {
            Shape::Binary => Box::new(Single::new(Classification(variant), Sgd, settings, true)),
            Shape::Classes { classes } => {
                Box::new(Multiclass::new(OneVsRest(Classification(variant)), Sgd, settings, classes))
            }
            Shape::Number | Shape::Unlabelled => {
                Box::new(Single::new(Regression(variant, insensitive(options)), Sgd, settings, false))
            }
        })
    },
};

fn wrong_task(algorithm: &str, task: &str) -> Error {
    Error::Spec(format!("algorithm '{algorithm}' does {task} only"))
}

fn insensitive(options: &Options) -> EpsilonInsensitive {
    EpsilonInsensitive { epsilon: options.float("insensitive_epsilon") }
}

/// A margin loss for two classes, or one-vs-rest for any number.
fn classifier(algorithm: &str, loss: impl Loss, options: &Options, shape: Shape) -> Result<Box<dyn Learner>> {
    match shape {
        Shape::Binary => single(loss, options, true),
        Shape::Classes { classes } => multiclass(OneVsRest(loss), options, classes),
        Shape::Number | Shape::Unlabelled => Err(wrong_task(algorithm, "classification")),
    }
}

/// Makes something for the optimizer that the options name. The one place that lists optimizers: each arm is compiled for
/// its own.
macro_rules! with_optimizer {
    ($options:expr, $optimizer:ident => $learner:expr) => {{
        let number = |key: &str| $options.float(key);
        let learner: Box<dyn Learner> = match $options.text("optimizer") {
            "momentum" => {
                let $optimizer = Momentum { momentum: number("momentum") };
                Box::new($learner)
            }
            "nesterov" => {
                let $optimizer = Nesterov { momentum: number("momentum") };
                Box::new($learner)
            }
            "adagrad" => {
                let $optimizer = AdaGrad { epsilon: number("epsilon") };
                Box::new($learner)
            }
            "rmsprop" => {
                let $optimizer = RmsProp { rho: number("rho"), epsilon: number("epsilon") };
                Box::new($learner)
            }
            "adam" => {
                let $optimizer = Adam { beta1: number("beta1"), beta2: number("beta2"), epsilon: number("epsilon") };
                Box::new($learner)
            }
            "ftrl" => {
                let $optimizer = Ftrl { beta: number("ftrl_beta"), l1: number("l1"), l2: number("l2") };
                Box::new($learner)
            }
            _ => {
                let $optimizer = Sgd;
                Box::new($learner)
            }
        };
        Ok(learner)
    }};
}

fn single(loss: impl Loss, options: &Options, binary: bool) -> Result<Box<dyn Learner>> {
    let settings = Settings::gradient(options)?;
    with_optimizer!(options, optimizer => Single::new(loss, optimizer, settings, binary))
}

fn multiclass(scheme: impl Scheme + 'static, options: &Options, classes: usize) -> Result<Box<dyn Learner>> {
    let settings = Settings::gradient(options)?;
    with_optimizer!(options, optimizer => Multiclass::new(scheme, optimizer, settings, classes))
}
