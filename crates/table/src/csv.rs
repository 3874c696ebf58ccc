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
        let raw = self
            .text
            .get(start..)
            .unwrap_or_default()
            .trim_ascii_start();
        let odd_quotes = raw.split(|&byte| byte == b'"').count() % 2 == 0;
        let opens = raw.first() == Some(&b'"')
            || raw
                .windows(2)
                .any(|pair| pair[1] == b'"' && matches!(pair[0], b',' | b'\t'));
        odd_quotes && opens
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

fn line(record: &ByteRecord) -> u64 {
    record.position().map_or(0, ::csv::Position::line)
}

/// What a column may still be, given the values seen so far.
#[derive(Debug, Clone)]
struct Guess {
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
    fn narrow(&mut self, field: &str) {
        if missing(field) {
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

    fn kind(&self) -> ColumnKind {
        match self.candidates.first() {
            _ if !self.any => ColumnKind::Float64,
            Some(&kind) => kind,
            None => ColumnKind::Text,
        }
    }
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
