//! Models, their immutable versions, the aliases that point at them, and the facts about how each was trained.
//!
//! A registry is one folder:
//!
//! ```text
//! registry.sqlite      the facts: models, versions, aliases, metrics
//! artifacts/<sha256>   what a version saved, named by the SHA-256 of its bytes
//! registry.lock        held while a process creates or checks the folder
//! ```
//!
//! The registry moves bytes and facts. It knows nothing of what an artifact holds, of learners or of SQL. Any number of
//! processes and threads may use one folder at once: each change is one transaction that takes SQLite's write lock first,
//! and artifact files are only created and removed while that lock is held. A version that was committed is on disk, with
//! its artifact; a version that was not leaves nothing behind once the folder is opened again.
//!
//! ```
//! use tidegate_registry::{Registry, VersionFacts, VersionRef};
//!
//! let folder = tempfile::tempdir()?;
//! let registry = Registry::open(folder.path())?;
//! let facts = VersionFacts { key: "job-1/final".into(), job: "job-1".into(), rows: 1000, ..Default::default() };
//! let number = registry.register("intent", b"weights", &facts)?;
//! assert_eq!(number, 1);
//!
//! // A resumed job registers under the same key and gets the same version.
//! assert_eq!(registry.register("intent", b"weights", &facts)?, 1);
//!
//! registry.set_alias("intent", "candidate", number)?;
//! let version = registry.resolve("intent", &VersionRef::Alias("candidate".into()))?;
//! assert_eq!(registry.load(&version)?, b"weights");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod artifact;
mod database;
mod error;
mod facts;
mod name;
mod registry;

pub use error::{Error, Result};
pub use facts::{ModelSummary, Version, VersionFacts, VersionRef};
pub use name::PRODUCTION;
pub use registry::Registry;
