//! Widens whatever a file holds to the six column kinds.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, downcast_array,
    new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, TimeUnit};

use crate::{ColumnKind, Schema, Table, TableError};

/// The kind a file's type becomes, or `None` for one that has no place in a table.
pub(crate) fn kind_of(data_type: &DataType) -> Option<ColumnKind> {
    Some(match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ColumnKind::Int64,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            ColumnKind::Int64
        }
        DataType::Float16 | DataType::Float32 => ColumnKind::Float32,
        DataType::Float64 | DataType::Null => ColumnKind::Float64,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => ColumnKind::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnKind::Text,
        DataType::Boolean => ColumnKind::Boolean,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => ColumnKind::Timestamp,
        DataType::Dictionary(_, values) => return kind_of(values),
        _ => return None,
    })
}

/// The schema the arrow schema of a file becomes.
pub(crate) fn schema_of(schema: &arrow::datatypes::Schema) -> Result<Schema, TableError> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let kind = kind_of(field.data_type()).ok_or_else(|| TableError::UnsupportedType {
            column: field.name().clone(),
            found: field.data_type().to_string(),
        })?;
        columns.push((field.name(), kind));
    }
    Schema::new(columns)
}

/// The batch, whose first row is row `offset` of the file, as a table of the schema [`schema_of`]
/// gave for it.
pub(crate) fn table_of(
    schema: &Schema,
    batch: &RecordBatch,
    offset: usize,
) -> Result<Table, TableError> {
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, array) in schema.columns().iter().zip(batch.columns()) {
        columns.push(
            widen(array, column.kind).map_err(|row| TableError::OutOfRange {
                column: column.name.clone(),
                row: offset + row + 1,
                kind: column.kind,
            })?,
        );
    }
    Ok(Table::from_columns(
        schema.clone(),
        columns,
        batch.num_rows(),
    ))
}

/// The array in the kind's type, or the first row (from 0) whose value does not fit.
fn widen(array: &ArrayRef, kind: ColumnKind) -> Result<ArrayRef, usize> {
    let target = kind.arrow();
    match array.data_type() {
        found if *found == target => return Ok(Arc::clone(array)),
        DataType::Null => return Ok(new_null_array(&target, array.len())),
        DataType::Dictionary(_, values) => {
            let plain = safe_cast(array, values)?;
            return widen(&plain, kind);
        }
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => return decimal(array),
        _ => {}
    }
    if kind != ColumnKind::Timestamp {
        return safe_cast(array, &target);
    }
    // Whatever zone the file names, the stored number counts from 1970 UTC (Arrow's format); a
    // time without a zone is taken as UTC. So the zone is dropped before the unit is changed.
    let plain: ArrayRef = match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            Arc::new(downcast_array::<TimestampSecondArray>(array).with_timezone_opt(None::<&str>))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => Arc::new(
            downcast_array::<TimestampMillisecondArray>(array).with_timezone_opt(None::<&str>),
        ),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Arc::new(
            downcast_array::<TimestampMicrosecondArray>(array).with_timezone_opt(None::<&str>),
        ),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Arc::new(
            downcast_array::<TimestampNanosecondArray>(array).with_timezone_opt(None::<&str>),
        ),
        _ => Arc::clone(array),
    };
    let micros = safe_cast(&plain, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    let micros = downcast_array::<TimestampMicrosecondArray>(&micros);
    Ok(Arc::new(micros.with_timezone("UTC")))
}

/// Decimals become the nearest 64-bit number.
fn decimal(array: &ArrayRef) -> Result<ArrayRef, usize> {
    // By way of text: correctly rounded, where the direct cast divides by a power of ten.
    let text = safe_cast(array, &DataType::Utf8)?;
    let text = downcast_array::<arrow::array::StringArray>(&text);
    let numbers: Float64Array = text
        .iter()
        .map(|value| value.and_then(|value| value.parse::<f64>().ok()))
        .collect();
    Ok(Arc::new(numbers))
}

/// Casts, and takes a value that became missing for one that did not fit.
fn safe_cast(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, usize> {
    let options = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    let cast = cast_with_options(array, target, &options).map_err(|_| 0_usize)?;
    if cast.null_count() == array.logical_null_count() {
        return Ok(cast);
    }
    let nulls = array.logical_nulls();
    let was_missing = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
    match (0..cast.len()).find(|&row| cast.is_null(row) && !was_missing(row)) {
        Some(row) => Err(row),
        None => Ok(cast),
    }
}
