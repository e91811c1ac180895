//! Work that can be done at once.
//!
//! Nothing here starts a thread: whoever runs a model hands in a [`Spread`], and what comes out is the same for all of them.

use std::fmt::Debug;

/// A piece of work.
pub type Work<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Does pieces of work, in any order or at once, and comes back when all are done.
pub trait Spread: Debug + Sync {
    /// Does them.
    fn run(&self, work: Vec<Work<'_>>);
}

/// One after the other.
#[derive(Debug, Clone, Copy)]
pub struct InTurn;

impl Spread for InTurn {
    fn run(&self, work: Vec<Work<'_>>) {
        work.into_iter().for_each(|work| work());
    }
}

/// Does the same to each item.
pub(crate) fn each<T: Send>(spread: &dyn Spread, items: &mut [T], work: impl Fn(&mut T) + Sync) {
    let work = &work;
    spread.run(items.iter_mut().map(|item| Box::new(move || work(item)) as Work<'_>).collect());
}

/// Each piece of work on a thread of its own, the last first.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Threads;

#[cfg(test)]
impl Spread for Threads {
    fn run(&self, work: Vec<Work<'_>>) {
        std::thread::scope(|scope| {
            for work in work.into_iter().rev() {
                scope.spawn(work);
            }
        });
    }
}
