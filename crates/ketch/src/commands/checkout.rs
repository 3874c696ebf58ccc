//! `ketch checkout`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{
    CheckoutOptions, CheckoutReport, MissingTargets, Overwrite, Project, Relink, checkout_linked,
};

use super::env;
use crate::exit::{CommandError, ExitStatus};
use crate::personality::summary;
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::{ReachArgs, folder_of_now};
use crate::workspace::{files_from_here, from_here, open_project};

/// Restore data and outputs out of the cache
///
/// Makes tracked data and the outputs of stages what the `.dvc` files and `dvc.lock` record.
/// Refuses to overwrite what is saved nowhere; with `--force` it goes to `.ketch/trash` first.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
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

    /// Make files anew that are linked otherwise than `cache.type` says
    #[arg(long)]
    relink: bool,

    #[command(flatten)]
    reach: ReachArgs,
}

pub(super) fn run(
    args: &CheckoutArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let options = CheckoutOptions {
        targets: args.reach.resolve(&project, settings, &args.targets)?,
        overwrite: if args.force {
            Overwrite::Force
        } else {
            Overwrite::Refuse
        },
        missing: if args.allow_missing {
            MissingTargets::Reported
        } else {
            MissingTargets::Refused
        },
        trash: Some(folder_of_now(settings)),
    };
    let links = if args.relink {
        Relink::Anew
    } else {
        Relink::Keep
    };
    let progress = FileProgress::new(printer);
    let report = checkout_linked(&project, &options, links, &progress)?;
    drop(progress);
    if printer.speaks_dvc() {
        return Ok(as_dvc(&report, &project, settings, printer, args));
    }
    printer.json(&report);
    let modified = report.restored.len() - report.added.len();
    if args.summary {
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
    env::warn_of_results(&project, settings, printer);
    if report.missing.is_empty() {
        return Ok(ExitStatus::Success);
    }
    warn_of_missing(&project, settings, printer, &report.missing);
    Ok(if args.allow_missing {
        ExitStatus::Success
    } else {
        ExitStatus::Refused
    })
}

/// Says which data is recorded and not in the cache.
pub(super) fn warn_of_missing(
    project: &Project,
    settings: &Settings,
    printer: &Printer,
    missing: &[Utf8PathBuf],
) {
    for path in missing {
        let path = from_here(project, settings, path);
        printer.warning(format_args!("`{path}` is not in the cache"));
    }
    printer.hint("get it from a remote with `ketch pull`, or make it with `ketch repro`");
}

/// DVC counts files of directories where we count outputs; the marks are the same.
fn as_dvc(
    report: &CheckoutReport,
    project: &Project,
    settings: &Settings,
    printer: &Printer,
    args: &CheckoutArgs,
) -> ExitStatus {
    if args.summary {
        let modified = report.restored.len() - report.added.len();
        let counts = [(modified, "modified"), (report.added_files, "added")];
        printer.line(summary(&counts).unwrap_or_else(|| "No changes.".to_owned()));
    } else {
        print_changes(report, project, settings, printer);
    }
    if !report.missing.is_empty() && !args.allow_missing {
        printer.failure(format_args!(
            "these are not in the cache, get them with `dvc pull`:\n{}",
            files_from_here(project, settings, &report.missing).join("\n")
        ));
        return ExitStatus::Failure;
    }
    if args.relink {
        printer.line("Relinked successfully");
    }
    ExitStatus::Success
}

/// One line for each output that changed, as DVC has them.
pub(super) fn print_changes(
    report: &CheckoutReport,
    project: &Project,
    settings: &Settings,
    printer: &Printer,
) {
    let shown = |path: &Utf8PathBuf| {
        let slash = if project.root().join(path).is_dir() {
            "/"
        } else {
            ""
        };
        format!("{}{slash}", from_here(project, settings, path))
    };
    let (added, modified): (Vec<_>, Vec<_>) = report
        .restored
        .iter()
        .partition(|path| report.added.contains(path));
    for (mark, paths) in [("M", modified), ("A", added)] {
        for path in paths {
            printer.line(format_args!("{mark}       {}", shown(path)));
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
