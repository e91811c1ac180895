//! Tests of networks as a whole.

use tidegate_options::resolve;

use super::MLP;
use super::mlp::Mlp;
use super::settings::Settings;
use crate::block::Block;
use crate::learner::{FeatureKind, Learner, Shape};

mod properties;
mod quality;
mod reference;
mod robustness;

/// A new learner of numbers and categories.
fn make(options: &[(&str, &str)], shape: Shape, kinds: &[FeatureKind]) -> Mlp {
    let options = resolve(MLP.options, options.iter().copied()).unwrap();
    let mut learner = Mlp::new(Settings::new(&options, shape).unwrap(), shape);
    learner.set_features(kinds);
    learner
}

/// A block of rows.
fn block(rows: &[Vec<f64>]) -> Block {
    let mut block = Block::default();
    let width = rows.first().map_or(0, Vec::len);
    block.reset(rows.len(), width);
    rows.iter().enumerate().for_each(|(row, values)| block.dense[row * width..][..width].copy_from_slice(values));
    block
}

/// A number between -1 and 1 that looks random.
fn noise(i: usize) -> f64 {
    let mut z = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    z = (z ^ (z >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// To the bit.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}
