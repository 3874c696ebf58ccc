//! Three versions of a directory, and what they are together.

use std::collections::{BTreeMap, BTreeSet};

use ketch_dvc::{FormatError, Manifest, ManifestEntry, ObjectId};

use super::MergeConflict;

/// A directory that is merged, in the two forms of [`super::value::Merged`].
#[derive(Debug)]
pub(super) struct MergedManifest {
    pub(super) ours: Manifest,
    pub(super) theirs: Manifest,
    pub(super) conflicts: Vec<MergeConflict>,
}

/// Merges directories file by file.
///
/// # Errors
///
/// When one side has a file where the other has a directory.
pub(super) fn merge_manifests(
    directory: &str,
    base: &Manifest,
    ours: &Manifest,
    theirs: &Manifest,
) -> Result<MergedManifest, FormatError> {
    let [base, ours, theirs] = [base, ours, theirs].map(by_path);
    let paths: BTreeSet<&str> = [&base, &ours, &theirs]
        .into_iter()
        .flat_map(BTreeMap::keys)
        .copied()
        .collect();
    let (mut with_ours, mut with_theirs) = (Vec::new(), Vec::new());
    let mut conflicts = Vec::new();
    for path in paths {
        let [b, o, t] = [&base, &ours, &theirs].map(|side| side.get(path).copied());
        let (one, other) = if o == t || b == t {
            (o, o)
        } else if b == o {
            (t, t)
        } else {
            let shown = |id: Option<&ObjectId>| id.map(ToString::to_string);
            conflicts.push(MergeConflict {
                what: format!("`{path}` in `{directory}`"),
                base: shown(b),
                ours: shown(o),
                theirs: shown(t),
                reason: None,
            });
            (o, t)
        };
        for (id, list) in [(one, &mut with_ours), (other, &mut with_theirs)] {
            list.extend(id.map(|id| ManifestEntry {
                md5: id.clone(),
                relpath: path.to_owned(),
            }));
        }
    }
    Ok(MergedManifest {
        ours: Manifest::new(with_ours)?,
        theirs: Manifest::new(with_theirs)?,
        conflicts,
    })
}

/// The bytes of a merged directory, where the sizes of the three are known and both sides did not
/// make the same change to some file: then what came and went on either side adds up.
pub(super) fn merged_size(
    manifests: [&Manifest; 3],
    sizes: [Option<u64>; 3],
    merged: &Manifest,
    size_of: &dyn Fn(&ObjectId) -> Option<u64>,
) -> Option<u64> {
    let all = merged.entries().iter().map(|entry| size_of(&entry.md5));
    if let Some(sum) = all.sum::<Option<u64>>() {
        return Some(sum);
    }
    let [base, ours, theirs] = manifests.map(by_path);
    let same_change = ours.keys().chain(base.keys()).any(|path| {
        let (b, o) = (base.get(path), ours.get(path));
        b != o && o == theirs.get(path)
    });
    let [base, ours, theirs] = sizes;
    if same_change {
        return None;
    }
    (ours? + theirs?).checked_sub(base?)
}

fn by_path(manifest: &Manifest) -> BTreeMap<&str, &ObjectId> {
    let entries = manifest.entries().iter();
    entries
        .map(|entry| (entry.relpath.as_str(), &entry.md5))
        .collect()
}
