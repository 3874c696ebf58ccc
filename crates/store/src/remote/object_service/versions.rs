//! Versions on the services that keep them.

use std::io::{Read, Write};

use opendal::{ErrorKind, Metadata};

use super::{ObjectService, failed};
use crate::remote::{ObjectVersion, Remote, RemoteError, Versions, is_not_there};

impl Versions for ObjectService {
    fn newest(&self, key: &str) -> Result<Option<ObjectVersion>, RemoteError> {
        match self.wait("look up", key, self.operator.stat(key)) {
            Ok(metadata) => self
                .version_of(&metadata, metadata.content_length())
                .map(Some),
            Err(error) if is_not_there(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn version(&self, key: &str, version_id: &str) -> Result<Option<ObjectVersion>, RemoteError> {
        if !self.service.can_be_version(version_id) {
            return Ok(None);
        }
        let looking = self.service.stat(&self.operator, key, version_id);
        match self.wait("look up", key, looking) {
            Ok(metadata) => Ok(Some(ObjectVersion {
                version_id: version_id.to_owned(),
                etag: self.etag(&metadata),
                size: metadata.content_length(),
            })),
            Err(error) if is_not_there(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_version(
        &self,
        key: &str,
        version_id: &str,
        sink: &mut dyn Write,
    ) -> Result<u64, RemoteError> {
        if !self.service.can_be_version(version_id) {
            let error = opendal::Error::new(ErrorKind::NotFound, "no version has such a name");
            return Err(failed(&self.name, "read", key, error));
        }
        let reader = self.service.reader(&self.operator, key, version_id);
        self.stream_from(key, reader, .., sink)
    }

    fn write_version(
        &self,
        key: &str,
        source: &mut dyn Read,
        size: u64,
    ) -> Result<ObjectVersion, RemoteError> {
        let written = self.write_under(key, source, size)?;
        let version = self.version_of(&written, size)?;
        if self.service.is_replaced(&version.version_id) {
            return Err(RemoteError::KeepsNoVersions {
                remote: self.name.clone(),
            });
        }
        if version.etag.is_some() {
            return Ok(version);
        }
        // Some servers say less when an upload in parts ends.
        Ok(self.version(key, &version.version_id)?.unwrap_or(version))
    }

    fn list_newest(&self, folder: &str, found: &mut dyn FnMut(&str)) -> Result<(), RemoteError> {
        self.list(folder, &mut |key, _| found(key))
    }
}

impl ObjectService {
    fn version_of(&self, metadata: &Metadata, size: u64) -> Result<ObjectVersion, RemoteError> {
        match metadata.version().filter(|version| !version.is_empty()) {
            Some(version) => Ok(ObjectVersion {
                version_id: version.to_owned(),
                etag: self.etag(metadata),
                size,
            }),
            None => Err(RemoteError::KeepsNoVersions {
                remote: self.name.clone(),
            }),
        }
    }
}
