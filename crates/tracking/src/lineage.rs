//! Lineage: from which commit and which data a run was made, and what it made.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::database::Failure;
use crate::error::TrackingError;
use crate::id::{Broken, CommitId, Digest, RunId};
use crate::run::row_of;
use crate::store::{Outlives, TrackingStore};

/// Where a run comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLineage {
    /// The Git commit that was checked out; none before the first commit.
    pub commit: Option<CommitId>,
    /// Whether the working tree differed from that commit.
    pub dirty: bool,
    /// The pipeline stage, if it was one.
    pub stage: Option<String>,
    /// The command that was run.
    pub command: String,
    /// What it read, in the order of the pipeline file.
    pub inputs: Vec<Artifact>,
    /// What it wrote, in the order of the pipeline file.
    pub outputs: Vec<Artifact>,
    /// What it ran on: versions of tools and libraries, in the caller's form.
    pub environment: Option<String>,
}

/// A file or directory with its content's digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Where it lies, as the pipeline file says it.
    pub path: Utf8PathBuf,
    /// Its content.
    pub md5: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl TrackingStore {
    /// Records where a run comes from, once. The same lineage may be recorded again.
    ///
    /// # Errors
    ///
    /// [`TrackingError::LineageExists`] for a different one, [`TrackingError::Invalid`] for an
    /// artifact without a path, one that is twice in a list, or one larger than 2^63 bytes, and
    /// [`TrackingError::NoRun`].
    pub fn record_lineage(&self, run: &RunId, lineage: &RunLineage) -> Result<(), TrackingError> {
        check(&lineage.inputs)?;
        check(&lineage.outputs)?;
        self.write(Outlives::PowerCut, "record the lineage", |change| {
            let row = row_of(change, run)?;
            match load(change, row)? {
                None => insert(change, row, lineage),
                Some(recorded) if recorded == *lineage => Ok(()),
                Some(_) => Err(TrackingError::LineageExists { run: run.clone() }.into()),
            }
        })
    }

    /// Where a run comes from, if that was recorded.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoRun`] when there is no such run.
    pub fn lineage(&self, run: &RunId) -> Result<Option<RunLineage>, TrackingError> {
        self.read("read the lineage", |moment| {
            load(moment, row_of(moment, run)?)
        })
    }
}

fn check(artifacts: &[Artifact]) -> Result<(), TrackingError> {
    let mut seen = BTreeSet::new();
    for artifact in artifacts {
        let path = artifact.path.as_str();
        let reason = if path.is_empty() {
            "it has no path"
        } else if i64::try_from(artifact.size).is_err() {
            "it is larger than any file"
        } else if !seen.insert(path) {
            "it is twice in one list"
        } else {
            continue;
        };
        let advice = "give each input and each output once, with its path and size";
        return Err(Broken { reason, advice }.error("artifact", path));
    }
    Ok(())
}

fn insert(change: &Transaction<'_>, row: i64, lineage: &RunLineage) -> Result<(), Failure> {
    let RunLineage {
        commit,
        dirty,
        stage,
        command,
        inputs,
        outputs,
        environment,
    } = lineage;
    change.execute(
        "INSERT INTO lineages (run, commit_id, dirty, stage, command, environment)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![row, commit, dirty, stage, command, environment],
    )?;
    let mut statement = change.prepare_cached(
        "INSERT INTO lineage_artifacts (run, direction, position, path, md5, size)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (direction, artifacts) in [("input", inputs), ("output", outputs)] {
        for (position, artifact) in artifacts.iter().enumerate() {
            let Artifact { path, md5, size } = artifact;
            let (position, size) = (position as i64, *size as i64);
            statement.execute(params![row, direction, position, path.as_str(), md5, size])?;
        }
    }
    Ok(())
}

fn load(moment: &Connection, row: i64) -> Result<Option<RunLineage>, Failure> {
    let mut statement = moment.prepare_cached(
        "SELECT commit_id, dirty, stage, command, environment FROM lineages WHERE run = ?1",
    )?;
    let found = statement.query_row([row], |columns| {
        Ok(RunLineage {
            commit: columns.get(0)?,
            dirty: columns.get(1)?,
            stage: columns.get(2)?,
            command: columns.get(3)?,
            environment: columns.get(4)?,
            inputs: Vec::new(),
            outputs: Vec::new(),
        })
    });
    let Some(mut lineage) = found.optional()? else {
        return Ok(None);
    };
    lineage.inputs = artifacts(moment, row, "input")?;
    lineage.outputs = artifacts(moment, row, "output")?;
    Ok(Some(lineage))
}

fn artifacts(moment: &Connection, row: i64, direction: &str) -> Result<Vec<Artifact>, Failure> {
    let mut statement = moment.prepare_cached(
        "SELECT path, md5, size FROM lineage_artifacts
         WHERE run = ?1 AND direction = ?2 ORDER BY position",
    )?;
    let rows = statement.query_map(params![row, direction], |columns| {
        let size: i64 = columns.get(2)?;
        Ok(Artifact {
            path: Utf8PathBuf::from(columns.get::<_, String>(0)?),
            md5: columns.get(1)?,
            size: size.unsigned_abs(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
