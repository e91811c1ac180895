//! What can be done with a registry. One public function is one transaction.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::artifact::Artifacts;
use crate::database::{Database, Failure};
use crate::error::{Error, Result};
use crate::facts::{ModelSummary, Version, VersionFacts, VersionRef};
use crate::name::{self, PRODUCTION, suggestion};

/// An open registry. Threads may share it; other processes may have the same folder open.
#[derive(Debug)]
pub struct Registry {
    database: Database,
    artifacts: Artifacts,
}

impl Registry {
    /// Opens the registry in a folder, which is created if it is missing, and removes what a crash left in it.
    ///
    /// # Errors
    /// [`Error::NewerSchema`], [`Error::NotARegistry`] and [`Error::CorruptDatabase`] when the database there cannot be
    /// used; nothing is changed then.
    pub fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(Error::file("create the folder", path))?;
        let database = Database::open(path.join("registry.sqlite"), &path.join("registry.lock"))?;
        let registry = Self { database, artifacts: Artifacts::open(path.join("artifacts"))? };
        registry.remove_orphans()?;
        Ok(registry)
    }

    /// Registers a new version and returns its number. A model is created with its first version.
    ///
    /// When the model has a version with the same `facts.key`, its number is returned and nothing is written.
    pub fn register(&self, model: &str, artifact: &[u8], facts: &VersionFacts) -> Result<u64> {
        self.register_artifact(model, facts, || Ok((self.artifacts.write(artifact)?, artifact.len() as u64)))
    }

    /// As [`Registry::register`], with the artifact in a file, which is copied a piece at a time.
    pub fn register_file(&self, model: &str, artifact: &Path, facts: &VersionFacts) -> Result<u64> {
        self.register_artifact(model, facts, || self.artifacts.copy(artifact))
    }

    /// `write` keeps the artifact, and returns its digest and length.
    fn register_artifact(
        &self,
        model: &str,
        facts: &VersionFacts,
        write: impl FnOnce() -> Result<(String, u64)>,
    ) -> Result<u64> {
        name::check_model(model)?;
        self.database.write(|c| {
            c.execute(
                "INSERT INTO model (name, created_at, next_number) VALUES (?1, ?2, 1) ON CONFLICT (name) DO NOTHING",
                params![model, now()],
            )?;
            let model_id = model_id(c, model)?;
            let registered = c
                .query_row(
                    "SELECT number FROM version WHERE model_id = ?1 AND key = ?2",
                    params![model_id, facts.key],
                    |r| unsigned(r, 0),
                )
                .optional()?;
            if let Some(number) = registered {
                return Ok(number);
            }
            let (sha256, bytes) = write()?;
            let number = c.query_row(
                "UPDATE model SET next_number = next_number + 1 WHERE id = ?1 RETURNING next_number - 1",
                [model_id],
                |r| unsigned(r, 0),
            )?;
            c.execute(
                "INSERT INTO version (model_id, number, key, job, created_at, spec, parameters, rows_learned, \
                 data_fingerprint, trained_until, artifact_sha256, artifact_bytes) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                params![
                    model_id,
                    signed(number),
                    facts.key,
                    facts.job,
                    now(),
                    facts.spec.to_string(),
                    serde_json::Value::from_iter(facts.parameters.clone()).to_string(),
                    signed(facts.rows),
                    facts.data_fingerprint,
                    facts.trained_until,
                    sha256,
                    signed(bytes),
                ],
            )?;
            write_metrics(c, c.last_insert_rowid(), &facts.metrics)?;
            Ok(number)
        })
    }

    /// The version that a reference means.
    pub fn resolve(&self, model: &str, version: &VersionRef) -> Result<Version> {
        self.database.read(|c| {
            let model_id = model_id(c, model)?;
            let version_id = match version {
                VersionRef::Number(number) => version_id(c, model, model_id, *number)?,
                VersionRef::Alias(alias) => aliased(c, model_id, alias)?
                    .map_or_else(|| Err(unknown_alias(c, model, model_id, alias)?), Ok::<_, Failure>)?,
                VersionRef::Current => match aliased(c, model_id, PRODUCTION)? {
                    Some(version_id) => version_id,
                    None => latest(c, model_id)?.ok_or_else(|| Error::NoVersion { model: model.to_owned() })?,
                },
            };
            read_versions(c, model, "v.id = ?1", version_id)?
                .pop()
                .ok_or_else(|| Failure::Sqlite(rusqlite::Error::QueryReturnedNoRows))
        })
    }

    /// The artifact of a version, checked against the digest that was recorded when it was registered.
    ///
    /// # Errors
    /// [`Error::MissingArtifact`] and [`Error::CorruptArtifact`].
    pub fn load(&self, version: &Version) -> Result<Vec<u8>> {
        self.artifacts.read(version)
    }

    /// The artifact of a version as an open file, checked as in [`Registry::load`] without being held in memory.
    ///
    /// # Errors
    /// [`Error::MissingArtifact`] and [`Error::CorruptArtifact`].
    pub fn open_artifact(&self, version: &Version) -> Result<fs::File> {
        self.artifacts.open_file(version)
    }

    /// Every model, by name.
    pub fn models(&self) -> Result<Vec<ModelSummary>> {
        self.database.read(|c| {
            let mut models = Vec::new();
            let mut statement = c.prepare(
                "SELECT m.id, m.name, m.created_at, COUNT(v.id), MAX(v.number) FROM model m \
                 LEFT JOIN version v ON v.model_id = m.id GROUP BY m.id ORDER BY m.name",
            )?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                models.push(ModelSummary {
                    name: row.get(1)?,
                    created_at: row.get(2)?,
                    versions: unsigned(row, 3)?,
                    latest: optional_unsigned(row, 4)?,
                    aliases: read_aliases(c, row.get(0)?)?,
                });
            }
            Ok(models)
        })
    }

    /// The versions of a model, from the first to the latest.
    pub fn versions(&self, model: &str) -> Result<Vec<Version>> {
        self.database.read(|c| read_versions(c, model, "v.model_id = ?1", model_id(c, model)?))
    }

    /// Points an alias at a version; an alias that exists moves. Returns the number that it pointed at before.
    pub fn set_alias(&self, model: &str, alias: &str, number: u64) -> Result<Option<u64>> {
        name::check_alias(alias)?;
        self.database.write(|c| {
            let model_id = model_id(c, model)?;
            let version_id = version_id(c, model, model_id, number)?;
            let before = read_aliases(c, model_id)?.remove(alias);
            c.execute(
                "INSERT INTO alias (model_id, name, version_id) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (model_id, name) DO UPDATE SET version_id = excluded.version_id",
                params![model_id, alias, version_id],
            )?;
            Ok(before)
        })
    }

    /// Removes an alias. Returns the number that it pointed at.
    pub fn drop_alias(&self, model: &str, alias: &str) -> Result<u64> {
        self.database.write(|c| {
            let model_id = model_id(c, model)?;
            let Some(number) = read_aliases(c, model_id)?.remove(alias) else {
                return Err(unknown_alias(c, model, model_id, alias)?);
            };
            c.execute("DELETE FROM alias WHERE model_id = ?1 AND name = ?2", params![model_id, alias])?;
            Ok(number)
        })
    }

    /// Adds metrics to a version, say those of an evaluation; a metric of the same name is replaced.
    pub fn set_metrics(&self, model: &str, number: u64, metrics: &BTreeMap<String, f64>) -> Result<()> {
        self.database.write(|c| {
            let version_id = version_id(c, model, model_id(c, model)?, number)?;
            Ok(write_metrics(c, version_id, metrics)?)
        })
    }

    /// Deletes a version and, if no other version has the same, its artifact. Its number is not given again.
    ///
    /// # Errors
    /// [`Error::VersionInUse`] while an alias points at it.
    pub fn delete_version(&self, model: &str, number: u64) -> Result<()> {
        self.database.write(|c| {
            let model_id = model_id(c, model)?;
            let version_id = version_id(c, model, model_id, number)?;
            let pointing = read_aliases(c, model_id)?.into_iter().filter(|(_, n)| *n == number);
            let aliases: Vec<String> = pointing.map(|(alias, _)| alias).collect();
            if !aliases.is_empty() {
                return Err(Error::VersionInUse { model: model.to_owned(), number, aliases }.into());
            }
            c.execute("DELETE FROM version WHERE id = ?1", [version_id])?;
            Ok(())
        })?;
        self.remove_orphans()
    }

    /// Deletes a model with its versions, aliases and artifacts.
    pub fn delete_model(&self, model: &str) -> Result<()> {
        self.database.write(|c| {
            c.execute("DELETE FROM model WHERE id = ?1", [model_id(c, model)?])?;
            Ok(())
        })?;
        self.remove_orphans()
    }

    /// Gives a model another name.
    ///
    /// # Errors
    /// [`Error::ModelExists`] when the name is another model's.
    pub fn rename_model(&self, model: &str, new_name: &str) -> Result<()> {
        name::check_model(new_name)?;
        self.database.write(|c| {
            let model_id = model_id(c, model)?;
            let taken = "SELECT EXISTS (SELECT 1 FROM model WHERE name = ?1 AND id <> ?2)";
            if c.query_row(taken, params![new_name, model_id], |r| r.get(0))? {
                return Err(Error::ModelExists { model: new_name.to_owned() }.into());
            }
            c.execute("UPDATE model SET name = ?1 WHERE id = ?2", params![new_name, model_id])?;
            Ok(())
        })
    }

    /// Removes the artifact files that no version names.
    ///
    /// A file goes only after the deletion of its version was committed, so a crash between the two leaves a file without
    /// a version, never a version without its file; opening the registry again comes here. The write lock is taken only
    /// if there seems to be something to remove, and then it is looked at again: what looked like an orphan may have
    /// been a version about to be committed.
    fn remove_orphans(&self) -> Result<()> {
        if self.database.read(|c| Ok(self.artifacts.orphans(&referenced(c)?)?))?.is_empty() {
            return Ok(());
        }
        self.database.write(|c| {
            for orphan in self.artifacts.orphans(&referenced(c)?)? {
                self.artifacts.remove(&orphan)?;
            }
            Ok(())
        })
    }
}

/// Milliseconds since 1970-01-01 UTC. A clock before 1970 counts as 1970.
fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// SQLite has no unsigned integers. No count here comes near 2⁶³.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.max(0).cast_unsigned())
}

fn optional_unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|value| value.max(0).cast_unsigned()))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

fn model_id(c: &Connection, model: &str) -> Result<i64, Failure> {
    let found = c.query_row("SELECT id FROM model WHERE name = ?1", [model], |r| r.get(0)).optional()?;
    match found {
        Some(id) => Ok(id),
        None => {
            let mut statement = c.prepare("SELECT name FROM model ORDER BY name")?;
            let names = statement.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
            let suggestion = suggestion("model", model, &names);
            Err(Error::UnknownModel { model: model.to_owned(), suggestion }.into())
        }
    }
}

fn version_id(c: &Connection, model: &str, model_id: i64, number: u64) -> Result<i64, Failure> {
    let select = "SELECT id FROM version WHERE model_id = ?1 AND number = ?2";
    let found = c.query_row(select, params![model_id, signed(number)], |r| r.get(0)).optional()?;
    match found {
        Some(id) => Ok(id),
        None => {
            let range = "SELECT MIN(number), MAX(number), COUNT(*) FROM version WHERE model_id = ?1";
            let (first, last, count) = c.query_row(range, [model_id], |r| {
                Ok((optional_unsigned(r, 0)?, optional_unsigned(r, 1)?, unsigned(r, 2)?))
            })?;
            let existing = match (first, last) {
                (Some(first), Some(last)) if first == last => format!("its only version is {first}"),
                (Some(first), Some(last)) => format!("it has {count} versions, from {first} to {last}"),
                _ => "each of its versions was deleted".to_owned(),
            };
            Err(Error::UnknownVersion { model: model.to_owned(), number, existing }.into())
        }
    }
}

fn latest(c: &Connection, model_id: i64) -> rusqlite::Result<Option<i64>> {
    let select = "SELECT id FROM version WHERE model_id = ?1 ORDER BY number DESC LIMIT 1";
    c.query_row(select, [model_id], |r| r.get(0)).optional()
}

fn aliased(c: &Connection, model_id: i64, alias: &str) -> rusqlite::Result<Option<i64>> {
    let select = "SELECT version_id FROM alias WHERE model_id = ?1 AND name = ?2";
    c.query_row(select, params![model_id, alias], |r| r.get(0)).optional()
}

/// The error itself, as a value: looking up what exists may fail too.
fn unknown_alias(c: &Connection, model: &str, model_id: i64, alias: &str) -> Result<Failure, Failure> {
    let names: Vec<String> = read_aliases(c, model_id)?.into_keys().collect();
    let suggestion = suggestion("alias", alias, &names);
    Ok(Error::UnknownAlias { model: model.to_owned(), alias: alias.to_owned(), suggestion }.into())
}

fn read_aliases(c: &Connection, model_id: i64) -> rusqlite::Result<BTreeMap<String, u64>> {
    let select = "SELECT a.name, v.number FROM alias a JOIN version v ON v.id = a.version_id WHERE a.model_id = ?1";
    c.prepare(select)?.query_map([model_id], |r| Ok((r.get(0)?, unsigned(r, 1)?)))?.collect()
}

fn read_metrics(c: &Connection, version_id: i64) -> rusqlite::Result<BTreeMap<String, f64>> {
    let select = "SELECT name, value FROM metric WHERE version_id = ?1";
    let value = |r: &Row<'_>| Ok((r.get(0)?, r.get::<_, Option<f64>>(1)?.unwrap_or(f64::NAN)));
    c.prepare(select)?.query_map([version_id], value)?.collect()
}

fn write_metrics(c: &Connection, version_id: i64, metrics: &BTreeMap<String, f64>) -> rusqlite::Result<()> {
    let mut statement = c.prepare(
        "INSERT INTO metric (version_id, name, value) VALUES (?1, ?2, ?3) \
         ON CONFLICT (version_id, name) DO UPDATE SET value = excluded.value",
    )?;
    for (name, value) in metrics {
        statement.execute(params![version_id, name, value])?;
    }
    Ok(())
}

/// The versions for which `condition` holds, by number. `?1` in the condition is `id`.
fn read_versions(c: &Connection, model: &str, condition: &str, id: i64) -> Result<Vec<Version>, Failure> {
    let mut statement = c.prepare(&format!(
        "SELECT v.id, v.number, v.created_at, v.key, v.job, v.spec, v.parameters, v.rows_learned, v.data_fingerprint, \
         v.trained_until, v.artifact_sha256, v.artifact_bytes FROM version v WHERE {condition} ORDER BY v.number"
    ))?;
    let mut aliases = c.prepare("SELECT name FROM alias WHERE version_id = ?1 ORDER BY name")?;
    let mut rows = statement.query([id])?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        let version_id: i64 = row.get(0)?;
        versions.push(Version {
            model: model.to_owned(),
            number: unsigned(row, 1)?,
            created_at: row.get(2)?,
            facts: VersionFacts {
                key: row.get(3)?,
                job: row.get(4)?,
                spec: json(row, 5)?,
                parameters: json(row, 6)?,
                metrics: read_metrics(c, version_id)?,
                rows: unsigned(row, 7)?,
                data_fingerprint: row.get(8)?,
                trained_until: row.get(9)?,
            },
            artifact_sha256: row.get(10)?,
            artifact_bytes: unsigned(row, 11)?,
            aliases: aliases.query_map([version_id], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?,
        });
    }
    Ok(versions)
}

fn referenced(c: &Connection) -> rusqlite::Result<HashSet<String>> {
    c.prepare("SELECT DISTINCT artifact_sha256 FROM version")?.query_map([], |r| r.get(0))?.collect()
}
