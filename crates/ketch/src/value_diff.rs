//! What `params diff` and `metrics diff` share.

use camino::Utf8Path;
use clap::Args;
use indexmap::IndexMap;
use ketch_project::{
    ComparedValues, UnchangedValues, UnreadableValues, ValueChange, ValueDiff, ValueDiffOptions,
    value_diff,
};

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
    /// To which fractions are rounded, and with which goes a column for the change.
    pub(crate) digits: Option<usize>,
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
    let from_root = |target: &String| {
        let here = tidy(&settings.directory.join(target));
        here.strip_prefix(project.root())
            .map_or_else(|_| here.clone(), Utf8Path::to_owned)
    };
    let options = ValueDiffOptions {
        from: Some(args.from.clone()),
        to: Some(args.to.clone()),
        what,
        targets: args.targets.iter().map(from_root).collect(),
        unchanged: if args.all {
            UnchangedValues::Included
        } else {
            UnchangedValues::LeftOut
        },
    };
    let ValueDiff { files, unreadable } = value_diff(&project, &options)?;
    tell_unreadable(&unreadable, wording, printer);
    let files: IndexMap<String, IndexMap<String, ValueChange>> = files
        .into_iter()
        .map(|(file, changes)| {
            let file = from_here(&project, settings, &file);
            (file.into_string(), changes)
        })
        .collect();
    printer.json(&files);
    let table = table(args, &files, wording);
    if args.md {
        printer.line(table.markdown());
    } else if !files.is_empty() {
        printer.line(table.plain());
    } else if unreadable.is_empty() {
        printer.note(format_args!("no {} differ", wording.plural));
    }
    Ok(ExitStatus::Success)
}

fn tell_unreadable(unreadable: &[UnreadableValues], wording: &Wording, printer: &Printer) {
    for one in unreadable {
        printer.warning(format_args!(
            "not all {} of {} are known: {}",
            wording.plural, one.revision, one.error
        ));
    }
}

fn table(
    args: &ValueDiffArgs,
    files: &IndexMap<String, IndexMap<String, ValueChange>>,
    wording: &Wording,
) -> DvcTable {
    let mut headers = vec!["Path", wording.column, &args.from, &args.to];
    if wording.digits.is_some() {
        headers.push("Change");
    }
    let first = usize::from(args.no_path);
    let mut table = DvcTable::new(headers.iter().skip(first).map(ToString::to_string));
    for (file, changes) in files {
        for (key, change) in changes {
            let shown = |value: Option<&ketch_project::PlainValue>| {
                let shown = value.and_then(|value| value.shown(wording.digits));
                shown.unwrap_or_else(|| "-".to_owned())
            };
            let mut row = vec![
                file.clone(),
                key.clone(),
                shown(Some(&change.old)),
                shown(Some(&change.new)),
            ];
            if wording.digits.is_some() {
                row.push(shown(change.difference.as_ref()));
            }
            table.row(row.into_iter().skip(first));
        }
    }
    table
}
