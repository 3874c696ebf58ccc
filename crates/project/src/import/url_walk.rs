//! Every file of a local directory, for a listing: whatever rules hide, and with what belongs to
//! Git and DVC, as DVC lists it.

use camino::{Utf8Path, Utf8PathBuf};

use super::url_source::UrlFile;
use crate::ProjectError;

/// The files below a directory. Links to directories are not followed; a link to nothing is a file
/// of its own size.
pub(super) fn every_file(directory: &Utf8Path) -> Result<Vec<UrlFile>, ProjectError> {
    let mut files = Vec::new();
    let mut folders = vec![(directory.as_std_path().to_owned(), Utf8PathBuf::new())];
    while let Some((folder, below)) = folders.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            let below = below.join(entry.file_name().to_string_lossy().as_ref());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push((entry.path(), below));
                continue;
            }
            let size = match fs_err::metadata(entry.path()) {
                Ok(target) if target.is_dir() => continue,
                Ok(target) => target.len(),
                Err(_) => entry.metadata()?.len(),
            };
            files.push(UrlFile {
                relpath: below.into_string(),
                size,
            });
        }
    }
    Ok(files)
}
