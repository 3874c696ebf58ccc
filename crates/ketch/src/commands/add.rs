//! `ketch add`

use std::io::ErrorKind;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use ketch_project::{AddOptions, AddedContent, add_as, matches_pattern};

use crate::exit::{CommandError, ExitStatus};
use crate::personality::tell_to_track;
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::table::{TextTable, bytes};
use crate::workspace::{files_from_here, from_here, open_project};

/// Track data files and directories
///
/// Puts each into the cache, keeps it out of Git, and records its hash in a small `.dvc` file that
/// belongs into Git. The data itself stays where it is. Adding data again records what it is now.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct AddArgs {
    /// Files and directories to track
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

    /// Track over what is there (there is nothing that has to be forced)
    #[arg(short, long)]
    force: bool,
}

pub(super) fn run(
    args: AddArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let AddArgs {
        mut paths,
        glob,
        no_commit,
        no_relink,
        force: _,
    } = args;
    let project = open_project(settings, printer)?;
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
    if printer.speaks_dvc() {
        if !project.autostage() {
            tell_to_track(
                printer,
                &files_from_here(&project, settings, &report.changed_files),
            );
        }
        return Ok(ExitStatus::Success);
    }
    printer.json(&report);
    let mut table = TextTable::new(["path", "files", "size", "hash"]);
    for data in &report.data {
        table.row([
            from_here(&project, settings, &data.path).to_string(),
            data.files.unwrap_or(1).to_string(),
            bytes(data.size),
            data.id.to_string(),
        ]);
    }
    printer.line(table);
    if !report.changed_files.is_empty() {
        let files = files_from_here(&project, settings, &report.changed_files);
        printer.hint(format_args!(
            "record it in Git: `git add {}`",
            files.join(" ")
        ));
    }
    Ok(ExitStatus::Success)
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
