//! Options of networks.

use tidegate_options::{Kind, OptionDef, Options};

use crate::learner::Shape;
use crate::{Error, Result};

/// Weights and the outputs of units stay within this, so that sums over thousands of them are finite.
pub(super) const VALUE_MAX: f32 = 1e15;
/// Numbers beyond this count as this.
pub(super) const INPUT_MAX: f64 = 1e9;
/// Slopes of the loss beyond this count as this.
pub(super) const SLOPE_MAX: f64 = 1e12;

/// Most hidden layers.
const LAYERS_MAX: usize = 16;
/// Most units of a layer.
const UNITS_MAX: usize = 4096;

const FRACTION: Kind = Kind::Float { min: 0.0, max: 0.999_999_9 };

pub(super) const OPTIONS: &[OptionDef] = &[
    OptionDef::new(
        "hidden_layers",
        Kind::Text,
        "64,32",
        "Units of each hidden layer, from the features on, such as '64,32'; '' for none, which is a linear model.",
    ),
    OptionDef::new(
        "activation",
        Kind::Choice(&["relu", "gelu"]),
        "relu",
        "What hidden units make of their sum: max(0, z), or z times the share of a normal distribution below z.",
    ),
    OptionDef::new(
        "layer_norm",
        Kind::Bool,
        "false",
        "Whether the sums of a hidden layer are scaled to mean 0 and variance 1.",
    ),
    OptionDef::new(
        "dropout",
        Kind::Float { min: 0.0, max: 0.95 },
        "0.0",
        "Share of the hidden units that a row is learned without.",
    ),
    OptionDef::new(
        "embedding_size",
        Kind::Int { min: 1, max: 1024 },
        "8",
        "How many numbers stand for a category of a text; they are learned.",
    ),
    OptionDef::new(
        "max_embeddings",
        Kind::Int { min: 1, max: 10_000_000 },
        "10000",
        "Most categories of a text that have an embedding; later ones count as missing.",
    ),
    OptionDef::new(
        "batch_size",
        Kind::Int { min: 1, max: 65_536 },
        "32",
        "Rows that are learned together, in one step. Rows are predicted as they come, by the weights before the step.",
    ),
    OptionDef::new("optimizer", Kind::Choice(&["adam", "sgd"]), "adam", "How weights move along the gradient."),
    OptionDef::new("learning_rate", Kind::Float { min: 0.0, max: 10.0 }, "0.001", "Step size of the optimizer."),
    OptionDef::new("beta1", FRACTION, "0.9", "Share of the mean gradient kept each step, by 'adam'."),
    OptionDef::new("beta2", FRACTION, "0.999", "Share of the mean squared gradient kept each step, by 'adam'."),
    OptionDef::new(
        "epsilon",
        Kind::Float { min: 1e-12, max: 1e6 },
        "1e-8",
        "Added to the root of squared gradients, by 'adam'.",
    ),
    OptionDef::new(
        "l2",
        Kind::Float { min: 0.0, max: 1e3 },
        "0.0",
        "L2 penalty: this times the weight is added to its gradient.",
    ),
    OptionDef::new(
        "weight_decay",
        Kind::Float { min: 0.0, max: 1e3 },
        "0.0",
        "Weights decay by learning rate times this a step, past the optimizer (decoupled).",
    ),
    OptionDef::new(
        "clip_gradient",
        Kind::Float { min: 1e-9, max: 1e9 },
        "10.0",
        "Longest gradient of a step, by its Euclidean norm; longer ones are made as long.",
    ),
    OptionDef::new(
        "loss",
        Kind::Choice(&["squared", "huber"]),
        "squared",
        "Regression: what is minimised. Classification: always the log loss.",
    ),
    OptionDef::new(
        "huber_epsilon",
        Kind::Float { min: 1e-9, max: 1e9 },
        "1.0",
        "Where 'huber' turns from squares to lines.",
    ),
    OptionDef::new(
        "seed",
        Kind::Int { min: 0, max: i64::MAX },
        "1",
        "What initial weights and dropped units are drawn by.",
    ),
];

/// What hidden units make of their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Relu,
    Gelu,
}

/// The options, read.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) hidden: Vec<usize>,
    pub(super) activation: Activation,
    pub(super) layer_norm: bool,
    pub(super) dropout: f32,
    pub(super) embedding_size: usize,
    pub(super) embeddings_max: usize,
    pub(super) batch_size: usize,
    pub(super) adam: bool,
    pub(super) learning_rate: f64,
    pub(super) beta1: f64,
    pub(super) beta2: f64,
    pub(super) epsilon: f64,
    pub(super) l2: f64,
    pub(super) weight_decay: f64,
    pub(super) clip_gradient: f64,
    /// Where the loss turns from squares to lines.
    pub(super) huber_epsilon: f64,
    pub(super) seed: u64,
}

impl Settings {
    /// Reads the options.
    pub(super) fn new(options: &Options, shape: Shape) -> Result<Self> {
        let unused = |key: &str, why: &str| match options.is_given(key) {
            true => Err(Error::Spec(format!("option '{key}' has no effect: {why}"))),
            false => Ok(()),
        };
        let (adam, huber) = (options.text("optimizer") == "adam", options.text("loss") == "huber");
        if shape != Shape::Number {
            unused("loss", "it is used by regression, and this is a classification")?;
        }
        if !huber {
            unused("huber_epsilon", "it is used with 'loss' = 'huber'")?;
        }
        if !adam {
            for key in ["beta1", "beta2", "epsilon"] {
                unused(key, "it is used with 'optimizer' = 'adam', and 'optimizer' is 'sgd'")?;
            }
        }
        let hidden = hidden_layers(options.text("hidden_layers"))?;
        if hidden.is_empty() {
            for key in ["activation", "layer_norm", "dropout"] {
                unused(key, "there are no hidden layers")?;
            }
        }
        let size = |key| usize::try_from(options.int(key)).unwrap_or(1);
        Ok(Self {
            hidden,
            activation: if options.text("activation") == "gelu" { Activation::Gelu } else { Activation::Relu },
            layer_norm: options.bool("layer_norm"),
            dropout: options.float("dropout") as f32,
            embedding_size: size("embedding_size"),
            embeddings_max: size("max_embeddings"),
            batch_size: size("batch_size"),
            adam,
            learning_rate: options.float("learning_rate"),
            beta1: options.float("beta1"),
            beta2: options.float("beta2"),
            epsilon: options.float("epsilon"),
            l2: options.float("l2"),
            weight_decay: options.float("weight_decay"),
            clip_gradient: options.float("clip_gradient"),
            huber_epsilon: if huber { options.float("huber_epsilon") } else { f64::INFINITY },
            seed: options.int("seed") as u64,
        })
    }
}

/// The sizes of the hidden layers.
fn hidden_layers(text: &str) -> Result<Vec<usize>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let size = |part: &str| part.trim().parse().ok().filter(|size| (1..=UNITS_MAX).contains(size));
    let layers: Option<Vec<usize>> = text.split(',').map(size).collect();
    layers.filter(|layers| layers.len() <= LAYERS_MAX).ok_or_else(|| {
        Error::Spec(format!(
            "option 'hidden_layers' is '{text}'; expected up to {LAYERS_MAX} sizes from 1 to {UNITS_MAX}, such as '64,32'"
        ))
    })
}
