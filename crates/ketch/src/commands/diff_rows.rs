//! `ketch diff --rows`

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{DiffOptions, Project};
use ketch_table::{Cell, PerSide, RowChange, RowDiff, RowValues};
use owo_colors::OwoColorize as _;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::row_diff::{RowComparison, TableDiff, TablesReport, of_files, of_project};
use crate::settings::Settings;
use crate::table::TextTable;
use crate::targets::data_targets;
use crate::workspace::open_project;

/// The longest piece of a cell or a row that is shown, in characters.
const SHOWN: usize = 60;

/// How to compare rows.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rows")]
pub(crate) struct RowArgs {
    /// Show which rows and cells of CSV and Parquet files differ
    #[arg(long)]
    rows: bool,

    /// Compare the two files A and B, whoever keeps them
    #[arg(
        long,
        requires = "rows",
        requires = "from",
        requires = "to",
        conflicts_with = "targets"
    )]
    no_index: bool,

    /// Columns that say which row is which [default: the whole row]
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', requires = "rows")]
    key: Vec<String>,

    /// Columns to leave out
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', requires = "rows")]
    ignore: Vec<String>,

    /// Take numbers that differ by no more as the same
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, requires = "rows")]
    tolerance: f64,

    /// Rows shown of each table
    #[arg(long, value_name = "NUMBER", default_value_t = 10, requires = "rows")]
    limit: usize,

    /// Write every changed row to this file, as lines of JSON
    #[arg(long, value_name = "FILE", requires = "rows")]
    output: Option<Utf8PathBuf>,
}

impl RowArgs {
    pub(super) fn wanted(&self) -> bool {
        self.rows
    }
}

pub(super) fn run(
    args: RowArgs,
    options: DiffOptions,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let comparison = RowComparison {
        key: args.key,
        ignore: args.ignore,
        tolerance: args.tolerance,
        sample: args.limit,
        output: args.output.map(|path| settings.directory.join(path)),
        temporary: settings.cache.join("row-diff"),
    };
    let files = two_files(&options, args.no_index, settings)?;
    let report = if let Some((old, new)) = &files {
        of_files(old, new, &settings.directory, &comparison)?
    } else {
        let project = open_project(settings, printer)?;
        let options = DiffOptions {
            targets: data_targets(&project, settings, &options.targets),
            ..options
        };
        let progress = FileProgress::new(printer);
        of_project(&project, &options, &comparison, &progress)?
    };
    printer.json(&report);
    print(printer, &report);
    advise(printer, &report, &comparison);
    let differs = report.tables.iter().any(|table| !table.rows.is_same());
    Ok(if files.is_some() && differs {
        // As `git diff --no-index` tells it.
        ExitStatus::Refused
    } else {
        ExitStatus::Success
    })
}

/// The two files, where files are meant: when that is said, and, as in Git, outside of a project
/// or where neither name is a revision and both are files.
fn two_files(
    options: &DiffOptions,
    no_index: bool,
    settings: &Settings,
) -> Result<Option<(Utf8PathBuf, Utf8PathBuf)>, CommandError> {
    let (Some(old), Some(new)) = (&options.from, &options.to) else {
        return Ok(None);
    };
    let files = || Some((Utf8PathBuf::from(old), Utf8PathBuf::from(new)));
    if no_index {
        return Ok(files());
    }
    let are_files = [old, new]
        .into_iter()
        .all(|name| settings.directory.join(name).is_file());
    if !are_files || !options.targets.is_empty() {
        return Ok(None);
    }
    let Ok(project) = Project::discover(&settings.directory) else {
        return Ok(files());
    };
    for name in [old, new] {
        if project.git().resolve(name).is_ok() {
            return Err(CommandError::user(format!(
                "`{name}` is both a file and a revision"
            ))
            .hint("say `--no-index` if the files are meant, or write out the revision: `refs/heads/…`"));
        }
    }
    Ok(files())
}

fn print(printer: &Printer, report: &TablesReport) {
    let mut first = true;
    for table in &report.tables {
        if !std::mem::take(&mut first) {
            printer.line("");
        }
        print_table(printer, table);
    }
    let others = !report.added.is_empty() || !report.deleted.is_empty();
    if !first && others {
        printer.line("");
    }
    for (what, paths) in [("added", &report.added), ("deleted", &report.deleted)] {
        for path in paths {
            printer.line(format_args!("{} {what}", path.bold()));
        }
    }
    if report.tables.is_empty() && !others {
        printer.line("No table has changed.");
    }
}

fn print_table(printer: &Printer, table: &TableDiff) {
    let rows = &table.rows;
    printer.line(format_args!("{}", table.path.bold()));
    printer.line(format_args!(
        "  rows     {} -> {}: {} added, {} removed, {} changed, {} unchanged",
        rows.rows.before, rows.rows.after, rows.added, rows.removed, rows.changed, rows.unchanged
    ));
    if !rows.key.is_empty() {
        printer.line(format_args!("  key      {}", names(&rows.key)));
    }
    let columns = columns(rows);
    if !columns.is_empty() {
        printer.line(format_args!("  columns  {columns}"));
    }
    if !rows.changed_cells.is_empty() {
        let cells: Vec<String> = rows
            .changed_cells
            .iter()
            .map(|(column, count)| format!("{} {count}", plain(column)))
            .collect();
        printer.line(format_args!("  cells    {}", cells.join(", ")));
    }
    if rows.sample.is_empty() {
        return;
    }
    let mut shown = TextTable::new(["change", "row", "cells"]);
    for change in &rows.sample {
        shown.row(line(change, &rows.key));
    }
    printer.line("");
    printer.line(&shown);
    let more = (rows.added + rows.removed + rows.changed) - rows.sample.len() as u64;
    if more > 0 {
        printer.line(format_args!("... and {more} more"));
    }
}

/// `+ new (int64), - old (text), kind: int64 -> text`
fn columns(rows: &RowDiff) -> String {
    let added = rows.columns_added.iter().map(|column| ("+", column));
    let removed = rows.columns_removed.iter().map(|column| ("-", column));
    let mut shown: Vec<String> = added
        .chain(removed)
        .map(|(sign, column)| format!("{sign} {} ({})", plain(&column.name), column.kind))
        .collect();
    for column in &rows.columns_retyped {
        let name = plain(&column.column);
        shown.push(format!("{name}: {} -> {}", column.before, column.after));
    }
    shown.join(", ")
}

fn line(change: &RowChange, key: &[String]) -> [String; 3] {
    match change {
        RowChange::Added { row } => whole("added", row, key),
        RowChange::Removed { row } => whole("removed", row, key),
        RowChange::Changed { key, cells } => {
            let cells: Vec<String> = cells
                .iter()
                .map(|cell| {
                    let (before, after) = (value(&cell.before), value(&cell.after));
                    format!("{}: {before} -> {after}", plain(&cell.column))
                })
                .collect();
            [
                "changed".to_owned(),
                fields(key, |_| true),
                cells.join(", "),
            ]
        }
    }
}

/// A row that only one file has: its key, and the rest of it.
fn whole(what: &str, row: &RowValues, key: &[String]) -> [String; 3] {
    let is_key = |column: &str| key.is_empty() || key.iter().any(|name| name == column);
    [
        what.to_owned(),
        fields(row, is_key),
        fields(row, |column| !is_key(column)),
    ]
}

/// `id=3, name=x`, cut where it gets long.
fn fields(row: &RowValues, wanted: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    for (column, cell) in row.0.iter().filter(|(column, _)| wanted(column)) {
        if text.chars().count() > SHOWN {
            text.push_str(", …");
            break;
        }
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{}={}", plain(column), value(cell));
    }
    text
}

fn value(cell: &Cell) -> String {
    match cell {
        Cell::Null => "(missing)".to_owned(),
        Cell::Text(text) if text.is_empty() => "''".to_owned(),
        cell => plain(&cell.to_string()),
    }
}

/// On one line, with nothing in it that a terminal would obey, and not too long.
fn plain(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn names(columns: &[String]) -> String {
    let shown: Vec<String> = columns.iter().map(|column| plain(column)).collect();
    shown.join(", ")
}

/// What would make the answer better.
fn advise(printer: &Printer, report: &TablesReport, comparison: &RowComparison) {
    for TableDiff { path, rows } in &report.tables {
        let told = |count: PerSide| count.before + count.after > 0;
        if !comparison.key.is_empty() && told(rows.duplicate_keys) {
            printer.warning(format_args!(
                "`{path}`: {} keys before and {} after are those of several rows, of which none is shown as changed: add a column to `--key {}`",
                rows.duplicate_keys.before,
                rows.duplicate_keys.after,
                comparison.key.join(",")
            ));
        }
        if !comparison.key.is_empty() && told(rows.null_keys) {
            printer.warning(format_args!(
                "`{path}`: {} rows before and {} after have no value in the key",
                rows.null_keys.before, rows.null_keys.after
            ));
        }
    }
    let would_help = |table: &TableDiff| table.rows.added > 0 && table.rows.removed > 0;
    if comparison.key.is_empty() && report.tables.iter().any(would_help) {
        printer.hint(
            "name the columns that say which row is which to see changed cells: `--key COLUMN[,COLUMN]`",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_stays_on_its_line() {
        assert_eq!(plain("a\nb\u{1b}[31m"), "a\\nb\\u{1b}[31m");
        assert_eq!(plain(&"x".repeat(61)).chars().count(), 61);
        assert_eq!(value(&Cell::Text(String::new())), "''");
    }
}
