//! `ketch gc`

use std::time::{Duration, SystemTime};

use camino::Utf8PathBuf;
use clap::Args;
use jiff::civil::Date;
use ketch_project::{
    FailedCommits, GcMode, GcObject, GcOptions, GcReport, Keep, PackGarbage, Project, Reachable, gc,
};

use crate::exit::{CommandError, ExitStatus};
use crate::personality::confirmed;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::bytes;
use crate::targets::folder_of_now;
use crate::workspace::{open_project, remote_choice};

/// Make room in the cache
///
/// Puts the objects that nothing uses which is to be kept into `.ketch/quarantine`, out of which
/// `ketch fsck --repair` brings them back; `--empty-quarantine` deletes what earlier calls put
/// there. What is to be kept has to be said; the work tree always is. Objects that other commits
/// use stay too, unless forced.
///
/// On a remote, what was written within the last `--grace` hours stays: somebody may be pushing it
/// who has not committed yet. Even so it is better to collect there when nobody pushes. A push that
/// is at work may rely on an older object which nothing used before, and lose it. A chunked remote
/// does not know when an object was written: there `--grace` spares nothing.
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
    #[arg(short, long, value_name = "DIR", num_args = 0..)]
    projects: Vec<Utf8PathBuf>,

    /// Of each branch or `--rev`, as many commits as this, not the newest alone
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    num: Option<u32>,

    /// Keep also what commits since this day use
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,

    /// Keep also what DVC's experiments use
    #[arg(long)]
    all_experiments: bool,

    /// Of what is to be kept, keep only what the remote does not have
    #[arg(long)]
    not_in_remote: bool,

    /// Collect on the remote too; only a chunked one has a quarantine, for its packs
    #[arg(short, long)]
    cloud: bool,

    /// Hours for which an object on the remote stays after it was written [default: 24; called `dvc`, 0 as there]
    #[arg(long, value_name = "HOURS")]
    grace: Option<u32>,

    /// The remote [default: `core.remote`]
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,

    /// Objects looked at at once
    #[arg(short, long, value_name = "NUMBER")]
    jobs: Option<usize>,

    /// Leave out commits whose files cannot be read: what only they use is collected
    #[arg(long)]
    skip_failed: bool,

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
    args: &GcArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    args.refuse_contradictions()?;
    let keep = args.keep()?;
    let project = open_project(settings, printer)?;
    if printer.speaks_dvc() && !args.force && !args.dry && !keep.is_empty() {
        printer.warning("what is not kept is removed from the cache");
        if !confirmed("Are you sure you want to proceed?")? {
            return Ok(ExitStatus::Refused);
        }
    }
    let remote = || remote_choice(settings, args.remote.clone(), args.jobs);
    let options = GcOptions {
        keep,
        projects: args
            .projects
            .iter()
            .map(|path| settings.directory.join(path))
            .collect(),
        // As DVC it was confirmed, or nothing is done.
        reachable: if args.force || printer.speaks_dvc() {
            Reachable::Collect
        } else {
            Reachable::Keep
        },
        mode: match (args.dry, args.empty_quarantine) {
            (true, _) => GcMode::Dry,
            (false, true) => GcMode::EmptyQuarantine,
            (false, false) => GcMode::Quarantine,
        },
        quarantine: folder_of_now(settings),
        remote: args.cloud.then(remote),
        spared_since: spared_since(args, settings, printer),
        not_what_is_on: args.not_in_remote.then(remote),
        failed: if args.skip_failed {
            FailedCommits::Skip
        } else {
            FailedCommits::Refuse
        },
    };
    let report = gc(&project, &options)?;
    for commit in &report.skipped {
        printer.warning(format_args!(
            "it cannot be told what commit {commit} uses; it was left out"
        ));
    }
    if printer.speaks_dvc() {
        tell_as_dvc(&report, &project, args, printer);
        return Ok(ExitStatus::Success);
    }
    printer.json(&report);
    if args.dry {
        for object in &report.collected {
            printer.line(format_args!("{}\t{}", bytes(object.size), object.id));
        }
    }
    let done = if args.dry {
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
    if let Some(garbage) = &report.remote {
        if args.dry {
            for object in &garbage.collected {
                printer.line(format_args!("{}\t{}", bytes(object.size), object.id));
            }
        }
        printer.line(format_args!(
            "on remote `{}`, {} objects of {} {done}, {} kept",
            garbage.remote,
            garbage.collected.len(),
            bytes(garbage.size),
            garbage.kept
        ));
        if garbage.young > 0 {
            printer.note(format_args!(
                "{} of these stay only because they were written a short while ago; see `--grace`",
                garbage.young
            ));
        }
        if let Some(packs) = &garbage.packs {
            tell_packs(packs, done, printer);
        }
    }
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

/// What became of the packs of a chunked remote.
fn tell_packs(packs: &PackGarbage, done: &str, printer: &Printer) {
    let PackGarbage {
        repacked,
        set_aside,
        deleted,
    } = packs;
    if repacked.packs > 0 {
        printer.line(format_args!(
            "{} half-used packs of {} {done}: what is used of them takes {}, {} won once they are deleted",
            repacked.packs,
            bytes(repacked.size),
            bytes(repacked.written),
            bytes(repacked.won)
        ));
    }
    if set_aside.packs > 0 {
        let (count, size) = (set_aside.packs, bytes(set_aside.size));
        printer.line(format_args!(
            "{count} packs of {size} are not used by anything"
        ));
        printer.note("the next `ketch gc --cloud --empty-quarantine` deletes them");
    }
    if deleted.packs > 0 {
        let (count, size) = (deleted.packs, bytes(deleted.size));
        printer.line(format_args!(
            "{count} packs of {size} deleted on the remote"
        ));
    }
    if let Some(marker) = &deleted.waits_for {
        printer.note(format_args!(
            "no pack was deleted, as somebody pushes: if they were killed, remove `{marker}` from the remote"
        ));
    }
}

/// Since when what is written to a remote stays.
fn spared_since(args: &GcArgs, settings: &Settings, printer: &Printer) -> Option<SystemTime> {
    let usual = if printer.speaks_dvc() { 0 } else { 24 };
    let hours = args.grace.unwrap_or(usual);
    let grace = Duration::from_hours(hours.into());
    let now = SystemTime::from(settings.clock.now());
    (hours > 0).then(|| now.checked_sub(grace).unwrap_or(SystemTime::UNIX_EPOCH))
}

impl GcArgs {
    /// What DVC refuses too.
    fn refuse_contradictions(&self) -> Result<(), CommandError> {
        if self.not_in_remote && self.cloud {
            return Err(CommandError::user(
                "`--not-in-remote` and `--cloud` exclude each other",
            ));
        }
        if self.num.is_some() && self.rev.is_empty() && !self.all_branches {
            return Err(CommandError::user(
                "`--num` cannot be used without `--rev` or `--all-branches`",
            ));
        }
        Ok(())
    }

    /// What is to be kept; an error where the day is none.
    fn keep(&self) -> Result<Vec<Keep>, CommandError> {
        let newest = |revision: &str| match self.num {
            Some(count) => Keep::Newest {
                revision: revision.to_owned(),
                count,
            },
            None => Keep::Revision(revision.to_owned()),
        };
        let flags = [
            (self.workspace, Keep::Workspace),
            (self.all_branches, Keep::Branches),
            (self.all_tags, Keep::Tags),
            (self.all_commits, Keep::Commits),
            (self.all_experiments, Keep::Experiments),
        ];
        let mut keep: Vec<Keep> = flags
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, keep)| keep)
            .collect();
        keep.extend(self.rev.iter().map(|revision| newest(revision)));
        let of_branches = self.num.filter(|_| self.all_branches);
        keep.extend(of_branches.map(Keep::NewestOfBranches));
        if let Some(text) = &self.date {
            let date: Date = text.parse().map_err(|error| {
                CommandError::user(format!("`{text}` is no day: {error}"))
                    .hint("give it as YYYY-MM-DD")
            })?;
            keep.push(Keep::Since(date.to_string()));
        }
        Ok(keep)
    }
}

fn tell_as_dvc(report: &GcReport, project: &Project, args: &GcArgs, printer: &Printer) {
    printer.warning(
        "what is not kept is removed from the cache; `ketch fsck --repair` brings it back",
    );
    let removed = |objects: usize, whence: &str, none: &str, nowhere: &str| {
        if objects == 0 {
            printer.line(format_args!("No unused {none} to remove{nowhere}."));
        } else {
            printer.line(format_args!("Removed {objects} objects{whence}."));
        }
    };
    if args.dry {
        for object in &report.collected {
            let path = project.cache().object_path(&object.id);
            printer.line(format_args!("Removing {path}"));
        }
    }
    let count = |objects: &[GcObject]| {
        let legacy = objects.iter().filter(|object| object.id.is_legacy());
        let legacy = legacy.count();
        (objects.len() - legacy, legacy)
    };
    let (new, legacy) = count(&report.collected);
    removed(new, " from repo cache", "'repo' cache", "");
    removed(legacy, " from legacy cache", "'legacy' cache", "");
    if let Some(garbage) = &report.remote {
        let (new, legacy) = count(&garbage.collected);
        for objects in [new, legacy] {
            removed(objects, " from remote", "cache", " from remote");
        }
    }
}
