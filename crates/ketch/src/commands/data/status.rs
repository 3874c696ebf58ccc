//! `ketch data status`

use clap::{Args, ValueEnum};
use ketch_project::{
    DataChanges, DataStatusOptions, Depth, NotInRemoteOptions, RemoteLook, Strangers, data_status,
};
use owo_colors::OwoColorize as _;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::data_targets;
use crate::workspace::{open_project, remote_choice};

/// Show data between the last commit, what is recorded, and the work tree
///
/// Committed changes are those of the `.dvc` files and `dvc.lock` since the last Git commit;
/// uncommitted ones are those of the data itself, which `ketch commit` would record. Paths are
/// those below the root; directories end with a slash.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct StatusArgs {
    /// Only these: data, what is in it, `.dvc` files or stages
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,

    /// Show the files in directories
    #[arg(long)]
    granular: bool,

    /// Show also what did not change
    #[arg(long)]
    unchanged: bool,

    /// Show files that neither Git nor a `.dvc` file tracks
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "all", default_value = "no")]
    untracked_files: Untracked,

    /// Show also what the remote does not have
    #[arg(long)]
    not_in_remote: bool,

    /// Remote to look at [default: each output's own, or `core.remote`]
    #[arg(short, long, value_name = "NAME")]
    remote: Option<String>,

    /// Do not ask the remote: take what it had when it was asked last
    #[arg(long)]
    no_remote_refresh: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Untracked {
    No,
    All,
}

pub(super) fn run(
    args: StatusArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let StatusArgs {
        targets,
        granular,
        unchanged,
        untracked_files,
        not_in_remote,
        remote,
        no_remote_refresh,
    } = args;
    let project = open_project(settings, printer)?;
    let options = DataStatusOptions {
        targets: data_targets(&project, settings, &targets),
        // DVC takes them for filters.
        strangers: if printer.speaks_dvc() {
            Strangers::Left
        } else {
            Strangers::Refused
        },
        manifests: Some(remote_choice(settings, None, None)),
        depth: if granular {
            Depth::Files
        } else {
            Depth::Outputs
        },
        not_in_remote: not_in_remote.then(|| NotInRemoteOptions {
            remote: remote_choice(settings, remote, None),
            look: if no_remote_refresh {
                RemoteLook::Remember
            } else {
                RemoteLook::Ask
            },
        }),
    };
    let progress = FileProgress::new(printer);
    let mut report = data_status(&project, &options, &progress)?;
    drop(progress);
    if !unchanged {
        report.unchanged.clear();
    }
    let mut dirty = report.git_dirty;
    match untracked_files {
        Untracked::No => report.untracked.clear(),
        Untracked::All => dirty |= !report.untracked.is_empty(),
    }
    printer.json(&report);
    let mut sections: Vec<(&str, &[&str], Vec<String>)> = vec![(
        "Not in cache",
        &["use \"ketch fetch <file>...\" to download files"],
        report.not_in_cache,
    )];
    sections.push((
        "Not in remote",
        &["use \"ketch push <file>...\" to upload files"],
        report.not_in_remote,
    ));
    sections.push((
        "DVC committed changes",
        &["git commit the corresponding dvc files to update the repo"],
        lines(report.committed),
    ));
    sections.push((
        "DVC uncommitted changes",
        &[
            "use \"ketch commit <file>...\" to track changes",
            "use \"ketch checkout <file>...\" to discard changes",
        ],
        lines(report.uncommitted),
    ));
    sections.push((
        "Untracked files",
        &["use \"git add <file> ...\" or \"ketch add <file>...\" to commit to git or to dvc"],
        report.untracked,
    ));
    sections.push(("DVC unchanged files", &[], report.unchanged));
    sections.retain(|(_, _, lines)| !lines.is_empty());
    if sections.is_empty() {
        let where_ = if report.git_empty {
            " in an empty git repo"
        } else {
            ""
        };
        printer.line(format_args!("No changes{where_}."));
    }
    for (place, (heading, hints, lines)) in sections.iter().enumerate() {
        if place > 0 {
            printer.line("");
        }
        printer.line(format_args!("{}:", heading.bold()));
        for hint in *hints {
            let hint = if printer.speaks_dvc() {
                hint.replace("ketch ", "dvc ")
            } else {
                (*hint).to_owned()
            };
            printer.line(format_args!("  ({hint})"));
        }
        for line in lines {
            printer.line(format_args!("        {line}"));
        }
    }
    if dirty {
        let other = if sections.is_empty() { "" } else { "other " };
        printer.line(format_args!(
            "(there are {other}changes not tracked by dvc, use \"git status\" to see)"
        ));
    }
    Ok(ExitStatus::Success)
}

fn lines(changes: DataChanges) -> Vec<String> {
    let DataChanges {
        modified,
        added,
        deleted,
        renamed,
        unknown,
    } = changes;
    let renamed = renamed
        .into_iter()
        .map(|paths| format!("{} -> {}", paths.old, paths.new))
        .collect();
    [
        ("modified", modified),
        ("added", added),
        ("deleted", deleted),
        ("renamed", renamed),
        ("unknown", unknown),
    ]
    .into_iter()
    .flat_map(|(state, paths): (_, Vec<String>)| {
        paths
            .into_iter()
            .map(move |path| format!("{state}: {path}"))
    })
    .collect()
}
