//! Experiments: named groups of runs.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use crate::database::Failure;
use crate::error::TrackingError;
use crate::id::ExperimentId;
use crate::name::check_experiment_name;
use crate::store::{Outlives, TrackingStore};

/// A named group of runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Experiment {
    /// Its number; never given out twice.
    pub id: ExperimentId,
    /// Its unique name.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
}

impl TrackingStore {
    /// Makes an experiment. The name has 1 to 500 characters on one line; the one called `Default`
    /// gets the id 0, as in MLflow.
    ///
    /// # Errors
    ///
    /// [`TrackingError::ExperimentExists`] when the name is taken.
    pub fn create_experiment(&self, name: &str, at_ms: i64) -> Result<Experiment, TrackingError> {
        check_experiment_name(name)?;
        self.write(Outlives::PowerCut, "create the experiment", |change| {
            if by_name(change, name)?.is_some() {
                return Err(TrackingError::ExperimentExists {
                    name: name.to_owned(),
                }
                .into());
            }
            insert(change, name, at_ms)
        })
    }

    /// The experiment with this name.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoExperimentNamed`] when there is none.
    pub fn experiment_by_name(&self, name: &str) -> Result<Experiment, TrackingError> {
        self.read("look up the experiment", |moment| {
            let found = by_name(moment, name)?;
            found.ok_or_else(|| {
                TrackingError::NoExperimentNamed {
                    name: name.to_owned(),
                }
                .into()
            })
        })
    }

    /// The experiment with this name, made at `at_ms` if there is none yet.
    pub fn get_or_create_experiment(
        &self,
        name: &str,
        at_ms: i64,
    ) -> Result<Experiment, TrackingError> {
        check_experiment_name(name)?;
        // Nearly always it exists, and reading needs no lock.
        if let Some(found) = self.read("look up the experiment", |moment| by_name(moment, name))? {
            return Ok(found);
        }
        self.write(
            Outlives::PowerCut,
            "create the experiment",
            |change| match by_name(change, name)? {
                Some(found) => Ok(found),
                None => insert(change, name, at_ms),
            },
        )
    }

    /// All experiments, oldest first.
    pub fn experiments(&self) -> Result<Vec<Experiment>, TrackingError> {
        self.read("list the experiments", |moment| {
            let mut statement = moment.prepare_cached(
                "SELECT id, name, created_at_ms FROM experiments ORDER BY created_at_ms, id",
            )?;
            Ok(statement
                .query_map([], from_row)?
                .collect::<Result<_, _>>()?)
        })
    }
}

fn by_name(moment: &Connection, name: &str) -> Result<Option<Experiment>, Failure> {
    let mut statement =
        moment.prepare_cached("SELECT id, name, created_at_ms FROM experiments WHERE name = ?1")?;
    Ok(statement.query_row([name], from_row).optional()?)
}

fn insert(change: &Transaction<'_>, name: &str, at_ms: i64) -> Result<Experiment, Failure> {
    let id = (name == "Default").then_some(ExperimentId::DEFAULT);
    Ok(change.query_row(
        "INSERT INTO experiments (id, name, created_at_ms) VALUES (?1, ?2, ?3)
         RETURNING id, name, created_at_ms",
        params![id, name, at_ms],
        from_row,
    )?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Experiment> {
    Ok(Experiment {
        id: row.get(0)?,
        name: row.get(1)?,
        created_at_ms: row.get(2)?,
    })
}
