//! `ketch fsck`

use clap::Args;
use ketch_project::{FsckObject, FsckOptions, Project, Repair, fsck, remote_fsck};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::table::bytes;
use crate::targets::folder_of_now;
use crate::workspace::{open_project, remote_choice};

/// Check that the cache is sound
///
/// Hashes every object again, and looks for what the work tree and the last commit need. With
/// `--repair`, damaged objects go to `.ketch/quarantine`, and what is missing is taken from an
/// intact file of the work tree or out of the quarantine. The exit code is 1 where something is
/// wrong and not repaired.
#[derive(Debug, Args)]
pub(crate) struct FsckArgs {
    /// Repair what can be repaired
    #[arg(long)]
    repair: bool,

    /// Check this remote instead of the cache: read all that it has, with the packs of a chunked
    /// one, and look for what the work tree needs
    #[arg(short, long, value_name = "NAME", conflicts_with = "repair")]
    remote: Option<String>,
}

pub(super) fn run(
    args: FsckArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let FsckArgs { repair, remote } = args;
    let project = open_project(settings, printer)?;
    if let Some(name) = remote {
        return check_remote(&project, name, settings, printer);
    }
    let options = FsckOptions {
        repair: if repair { Repair::Yes } else { Repair::No },
        quarantine: folder_of_now(settings),
    };
    let progress = FileProgress::new(printer);
    let report = fsck(&project, &options, &progress)?;
    drop(progress);
    printer.json(&report);
    for (what, objects) in [("damaged", &report.corrupt), ("missing", &report.missing)] {
        for FsckObject {
            id,
            paths,
            repaired,
        } in objects
        {
            let state = if *repaired { ", repaired" } else { "" };
            let used: Vec<&str> = paths.iter().map(|path| path.as_str()).collect();
            let used = used.join(" ");
            printer.line(format!("{id} {what}{state} {used}").trim_end());
        }
    }
    printer.line(format_args!(
        "{} objects of {}; {} damaged, {} missing, {} of {} not used by the work tree or HEAD",
        report.objects,
        bytes(report.size),
        report.corrupt.len(),
        report.missing.len(),
        report.unreferenced,
        bytes(report.unreferenced_size)
    ));
    if report.is_sound() {
        return Ok(ExitStatus::Success);
    }
    if repair {
        printer.hint("get the rest from a remote with `ketch pull`, or make it with `ketch repro`");
    } else {
        printer.hint("repair what can be repaired: `ketch fsck --repair`");
    }
    Ok(ExitStatus::Refused)
}

fn check_remote(
    project: &Project,
    name: String,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let choice = remote_choice(settings, Some(name), None);
    let progress = FileProgress::new(printer);
    let report = remote_fsck(project, &choice, &progress)?;
    drop(progress);
    printer.json(&report);
    let check = &report.check;
    if let Some(packs) = &report.packs {
        for (file, problem) in &packs.damaged {
            printer.line(format_args!("{file} damaged: {problem}"));
        }
    }
    for object in &check.damaged {
        printer.line(format_args!("{} damaged: {}", object.id, object.problem));
    }
    for id in &check.missing {
        printer.line(format_args!("{id} missing"));
    }
    for path in &report.hit {
        printer.line(format_args!("{path} cannot be pulled as it is recorded"));
    }
    printer.line(format_args!(
        "{} sound objects of {}; {} damaged, {} missing",
        check.sound,
        bytes(check.size),
        check.damaged.len(),
        check.missing.len()
    ));
    if let Some(packs) = &report.packs {
        printer.line(format_args!(
            "{} packs of {}; {} packs and indexes damaged, {} packs not used",
            packs.packs,
            bytes(packs.stored),
            packs.damaged.len(),
            packs.unused
        ));
    }
    if report.is_sound() {
        return Ok(ExitStatus::Success);
    }
    if let Some(hint) = report.hint() {
        printer.hint(&hint);
    }
    Ok(ExitStatus::Refused)
}
