//! Where the states of keys are kept: in memory, and past a limit on disk.
//!
//! ```text
//!  shard 0 { key → state, used last, changed } ┐   too much memory: those used longest ago ──► keys.redb
//!  shard 1 …                                   ┘   not in memory ◄────────────────────────────
//! ```
//! The file is a B-tree whose pages are never written over (redb), so that a checkpoint is a savepoint in it: what was changed
//! since the last one is written, and the checkpoint names the savepoint. A job that goes on goes back to the savepoint of its
//! checkpoint, whatever was written since. The savepoints of checkpoints that are kept stay, and the one before stays until the
//! next checkpoint: should the process be killed before the checkpoint's own file is there, the one before still has its own.
//!
//! Without checkpoints and within the limit there is no file. A change of what is in memory and what is not changes no result.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};
use tidegate_ml::keyed::{Change, States, StatesOfShard};
use tidegate_ml::{Error as MlError, Result as MlResult};

use crate::keyed::{Place, Snapshots};
use crate::{Error, Result};

mod whole;

/// How the file is called: these, with the model's name between them.
const PREFIX: &str = "keys-";
const SUFFIX: &str = ".redb";

/// Whether a file of a step's folder holds the states of keys.
pub fn is_store(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

const STATES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("states");

/// Tells whether the state of a key is over.
pub(crate) type IsOver<'a> = dyn Fn(&[u8]) -> Result<bool> + 'a;
/// Takes a key and its state.
pub(crate) type Take<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

/// What a key in memory takes besides its bytes and those of its state.
const OVERHEAD_BYTES: usize = 128;
/// Keys of the file that a checkpoint looks through for those that are over, besides twice as many as it writes.
const KEYS_TO_SWEEP_MIN: usize = 10_000;

/// The states of all keys.
pub(crate) struct Store {
    parts: Vec<Part>,
    path: PathBuf,
    file: Option<Database>,
    memory_bytes_max: usize,
    /// Batches so far, to tell which keys were used longest ago.
    clock: u64,
    /// Savepoints of the checkpoints before, the newest at the end, and how many of them stay.
    savepoints: Vec<u64>,
    checkpoints_retained: usize,
    /// Where the look for keys that are over goes on.
    sweep_from: Vec<u8>,
}

/// The keys of a shard that are in memory, and a view of the file for those that are not.
pub(crate) struct Part {
    keys: HashMap<Box<[u8]>, Entry>,
    bytes: usize,
    clock: u64,
    table: Option<Arc<ReadOnlyTable<&'static [u8], &'static [u8]>>>,
}

struct Entry {
    state: Vec<u8>,
    used: u64,
    /// Whether the file does not have it as it is.
    changed: bool,
}

fn entry_bytes(key: &[u8], state: &[u8]) -> usize {
    key.len() + state.len() + OVERHEAD_BYTES
}

/// A failure of the file.
fn failed(path: &Path, error: impl Into<redb::Error>) -> Error {
    Error::Storage(format!("the states of keys in {}: {}", path.display(), error.into()))
}

fn to_model(error: impl std::fmt::Display) -> MlError {
    MlError::Store(format!("the states of keys: {error}"))
}

impl StatesOfShard for Part {
    fn take(&mut self, key: &[u8]) -> MlResult<Option<Vec<u8>>> {
        if let Some(entry) = self.keys.remove(key) {
            self.bytes -= entry_bytes(key, &entry.state);
            return Ok(Some(entry.state));
        }
        let Some(table) = &self.table else { return Ok(None) };
        Ok(table.get(key).map_err(to_model)?.map(|state| state.value().to_vec()))
    }

    fn put(&mut self, key: &[u8], mut state: Vec<u8>) -> MlResult<()> {
        state.shrink_to_fit();
        self.bytes += entry_bytes(key, &state);
        self.keys.insert(key.into(), Entry { state, used: self.clock, changed: true });
        Ok(())
    }
}

impl States for Store {
    type Part = Part;

    fn parts(&mut self) -> &mut [Part] {
        &mut self.parts
    }

    fn change_all(&mut self, change: &mut Change<'_>) -> MlResult<()> {
        if self.file.is_none() {
            for part in &mut self.parts {
                for (key, entry) in &mut part.keys {
                    if let Some(state) = change(key, &entry.state)? {
                        part.bytes = part.bytes + state.len() - entry.state.len();
                        (entry.state, entry.changed) = (state, true);
                    }
                }
            }
            return Ok(());
        }
        self.write_changed().map_err(to_model)?;
        self.parts.iter_mut().for_each(Part::forget);
        let Some(file) = &self.file else { return Ok(()) };
        // What is read is the file as it was before what is written now.
        let seen = file.begin_read().map_err(to_model)?.open_table(STATES).map_err(to_model)?;
        let mut write = file.begin_write().map_err(to_model)?;
        write.set_durability(Durability::None).map_err(to_model)?;
        {
            let mut table = write.open_table(STATES).map_err(to_model)?;
            for entry in seen.iter().map_err(to_model)? {
                let (key, state) = entry.map_err(to_model)?;
                if let Some(changed) = change(key.value(), state.value())? {
                    table.insert(key.value(), changed.as_slice()).map_err(to_model)?;
                }
            }
        }
        write.commit().map_err(to_model)?;
        self.look().map_err(to_model)
    }
}

impl Part {
    fn forget(&mut self) {
        self.keys.clear();
        self.bytes = 0;
    }
}

impl Store {
    /// No states yet. The file, if one is needed, is in `folder`.
    pub(crate) fn new(place: Place<'_>, name: &str, memory_bytes_max: usize) -> Self {
        let Place { folder, shards, snapshots } = place;
        let checkpoints_retained = match snapshots {
            Snapshots::Savepoints { retained } => retained.max(1),
            Snapshots::Whole => 0,
        };
        let part = || Part { keys: HashMap::new(), bytes: 0, clock: 0, table: None };
        Self {
            parts: (0..shards.max(1)).map(|_| part()).collect(),
            path: folder.join(format!("{PREFIX}{name}{SUFFIX}")),
            file: None,
            memory_bytes_max,
            clock: 0,
            savepoints: Vec::new(),
            checkpoints_retained,
            sweep_from: Vec::new(),
        }
    }

    fn failed(&self, error: impl Into<redb::Error>) -> Error {
        failed(&self.path, error)
    }

    /// The file, made when it is first needed. What an earlier run left that had no checkpoint goes.
    fn file(&mut self) -> Result<&Database> {
        if self.file.is_none() {
            if let Err(error) = std::fs::remove_file(&self.path)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(Error::Storage(format!("cannot remove {}: {error}", self.path.display())));
            }
            self.open()?;
        }
        self.file.as_ref().ok_or_else(|| Error::Internal("the file of states was just opened".into()))
    }

    fn open(&mut self) -> Result<()> {
        let cache = (self.memory_bytes_max / 4).clamp(1 << 20, 256 << 20);
        let file = Database::builder().set_cache_size(cache).create(&self.path).map_err(|e| self.failed(e))?;
        let mut write = file.begin_write().map_err(|e| self.failed(e))?;
        write.set_quick_repair(true);
        write.open_table(STATES).map_err(|e| self.failed(e))?;
        write.commit().map_err(|e| self.failed(e))?;
        self.file = Some(file);
        self.look()
    }

    /// Has every part see the file as it is now.
    fn look(&mut self) -> Result<()> {
        self.parts.iter_mut().for_each(|part| part.table = None);
        let Some(file) = &self.file else { return Ok(()) };
        let table = file.begin_read().map_err(|e| self.failed(e))?.open_table(STATES).map_err(|e| self.failed(e))?;
        let table = Arc::new(table);
        self.parts.iter_mut().for_each(|part| part.table = Some(Arc::clone(&table)));
        Ok(())
    }

    /// Bytes of memory that states take.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// After a batch: where there is too much in memory, keys that were used longest ago go.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.clock += 1;
        let clock = self.clock;
        self.parts.iter_mut().for_each(|part| part.clock = clock);
        let bytes = self.bytes();
        if bytes <= self.memory_bytes_max {
            return Ok(());
        }
        // A quarter at a time, so that looking for them costs little for each.
        let surplus = bytes - self.memory_bytes_max / 4 * 3;
        let mut by_use: Vec<(u64, usize)> = Vec::new();
        for part in &self.parts {
            by_use.extend(part.keys.iter().map(|(key, entry)| (entry.used, entry_bytes(key, &entry.state))));
        }
        by_use.sort_unstable();
        let (mut freed, mut last) = (0, 0);
        for (used, bytes) in by_use {
            if freed >= surplus {
                break;
            }
            freed += bytes;
            last = used;
        }
        self.file()?;
        self.write(|entry| entry.changed && entry.used <= last, Durability::None)?;
        for part in &mut self.parts {
            let mut left = 0;
            part.keys.retain(|key, entry| {
                let stays = entry.used > last;
                if stays {
                    left += entry_bytes(key, &entry.state);
                }
                stays
            });
            part.bytes = left;
            part.keys.shrink_to(part.keys.len() * 2);
        }
        Ok(())
    }

    /// Writes what the file does not have as it is.
    fn write_changed(&mut self) -> Result<()> {
        self.write(|entry| entry.changed, Durability::None).map(drop)
    }

    /// Writes chosen states; returns how many.
    fn write(&mut self, choose: impl Fn(&Entry) -> bool, durability: Durability) -> Result<usize> {
        let path = self.path.clone();
        let Some(file) = &self.file else { return Ok(0) };
        let mut write = file.begin_write().map_err(|e| failed(&path, e))?;
        write.set_durability(durability).map_err(|e| failed(&path, e))?;
        let mut written = 0;
        {
            let mut table = write.open_table(STATES).map_err(|e| failed(&path, e))?;
            for part in &mut self.parts {
                for (key, entry) in part.keys.iter_mut().filter(|(_, entry)| choose(entry)) {
                    table.insert(&**key, entry.state.as_slice()).map_err(|e| failed(&path, e))?;
                    entry.changed = false;
                    written += 1;
                }
            }
        }
        write.commit().map_err(|e| failed(&path, e))?;
        self.look()?;
        Ok(written)
    }

    /// Makes what there is durable; returns the savepoint to go back to. Keys that `is_over` may go.
    pub(crate) fn checkpoint(&mut self, is_over: &IsOver<'_>) -> Result<u64> {
        self.file()?;
        self.prune(is_over)?;
        let path = self.path.clone();
        let failed = |error: redb::Error| failed(&path, error);
        let Some(file) = &self.file else { return Err(Error::Internal("the file of states was just opened".into())) };
        let mut write = file.begin_write().map_err(|e| failed(e.into()))?;
        // After a crash the file is fit for use at once.
        write.set_quick_repair(true);
        let savepoint = write.persistent_savepoint().map_err(|e| failed(e.into()))?;
        // As many as there are checkpoints, before this one has its file.
        let kept = self.savepoints.len().saturating_sub(self.checkpoints_retained);
        self.savepoints.drain(..kept);
        self.savepoints.push(savepoint);
        let old: Vec<u64> = write.list_persistent_savepoints().map_err(|e| failed(e.into()))?.collect();
        for old in old.into_iter().filter(|old| !self.savepoints.contains(old)) {
            write.delete_persistent_savepoint(old).map_err(|e| failed(e.into()))?;
        }
        write.commit().map_err(|e| failed(e.into()))?;
        self.look()?;
        Ok(savepoint)
    }

    /// Removes keys that are over from memory, and some of them from the file, which has all states afterwards, if there is one.
    fn prune(&mut self, is_over: &IsOver<'_>) -> Result<()> {
        // Of one that was changed the file may have a state that is not over.
        let in_memory_only = self.file.is_none();
        for part in &mut self.parts {
            let mut over = Vec::new();
            for (key, entry) in part.keys.iter().filter(|(_, entry)| in_memory_only || !entry.changed) {
                if is_over(&entry.state)? {
                    over.push(key.clone());
                }
            }
            for key in over {
                if let Some(entry) = part.keys.remove(&key) {
                    part.bytes -= entry_bytes(&key, &entry.state);
                }
            }
        }
        let written = self.write(|entry| entry.changed, Durability::None)?;
        self.sweep(KEYS_TO_SWEEP_MIN + 2 * written, is_over)
    }

    /// Removes keys of the file that are over, as far as so many keys hold them.
    fn sweep(&mut self, keys: usize, is_over: &IsOver<'_>) -> Result<()> {
        let path = self.path.clone();
        let failed = |error: redb::Error| failed(&path, error);
        let Some(table) = self.parts.first().and_then(|part| part.table.clone()) else { return Ok(()) };
        let (mut over, mut looked, mut last) = (Vec::new(), 0, None);
        for entry in table.range(self.sweep_from.as_slice()..).map_err(|e| failed(e.into()))?.take(keys) {
            let (key, state) = entry.map_err(|e| failed(e.into()))?;
            looked += 1;
            if is_over(state.value())? {
                over.push(key.value().to_vec());
            }
            last = Some(key.value().to_vec());
        }
        drop(table);
        self.sweep_from = if looked < keys { Vec::new() } else { last.unwrap_or_default() };
        if over.is_empty() {
            return Ok(());
        }
        let Some(file) = &self.file else { return Ok(()) };
        let mut write = file.begin_write().map_err(|e| failed(e.into()))?;
        write.set_durability(Durability::None).map_err(|e| failed(e.into()))?;
        {
            let mut table = write.open_table(STATES).map_err(|e| failed(e.into()))?;
            for key in over {
                table.remove(key.as_slice()).map_err(|e| failed(e.into()))?;
            }
        }
        write.commit().map_err(|e| failed(e.into()))?;
        self.look()
    }

    /// Goes back to a savepoint.
    pub(crate) fn restore(&mut self, savepoint: u64) -> Result<()> {
        if !self.path.exists() {
            return Err(Error::Storage(format!("{} is gone; run with --fresh to begin anew", self.path.display())));
        }
        self.parts.iter_mut().for_each(Part::forget);
        self.open()?;
        let path = self.path.clone();
        let failed = |error: redb::Error| failed(&path, error);
        let Some(file) = &self.file else { return Err(Error::Internal("the file of states was just opened".into())) };
        // Nobody must see it while it goes back.
        self.parts.iter_mut().for_each(|part| part.table = None);
        let mut write = file.begin_write().map_err(|e| failed(e.into()))?;
        let to = write.get_persistent_savepoint(savepoint).map_err(|e| failed(e.into()))?;
        write.restore_savepoint(&to).map_err(|e| failed(e.into()))?;
        write.commit().map_err(|e| failed(e.into()))?;
        // Those after it are gone.
        let write = file.begin_write().map_err(|e| failed(e.into()))?;
        self.savepoints = write.list_persistent_savepoints().map_err(|e| failed(e.into()))?.collect();
        self.savepoints.sort_unstable();
        write.abort().map_err(|e| failed(e.into()))?;
        self.look()
    }

    /// Every key with its state, in the order of keys.
    pub(crate) fn each(&mut self, take: &mut Take<'_>) -> Result<()> {
        if self.file.is_none() {
            let mut all: Vec<(&[u8], &[u8])> = Vec::new();
            for part in &self.parts {
                all.extend(part.keys.iter().map(|(key, entry)| (&**key, entry.state.as_slice())));
            }
            all.sort_unstable_by_key(|(key, _)| *key);
            return all.into_iter().try_for_each(|(key, state)| take(key, state));
        }
        self.write_changed()?;
        let Some(table) = self.parts.first().and_then(|part| part.table.clone()) else { return Ok(()) };
        for entry in table.iter().map_err(|e| self.failed(e))? {
            let (key, state) = entry.map_err(|e| self.failed(e))?;
            take(key.value(), state.value())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &Path, shards: usize, memory_bytes_max: usize) -> Store {
        Store::new(Place { folder, shards, snapshots: Snapshots::Savepoints { retained: 1 } }, "m", memory_bytes_max)
    }

    fn state(store: &mut Store, key: u32) -> Option<Vec<u8>> {
        let parts = store.parts.len();
        let part = &mut store.parts[key as usize % parts];
        let state = part.take(&key.to_be_bytes()).unwrap();
        if let Some(state) = &state {
            part.put(&key.to_be_bytes(), state.clone()).unwrap();
        }
        state
    }

    fn put(store: &mut Store, key: u32, value: u8) {
        let parts = store.parts.len();
        let part = &mut store.parts[key as usize % parts];
        part.take(&key.to_be_bytes()).unwrap();
        part.put(&key.to_be_bytes(), vec![value; 50]).unwrap();
    }

    pub(super) fn all(store: &mut Store) -> Vec<(u32, u8)> {
        let mut found = Vec::new();
        store
            .each(&mut |key, state| {
                found.push((u32::from_be_bytes(key.try_into().unwrap()), state[0]));
                Ok(())
            })
            .unwrap();
        found
    }

    const NEVER: &IsOver<'static> = &|_| Ok(false);

    #[test]
    fn keys_past_the_limit_go_to_disk_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path(), 3, 10_000);
        for round in 0..20u32 {
            (0..50).for_each(|i| put(&mut store, round * 50 + i, round as u8));
            store.settle().unwrap();
            assert!(store.bytes() <= 10_000);
        }
        assert!(store.parts.iter().map(|part| part.keys.len()).sum::<usize>() < 100);
        assert_eq!(state(&mut store, 0), Some(vec![0; 50]));
        assert_eq!(state(&mut store, 1000), None);
        put(&mut store, 0, 99);
        let expected: Vec<(u32, u8)> = (0..1000).map(|i| (i, if i == 0 { 99 } else { (i / 50) as u8 })).collect();
        assert_eq!(all(&mut store), expected);
        store.change_all(&mut |key, state| Ok((key[3] == 7).then(|| vec![state[0] + 1; 50]))).unwrap();
        assert_eq!(state(&mut store, 7), Some(vec![1; 50]));
        assert_eq!(state(&mut store, 8), Some(vec![0; 50]));
    }

    #[test]
    fn without_need_there_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path(), 2, 1 << 20);
        (0..10).for_each(|i| put(&mut store, i, i as u8));
        store.settle().unwrap();
        store.change_all(&mut |_, state| Ok(Some(vec![state[0] * 2; 10]))).unwrap();
        assert_eq!(all(&mut store), (0..10).map(|i| (i, i as u8 * 2)).collect::<Vec<_>>());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// Whatever is written after a checkpoint, and whether or not the next was begun: it goes back.
    #[test]
    fn a_store_goes_back_to_either_of_its_last_checkpoints() {
        for spill in [0, 1 << 20] {
            let folder = tempfile::tempdir().unwrap();
            let new = || store(folder.path(), 3, spill);
            let mut store = new();
            let mut savepoints = Vec::new();
            for round in 0..5u8 {
                (0..100).for_each(|i| put(&mut store, i + u32::from(round) * 10, round));
                store.settle().unwrap();
                savepoints.push((store.checkpoint(NEVER).unwrap(), all(&mut store)));
            }
            for (savepoint, expected) in savepoints.iter().rev().take(2) {
                (0..300).for_each(|i| put(&mut store, i, 77));
                store.settle().unwrap();
                drop(store);
                store = new();
                store.restore(*savepoint).unwrap();
                assert_eq!(&all(&mut store), expected);
            }
            assert!(store.restore(savepoints[0].0).is_err());
        }
    }

    /// A savepoint of a job has a copy of the file, made while the job has it open.
    #[test]
    fn a_copy_of_the_file_goes_back_to_the_checkpoint_too() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut first = store(folder.path(), 3, 4000);
        let mut savepoint = 0;
        for round in 0..4u8 {
            (0..100).for_each(|i| put(&mut first, i, round));
            first.settle().unwrap();
            savepoint = first.checkpoint(NEVER).unwrap();
        }
        std::fs::copy(&first.path, other.path().join("keys-m.redb")).unwrap();
        assert!(is_store(&first.path));
        (0..100).for_each(|i| put(&mut first, i, 77));
        first.settle().unwrap();
        let mut second = store(other.path(), 5, 4000);
        second.restore(savepoint).unwrap();
        assert_eq!(all(&mut second), (0..100).map(|i| (i, 3)).collect::<Vec<_>>());
    }

    #[test]
    fn keys_that_are_over_go_at_checkpoints() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path(), 2, 0);
        (0..100).for_each(|i| put(&mut store, i, (i % 2) as u8));
        store.settle().unwrap();
        store.checkpoint(&|state| Ok(state[0] == 1)).unwrap();
        assert_eq!(all(&mut store), (0..100).step_by(2).map(|i| (i, 0)).collect::<Vec<_>>());
    }
}
