//! Git, as far as a project needs it, through the `git` program.

use std::collections::HashSet;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use ketch_store::TemporaryFolder;

use crate::ProjectError;

mod objects;
mod references;

pub(crate) use objects::{CommitHeader, EntryKind, ObjectReader, TreeEntry};
pub(crate) use references::{PushedRef, RefChange};

/// The full id of a commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CommitId(String);

impl CommitId {
    /// The commit of a full id, which need not be here; none if it is no id.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let whole = matches!(text.len(), 40 | 64);
        let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (whole && hex).then(|| Self(text.to_ascii_lowercase()))
    }

    /// The hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Who makes a commit, where Git's own configuration shall not decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    pub email: String,
}

/// Git in one work tree. Arguments are passed as they are; no shell is involved.
#[derive(Debug, Clone)]
pub struct Git {
    directory: Utf8PathBuf,
    presence: Presence,
    /// Where it is, once that was asked.
    work_tree: Option<WorkTree>,
    /// What is staged, where that is not the user's own index.
    index: Option<Utf8PathBuf>,
}

/// A work tree's place.
#[derive(Debug, Clone)]
struct WorkTree {
    top: Utf8PathBuf,
    /// Of the work tree that has the repository itself; another one where this one is linked to it.
    main_top: Utf8PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Used,
    /// The project does without.
    Declined,
}

impl Git {
    /// Git in the repository that `directory` belongs to; fails if it belongs to none.
    pub fn open(directory: &Utf8Path) -> Result<Self, ProjectError> {
        let mut git = Self::at(directory);
        match git.find_work_tree() {
            Ok(found) => {
                git.work_tree = Some(found);
                Ok(git)
            }
            Err(ProjectError::Git { .. }) => Err(ProjectError::NotAGitRepository {
                path: directory.to_owned(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Git in a directory that may be a bare repository; whether it is one at all shows later.
    pub(crate) fn at(directory: &Utf8Path) -> Self {
        Self {
            directory: directory.to_owned(),
            presence: Presence::Used,
            work_tree: None,
            index: None,
        }
    }

    /// For a project that does without Git: nothing is ignored, tracked or staged, and whatever
    /// else is asked fails with [`ProjectError::WithoutGit`].
    pub(crate) fn declined(directory: &Utf8Path) -> Self {
        Self {
            directory: directory.to_owned(),
            presence: Presence::Declined,
            work_tree: None,
            index: None,
        }
    }

    /// Whether the project does without Git.
    pub fn is_declined(&self) -> bool {
        self.presence == Presence::Declined
    }

    /// Where it runs.
    pub(crate) fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// The top of the work tree.
    pub fn top_level(&self) -> Result<Utf8PathBuf, ProjectError> {
        match &self.work_tree {
            Some(found) => Ok(found.top.clone()),
            None => self.find_work_tree().map(|found| found.top),
        }
    }

    /// The top of the main work tree, which a linked one shares its repository with.
    pub fn main_top_level(&self) -> Result<Utf8PathBuf, ProjectError> {
        match &self.work_tree {
            Some(found) => Ok(found.main_top.clone()),
            None => self.find_work_tree().map(|found| found.main_top),
        }
    }

    /// In one question where it can be: every command asks this.
    fn find_work_tree(&self) -> Result<WorkTree, ProjectError> {
        let answer = self.run(&[
            "rev-parse",
            "--show-toplevel",
            "--git-dir",
            "--git-common-dir",
        ])?;
        let lines: Vec<&str> = answer.lines().collect();
        let (top, linked) = if let [top, own, common] = lines[..] {
            (Utf8PathBuf::from(top), own != common)
        } else {
            // A name with a line break in it.
            let top = line(self.run(&["rev-parse", "--show-toplevel"])?);
            (Utf8PathBuf::from(top), true)
        };
        let main_top = if linked {
            let listed = self.run(&["worktree", "list", "--porcelain", "-z"])?;
            let first = listed.split('\0').next();
            let first = first.and_then(|text| text.strip_prefix("worktree "));
            first.map_or_else(|| top.clone(), Utf8PathBuf::from)
        } else {
            top.clone()
        };
        Ok(WorkTree { top, main_top })
    }

    /// The commit that is checked out; none before the first one, and where there is no Git.
    pub fn head(&self) -> Result<Option<CommitId>, ProjectError> {
        if self.is_declined() {
            return Ok(None);
        }
        match self.resolve("HEAD") {
            Ok(commit) => Ok(Some(commit)),
            Err(ProjectError::UnknownRevision { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The commit a branch, tag or other revision names.
    pub fn resolve(&self, revision: &str) -> Result<CommitId, ProjectError> {
        let wanted = format!("{revision}^{{commit}}");
        match self.run(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &wanted,
        ]) {
            Ok(output) => Ok(CommitId(line(output))),
            Err(ProjectError::Git { .. }) => Err(ProjectError::UnknownRevision {
                revision: revision.to_owned(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Stages paths, ignored ones included when they are tracked already.
    pub fn add(&self, paths: &[Utf8PathBuf]) -> Result<(), ProjectError> {
        if paths.is_empty() || self.is_declined() {
            return Ok(());
        }
        self.run_with_paths(&["add"], paths).map(drop)
    }

    /// Commits exactly these paths, whatever else is staged, and returns the new commit; where
    /// nothing in them changed, the one that is checked out.
    pub fn commit(
        &self,
        message: &str,
        paths: &[Utf8PathBuf],
        identity: Option<&Identity>,
    ) -> Result<CommitId, ProjectError> {
        // `git add` refuses what is neither there nor tracked any more; the commit takes it still.
        let tracked = self.run_with_paths(&["ls-files", "-z"], paths)?;
        let tracked: HashSet<&str> = tracked.split('\0').collect();
        let there = |path: &&Utf8PathBuf| {
            self.directory.join(path).symlink_metadata().is_ok() || tracked.contains(path.as_str())
        };
        self.add(&paths.iter().filter(there).cloned().collect::<Vec<_>>())?;
        let pending = self.run_with_paths(&["diff", "--cached", "--name-only", "-z"], paths)?;
        if pending.is_empty() {
            return self.resolve("HEAD");
        }
        let settings: Vec<String> = identity.map_or_else(Vec::new, |identity| {
            vec![
                "-c".into(),
                format!("user.name={}", identity.name),
                "-c".into(),
                format!("user.email={}", identity.email),
            ]
        });
        let mut arguments: Vec<&str> = settings.iter().map(String::as_str).collect();
        arguments.extend([
            "commit",
            "--quiet",
            "--no-edit",
            "--message",
            message,
            "--only",
        ]);
        self.run_with_paths(&arguments, paths)?;
        self.resolve("HEAD")
    }

    /// Points a ref (`refs/heads/ketch/…`) at a commit, so that the commit stays reachable.
    pub fn update_ref(&self, name: &str, commit: &CommitId) -> Result<(), ProjectError> {
        self.run(&["check-ref-format", name])?;
        self.run(&["update-ref", name, commit.as_str()]).map(drop)
    }

    /// Whether an ignore rule matches the path.
    pub fn is_ignored(&self, path: &Utf8Path) -> Result<bool, ProjectError> {
        if self.is_declined() {
            return Ok(false);
        }
        let output = self.output(&["check-ignore", "--quiet", "--", path.as_str()])?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(failed(&["check-ignore"], &output)),
        }
    }

    /// Whether Git tracks the path or, of a directory, anything below it.
    pub fn is_tracked(&self, path: &Utf8Path) -> Result<bool, ProjectError> {
        Ok(!self.is_declined()
            && !self
                .run_with_paths(&["ls-files", "-z"], &[path.to_owned()])?
                .is_empty())
    }

    /// Tracked files that differ from the commit that is checked out.
    pub fn changed_files(&self) -> Result<Vec<Utf8PathBuf>, ProjectError> {
        let output = self.run(&[
            "status",
            "--porcelain=v1",
            "-z",
            "--untracked-files=no",
            "--no-renames",
        ])?;
        Ok(output
            .split('\0')
            .filter_map(|entry| entry.get(3..))
            .map(Utf8PathBuf::from)
            .collect())
    }

    /// The content of a file at a revision.
    pub fn show(&self, commit: &CommitId, path: &Utf8Path) -> Result<String, ProjectError> {
        self.run(&["show", "--end-of-options", &format!("{commit}:./{path}")])
    }

    /// Adds a linked work tree with no branch checked out.
    pub(crate) fn add_worktree(
        &self,
        path: &Utf8Path,
        commit: &CommitId,
    ) -> Result<(), ProjectError> {
        let arguments = [
            "worktree",
            "add",
            "--quiet",
            "--force",
            "--detach",
            path.as_str(),
            commit.as_str(),
        ];
        self.run(&arguments).map(drop)
    }

    /// Forgets linked work trees whose directory is gone.
    pub(crate) fn prune_worktrees(&self) -> Result<(), ProjectError> {
        self.run(&["worktree", "prune"]).map(drop)
    }

    /// Merges three texts by lines, and whether there were conflicts, which are marked then.
    pub(crate) fn merge_texts(
        &self,
        base: &str,
        ours: &str,
        theirs: &str,
    ) -> Result<(String, bool), ProjectError> {
        /// Git gives the number of conflicts up to here; more is a failure.
        const MOST_CONFLICTS: i32 = 127;
        let folder = TemporaryFolder::make()?;
        let mut paths = Vec::new();
        for (name, text) in [("ours", ours), ("base", base), ("theirs", theirs)] {
            let path = folder.path().join(name);
            fs_err::write(&path, text)?;
            paths.push(path);
        }
        let mut arguments = vec!["merge-file", "--stdout", "--quiet"];
        arguments.extend(["-L", "ours", "-L", "base", "-L", "theirs"]);
        arguments.extend(paths.iter().map(|path| path.as_str()));
        let output = self.output(&arguments)?;
        match output.status.code() {
            Some(conflicts @ 0..=MOST_CONFLICTS) => {
                let text = String::from_utf8(output.stdout).map_err(|_| ProjectError::Git {
                    command: shown(&arguments),
                    message: "the answer is not UTF-8".to_owned(),
                })?;
                Ok((text, conflicts > 0))
            }
            _ => Err(failed(&arguments, &output)),
        }
    }

    /// Runs `git` and returns its standard output.
    pub fn run(&self, arguments: &[&str]) -> Result<String, ProjectError> {
        let output = self.output(arguments)?;
        if !output.status.success() {
            return Err(failed(arguments, &output));
        }
        String::from_utf8(output.stdout).map_err(|_| ProjectError::Git {
            command: shown(arguments),
            message: "the answer is not UTF-8".to_owned(),
        })
    }

    fn run_with_paths(
        &self,
        arguments: &[&str],
        paths: &[Utf8PathBuf],
    ) -> Result<String, ProjectError> {
        let mut all = arguments.to_vec();
        // Names are names: a `*` or a leading `:` in one is not a pattern.
        all.insert(0, "--literal-pathspecs");
        all.push("--");
        all.extend(paths.iter().map(|path| path.as_str()));
        self.run(&all)
    }

    pub(super) fn output(&self, arguments: &[&str]) -> Result<std::process::Output, ProjectError> {
        if self.is_declined() {
            return Err(ProjectError::WithoutGit {
                path: self.directory.clone(),
            });
        }
        self.command(arguments)
            .output()
            .map_err(|source| ProjectError::GitUnavailable { source })
    }

    /// `git` that is not started yet, with nobody to ask.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C");
        // Inside a Git hook these point at another repository than the one of `directory`.
        for variable in [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_PREFIX",
            "GIT_COMMON_DIR",
        ] {
            command.env_remove(variable);
        }
        if let Some(index) = &self.index {
            command.env("GIT_INDEX_FILE", index);
        }
        command
    }
}

pub(super) fn failed(arguments: &[&str], output: &std::process::Output) -> ProjectError {
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let message = if message.is_empty() {
        output.status.to_string()
    } else {
        message
    };
    ProjectError::Git {
        command: shown(arguments),
        message,
    }
}

/// The subcommand only: a commit message or a thousand paths help nobody.
fn shown(arguments: &[&str]) -> String {
    let mut words = arguments
        .iter()
        .filter(|word| !word.starts_with("--literal"));
    let mut name = words.next().copied().unwrap_or_default();
    while name == "-c" {
        words.next();
        name = words.next().copied().unwrap_or_default();
    }
    format!("git {name}")
}

pub(super) fn line(mut output: String) -> String {
    output.truncate(output.trim_end_matches(['\n', '\r']).len());
    output
}
