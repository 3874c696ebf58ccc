//! Telling Git about the merge driver.

use camino::Utf8PathBuf;
use ketch_store::write_atomically;

use crate::paths::read_if_there;
use crate::{Project, ProjectError};

/// The driver `ketch`. Where it is not set up Git merges by lines, as it did before. It is not
/// called `dvc`: DVC's own driver merges directories only and fails for everything else, with an
/// exit code on which Git gives up the whole merge.
const COMMAND: &str = "ketch git-hook merge-driver --ancestor %O --our %A --their %B --path %P";
/// Files and how Git merges them. Every `add` and every new stage appends to a `.gitignore`, so two
/// branches would always conflict there; Git's own `union` keeps the lines of both.
const ATTRIBUTES: [(&str, &str); 3] = [
    ("*.dvc", "merge=ketch"),
    ("dvc.lock", "merge=ketch"),
    (".gitignore", "merge=union"),
];

/// Lets Git merge `.dvc` files and `dvc.lock` through ketch: the driver in this clone's
/// configuration, and which files it is for in `.gitattributes`. Returns the latter's path if it
/// was written, relative to the root, for `git add`.
pub fn install_merge_driver(project: &Project) -> Result<Option<Utf8PathBuf>, ProjectError> {
    for (key, value) in [("name", "ketch merge driver"), ("driver", COMMAND)] {
        let key = format!("merge.ketch.{key}");
        project.git().run(&["config", "--local", &key, value])?;
    }
    let path = project.root().join(".gitattributes");
    let mut text = read_if_there(&path)?.unwrap_or_default();
    let before = text.len();
    for (pattern, attribute) in ATTRIBUTES {
        let is_there = text.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.first() == Some(&pattern) && words.contains(&attribute)
        });
        if is_there {
            continue;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.extend([pattern, " ", attribute, "\n"]);
    }
    if text.len() == before {
        return Ok(None);
    }
    write_atomically(&path, text.as_bytes())?;
    let shown = project.shown(&path);
    if project.autostage() {
        project.git().add(std::slice::from_ref(&shown))?;
    }
    Ok(Some(shown))
}
