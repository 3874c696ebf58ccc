//! A CSV file whose rows are compared.

use std::io::Read as _;

use camino::Utf8PathBuf;
use fs_err::File;

use super::DiffSide;
use super::cell::Cell;
use super::matching::Rows;
use super::records::{Failure, Record, Records};
use crate::csv::{Guess, cell};
use crate::{ColumnKind, Schema, TableError};

/// Every so many rows the offset is kept, to find a row again.
const STRIDE: u64 = 1024;

#[derive(Clone)]
pub(super) struct CsvSource {
    path: Utf8PathBuf,
    name: Utf8PathBuf,
    delimiter: u8,
    /// How many fields a row has.
    width: usize,
    /// Field number and name of each column that counts.
    pub(super) columns: Vec<(usize, String)>,
    guesses: Vec<Guess>,
    /// Where every [`STRIDE`]th row starts.
    places: Vec<u64>,
}

impl CsvSource {
    pub(super) fn open(
        side: &DiffSide<'_>,
        delimiter: u8,
        ignore: &[String],
    ) -> Result<Self, TableError> {
        let mut source = Self {
            path: side.path.to_owned(),
            name: side.name.to_owned(),
            delimiter,
            width: 0,
            columns: Vec::new(),
            guesses: Vec::new(),
            places: Vec::new(),
        };
        let mut records = source.records()?;
        if !source.advance(&mut records)? {
            return Err(TableError::CsvEmpty { path: source.name });
        }
        let header = records.record();
        source.width = header.len();
        for index in 0..header.len() {
            let name = source.text(header, index)?.trim();
            if name.is_empty() {
                let line = source.line(header.offset)?;
                return Err(TableError::CsvUnnamedColumn {
                    path: source.name,
                    line,
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
        source.guesses = source.no_guesses();
        Ok(source)
    }

    pub(super) fn schema(&self) -> Result<Schema, TableError> {
        let guesses = self.guesses.iter().map(Guess::kind);
        Schema::new(self.columns.iter().map(|(_, name)| name).zip(guesses))
    }

    /// Whether a row of the other file that has the same bytes is the same row.
    pub(super) fn is_written_as(&self, other: &Self) -> bool {
        (self.delimiter, self.width, &self.columns)
            == (other.delimiter, other.width, &other.columns)
    }

    /// Reads all rows, learns the kinds of the columns, and calls `visit` with each row's number
    /// (from 0) and fields.
    pub(super) fn scan(
        &mut self,
        mut visit: impl FnMut(u64, Record<'_>) -> Result<(), TableError>,
    ) -> Result<u64, TableError> {
        let mut rows = self.rows()?;
        loop {
            let number = rows.count;
            let Some(record) = rows.next()? else { break };
            visit(number, record)?;
        }
        let (count, learned) = (rows.count, rows.learned);
        self.learn(learned);
        Ok(count)
    }

    /// Starts to read all rows.
    pub(super) fn rows(&self) -> Result<CsvRows<'_>, TableError> {
        let mut records = self.records()?;
        self.advance(&mut records)?;
        Ok(CsvRows {
            source: self,
            records,
            count: 0,
            learned: Learned {
                guesses: self.no_guesses(),
                places: Vec::new(),
            },
        })
    }

    /// Keeps what reading all rows has told.
    pub(super) fn learn(&mut self, learned: Learned) {
        self.guesses = learned.guesses;
        self.places = learned.places;
    }

    /// Calls `visit` with each row of `rows`, as cells of the kinds that the scan has learned.
    pub(super) fn fetch(
        &self,
        rows: &Rows,
        mut visit: impl FnMut(Vec<Cell>) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let kinds: Vec<ColumnKind> = self.guesses.iter().map(Guess::kind).collect();
        let mut records = self.records()?;
        // The number of the row that is read next; unknown before the first seek.
        let mut next = None;
        for row in rows.iter() {
            let near = next.is_some_and(|next| row - next < STRIDE);
            if !near && let Some(place) = self.places.get((row / STRIDE) as usize) {
                records.seek(*place).map_err(|source| self.io(source))?;
                next = Some(row / STRIDE * STRIDE);
            }
            let skipped = row - next.unwrap_or(row);
            for _ in 0..=skipped {
                if !self.advance(&mut records)? {
                    return Err(self.changed());
                }
            }
            next = Some(row + 1);
            visit(self.cells(records.record(), &kinds)?)?;
        }
        Ok(())
    }

    /// The cells of a row.
    pub(super) fn cells(
        &self,
        record: Record<'_>,
        kinds: &[ColumnKind],
    ) -> Result<Vec<Cell>, TableError> {
        let columns = self.columns.iter().zip(kinds);
        columns
            .map(|((index, _), kind)| Ok(cell(*kind, self.text(record, *index)?)))
            .collect()
    }

    /// What is known of the columns before any row was read.
    pub(super) fn no_guesses(&self) -> Vec<Guess> {
        vec![Guess::default(); self.columns.len()]
    }

    fn records(&self) -> Result<Records, TableError> {
        Records::open(&self.path, self.delimiter).map_err(|source| self.io(source))
    }

    fn advance(&self, records: &mut Records) -> Result<bool, TableError> {
        records.advance().map_err(|failure| match failure {
            Failure::Io(source) => self.io(source),
            Failure::OpenQuote { offset } => {
                self.at(offset, |path, line| TableError::CsvOpenQuote { path, line })
            }
            Failure::TooLong { offset, limit } => self.at(offset, |path, line| {
                TableError::CsvRecordTooLong { path, line, limit }
            }),
        })
    }

    /// Checks a row, and narrows what the columns may be by it.
    #[inline]
    fn narrow(&self, guesses: &mut [Guess], record: Record<'_>) -> Result<(), TableError> {
        if record.len() != self.width {
            return Err(self.at(record.offset, |path, line| TableError::CsvRagged {
                path,
                line,
                expected: self.width,
                found: record.len(),
            }));
        }
        for (guess, (index, _)) in guesses.iter_mut().zip(&self.columns) {
            let field = record.get(*index).unwrap_or_default();
            if !guess.fits(field) {
                guess.narrow(self.text(record, *index)?);
            }
        }
        Ok(())
    }

    fn text<'r>(&self, record: Record<'r>, index: usize) -> Result<&'r str, TableError> {
        let field = record.get(index).ok_or_else(|| self.changed())?;
        std::str::from_utf8(field).map_err(|_| {
            self.at(record.offset, |path, line| TableError::CsvNotUtf8 {
                path,
                line,
                column: index + 1,
            })
        })
    }

    /// An error at the line in which the record at this offset starts. Lines are only counted now
    /// that somebody wants to know.
    fn at(&self, offset: u64, error: impl FnOnce(Utf8PathBuf, u64) -> TableError) -> TableError {
        match self.line(offset) {
            Ok(line) => error(self.name.clone(), line),
            Err(error) => error,
        }
    }

    fn line(&self, offset: u64) -> Result<u64, TableError> {
        let file = File::open(&self.path).map_err(|source| self.io(source))?;
        let mut before = file.take(offset);
        let mut buffer = vec![0; 1 << 16];
        let mut line = 1;
        loop {
            let read = before.read(&mut buffer).map_err(|source| self.io(source))?;
            if read == 0 {
                return Ok(line);
            }
            let ends = buffer[..read].iter().filter(|&&byte| byte == b'\n');
            line += ends.count() as u64;
        }
    }

    fn io(&self, source: std::io::Error) -> TableError {
        TableError::Io {
            path: self.path.clone(),
            source,
        }
    }

    fn changed(&self) -> TableError {
        self.io(std::io::Error::other("the file changed while it was read"))
    }
}

/// What reading all rows of a file tells of it.
pub(super) struct Learned {
    pub(super) guesses: Vec<Guess>,
    places: Vec<u64>,
}

/// The rows of a file, one after the other.
pub(super) struct CsvRows<'s> {
    source: &'s CsvSource,
    pub(super) records: Records,
    /// How many rows have been read.
    pub(super) count: u64,
    pub(super) learned: Learned,
}

impl CsvRows<'_> {
    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, TableError> {
        if !self.source.advance(&mut self.records)? {
            return Ok(None);
        }
        let record = self.records.record();
        self.source.narrow(&mut self.learned.guesses, record)?;
        self.learned.count_row(&mut self.count, record.offset);
        Ok(Some(record))
    }

    /// The next row if it lies within so many bytes of the rest; what it tells of the columns goes
    /// to `guesses`.
    #[inline]
    pub(super) fn next_within(
        &mut self,
        length: usize,
        guesses: &mut [Guess],
    ) -> Result<Option<Record<'_>>, TableError> {
        if !self.records.advance_within(length) {
            return Ok(None);
        }
        let record = self.records.record();
        self.source.narrow(guesses, record)?;
        self.learned.count_row(&mut self.count, record.offset);
        Ok(Some(record))
    }

    /// Counts a row that starts at this offset, which has been read from the other file.
    #[inline]
    pub(super) fn count_row(&mut self, offset: u64) {
        self.learned.count_row(&mut self.count, offset);
    }

    /// Reads on, unless much of what was read is left.
    pub(super) fn refill(&mut self) -> Result<(), TableError> {
        if self.records.is_low() {
            let source = self.source;
            self.records.refill().map_err(|error| source.io(error))?;
        }
        Ok(())
    }
}

impl Learned {
    #[inline]
    fn count_row(&mut self, count: &mut u64, offset: u64) {
        if count.is_multiple_of(STRIDE) {
            self.places.push(offset);
        }
        *count += 1;
    }
}
