//! Another repository at one commit.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::TemporaryFolder;

use super::address::{Address, PROTOCOLS, shown, without_login};
use super::{ImportError, SourceSpec};
use crate::{CommitId, Git, ProjectError};

/// An open repository: one of this machine as it is, any other as a clone that is gone when this
/// value is.
#[derive(Debug)]
pub(super) struct SourceRepository {
    pub(super) spec: SourceSpec,
    pub(super) git: Git,
    pub(super) commit: CommitId,
    /// The top of its work tree, if it is one of this machine that has one.
    pub(super) top: Option<Utf8PathBuf>,
    /// Where paths begin, relative to the top: elsewhere if the URL is a directory below it.
    pub(super) base: Utf8PathBuf,
    /// Removes the clone in the end.
    _clone: Option<TemporaryFolder>,
}

/// What opening needs to know of the one who opens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// Where relative addresses may begin, the likeliest first.
    pub(super) bases: &'a [&'a Utf8Path],
    /// A folder for clones.
    pub(super) scratch: &'a Utf8Path,
}

impl SourceRepository {
    /// Opens it at `lock` or, without one, at the revision that `spec` names.
    pub(super) fn open(
        spec: &SourceSpec,
        lock: Option<&str>,
        around: Surroundings<'_>,
    ) -> Result<Self, ProjectError> {
        let (git, top, base, clone) = match Address::parse(&spec.url, around.bases)? {
            Address::Directory(directory) => {
                let (git, top, base) = open_directory(&spec.url, &directory)?;
                (git, top, base, None)
            }
            Address::Url(url) => {
                let any = lock.is_some() || spec.revision.is_some();
                let history = if any { History::Whole } else { History::Newest };
                let clone = clone(&url, history, around.scratch)?;
                let git = Git::at(clone.path());
                (git, None, Utf8PathBuf::new(), Some(clone))
            }
        };
        let wanted = lock.or(spec.revision.as_deref()).unwrap_or("HEAD");
        let commit = resolve(&git, &spec.url, wanted)?;
        Ok(Self {
            spec: spec.clone(),
            git,
            commit,
            top,
            base,
            _clone: clone,
        })
    }

    /// The commit that `spec` names now, with as little of the repository as that takes.
    pub(super) fn newest(
        spec: &SourceSpec,
        around: Surroundings<'_>,
    ) -> Result<CommitId, ProjectError> {
        let wanted = spec.revision.as_deref().unwrap_or("HEAD");
        let url = match Address::parse(&spec.url, around.bases)? {
            Address::Directory(directory) => {
                let (git, ..) = open_directory(&spec.url, &directory)?;
                return resolve(&git, &spec.url, wanted);
            }
            Address::Url(url) => url,
        };
        let git = Git::at(around.scratch);
        if let Some(found) = advertised(&git, &url, wanted)? {
            return Ok(found);
        }
        // A commit by its id, or `main~2`.
        Self::open(spec, None, around).map(|source| source.commit)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum History {
    Newest,
    Whole,
}

fn open_directory(
    url: &str,
    directory: &Utf8Path,
) -> Result<(Git, Option<Utf8PathBuf>, Utf8PathBuf), ProjectError> {
    let git = Git::at(directory);
    let top = match git.top_level() {
        Ok(top) => top,
        Err(ProjectError::Git { message, .. }) => {
            return match git.run(&["rev-parse", "--is-bare-repository"]) {
                Ok(answer) if answer.trim() == "true" => Ok((git, None, Utf8PathBuf::new())),
                _ => Err(ImportError::Repository {
                    url: shown(url),
                    message,
                }
                .into()),
            };
        }
        Err(error) => return Err(error),
    };
    let top = crate::project::canonical(&top)?;
    let base = directory.strip_prefix(&top).unwrap_or(Utf8Path::new(""));
    let base = base.to_owned();
    Ok((git, Some(top), base))
}

/// A bare clone: nothing is checked out, and no hook or filter of anybody runs.
fn clone(url: &str, history: History, scratch: &Utf8Path) -> Result<TemporaryFolder, ProjectError> {
    let folder = TemporaryFolder::make_in(scratch)?;
    let mut arguments = vec![
        "-c",
        "core.hooksPath=/dev/null",
        "clone",
        "--bare",
        "--quiet",
    ];
    if history == History::Newest && !url.starts_with("file:") {
        arguments.extend(["--depth", "1"]);
    }
    arguments.extend(["--", url, folder.path().as_str()]);
    let output = Git::at(scratch)
        .command(&arguments)
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS.join(":"))
        .output()
        .map_err(|source| ProjectError::GitUnavailable { source })?;
    if !output.status.success() {
        return Err(ImportError::Repository {
            url: shown(url),
            message: without_login(&last_line(&output.stderr), url),
        }
        .into());
    }
    Ok(folder)
}

/// What the repository says a branch or tag is, without a clone.
fn advertised(git: &Git, url: &str, wanted: &str) -> Result<Option<CommitId>, ProjectError> {
    let names = [
        format!("refs/tags/{wanted}^{{}}"),
        format!("refs/tags/{wanted}"),
        format!("refs/heads/{wanted}"),
        wanted.to_owned(),
    ];
    let output = git
        .command(&["ls-remote", "--quiet", "--", url])
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS.join(":"))
        .output()
        .map_err(|source| ProjectError::GitUnavailable { source })?;
    if !output.status.success() {
        return Err(ImportError::Repository {
            url: shown(url),
            message: without_login(&last_line(&output.stderr), url),
        }
        .into());
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    let found = names.iter().find_map(|name| {
        let line = |line: &str| {
            let (id, known) = line.split_once('\t')?;
            (known == name).then(|| CommitId::from_hex(id))?
        };
        listed.lines().find_map(line)
    });
    Ok(found)
}

fn resolve(git: &Git, url: &str, revision: &str) -> Result<CommitId, ProjectError> {
    match git.resolve(revision) {
        Err(ProjectError::UnknownRevision { revision }) => Err(ImportError::Revision {
            url: shown(url),
            revision,
        }
        .into()),
        resolved => resolved,
    }
}

/// Git says what happens first and why it failed last.
fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rev().find(|line| line.starts_with("fatal: "));
    line.or_else(|| text.lines().last())
        .unwrap_or("`git` failed without a word")
        .trim_start_matches("fatal: ")
        .to_owned()
}
