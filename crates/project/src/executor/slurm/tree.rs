//! What an attempt sees of the work tree, and how its outputs come there.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::super::{ExecutorError, Task};
use super::attempt::Attempt;
use crate::ProjectError;
use crate::paths::{self, is_url, join, relative};
use crate::stage::Stage;

/// Fills the folder that an attempt runs in: with what no ignore file hides and nothing tracks as
/// data, which is code, and with what the stage declares. Data is there as it is in the work tree:
/// a link to the cache stays one, everything else is copied, so that nothing that a command does to
/// it is seen anywhere else. Returns where the commands run.
pub(super) fn build(task: &Task<'_>, attempt: &Attempt) -> Result<Utf8PathBuf, ProjectError> {
    let Task {
        project,
        index,
        stage,
        ..
    } = task;
    let (root, tree) = (project.root(), attempt.tree());
    let outputs = index.stages.iter().flat_map(Stage::outputs);
    let mut data: Vec<Utf8PathBuf> = outputs.map(|(_, path)| path).collect();
    data.extend(index.data.iter().map(|data| data.path.clone()));
    for file in project.find_files(&|path| !data.iter().any(|data| path.starts_with(data)))? {
        mirror(root, &file, &tree.join(relative(root, &file)?))?;
    }
    let params = stage.spec.params.iter().map(|params| &params.file);
    let declared = stage.spec.deps.iter().filter(|path| !is_url(path));
    for path in declared.chain(params) {
        let place = stage.resolve(path);
        match relative(root, &place) {
            Ok(inside) if place.symlink_metadata().is_ok() => {
                mirror(root, &place, &tree.join(inside))?;
            }
            Ok(_) => {}
            Err(_) if Utf8Path::new(path).is_absolute() || place == root => {}
            Err(_) => {
                return Err(ExecutorError::Outside {
                    stage: stage.shown(),
                    path: path.clone(),
                }
                .into());
            }
        }
    }
    for (out, path) in stage.outputs() {
        let inside = relative(root, &path).map_err(|_| ExecutorError::OutputOutside {
            stage: stage.shown(),
            path: out.path.clone(),
        })?;
        let target = tree.join(inside);
        if out.persist && path.symlink_metadata().is_ok() {
            mirror(root, &path, &target)?;
        } else if let Some(parent) = target.parent() {
            fs_err::create_dir_all(parent)?;
        }
    }
    let directory = match stage.directory.strip_prefix(root) {
        Ok(below) => tree.join(below),
        Err(_) => {
            return Err(ExecutorError::Outside {
                stage: stage.shown(),
                path: stage.directory.to_string(),
            }
            .into());
        }
    };
    fs_err::create_dir_all(&directory)?;
    Ok(directory)
}

/// Whether all outputs are there: on a network's file system they come a little later than the word
/// that they do.
pub(super) fn is_complete(task: &Task<'_>, attempt: &Attempt) -> bool {
    let root = task.project.root();
    task.stage.outputs().all(|(_, path)| {
        relative(root, &path)
            .is_ok_and(|inside| attempt.tree().join(inside).symlink_metadata().is_ok())
    })
}

/// Moves what an attempt made to where the work tree has it.
pub(super) fn publish(task: &Task<'_>, attempt: &Attempt) -> Result<(), ProjectError> {
    let root = task.project.root();
    for (_, path) in task.stage.outputs() {
        let made = attempt.tree().join(relative(root, &path)?);
        if made.symlink_metadata().is_err() {
            // Whoever records the outputs says so.
            continue;
        }
        paths::remove(&path)?;
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        match fs_err::rename(&made, &path) {
            Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                mirror(&attempt.tree(), &made, &path)?;
            }
            moved => moved?,
        }
    }
    Ok(())
}

/// Copies a file, a link, or a folder with all that is in it; what is there already stays. Links
/// inside of `root` stay what they are, others lead where they led.
fn mirror(root: &Utf8Path, source: &Utf8Path, target: &Utf8Path) -> Result<(), ProjectError> {
    let metadata = fs_err::symlink_metadata(source)?;
    if metadata.is_dir() {
        fs_err::create_dir_all(target)?;
        for entry in source.read_dir_utf8()? {
            let entry = entry?;
            mirror(root, entry.path(), &target.join(entry.file_name()))?;
        }
        return Ok(());
    }
    if target.symlink_metadata().is_ok() {
        return Ok(());
    }
    if let Some(parent) = target.parent() {
        fs_err::create_dir_all(parent)?;
    }
    if metadata.is_symlink() {
        let link = source.read_link_utf8()?;
        let leads = join(source.parent().unwrap_or(root), &link);
        let kept = !leads.starts_with(root.join(".dvc")) && leads.starts_with(root);
        let link = if kept && link.is_relative() {
            link
        } else {
            leads
        };
        fs_err::os::unix::fs::symlink(link, target)?;
        return Ok(());
    }
    // A hard link to the cache, which nobody may write to.
    let is_linked = metadata.nlink() > 1 && metadata.permissions().readonly();
    if is_linked && fs_err::hard_link(source, target).is_ok() {
        return Ok(());
    }
    if metadata.is_file() {
        fs_err::copy(source, target)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn data_is_there_as_in_the_work_tree() {
        let directory = tempfile::tempdir().unwrap();
        let base = Utf8Path::from_path(directory.path()).unwrap();
        let (root, tree) = (base.join("root"), base.join("tree"));
        fs_err::create_dir_all(root.join("data/deep")).unwrap();
        fs_err::create_dir_all(root.join(".dvc/cache")).unwrap();
        fs_err::write(root.join("data/deep/own"), "own").unwrap();
        fs_err::write(root.join(".dvc/cache/x"), "cached").unwrap();
        let protected = std::fs::Permissions::from_mode(0o444);
        fs_err::set_permissions(root.join(".dvc/cache/x"), protected).unwrap();
        fs_err::hard_link(root.join(".dvc/cache/x"), root.join("data/hard")).unwrap();
        let link = |to: &str, name: &str| {
            fs_err::os::unix::fs::symlink(to, root.join("data").join(name)).unwrap();
        };
        link("../.dvc/cache/x", "cached");
        link("deep/own", "inside");

        mirror(&root, &root.join("data"), &tree.join("data")).unwrap();
        fs_err::write(tree.join("data/deep/own"), "changed").unwrap();
        let read = |path: &str| fs_err::read_to_string(base.join(path)).unwrap();
        assert_eq!(read("root/data/deep/own"), "own");
        assert_eq!(read("tree/data/inside"), "changed");
        assert_eq!(read("tree/data/cached"), "cached");
        let number = |path: &str| fs_err::metadata(base.join(path)).unwrap().ino();
        assert_eq!(number("tree/data/hard"), number("root/.dvc/cache/x"));

        // Nothing that is there is written over.
        mirror(&root, &root.join("data"), &tree.join("data")).unwrap();
        assert_eq!(read("tree/data/deep/own"), "changed");
    }
}
