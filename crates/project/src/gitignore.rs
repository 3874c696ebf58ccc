//! Keeping data out of Git: one line in the `.gitignore` beside each cached output.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::write_atomically;

use crate::paths::read_if_there;
use crate::{Project, ProjectError};

/// Makes Git ignore `path`, unless it does already or the project does without Git. Returns the file
/// that was changed.
///
/// Whoever calls this has seen to it that Git does not track the path ([`refuse_tracked`]): ignoring
/// it would change nothing.
pub(crate) fn ignore(
    project: &Project,
    path: &Utf8Path,
) -> Result<Option<Utf8PathBuf>, ProjectError> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    if project.git().is_declined() {
        return Ok(None);
    }
    let file = directory.join(".gitignore");
    let line = format!("/{}", escape(name));
    let mut text = read_if_there(&file)?.unwrap_or_default();
    // Most often it is there; that saves asking Git.
    if text.lines().any(|known| known == line) {
        return Ok(None);
    }
    if project.git().is_ignored(path)? {
        return Ok(None);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&line);
    text.push('\n');
    write_atomically(&file, text.as_bytes())?;
    Ok(Some(file))
}

/// Data that Git tracks cannot be an output: both would claim it.
pub(crate) fn refuse_tracked(project: &Project, path: &Utf8Path) -> Result<(), ProjectError> {
    if project.git().is_tracked(path)? {
        return Err(ProjectError::TrackedByGit {
            path: project.shown(path),
        });
    }
    Ok(())
}

/// Takes the line of `path` out of the `.gitignore` beside it. Returns the file that was changed;
/// one that held nothing else is deleted.
pub(crate) fn unignore(
    project: &Project,
    path: &Utf8Path,
) -> Result<Option<Utf8PathBuf>, ProjectError> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    if project.git().is_declined() {
        return Ok(None);
    }
    let file = directory.join(".gitignore");
    let line = format!("/{}", escape(name));
    let Some(text) = read_if_there(&file)? else {
        return Ok(None);
    };
    let kept: String = text
        .split_inclusive('\n')
        .filter(|known| known.trim_end() != line)
        .collect();
    if kept == text {
        return Ok(None);
    }
    if kept.is_empty() {
        crate::paths::remove(&file)?;
    } else {
        write_atomically(&file, kept.as_bytes())?;
    }
    Ok(Some(file))
}

/// A backslash before what means something in a pattern.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '[' | ']' | '!' | '*' | '#' | '?') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_patterns() {
        assert_eq!(escape("!a[1]*.txt"), "\\!a\\[1\\]\\*.txt");
        assert_eq!(escape("with space"), "with space");
    }
}
