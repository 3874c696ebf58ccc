//! Git hooks that call ketch.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8PathBuf;
use ketch_store::write_atomically;

use crate::paths::{join, read_if_there};
use crate::{Project, ProjectError};

/// By one of these lines a hook is known that may be written anew: ours, and DVC's own.
const MARKS: [&str; 2] = ["# Written by `ketch install`.", "exec dvc git-hook "];

/// Each hook. What it does is with the hidden command `git-hook`, as with DVC.
const HOOKS: [&str; 3] = ["pre-commit", "post-checkout", "pre-push"];

/// The program that hooks call first; where it is not installed they call the other one, as a
/// clone may be worked in with either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HookProgram {
    #[default]
    Ketch,
    Dvc,
}

impl HookProgram {
    fn in_order(self) -> [&'static str; 2] {
        match self {
            Self::Ketch => ["ketch", "dvc"],
            Self::Dvc => ["dvc", "ketch"],
        }
    }
}

/// Writes the hooks and returns their paths, relative to the root where they are below it. Fails
/// before any is written where there is one of somebody else's.
pub fn install_hooks(
    project: &Project,
    program: HookProgram,
) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let answer = project.git().run(&["rev-parse", "--git-path", "hooks"])?;
    let directory = join(project.root(), answer.trim_end_matches('\n'));
    for name in HOOKS {
        let path = directory.join(name);
        let foreign =
            read_if_there(&path)?.is_some_and(|text| !MARKS.iter().any(|mark| text.contains(mark)));
        if foreign {
            return Err(ProjectError::HookExists { path });
        }
    }
    let mut written = Vec::new();
    let [first, second] = program.in_order();
    for name in HOOKS {
        let path = directory.join(name);
        let text = format!(
            "#!/bin/sh\n{}\nif command -v {first} >/dev/null; then\n    exec {first} git-hook {name} \"$@\"\nfi\nexec {second} git-hook {name} \"$@\"\n",
            MARKS[0]
        );
        write_atomically(&path, text.as_bytes())?;
        fs_err::set_permissions(&path, Permissions::from_mode(0o755))?;
        written.push(project.shown(&path));
    }
    Ok(written)
}
