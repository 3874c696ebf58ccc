//! Metrics: their whole history, and the latest value of each.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::database::Failure;
use crate::error::TrackingError;
use crate::id::{Broken, RunId};
use crate::name::check_key;
use crate::run::row_of;
use crate::store::{Outlives, TrackingStore};

/// One measured point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// What was measured, for example `validation/loss`.
    pub key: String,
    /// The value; may be NaN or infinite. In JSON those are the texts `NaN`, `Infinity` and
    /// `-Infinity`, as in MLflow's API.
    #[serde(with = "json_number")]
    pub value: f64,
    /// When it was measured, in milliseconds since 1970; not negative.
    pub timestamp_ms: i64,
    /// At which step of the training; may be negative.
    pub step: i64,
}

impl Metric {
    /// Whether this point replaces `other` as the latest of its key: a greater step wins, then a
    /// later timestamp, then a greater value, where NaN counts as zero. MLflow's rule, so a point
    /// that arrives late does not hide a newer one.
    pub fn is_later_than(&self, other: &Self) -> bool {
        let rank = |metric: &Self| (metric.step, metric.timestamp_ms, stored(metric.value).0);
        rank(self) > rank(other)
    }
}

impl TrackingStore {
    /// Adds points to the history of a run: all of them or, on an error, none. A point that is
    /// there already in every detail is not added again.
    ///
    /// # Errors
    ///
    /// [`TrackingError::Invalid`] for a bad key or a negative timestamp, and
    /// [`TrackingError::NoRun`].
    pub fn log_metrics(&self, run: &RunId, metrics: &[Metric]) -> Result<(), TrackingError> {
        for metric in metrics {
            check(metric)?;
        }
        self.write(Outlives::Process, "log metrics", |change| {
            insert(change, run, metrics)
        })
    }

    /// All points of one metric of a run, by timestamp, then step, then value. Empty when the run
    /// has no such metric.
    ///
    /// # Errors
    ///
    /// [`TrackingError::NoRun`] when there is no such run.
    pub fn metric_history(&self, run: &RunId, key: &str) -> Result<Vec<Metric>, TrackingError> {
        self.read("read the metric history", |moment| {
            let run = row_of(moment, run)?;
            let mut statement = moment.prepare_cached(
                "SELECT k.name, m.value, m.is_nan, m.timestamp_ms, m.step
                 FROM metrics m JOIN metric_keys k ON k.id = m.key
                 WHERE m.run = ?1 AND k.name = ?2
                 ORDER BY m.timestamp_ms, m.step, m.value, m.is_nan",
            )?;
            let points = statement.query_map(params![run, key], |row| from_row(row, 0))?;
            Ok(points.collect::<Result<_, _>>()?)
        })
    }
}

fn check(metric: &Metric) -> Result<(), TrackingError> {
    check_key("metric name", &metric.key)?;
    if metric.timestamp_ms < 0 {
        let value = format!("{} of {}", metric.timestamp_ms, metric.key);
        return Err(Broken {
            reason: "it is negative",
            advice: "give the time in milliseconds since 1970",
        }
        .error("metric timestamp", &value));
    }
    Ok(())
}

fn insert(change: &Transaction<'_>, run: &RunId, metrics: &[Metric]) -> Result<(), Failure> {
    let run = row_of(change, run)?;
    let mut latest: BTreeMap<&str, (i64, &Metric)> = BTreeMap::new();
    let mut point = change.prepare_cached(
        "INSERT OR IGNORE INTO metrics (run, key, step, timestamp_ms, value, is_nan)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for metric in metrics {
        let known = latest.get(metric.key.as_str()).map(|(key, _)| *key);
        let key = match known {
            Some(key) => key,
            None => key_row(change, &metric.key)?,
        };
        let (value, is_nan) = stored(metric.value);
        point.execute(params![
            run,
            key,
            metric.step,
            metric.timestamp_ms,
            value,
            is_nan
        ])?;
        let best = latest.entry(&metric.key).or_insert((key, metric));
        if metric.is_later_than(best.1) {
            best.1 = metric;
        }
    }
    // The comparison is `Metric::is_later_than` once more, with what other calls have stored.
    let mut newest = change.prepare_cached(
        "INSERT INTO latest_metrics (run, key, step, timestamp_ms, value, is_nan)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (run, key) DO UPDATE SET
             step = excluded.step, timestamp_ms = excluded.timestamp_ms,
             value = excluded.value, is_nan = excluded.is_nan
         WHERE (excluded.step, excluded.timestamp_ms, excluded.value)
             > (latest_metrics.step, latest_metrics.timestamp_ms, latest_metrics.value)",
    )?;
    for (key, metric) in latest.into_values() {
        let (value, is_nan) = stored(metric.value);
        newest.execute(params![
            run,
            key,
            metric.step,
            metric.timestamp_ms,
            value,
            is_nan
        ])?;
    }
    Ok(())
}

fn key_row(change: &Transaction<'_>, name: &str) -> Result<i64, Failure> {
    let mut find = change.prepare_cached("SELECT id FROM metric_keys WHERE name = ?1")?;
    if let Some(id) = find.query_row([name], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    change.execute("INSERT INTO metric_keys (name) VALUES (?1)", [name])?;
    Ok(change.last_insert_rowid())
}

/// The latest point of each metric of the runs that `filter` selects, with the run's row number.
pub(crate) fn latest_of(
    moment: &Connection,
    filter: &str,
    value: &dyn rusqlite::ToSql,
) -> Result<Vec<(i64, Metric)>, Failure> {
    let mut statement = moment.prepare_cached(&format!(
        "SELECT m.run, k.name, m.value, m.is_nan, m.timestamp_ms, m.step
         FROM latest_metrics m JOIN metric_keys k ON k.id = m.key
         JOIN runs ON runs.id = m.run WHERE {filter}"
    ))?;
    let rows = statement.query_map([value], |row| Ok((row.get(0)?, from_row(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Metric> {
    let value = if row.get(first + 2)? {
        f64::NAN
    } else {
        row.get(first + 1)?
    };
    let (timestamp_ms, step) = (row.get(first + 3)?, row.get(first + 4)?);
    Ok(Metric {
        key: row.get(first)?,
        value,
        timestamp_ms,
        step,
    })
}

/// `SQLite` has no NaN: it is stored as zero with a mark, and -0 as 0.
fn stored(value: f64) -> (f64, bool) {
    if value.is_nan() {
        (0.0, true)
    } else {
        (value + 0.0, false)
    }
}

/// A number in JSON, where JSON has none for it: text, as in MLflow's API.
mod json_number {
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    pub(super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        if value.is_nan() {
            to.serialize_str("NaN")
        } else if value.is_infinite() {
            to.serialize_str(if *value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            })
        } else {
            to.serialize_f64(*value)
        }
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(f64),
        Text(String),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        match Form::deserialize(from)? {
            Form::Number(value) => Ok(value),
            Form::Text(text) => match text.as_str() {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                other => Err(de::Error::custom(format!("`{other}` is not a number"))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_lacks_come_back() {
        for value in [
            1.5,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            5e-324,
        ] {
            let metric = Metric {
                key: "loss".into(),
                value,
                timestamp_ms: 1,
                step: -1,
            };
            let text = serde_json::to_string(&metric).unwrap();
            let back: Metric = serde_json::from_str(&text).unwrap();
            assert_eq!(back.value.to_bits(), value.to_bits(), "{text}");
        }
        let bad = r#"{"key":"a","value":"lots","timestamp_ms":1,"step":0}"#;
        assert!(
            serde_json::from_str::<Metric>(bad)
                .unwrap_err()
                .to_string()
                .contains("`lots`")
        );
    }
}
