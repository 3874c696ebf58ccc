//! Reads the rows of a file one by one, without holding them.

use std::io::{Read as _, Seek as _, SeekFrom};

use ::csv::{ByteRecord, Position, ReaderBuilder};
use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use ::parquet::errors::ParquetError;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;

use super::DiffSide;
use super::cell::{Cell, rows_of};
use super::matching::Rows;
use crate::csv::{Guess, cell, ends_inside_quotes, line};
use crate::parquet::{BATCH_ROWS, guarded, open};
use crate::{ColumnKind, Schema, Table, TableError, normalise};

/// Every so many rows of a CSV file its offset is kept, to find a row again.
const STRIDE: u64 = 1024;
const CSV_BUFFER: usize = 1 << 20;

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

#[derive(Clone)]
pub(super) struct CsvSource {
    path: Utf8PathBuf,
    name: Utf8PathBuf,
    delimiter: u8,
    /// How many fields a row has.
    pub(super) width: usize,
    /// Field number and name of each column that counts.
    pub(super) columns: Vec<(usize, String)>,
    guesses: Vec<Guess>,
    /// Where every [`STRIDE`]th row starts.
    places: Vec<Position>,
}

impl CsvSource {
    fn open(side: &DiffSide<'_>, delimiter: u8, ignore: &[String]) -> Result<Self, TableError> {
        let mut source = Self {
            path: side.path.to_owned(),
            name: side.name.to_owned(),
            delimiter,
            width: 0,
            columns: Vec::new(),
            guesses: Vec::new(),
            places: Vec::new(),
        };
        let mut record = ByteRecord::new();
        if !source.next(&mut source.reader()?, &mut record)? {
            return Err(TableError::CsvEmpty { path: source.name });
        }
        source.width = record.len();
        for index in 0..record.len() {
            let name = source.text(&record, index)?.trim();
            if name.is_empty() {
                return Err(TableError::CsvUnnamedColumn {
                    path: source.name,
                    line: line(&record),
                    column: index + 1,
                });
            }
            if source.columns.iter().any(|(_, other)| other == name) {
                return Err(TableError::DuplicateColumn {
                    column: name.to_owned(),
                });
            }
            if !ignore.iter().any(|ignored| ignored == name) {
                source.columns.push((index, name.to_owned()));
            }
        }
        source.guesses = vec![Guess::default(); source.columns.len()];
        Ok(source)
    }

    pub(super) fn schema(&self) -> Result<Schema, TableError> {
        let guesses = self.guesses.iter().map(Guess::kind);
        Schema::new(self.columns.iter().map(|(_, name)| name).zip(guesses))
    }

    /// Reads all rows, learns the kinds of the columns, and calls `visit` with each row's number
    /// (from 0) and fields.
    pub(super) fn scan(
        &mut self,
        mut visit: impl FnMut(u64, &ByteRecord) -> Result<(), TableError>,
    ) -> Result<u64, TableError> {
        let mut reader = self.reader()?;
        let mut record = ByteRecord::new();
        self.next(&mut reader, &mut record)?;
        let mut guesses = std::mem::take(&mut self.guesses);
        let mut places = Vec::new();
        let mut row = 0;
        let length = reader
            .get_ref()
            .metadata()
            .map_err(|source| self.io(source))?
            .len();
        while self.next(&mut reader, &mut record)? {
            if reader.position().byte() >= length {
                self.check_end(&record)?;
            }
            if record.len() != self.width {
                return Err(TableError::CsvRagged {
                    path: self.name.clone(),
                    line: line(&record),
                    expected: self.width,
                    found: record.len(),
                });
            }
            if row % STRIDE == 0
                && let Some(place) = record.position()
            {
                places.push(place.clone());
            }
            for (guess, (index, _)) in guesses.iter_mut().zip(&self.columns) {
                let field = record.get(*index).unwrap_or_default();
                if !guess.fits(field) {
                    guess.narrow(self.text(&record, *index)?);
                }
            }
            visit(row, &record)?;
            row += 1;
        }
        self.guesses = guesses;
        self.places = places;
        Ok(row)
    }

    /// Calls `visit` with each row of `rows`, as cells of the kinds that the scan has learned.
    fn fetch(
        &self,
        rows: &Rows,
        mut visit: impl FnMut(Vec<Cell>) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let kinds: Vec<ColumnKind> = self.guesses.iter().map(Guess::kind).collect();
        let mut reader = self.reader()?;
        let mut record = ByteRecord::new();
        // The number of the row that is read next; unknown before the first seek.
        let mut next = None;
        for row in rows.iter() {
            let near = next.is_some_and(|next| row - next < STRIDE);
            if !near && let Some(place) = self.places.get((row / STRIDE) as usize) {
                reader
                    .seek(place.clone())
                    .map_err(|source| self.failed(source))?;
                next = Some(row / STRIDE * STRIDE);
            }
            let skipped = row - next.unwrap_or(row);
            for _ in 0..=skipped {
                if !self.next(&mut reader, &mut record)? {
                    return Err(self.changed());
                }
            }
            next = Some(row + 1);
            let cells = self.cells(&record, &kinds)?;
            visit(cells)?;
        }
        Ok(())
    }

    /// The cells of a row.
    pub(super) fn cells(
        &self,
        record: &ByteRecord,
        kinds: &[ColumnKind],
    ) -> Result<Vec<Cell>, TableError> {
        let columns = self.columns.iter().zip(kinds);
        columns
            .map(|((index, _), kind)| Ok(cell(*kind, self.text(record, *index)?)))
            .collect()
    }

    fn reader(&self) -> Result<::csv::Reader<File>, TableError> {
        let file = File::open(&self.path).map_err(|source| self.io(source))?;
        Ok(ReaderBuilder::new()
            .delimiter(self.delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(CSV_BUFFER)
            .from_reader(file))
    }

    fn next(
        &self,
        reader: &mut ::csv::Reader<File>,
        record: &mut ByteRecord,
    ) -> Result<bool, TableError> {
        reader
            .read_byte_record(record)
            .map_err(|source| self.failed(source))
    }

    fn text<'r>(&self, record: &'r ByteRecord, index: usize) -> Result<&'r str, TableError> {
        let field = record.get(index).ok_or_else(|| self.changed())?;
        std::str::from_utf8(field).map_err(|_| TableError::CsvNotUtf8 {
            path: self.name.clone(),
            line: line(record),
            column: index + 1,
        })
    }

    /// Refuses a last record that opens a quote and never closes it, as in a file cut short.
    fn check_end(&self, last: &ByteRecord) -> Result<(), TableError> {
        let start = last.position().map_or(0, Position::byte);
        let mut raw = Vec::new();
        let mut file = File::open(&self.path).map_err(|source| self.io(source))?;
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_to_end(&mut raw))
            .map_err(|source| self.io(source))?;
        if ends_inside_quotes(&raw) {
            return Err(TableError::CsvOpenQuote {
                path: self.name.clone(),
                line: line(last),
            });
        }
        Ok(())
    }

    fn io(&self, source: std::io::Error) -> TableError {
        TableError::Io {
            path: self.path.clone(),
            source,
        }
    }

    fn failed(&self, source: ::csv::Error) -> TableError {
        TableError::Csv {
            path: self.name.clone(),
            source,
        }
    }

    fn changed(&self) -> TableError {
        self.io(std::io::Error::other("the file changed while it was read"))
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
