//! Runs: one execution each, with its params, tags and latest metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::database::Failure;
use crate::error::{TrackingError, shorten};
use crate::id::{Broken, CommitId, ExperimentId, RunId};
use crate::metric::{Metric, latest_of};
use crate::name::{check_key, check_param_value, check_run_name, check_tag_value, check_user};
use crate::store::{Outlives, TrackingStore};

/// The tag in which MLflow repeats the name of a run.
const RUN_NAME_TAG: &str = "mlflow.runName";

/// What is known of a run at its start.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The experiment it belongs to.
    pub experiment: ExperimentId,
    /// What people call it; need not be unique.
    pub name: String,
    /// Who started it.
    pub user: String,
    /// When, in milliseconds since 1970.
    pub started_at_ms: i64,
    /// Its first tags. The tag `mlflow.runName` is added and, if given, must equal the name.
    pub tags: BTreeMap<String, String>,
}

/// A run with everything but the history of its metrics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The experiment it belongs to.
    pub experiment: ExperimentId,
    /// What people call it.
    pub name: String,
    /// Who started it.
    pub user: String,
    /// How far it is.
    pub status: RunStatus,
    /// When it started, in milliseconds since 1970.
    pub started_at_ms: i64,
    /// When it ended, in milliseconds since 1970.
    pub ended_at_ms: Option<i64>,
    /// What it was started with.
    pub params: BTreeMap<String, String>,
    /// The latest point of each metric; see [`Metric::is_later_than`].
    pub metrics: BTreeMap<String, Metric>,
    /// Notes on it.
    pub tags: BTreeMap<String, String>,
}

/// How far a run is. MLflow's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunStatus {
    /// It runs, or its process died without a word.
    Running,
    /// It waits to be started.
    Scheduled,
    /// It ended well.
    Finished,
    /// It ended with an error.
    Failed,
    /// Somebody ended it.
    Killed,
}

impl RunStatus {
    const ALL: [Self; 5] = [
        Self::Running,
        Self::Scheduled,
        Self::Finished,
        Self::Failed,
        Self::Killed,
    ];

    /// The word for it in the database and in MLflow's API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// Whether the run is over.
    pub fn is_terminated(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Killed)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromSql for RunStatus {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for RunStatus {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl TrackingStore {
    /// Starts a run under a new random id.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoExperiment`], or [`TrackingError::Invalid`] for a bad name or tag.
    pub fn create_run(&self, new: &NewRun) -> Result<Run, TrackingError> {
        let Some(seed) = self.seed else {
            return self.create_run_with_id(&RunId::random(), new);
        };
        let runs: u32 = self.read("count the runs", |moment| {
            Ok(moment.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))?)
        })?;
        self.create_run_with_id(&RunId::seeded(seed, u64::from(runs)), new)
    }

    /// Starts a run under a given id: for imports that keep their ids.
    ///
    /// # Errors
    ///
    /// As [`TrackingStore::create_run`], and [`TrackingError::RunExists`].
    pub fn create_run_with_id(&self, id: &RunId, new: &NewRun) -> Result<Run, TrackingError> {
        check_run_name(&new.name)?;
        check_user(&new.user)?;
        for (key, value) in &new.tags {
            check_tag(key, value)?;
        }
        if let Some(other) = new
            .tags
            .get(RUN_NAME_TAG)
            .filter(|other| **other != new.name)
        {
            return Err(Broken {
                reason: "it differs from the name of the run",
                advice: "leave the tag `mlflow.runName` out; it is set from the name",
            }
            .error("run name tag", other));
        }
        self.write(Outlives::PowerCut, "create the run", |change| {
            let experiment = new.experiment;
            if !exists(
                change,
                "SELECT 1 FROM experiments WHERE id = ?1",
                &experiment,
            )? {
                return Err(TrackingError::NoExperiment { experiment }.into());
            }
            if exists(change, "SELECT 1 FROM runs WHERE run_id = ?1", id)? {
                return Err(TrackingError::RunExists { run: id.clone() }.into());
            }
            change.execute(
                "INSERT INTO runs (run_id, experiment, name, user, status, started_at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    id,
                    experiment,
                    new.name,
                    new.user,
                    RunStatus::Running,
                    new.started_at_ms
                ],
            )?;
            let row = change.last_insert_rowid();
            for (key, value) in &new.tags {
                put_tag(change, row, key, value)?;
            }
            put_tag(change, row, RUN_NAME_TAG, &new.name)?;
            load_one(change, id)
        })
    }

    /// Adds params to a run: all of them or, on an error, none. A param may be logged again with
    /// the value it has.
    ///
    /// # Errors
    ///
    /// [`TrackingError::ParamChanged`] for another value, [`TrackingError::Invalid`] for a bad key,
    /// one that is twice in the batch, or a value of more than 6,000 characters, and
    /// [`TrackingError::NoRun`].
    pub fn log_params<K: AsRef<str>, V: AsRef<str>>(
        &self,
        run: &RunId,
        params: &[(K, V)],
    ) -> Result<(), TrackingError> {
        let mut seen = BTreeSet::new();
        for (key, value) in params {
            check_key("param name", key.as_ref())?;
            check_param_value(value.as_ref())?;
            if !seen.insert(key.as_ref()) {
                return Err(Broken {
                    reason: "it is twice in one batch",
                    advice: "give each param once",
                }
                .error("param name", key.as_ref()));
            }
        }
        self.write(Outlives::Process, "log params", |change| {
            let row = row_of(change, run)?;
            let mut insert = change.prepare_cached(
                "INSERT INTO params (run, key, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (run, key) DO UPDATE SET value = value RETURNING value",
            )?;
            for (key, value) in params {
                let (key, value) = (key.as_ref(), value.as_ref());
                let stored: String = insert.query_row(params![row, key, value], |r| r.get(0))?;
                if stored != value {
                    return Err(TrackingError::ParamChanged {
                        run: run.clone(),
                        key: key.to_owned(),
                        old: shorten(&stored),
                        new: shorten(value),
                    }
                    .into());
                }
            }
            Ok(())
        })
    }

    /// Sets tags of a run, in order, over what is there. The tag `mlflow.runName` also renames the
    /// run.
    ///
    /// # Errors
    ///
    /// [`TrackingError::Invalid`] for a bad key or a value of more than 8,000 characters, and
    /// [`TrackingError::NoRun`].
    pub fn set_tags<K: AsRef<str>, V: AsRef<str>>(
        &self,
        run: &RunId,
        tags: &[(K, V)],
    ) -> Result<(), TrackingError> {
        for (key, value) in tags {
            check_tag(key.as_ref(), value.as_ref())?;
        }
        self.write(Outlives::Process, "set tags", |change| {
            let row = row_of(change, run)?;
            for (key, value) in tags {
                put_tag(change, row, key.as_ref(), value.as_ref())?;
                if key.as_ref() == RUN_NAME_TAG {
                    let name = value.as_ref();
                    change.execute(
                        "UPDATE runs SET name = ?2 WHERE id = ?1",
                        params![row, name],
                    )?;
                }
            }
            Ok(())
        })
    }

    /// Ends a run. Ending it again replaces status and time, as in MLflow: a resumed run ends
    /// twice.
    ///
    /// # Errors
    ///
    /// [`TrackingError::Invalid`] for a status that is not an end, and [`TrackingError::NoRun`].
    pub fn finish_run(
        &self,
        run: &RunId,
        status: RunStatus,
        ended_at_ms: i64,
    ) -> Result<(), TrackingError> {
        if !status.is_terminated() {
            return Err(Broken {
                reason: "a run does not end with it",
                advice: "finish a run as FINISHED, FAILED or KILLED",
            }
            .error("final status", status.as_str()));
        }
        self.write(Outlives::PowerCut, "finish the run", |change| {
            let row = row_of(change, run)?;
            change.execute(
                "UPDATE runs SET status = ?2, ended_at_ms = ?3 WHERE id = ?1",
                params![row, status, ended_at_ms],
            )?;
            Ok(())
        })
    }

    /// The run with this id.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoRun`] when there is none.
    pub fn run(&self, id: &RunId) -> Result<Run, TrackingError> {
        self.read("read the run", |moment| load_one(moment, id))
    }

    /// The runs of an experiment, the last started first, then by id.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoExperiment`] when there is no such experiment.
    pub fn runs(&self, experiment: ExperimentId) -> Result<Vec<Run>, TrackingError> {
        self.read("list the runs", |moment| {
            if !exists(
                moment,
                "SELECT 1 FROM experiments WHERE id = ?1",
                &experiment,
            )? {
                return Err(TrackingError::NoExperiment { experiment }.into());
            }
            load(moment, "runs.experiment = ?1", &experiment)
        })
    }

    /// The runs whose lineage names this commit, the last started first.
    pub fn runs_by_commit(&self, commit: &CommitId) -> Result<Vec<Run>, TrackingError> {
        let filter = "runs.id IN (SELECT run FROM lineages WHERE commit_id = ?1)";
        self.read("look for runs of the commit", |moment| {
            load(moment, filter, commit)
        })
    }
}

fn check_tag(key: &str, value: &str) -> Result<(), TrackingError> {
    check_key("tag name", key)?;
    if key == RUN_NAME_TAG {
        check_run_name(value)?;
    }
    check_tag_value(value)
}

fn put_tag(change: &Transaction<'_>, row: i64, key: &str, value: &str) -> Result<(), Failure> {
    let mut statement = change.prepare_cached(
        "INSERT INTO tags (run, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT (run, key) DO UPDATE SET value = excluded.value",
    )?;
    statement.execute(params![row, key, value])?;
    Ok(())
}

/// The row number of a run.
pub(crate) fn row_of(moment: &Connection, run: &RunId) -> Result<i64, Failure> {
    let mut statement = moment.prepare_cached("SELECT id FROM runs WHERE run_id = ?1")?;
    let row = statement.query_row([run], |row| row.get(0)).optional()?;
    row.ok_or_else(|| TrackingError::NoRun { run: run.clone() }.into())
}

fn exists(moment: &Connection, query: &str, value: &dyn ToSql) -> Result<bool, Failure> {
    Ok(moment.prepare_cached(query)?.exists([value])?)
}

fn load_one(moment: &Connection, id: &RunId) -> Result<Run, Failure> {
    let found = load(moment, "runs.run_id = ?1", id)?.pop();
    found.ok_or_else(|| TrackingError::NoRun { run: id.clone() }.into())
}

/// The runs that `filter` selects with everything that belongs to them, in four queries.
fn load(moment: &Connection, filter: &str, value: &dyn ToSql) -> Result<Vec<Run>, Failure> {
    let mut runs = Vec::new();
    let mut places = BTreeMap::new();
    let mut statement = moment.prepare_cached(&format!(
        "SELECT id, run_id, experiment, name, user, status, started_at_ms, ended_at_ms
         FROM runs WHERE {filter} ORDER BY started_at_ms DESC, run_id"
    ))?;
    let mut rows = statement.query([value])?;
    while let Some(row) = rows.next()? {
        places.insert(row.get::<_, i64>(0)?, runs.len());
        runs.push(Run {
            id: row.get(1)?,
            experiment: row.get(2)?,
            name: row.get(3)?,
            user: row.get(4)?,
            status: row.get(5)?,
            started_at_ms: row.get(6)?,
            ended_at_ms: row.get(7)?,
            params: BTreeMap::new(),
            metrics: BTreeMap::new(),
            tags: BTreeMap::new(),
        });
    }
    for (row, key, text) in pairs(moment, "params", filter, value)? {
        if let Some(run) = places
            .get(&row)
            .and_then(|place: &usize| runs.get_mut(*place))
        {
            run.params.insert(key, text);
        }
    }
    for (row, key, text) in pairs(moment, "tags", filter, value)? {
        if let Some(run) = places
            .get(&row)
            .and_then(|place: &usize| runs.get_mut(*place))
        {
            run.tags.insert(key, text);
        }
    }
    for (row, metric) in latest_of(moment, filter, value)? {
        runs[places[&row]]
            .metrics
            .insert(metric.key.clone(), metric);
    }
    Ok(runs)
}

fn pairs(
    moment: &Connection,
    table: &str,
    filter: &str,
    value: &dyn ToSql,
) -> Result<Vec<(i64, String, String)>, Failure> {
    let mut statement = moment.prepare_cached(&format!(
        "SELECT p.run, p.key, p.value FROM {table} p JOIN runs ON runs.id = p.run WHERE {filter}"
    ))?;
    let rows = statement.query_map([value], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
