//! Neural networks, learned online in mini-batches.
//!
//! **Idea.** Layers of weighted sums, each bent by an activation, so that what no weighted sum can tell becomes one in the
//! last layer; each mini-batch moves all weights a little, down the gradient of its loss.
//!
//! **Formula.** `h_0 = x`, `h_l = φ(h_{l−1}·W_l + b_l)`, and the last layer without `φ` (`layer.rs` has `φ`, layer
//! normalisation and dropout). With the loss `ℓ` the gradient of a mini-batch of `n` rows is `1/n·Σ weight·∂ℓ`, by the chain
//! rule from the last layer to the first (Rumelhart, Hinton & Williams 1986). Where it is longer than `clip_gradient` it is
//! made as long (Pascanu, Mikolov & Bengio 2013). Then Adam (Kingma & Ba 2015) or plain gradient descent moves the weights.
//! `l2·w` is added to the gradient of a weight; `weight_decay` takes `learning_rate·weight_decay·w` from it past the optimizer
//! (Loshchilov & Hutter 2019). Biases, layer normalisation and embeddings pay neither.
//!
//! | task | outputs | loss | scores |
//! |---|---|---|---|
//! | two classes | 1 | log | `σ(s)` |
//! | more classes | one a class | log, of the softmax | the softmax |
//! | a number | 1 | `½(s − y)²`, or Huber's with `loss` | the number |
//!
//! **A stream in mini-batches.** Each row is predicted when it comes, by the weights before its mini-batch's step. Rows of a
//! weight above 0 are kept until there are `batch_size`; then one step learns them. The rows that are kept are part of the
//! state. So it does not matter how the input is cut, nor when the learner is saved: all is the same to the bit. `batch_size =
//! 1` learns each row at once, and costs more a row.
//!
//! **Shapes.** Numbers and texts as they are. A missing number counts as 0: scale numbers to mean 0 with
//! `ML_STANDARD_SCALER(…) OVER ()`, which a network wants anyhow, and 0 is the mean; or fill them with `ML_IMPUTER`. A text
//! becomes `embedding_size` numbers, which are learned (`embedding.rs`); one that is missing, that no row was learned of, or
//! that is beyond `max_embeddings` shares an embedding with all such. What is one-hot encoded or hashed is refused. The number
//! that is predicted is not scaled: one that is far from 0 takes long to reach, so divide it. A class that was declared takes
//! part from the start, another from the row after the first that has it; its weights are drawn by `seed` and its number,
//! however early it is told.
//!
//! **Parameters.** In [`LearnerDef::options`](super::LearnerDef), each with its default and one line. A scaled column that is
//! almost always 0 has values of hundreds of deviations where it is not: a learning rate that suits others may then be too
//! large.
//!
//! **Cost a row.** With `W` weights, `2·W` operations to predict and `6·W` to learn, and `1/batch_size` of a pass of the
//! optimizer over the weights. Predicting a block is one product of matrices a layer. **Memory.** 12 bytes a weight (4 without
//! Adam), of which embeddings are at most `max_embeddings·embedding_size` a text; 4 bytes a feature and row of the mini-batch;
//! buffers for the gradient, 4 bytes a weight, and for what passes through the layers, of at most 256 rows or a mini-batch.
//!
//! **Merging.** Approximate: weights and what Adam keeps beside them are averaged by the rows learned (McMahan et al. 2017,
//! federated averaging); mini-batches that are not full are learned before. It is good between learners that went on from
//! common weights, as replicas of parallel training do. Learners trained apart from each other start from equal weights if
//! their seeds are equal, but may have come to give units other meanings: their average can be worse than each of them.
//!
//! **Numbers.** f32. Sums run in one fixed order and without fused instructions, the exponential is plain arithmetic
//! (`product.rs`), so weights are the same to the bit on all machines, for any batches. Numbers beyond ±1e9 count as that,
//! weights and outputs of units stay within ±1e15, and a step whose gradient is no number is left out: so all stays finite.
//!
//! **Errors.** Options that are of no use together, when the learner is made. None while learning.
//!
//! **Why loops of our own.** Microseconds of one core (AMD EPYC with AVX2) for the products of a 54→64→32→7 network,
//! forwards and backwards:
//!
//! | | 1 row | 32 rows | 512 rows | builds in | crates | safe |
//! |---|---|---|---|---|---|---|
//! | loops, SSE2 | 0.4 + 3.1 | 13.9 + 21.8 | 221 + 336 | | | yes |
//! | **the same loops, compiled for AVX2 as well (pulp 0.22)** | 0.4 + 3.1 | 8.5 + 16.6 | 135 + 229 | 8 s | 11 | yes |
//! | so, with fused instructions | 0.5 + 4.4 | 6.5 + 12.4 | 104 + 159 | 8 s | 11 | yes |
//! | so, in f64 and without | 0.6 + 3.9 | 16.4 + 25.0 | 274 + 415 | 8 s | 11 | yes |
//! | matrixmultiply 0.3 by ndarray 0.17 | 2.1 + 4.3 | 6.6 + 10.5 | 96 + 133 | 8 s | 6 | yes |
//! | gemm 0.19 | 0.7 + 2.8 | 5.0 + 9.9 | 73 + 120 | 20 s | 25 | no |
//! | faer 0.24 | 0.8 + 2.8 | 5.6 + 10.1 | 79 + 118 | 99 s | 49 | yes |
//! | candle-core 0.11, with its gradients | 126 + 283 | 130 + 316 | 230 + 838 | 234 s | 155 | yes |
//!
//! Libraries are up to 1.8 times as fast on blocks, by fused instructions and packing, but round otherwise from one processor
//! to the next, and may choose another routine for one row than for many. Ours is among the fastest on one row and gives the
//! same bits everywhere. A row of Covertype, all counted, takes 1.8 µs so, and 2.6 µs without AVX2.
//!
//! ```
//! use tidegate_ml::block::Block;
//! use tidegate_ml::learner::{FeatureKind, LEARNERS, Shape};
//!
//! let def = LEARNERS.iter().find(|def| def.name == "mlp").unwrap();
//! let options = [("hidden_layers", "16"), ("learning_rate", "0.01"), ("batch_size", "4")];
//! let options = tidegate_options::resolve(def.options, options).unwrap();
//! let mut learner = (def.make)(&options, Shape::Binary).unwrap();
//! learner.set_features(&[FeatureKind::Number; 2]);
//!
//! let mut x = Block::default();
//! x.reset(4, 2); // four rows, two numbers: are they different?
//! x.dense.copy_from_slice(&[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
//! for _ in 0..1000 {
//!     learner.learn(&x, &[0.0, 1.0, 1.0, 0.0], &[]);
//! }
//! let mut scores = Vec::new();
//! learner.predict(&x, &mut scores);
//! assert!(scores[0] < 0.1 && scores[1] > 0.9 && scores[2] > 0.9 && scores[3] < 0.1);
//! ```

mod embedding;
mod layer;
mod mlp;
mod network;
mod optimizer;
mod product;
mod random;
mod rows;
mod settings;
#[cfg(test)]
mod tests;

use super::{Features, LearnerDef};
use crate::Task;
use mlp::Mlp;
use settings::Settings;

const MERGE: &str = "approximately: weights and what Adam keeps beside them are averaged by rows learned; in parallel training, by \
                     rows learned since the last sync";

/// `mlp`: a multilayer perceptron.
pub static MLP: LearnerDef = LearnerDef {
    name: "mlp",
    doc: "A neural network of dense layers with embeddings for texts, by gradient descent on mini-batches of the stream \
          (Rumelhart, Hinton & Williams 1986; Adam: Kingma & Ba 2015).",
    tasks: &[Task::Classification, Task::Regression],
    features: Features::TABLE,
    options: &[settings::OPTIONS],
    merge: MERGE,
    make: |options, shape| Ok(Box::new(Mlp::new(Settings::new(options, shape)?, shape))),
};
