//! What there is now on a `worktree` remote of data that was pushed there.

use std::collections::HashMap;

use ketch_dvc::{CloudVersion, OutputEntry, VersionedFile};
use ketch_store::Reporter;
use ketch_store::remote::{
    NewestFile, ObjectVersion, VersionedObject, Versioning, download_versions, newest_version,
    newest_versions, receive_versions,
};

use super::by_record;
use crate::content::Content;
use crate::import::ImportError;
use crate::paths::relative;
use crate::transfer::outputs::{Output, outputs};
use crate::transfer::remotes::Group;
use crate::{Project, ProjectError, RemoteChoice};

/// What there is now of one output.
#[derive(Debug)]
pub(crate) struct Newest {
    /// The remote that it was pushed to.
    pub(crate) remote: Option<String>,
    pub(crate) state: NewestState,
}

/// How that is to what is recorded.
#[derive(Debug)]
pub(crate) enum NewestState {
    /// What is recorded.
    Same,
    /// Something else, which is in the cache now.
    Other(Box<OutputEntry>),
    NeverPushed,
    /// It was pushed, and is not there any more.
    Gone,
    /// It was pushed to a remote whose newest versions are nobody's work tree.
    NoWorktree,
}

/// Looks for the newest versions of the outputs of a `.dvc` file, by path relative to the root, and
/// brings those that are not what is recorded into the cache. In the order of the outputs.
///
/// Whether a version is what is recorded is told by its id or its etag, as DVC does.
pub(crate) fn newest(
    project: &Project,
    file: &str,
    choice: &RemoteChoice,
    reporter: &dyn Reporter,
) -> Result<Vec<(OutputEntry, Newest)>, ProjectError> {
    let (mut outputs, _) = outputs(project, &[file.to_owned()])?;
    by_record(&mut outputs);
    let mut found = Vec::new();
    for output in outputs {
        let entry = output.entry.clone();
        let remote = output.remote.clone();
        let state = match &remote {
            None => NewestState::NeverPushed,
            Some(_) => match choice.groups(project, vec![output])?.pop() {
                Some(group) if group.versioning == Versioning::Worktree => {
                    newest_of(project, &group, reporter)?
                }
                Some(_) => NewestState::NoWorktree,
                None => NewestState::NeverPushed,
            },
        };
        found.push((entry, Newest { remote, state }));
    }
    Ok(found)
}

fn newest_of(
    project: &Project,
    group: &Group,
    reporter: &dyn Reporter,
) -> Result<NewestState, ProjectError> {
    let [output] = &group.outputs[..] else {
        return Ok(NewestState::NeverPushed);
    };
    // What is elsewhere has no place below the remote's URL.
    let key = relative(project.root(), &project.root().join(&output.path))?;
    if output.id.is_directory() {
        return newest_directory(project, group, output, key.as_str(), reporter);
    }
    let Some(version) = newest_version(&*group.remote, key.as_str(), group.options)? else {
        return Ok(NewestState::Gone);
    };
    let recorded = output.entry.cloud_version();
    if recorded.is_some_and(|recorded| is_same(group, &recorded, &version)) {
        return Ok(NewestState::Same);
    }
    reporter.start(1);
    let wanted = [(key.to_string(), version.version_id.clone())];
    let received = receive_versions(project.cache(), &*group.remote, &wanted, group.options)?;
    let mut entry = output.entry.clone();
    if let Some((id, size)) = received.into_iter().next() {
        reporter.file(&key, size);
        let content = Content {
            id,
            size,
            files: None,
            executable: false,
        };
        content.record(&mut entry);
    }
    entry.set_cloud_version(Some(&recorded_as(group, version)));
    Ok(NewestState::Other(Box::new(entry)))
}

fn newest_directory(
    project: &Project,
    group: &Group,
    output: &Output,
    key: &str,
    reporter: &dyn Reporter,
) -> Result<NewestState, ProjectError> {
    let there = newest_versions(&*group.remote, key, group.options)?;
    if there.is_empty() {
        return Ok(NewestState::Gone);
    }
    let known = output.entry.versioned_files().unwrap_or_default();
    let known: HashMap<&str, &VersionedFile> = known
        .iter()
        .map(|file| (file.relpath.as_str(), file))
        .collect();
    let as_recorded = |file: &NewestFile| {
        let known = *known.get(file.relpath.as_str())?;
        let version = known.version.as_ref()?;
        is_same(group, version, &file.version).then_some(known)
    };
    if there.len() == known.len() && there.iter().all(|file| as_recorded(file).is_some()) {
        return Ok(NewestState::Same);
    }
    // Those that stay as they are recorded, with the newest version of the same content.
    let files: Vec<Result<(VersionedFile, ObjectVersion), NewestFile>> = there
        .into_iter()
        .map(|file| match as_recorded(&file) {
            // One record has hashes of one kind.
            Some(known) if !known.md5.is_legacy() => Ok((known.clone(), file.version)),
            _ => Err(file),
        })
        .collect();
    let wanted: Vec<(String, String)> = files
        .iter()
        .filter_map(|file| file.as_ref().err())
        .map(|file| {
            let key = format!("{key}/{}", file.relpath);
            (key, file.version.version_id.clone())
        })
        .collect();
    reporter.start(wanted.len() as u64);
    let received = receive_versions(project.cache(), &*group.remote, &wanted, group.options)?;
    for ((key, _), (_, size)) in wanted.iter().zip(&received) {
        reporter.file(key.as_str().into(), *size);
    }
    // What stays may not be here.
    let staying: Vec<VersionedObject> = files
        .iter()
        .filter_map(|file| file.as_ref().ok())
        .map(|(file, version)| VersionedObject {
            key: format!("{key}/{}", file.relpath),
            id: file.md5.clone(),
            version_id: Some(version.version_id.clone()),
            etag: version.etag.clone(),
        })
        .collect();
    let (cache, remote) = (project.cache(), &*group.remote);
    let stayed = download_versions(cache, remote, &staying, group.options, reporter)?;
    if !stayed.missing.is_empty() {
        return Err(ImportError::Changed {
            url: format!("remote://{}/{key}", remote.name()),
        }
        .into());
    }
    let mut received = received.into_iter();
    let mut now = Vec::with_capacity(files.len());
    for file in files {
        now.push(match file {
            Ok((file, _)) => file,
            Err(file) => {
                let Some((md5, size)) = received.next() else {
                    break;
                };
                VersionedFile {
                    relpath: file.relpath,
                    md5,
                    size: Some(size),
                    version: Some(recorded_as(group, file.version)),
                }
            }
        });
    }
    let mut entry = output.entry.clone();
    // What was of DVC 2 is not any more.
    entry.hash = Some("md5".to_owned());
    entry.set_versioned_files(now)?;
    Ok(NewestState::Other(Box::new(entry)))
}

/// Whether the newest version is the one that is recorded, or has the same content as far as its
/// etag tells.
fn is_same(group: &Group, recorded: &CloudVersion, newest: &ObjectVersion) -> bool {
    recorded.remote.eq_ignore_ascii_case(group.remote.name())
        && (recorded.version_id.as_ref() == Some(&newest.version_id)
            || recorded.etag.is_some() && recorded.etag == newest.etag)
}

fn recorded_as(group: &Group, version: ObjectVersion) -> CloudVersion {
    CloudVersion {
        remote: group.remote.name().to_owned(),
        version_id: Some(version.version_id),
        etag: version.etag,
    }
}
