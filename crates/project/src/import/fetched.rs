//! What was fetched of imports that do not record what they are: made without downloading anything.
//!
//! As with DVC, `fetch` and `pull` get the data and leave the `.dvc` file as it is, so something has
//! to remember which objects that was: `.ketch/imports/HASH`, a file like a `.dvc` file with the
//! output alone, by the hash of where the data is from and in what state.

use camino::Utf8PathBuf;
use ketch_dvc::{DvcFile, OutputEntry};
use ketch_store::{Durability, write_atomically_with};

use super::update::Import;
use crate::content::Content;
use crate::paths::read_if_there;
use crate::stage::TrackedData;
use crate::{Project, ProjectError};

/// What a `.dvc` file without a hash stands for.
pub(crate) enum Undownloaded {
    /// It is no import.
    No,
    /// Nobody has fetched it here.
    Unknown,
    /// What was fetched.
    Fetched(Box<OutputEntry>),
}

/// What was fetched of data that is recorded without a hash.
pub(crate) fn undownloaded(
    project: &Project,
    data: &TrackedData,
) -> Result<Undownloaded, ProjectError> {
    if !data.is_import || data.entry.md5.is_some() || data.entry.files.is_some() {
        return Ok(Undownloaded::No);
    }
    let Some(import) = Import::read(project, &data.file)? else {
        return Ok(Undownloaded::No);
    };
    Ok(match recall(project, &import)? {
        Some(entry) => Undownloaded::Fetched(Box::new(entry)),
        None => Undownloaded::Unknown,
    })
}

/// What was fetched of an import.
pub(super) fn recall(
    project: &Project,
    import: &Import,
) -> Result<Option<OutputEntry>, ProjectError> {
    let Some(file) = place(project, import) else {
        return Ok(None);
    };
    let Some(text) = read_if_there(&file)? else {
        return Ok(None);
    };
    // Whatever is wrong with it, fetching again makes it anew.
    let outs = DvcFile::parse(&text, file.as_str()).map(|found| found.outs);
    let entry = outs.ok().and_then(|outs| outs.into_iter().next());
    Ok(entry.filter(|entry| entry.md5.is_some()))
}

/// Remembers what was fetched.
pub(super) fn remember(
    project: &Project,
    import: &Import,
    content: &Content,
) -> Result<(), ProjectError> {
    if let Some(file) = place(project, import) {
        project.state_dir()?;
        let text = DvcFile {
            outs: vec![content.entry(&import.entry.path)],
            ..DvcFile::default()
        };
        write_atomically_with(&file, text.to_text().as_bytes(), Durability::Buffered)?;
    }
    Ok(())
}

fn place(project: &Project, import: &Import) -> Option<Utf8PathBuf> {
    let hash = import.content.definition_checksum()?;
    Some(project.root().join(".ketch/imports").join(hash))
}
