//! Data that was pushed to a `worktree` remote, brought up to date with what is there now.

use camino::Utf8Path;
use ketch_dvc::{DvcFile, OutputEntry};
use ketch_store::Reporter;

use super::ImportError;
use super::destination::Destination;
use super::update::{
    DataOutcome, DataUpdate, UpdateDestination, UpdateOptions, UpdateReport, refuse,
};
use crate::paths::join;
use crate::transfer::{NewestState, newest};
use crate::{Project, ProjectError, RemoteChoice};

/// Brings what is newest on their `worktree` remote of the outputs of a `.dvc` file that is no
/// import.
pub(super) fn update_from_worktree(
    project: &Project,
    file: &Utf8Path,
    options: &UpdateOptions,
    reporter: &dyn Reporter,
    report: &mut UpdateReport,
) -> Result<(), ProjectError> {
    let option = match options.to {
        _ if options.revision.is_some() => Some("`--rev`"),
        UpdateDestination::Nowhere => Some("`--no-download`"),
        UpdateDestination::Remote => Some("`--to-remote`"),
        UpdateDestination::Workspace => None,
    };
    if let Some(option) = option {
        return Err(refuse(project, file, "this project", option));
    }
    let shown = project.shown(file);
    let text = fs_err::read_to_string(file)?;
    let mut content = DvcFile::parse(&text, shown.as_str())?;
    let choice = RemoteChoice {
        name: None,
        ..options.transfer.clone()
    };
    for (before, newest) in newest(project, shown.as_str(), &choice, reporter)? {
        let destination = place_of(file, &content, &before);
        let mut update = DataUpdate {
            file: shown.clone(),
            path: project.shown(&destination.path),
            remote: newest.remote,
            outcome: DataOutcome::Unchanged,
        };
        match newest.state {
            NewestState::Same => {}
            NewestState::NeverPushed => update.outcome = DataOutcome::NeverPushed,
            NewestState::Gone => update.outcome = DataOutcome::NotThere,
            NewestState::NoWorktree => {
                return Err(ImportError::NotAnImport { file: shown }.into());
            }
            // All of it is in the cache: the record comes first, then the data.
            NewestState::Other(entry) => {
                update.outcome = DataOutcome::Updated;
                if let Some(out) = content.outs.iter_mut().find(|out| out.path == before.path) {
                    out.clone_from(&entry);
                }
                destination.record(project, content.clone())?;
                let trashed = destination.lay_out(project, &entry, &options.trash, reporter)?;
                report.trashed.extend(trashed);
            }
        }
        report.data.push(update);
    }
    Ok(())
}

/// Where an output of a `.dvc` file is.
fn place_of(file: &Utf8Path, content: &DvcFile, entry: &OutputEntry) -> Destination {
    let home = file.parent().unwrap_or(Utf8Path::new("/"));
    let base = content
        .wdir
        .as_ref()
        .map_or_else(|| home.to_owned(), |wdir| join(home, wdir));
    Destination {
        path: join(&base, &entry.path),
        name: entry.path.clone(),
        file: file.to_owned(),
    }
}
