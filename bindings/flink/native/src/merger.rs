//! What replicas of a model that learn in tasks of their own make together.

use std::sync::Arc;

use tidegate_training::Merger;

use crate::exception::Failure;
use crate::trainer::Task;

/// Begins with what the replicas of a task begin with.
pub(crate) fn open(task: &str) -> Result<Merger, Failure> {
    let task = Task::read(task)?;
    Ok(Merger::new(&Arc::new(task.entry()?), task.start(), task.run(), task.threads()?)?)
}
