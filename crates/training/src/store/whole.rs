//! All states as bytes, and states taken in from elsewhere: within the limit of memory, and in any number of parts.

use tidegate_ml::keyed::StatesOfShard;
use tidegate_ml::keys::Keys;

use super::{IsOver, Store};
use crate::{Error, Result};

/// How many states are taken in before room is made.
const KEYS_TOGETHER: usize = 8192;

impl Store {
    /// All states but those of keys that are over, as bytes: for each key its length as u32, the key, and so the state.
    pub(crate) fn export(&mut self, is_over: &IsOver<'_>) -> Result<Vec<u8>> {
        self.prune(is_over)?;
        let mut bytes = Vec::new();
        self.each(&mut |key, state| {
            if !is_over(state)? {
                for part in [key, state] {
                    let length = u32::try_from(part.len());
                    let length = length.map_err(|_| Error::Storage("the state of a key is beyond 4 GB".into()))?;
                    bytes.extend_from_slice(&length.to_le_bytes());
                    bytes.extend_from_slice(part);
                }
            }
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Takes in what [`Store::export`] gave.
    pub(crate) fn import(&mut self, mut bytes: &[u8]) -> Result<()> {
        let mut taking = self.taking();
        while !bytes.is_empty() {
            let mut next = || {
                let (length, rest) = bytes.split_first_chunk()?;
                let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                bytes = rest;
                Some(part)
            };
            let (Some(key), Some(state)) = (next(), next()) else {
                return Err(Error::Storage("the states of keys in a snapshot are cut off".into()));
            };
            taking.take(key, state.to_vec())?;
        }
        Ok(())
    }

    /// To take in states of keys that it has not.
    pub(crate) fn taking(&mut self) -> Taking<'_> {
        Taking { store: self, taken: 0 }
    }
}

/// States being taken in, within the limit of memory.
pub(crate) struct Taking<'a> {
    store: &'a mut Store,
    taken: usize,
}

impl Taking<'_> {
    pub(crate) fn take(&mut self, key: &[u8], state: Vec<u8>) -> Result<()> {
        let part = (Keys::hash_of(key) % self.store.parts.len() as u64) as usize;
        self.store.parts[part].put(key, state).map_err(|error| Error::Storage(error.to_string()))?;
        self.taken += 1;
        if self.taken.is_multiple_of(KEYS_TOGETHER) { self.store.settle() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::all;
    use super::*;
    use crate::keyed::{Place, Snapshots};

    /// In memory or past the limit, and with another number of parts.
    #[test]
    fn what_is_exported_can_be_taken_in_anywhere() {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for (memory, shards) in [(0, 1), (4000, 3), (1 << 20, 4)] {
            let whole = |folder: &tempfile::TempDir, shards| {
                Store::new(Place { folder: folder.path(), shards, snapshots: Snapshots::Whole }, "m", memory)
            };
            let mut from = whole(&folders[0], 2);
            (0..200u32).for_each(|i| {
                let part = (Keys::hash_of(&i.to_be_bytes()) % 2) as usize;
                from.parts[part].put(&i.to_be_bytes(), vec![(i % 3) as u8; 50]).unwrap();
            });
            from.settle().unwrap();
            let over = |state: &[u8]| Ok(state[0] == 1);
            let bytes = from.export(&over).unwrap();
            let mut to = whole(&folders[1], shards);
            to.import(&bytes).unwrap();
            let expected: Vec<(u32, u8)> =
                (0..200).map(|i| (i, (i % 3) as u8)).filter(|(_, value)| *value != 1).collect();
            assert_eq!(all(&mut to), expected);
            assert_eq!(to.export(&over).unwrap(), bytes);
            for end in [1, bytes.len() / 2 + 1, bytes.len() - 1] {
                assert!(whole(&folders[1], 1).import(&bytes[..end]).is_err(), "cut at {end}");
            }
        }
    }
}
