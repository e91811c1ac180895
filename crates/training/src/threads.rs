//! Threads for what models do at once.

use std::sync::Arc;

use rayon::prelude::*;
use tidegate_ml::spread::{Spread, Work};

/// The threads of a session, as models know them.
#[derive(Debug, Clone)]
pub struct Threads(pub Arc<rayon::ThreadPool>);

impl Spread for Threads {
    fn run(&self, work: Vec<Work<'_>>) {
        self.0.install(|| work.into_par_iter().for_each(|work| work()));
    }
}
