//! Files that are as recorded, made again out of the cache, as its kinds of links say now.
//!
//! Each file is replaced by one rename of a complete one: whoever looks, and whoever is killed,
//! finds the file before or the file after.

use camino::Utf8Path;
use ketch_dvc::ObjectId;

use crate::checkout::{require_directory, require_folders};
use crate::content::Contents;
use crate::{Cache, Reporter, StoreError};

impl Cache {
    /// Makes `target`, which has the object's bytes, again out of the cache.
    pub fn relink_file(
        &self,
        id: &ObjectId,
        target: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<(), StoreError> {
        reporter.start(1);
        if target.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return Err(StoreError::InTheWay {
                path: target.to_owned(),
            });
        }
        if id.is_legacy() {
            self.relink_legacy_file(&self.links(), id, target)?;
            reporter.file(target, 0);
            return Ok(());
        }
        let wanted = [self.wanted(id, target.to_owned(), String::new())?];
        let placed = self.place_all(&wanted, reporter)?;
        self.remember_file(target, &placed);
        Ok(())
    }

    /// Makes the files of the directory `target`, which are those of the object, again out of the
    /// cache. Other files, as those that `.dvcignore` hides, are not touched.
    pub fn relink_directory(
        &self,
        id: &ObjectId,
        target: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<(), StoreError> {
        let manifest = self.manifest(id)?;
        require_directory(target)?;
        if id.is_legacy() {
            return self.relink_legacy_directory(id, &manifest, target, reporter);
        }
        let mut wanted = self.all_wanted(id, &manifest, target)?;
        require_folders(&manifest, target)?;
        self.mark_seen(target, &mut wanted);
        reporter.start(wanted.len() as u64);
        let known = self.place_all(&wanted, reporter)?;
        if let Some(state) = self.state() {
            let files = wanted.into_iter().map(|wanted| wanted.file).collect();
            Contents { files, known }.record(state, target, id);
        }
        Ok(())
    }
}
