//! How unusual a row is, without labels.
//!
//! A learner scores each row by those before it, and says of a score whether it makes the row an anomaly. Rows without a score, as too
//! little is known, are none.

mod half_space_trees;
mod robust_z_score;
mod window;

pub use half_space_trees::HALF_SPACE_TREES;
pub use robust_z_score::ROBUST_Z_SCORE;

/// Writes a row's score, and whether it is above the threshold.
fn tell(score: f64, threshold: f64, scores: &mut [f64]) {
    scores[0] = score;
    scores[1] = if score.is_nan() { f64::NAN } else { f64::from(u8::from(score > threshold)) };
}
