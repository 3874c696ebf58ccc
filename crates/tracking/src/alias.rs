//! Aliases: which version serves, and who moved it there, when and why.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;

use crate::database::Failure;
use crate::error::TrackingError;
use crate::name::{Alias, ModelName, check_reason, check_user};
use crate::registry::{ModelVersion, load_one, model_row, version_row};
use crate::store::{Outlives, TrackingStore};

/// Who moves an alias, when and why.
#[derive(Clone, Debug)]
pub struct ChangeNote {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// A person or a part of ketch.
    pub actor: String,
    /// A sentence for whoever reads the history.
    pub reason: String,
}

/// One move of an alias, as the history keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AliasChange {
    /// The registered model.
    pub model: ModelName,
    /// The alias.
    pub alias: Alias,
    /// Where it pointed before; none when it was new.
    pub from: Option<u32>,
    /// Where it pointed afterwards; none when it was deleted.
    pub to: Option<u32>,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who moved it.
    pub actor: String,
    /// Why.
    pub reason: String,
}

impl TrackingStore {
    /// Points an alias at a version and keeps the change in the alias's history, in one step.
    /// Returns the change, or `None` when the alias pointed there already and nothing happened.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoModel`], [`TrackingError::NoModelVersion`], or
    /// [`TrackingError::Invalid`] for a note without actor or reason.
    pub fn set_alias(
        &self,
        name: &ModelName,
        alias: &Alias,
        version: u32,
        note: &ChangeNote,
    ) -> Result<Option<AliasChange>, TrackingError> {
        check_note(note)?;
        self.write(Outlives::PowerCut, "set the alias", |change| {
            let model = version_row(change, name, version)?;
            let from = target(change, model, alias)?;
            if from == Some(version) {
                return Ok(None);
            }
            change.execute(
                "INSERT INTO aliases (model, alias, version) VALUES (?1, ?2, ?3)
                 ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
                params![model, alias, version],
            )?;
            let moved = moved(name, alias, from, Some(version), note);
            remember(change, model, &moved)?;
            Ok(Some(moved))
        })
    }

    /// Takes an alias away and keeps that in its history. Returns the change, or `None` when there
    /// was no such alias.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoModel`], or [`TrackingError::Invalid`] for a note without actor or
    /// reason.
    pub fn delete_alias(
        &self,
        name: &ModelName,
        alias: &Alias,
        note: &ChangeNote,
    ) -> Result<Option<AliasChange>, TrackingError> {
        check_note(note)?;
        self.write(Outlives::PowerCut, "delete the alias", |change| {
            let (model, _) = model_row(change, name)?;
            let Some(from) = target(change, model, alias)? else {
                return Ok(None);
            };
            change.execute(
                "DELETE FROM aliases WHERE model = ?1 AND alias = ?2",
                params![model, alias],
            )?;
            let moved = moved(name, alias, Some(from), None, note);
            remember(change, model, &moved)?;
            Ok(Some(moved))
        })
    }

    /// The version that an alias points at.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoModel`] or [`TrackingError::NoAlias`].
    pub fn model_version_by_alias(
        &self,
        name: &ModelName,
        alias: &Alias,
    ) -> Result<ModelVersion, TrackingError> {
        self.read("look up the alias", |moment| {
            let (model, _) = model_row(moment, name)?;
            let version = target(moment, model, alias)?.ok_or_else(|| TrackingError::NoAlias {
                model: name.clone(),
                alias: alias.clone(),
            })?;
            load_one(moment, name, version)
        })
    }

    /// All moves of an alias, the first one first. Empty for an alias that never was.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoModel`] when there is no such model.
    pub fn alias_history(
        &self,
        name: &ModelName,
        alias: &Alias,
    ) -> Result<Vec<AliasChange>, TrackingError> {
        self.read("read the alias history", |moment| {
            let (model, _) = model_row(moment, name)?;
            let mut statement = moment.prepare_cached(
                "SELECT from_version, to_version, at_ms, actor, reason FROM alias_history
                 WHERE model = ?1 AND alias = ?2 ORDER BY id",
            )?;
            let changes = statement.query_map(params![model, alias], |row| {
                Ok(AliasChange {
                    model: name.clone(),
                    alias: alias.clone(),
                    from: row.get(0)?,
                    to: row.get(1)?,
                    at_ms: row.get(2)?,
                    actor: row.get(3)?,
                    reason: row.get(4)?,
                })
            })?;
            Ok(changes.collect::<Result<_, _>>()?)
        })
    }
}

fn check_note(note: &ChangeNote) -> Result<(), TrackingError> {
    check_user(&note.actor)?;
    check_reason(&note.reason)
}

fn target(moment: &Connection, model: i64, alias: &Alias) -> Result<Option<u32>, Failure> {
    let mut statement =
        moment.prepare_cached("SELECT version FROM aliases WHERE model = ?1 AND alias = ?2")?;
    Ok(statement
        .query_row(params![model, alias], |row| row.get(0))
        .optional()?)
}

fn moved(
    model: &ModelName,
    alias: &Alias,
    from: Option<u32>,
    to: Option<u32>,
    note: &ChangeNote,
) -> AliasChange {
    let ChangeNote {
        at_ms,
        actor,
        reason,
    } = note.clone();
    AliasChange {
        model: model.clone(),
        alias: alias.clone(),
        from,
        to,
        at_ms,
        actor,
        reason,
    }
}

fn remember(change: &Transaction<'_>, model: i64, moved: &AliasChange) -> Result<(), Failure> {
    let AliasChange {
        model: _,
        alias,
        from,
        to,
        at_ms,
        actor,
        reason,
    } = moved;
    change.execute(
        "INSERT INTO alias_history (model, alias, from_version, to_version, at_ms, actor, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![model, alias, from, to, at_ms, actor, reason],
    )?;
    Ok(())
}
