//! `ketch checkout`

use clap::Args;
use ketch_project::{CheckoutOptions, Overwrite, checkout};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::{data_targets, folder_of_now};
use crate::workspace::{from_here, open_project};

/// Restore data and outputs out of the cache
///
/// Makes tracked data and the outputs of stages what the `.dvc` files and `dvc.lock` record.
/// Refuses to overwrite what is saved nowhere; with `--force` it goes to `.ketch/trash` first.
#[derive(Debug, Args)]
pub(crate) struct CheckoutArgs {
    /// Data, `.dvc` files or stages [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,

    /// Overwrite also what is saved nowhere; it goes to the trash
    #[arg(short, long)]
    force: bool,

    /// Print how many were restored, not which
    #[arg(long)]
    summary: bool,

    /// Take it as success if the cache does not have everything
    #[arg(long)]
    allow_missing: bool,
}

pub(super) fn run(
    args: CheckoutArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let CheckoutArgs {
        targets,
        force,
        summary,
        allow_missing,
    } = args;
    let project = open_project(settings, printer)?;
    let options = CheckoutOptions {
        targets: data_targets(&project, settings, &targets),
        overwrite: if force {
            Overwrite::Force
        } else {
            Overwrite::Refuse
        },
        trash: Some(folder_of_now(settings)),
    };
    let progress = FileProgress::new(printer);
    let report = checkout(&project, &options, &progress)?;
    drop(progress);
    printer.json(&report);
    let modified = report.restored.len() - report.added.len();
    if summary {
        let counts = [(modified, "modified"), (report.added.len(), "added")];
        let said: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} file{} {what}", plural(count)))
            .collect();
        if said.is_empty() {
            printer.line("No changes.");
        } else {
            printer.line(said.join(" and "));
        }
    } else {
        for path in &report.restored {
            let mark = if report.added.contains(path) {
                "A"
            } else {
                "M"
            };
            let slash = if project.root().join(path).is_dir() {
                "/"
            } else {
                ""
            };
            let path = from_here(&project, settings, path);
            printer.line(format_args!("{mark}\t{path}{slash}"));
        }
    }
    if let Some(folder) = options.trash.filter(|_| !report.trashed.is_empty()) {
        printer.note(format_args!(
            "what was overwritten and saved nowhere is in .ketch/trash/{folder}"
        ));
    }
    if report.missing.is_empty() {
        return Ok(ExitStatus::Success);
    }
    for path in &report.missing {
        let path = from_here(&project, settings, path);
        printer.warning(format_args!("`{path}` is not in the cache"));
    }
    printer.hint("get it from a remote with `ketch pull`, or make it with `ketch repro`");
    Ok(if allow_missing {
        ExitStatus::Success
    } else {
        ExitStatus::Refused
    })
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
