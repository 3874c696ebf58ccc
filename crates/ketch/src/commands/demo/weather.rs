//! The days as the collect stage left them.

use camino::Utf8Path;
use serde_json::{Value, json};

use super::error::DemoError;

/// Days × measurements, and whether it rained.
#[derive(Debug)]
pub(super) struct Weather {
    features: Vec<Vec<f64>>,
    labels: Vec<f64>,
}

impl Weather {
    pub(super) fn read(path: &Utf8Path, features: &[String], days: u64) -> Result<Self, DemoError> {
        let lacks = |what: String| DemoError::Weather {
            path: path.to_owned(),
            what,
        };
        let table = ketch_table::read_csv(path).map_err(|error| lacks(error.to_string()))?;
        let column = |name: &str| -> Result<Vec<f64>, DemoError> {
            let values = table
                .column_f64(name)
                .map_err(|error| lacks(error.to_string()))?;
            Ok(values
                .into_iter()
                .map(|value| value.unwrap_or(f64::NAN))
                .collect())
        };
        if (table.num_rows() as u64) < days {
            return Err(lacks(format!("days: {} of {days}", table.num_rows())));
        }
        let columns = features
            .iter()
            .map(|name| column(name))
            .collect::<Result<Vec<_>, _>>()?;
        let rows = (0..table.num_rows())
            .map(|row| columns.iter().map(|column| column[row]).collect())
            .collect();
        Ok(Self {
            features: rows,
            labels: column("rain")?,
        })
    }

    /// Whether it rained: 1 or 0.
    pub(super) fn label(&self, day: u64) -> f64 {
        usize::try_from(day)
            .ok()
            .and_then(|day| self.labels.get(day))
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// Days from `first` up to `last` (excluded) as the model's input.
    pub(super) fn tensor(&self, first: u64, last: u64) -> Value {
        let range = usize::try_from(first).unwrap_or(usize::MAX)
            ..usize::try_from(last).unwrap_or(usize::MAX);
        let rows = self.features.get(range).unwrap_or_default();
        let width = rows.first().map_or(0, Vec::len);
        json!({
            "name": "X",
            "shape": [rows.len(), width],
            "datatype": "FP32",
            "data": rows,
        })
    }
}
