//! Tables from vectors.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use jiff::Timestamp;

use crate::{ColumnKind, Schema, Table, TableError};

/// Builds a table column by column.
///
/// Each column takes anything that yields values or options of values:
///
/// ```
/// use ketch_table::TableBuilder;
///
/// let table = TableBuilder::new()
///     .i64("row", [1, 2, 3])
///     .f64("pressure", [Some(1013.2), None, Some(f64::NAN)])
///     .str("station", ["KBVU", "KBVU", "KSEA"])
///     .build()?;
/// assert_eq!(table.num_rows(), 3);
/// assert_eq!(table.column_f64("pressure")?[1], None);
/// # Ok::<(), ketch_table::TableError>(())
/// ```
#[derive(Debug, Default)]
pub struct TableBuilder {
    columns: Vec<(String, ColumnKind)>,
    arrays: Vec<ArrayRef>,
}

impl TableBuilder {
    /// No columns yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A column of whole numbers.
    #[must_use]
    pub fn i64<V: Into<Option<i64>>>(
        self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let array: Int64Array = values.into_iter().map(Into::into).collect();
        self.with(name, ColumnKind::Int64, Arc::new(array))
    }

    /// A column of 64-bit numbers.
    #[must_use]
    pub fn f64<V: Into<Option<f64>>>(
        self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let array: Float64Array = values.into_iter().map(Into::into).collect();
        self.with(name, ColumnKind::Float64, Arc::new(array))
    }

    /// A column of 32-bit numbers.
    #[must_use]
    pub fn f32<V: Into<Option<f32>>>(
        self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let array: Float32Array = values.into_iter().map(Into::into).collect();
        self.with(name, ColumnKind::Float32, Arc::new(array))
    }

    /// A column of text.
    #[must_use]
    pub fn str<'a, V: Into<Option<&'a str>>>(
        self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let array: StringArray = values.into_iter().map(Into::into).collect();
        self.with(name, ColumnKind::Text, Arc::new(array))
    }

    /// A column of true and false.
    #[must_use]
    pub fn bool<V: Into<Option<bool>>>(
        self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let array: BooleanArray = values.into_iter().map(Into::into).collect();
        self.with(name, ColumnKind::Boolean, Arc::new(array))
    }

    /// A column of instants, kept to the microsecond.
    #[must_use]
    pub fn timestamp<V: Into<Option<Timestamp>>>(
        self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let array: TimestampMicrosecondArray = values
            .into_iter()
            .map(|value| value.into().map(Timestamp::as_microsecond))
            .collect();
        self.with(
            name,
            ColumnKind::Timestamp,
            Arc::new(array.with_timezone("UTC")),
        )
    }

    /// The table; the columns must be equally long and differently named.
    pub fn build(self) -> Result<Table, TableError> {
        let rows = self.arrays.first().map_or(0, Array::len);
        for ((name, _), array) in self.columns.iter().zip(&self.arrays) {
            if array.len() != rows {
                return Err(TableError::UnevenColumns {
                    column: name.clone(),
                    expected: rows,
                    found: array.len(),
                });
            }
        }
        Ok(Table::from_columns(
            Schema::new(self.columns)?,
            self.arrays,
            rows,
        ))
    }

    pub(crate) fn with(
        mut self,
        name: impl Into<String>,
        kind: ColumnKind,
        array: ArrayRef,
    ) -> Self {
        self.columns.push((name.into(), kind));
        self.arrays.push(array);
        self
    }
}
