//! What experiments need of Git: references, commits beside the branch, and an index of one's own.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::process::Stdio;

use camino::{Utf8Path, Utf8PathBuf};

use super::{CommitId, Git, failed, line};
use crate::ProjectError;

/// One of several changes of references that happen together or not at all.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RefChange<'a> {
    /// Makes one that does not exist yet.
    Create(&'a str, &'a CommitId),
    /// Points one at a commit, whether it exists or not.
    Set(&'a str, &'a CommitId),
    /// Takes one away that points at this commit.
    Delete(&'a str, &'a CommitId),
}

/// What became of a reference that was sent to another repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushedRef {
    Moved,
    UpToDate,
    Rejected,
}

impl Git {
    /// Points a ref that does not exist yet at a commit. False if somebody was faster.
    pub(crate) fn create_ref(&self, name: &str, commit: &CommitId) -> Result<bool, ProjectError> {
        let nothing = "0".repeat(commit.as_str().len());
        match self.run(&["update-ref", name, commit.as_str(), &nothing]) {
            Ok(_) => Ok(true),
            Err(ProjectError::Git { message, .. }) if message.contains("already exists") => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a ref away.
    pub(crate) fn delete_ref(&self, name: &str) -> Result<(), ProjectError> {
        self.run(&["update-ref", "-d", name]).map(drop)
    }

    /// Whether Git takes a ref of this name.
    pub(crate) fn is_ref_name(&self, name: &str) -> bool {
        self.run(&["check-ref-format", name]).is_ok()
    }

    /// The same repository with an index of its own, which the user's is copied to: what is staged
    /// there is nobody else's business.
    pub(crate) fn with_index(&self, index: &Utf8Path) -> Result<Self, ProjectError> {
        let users = line(self.run(&["rev-parse", "--git-path", "index"])?);
        let users = self.directory.join(users);
        if users.exists() {
            fs_err::copy(&users, index)?;
            // By the index's own time Git knows which files changed too soon after they were staged
            // for their times to tell. A later one would have it overlook what the user edited.
            let written = fs_err::metadata(&users)?.modified()?;
            let copy = fs_err::OpenOptions::new().write(true).open(index)?;
            copy.file().set_modified(written)?;
        }
        Ok(Self {
            index: Some(index.to_owned()),
            ..self.clone()
        })
    }

    /// Stages what changed in tracked files, and these paths, which must be there or be tracked.
    pub(crate) fn stage_changes(&self, paths: &[Utf8PathBuf]) -> Result<(), ProjectError> {
        let top = self.top_level()?;
        self.run(&["-C", top.as_str(), "add", "--update"])?;
        self.add(paths)
    }

    /// A commit of what is staged, on no branch.
    pub(crate) fn commit_staged(
        &self,
        message: &str,
        parent: &CommitId,
    ) -> Result<CommitId, ProjectError> {
        let tree = line(self.run(&["write-tree"])?);
        let commit = self.run(&["commit-tree", &tree, "-p", parent.as_str(), "-m", message])?;
        Ok(CommitId(line(commit)))
    }

    /// Those of the paths that an ignore rule matches, as they are given.
    pub(crate) fn ignored<'p>(
        &self,
        paths: &'p [Utf8PathBuf],
    ) -> Result<HashSet<&'p Utf8Path>, ProjectError> {
        if self.is_declined() || paths.is_empty() {
            return Ok(HashSet::new());
        }
        let arguments = ["check-ignore", "-z", "--stdin"];
        let questions: Vec<u8> = paths
            .iter()
            .flat_map(|path| [path.as_str().as_bytes(), b"\0"])
            .flatten()
            .copied()
            .collect();
        let output = self.output_of(&arguments, questions)?;
        if !matches!(output.status.code(), Some(0 | 1)) {
            return Err(failed(&arguments, &output));
        }
        let matched: HashSet<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
        let paths = paths.iter().map(Utf8PathBuf::as_path);
        Ok(paths
            .filter(|path| matched.contains(path.as_str().as_bytes()))
            .collect())
    }

    /// Makes all of the changes or none. False if a reference was not as a change expects it.
    pub(crate) fn change_refs(&self, changes: &[RefChange<'_>]) -> Result<bool, ProjectError> {
        let arguments = ["update-ref", "--stdin"];
        let mut input = String::new();
        for change in changes {
            // References hold no whitespace.
            let (verb, name, commit) = match change {
                RefChange::Create(name, commit) => ("create", name, commit),
                RefChange::Set(name, commit) => ("update", name, commit),
                RefChange::Delete(name, commit) => ("delete", name, commit),
            };
            input.extend([verb, " ", name, " ", commit.as_str(), "\n"]);
        }
        let output = self.output_of(&arguments, input.into_bytes())?;
        if output.status.success() {
            return Ok(true);
        }
        let told = String::from_utf8_lossy(&output.stderr);
        let unexpected = ["already exists", "but expected", "unable to resolve"];
        if unexpected.iter().any(|words| told.contains(words)) {
            return Ok(false);
        }
        Err(failed(&arguments, &output))
    }

    /// Stages a text as that of a file, whatever the work tree has; its mode stays.
    pub(crate) fn stage_text(&self, path: &Utf8Path, text: &str) -> Result<(), ProjectError> {
        let as_path = format!("--path={path}");
        let arguments = ["hash-object", "-w", "--stdin", &as_path];
        let output = self.output_of(&arguments, text.as_bytes().to_vec())?;
        if !output.status.success() {
            return Err(failed(&arguments, &output));
        }
        let blob = line(String::from_utf8_lossy(&output.stdout).into_owned());
        let staged = self.run(&[
            "--literal-pathspecs",
            "ls-files",
            "--stage",
            "--",
            path.as_str(),
        ])?;
        let mode = staged.split(' ').next().filter(|mode| !mode.is_empty());
        // `update-index` takes paths from the top, whatever directory it runs in.
        let below = line(self.run(&["rev-parse", "--show-prefix"])?);
        let entry = format!("{},{blob},{below}{path}", mode.unwrap_or("100644"));
        self.run(&["update-index", "--add", "--cacheinfo", &entry])
            .map(drop)
    }

    /// What `git` answers to an input.
    fn output_of(
        &self,
        arguments: &[&str],
        input: Vec<u8>,
    ) -> Result<std::process::Output, ProjectError> {
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let unavailable = |source| ProjectError::GitUnavailable { source };
        let mut child = command.spawn().map_err(unavailable)?;
        let mut pipe = child.stdin.take();
        let asking = std::thread::spawn(move || match &mut pipe {
            Some(pipe) => pipe.write_all(&input),
            None => Ok(()),
        });
        let output = child.wait_with_output().map_err(unavailable)?;
        // What Git did not read is in its exit status.
        drop(asking.join());
        Ok(output)
    }

    /// Points a ref at a commit and keeps what it pointed at in its log.
    pub(crate) fn update_ref_logged(
        &self,
        name: &str,
        commit: &CommitId,
        why: &str,
    ) -> Result<(), ProjectError> {
        let arguments = [
            "update-ref",
            "--create-reflog",
            "-m",
            why,
            name,
            commit.as_str(),
        ];
        self.run(&arguments).map(drop)
    }

    /// A commit of what differs from the one that is checked out in tracked files and in what is
    /// staged; nothing where nothing does. Nothing else changes.
    pub(crate) fn stash(&self, message: &str) -> Result<Option<CommitId>, ProjectError> {
        let made = line(self.run(&["stash", "create", message])?);
        Ok(CommitId::from_hex(&made))
    }

    /// Files of a commit that are in the work tree and that Git does not track, absolute.
    pub(crate) fn untracked_in_the_way(
        &self,
        commit: &CommitId,
    ) -> Result<Vec<Utf8PathBuf>, ProjectError> {
        let top = self.top_level()?;
        let top_words = ["-C", top.as_str()];
        let list = |words: &[&str]| self.run(&[&top_words, words].concat());
        let tracked = list(&["ls-files", "-z"])?;
        let tracked: HashSet<&str> = tracked.split('\0').collect();
        let wanted = list(&["ls-tree", "-r", "-z", "--name-only", commit.as_str()])?;
        let new = wanted
            .split('\0')
            .filter(|path| !path.is_empty() && !tracked.contains(path))
            .map(|path| top.join(path));
        Ok(new.filter(|path| path.symlink_metadata().is_ok()).collect())
    }

    /// Makes tracked files of the work tree those of a commit: others of the index go away.
    pub(crate) fn make_work_tree(&self, commit: &CommitId) -> Result<(), ProjectError> {
        let top = self.top_level()?;
        self.run(&[
            "-C",
            top.as_str(),
            "read-tree",
            "--reset",
            "-u",
            commit.as_str(),
        ])
        .map(drop)
    }

    /// Sends references to another repository under their own names.
    pub(crate) fn push_refs(
        &self,
        remote: &str,
        references: &[String],
        force: bool,
    ) -> Result<HashMap<String, PushedRef>, ProjectError> {
        if references.is_empty() {
            return Ok(HashMap::new());
        }
        let specs: Vec<String> = references
            .iter()
            .map(|one| format!("{one}:{one}"))
            .collect();
        let mut arguments = vec!["push", "--porcelain", "--no-verify"];
        arguments.extend(force.then_some("--force"));
        arguments.extend(["--end-of-options", remote]);
        arguments.extend(specs.iter().map(String::as_str));
        let output = self.output(&arguments)?;
        // A line for each: what became of it, from where to where, and in words; between tabs.
        let told = String::from_utf8_lossy(&output.stdout);
        let answers: HashMap<String, PushedRef> = told
            .lines()
            .filter_map(|line| {
                let mut fields = line.split('\t');
                let (flag, places) = (fields.next()?, fields.next()?);
                let (_, target) = places.split_once(':')?;
                let state = match flag {
                    "=" => PushedRef::UpToDate,
                    "!" => PushedRef::Rejected,
                    _ => PushedRef::Moved,
                };
                Some((target.to_owned(), state))
            })
            .collect();
        if !output.status.success() && answers.is_empty() {
            return Err(failed(&arguments, &output));
        }
        Ok(answers)
    }
}
