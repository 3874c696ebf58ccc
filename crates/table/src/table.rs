//! The table in memory.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch,
    RecordBatchOptions, StringArray, TimestampMicrosecondArray, UInt64Array, new_empty_array,
};
use arrow::compute::{concat_batches, take_record_batch};
use jiff::Timestamp;

use crate::{ColumnKind, Schema, TableError};

/// Named columns of equal length. Cheap to clone: the columns are shared.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    schema: Schema,
    batch: RecordBatch,
}

impl Table {
    /// A table of these columns and no rows.
    pub fn empty(schema: &Schema) -> Self {
        let columns = schema
            .columns()
            .iter()
            .map(|c| new_empty_array(&c.kind.arrow()))
            .collect();
        Self::from_columns(schema.clone(), columns, 0)
    }

    /// The columns are of the schema's kinds and of `rows` rows: the caller has made them so.
    pub(crate) fn from_columns(schema: Schema, columns: Vec<ArrayRef>, rows: usize) -> Self {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(schema.arrow(), columns, &options)
            .expect("columns built for this schema");
        Self { schema, batch }
    }

    pub(crate) fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// How many rows.
    pub fn num_rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// True when there is no row.
    pub fn is_empty(&self) -> bool {
        self.num_rows() == 0
    }

    /// Names and kinds of the columns.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The names in order.
    pub fn column_names(&self) -> Vec<&str> {
        self.schema.names().collect()
    }

    /// The values of a numeric column, widened. A missing value is `None`; NaN is a value.
    /// A boolean column reads as 0 and 1.
    pub fn column_f64(&self, name: &str) -> Result<Vec<Option<f64>>, TableError> {
        let (kind, array) = self.array(name)?;
        Ok(match kind {
            ColumnKind::Float64 => typed::<Float64Array>(array).iter().collect(),
            ColumnKind::Float32 => typed::<Float32Array>(array)
                .iter()
                .map(|v| v.map(f64::from))
                .collect(),
            ColumnKind::Int64 => typed::<Int64Array>(array)
                .iter()
                .map(|v| v.map(|v| v as f64))
                .collect(),
            ColumnKind::Boolean => typed::<BooleanArray>(array)
                .iter()
                .map(|v| v.map(|v| f64::from(u8::from(v))))
                .collect(),
            ColumnKind::Text | ColumnKind::Timestamp => {
                return Err(wrong_kind(name, ColumnKind::Float64, kind));
            }
        })
    }

    /// The values of a column of whole numbers. A boolean column reads as 0 and 1.
    pub fn column_i64(&self, name: &str) -> Result<Vec<Option<i64>>, TableError> {
        let (kind, array) = self.array(name)?;
        match kind {
            ColumnKind::Int64 => Ok(typed::<Int64Array>(array).iter().collect()),
            ColumnKind::Boolean => Ok(typed::<BooleanArray>(array)
                .iter()
                .map(|v| v.map(i64::from))
                .collect()),
            _ => Err(wrong_kind(name, ColumnKind::Int64, kind)),
        }
    }

    /// The values of a text column.
    pub fn column_str(&self, name: &str) -> Result<Vec<Option<&str>>, TableError> {
        let (kind, array) = self.array(name)?;
        match kind {
            ColumnKind::Text => Ok(typed::<StringArray>(array).iter().collect()),
            _ => Err(wrong_kind(name, ColumnKind::Text, kind)),
        }
    }

    /// The values of a boolean column.
    pub fn column_bool(&self, name: &str) -> Result<Vec<Option<bool>>, TableError> {
        let (kind, array) = self.array(name)?;
        match kind {
            ColumnKind::Boolean => Ok(typed::<BooleanArray>(array).iter().collect()),
            _ => Err(wrong_kind(name, ColumnKind::Boolean, kind)),
        }
    }

    /// The values of a column of instants.
    pub fn column_timestamp(&self, name: &str) -> Result<Vec<Option<Timestamp>>, TableError> {
        let (kind, array) = self.array(name)?;
        if kind != ColumnKind::Timestamp {
            return Err(wrong_kind(name, ColumnKind::Timestamp, kind));
        }
        let values = typed::<TimestampMicrosecondArray>(array).iter().enumerate();
        values
            .map(|(row, value)| {
                value
                    .map(Timestamp::from_microsecond)
                    .transpose()
                    .map_err(|_| TableError::OutOfRange {
                        column: name.to_owned(),
                        row: row + 1,
                        kind,
                    })
            })
            .collect()
    }

    /// How many values of the column are missing.
    pub fn missing(&self, name: &str) -> Result<usize, TableError> {
        Ok(self.array(name)?.1.null_count())
    }

    /// Only these columns, in this order.
    pub fn select<S: AsRef<str>>(&self, names: &[S]) -> Result<Self, TableError> {
        let mut columns = Vec::with_capacity(names.len());
        let mut arrays = Vec::with_capacity(names.len());
        for name in names {
            let (kind, _) = self.array(name.as_ref())?;
            let index = self.index(name.as_ref())?;
            columns.push((name.as_ref(), kind));
            arrays.push(Arc::clone(self.batch.column(index)));
        }
        Ok(Self::from_columns(
            Schema::new(columns)?,
            arrays,
            self.num_rows(),
        ))
    }

    /// `length` rows from `offset` on, without a copy.
    pub fn slice(&self, offset: usize, length: usize) -> Result<Self, TableError> {
        let rows = self.num_rows();
        let end = offset.saturating_add(length);
        if end > rows {
            return Err(TableError::RowsOutOfRange { offset, end, rows });
        }
        Ok(Self {
            schema: self.schema.clone(),
            batch: self.batch.slice(offset, length),
        })
    }

    /// The rows at these positions (from 0), in this order; a position may come twice.
    pub fn take(&self, rows: &[usize]) -> Result<Self, TableError> {
        let all = self.num_rows();
        if let Some(&row) = rows.iter().find(|&&row| row >= all) {
            return Err(TableError::RowsOutOfRange {
                offset: row,
                end: row + 1,
                rows: all,
            });
        }
        if self.schema.columns().is_empty() {
            return Ok(Self::from_columns(
                self.schema.clone(),
                Vec::new(),
                rows.len(),
            ));
        }
        let indices: UInt64Array = rows.iter().map(|&row| row as u64).collect();
        let batch = take_record_batch(&self.batch, &indices)?;
        Ok(Self {
            schema: self.schema.clone(),
            batch,
        })
    }

    /// All rows of all tables, which must have the schema given.
    pub fn concat<'a>(
        schema: &Schema,
        tables: impl IntoIterator<Item = &'a Self>,
    ) -> Result<Self, TableError> {
        let mut batches = Vec::new();
        let mut rows = 0;
        for table in tables {
            schema.require_same(&table.schema)?;
            rows += table.num_rows();
            batches.push(&table.batch);
        }
        if schema.columns().is_empty() {
            return Ok(Self::from_columns(schema.clone(), Vec::new(), rows));
        }
        let batch = concat_batches(&schema.arrow(), batches)?;
        Ok(Self {
            schema: schema.clone(),
            batch,
        })
    }

    fn index(&self, name: &str) -> Result<usize, TableError> {
        let position = self.schema.names().position(|column| column == name);
        position.ok_or_else(|| TableError::NoSuchColumn {
            column: name.to_owned(),
            available: self.schema.names().map(str::to_owned).collect(),
        })
    }

    fn array(&self, name: &str) -> Result<(ColumnKind, &dyn Array), TableError> {
        let index = self.index(name)?;
        Ok((
            self.schema.columns()[index].kind,
            self.batch.column(index).as_ref(),
        ))
    }
}

fn wrong_kind(column: &str, expected: ColumnKind, found: ColumnKind) -> TableError {
    TableError::WrongKind {
        column: column.to_owned(),
        expected,
        found,
    }
}

/// The schema's kind has been looked at before.
fn typed<A: Array + 'static>(array: &dyn Array) -> &A {
    array
        .as_any()
        .downcast_ref()
        .expect("the schema's kind is the array's type")
}
