//! Making a project.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::write_atomically;
use serde::Serialize;

use crate::project::{canonical, state_directory};
use crate::trash::move_file;
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
    /// Write its first files anew. Settings that are not empty go to the trash, the cache stays.
    Reset,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitReport {
    pub root: Utf8PathBuf,
    /// Relative to the root; staged in Git where there is one.
    pub created: Vec<Utf8PathBuf>,
    /// Earlier settings, where they are now, relative to the root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trashed: Vec<Utf8PathBuf>,
}

const CONFIG: &str = ".dvc/config";

/// The files `dvc init` makes, byte for byte.
const FILES: [(&str, &str); 3] = [
    (".dvc/.gitignore", "/config.local\n/tmp\n/cache\n"),
    (CONFIG, ""),
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
    make(root, &git, options.existing, &FILES)
}

/// [`init`] in any directory: a project that does without Git, which its settings say.
pub fn init_without_git(options: &InitOptions) -> Result<(Project, InitReport), ProjectError> {
    let root = canonical(&options.root)?;
    let git = Git::declined(&root);
    // Nobody reads a `.gitignore`.
    let [_, _, ignore] = FILES;
    let files = [(CONFIG, "[core]\n    no_scm = True\n"), ignore];
    make(root, &git, options.existing, &files)
}

fn make(
    root: Utf8PathBuf,
    git: &Git,
    existing: Existing,
    files: &[(&str, &str)],
) -> Result<(Project, InitReport), ProjectError> {
    let directory = root.join(".dvc");
    if directory.symlink_metadata().is_ok() && existing == Existing::Refuse {
        return Err(ProjectError::AlreadyInitialised { path: directory });
    }
    if git.is_ignored(&directory)? {
        return Err(ProjectError::IgnoredByGit { path: directory });
    }
    let trashed = put_settings_away(&root)?;
    let mut created = Vec::new();
    for (name, content) in files.iter().copied() {
        let path = root.join(name);
        // People's own rules stay.
        if name == ".dvcignore" && path.exists() {
            continue;
        }
        write_atomically(&path, content.as_bytes())?;
        created.push(Utf8PathBuf::from(name));
    }
    git.add(&created)?;
    let report = InitReport {
        root,
        created,
        trashed,
    };
    Ok((Project::open(&report.root)?, report))
}

/// Settings may be why somebody begins anew, and may be written down nowhere else.
fn put_settings_away(root: &Utf8Path) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let mut trashed = Vec::new();
    for name in [CONFIG, ".dvc/config.local"] {
        let path = root.join(name);
        if !fs_err::metadata(&path).is_ok_and(|found| found.is_file() && found.len() > 0) {
            continue;
        }
        let trash = state_directory(root)?.join("trash");
        let place = (1..=u32::MAX)
            .map(|number| trash.join(format!("init-{number}")).join(name))
            .find(|place| place.symlink_metadata().is_err());
        if let Some(place) = place {
            move_file(&path, &place)?;
            trashed.push(place.strip_prefix(root).unwrap_or(&place).to_owned());
        }
    }
    Ok(trashed)
}
