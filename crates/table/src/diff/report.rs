//! What a comparison tells.

use std::sync::Arc;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::cell::Cell;
use super::spill::Side;
use crate::{Column, ColumnKind};

/// How two files differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowDiff {
    /// The columns that the rows were matched by; empty when the whole row was.
    pub key: Vec<String>,
    pub rows: PerSide,
    pub unchanged: u64,
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
    /// How many cells of each column have changed in changed rows; columns without are left out.
    pub changed_cells: Vec<(String, u64)>,
    pub columns_added: Vec<Column>,
    pub columns_removed: Vec<Column>,
    pub columns_retyped: Vec<Retyped>,
    /// How many keys more than one row has.
    pub duplicate_keys: PerSide,
    /// How many rows have a key with a missing value.
    pub null_keys: PerSide,
    /// The first of the changes.
    pub sample: Vec<RowChange>,
}

impl RowDiff {
    /// Whether the files have the same rows and the same columns.
    pub fn is_same(&self) -> bool {
        self.added + self.removed + self.changed == 0
            && self.columns_added.is_empty()
            && self.columns_removed.is_empty()
            && self.columns_retyped.is_empty()
    }
}

/// A count in each file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PerSide {
    pub before: u64,
    pub after: u64,
}

impl PerSide {
    pub(super) fn of(&mut self, side: Side) -> &mut u64 {
        match side {
            Side::Before => &mut self.before,
            Side::After => &mut self.after,
        }
    }
}

/// A column whose kind has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retyped {
    pub column: String,
    pub before: ColumnKind,
    pub after: ColumnKind,
}

/// One row that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum RowChange {
    /// With all columns of the new file.
    Added { row: RowValues },
    /// With all columns of the old file.
    Removed { row: RowValues },
    Changed {
        key: RowValues,
        cells: Vec<CellChange>,
    },
}

/// A cell that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellChange {
    #[serde(serialize_with = "as_text")]
    pub column: Arc<str>,
    pub before: Cell,
    pub after: Cell,
}

fn as_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Columns and their values, in order; a mapping in JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct RowValues(pub Vec<(Arc<str>, Cell)>);

impl RowValues {
    /// The value of a column.
    pub fn get(&self, column: &str) -> Option<&Cell> {
        let found = self.0.iter().find(|(name, _)| **name == *column);
        found.map(|(_, cell)| cell)
    }
}

impl Serialize for RowValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (column, cell) in &self.0 {
            map.serialize_entry(&**column, cell)?;
        }
        map.end()
    }
}
