//! Sending files under their own names.

use camino::Utf8PathBuf;
use ketch_dvc::{CloudVersion, VersionedFile};
use ketch_store::Reporter;
use ketch_store::remote::{ObjectVersion, TransferReport, VersionedObject, upload_versions};

use super::records::{NewRecord, write_records};
use super::{File, files, store};
use crate::transfer::outputs::Output;
use crate::transfer::remotes::Group;
use crate::{Project, ProjectError};

/// Sends what the remote lacks and records the versions; those of what was sent also when something
/// else failed. Returns the files that were written too, relative to the root.
pub(in crate::transfer) fn push_group(
    project: &Project,
    group: &Group,
    reporter: &dyn Reporter,
) -> Result<(TransferReport, Vec<Utf8PathBuf>), ProjectError> {
    let mut unknown = Vec::new();
    let mut planned: Vec<(&Output, Vec<File>)> = Vec::new();
    for output in &group.outputs {
        match files(project, group, output)? {
            Some(files) => planned.push((output, files)),
            None => unknown.push(output.id.clone()),
        }
    }
    let objects: Vec<VersionedObject> = planned
        .iter()
        .flat_map(|(_, files)| files.iter().map(|file| file.object.clone()))
        .collect();
    let mut sent = upload_versions(
        project.cache(),
        &*group.remote,
        &objects,
        group.versioning,
        group.options,
        reporter,
    )?;
    sent.report.missing.extend(unknown);
    sent.report.missing.sort();
    let mut versions = sent.versions.into_iter();
    let mut records = Vec::new();
    for (output, files) in planned {
        let versions: Vec<Option<ObjectVersion>> = versions.by_ref().take(files.len()).collect();
        if versions.iter().any(Option::is_some) {
            records.push(record(group.remote.name(), output, files, versions));
        }
    }
    let changed = write_records(project, records)?;
    match sent.failure {
        Some(error) => Err(store(error)),
        None => Ok((sent.report, changed)),
    }
}

fn record<'o>(
    remote: &str,
    output: &'o Output,
    files: Vec<File>,
    versions: Vec<Option<ObjectVersion>>,
) -> NewRecord<'o> {
    let mut recorded = files.into_iter().zip(versions).map(|(file, version)| {
        let size = version.as_ref().map(|version| version.size).or(file.size);
        VersionedFile {
            relpath: file.relpath,
            md5: file.object.id,
            size,
            // What could not be sent stays where it was.
            version: version.map_or(file.recorded, |version| {
                Some(CloudVersion {
                    remote: remote.to_owned(),
                    version_id: Some(version.version_id),
                    etag: version.etag,
                })
            }),
        }
    });
    if output.id.is_directory() {
        NewRecord::Directory(output, recorded.collect())
    } else {
        NewRecord::File(output, recorded.next().and_then(|file| file.version))
    }
}
