//! Naive Bayes: each feature tells something of the class, and what they tell is taken as independent.
//!
//! **Formula.** `p(c | x) ∝ p(c)·Π_i p(x_i | c)`; `p(c)` is the share of the class's rows.
//!
//! | algorithm | `p(x_i ∣ c)` | features |
//! |---|---|---|
//! | `gaussian_nb` | a normal distribution a number; a share a category (one more row of each counted in) | numbers, texts as they are |
//! | `multinomial_nb` | how much of all there is in rows of the class, `(N_ci + α) / (N_c + α·n)` | counts: numbers of at least 0, encoded texts |
//! | `complement_nb` | the same, of the rows of all other classes, and taken from 1 (Rennie et al. 2003) | the same |
//! | `bernoulli_nb` | how many rows of the class have it, `(N_ci + α) / (N_c + 2α)`; that it is missing counts as well | the same: above `binarize` or not |
//!
//! **Cost a row.** One pass over its features a class to predict, one to learn; `bernoulli_nb` one over all features a class.
//! **Memory.** 48 bytes a number and class and 8 a category and class; 8 a feature and class where features are counted.
//! **Merging.** Exact: counts are added, moments by Chan, Golub & LeVeque (1979).
//!
//! A missing feature is left out of the product. A number that was the same in all rows of a class makes other values there
//! impossible; if that leaves no class, the shares of the classes are predicted. So columns that hardly vary do no harm, as
//! they do where a little is added to each variance.

mod columns;
mod counted;
mod evidence;
mod gaussian;
mod gaussians;

pub(in crate::learner) use columns::Columns;
pub use counted::{BERNOULLI_NB, COMPLEMENT_NB, MULTINOMIAL_NB};
pub(in crate::learner) use evidence::Evidence;
pub use gaussian::GAUSSIAN_NB;
pub(in crate::learner) use gaussians::Gaussians;

const MERGE: &str = "exactly: counts are added, moments combined; in parallel training, those since the last sync";
