//! `ketch diff`

use clap::Args;
use ketch_project::{DiffOptions, DiffReport, ProjectError, diff};
use owo_colors::OwoColorize as _;
use serde_json::{Value, json};

use super::diff_rows::{self, RowArgs};
use crate::dvc_table::DvcTable;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::data_targets;
use crate::workspace::{open_project, remote_choice};

/// Show what differs in the data between two revisions
///
/// Compares what two commits record, or a commit and the work tree, file by file. Paths are those
/// below the root; directories end with a slash. Changes nothing and waits for nobody.
///
/// With `--rows`, tables are compared row by row instead: those that are tracked, or two files.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The older revision [default: HEAD]
    #[arg(value_name = "A")]
    from: Option<String>,

    /// The newer revision [default: the work tree]
    #[arg(value_name = "B")]
    to: Option<String>,

    /// Only these: data, what is in it, `.dvc` files or stages
    #[arg(long, value_name = "TARGET", num_args = 1..)]
    targets: Vec<String>,

    /// Print a table in Markdown
    #[arg(long, conflicts_with = "rows")]
    md: bool,

    /// Print the hashes too
    #[arg(long, conflicts_with = "rows")]
    show_hash: bool,

    /// Do not say what the cache does not have
    #[arg(long)]
    hide_missing: bool,

    #[command(flatten)]
    rows: RowArgs,
}

/// One line of the report.
struct Line {
    state: &'static str,
    path: String,
    hash: String,
}

pub(super) fn run(
    args: DiffArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let DiffArgs {
        from,
        to,
        targets,
        md,
        show_hash,
        hide_missing,
        rows,
    } = args;
    if rows.wanted() {
        let options = DiffOptions {
            from,
            to,
            targets,
            manifests: Some(remote_choice(settings, None, None)),
        };
        return diff_rows::run(rows, options, settings, printer);
    }
    let project = open_project(settings, printer)?;
    let options = DiffOptions {
        from,
        to,
        targets: data_targets(&project, settings, &targets),
        manifests: Some(remote_choice(settings, None, None)),
    };
    let progress = FileProgress::new(printer);
    let mut report = diff(&project, &options, &progress).map_err(|error| {
        let unknown = matches!(error, ProjectError::UnknownTarget { .. });
        let error = CommandError::from(error);
        if unknown {
            error.of_any_command()
        } else {
            error
        }
    })?;
    drop(progress);
    let something = !report.is_empty();
    let hide_missing = hide_missing || options.to.is_some();
    if hide_missing {
        report.not_in_cache.clear();
    }
    printer.json(&as_json(&report, something, hide_missing, show_hash)?);
    let lines = lines(&report);
    if md {
        print_markdown(printer, &lines, show_hash);
    } else {
        print_text(printer, &lines, show_hash);
    }
    Ok(ExitStatus::Success)
}

/// As DVC has it: an empty object where nothing differs, hashes only if asked for.
fn as_json(
    report: &DiffReport,
    something: bool,
    hide_missing: bool,
    show_hash: bool,
) -> Result<Value, CommandError> {
    if !something {
        return Ok(json!({}));
    }
    let mut value = serde_json::to_value(report)
        .map_err(|error| CommandError::system(format!("cannot print the report: {error}")))?;
    if let Some(lists) = value.as_object_mut() {
        if hide_missing {
            lists.shift_remove("not in cache");
        }
        if !show_hash {
            for entry in lists.values_mut().filter_map(Value::as_array_mut).flatten() {
                if let Some(entry) = entry.as_object_mut() {
                    entry.shift_remove("hash");
                }
            }
        }
    }
    Ok(value)
}

fn lines(report: &DiffReport) -> Vec<Line> {
    let short = |hash: &ketch_dvc::ObjectId| hash.hex().chars().take(8).collect::<String>();
    let plain = |state, entries: &[ketch_project::DataPath]| {
        entries
            .iter()
            .map(|entry| Line {
                state,
                path: entry.path.clone(),
                hash: short(&entry.hash),
            })
            .collect::<Vec<_>>()
    };
    let mut lines = plain("added", &report.added);
    lines.extend(plain("deleted", &report.deleted));
    lines.extend(report.renamed.iter().map(|entry| Line {
        state: "renamed",
        path: format!("{} -> {}", entry.path.old, entry.path.new),
        hash: short(&entry.hash),
    }));
    lines.extend(report.modified.iter().map(|entry| Line {
        state: "modified",
        path: entry.path.clone(),
        hash: format!("{}..{}", short(&entry.hash.old), short(&entry.hash.new)),
    }));
    lines.extend(plain("not in cache", &report.not_in_cache));
    lines
}

fn print_text(printer: &Printer, lines: &[Line], show_hash: bool) {
    let mut summary = Vec::new();
    for group in lines.chunk_by(|left, right| left.state == right.state) {
        let Some(Line { state, .. }) = group.first() else {
            continue;
        };
        let mut heading = (*state).to_owned();
        if let Some(first) = heading.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        printer.line(format_args!("{}:", heading.bold()));
        for line in group {
            if show_hash {
                printer.line(format_args!("    {}  {}", line.hash, line.path));
            } else {
                printer.line(format_args!("    {}", line.path));
            }
        }
        printer.line("");
        let files = group
            .iter()
            .filter(|line| !line.path.ends_with('/'))
            .count();
        if files > 0 {
            summary.push(format!("{files} {state}"));
        }
    }
    if !summary.is_empty() {
        printer.line(format_args!("files summary: {}", summary.join(", ")));
    }
}

fn print_markdown(printer: &Printer, lines: &[Line], show_hash: bool) {
    let cells = |state: &str, hash: &str, path: &str| {
        let hash = show_hash.then_some(hash);
        let cells = [Some(state), hash, Some(path)].into_iter().flatten();
        cells.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut table = DvcTable::new(cells("Status", "Hash", "Path"));
    for line in lines {
        table.row(cells(
            line.state,
            &line.hash,
            &line.path.replace('|', "\\|"),
        ));
    }
    printer.line(table.markdown());
}
