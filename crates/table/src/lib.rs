//! Columns of values: what the prediction log, the reference window and the monitor read and write.
//!
//! This crate owns the in-memory [`Table`], reading CSV and Parquet into it, writing Parquet
//! atomically, and the append-only [`SegmentWriter`] / [`SegmentReader`] pair, which keeps whole
//! records through a crash. Six column kinds exist ([`ColumnKind`]); everything a file holds is
//! widened to one of them at the border, so that a caller never meets an Arrow type.
//!
//! It must never: print, read the environment or the clock, judge values (that is monitoring),
//! know what a model or a prediction is, or let Arrow and Parquet types into its public interface.
#![forbid(unsafe_code)]

mod builder;
mod csv;
mod diff;
mod error;
mod normalise;
mod parquet;
mod schema;
mod segment;
mod table;

pub use builder::TableBuilder;
pub use csv::read_csv;
pub use diff::{
    Cell, CellChange, DiffSide, PerSide, Retyped, RowChange, RowDiff, RowDiffOptions, RowValues,
    row_diff,
};
pub use error::TableError;
pub use parquet::{parquet_schema, read_parquet, read_parquet_columns, write_parquet_atomically};
pub use schema::{Column, ColumnKind, Schema};
pub use segment::{RecoveredInfo, SegmentReader, SegmentWriter};
pub use table::Table;

use camino::Utf8Path;

/// Reads a table by its file name's ending: `.csv`, `.tsv` or `.parquet` (also `.pq`).
pub fn read(path: &Utf8Path) -> Result<Table, TableError> {
    read_as(path, path)
}

/// Reads the file at `path` in the format that the ending of `name` says: an object of a content
/// store has no ending of its own. Errors in the content are told under `name`.
pub fn read_as(path: &Utf8Path, name: &Utf8Path) -> Result<Table, TableError> {
    match name.extension().map(str::to_ascii_lowercase).as_deref() {
        Some("csv" | "tsv") => {
            let bytes = fs_err::read(path).map_err(|source| TableError::Io {
                path: path.to_owned(),
                source,
            })?;
            csv::read_csv_bytes(name, &bytes)
        }
        Some("parquet" | "pq") => read_parquet(path),
        _ => Err(TableError::UnknownFormat {
            path: name.to_owned(),
        }),
    }
}
