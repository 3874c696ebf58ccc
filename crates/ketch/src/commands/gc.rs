//! `ketch gc`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{GcMode, GcOptions, Keep, Reachable, gc};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::bytes;
use crate::targets::folder_of_now;
use crate::workspace::open_project;

/// Make room in the cache
///
/// Puts the objects that nothing uses which is to be kept into `.ketch/quarantine`, out of which
/// `ketch fsck --repair` brings them back; `--empty-quarantine` deletes what earlier calls put
/// there. What is to be kept has to be said; the work tree always is. Objects that other commits
/// use stay too, unless forced.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct GcArgs {
    /// Keep what the work tree uses
    #[arg(short, long)]
    workspace: bool,

    /// Keep also what the newest commit of each branch uses
    #[arg(short = 'a', long)]
    all_branches: bool,

    /// Keep also what each tag uses
    #[arg(short = 'T', long)]
    all_tags: bool,

    /// Keep also what any commit uses
    #[arg(short = 'A', long)]
    all_commits: bool,

    /// Keep also what this revision uses
    #[arg(long, value_name = "REVISION")]
    rev: Vec<String>,

    /// Keep by the same rules what other projects use that share the cache
    #[arg(short, long, value_name = "DIR", num_args = 1..)]
    projects: Vec<Utf8PathBuf>,

    /// Collect also what commits use that were not named
    #[arg(short, long)]
    force: bool,

    /// Only show what would be collected
    #[arg(long)]
    dry: bool,

    /// Delete what earlier calls put into the quarantine
    #[arg(long, conflicts_with = "dry")]
    empty_quarantine: bool,
}

pub(super) fn run(
    args: GcArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let GcArgs {
        workspace,
        all_branches,
        all_tags,
        all_commits,
        rev,
        projects,
        force,
        dry,
        empty_quarantine,
    } = args;
    let project = open_project(settings, printer)?;
    let flags = [
        (workspace, Keep::Workspace),
        (all_branches, Keep::Branches),
        (all_tags, Keep::Tags),
        (all_commits, Keep::Commits),
    ];
    let named = flags.into_iter().filter(|(set, _)| *set);
    let options = GcOptions {
        keep: named
            .map(|(_, keep)| keep)
            .chain(rev.into_iter().map(Keep::Revision))
            .collect(),
        projects: projects
            .iter()
            .map(|path| settings.directory.join(path))
            .collect(),
        reachable: if force {
            Reachable::Collect
        } else {
            Reachable::Keep
        },
        mode: match (dry, empty_quarantine) {
            (true, _) => GcMode::Dry,
            (false, true) => GcMode::EmptyQuarantine,
            (false, false) => GcMode::Quarantine,
        },
        quarantine: folder_of_now(settings),
    };
    let report = gc(&project, &options)?;
    printer.json(&report);
    if dry {
        for object in &report.collected {
            printer.line(format_args!("{}\t{}", bytes(object.size), object.id));
        }
    }
    let done = if dry {
        "would be collected"
    } else {
        "collected"
    };
    printer.line(format_args!(
        "{} objects of {} {done}, {} kept",
        report.collected.len(),
        bytes(report.size),
        report.kept + report.reachable.len() as u64
    ));
    if report.deleted > 0 {
        let size = bytes(report.deleted);
        printer.line(format_args!("{size} deleted out of the quarantine"));
    }
    if !report.reachable.is_empty() {
        let size = report.reachable.iter().map(|object| object.size).sum();
        printer.note(format_args!(
            "{} objects of {} stay because commits use them that were not named",
            report.reachable.len(),
            bytes(size)
        ));
    }
    if let Some(folder) = &report.quarantine {
        printer.note(format_args!("they are in {folder}"));
    }
    Ok(ExitStatus::Success)
}
