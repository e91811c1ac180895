//! A registry that is opened when it is first needed: opening makes its folder.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tidegate_registry::Registry;

use crate::{Error, Result};

/// A registry that is opened when it is first needed.
#[derive(Debug)]
pub struct OpenRegistry {
    path: PathBuf,
    opened: OnceLock<Arc<Registry>>,
}

impl OpenRegistry {
    /// The registry of a folder, which is not looked at yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path, opened: OnceLock::new() }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The registry.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(&self) -> Result<&Arc<Registry>> {
        if self.opened.get().is_none() {
            let registry = Registry::open(&self.path)?;
            let _ = self.opened.set(Arc::new(registry));
        }
        self.opened.get().ok_or_else(|| Error::Internal("the registry was just opened".into()))
    }
}
