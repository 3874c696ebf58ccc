//! `ketch add`

use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use ketch_project::{
    AddDestination, AddFromOptions, AddOptions, AddReport, AddedContent, Project, add_as, add_from,
    matches_pattern,
};

use super::elsewhere::{tell_trash, transfer};
use super::import::existing;
use crate::exit::{CommandError, ExitStatus};
use crate::personality::tell_to_track;
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::table::{TextTable, bytes};
use crate::targets::folder_of_now;
use crate::workspace::{files_from_here, from_here, hint_to_record, open_project};

/// Track data files and directories
///
/// Puts each into the cache, keeps it out of Git, and records its hash in a small `.dvc` file that
/// belongs into Git. The data itself stays where it is. Adding data again records what it is now.
///
/// With `--out`, tracks a copy of data from outside of the project, or from a URL (those of every
/// kind of remote, and `remote://NAME/PATH`). With `--to-remote`, sends data straight to a remote
/// and keeps nothing of it here.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct AddArgs {
    /// Files and directories to track; with `--out` or `--to-remote` one, or a URL
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<Utf8PathBuf>,

    /// Take paths as patterns: `*`, `?`, `[a-z]`, and `**` across directories
    #[arg(long)]
    glob: bool,

    /// Record the hash only; `ketch commit` puts the data into the cache
    #[arg(long, conflicts_with = "no_relink")]
    no_commit: bool,

    /// Leave the data as it is, whatever `cache.type` says
    #[arg(long)]
    no_relink: bool,

    /// Track a copy of it there: a name, or a directory that it goes into
    #[arg(short, long, value_name = "PATH")]
    out: Option<Utf8PathBuf>,

    /// Send it to a remote, and keep nothing here
    #[arg(long)]
    to_remote: bool,

    /// Remote to send it to [default: `core.remote`]
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,

    /// Objects sent at once
    #[arg(long, value_name = "NUMBER")]
    remote_jobs: Option<usize>,

    /// Replace what is at `--out`; what is saved nowhere goes to the trash (nothing else has to be forced)
    #[arg(short, long)]
    force: bool,
}

pub(super) fn run(
    args: AddArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    args.refuse_contradictions()?;
    let project = open_project(settings, printer)?;
    if args.to_remote || args.out.is_some() {
        return run_from(args, &project, settings, printer);
    }
    let AddArgs {
        mut paths,
        glob,
        no_commit,
        no_relink,
        ..
    } = args;
    if glob {
        paths = found_by(&paths, &settings.directory)?;
    }
    let mut targets = Vec::new();
    for path in &paths {
        let target = settings.directory.join(path);
        if target
            .symlink_metadata()
            .is_err_and(|error| error.kind() == ErrorKind::NotFound)
        {
            return Err(CommandError::user(format!("`{path}` does not exist")));
        }
        targets.push(target);
    }
    let options = AddOptions { targets };
    let what = match (no_commit, no_relink) {
        (true, _) => AddedContent::Recorded,
        (false, true) => AddedContent::Copied,
        (false, false) => AddedContent::Linked,
    };
    let progress = FileProgress::new(printer);
    let report = add_as(&project, &options, what, &progress)?;
    drop(progress);
    printer.json(&report);
    tell(&report, &project, settings, printer);
    Ok(ExitStatus::Success)
}

/// Tracks data under another name, or on a remote alone.
fn run_from(
    args: AddArgs,
    project: &Project,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let mut transfer = transfer(settings, args.remote_jobs);
    transfer.name = args.remote;
    let options = AddFromOptions {
        source: args
            .paths
            .into_iter()
            .next()
            .unwrap_or_default()
            .into_string(),
        out: args.out,
        directory: settings.directory.clone(),
        existing: existing(args.force),
        to: if args.to_remote {
            AddDestination::Remote
        } else {
            AddDestination::Workspace
        },
        transfer,
        trash: folder_of_now(settings),
    };
    let progress = FileProgress::new(printer);
    let report = add_from(project, &options, &progress)?;
    drop(progress);
    printer.json(&report);
    tell(&report.added, project, settings, printer);
    tell_trash(printer, &report.trashed, &options.trash);
    Ok(ExitStatus::Success)
}

/// Says what is tracked now, and what belongs into Git.
fn tell(report: &AddReport, project: &Project, settings: &Settings, printer: &Printer) {
    let files = files_from_here(project, settings, &report.changed_files);
    if printer.speaks_dvc() {
        if !project.autostage() {
            tell_to_track(printer, project, &files);
        }
        return;
    }
    let mut table = TextTable::new(["path", "files", "size", "hash"]);
    for data in &report.data {
        table.row([
            from_here(project, settings, &data.path).to_string(),
            data.files.unwrap_or(1).to_string(),
            bytes(data.size),
            data.id.to_string(),
        ]);
    }
    printer.line(table);
    if !files.is_empty() {
        hint_to_record(
            printer,
            project,
            format_args!("git add {}", files.join(" ")),
        );
    }
}

impl AddArgs {
    /// What DVC refuses too, and with an exit code that is not that of a wrong command line.
    fn refuse_contradictions(&self) -> Result<(), CommandError> {
        let place = match (self.to_remote, &self.out) {
            (true, _) => "--to-remote",
            (false, Some(_)) => "--out",
            (false, None) => {
                let alone = [
                    ("--remote", self.remote.is_some()),
                    ("--remote-jobs", self.remote_jobs.is_some()),
                ];
                return match alone.iter().find(|(_, given)| *given) {
                    Some((option, _)) => Err(CommandError::user(format!(
                        "`{option}` cannot be used without `--to-remote`"
                    ))),
                    None => Ok(()),
                };
            }
        };
        let apart = [
            ("more than one path", self.paths.len() != 1),
            ("`--glob`", self.glob),
            ("`--no-commit`", self.no_commit),
        ];
        match apart.iter().find(|(_, given)| *given) {
            Some((what, _)) => Err(CommandError::user(format!(
                "{what} cannot be used with `{place}`"
            ))),
            None => Ok(()),
        }
    }
}

/// What the patterns find below `directory`, hidden names left out. Of a directory that is found
/// its inside is not looked at.
fn found_by(
    patterns: &[Utf8PathBuf],
    directory: &Utf8Path,
) -> Result<Vec<Utf8PathBuf>, CommandError> {
    let mut found = Vec::new();
    let mut pending = vec![Utf8PathBuf::new()];
    while let Some(folder) = pending.pop() {
        for entry in directory.join(&folder).read_dir_utf8()? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_name().starts_with('.') || path.extension() == Some("dvc") {
                continue;
            }
            if patterns
                .iter()
                .any(|pattern| matches_pattern(pattern.as_str(), path.as_str()))
            {
                found.push(path);
            } else if entry.file_type()?.is_dir() {
                pending.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        let patterns: Vec<&str> = patterns.iter().map(|path| path.as_str()).collect();
        return Err(CommandError::user(format!(
            "nothing here is named like `{}`",
            patterns.join("`, `")
        )));
    }
    Ok(found)
}
