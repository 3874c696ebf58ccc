//! Transfers of what commits record, besides what the work tree does.

use std::collections::{BTreeSet, HashSet};

use ketch_dvc::ObjectId;

use super::kinds::Places;
use super::outputs::{Output, outputs};
use super::{SkipReason, Skipped, TransferSelection};
use crate::inside::Part;
use crate::paths::join;
use crate::snapshot::{Blobs, Recorded, Snapshot};
use crate::stage::answers_to;
use crate::{CommitId, Project, ProjectError};

/// Commits whose data counts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum History {
    /// None.
    #[default]
    Workspace,
    /// The newest of each branch.
    Branches,
    /// Those with tags.
    Tags,
    /// The newest of each branch, and those with tags.
    BranchesAndTags,
    /// All that a branch, a tag or HEAD leads to.
    Commits,
}

/// The outputs of the work tree, and those of the commits that count; each content once.
///
/// Targets are looked for in each commit; it is enough that one of them has it.
pub(super) fn selected(
    project: &Project,
    options: &TransferSelection,
) -> Result<(Vec<Output>, Vec<Skipped>), ProjectError> {
    let only = options.commits.as_ref();
    let mut now = match only {
        Some(_) => Ok((Vec::new(), Vec::new())),
        None => outputs(project, &options.targets),
    };
    let places = |snapshot: &Snapshot| {
        let limited = !options.kinds.is_empty();
        limited
            .then(|| Places::find(snapshot, &options.kinds))
            .transpose()
    };
    if !options.kinds.is_empty()
        && only.is_none()
        && let Ok((chosen, skipped)) = &mut now
        && let Some(places) = places(&Snapshot::of_workspace(project)?)?
    {
        chosen.retain(|output| places.has(&output.path));
        skipped.retain(|output| places.has(&output.path));
    }
    if options.history == History::Workspace && only.is_none() {
        return now;
    }
    let mut found = now.is_ok();
    let (mut chosen, mut skipped) = match now {
        Err(ProjectError::UnknownTarget { .. } | ProjectError::NotRecorded { .. }) => {
            (Vec::new(), Vec::new())
        }
        other => other?,
    };
    let mut known: HashSet<(ObjectId, Option<String>, Part)> = chosen
        .iter()
        .map(|output| {
            (
                output.id.clone(),
                output.remote.clone(),
                output.part.clone(),
            )
        })
        .collect();
    let blobs = Blobs::default();
    let commits = match only {
        Some(commits) => commits.clone(),
        None => commits(project, options.history)?,
    };
    for commit in commits {
        let snapshot = Snapshot::of_commit(project, &commit, &blobs)?;
        let places = places(&snapshot)?;
        for recorded in snapshot.outputs()? {
            let Some(part) = named(project, &recorded, &options.targets) else {
                continue;
            };
            found = true;
            if places
                .as_ref()
                .is_some_and(|places| !places.has(&recorded.path))
            {
                continue;
            }
            let Recorded { path, entry, .. } = recorded;
            let Some(id) = entry.md5.clone() else {
                if entry.files.is_some() || entry.cloud.is_some() {
                    let reason = SkipReason::CloudVersioned;
                    skipped.push(Skipped { path, reason });
                }
                continue;
            };
            if !id.is_legacy() && entry.hash.as_deref() != Some("md5") {
                let reason = SkipReason::UnknownHash;
                skipped.push(Skipped { path, reason });
                continue;
            }
            if known.insert((id.clone(), entry.remote.clone(), part.clone())) {
                chosen.push(Output {
                    path,
                    id,
                    remote: entry.remote.clone(),
                    pushed: entry.push,
                    part,
                    entry,
                });
            }
        }
    }
    if !found && only.is_none() {
        // No commit has them either; the work tree's error says it best.
        return outputs(project, &options.targets);
    }
    skipped.dedup();
    Ok((chosen, skipped))
}

/// How much of an output the targets name.
fn named(project: &Project, recorded: &Recorded, targets: &[String]) -> Option<Part> {
    let path = project.root().join(&recorded.path);
    let is_whole = targets.is_empty()
        || targets.iter().any(|target| {
            recorded.file == *target
                || recorded
                    .stage
                    .as_ref()
                    .is_some_and(|stage| answers_to(stage, target))
                || join(project.root(), target) == path
        });
    if is_whole {
        return Some(Part::Whole);
    }
    Part::below(project, &path, recorded.entry.md5.as_ref(), targets)
}

fn commits(project: &Project, history: History) -> Result<Vec<CommitId>, ProjectError> {
    let git = project.git();
    if git.is_declined() {
        return Ok(Vec::new());
    }
    let refs = |names: &[&str]| {
        let mut arguments = vec![
            "for-each-ref",
            "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)",
        ];
        arguments.extend(names);
        git.run(&arguments)
    };
    let listed = match history {
        History::Workspace => return Ok(Vec::new()),
        History::Branches => refs(&["refs/heads"])?,
        History::Tags => refs(&["refs/tags"])?,
        History::BranchesAndTags => refs(&["refs/heads", "refs/tags"])?,
        History::Commits => git.run(&["rev-list", "--branches", "--tags", "HEAD"])?,
    };
    let ids: BTreeSet<&str> = listed.lines().filter(|line| !line.is_empty()).collect();
    let mut commits = Vec::new();
    for id in ids {
        match git.resolve(id) {
            Ok(commit) => commits.push(commit),
            // A tag may lead to something that is no commit.
            Err(ProjectError::UnknownRevision { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(commits)
}
