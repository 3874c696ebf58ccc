//! A folder of Parquet parts with an append-only segment in front.
//!
//! Rows are first appended to `part-N.segment`, which keeps whole records through a crash, and
//! rolled into `part-N.parquet` when there are enough of them. `N` is the number of rows before
//! the part, so that names sort in the order of time. A crash between writing the Parquet file
//! and deleting its segment leaves both; the Parquet file is whole, so the segment goes.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use ketch_table::{
    Schema, SegmentReader, SegmentWriter, Table, TableError, read_parquet, write_parquet_atomically,
};

use crate::error::ServingError;

#[derive(Debug)]
pub(super) struct TableLog {
    name: &'static str,
    folder: Utf8PathBuf,
    schema: Schema,
    roll_rows: usize,
    rows_before: usize,
    segment: Option<SegmentWriter>,
    open_tables: Vec<Table>,
    open_rows: usize,
}

impl TableLog {
    /// Opens a folder, rolling what a crash left behind, and returns the rows that are there.
    pub(super) fn open(
        name: &'static str,
        folder: &Utf8Path,
        schema: &Schema,
        roll_rows: usize,
    ) -> Result<(Self, Vec<Table>), ServingError> {
        fs::create_dir_all(folder)
            .map_err(|source| ServingError::LogFolder { log: name, source })?;
        let mut log = Self {
            name,
            folder: folder.to_owned(),
            schema: schema.clone(),
            roll_rows,
            rows_before: 0,
            segment: None,
            open_tables: Vec::new(),
            open_rows: 0,
        };
        let mut tables = Vec::new();
        for part in parts(name, folder)? {
            let table = match part {
                Part::Parquet(path) => {
                    let segment = path.with_extension("segment");
                    let table = log.read(read_parquet(&path))?;
                    if segment.exists() {
                        log.remove(&segment)?;
                    }
                    table
                }
                Part::Segment(path) => {
                    let (records, _torn) = log.read(SegmentReader::recover(&path))?;
                    // Its own schema: the model may have got other features since.
                    let schema = records.first().map_or(schema, Table::schema);
                    let table = log.written(Table::concat(schema, &records))?;
                    if !table.is_empty() {
                        let parquet = path.with_extension("parquet");
                        log.written(write_parquet_atomically(&parquet, &table))?;
                    }
                    log.remove(&path)?;
                    table
                }
            };
            log.rows_before += table.num_rows();
            tables.push(table);
        }
        Ok((log, tables))
    }

    /// Appends rows. When this returns they outlive this process; when it fails none is there.
    pub(super) fn append(&mut self, table: Table) -> Result<(), ServingError> {
        if table.is_empty() {
            return Ok(());
        }
        if self.segment.is_none() {
            let path = self.part("segment");
            // One is there when the disk was full in the middle of its header.
            let opened = if path.exists() {
                SegmentWriter::resume(&path, &self.schema)
            } else {
                SegmentWriter::create(&path, &self.schema)
            };
            self.segment = Some(self.written(opened)?);
        }
        if let Some(segment) = &mut self.segment {
            segment.append(&table).map_err(|source| ServingError::Log {
                log: self.name,
                action: "written",
                source,
            })?;
        }
        self.open_rows += table.num_rows();
        self.open_tables.push(table);
        Ok(())
    }

    /// Rolls when there are enough rows. A failure loses nothing: the rows are in the segment.
    pub(super) fn roll_when_due(&mut self) -> Result<(), ServingError> {
        if self.open_rows >= self.roll_rows {
            self.roll()
        } else {
            Ok(())
        }
    }

    /// Makes everything appended so far outlive a power cut.
    pub(super) fn sync(&self) -> Result<(), ServingError> {
        self.segment
            .as_ref()
            .map_or(Ok(()), |segment| self.written(segment.sync()))
    }

    /// Turns the open segment into a Parquet part.
    pub(super) fn roll(&mut self) -> Result<(), ServingError> {
        if self.open_rows == 0 {
            return Ok(());
        }
        let table = self.written(Table::concat(&self.schema, &self.open_tables))?;
        self.written(write_parquet_atomically(&self.part("parquet"), &table))?;
        let rolled = self.part("segment");
        self.segment = None;
        self.rows_before += self.open_rows;
        self.open_rows = 0;
        self.open_tables.clear();
        self.remove(&rolled)
    }

    fn part(&self, extension: &str) -> Utf8PathBuf {
        self.folder
            .join(format!("part-{:012}.{extension}", self.rows_before))
    }

    fn remove(&self, path: &Utf8Path) -> Result<(), ServingError> {
        fs::remove_file(path).map_err(|source| ServingError::LogFolder {
            log: self.name,
            source,
        })
    }

    fn read<T>(&self, result: Result<T, TableError>) -> Result<T, ServingError> {
        result.map_err(|source| ServingError::Log {
            log: self.name,
            action: "read",
            source,
        })
    }

    fn written<T>(&self, result: Result<T, TableError>) -> Result<T, ServingError> {
        result.map_err(|source| ServingError::Log {
            log: self.name,
            action: "written",
            source,
        })
    }
}

/// The rows of a log's folder, also while another process appends to it.
pub(super) fn read_folder(
    name: &'static str,
    folder: &Utf8Path,
) -> Result<Vec<Table>, ServingError> {
    let error = |source| ServingError::Log {
        log: name,
        action: "read",
        source,
    };
    let mut tables = Vec::new();
    if !folder.exists() {
        return Ok(tables);
    }
    for part in settled_parts(name, folder)? {
        match part {
            Part::Parquet(path) => tables.push(read_parquet(&path).map_err(error)?),
            Part::Segment(path) => match SegmentReader::recover(&path) {
                Ok((records, _torn)) => tables.extend(records),
                // Rolled by its writer between the listing and now.
                Err(_) if !path.exists() => {
                    tables.push(read_parquet(&path.with_extension("parquet")).map_err(error)?);
                }
                Err(source) => return Err(error(source)),
            },
        }
    }
    Ok(tables)
}

/// Listings that may differ before the last one is taken as it is.
const LISTINGS: usize = 10;

/// The parts of a folder that a writer may be rolling: a listing made in that moment can lack both
/// files of a part, so it must be the same twice.
fn settled_parts(name: &'static str, folder: &Utf8Path) -> Result<Vec<Part>, ServingError> {
    let mut listed = parts(name, folder)?;
    for _ in 1..LISTINGS {
        let again = parts(name, folder)?;
        let same = listed
            .iter()
            .map(Part::stem)
            .eq(again.iter().map(Part::stem));
        listed = again;
        if same {
            break;
        }
    }
    Ok(listed)
}

enum Part {
    Parquet(Utf8PathBuf),
    Segment(Utf8PathBuf),
}

impl Part {
    fn stem(&self) -> Option<&str> {
        match self {
            Self::Parquet(path) | Self::Segment(path) => path.file_stem(),
        }
    }
}

fn parts(name: &'static str, folder: &Utf8Path) -> Result<Vec<Part>, ServingError> {
    let error = |source| ServingError::LogFolder { log: name, source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        // Other files in the folder are nobody's business; names of ours are ASCII.
        if let Ok(path) = Utf8PathBuf::from_path_buf(path)
            && path
                .file_name()
                .is_some_and(|file| file.starts_with("part-"))
        {
            paths.push(path);
        }
    }
    paths.sort();
    let parquet = |path: &Utf8Path| path.with_extension("parquet");
    Ok(paths
        .iter()
        .filter_map(|path| match path.extension() {
            Some("parquet") => Some(Part::Parquet(path.clone())),
            Some("segment") if !paths.contains(&parquet(path)) => Some(Part::Segment(path.clone())),
            _ => None,
        })
        .collect())
}
