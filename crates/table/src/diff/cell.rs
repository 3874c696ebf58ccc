//! One value of a row, and when two of them are the same.

use std::fmt;

use arrow::array::{
    Array, BooleanArray, Float32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{ColumnKind, Table};

/// A value of a row.
///
/// In JSON a number that is not finite is the text `NaN`, `Infinity` or `-Infinity`, and an instant
/// is a text of RFC 3339.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Missing.
    Null,
    Boolean(bool),
    Int(i64),
    Float(f64),
    /// Microseconds since 1970 UTC.
    Timestamp(i64),
    Text(String),
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Boolean(value) => serializer.serialize_bool(*value),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Float(number) if number.is_finite() => serializer.serialize_f64(*number),
            Self::Float(number) if number.is_nan() => serializer.serialize_str("NaN"),
            Self::Float(number) => serializer.serialize_str(if *number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            }),
            Self::Timestamp(_) => serializer.collect_str(self),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.borrow().fmt(f)
    }
}

impl Cell {
    pub(super) fn borrow(&self) -> CellRef<'_> {
        match self {
            Self::Null => CellRef::Null,
            Self::Boolean(value) => CellRef::Boolean(*value),
            Self::Int(number) => CellRef::Int(*number),
            Self::Float(number) => CellRef::Float(*number),
            Self::Timestamp(micros) => CellRef::Timestamp(*micros),
            Self::Text(text) => CellRef::Text(text),
        }
    }
}

/// A value where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum CellRef<'a> {
    Null,
    Boolean(bool),
    Int(i64),
    Float(f64),
    Timestamp(i64),
    Text(&'a str),
}

impl fmt::Display for CellRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Boolean(value) => value.fmt(f),
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Timestamp(micros) => match Timestamp::from_microsecond(*micros) {
                Ok(instant) => instant.fmt(f),
                Err(_) => micros.fmt(f),
            },
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl CellRef<'_> {
    pub(super) fn to_cell(self) -> Cell {
        match self {
            Self::Null => Cell::Null,
            Self::Boolean(value) => Cell::Boolean(value),
            Self::Int(number) => Cell::Int(number),
            Self::Float(number) => Cell::Float(number),
            Self::Timestamp(micros) => Cell::Timestamp(micros),
            Self::Text(text) => Cell::Text(text.to_owned()),
        }
    }

    fn as_number(self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(number as f64),
            Self::Float(number) => Some(number),
            _ => None,
        }
    }
}

/// How the values of a column that both sides have are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The kinds are the same, and no floats.
    Exact,
    /// As 64-bit floats.
    Number,
    /// The kinds have nothing in common: by what is shown of the values.
    Text,
}

impl Comparison {
    pub(super) fn of(before: ColumnKind, after: ColumnKind) -> Self {
        match (before, after) {
            (ColumnKind::Int64, ColumnKind::Int64) => Self::Exact,
            (left, right) if left.is_numeric() && right.is_numeric() => Self::Number,
            (left, right) if left == right => Self::Exact,
            _ => Self::Text,
        }
    }

    /// The form that is equal for all values that are the same. NaN is the same as NaN, 0 as -0.
    pub(super) fn canonical(self, cell: CellRef<'_>) -> Canonical {
        if matches!(cell, CellRef::Null) {
            return Canonical::Null;
        }
        match (self, cell) {
            (Self::Number, cell) if cell.as_number().is_some() => {
                Canonical::Number(ordered(cell.as_number().unwrap_or_default()))
            }
            (Self::Text, cell) => Canonical::Text(cell.to_string()),
            (_, CellRef::Boolean(value)) => Canonical::Boolean(value),
            (_, CellRef::Int(number)) => Canonical::Int(number),
            (_, CellRef::Timestamp(micros)) => Canonical::Timestamp(micros),
            (_, CellRef::Float(number)) => Canonical::Number(ordered(number)),
            (_, CellRef::Text(text)) => Canonical::Text(text.to_owned()),
            (_, CellRef::Null) => Canonical::Null,
        }
    }

    /// Whether the values are the same, numbers within `tolerance`.
    pub(super) fn is_same(self, before: &Cell, after: &Cell, tolerance: f64) -> bool {
        if self.canonical(before.borrow()) == self.canonical(after.borrow()) {
            return true;
        }
        match (before, after) {
            (Cell::Int(left), Cell::Int(right)) => left.abs_diff(*right) as f64 <= tolerance,
            (before, after) if self == Self::Number => {
                match (before.borrow().as_number(), after.borrow().as_number()) {
                    (Some(left), Some(right)) => (left - right).abs() <= tolerance,
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

/// A value in the form in which values are grouped and ordered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Canonical {
    Null,
    Boolean(bool),
    Int(i64),
    /// Ordered as the number is.
    Number(u64),
    Timestamp(i64),
    Text(String),
}

/// The number's bits, with one form for NaN and zero, in the order of the numbers.
fn ordered(number: f64) -> u64 {
    let bits = canonical_bits(number);
    if bits >> 63 == 0 {
        bits | 1 << 63
    } else {
        !bits
    }
}

pub(super) fn canonical_bits(number: f64) -> u64 {
    if number.is_nan() {
        f64::NAN.to_bits()
    } else if number == 0.0 {
        0
    } else {
        number.to_bits()
    }
}

/// Calls `visit` with each row number and its value in a column.
pub(super) fn each_cell<'t>(
    table: &'t Table,
    column: usize,
    mut visit: impl FnMut(usize, CellRef<'t>),
) {
    let array = table.batch().column(column).as_any();
    macro_rules! each {
        ($array:ty, $cell:expr) => {
            if let Some(array) = array.downcast_ref::<$array>() {
                for (row, value) in array.iter().enumerate() {
                    visit(row, value.map_or(CellRef::Null, $cell));
                }
            }
        };
    }
    match table.schema().columns()[column].kind {
        ColumnKind::Int64 => each!(Int64Array, CellRef::Int),
        ColumnKind::Float64 => each!(Float64Array, CellRef::Float),
        ColumnKind::Float32 => each!(Float32Array, |value| CellRef::Float(f64::from(value))),
        ColumnKind::Text => each!(StringArray, CellRef::Text),
        ColumnKind::Boolean => each!(BooleanArray, CellRef::Boolean),
        ColumnKind::Timestamp => each!(TimestampMicrosecondArray, CellRef::Timestamp),
    }
}

/// The rows of a table as cells.
pub(super) fn rows_of(table: &Table) -> Vec<Vec<Cell>> {
    let width = table.schema().columns().len();
    let mut rows = vec![Vec::with_capacity(width); table.num_rows()];
    for column in 0..width {
        each_cell(table, column, |row, cell| rows[row].push(cell.to_cell()));
    }
    rows
}
