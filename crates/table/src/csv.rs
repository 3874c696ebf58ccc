//! CSV in.
//!
//! The first line names the columns; the kind of each is what all of its values agree on. The file
//! is read into memory once and parsed twice: once to decide the kinds, once to fill the columns.

use std::sync::Arc;

use ::csv::{ByteRecord, ReaderBuilder};
use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use camino::Utf8Path;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::diff::Cell;
use crate::{ColumnKind, Schema, Table, TableBuilder, TableError};

/// A file's words for a missing value, in a column whose other values are not text. (In a text
/// column they are text: `NA` is also Namibia.) An empty field is missing everywhere.
const MISSING: [&str; 5] = ["NA", "N/A", "null", "NULL", "None"];

/// Reads a CSV file (a `.tsv` file: with tabs).
///
/// A column is whole numbers, else numbers, else booleans, else instants, else text. A number
/// written with leading zeros, and a whole number beyond 64 bits, is an identifier, so text. Times
/// without an offset are taken as UTC. Blank lines are skipped; a column without values is missing
/// numbers.
pub fn read_csv(path: &Utf8Path) -> Result<Table, TableError> {
    let bytes = fs_err::read(path).map_err(|source| TableError::Io {
        path: path.to_owned(),
        source,
    })?;
    read_csv_bytes(path, &bytes)
}

/// Reads CSV that is in memory already; `path` is what errors call it.
pub(crate) fn read_csv_bytes(path: &Utf8Path, bytes: &[u8]) -> Result<Table, TableError> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let source = Source { path, text };
    let names = source.header()?;
    let mut guesses = vec![Guess::default(); names.len()];
    let rows = source.each_row(names.len(), |fields| {
        guesses
            .iter_mut()
            .zip(fields)
            .for_each(|(guess, field)| guess.narrow(field));
    })?;
    let kinds: Vec<ColumnKind> = guesses.iter().map(Guess::kind).collect();
    // Found before the columns are filled: the schema checks the names.
    Schema::new(names.iter().zip(kinds.iter().copied()))?;
    let mut values: Vec<Values> = kinds.iter().map(|&kind| Values::new(kind, rows)).collect();
    source.each_row(names.len(), |fields| {
        values
            .iter_mut()
            .zip(fields)
            .for_each(|(values, field)| values.push(field));
    })?;
    let columns = names.into_iter().zip(kinds).zip(values);
    columns
        .fold(TableBuilder::new(), |table, ((name, kind), values)| {
            table.with(name, kind, values.finish())
        })
        .build()
}

struct Source<'a> {
    path: &'a Utf8Path,
    text: &'a [u8],
}

impl Source<'_> {
    fn reader(&self) -> ::csv::Reader<&[u8]> {
        let delimiter = if self.path.extension() == Some("tsv") {
            b'\t'
        } else {
            b','
        };
        ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(self.text)
    }

    fn header(&self) -> Result<Vec<String>, TableError> {
        let mut record = ByteRecord::new();
        if !self.read(&mut self.reader(), &mut record)? {
            return Err(TableError::CsvEmpty {
                path: self.path.to_owned(),
            });
        }
        let names: Vec<String> = self
            .fields(&record)?
            .map(|name| name.trim().to_owned())
            .collect();
        if let Some(index) = names.iter().position(String::is_empty) {
            return Err(TableError::CsvUnnamedColumn {
                path: self.path.to_owned(),
                line: line(&record),
                column: index + 1,
            });
        }
        Ok(names)
    }

    /// Calls `visit` with the fields of each row; gives the number of rows.
    fn each_row(
        &self,
        width: usize,
        mut visit: impl FnMut(&mut dyn Iterator<Item = &str>),
    ) -> Result<usize, TableError> {
        let mut reader = self.reader();
        let mut record = ByteRecord::new();
        self.read(&mut reader, &mut record)?;
        let mut rows = 0;
        while self.read(&mut reader, &mut record)? {
            let is_last = reader.position().byte() as usize >= self.text.len();
            if is_last && self.ends_inside_quotes(&record) {
                let path = self.path.to_owned();
                return Err(TableError::CsvOpenQuote {
                    path,
                    line: line(&record),
                });
            }
            if record.len() != width {
                return Err(TableError::CsvRagged {
                    path: self.path.to_owned(),
                    line: line(&record),
                    expected: width,
                    found: record.len(),
                });
            }
            visit(&mut self.fields(&record)?);
            rows += 1;
        }
        Ok(rows)
    }

    /// True when the file's last record opens a quote and does not close it, as in a file cut
    /// short. The parser takes the end of the file for the closing quote.
    fn ends_inside_quotes(&self, last: &ByteRecord) -> bool {
        let start = last.position().map_or(0, ::csv::Position::byte) as usize;
        ends_inside_quotes(self.text.get(start..).unwrap_or_default())
    }

    fn read(
        &self,
        reader: &mut ::csv::Reader<&[u8]>,
        record: &mut ByteRecord,
    ) -> Result<bool, TableError> {
        let read = reader.read_byte_record(record);
        read.map_err(|source| TableError::Csv {
            path: self.path.to_owned(),
            source,
        })
    }

    fn fields<'r>(
        &self,
        record: &'r ByteRecord,
    ) -> Result<impl Iterator<Item = &'r str>, TableError> {
        if let Some(index) = record
            .iter()
            .position(|field| std::str::from_utf8(field).is_err())
        {
            return Err(TableError::CsvNotUtf8 {
                path: self.path.to_owned(),
                line: line(record),
                column: index + 1,
            });
        }
        Ok(record
            .iter()
            .map(|field| std::str::from_utf8(field).unwrap_or_default()))
    }
}

/// Whether a record, with all that is behind it in the file, opens a quote and does not close it.
pub(crate) fn ends_inside_quotes(raw: &[u8]) -> bool {
    let raw = raw.trim_ascii_start();
    let odd_quotes = raw.split(|&byte| byte == b'"').count() % 2 == 0;
    let opens = raw.first() == Some(&b'"')
        || raw
            .windows(2)
            .any(|pair| pair[1] == b'"' && matches!(pair[0], b',' | b'\t'));
    odd_quotes && opens
}

pub(crate) fn line(record: &ByteRecord) -> u64 {
    record.position().map_or(0, ::csv::Position::line)
}

/// What a column may still be, given the values seen so far.
#[derive(Debug, Clone)]
pub(crate) struct Guess {
    any: bool,
    /// In the order of preference.
    candidates: Vec<ColumnKind>,
}

impl Default for Guess {
    fn default() -> Self {
        use ColumnKind::{Boolean, Float64, Int64, Timestamp};
        Self {
            any: false,
            candidates: vec![Int64, Float64, Boolean, Timestamp],
        }
    }
}

impl Guess {
    /// True when the field is of a plain form that fits what the column is already: most are, and
    /// reading them in full would take most of the time.
    pub(crate) fn fits(&self, field: &[u8]) -> bool {
        match self.candidates.as_slice() {
            // Text stays text.
            [] => true,
            _ if !self.any => false,
            [ColumnKind::Int64, ColumnKind::Float64] => is_plain_int(field),
            [ColumnKind::Float64] => is_plain_number(field),
            [ColumnKind::Timestamp] => is_plain_time(field),
            _ => false,
        }
    }

    pub(crate) fn narrow(&mut self, field: &str) {
        if self.fits(field.as_bytes()) || missing(field) {
            return;
        }
        self.any = true;
        self.candidates.retain(|kind| match kind {
            ColumnKind::Int64 => int64(field).is_some(),
            ColumnKind::Float64 | ColumnKind::Float32 => float64(field).is_some(),
            ColumnKind::Boolean => boolean(field).is_some(),
            ColumnKind::Timestamp => timestamp(field).is_some(),
            ColumnKind::Text => true,
        });
    }

    /// Narrows what the column may be by all that the other one has been narrowed by.
    pub(crate) fn join(&mut self, other: &Self) {
        self.any |= other.any;
        self.candidates
            .retain(|kind| other.candidates.contains(kind));
    }

    pub(crate) fn kind(&self) -> ColumnKind {
        match self.candidates.first() {
            _ if !self.any => ColumnKind::Float64,
            Some(&kind) => kind,
            None => ColumnKind::Text,
        }
    }
}

/// What a field of a column of this kind says.
pub(crate) fn cell(kind: ColumnKind, field: &str) -> Cell {
    match kind {
        ColumnKind::Int64 => int64(field).map(Cell::Int),
        ColumnKind::Float64 | ColumnKind::Float32 => float64(field).map(Cell::Float),
        ColumnKind::Boolean => boolean(field).map(Cell::Boolean),
        ColumnKind::Timestamp => {
            timestamp(field).map(|instant| Cell::Timestamp(instant.as_microsecond()))
        }
        ColumnKind::Text => (!field.is_empty()).then(|| Cell::Text(field.to_owned())),
    }
    .unwrap_or(Cell::Null)
}

/// A column being filled; the guess has shown that its values parse.
enum Values {
    Int64(Vec<Option<i64>>),
    Float64(Vec<Option<f64>>),
    Boolean(Vec<Option<bool>>),
    Timestamp(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
}

impl Values {
    fn new(kind: ColumnKind, rows: usize) -> Self {
        match kind {
            ColumnKind::Int64 => Self::Int64(Vec::with_capacity(rows)),
            ColumnKind::Float64 | ColumnKind::Float32 => Self::Float64(Vec::with_capacity(rows)),
            ColumnKind::Boolean => Self::Boolean(Vec::with_capacity(rows)),
            ColumnKind::Timestamp => Self::Timestamp(Vec::with_capacity(rows)),
            ColumnKind::Text => Self::Text(Vec::with_capacity(rows)),
        }
    }

    fn push(&mut self, field: &str) {
        match self {
            Self::Int64(values) => values.push(int64(field)),
            Self::Float64(values) => values.push(float64(field)),
            Self::Boolean(values) => values.push(boolean(field)),
            Self::Timestamp(values) => values.push(timestamp(field).map(Timestamp::as_microsecond)),
            Self::Text(values) => values.push((!field.is_empty()).then(|| field.to_owned())),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Int64(values) => Arc::new(Int64Array::from(values)),
            Self::Float64(values) => Arc::new(Float64Array::from(values)),
            Self::Boolean(values) => Arc::new(BooleanArray::from(values)),
            Self::Timestamp(values) => {
                Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
            }
            Self::Text(values) => Arc::new(StringArray::from(values)),
        }
    }
}

fn missing(field: &str) -> bool {
    let field = field.trim();
    field.is_empty() || MISSING.contains(&field)
}

/// `0`, `-12`: what surely fits 64 bits and is no identifier.
fn is_plain_int(field: &[u8]) -> bool {
    let digits = field.strip_prefix(b"-").unwrap_or(field);
    matches!(digits.len(), 1..=18)
        && digits.iter().all(u8::is_ascii_digit)
        && (digits[0] != b'0' || digits.len() == 1)
}

/// As [`is_plain_int`], or with a point and digits behind it.
fn is_plain_number(field: &[u8]) -> bool {
    let Some(point) = field.iter().position(|&byte| byte == b'.') else {
        return is_plain_int(field);
    };
    let (whole, fraction) = (&field[..point], &field[point + 1..]);
    is_plain_int(whole) && !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit)
}

/// A day of a month's first 28, alone or with a time to the minute or second, with `T` or a blank.
fn is_plain_time(field: &[u8]) -> bool {
    let number = |at: usize| match field.get(at..at + 2) {
        Some([tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => (tens - b'0') * 10 + (ones - b'0'),
        _ => u8::MAX,
    };
    let year = field.len() >= 10 && field[..4].iter().all(u8::is_ascii_digit);
    let day = year
        && field[4] == b'-'
        && field[7] == b'-'
        && matches!(number(5), 1..=12)
        && matches!(number(8), 1..=28);
    let time = || {
        matches!(field[10], b'T' | b' ')
            && field[13] == b':'
            && number(11) < 24
            && number(14) < 60
            && (field.len() == 16
                || (field[16] == b':'
                    && number(17) < 60
                    && (field.len() == 19 || field[19] == b'Z')))
    };
    day && (field.len() == 10 || (matches!(field.len(), 16 | 19 | 20) && time()))
}

/// True for `007` and `00.5`, which are identifiers, and false for `0`, `0.5` and `-0.5`.
fn has_leading_zeros(field: &str) -> bool {
    let digits = field.trim_start_matches(['+', '-']).as_bytes();
    digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit()
}

fn int64(field: &str) -> Option<i64> {
    let field = field.trim();
    if has_leading_zeros(field) {
        None
    } else {
        field.parse().ok()
    }
}

fn float64(field: &str) -> Option<f64> {
    let field = field.trim();
    let digits = field.trim_start_matches(['+', '-']);
    let too_large_a_whole_number =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && field.parse::<i64>().is_err();
    if has_leading_zeros(field) || too_large_a_whole_number {
        None
    } else {
        field.parse().ok()
    }
}

fn boolean(field: &str) -> Option<bool> {
    match field.trim() {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn timestamp(field: &str) -> Option<Timestamp> {
    let field = field.trim();
    // `2024-…`: spares the parsers everything else.
    if field.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let with_offset = field.parse::<Timestamp>().ok();
    with_offset.or_else(|| {
        let civil: DateTime = field.parse().ok()?;
        civil
            .to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    })
}
