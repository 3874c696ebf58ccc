//! The registry: models by name, and their numbered versions.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, params};
use serde::Serialize;

use crate::database::Failure;
use crate::error::TrackingError;
use crate::id::{Digest, RunId};
use crate::name::{Alias, ArtifactPath, ModelName, check_key, check_registry_tag_value};
use crate::run::row_of;
use crate::store::{Outlives, TrackingStore};

/// A model with a name, whose versions follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegisteredModel {
    /// Its unique name.
    pub name: ModelName,
    /// When it was registered, in milliseconds since 1970.
    pub created_at_ms: i64,
}

/// What is to become a version.
#[derive(Clone, Debug)]
pub struct NewModelVersion {
    /// The registered model.
    pub model: ModelName,
    /// The run that made it.
    pub run_id: RunId,
    /// Where the bytes lie inside the project.
    pub source: ArtifactPath,
    /// The bytes: what the version is, wherever they lie.
    pub digest: Digest,
    /// When it is registered, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Its first tags.
    pub tags: BTreeMap<String, String>,
}

/// One version of a registered model. Its bytes never change; tags and aliases may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelVersion {
    /// The registered model.
    pub model: ModelName,
    /// 1 for the first; never given out twice.
    pub version: u32,
    /// The run that made it.
    pub run_id: RunId,
    /// Where the bytes lie inside the project.
    pub source: ArtifactPath,
    /// The bytes.
    pub digest: Digest,
    /// When it was registered, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Notes on it.
    pub tags: BTreeMap<String, String>,
    /// The aliases that point at it now, in order.
    pub aliases: Vec<Alias>,
}

impl TrackingStore {
    /// Registers a model name, or finds it registered.
    pub fn register_model(
        &self,
        name: &ModelName,
        at_ms: i64,
    ) -> Result<RegisteredModel, TrackingError> {
        self.write(Outlives::PowerCut, "register the model", |change| {
            change.execute(
                "INSERT INTO registered_models (name, created_at_ms) VALUES (?1, ?2)
                 ON CONFLICT (name) DO NOTHING",
                params![name, at_ms],
            )?;
            Ok(model_row(change, name)?.1)
        })
    }

    /// The registered model with this name.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoModel`] when there is none.
    pub fn registered_model(&self, name: &ModelName) -> Result<RegisteredModel, TrackingError> {
        self.read("look up the model", |moment| Ok(model_row(moment, name)?.1))
    }

    /// All registered models by name.
    pub fn registered_models(&self) -> Result<Vec<RegisteredModel>, TrackingError> {
        self.read("list the models", |moment| {
            let mut statement = moment.prepare_cached(
                "SELECT name, created_at_ms FROM registered_models ORDER BY name",
            )?;
            let models = statement.query_map([], |row| {
                Ok(RegisteredModel {
                    name: row.get(0)?,
                    created_at_ms: row.get(1)?,
                })
            })?;
            Ok(models.collect::<Result<_, _>>()?)
        })
    }

    /// Makes the next version of a model. The same bytes of the same run are the same version: it
    /// is returned as it was first made, so a caller that crashed may simply try again.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoModel`], [`TrackingError::NoRun`], or [`TrackingError::Invalid`] for a
    /// bad tag.
    pub fn create_model_version(
        &self,
        new: &NewModelVersion,
    ) -> Result<ModelVersion, TrackingError> {
        for (key, value) in &new.tags {
            check_tag(key, value)?;
        }
        self.write(Outlives::PowerCut, "create the model version", |change| {
            let (model, _) = model_row(change, &new.model)?;
            let run = row_of(change, &new.run_id)?;
            let existing: Option<u32> = change
                .query_row(
                    "SELECT version FROM model_versions
                     WHERE model = ?1 AND run = ?2 AND digest = ?3",
                    params![model, run, new.digest],
                    |row| row.get(0),
                )
                .optional()?;
            let version = match existing {
                Some(version) => version,
                None => insert(change, model, run, new)?,
            };
            load_one(change, &new.model, version)
        })
    }

    /// One version of a model.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoModel`] or [`TrackingError::NoModelVersion`].
    pub fn model_version(
        &self,
        name: &ModelName,
        version: u32,
    ) -> Result<ModelVersion, TrackingError> {
        self.read("read the model version", |moment| {
            load_one(moment, name, version)
        })
    }

    /// All versions of a model, the newest first.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoModel`] when there is no such model.
    pub fn model_versions(&self, name: &ModelName) -> Result<Vec<ModelVersion>, TrackingError> {
        self.read("list the model versions", |moment| {
            let (model, _) = model_row(moment, name)?;
            load(moment, "v.model = ?1", &[&model])
        })
    }

    /// The versions, of any model, that have these bytes; by model name, the newest first.
    pub fn versions_by_digest(&self, digest: &Digest) -> Result<Vec<ModelVersion>, TrackingError> {
        self.read("look for versions with the digest", |moment| {
            load(moment, "v.digest = ?1", &[digest])
        })
    }

    /// Sets a tag of a version over what is there. The value has at most 100,000 characters.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoModel`], [`TrackingError::NoModelVersion`], or
    /// [`TrackingError::Invalid`] for a bad key or value.
    pub fn set_version_tag(
        &self,
        name: &ModelName,
        version: u32,
        key: &str,
        value: &str,
    ) -> Result<(), TrackingError> {
        check_tag(key, value)?;
        self.write(Outlives::PowerCut, "set the version's tag", |change| {
            let model = version_row(change, name, version)?;
            put_tag(change, model, version, key, value)
        })
    }
}

fn check_tag(key: &str, value: &str) -> Result<(), TrackingError> {
    check_key("tag name", key)?;
    check_registry_tag_value(value)
}

fn put_tag(
    change: &Transaction<'_>,
    model: i64,
    version: u32,
    key: &str,
    value: &str,
) -> Result<(), Failure> {
    change.execute(
        "INSERT INTO model_version_tags (model, version, key, value) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (model, version, key) DO UPDATE SET value = excluded.value",
        params![model, version, key, value],
    )?;
    Ok(())
}

fn insert(
    change: &Transaction<'_>,
    model: i64,
    run: i64,
    new: &NewModelVersion,
) -> Result<u32, Failure> {
    let version = change.query_row(
        "INSERT INTO model_versions (model, version, run, source, digest, created_at_ms)
         SELECT ?1, coalesce(max(version), 0) + 1, ?2, ?3, ?4, ?5
         FROM model_versions WHERE model = ?1
         RETURNING version",
        params![model, run, new.source, new.digest, new.created_at_ms],
        |row| row.get(0),
    )?;
    for (key, value) in &new.tags {
        put_tag(change, model, version, key, value)?;
    }
    Ok(version)
}

/// The row number of a model, and the model.
pub(crate) fn model_row(
    moment: &Connection,
    name: &ModelName,
) -> Result<(i64, RegisteredModel), Failure> {
    let mut statement =
        moment.prepare_cached("SELECT id, created_at_ms FROM registered_models WHERE name = ?1")?;
    let found = statement.query_row([name], |row| {
        Ok((
            row.get(0)?,
            RegisteredModel {
                name: name.clone(),
                created_at_ms: row.get(1)?,
            },
        ))
    });
    found.optional()?.ok_or_else(|| {
        TrackingError::NoModel {
            model: name.clone(),
        }
        .into()
    })
}

/// The row number of the model, once it is certain that it has the version.
pub(crate) fn version_row(
    moment: &Connection,
    name: &ModelName,
    version: u32,
) -> Result<i64, Failure> {
    let (model, _) = model_row(moment, name)?;
    let mut statement =
        moment.prepare_cached("SELECT 1 FROM model_versions WHERE model = ?1 AND version = ?2")?;
    if statement.exists(params![model, version])? {
        return Ok(model);
    }
    Err(TrackingError::NoModelVersion {
        model: name.clone(),
        version,
    }
    .into())
}

pub(crate) fn load_one(
    moment: &Connection,
    name: &ModelName,
    version: u32,
) -> Result<ModelVersion, Failure> {
    let (model, _) = model_row(moment, name)?;
    let found = load(
        moment,
        "v.model = ?1 AND v.version = ?2",
        &[&model, &version],
    )?
    .pop();
    found.ok_or_else(|| {
        TrackingError::NoModelVersion {
            model: name.clone(),
            version,
        }
        .into()
    })
}

fn load(
    moment: &Connection,
    filter: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<ModelVersion>, Failure> {
    let mut statement = moment.prepare_cached(&format!(
        "SELECT v.model, m.name, v.version, r.run_id, v.source, v.digest, v.created_at_ms
         FROM model_versions v
         JOIN registered_models m ON m.id = v.model JOIN runs r ON r.id = v.run
         WHERE {filter} ORDER BY m.name, v.version DESC"
    ))?;
    let found = statement.query_map(values, |row| Ok((row.get::<_, i64>(0)?, from_row(row)?)))?;
    let found = found.collect::<Result<Vec<_>, _>>()?;
    let mut versions = Vec::with_capacity(found.len());
    for (model, mut version) in found {
        let place = params![model, version.version];
        version.tags = moment
            .prepare_cached(
                "SELECT key, value FROM model_version_tags WHERE model = ?1 AND version = ?2",
            )?
            .query_map(place, |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        version.aliases = moment
            .prepare_cached(
                "SELECT alias FROM aliases WHERE model = ?1 AND version = ?2 ORDER BY alias",
            )?
            .query_map(place, |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        versions.push(version);
    }
    Ok(versions)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ModelVersion> {
    Ok(ModelVersion {
        model: row.get(1)?,
        version: row.get(2)?,
        run_id: row.get(3)?,
        source: row.get(4)?,
        digest: row.get(5)?,
        created_at_ms: row.get(6)?,
        tags: BTreeMap::new(),
        aliases: Vec::new(),
    })
}
