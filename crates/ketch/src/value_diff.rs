//! What `params diff` and `metrics diff` share.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use indexmap::IndexMap;
use ketch_project::{
    ComparedValues, PlainValue, Project, Rounding, UnchangedValues, UnreadableValues, ValueChange,
    ValueDiff, ValueDiffOptions, value_diff,
};

use serde::Serialize;

use crate::dvc_table::DvcTable;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::targets::tidy;
use crate::workspace::{from_here, open_project};

/// Which values, and how they are printed.
#[derive(Debug, Args)]
pub(crate) struct ValueDiffArgs {
    /// The older revision
    #[arg(value_name = "A", default_value = "HEAD")]
    from: String,

    /// The newer revision; `workspace` is the work tree
    #[arg(value_name = "B", default_value = "workspace")]
    to: String,

    /// Only these files and directories, whether dvc.yaml names them or not
    #[arg(long, value_name = "PATH", num_args = 0..)]
    targets: Vec<String>,

    /// Show what did not change, too
    #[arg(long)]
    all: bool,

    /// Print a table in Markdown
    #[arg(long)]
    md: bool,

    /// Leave out which file it is
    #[arg(long)]
    no_path: bool,
}

/// What differs between the two commands.
pub(crate) struct Wording {
    pub(crate) column: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) rounding: Rounding,
    pub(crate) change: ChangeColumn,
}

/// Whether there is a column for how much a number changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeColumn {
    /// With these words where there is nothing to count.
    Shown {
        otherwise: &'static str,
    },
    LeftOut,
}

/// Compares, and prints as DVC does.
pub(crate) fn compare(
    args: &ValueDiffArgs,
    what: ComparedValues,
    wording: &Wording,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let targets = from_root(&project, &args.targets, settings);
    let found = found(&project, args, what, targets, settings)?;
    tell_unreadable(&found.unreadable, wording, printer);
    printer.json(&found.files);
    let table = table(args, &found.files, wording);
    if args.md {
        printer.line(table.markdown());
    } else if !found.files.is_empty() {
        printer.line(table.plain());
    } else if found.unreadable.is_empty() {
        printer.note(format_args!("no {} differ", wording.plural));
    }
    Ok(ExitStatus::Success)
}

/// Targets as they lie below the root.
pub(crate) fn from_root(
    project: &Project,
    targets: &[String],
    settings: &Settings,
) -> Vec<Utf8PathBuf> {
    let from_root = |target: &String| {
        let here = tidy(&settings.directory.join(target));
        here.strip_prefix(project.root())
            .map_or_else(|_| here.clone(), Utf8Path::to_owned)
    };
    targets.iter().map(from_root).collect()
}

/// By file, as seen from here, and by name.
type Changes = IndexMap<String, IndexMap<String, ValueChange>>;

struct Found {
    files: Changes,
    unreadable: Vec<UnreadableValues>,
}

fn found(
    project: &Project,
    args: &ValueDiffArgs,
    what: ComparedValues,
    targets: Vec<Utf8PathBuf>,
    settings: &Settings,
) -> Result<Found, CommandError> {
    let options = ValueDiffOptions {
        from: Some(args.from.clone()),
        to: Some(args.to.clone()),
        what,
        targets,
        unchanged: if args.all {
            UnchangedValues::Included
        } else {
            UnchangedValues::LeftOut
        },
    };
    let ValueDiff { files, unreadable } = value_diff(project, &options)?;
    let files = files.into_iter().map(|(file, changes)| {
        let file = from_here(project, settings, &file);
        (file.into_string(), changes)
    });
    Ok(Found {
        files: files.collect(),
        unreadable,
    })
}

fn tell_unreadable(unreadable: &[UnreadableValues], wording: &Wording, printer: &Printer) {
    for one in unreadable {
        printer.warning(format_args!(
            "not all {} of {} are known: {}",
            wording.plural, one.revision, one.error
        ));
    }
}

fn table(args: &ValueDiffArgs, files: &Changes, wording: &Wording) -> DvcTable {
    let mut headers = vec!["Path", wording.column, &args.from, &args.to];
    if wording.change != ChangeColumn::LeftOut {
        headers.push("Change");
    }
    let first = usize::from(args.no_path);
    let mut table = DvcTable::new(headers.iter().skip(first).map(ToString::to_string));
    for (file, changes) in files {
        for (key, change) in changes {
            let shown = |value: &PlainValue| {
                let shown = value.shown(wording.rounding);
                shown.unwrap_or_else(|| "-".to_owned())
            };
            let mut row = vec![
                file.clone(),
                key.clone(),
                shown(&change.old),
                shown(&change.new),
            ];
            if let ChangeColumn::Shown { otherwise } = wording.change {
                let difference = change.difference.as_ref();
                let difference = difference.and_then(|value| value.shown(wording.rounding));
                row.push(difference.unwrap_or_else(|| otherwise.to_owned()));
            }
            table.row(row.into_iter().skip(first));
        }
    }
    table
}

/// As `dvc exp diff` has it.
const UNCOUNTED: &str = "diff not supported";

/// What `exp diff` prints.
#[derive(Serialize)]
struct Both<'a> {
    metrics: &'a Changes,
    params: &'a Changes,
}

/// Compares metrics and parameters, and prints as DVC does.
pub(crate) fn compare_both(
    args: &ValueDiffArgs,
    params: ComparedValues,
    digits: usize,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let kinds = [
        (
            ComparedValues::Metrics,
            Wording {
                column: "Metric",
                plural: "metrics",
                rounding: Rounding::Significant(digits),
                change: ChangeColumn::Shown {
                    otherwise: UNCOUNTED,
                },
            },
        ),
        (
            params,
            Wording {
                column: "Param",
                plural: "parameters",
                rounding: Rounding::All,
                change: ChangeColumn::Shown {
                    otherwise: UNCOUNTED,
                },
            },
        ),
    ];
    let mut all = Vec::new();
    for (what, wording) in &kinds {
        let found = found(&project, args, *what, Vec::new(), settings)?;
        tell_unreadable(&found.unreadable, wording, printer);
        all.push(found.files);
    }
    if let [metrics, params] = all.as_slice() {
        printer.json(&Both { metrics, params });
    }
    for (place, (files, (_, wording))) in all.iter().zip(&kinds).enumerate() {
        if place > 0 {
            printer.line("");
        }
        let table = table(args, files, wording);
        if args.md {
            printer.line(table.markdown());
        } else if !files.is_empty() {
            printer.line(table.plain());
        }
    }
    Ok(ExitStatus::Success)
}
