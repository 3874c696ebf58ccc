//! `ketch metrics show`

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use clap::Args;
use indexmap::IndexMap;
use ketch_project::{
    FileValues, PlainValue, Project, Rounding, ShowMetricsOptions, StateError, show_metrics,
};
use serde::Serialize;

use super::{DIGITS, rounded};
use crate::dvc_table::DvcTable;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::value_diff::from_root;
use crate::workspace::{from_here, open_project};

/// Print the numbers in all metrics files
///
/// Reads the outputs listed under `metrics` in each `dvc.yaml`, as they are now or at other
/// revisions. What is not in Git comes out of the cache.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of the command line are independent"
)]
pub(crate) struct ShowArgs {
    /// Only these files and directories, whether dvc.yaml names them or not
    #[arg(value_name = "PATH")]
    targets: Vec<String>,

    /// Show those of all branches, too
    #[arg(short = 'a', long)]
    all_branches: bool,

    /// Show those of all tags, too
    #[arg(short = 'T', long)]
    all_tags: bool,

    /// Show those of all commits, too
    #[arg(short = 'A', long)]
    all_commits: bool,

    /// Print a table in Markdown
    #[arg(long)]
    md: bool,

    /// Take directories among the targets for what is in them, which is done anyway
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Digits behind the point
    #[arg(long, value_name = "N", default_value_t = DIGITS)]
    precision: usize,
}

/// As DVC prints it.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Shown {
    Data(IndexMap<String, FileValues>),
    Error(StateError),
}

pub(super) fn run(
    args: ShowArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ShowArgs {
        targets,
        all_branches,
        all_tags,
        all_commits,
        md,
        recursive: _,
        precision,
    } = args;
    let project = open_project(settings, printer)?;
    let options = ShowMetricsOptions {
        targets: from_root(&project, &targets, settings),
        all_branches,
        all_tags,
        all_commits,
    };
    let shown = shown(&project, &options, settings)?;
    tell_unreadable(&shown, printer);
    printer.json(&shown);
    let table = table(&shown, options.has_revisions(), rounded(precision));
    let is_empty = |shown: &Shown| matches!(shown, Shown::Data(files) if files.is_empty());
    if shown.values().all(is_empty) {
        printer.note("there are no metrics yet");
        printer.hint("list a file under `metrics` of a stage in dvc.yaml, then `ketch repro`");
    } else if md {
        printer.line(table.markdown());
    } else {
        printer.line(table.plain());
    }
    Ok(ExitStatus::Success)
}

/// By revision and by file, as seen from here.
fn shown(
    project: &Project,
    options: &ShowMetricsOptions,
    settings: &Settings,
) -> Result<IndexMap<String, Shown>, CommandError> {
    let seen = |(file, values): (Utf8PathBuf, FileValues)| {
        let file = from_here(project, settings, &file);
        (file.into_string(), values)
    };
    let revisions = show_metrics(project, options)?.into_iter();
    let revisions = revisions.map(|revision| {
        let shown = match revision.files {
            Ok(files) => Shown::Data(files.into_iter().map(seen).collect()),
            Err(error) => Shown::Error(error),
        };
        (revision.name, shown)
    });
    Ok(revisions.collect())
}

fn tell_unreadable(shown: &IndexMap<String, Shown>, printer: &Printer) {
    for (revision, shown) in shown {
        let revision = if revision.is_empty() {
            "the work tree"
        } else {
            revision
        };
        let tell = |error: &StateError| {
            printer.warning(format_args!(
                "not all metrics of {revision} are known: {}",
                error.msg
            ));
        };
        match shown {
            Shown::Error(error) => tell(error),
            Shown::Data(files) => {
                for values in files.values() {
                    if let FileValues::Unreadable(error) = values {
                        tell(error);
                    }
                }
            }
        }
    }
}

fn table(shown: &IndexMap<String, Shown>, has_revisions: bool, rounding: Rounding) -> DvcTable {
    let mut rows = Vec::new();
    for (revision, shown) in shown {
        if let Shown::Data(files) = shown {
            let files = files.iter();
            rows.extend(files.map(|(file, values)| (revision, file, values.flattened())));
        }
    }
    let keys: BTreeSet<&String> = rows
        .iter()
        .flat_map(|(_, _, values)| values.keys())
        .collect();
    let first = usize::from(!has_revisions);
    let headers = ["Revision".to_owned(), "Path".to_owned()].into_iter();
    let headers = headers.chain(keys.iter().map(ToString::to_string));
    let mut table = DvcTable::new(headers.skip(first));
    for (revision, file, values) in &rows {
        let cell = |key: &&String| {
            let value = values.get(*key);
            let shown = value.and_then(|value: &PlainValue| value.shown(rounding));
            shown.unwrap_or_else(|| "-".to_owned())
        };
        let cells = [(*revision).clone(), (*file).clone()].into_iter();
        table.row(cells.chain(keys.iter().map(cell)).skip(first));
    }
    table
}
