//! The objects of outputs that are meant in part.

use ketch_dvc::ObjectId;
use ketch_store::Reporter;
use ketch_store::remote::{TransferReport, compare, manifest_of, upload};

use super::outputs::Output;
use super::remotes::Group;
use crate::inside::Part;
use crate::partial::store_as;
use crate::{Project, ProjectError};

impl Group {
    /// The outputs that are meant as a whole, and of the others the files that are meant. Where the
    /// manifest of one is nowhere, the directory itself, which will be told to be missing.
    pub(super) fn objects(&self, project: &Project) -> Result<Vec<ObjectId>, ProjectError> {
        let mut ids = Vec::new();
        for output in &self.outputs {
            ids.extend(self.objects_of(project, output)?);
        }
        Ok(ids)
    }

    /// What is meant of one output: itself, or the files of the part.
    pub(super) fn objects_of(
        &self,
        project: &Project,
        output: &Output,
    ) -> Result<Vec<ObjectId>, ProjectError> {
        if output.part == Part::Whole {
            return Ok(vec![output.id.clone()]);
        }
        match manifest_of(project.cache(), &*self.remote, &output.id, self.options)? {
            Some(manifest) => {
                let entries = output.part.of(&manifest, &output.path)?;
                Ok(entries.into_iter().map(|entry| entry.md5.clone()).collect())
            }
            None => Ok(vec![output.id.clone()]),
        }
    }

    /// Puts the manifests of directories that are meant in part into the cache; how many came from
    /// the remote.
    pub(super) fn fetch_manifests(&self, project: &Project) -> Result<usize, ProjectError> {
        let cache = project.cache();
        let mut fetched = 0;
        for output in &self.outputs {
            if output.part == Part::Whole || cache.contains(&output.id) {
                continue;
            }
            let found = manifest_of(cache, &*self.remote, &output.id, self.options)?;
            // Another program may write the same list with other blanks.
            if let Some(manifest) = found
                && manifest.id().hex() == output.id.hex()
            {
                store_as(project, &output.id, &manifest)?;
                fetched += 1;
            }
        }
        Ok(fetched)
    }

    /// Sends the manifests of directories that were sent in part, where the remote has all their
    /// files now. DVC sends them with the first part, and believes from then on that the remote has
    /// the rest too.
    pub(super) fn push_manifests(
        &self,
        project: &Project,
        reporter: &dyn Reporter,
        report: &mut TransferReport,
    ) -> Result<(), ProjectError> {
        let cache = project.cache();
        for output in &self.outputs {
            if output.part == Part::Whole || !cache.contains(&output.id) {
                continue;
            }
            let wanted = std::slice::from_ref(&output.id);
            let found = compare(cache, &*self.remote, wanted, self.options)?;
            if found.only_cache == wanted && found.neither.is_empty() {
                let last = upload(cache, &*self.remote, wanted, self.options, reporter)?;
                report.objects += last.objects;
                report.bytes += last.bytes;
            }
        }
        Ok(())
    }
}
