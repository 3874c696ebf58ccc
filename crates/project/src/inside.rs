//! Places inside of tracked directories, as targets: what they mean, and getting them out of the
//! cache while the rest of the directory stays as it is.

use std::collections::BTreeSet;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use ketch_dvc::{Manifest, ManifestEntry, ObjectId};
use ketch_store::{Reporter, walk_directory};

use crate::content;
use crate::paths::join;
use crate::trash::keep_unsaved;
use crate::{CheckoutOptions, CheckoutReport, Overwrite, Project, ProjectError};

/// How much of an output is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Whole,
    /// What is at these places below the directory.
    Places(Vec<Utf8PathBuf>),
}

impl Part {
    /// What targets mean of the directory recorded at `path` (absolute), none of which names all
    /// of it; nothing where they lie elsewhere.
    pub(crate) fn below(
        project: &Project,
        path: &Utf8Path,
        id: Option<&ObjectId>,
        targets: &[String],
    ) -> Option<Self> {
        id.filter(|id| id.is_directory())?;
        let places: Vec<Utf8PathBuf> = targets
            .iter()
            .filter_map(|target| {
                let place = join(project.root(), target);
                let below = place.strip_prefix(path).ok()?;
                (!below.as_str().is_empty()).then(|| below.to_owned())
            })
            .collect();
        (!places.is_empty()).then_some(Self::Places(places))
    }

    /// Whether an entry of the directory's manifest is meant.
    pub(crate) fn has(&self, entry: &ManifestEntry) -> bool {
        match self {
            Self::Whole => true,
            Self::Places(places) => places.iter().any(|place| is_at(entry, place)),
        }
    }

    /// The entries that are meant of the directory at `path` (relative to the root). A place that
    /// the manifest does not have is an error.
    pub(crate) fn of<'m>(
        &self,
        manifest: &'m Manifest,
        path: &Utf8Path,
    ) -> Result<Vec<&'m ManifestEntry>, ProjectError> {
        let entries = manifest.entries();
        if let Self::Places(places) = self {
            for place in places {
                if !entries.iter().any(|entry| is_at(entry, place)) {
                    return Err(ProjectError::UnknownTarget {
                        name: path.join(place).into_string(),
                        suggestion: None,
                    });
                }
            }
        }
        Ok(entries.iter().filter(|entry| self.has(entry)).collect())
    }
}

fn is_at(entry: &ManifestEntry, place: &Utf8Path) -> bool {
    Utf8Path::new(&entry.relpath).starts_with(place)
}

/// What has to be done to some places of one directory.
pub(crate) struct PartialCheckout {
    /// The directory, absolute.
    output: Utf8PathBuf,
    is_new: bool,
    /// Files to make, absolute, and whether there is one now.
    files: Vec<(Utf8PathBuf, ObjectId, bool)>,
    /// Files that are not recorded, absolute.
    extra: Vec<Utf8PathBuf>,
}

impl PartialCheckout {
    /// Looks at everything, and changes nothing.
    pub(crate) fn look(
        project: &Project,
        output: &Utf8Path,
        id: &ObjectId,
        part: &Part,
        options: &CheckoutOptions,
        reporter: &dyn Reporter,
    ) -> Result<Self, ProjectError> {
        let cache = project.cache();
        if !cache.contains(id) {
            cache.verify(id)?;
        }
        let manifest = cache.manifest(id)?;
        let wanted = part.of(&manifest, &project.shown(output))?;
        let mut known = BTreeSet::new();
        let mut files = Vec::new();
        for entry in wanted {
            let below = Utf8Path::new(&entry.relpath);
            let path = output.join(below);
            let is_plain = |part| matches!(part, Utf8Component::Normal(_));
            if !below.components().all(is_plain) {
                return Err(ProjectError::OutsideProject {
                    path,
                    root: output.to_owned(),
                });
            }
            require_folders(project, output, &path)?;
            known.insert(path.clone());
            let there = path.symlink_metadata();
            if there.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
                return Err(occupied(project, &path));
            }
            let now = content::content_as(project, &path, Some(&entry.md5), reporter)?;
            if now.is_some_and(|content| content.id == entry.md5) {
                continue;
            }
            if !cache.contains(&entry.md5) {
                cache.verify(&entry.md5)?;
            }
            refuse_unsaved(project, &path, options, reporter)?;
            files.push((path, entry.md5.clone(), there.is_ok()));
        }
        let mut extra = Vec::new();
        if let Part::Places(places) = part {
            for place in places.iter().map(|place| output.join(place)) {
                if place.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                    let there = walk_directory(project.root(), &place)?;
                    let there = there.into_iter().map(|file| file.path);
                    extra.extend(there.filter(|path| !known.contains(path)));
                }
            }
        }
        extra.sort();
        extra.dedup();
        for path in &extra {
            refuse_unsaved(project, path, options, reporter)?;
        }
        Ok(Self {
            is_new: output.symlink_metadata().is_err(),
            output: output.to_owned(),
            files,
            extra,
        })
    }

    /// Does it. The directory counts as restored where any file of it was touched.
    pub(crate) fn apply(
        self,
        project: &Project,
        options: &CheckoutOptions,
        reporter: &dyn Reporter,
        report: &mut CheckoutReport,
    ) -> Result<(), ProjectError> {
        let shown = project.shown(&self.output);
        if self.files.is_empty() && self.extra.is_empty() {
            report.unchanged.push(shown);
            return Ok(());
        }
        let overwritten = self.files.iter().filter(|(_, _, there)| *there);
        let overwritten = overwritten.map(|(path, _, _)| path);
        if let Some(name) = &options.trash {
            for path in overwritten.chain(&self.extra) {
                let kept = keep_unsaved(project, name, path, reporter)?;
                report.trashed.extend(kept);
            }
        }
        for path in &self.extra {
            crate::paths::remove(path)?;
            let above = path.ancestors().skip(1);
            for folder in above.take_while(|folder| **folder != self.output) {
                // One that is not empty stays.
                if std::fs::remove_dir(folder).is_err() {
                    break;
                }
            }
        }
        for (path, id, there) in &self.files {
            if let Some(folder) = path.parent() {
                fs_err::create_dir_all(folder)?;
            }
            project.cache().checkout_file(id, path, reporter)?;
            report.added_files += usize::from(!there);
        }
        if self.is_new {
            report.added.push(shown.clone());
        }
        report.restored.push(shown);
        Ok(())
    }
}

/// No link on the way may lead out of the directory.
fn require_folders(
    project: &Project,
    output: &Utf8Path,
    path: &Utf8Path,
) -> Result<(), ProjectError> {
    let above = path.ancestors().skip(1);
    for folder in above.take_while(|folder| folder.starts_with(output)) {
        if folder.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
            return Err(occupied(project, folder));
        }
    }
    Ok(())
}

fn occupied(project: &Project, path: &Utf8Path) -> ProjectError {
    ProjectError::Occupied {
        path: project.shown(path),
    }
}

fn refuse_unsaved(
    project: &Project,
    path: &Utf8Path,
    options: &CheckoutOptions,
    reporter: &dyn Reporter,
) -> Result<(), ProjectError> {
    let is_safe = options.overwrite == Overwrite::Force
        || fs_err::metadata(path).is_err()
        || project
            .cache()
            .has_content(project.root(), path, reporter)?;
    if is_safe {
        return Ok(());
    }
    Err(ProjectError::Unsaved {
        path: project.shown(path),
    })
}
