//! What a stage may have read that a clean clone does not have.

use std::sync::LazyLock;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::LockFile;
use regex::Regex;

use super::super::Bench;
use crate::paths::{overlap, relative, remove};
use crate::stage::Stage;
use crate::{CommitId, Git, Project, ProjectError};

/// More files than these are not tried all at once.
const MOST_FILES: usize = 500;
/// Nor more bytes.
const MOST_BYTES: u64 = 256 << 20;
/// The largest file in which names are looked for.
const LARGEST_CODE: u64 = 1 << 20;
/// How many versions of `dvc.lock` are looked at.
const MOST_VERSIONS: &str = "--max-count=200";
/// Folders with nothing that a stage depends on.
const NEVER: [&str; 5] = [".dvc", ".ketch", ".git", "__pycache__", "node_modules"];

pub(super) struct Candidates<'a> {
    pub(super) bench: &'a Bench<'a>,
    pub(super) stage: &'a Stage,
    pub(super) failure: Option<&'a ProjectError>,
}

impl Candidates<'_> {
    /// Files of the work tree that Git does not track and that the clone does not have: those that
    /// the stage's code mentions, then all. Relative to the root.
    pub(super) fn hidden(&self) -> Result<Vec<Vec<Utf8PathBuf>>, ProjectError> {
        let main = self.bench.main;
        let virtual_environment = main.virtual_environment();
        let listed = main.git().run(&["ls-files", "--others", "-z", "--", "."])?;
        let is_candidate = |path: &Utf8PathBuf| {
            let here = main.root().join(path);
            let is_program = virtual_environment
                .as_ref()
                .is_some_and(|folder| here.starts_with(folder));
            !is_program
                && !path.components().any(|part| NEVER.contains(&part.as_str()))
                && here.is_file()
                && !self.root().join(path).exists()
                && !self.is_tracked(path)
        };
        let files = listed.split('\0').filter(|path| !path.is_empty());
        let files = files.map(Utf8PathBuf::from).filter(is_candidate);
        Ok(self.likeliest_first(files.collect()))
    }

    /// Those that are mentioned, then all if they are not too many.
    pub(super) fn likeliest_first(&self, files: Vec<Utf8PathBuf>) -> Vec<Vec<Utf8PathBuf>> {
        let code = self.code();
        let mentioned: Vec<Utf8PathBuf> = files
            .iter()
            .filter(|path| is_mentioned(&code, path))
            .cloned()
            .collect();
        let main = self.bench.main.root();
        let size = |path: &Utf8PathBuf| fs_err::metadata(main.join(path)).map_or(0, |it| it.len());
        let fits = |files: &[Utf8PathBuf]| {
            let bytes: u64 = files.iter().map(size).sum();
            !files.is_empty() && files.len() <= MOST_FILES && bytes <= MOST_BYTES
        };
        let mut sets = vec![mentioned, files];
        sets.dedup();
        sets.retain(|files| fits(files));
        sets
    }

    /// Those that are mentioned; all of them if none is.
    pub(super) fn mentioned_first(&self, files: Vec<Utf8PathBuf>) -> Vec<Utf8PathBuf> {
        let mut sets = self.likeliest_first(files).into_iter();
        sets.next().unwrap_or_default()
    }

    /// Copies files of the work tree into the clone, and returns them.
    pub(super) fn copy(&self, files: &[Utf8PathBuf]) -> Result<Vec<Utf8PathBuf>, ProjectError> {
        for path in files {
            let target = self.root().join(path);
            if let Some(folder) = target.parent() {
                fs_err::create_dir_all(folder)?;
            }
            fs_err::copy(self.bench.main.root().join(path), &target)?;
        }
        Ok(files.to_vec())
    }

    /// Removes files and directories from the clone.
    pub(super) fn remove(&self, files: &[Utf8PathBuf]) -> Result<(), ProjectError> {
        for path in files {
            remove(&self.root().join(path))?;
        }
        Ok(())
    }

    /// Tracked data that the clone does not have, as no stage declares it. Relative to the root.
    pub(super) fn undeclared_data(&self) -> Vec<Utf8PathBuf> {
        let data = self.bench.index.data.iter().filter(|data| data.entry.cache);
        let absent = data.filter(|data| !data.path.exists());
        absent
            .map(|data| self.bench.clone.project.shown(&data.path))
            .collect()
    }

    /// The files that changed after the stage was last recorded, and that it does not declare.
    pub(super) fn changed_since_recorded(&self) -> Result<Option<Earlier<'_>>, ProjectError> {
        let Some(written) = self.written()? else {
            return Ok(None);
        };
        let project = &self.bench.clone.project;
        let listed = project.git().run(&[
            "diff",
            "--name-only",
            "--relative",
            "--no-renames",
            "--diff-filter=MD",
            "-z",
            written.as_str(),
            self.bench.commit.as_str(),
            "--",
            ".",
        ])?;
        let is_ours = |path: &Utf8Path| {
            let first = path.components().next();
            let ours = [".dvc", crate::environment::DOCUMENTS];
            first.is_some_and(|first| ours.contains(&first.as_str()))
                || path.extension() == Some("dvc")
                || ["dvc.yaml", "dvc.lock", ".gitignore"].contains(&path.file_name().unwrap_or(""))
        };
        let is_declared = |path: &Utf8Path| {
            let path = project.root().join(path);
            self.stage.local_deps().any(|known| overlap(&known, &path))
        };
        let files: Vec<Utf8PathBuf> = listed
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(Utf8PathBuf::from)
            .filter(|path| !is_ours(path) && !is_declared(path) && !self.is_tracked(path))
            .collect();
        Ok((!files.is_empty()).then_some(Earlier {
            project,
            now: self.bench.commit,
            written,
            files,
        }))
    }

    /// The addresses that its commands and its code name.
    pub(super) fn addresses(&self) -> Vec<String> {
        static ADDRESS: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new(r#"\b(https?|s3|gs|ftp)://[^\s"'`)>]+"#).ok());
        let code = self.code();
        let found = ADDRESS.iter().flat_map(|address| address.find_iter(&code));
        let mut addresses: Vec<String> = found.map(|found| found.as_str().to_owned()).collect();
        addresses.sort();
        addresses.dedup();
        addresses
    }

    /// The commit whose `dvc.lock` first had what it has of the stage now.
    fn written(&self) -> Result<Option<CommitId>, ProjectError> {
        let project = &self.bench.clone.project;
        let lock = relative(project.root(), &self.stage.lock_path())?;
        let here = format!("./{lock}");
        let log = ["log", "--format=%H", MOST_VERSIONS];
        let of = [self.bench.commit.as_str(), "--", &here];
        let versions = project.git().run(&[&log[..], &of].concat())?;
        let recorded = self.bench.index.recorded(self.stage);
        let mut written = None;
        for commit in versions.lines().filter_map(CommitId::from_hex) {
            let Ok(text) = project.git().show(&commit, &lock) else {
                break;
            };
            let Ok(version) = LockFile::parse(&text, lock.as_str()) else {
                break;
            };
            if version.stages().get(&self.stage.name) != recorded {
                break;
            }
            written = Some(commit);
        }
        Ok(written)
    }

    fn root(&self) -> &Utf8Path {
        self.bench.clone.project.root()
    }

    /// Whether it is, or lies in, an output or tracked data.
    fn is_tracked(&self, path: &Utf8Path) -> bool {
        let path = self.root().join(path);
        let index = self.bench.index;
        index.owner(&path).is_some() || index.data.iter().any(|data| path.starts_with(&data.path))
    }

    /// The command, the text files that the stage depends on, and what it wrote when it failed.
    fn code(&self) -> String {
        let mut code = self.stage.spec.commands_to_run().join("\n");
        for path in self.stage.local_deps() {
            let is_small = fs_err::metadata(&path).is_ok_and(|it| it.len() <= LARGEST_CODE);
            if is_small && let Ok(text) = fs_err::read_to_string(&path) {
                code.push('\n');
                code.push_str(&text);
            }
        }
        if let Some(ProjectError::StageFailed(failure)) = self.failure {
            code.push('\n');
            code.push_str(&failure.tail.join("\n"));
        }
        code
    }
}

/// Whether a text names a file, or a Python module without its ending.
fn is_mentioned(code: &str, path: &Utf8Path) -> bool {
    let names = [path.file_name(), path.file_stem()];
    let whole = names.first().copied().flatten();
    let module = names.last().copied().flatten();
    whole.is_some_and(|name| code.contains(name))
        || path.extension() == Some("py")
            && module.is_some_and(|name| {
                let words = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
                words.into_iter().any(|word| word == name)
            })
}

/// Files as they were when a stage was recorded.
pub(super) struct Earlier<'a> {
    project: &'a Project,
    now: &'a CommitId,
    pub(super) written: CommitId,
    /// Relative to the root.
    pub(super) files: Vec<Utf8PathBuf>,
}

impl Earlier<'_> {
    pub(super) fn put_back(&self, files: &[Utf8PathBuf]) -> Result<(), ProjectError> {
        restore(self.project.git(), &self.written, files)
    }

    pub(super) fn bring_up_to_date(&self, files: &[Utf8PathBuf]) -> Result<(), ProjectError> {
        for path in files {
            let here = format!("{}:./{path}", self.now);
            if self.project.git().run(&["cat-file", "-e", &here]).is_ok() {
                restore(self.project.git(), self.now, std::slice::from_ref(path))?;
            } else {
                remove(&self.project.root().join(path))?;
            }
        }
        Ok(())
    }
}

/// Writes files of a commit into the work tree; the index stays.
fn restore(git: &Git, commit: &CommitId, files: &[Utf8PathBuf]) -> Result<(), ProjectError> {
    let source = format!("--source={commit}");
    let restore = [
        "--literal-pathspecs",
        "restore",
        "--worktree",
        &source,
        "--",
    ];
    let paths: Vec<&str> = files.iter().map(|path| path.as_str()).collect();
    git.run(&[&restore[..], &paths].concat()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_mentioned_by_name_and_modules_by_stem() {
        let code = "import helper\nopen('config/local.ini')\n";
        assert!(is_mentioned(code, "config/local.ini".into()));
        assert!(is_mentioned(code, "src/helper.py".into()));
        assert!(!is_mentioned(code, "src/help.py".into()));
        assert!(!is_mentioned(code, "other.ini".into()));
    }
}
