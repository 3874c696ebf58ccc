//! Reads the rows of a file one by one, without holding them.

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use ::parquet::errors::ParquetError;
use camino::{Utf8Path, Utf8PathBuf};

use super::DiffSide;
use super::cell::{Cell, rows_of};
use super::csv_source::CsvSource;
use super::matching::Rows;
use crate::parquet::{BATCH_ROWS, guarded, open};
use crate::{Schema, Table, TableError, normalise};

/// A file whose rows are compared.
pub(super) enum Source {
    Csv(CsvSource),
    Parquet(ParquetSource),
}

impl Source {
    pub(super) fn open(side: &DiffSide<'_>, ignore: &[String]) -> Result<Self, TableError> {
        let extension = side.name.extension().map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("csv") => CsvSource::open(side, b',', ignore).map(Self::Csv),
            Some("tsv") => CsvSource::open(side, b'\t', ignore).map(Self::Csv),
            Some("parquet" | "pq") => ParquetSource::open(side.path, ignore).map(Self::Parquet),
            _ => Err(TableError::UnknownFormat {
                path: side.name.to_owned(),
            }),
        }
    }

    /// The names of the columns that count.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Csv(source) => source.columns.iter().map(|(_, n)| n.clone()).collect(),
            Self::Parquet(source) => source.schema.names().map(str::to_owned).collect(),
        }
    }

    /// Names and kinds of the columns that count; those of a CSV file once it has been scanned.
    pub(super) fn schema(&self) -> Result<Schema, TableError> {
        match self {
            Self::Csv(source) => source.schema(),
            Self::Parquet(source) => Ok(source.schema.clone()),
        }
    }

    /// Calls `visit` with each of these rows, as cells in the order of the columns that count.
    pub(super) fn fetch(
        &self,
        rows: &Rows,
        mut visit: impl FnMut(Vec<Cell>) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        if rows.count == 0 {
            return Ok(());
        }
        match self {
            Self::Csv(source) => source.fetch(rows, visit),
            Self::Parquet(source) => source
                .read(Some(rows), |_, table| {
                    rows_of(table).into_iter().try_for_each(&mut visit)
                })
                .map(drop),
        }
    }
}

pub(super) struct ParquetSource {
    path: Utf8PathBuf,
    /// Positions of the columns that count, in the order of the file.
    columns: Vec<usize>,
    schema: Schema,
}

impl ParquetSource {
    fn open(path: &Utf8Path, ignore: &[String]) -> Result<Self, TableError> {
        guarded(path, || {
            let reader = open(path)?;
            let fields = reader.schema().fields();
            let columns: Vec<usize> = (0..fields.len())
                .filter(|&index| !ignore.contains(fields[index].name()))
                .collect();
            let schema = normalise::schema_of(&reader.schema().project(&columns)?)?;
            Ok(Self {
                path: path.to_owned(),
                columns,
                schema,
            })
        })
    }

    /// Calls `visit` with the rows, or only with those of `rows`, batch by batch, each with the
    /// number of its first row (a count where rows are left out).
    pub(super) fn read(
        &self,
        rows: Option<&Rows>,
        mut visit: impl FnMut(u64, &Table) -> Result<(), TableError>,
    ) -> Result<u64, TableError> {
        let unreadable = |source| TableError::Parquet {
            path: self.path.clone(),
            source,
        };
        let mut batches = guarded(&self.path, || {
            let mut reader = open(&self.path)?;
            let mask = ProjectionMask::roots(reader.parquet_schema(), self.columns.clone());
            reader = reader.with_projection(mask).with_batch_size(BATCH_ROWS);
            if let Some(rows) = rows {
                reader = reader.with_row_selection(selection(rows));
            }
            reader.build().map_err(unreadable)
        })?;
        let mut row = 0;
        loop {
            let table = guarded(&self.path, || {
                let Some(batch) = batches.next() else {
                    return Ok(None);
                };
                let batch = batch.map_err(|source| unreadable(ParquetError::from(source)))?;
                normalise::table_of(&self.schema, &batch, row as usize).map(Some)
            })?;
            let Some(table) = table else { break };
            visit(row, &table)?;
            row += table.num_rows() as u64;
        }
        Ok(row)
    }
}

fn selection(rows: &Rows) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut next = 0;
    for row in rows.iter() {
        if row > next {
            selectors.push(RowSelector::skip((row - next) as usize));
        }
        match selectors.last_mut() {
            Some(last) if !last.skip => last.row_count += 1,
            _ => selectors.push(RowSelector::select(1)),
        }
        next = row + 1;
    }
    RowSelection::from(selectors)
}
