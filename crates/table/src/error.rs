//! Everything that can go wrong with a table.

use camino::Utf8PathBuf;

use crate::ColumnKind;

/// What went wrong, where. What to do about it is [`TableError::hint`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file system refused. The source names the path.
    #[error("cannot use the file `{path}`")]
    Io {
        path: Utf8PathBuf,
        source: std::io::Error,
    },
    #[error("cannot tell the format of `{path}` from its name")]
    UnknownFormat { path: Utf8PathBuf },
    #[error("`{path}` is empty: not even a header line")]
    CsvEmpty { path: Utf8PathBuf },
    /// `line` is the line the record starts on, counted from 1.
    #[error("{path}:{line}: {found} fields where the header has {expected}")]
    CsvRagged {
        path: Utf8PathBuf,
        line: u64,
        expected: usize,
        found: usize,
    },
    /// `line` and `column` are counted from 1.
    #[error("{path}:{line}: field {column} is not UTF-8")]
    CsvNotUtf8 {
        path: Utf8PathBuf,
        line: u64,
        column: usize,
    },
    #[error("{path}:{line}: the header's field {column} has no name")]
    CsvUnnamedColumn {
        path: Utf8PathBuf,
        line: u64,
        column: usize,
    },
    #[error("{path}:{line}: a quoted field starts in this record and never ends")]
    CsvOpenQuote { path: Utf8PathBuf, line: u64 },
    #[error("{path}:{line}: the record that starts here is longer than {limit} bytes")]
    CsvRecordTooLong {
        path: Utf8PathBuf,
        line: u64,
        limit: usize,
    },
    #[error("`{path}` cannot be read as CSV")]
    Csv {
        path: Utf8PathBuf,
        source: ::csv::Error,
    },
    #[error("`{path}` cannot be read as Parquet")]
    Parquet {
        path: Utf8PathBuf,
        source: ::parquet::errors::ParquetError,
    },
    /// The decoder gave up in a way it does not describe: the file is damaged.
    #[error("`{path}` is a damaged Parquet file")]
    ParquetDamaged { path: Utf8PathBuf },
    #[error("`{path}` cannot be written as Parquet")]
    ParquetWrite {
        path: Utf8PathBuf,
        source: ::parquet::errors::ParquetError,
    },
    /// A column of lists, structures, bytes and the like.
    #[error("column `{column}` has the type {found}, which is not a number, text, boolean or time")]
    UnsupportedType { column: String, found: String },
    #[error("column `{column}`, row {row}: the value does not fit the kind {kind}")]
    OutOfRange {
        column: String,
        row: usize,
        kind: ColumnKind,
    },
    #[error("there is no column `{column}`")]
    NoSuchColumn {
        column: String,
        available: Vec<String>,
    },
    #[error("column `{column}` holds {found} values, not {expected}")]
    WrongKind {
        column: String,
        expected: ColumnKind,
        found: ColumnKind,
    },
    #[error("two columns have the name `{column}`")]
    DuplicateColumn { column: String },
    #[error("column `{column}` has {found} rows where the columns before it have {expected}")]
    UnevenColumns {
        column: String,
        expected: usize,
        found: usize,
    },
    #[error("rows {offset}..{end} were asked of a table of {rows} rows")]
    RowsOutOfRange {
        offset: usize,
        end: usize,
        rows: usize,
    },
    #[error("the columns differ: expected {expected}; found {found}")]
    SchemaMismatch { expected: String, found: String },
    #[error("`{path}` is not a segment file")]
    NotASegment { path: Utf8PathBuf },
    #[error("a record of {bytes} bytes is larger than a segment takes ({limit} bytes)")]
    RecordTooLarge { bytes: usize, limit: usize },
    #[error("the segment `{path}` took no more records after a write failed")]
    SegmentBroken { path: Utf8PathBuf },
    #[error("`{path}` has no column `{column}`, which the rows are matched by")]
    NoKeyColumn {
        path: Utf8PathBuf,
        column: String,
        available: Vec<String>,
    },
    #[error("column `{column}` is both a key and ignored")]
    KeyIgnored { column: String },
    #[error("`{before}` and `{after}` have no column in common")]
    NothingInCommon {
        before: Utf8PathBuf,
        after: Utf8PathBuf,
    },
    #[error("the tolerance {tolerance} is not a number from 0 up")]
    BadTolerance { tolerance: f64 },
    /// What takes the list of changes refused it.
    #[error("cannot write the list of changed rows")]
    WriteChanges { source: std::io::Error },
    /// Arrow refused something this crate believed to be right.
    #[error("cannot convert the columns")]
    Convert { source: arrow::error::ArrowError },
}

impl TableError {
    /// What the reader of the message can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownFormat { .. } => Some("name it .csv, .tsv or .parquet".to_owned()),
            Self::CsvEmpty { .. } | Self::CsvUnnamedColumn { .. } => {
                Some("the first line must name every column".to_owned())
            }
            Self::CsvRagged { .. } => {
                Some("quote fields that hold the delimiter, or cut the line".to_owned())
            }
            Self::CsvNotUtf8 { .. } => Some("convert the file to UTF-8".to_owned()),
            Self::CsvOpenQuote { .. } | Self::CsvRecordTooLong { .. } => {
                Some("close the quote, or double it inside a field".to_owned())
            }
            Self::Parquet { .. } | Self::ParquetDamaged { .. } => Some(
                "the file may be cut short or of another format: fetch or write it again"
                    .to_owned(),
            ),
            Self::UnsupportedType { .. } => {
                Some("read only the columns you need, or convert this one before".to_owned())
            }
            Self::NoSuchColumn { available, .. } | Self::NoKeyColumn { available, .. } => {
                Some(format!("the columns are: {}", available.join(", ")))
            }
            Self::RecordTooLarge { .. } => Some("append fewer rows at a time".to_owned()),
            Self::SegmentBroken { .. } => {
                Some("start a new segment; what was written stays readable".to_owned())
            }
            _ => None,
        }
    }
}

impl From<arrow::error::ArrowError> for TableError {
    fn from(source: arrow::error::ArrowError) -> Self {
        Self::Convert { source }
    }
}
