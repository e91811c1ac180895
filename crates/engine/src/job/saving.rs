//! Making a savepoint of a checkpoint that was just taken.

use std::fs;
use std::path::{Path, PathBuf};

use super::Context;
use super::checkpoints::Checkpoint;
use super::sources::Sources;
use crate::checkpoint::{RunHandle, failed};
use crate::savepoint::{CARRIED, Savepoint, copy};
use crate::stream::dataflow::{Dataflow, Taker};
use crate::{Error, Result};
use tidegate_training::is_store;

/// Writes a savepoint into a new folder in `parent`. Nothing may have moved since the checkpoint.
pub(super) fn save(
    run: &RunHandle,
    context: &Context<'_>,
    sources: &Sources,
    dataflow: &Dataflow,
    checkpoint: Checkpoint,
    parent: &Path,
) -> Result<PathBuf> {
    let name = run.folder.file_name().unwrap_or_default().to_string_lossy();
    let savepoint = Savepoint::new(&name, run.run.script.clone(), run.step, checkpoint);
    savepoint.write(parent, |folder, checkpoint| {
        stages(&context.folder, folder)?;
        let carried = folder.join(CARRIED);
        for (index, (sink, state)) in dataflow.sinks.iter().zip(&mut checkpoint.dataflow.sinks).enumerate() {
            if checkpoint.shows_rows {
                // All of its rows can be seen: another run adds to them.
                (state.is_visible, state.prepared) = (true, Vec::new());
                continue;
            }
            let Some(Taker::Table(taker, _)) = &sink.taker else { continue };
            let folder = format!("sink-{index}");
            if !taker.carry(state.prepared.clone(), &carried.join(&folder))? {
                return Err(Error::Usage(format!(
                    "the rows that table '{}' has been given are not visible before the job ends, and its connector cannot put them into a savepoint",
                    sink.name
                )));
            }
            state.carried = Some(folder);
        }
        sources.carry_dead_letters(&checkpoint.dead_letters, &carried)?;
        checkpoint.carried = true;
        Ok(())
    })
}

/// Copies the rows that the step keeps on disk, and the states of keys.
fn stages(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).map_err(|error| failed("read", from, error))? {
        let entry = entry.map_err(|error| failed("read", from, error))?;
        let name = entry.file_name();
        if (name.to_string_lossy().starts_with("stage-") || is_store(&entry.path()))
            && !name.to_string_lossy().ends_with(".unfinished")
        {
            copy(&entry.path(), &to.join(&name))?;
        }
    }
    Ok(())
}
