//! Names and kinds of columns.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::TableError;

/// What the values of a column are. Every column may hold missing values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Whole numbers, 64 bits, signed.
    Int64,
    /// Numbers, 64 bits.
    Float64,
    /// Numbers, 32 bits: what most models compute in.
    Float32,
    /// UTF-8 text.
    Text,
    /// True or false.
    Boolean,
    /// An instant, in microseconds since 1970 UTC.
    Timestamp,
}

impl ColumnKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Int64,
        Self::Float64,
        Self::Float32,
        Self::Text,
        Self::Boolean,
        Self::Timestamp,
    ];

    /// True for the kinds [`crate::Table::column_f64`] reads as numbers.
    pub const fn is_numeric(self) -> bool {
        matches!(self, Self::Int64 | Self::Float64 | Self::Float32)
    }

    pub(crate) fn arrow(self) -> DataType {
        match self {
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Float32 => DataType::Float32,
            Self::Text => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Float32 => "float32",
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
        })
    }
}

/// One column's name and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
}

/// The columns of a table, in order; no two have the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Schema {
    columns: Vec<Column>,
}

impl Schema {
    /// A schema of these names and kinds, in this order.
    pub fn new<N: Into<String>>(
        columns: impl IntoIterator<Item = (N, ColumnKind)>,
    ) -> Result<Self, TableError> {
        let columns: Vec<Column> = columns
            .into_iter()
            .map(|(name, kind)| Column {
                name: name.into(),
                kind,
            })
            .collect();
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = columns
            .iter()
            .find(|column| !seen.insert(column.name.as_str()))
        {
            return Err(TableError::DuplicateColumn {
                column: twice.name.clone(),
            });
        }
        Ok(Self { columns })
    }

    /// The columns in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The kind of the column of this name.
    pub fn kind(&self, name: &str) -> Option<ColumnKind> {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .map(|column| column.kind)
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    pub(crate) fn arrow(&self) -> SchemaRef {
        let fields: Vec<Field> = self
            .columns
            .iter()
            .map(|column| Field::new(&column.name, column.kind.arrow(), true))
            .collect();
        Arc::new(arrow::datatypes::Schema::new(fields))
    }

    pub(crate) fn require_same(&self, found: &Self) -> Result<(), TableError> {
        if self == found {
            Ok(())
        } else {
            Err(TableError::SchemaMismatch {
                expected: self.to_string(),
                found: found.to_string(),
            })
        }
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, column) in self.columns.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} {}", column.name, column.kind)?;
        }
        Ok(())
    }
}
