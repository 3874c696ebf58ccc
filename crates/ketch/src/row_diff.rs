//! Which rows of tables differ: joins what the project finds (files that changed, and where both
//! contents are) to what compares two tables. Neither library may know the other.

use std::io::{BufWriter, Write};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_project::{ChangedFile, DiffOptions, Project, changed_files};
use ketch_store::Reporter;
use ketch_table::{DiffSide, RowDiff, RowDiffOptions, TableError, row_diff};
use serde::Serialize;

use crate::exit::CommandError;

/// Bytes of rows that are held before they go to disk.
const MEMORY_BUDGET: usize = 256 << 20;
/// What can be compared, by its ending; the same that `ketch_table` reads.
const ENDINGS: [&str; 4] = ["csv", "tsv", "parquet", "pq"];

/// How rows are compared, whichever tables they are of.
#[derive(Debug, Clone)]
pub(crate) struct RowComparison {
    pub(crate) key: Vec<String>,
    pub(crate) ignore: Vec<String>,
    pub(crate) tolerance: f64,
    /// How many changes of each table are shown.
    pub(crate) sample: usize,
    /// Where all changes go, one JSON object on a line, each with the `path` of its table.
    pub(crate) output: Option<Utf8PathBuf>,
    /// The folder for what does not fit into memory.
    pub(crate) temporary: Utf8PathBuf,
}

impl RowComparison {
    /// Of these two.
    fn of<'a>(&'a self, before: DiffSide<'a>, after: DiffSide<'a>) -> RowDiffOptions<'a> {
        RowDiffOptions {
            before,
            after,
            key: &self.key,
            ignore: &self.ignore,
            tolerance: self.tolerance,
            sample: self.sample,
            memory_budget: MEMORY_BUDGET,
            temporary: &self.temporary,
        }
    }
}

/// The tables that differ.
#[derive(Debug, Serialize)]
pub(crate) struct TablesReport {
    pub(crate) tables: Vec<TableDiff>,
    /// Tables that only the newer state has, relative to the root.
    pub(crate) added: Vec<Utf8PathBuf>,
    /// Tables that only the older state has.
    pub(crate) deleted: Vec<Utf8PathBuf>,
}

/// One table.
#[derive(Debug, Serialize)]
pub(crate) struct TableDiff {
    pub(crate) path: Utf8PathBuf,
    #[serde(flatten)]
    pub(crate) rows: RowDiff,
}

/// Compares the tables that changed between two states of a project.
pub(crate) fn of_project(
    project: &Project,
    options: &DiffOptions,
    comparison: &RowComparison,
    reporter: &dyn Reporter,
) -> Result<TablesReport, CommandError> {
    let found = changed_files(project, options, &is_table, reporter)?;
    // A target with no table in it is most likely a mistake.
    for target in &options.targets {
        let file = Utf8Path::new(target);
        let is_data = !target.contains(':') && file.extension().is_some_and(|end| end != "dvc");
        if is_data && project.root().join(file).is_file() && !is_table(file) {
            return Err(TableError::UnknownFormat { path: file.into() }.into());
        }
    }
    let tables = compare(&found.modified, comparison)?;
    Ok(TablesReport {
        tables,
        added: found.added,
        deleted: found.deleted,
    })
}

/// Compares two files, whoever keeps them.
pub(crate) fn of_files(
    old: &Utf8Path,
    new: &Utf8Path,
    directory: &Utf8Path,
    comparison: &RowComparison,
) -> Result<TablesReport, CommandError> {
    let (before, after) = (directory.join(old), directory.join(new));
    for path in [&before, &after] {
        fs_err::File::open(path)?;
    }
    let mut output = Output::create(comparison.output.as_deref())?;
    let rows = compare_one(
        new,
        DiffSide {
            path: &before,
            name: old,
        },
        DiffSide {
            path: &after,
            name: new,
        },
        comparison,
        &mut output,
    )?;
    output.finish()?;
    let path = new.to_owned();
    Ok(TablesReport {
        tables: vec![TableDiff { path, rows }],
        added: Vec::new(),
        deleted: Vec::new(),
    })
}

/// Compares two contents of one table, wherever they are.
pub(crate) fn of_one(
    name: &Utf8Path,
    before: &Utf8Path,
    after: &Utf8Path,
    comparison: &RowComparison,
) -> Result<RowDiff, TableError> {
    let [before, after] = [before, after].map(|path| DiffSide { path, name });
    row_diff(&comparison.of(before, after), None)
}

fn compare(
    files: &[ChangedFile],
    comparison: &RowComparison,
) -> Result<Vec<TableDiff>, CommandError> {
    let mut output = Output::create(comparison.output.as_deref())?;
    let mut tables = Vec::new();
    for file in files {
        let side = |place| DiffSide {
            path: place,
            name: &file.path,
        };
        let rows = compare_one(
            &file.path,
            side(&file.before.place),
            side(&file.after.place),
            comparison,
            &mut output,
        )?;
        tables.push(TableDiff {
            path: file.path.clone(),
            rows,
        });
    }
    output.finish()?;
    Ok(tables)
}

fn compare_one(
    path: &Utf8Path,
    before: DiffSide<'_>,
    after: DiffSide<'_>,
    comparison: &RowComparison,
    output: &mut Output,
) -> Result<RowDiff, CommandError> {
    fs_err::create_dir_all(&comparison.temporary)?;
    let options = comparison.of(before, after);
    let Some(file) = &mut output.file else {
        return Ok(row_diff(&options, None)?);
    };
    let name = serde_json::to_string(path).unwrap_or_default();
    let mut lines = Named {
        prefix: format!("{{\"path\":{name},"),
        file: &mut file.writer,
        at_start: true,
    };
    Ok(row_diff(&options, Some(&mut lines))?)
}

/// Whether its ending is that of a table.
pub(crate) fn is_table(path: &Utf8Path) -> bool {
    path.extension()
        .is_some_and(|end| ENDINGS.iter().any(|known| end.eq_ignore_ascii_case(known)))
}

/// The list of all changes: a file that appears when it is complete.
struct Output {
    file: Option<OutputFile>,
}

struct OutputFile {
    writer: BufWriter<fs_err::File>,
    unfinished: Utf8PathBuf,
    path: Utf8PathBuf,
}

impl Output {
    fn create(path: Option<&Utf8Path>) -> Result<Self, CommandError> {
        let Some(path) = path else {
            return Ok(Self { file: None });
        };
        let name = path.file_name().ok_or_else(|| {
            CommandError::user(format!(
                "`{path}` is no file that changes can be written to"
            ))
        })?;
        let unfinished = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let file = fs_err::File::create(&unfinished)?;
        Ok(Self {
            file: Some(OutputFile {
                writer: BufWriter::new(file),
                unfinished,
                path: path.to_owned(),
            }),
        })
    }

    fn finish(mut self) -> Result<(), CommandError> {
        if let Some(file) = &mut self.file {
            file.writer.flush()?;
            file.writer.get_ref().sync_all()?;
            fs_err::rename(&file.unfinished, &file.path)?;
        }
        Ok(())
    }
}

/// What was not finished is of no use to anybody.
impl Drop for Output {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = fs_err::remove_file(&file.unfinished);
        }
    }
}

/// Puts the name of the table into each line's object.
struct Named<'f> {
    prefix: String,
    file: &'f mut BufWriter<fs_err::File>,
    at_start: bool,
}

impl Write for Named<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for &byte in bytes {
            if self.at_start && byte == b'{' {
                self.file.write_all(self.prefix.as_bytes())?;
            } else {
                self.file.write_all(&[byte])?;
            }
            self.at_start = byte == b'\n';
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
