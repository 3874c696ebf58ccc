//! Making room in the cache.

use std::collections::BTreeSet;
use std::time::SystemTime;

use camino::Utf8PathBuf;
use ketch_dvc::ObjectId;
use serde::Serialize;

use crate::gc_remote::{RemoteGarbage, collect_remote, on_remote};
use crate::objects::{Damaged, Uses, add_uses, all};
use crate::snapshot::{Blobs, Snapshot};
use crate::trash::move_file;
use crate::{CommitId, Git, Project, ProjectError, RemoteChoice, paths};

/// What to keep, and what to do with the rest. Whatever is named, the work tree is kept.
#[derive(Debug, Clone, Default)]
pub struct GcOptions {
    /// What to keep; at least one.
    pub keep: Vec<Keep>,
    /// Other projects that use the same cache: what they keep is kept by the same rules.
    pub projects: Vec<Utf8PathBuf>,
    pub reachable: Reachable,
    pub mode: GcMode,
    /// The folder below `.ketch/quarantine` that takes what is collected.
    pub quarantine: String,
    /// A remote to collect in too. It has no quarantine but for the packs of a chunked one: objects
    /// that are collected there are gone.
    pub remote: Option<RemoteChoice>,
    /// What was written to that remote after this time stays, whatever uses it: somebody may be
    /// pushing it.
    pub spared_since: Option<SystemTime>,
    /// A remote whose objects need not be kept in the cache, whatever uses them.
    pub not_what_is_on: Option<RemoteChoice>,
    pub failed: FailedCommits,
}

/// A set of states whose data is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// The work tree alone.
    Workspace,
    /// The newest commit of each branch.
    Branches,
    /// Each tag.
    Tags,
    /// Every commit that HEAD, a branch here or on a Git remote, or a tag leads to.
    Commits,
    /// Every commit that Git still knows: experiments, the stash, what was amended away.
    Everything,
    /// This revision.
    Revision(String),
    /// The newest commits that a revision leads to, so many of them.
    Newest { revision: String, count: u32 },
    /// So many commits of each branch, the newest.
    NewestOfBranches(u32),
    /// Every commit since the beginning of a day, as `2026-01-31`.
    Since(String),
    /// The commits of DVC's experiments.
    Experiments,
}

/// What to do about objects that a commit leads to that was not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reachable {
    /// They stay.
    #[default]
    Keep,
    /// They are collected too.
    Collect,
}

/// What to do about a commit of which it cannot be told what it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailedCommits {
    /// Nothing is collected.
    #[default]
    Refuse,
    /// What only it uses is collected.
    Skip,
}

/// Whether anything happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GcMode {
    #[default]
    Dry,
    /// Objects go to the quarantine.
    Quarantine,
    /// Objects go to the quarantine, after what earlier calls put there was deleted.
    EmptyQuarantine,
}

/// What was, or would be, collected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct GcReport {
    pub collected: Vec<GcObject>,
    /// In bytes.
    pub size: u64,
    /// Objects that are in use by what was named.
    pub kept: u64,
    /// Objects that only commits use which were not named. They stay unless forced.
    pub reachable: Vec<GcObject>,
    /// Where the objects are now, relative to the root.
    pub quarantine: Option<Utf8PathBuf>,
    /// What was deleted out of the quarantine, in bytes.
    pub deleted: u64,
    /// What was, or would be, deleted on the remote.
    pub remote: Option<RemoteGarbage>,
    /// Commits of which it could not be told what they use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<CommitId>,
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GcObject {
    pub id: ObjectId,
    /// In bytes.
    pub size: u64,
}

/// Collects the objects that nothing uses which is to be kept.
///
/// Everything is marked before anything is moved. A `.dir` object goes before its files, so that
/// what is interrupted leaves no directory that looks complete and is not.
pub fn gc(project: &Project, options: &GcOptions) -> Result<GcReport, ProjectError> {
    if options.keep.is_empty() {
        return Err(ProjectError::NoScope);
    }
    let shared = !project.cache().root().starts_with(project.root());
    if shared && options.projects.is_empty() && options.reachable == Reachable::Keep {
        return Err(ProjectError::SharedCache {
            path: project.cache().root().to_owned(),
        });
    }
    let _lock = project.lock()?;
    if options.mode != GcMode::Dry {
        ketch_store::TemporaryFolder::clear(&project.root().join(".dvc/tmp"));
    }
    let others = options
        .projects
        .iter()
        .map(|path| {
            if path.is_dir() {
                Project::discover(path)
            } else {
                let start = path.clone();
                Err(ProjectError::NotAProject { start })
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    let _locks = others
        .iter()
        .filter(|other| other.root() != project.root())
        .map(Project::lock)
        .collect::<Result<Vec<_>, _>>()?;
    let (mut named, mut reachable) = (BTreeSet::new(), BTreeSet::new());
    let mut marking = Marking {
        failed: options.failed,
        skipped: BTreeSet::new(),
    };
    for one in others.iter().chain([project]) {
        named.extend(marking.marked(one, &options.keep)?);
        if options.reachable == Reachable::Keep {
            reachable.extend(marking.marked(one, &[Keep::Everything])?);
        }
    }
    if !others.is_empty() {
        // A project need not have the manifests of the directories it uses; this one may.
        for ids in [&mut named, &mut reachable] {
            add_files(project, ids)?;
        }
    }
    // That the remote has it is no reason to delete it there.
    let wanted_there: BTreeSet<ObjectId> = named.union(&reachable).cloned().collect();
    if let Some(choice) = &options.not_what_is_on {
        let there = on_remote(project, choice, &wanted_there)?;
        for ids in [&mut named, &mut reachable] {
            ids.retain(|id| !there.contains(id));
        }
    }
    let mut report = GcReport {
        skipped: marking.skipped.into_iter().collect(),
        ..GcReport::default()
    };
    for (id, size) in all(project)? {
        if named.contains(&id) {
            report.kept += 1;
            continue;
        }
        let object = GcObject { id, size };
        if options.reachable == Reachable::Keep && reachable.contains(&object.id) {
            report.reachable.push(object);
        } else {
            report.size += object.size;
            report.collected.push(object);
        }
    }
    report
        .collected
        .sort_by_key(|object| (!object.id.is_directory(), object.id.clone()));
    if let Some(choice) = &options.remote {
        let spared = options.spared_since;
        report.remote = Some(collect_remote(
            project,
            choice,
            wanted_there,
            spared,
            options.mode,
        )?);
    }
    if options.mode == GcMode::Dry {
        return Ok(report);
    }
    let quarantine = project.state_dir()?.join("quarantine");
    if options.mode == GcMode::EmptyQuarantine {
        report.deleted = size_below(&quarantine)?;
        paths::remove(&quarantine)?;
    }
    if report.collected.is_empty() {
        return Ok(report);
    }
    let folder = quarantine.join(&options.quarantine);
    for object in &report.collected {
        let from = project.cache().object_path(&object.id);
        move_file(&from, &folder.join(object.id.cache_path()))?;
    }
    report.quarantine = Some(project.shown(&folder));
    Ok(report)
}

/// Finding out what is in use.
struct Marking {
    failed: FailedCommits,
    skipped: BTreeSet<CommitId>,
}

impl Marking {
    /// What the named states of one project use, as far as its own cache knows.
    fn marked(
        &mut self,
        project: &Project,
        keep: &[Keep],
    ) -> Result<BTreeSet<ObjectId>, ProjectError> {
        let mut uses = Uses::new();
        let git = project.git();
        let mut commits: BTreeSet<String> = BTreeSet::new();
        let blobs = Blobs::default();
        for one in keep {
            commits.extend(listed(git, one)?);
        }
        for id in commits {
            // A tag may lead to something that is no commit, which holds no data of ours.
            let commit: CommitId = match git.resolve(&id) {
                Ok(commit) => commit,
                Err(ProjectError::UnknownRevision { .. }) => continue,
                Err(error) => return Err(error),
            };
            let added = Snapshot::of_commit(project, &commit, &blobs)
                .and_then(|snapshot| add_uses(project, &snapshot, Damaged::Refuse, &mut uses));
            match (added, self.failed) {
                (Ok(()), _) => {}
                (Err(_), FailedCommits::Skip) => _ = self.skipped.insert(commit),
                (Err(error), FailedCommits::Refuse) => {
                    return Err(ProjectError::UsesUnknown {
                        commit: commit.to_string(),
                        source: Box::new(error),
                    });
                }
            }
        }
        let workspace = Snapshot::of_workspace(project)?;
        // A pipeline that cannot be read may have stages whose data is to stay.
        workspace.pipelines()?;
        add_uses(project, &workspace, Damaged::Refuse, &mut uses)?;
        Ok(uses.into_keys().collect())
    }
}

/// The commits that a rule keeps.
fn listed(git: &Git, keep: &Keep) -> Result<Vec<String>, ProjectError> {
    let newest = |tip: &str, count: u32| {
        let count = format!("--max-count={count}");
        git.run(&["rev-list", "--first-parent", &count, tip])
    };
    let named = matches!(keep, Keep::Revision(_) | Keep::Newest { .. });
    if git.is_declined() && !named {
        // There is nothing but the work tree.
        return Ok(Vec::new());
    }
    let text = match keep {
        Keep::Workspace => return Ok(Vec::new()),
        Keep::Revision(revision) => git.resolve(revision)?.to_string(),
        Keep::Newest { revision, count } => newest(git.resolve(revision)?.as_str(), *count)?,
        Keep::NewestOfBranches(count) => {
            let tips = git.run(&["for-each-ref", "--format=%(objectname)", "refs/heads"])?;
            let lists = tips.lines().map(|tip| newest(tip, *count));
            lists.collect::<Result<String, _>>()?
        }
        Keep::Since(day) => since(git, day)?,
        Keep::Experiments => experiments(git)?,
        Keep::Branches => git.run(&[
            "for-each-ref",
            "--format=%(objectname)",
            "refs/heads",
            "refs/remotes",
        ])?,
        Keep::Tags => git.run(&[
            "for-each-ref",
            "--format=%(*objectname) %(objectname)",
            "refs/tags",
        ])?,
        Keep::Commits => commits(git, &[])?,
        // `--reflog` has the stash, and commits that were amended or rebased away.
        Keep::Everything => git.run(&["rev-list", "--all", "--reflog"])?,
    };
    let ids = text
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    Ok(ids.map(str::to_owned).collect())
}

fn commits(git: &Git, options: &[&str]) -> Result<String, ProjectError> {
    let refs = ["rev-list", "--branches", "--remotes", "--tags"];
    // A new repository has none.
    let head = git.head()?.map(|_| "HEAD");
    let arguments: Vec<&str> = refs.iter().chain(options).copied().chain(head).collect();
    git.run(&arguments)
}

/// The commits since the beginning of a day, where whoever asks is. Not `rev-list --since`: that
/// stops at the first commit that is older, and dates need not be in the order of the commits.
fn since(git: &Git, day: &str) -> Result<String, ProjectError> {
    let begin = git.run(&["rev-parse", &format!("--since={day} 00:00:00")])?;
    let begin: Option<i64> = begin
        .trim()
        .strip_prefix("--max-age=")
        .and_then(|seconds| seconds.parse().ok());
    let begin = begin.ok_or_else(|| ProjectError::Git {
        command: format!("git rev-parse --since='{day} 00:00:00'"),
        message: "it gives no time".to_owned(),
    })?;
    let mut newer = String::new();
    for line in commits(git, &["--timestamp"])?.lines() {
        if let Some((time, id)) = line.split_once(' ')
            && time.parse::<i64>().is_ok_and(|time| time >= begin)
        {
            newer += id;
            newer.push('\n');
        }
    }
    Ok(newer)
}

/// The commits of DVC's experiments: each from `refs/exps/BASE[..2]/BASE[2..]/NAME` back to the
/// commit that it began at.
fn experiments(git: &Git) -> Result<String, ProjectError> {
    let format = "--format=%(objectname) %(refname)";
    let mut commits = String::new();
    for line in git.run(&["for-each-ref", format, "refs/exps"])?.lines() {
        let (tip, name) = line.split_once(' ').unwrap_or((line, ""));
        let parts: Vec<&str> = name.split('/').collect();
        let base = match parts[..] {
            [_, _, prefix, rest, _, ..] if prefix.len() == 2 => Some(format!("^{prefix}{rest}")),
            _ => None,
        };
        let between = base.map(|base| git.run(&["rev-list", tip, &base]));
        // Others are DVC's own, or their beginning is gone.
        if let Some(Ok(between)) = between {
            commits += &between;
        }
        commits += tip;
        commits.push('\n');
    }
    Ok(commits)
}

/// Adds the files of the directories whose manifests this project's cache has.
fn add_files(project: &Project, ids: &mut BTreeSet<ObjectId>) -> Result<(), ProjectError> {
    let cache = project.cache();
    let directories: Vec<ObjectId> = ids
        .iter()
        .filter(|id| id.is_directory() && cache.contains(id))
        .cloned()
        .collect();
    for id in directories {
        let manifest = cache.manifest(&id)?;
        ids.extend(manifest.entries().iter().map(|entry| entry.md5.clone()));
    }
    Ok(())
}

fn size_below(directory: &camino::Utf8Path) -> Result<u64, ProjectError> {
    let mut size = 0;
    let mut pending = vec![directory.to_owned()];
    while let Some(folder) = pending.pop() {
        let Ok(entries) = folder.read_dir_utf8() else {
            continue;
        };
        for entry in entries {
            let path = entry?.into_path();
            let metadata = fs_err::symlink_metadata(&path)?;
            if metadata.is_dir() {
                pending.push(path);
            } else {
                size += metadata.len();
            }
        }
    }
    Ok(size)
}
