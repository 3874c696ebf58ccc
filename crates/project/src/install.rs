//! Git hooks that call ketch.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8PathBuf;
use ketch_store::write_atomically;

use crate::paths::{join, read_if_there};
use crate::{Project, ProjectError};

/// By this line a hook of ours is known.
const MARK: &str = "# Written by `ketch install`.";

/// Each hook and what it calls, after what DVC's hooks do. `post-checkout` is told with its third
/// argument whether another commit was checked out, and is called in the middle of a rebase too.
const HOOKS: [(&str, &str); 3] = [
    ("pre-commit", "exec ketch status"),
    (
        "post-checkout",
        "[ \"$3\" = 1 ] || exit 0\n[ -d \"$(git rev-parse --git-path rebase-merge)\" ] && exit 0\nexec ketch checkout",
    ),
    ("pre-push", "exec ketch push"),
];

/// Writes the hooks and returns their paths, relative to the root where they are below it. Fails
/// before any is written where there is one of somebody else's.
pub fn install_hooks(project: &Project) -> Result<Vec<Utf8PathBuf>, ProjectError> {
    let answer = project.git().run(&["rev-parse", "--git-path", "hooks"])?;
    let directory = join(project.root(), answer.trim_end_matches('\n'));
    for (name, _) in HOOKS {
        let path = directory.join(name);
        let foreign = read_if_there(&path)?.is_some_and(|text| !text.contains(MARK));
        if foreign {
            return Err(ProjectError::HookExists { path });
        }
    }
    let mut written = Vec::new();
    for (name, commands) in HOOKS {
        let path = directory.join(name);
        let text = format!("#!/bin/sh\n{MARK}\n{commands}\n");
        write_atomically(&path, text.as_bytes())?;
        fs_err::set_permissions(&path, Permissions::from_mode(0o755))?;
        written.push(project.shown(&path));
    }
    Ok(written)
}
