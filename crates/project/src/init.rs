//! Making a project.

use camino::Utf8PathBuf;
use ketch_store::write_atomically;
use serde::Serialize;

use crate::project::canonical;
use crate::{Git, Project, ProjectError};

/// Where to make a project.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// The top of a Git work tree.
    pub root: Utf8PathBuf,
    pub existing: Existing,
}

/// What to do about a `.dvc` directory that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    #[default]
    Refuse,
    /// Write its first files anew. The cache stays.
    Reset,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitReport {
    pub root: Utf8PathBuf,
    /// Relative to the root; staged in Git.
    pub created: Vec<Utf8PathBuf>,
}

/// The files `dvc init` makes, byte for byte.
const FILES: [(&str, &str); 3] = [
    (".dvc/.gitignore", "/config.local\n/tmp\n/cache\n"),
    (".dvc/config", ""),
    (
        ".dvcignore",
        "# Add patterns of files dvc should ignore, which could improve\n\
         # the performance. Learn more at\n\
         # https://dvc.org/doc/user-guide/dvcignore\n",
    ),
];

/// Makes the files of a new project and stages them, without committing.
pub fn init(options: &InitOptions) -> Result<(Project, InitReport), ProjectError> {
    let root = canonical(&options.root)?;
    let top = canonical(&Git::open(&root)?.top_level()?)?;
    if top != root {
        return Err(ProjectError::NotGitTop { path: root, top });
    }
    init_below(options)
}

/// [`init`] in any directory of a Git work tree: one of several projects that share it.
pub fn init_below(options: &InitOptions) -> Result<(Project, InitReport), ProjectError> {
    let root = canonical(&options.root)?;
    let git = Git::open(&root)?;
    let directory = root.join(".dvc");
    if directory.symlink_metadata().is_ok() && options.existing == Existing::Refuse {
        return Err(ProjectError::AlreadyInitialised { path: directory });
    }
    if git.is_ignored(&directory)? {
        return Err(ProjectError::IgnoredByGit { path: directory });
    }
    let mut created = Vec::new();
    for (name, content) in FILES {
        let path = root.join(name);
        // People's own rules stay.
        if name == ".dvcignore" && path.exists() {
            continue;
        }
        write_atomically(&path, content.as_bytes())?;
        created.push(Utf8PathBuf::from(name));
    }
    git.add(&created)?;
    Ok((Project::open(&root)?, InitReport { root, created }))
}
