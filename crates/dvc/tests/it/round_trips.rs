//! Every shape of a `.dvc` file, of `dvc.lock` and of a run cache file is what it was when it is
//! read again.

use indexmap::IndexMap;
use ketch_dvc::yaml::{Key, Value};
use ketch_dvc::{CloudVersion, DvcFile, LockFile, ObjectId, OutputEntry, StageLock, VersionedFile};
use proptest::prelude::*;

use crate::values::{text, value};

fn maybe<T: Clone + std::fmt::Debug>(
    inner: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    prop::option::weighted(0.3, inner)
}

/// Not nothing, and not only blanks, which are nobody's path or name.
fn name() -> impl Strategy<Value = String> {
    text().prop_filter("a name", |name| !name.trim().is_empty())
}

/// What a mapping may hold: `null` is as good as nothing at the top.
fn mapping() -> impl Strategy<Value = Value> {
    prop::collection::vec((name(), value()), 1..4).prop_map(|entries| {
        let entries = entries.into_iter();
        Value::Mapping(
            entries
                .map(|(key, value)| (Key::from(key), value))
                .collect(),
        )
    })
}

fn some_value() -> impl Strategy<Value = Value> {
    value().prop_filter("something", |value| *value != Value::Null)
}

fn version() -> impl Strategy<Value = CloudVersion> {
    (name(), maybe(name()), name()).prop_map(|(remote, version_id, etag)| CloudVersion {
        remote,
        version_id,
        etag: Some(etag),
    })
}

/// The files of a directory on a remote that keeps versions.
fn files() -> impl Strategy<Value = Vec<VersionedFile>> {
    let file = (any::<[u8; 16]>(), any::<u32>(), maybe(version()));
    // No file has the name of a folder that others are in.
    prop::collection::btree_map("([a-z]{1,4}/)?[a-z]{5,8}", file, 1..4).prop_map(|files| {
        files
            .into_iter()
            .map(|(relpath, (digest, size, version))| VersionedFile {
                relpath,
                md5: ObjectId::file_from_digest(digest),
                size: Some(size.into()),
                version,
            })
            .collect()
    })
}

/// What the content was, in any of the ways in which it is said.
fn state() -> impl Strategy<Value = OutputEntry> {
    let md5 = maybe((any::<[u8; 16]>(), any::<bool>(), any::<bool>()));
    let versions = (maybe(name()), maybe(name()), maybe(version()));
    (
        (name(), md5, maybe(any::<u64>()), maybe(any::<u64>())),
        (any::<bool>(), maybe("[a-f0-9]{1,40}"), versions),
        maybe(files()),
    )
        .prop_map(
            |((path, md5, size, nfiles), (executable, checksum, versions), files)| {
                let mut entry = OutputEntry::new(path);
                entry.hash = Some("md5".to_owned());
                if let Some((digest, directory, legacy)) = md5 {
                    let mut id = ObjectId::file_from_digest(digest);
                    if directory {
                        id = id.as_directory();
                    }
                    if legacy {
                        id = id.as_legacy();
                        entry.hash = None;
                    }
                    entry.md5 = Some(id);
                }
                (entry.size, entry.nfiles) = (size, nfiles);
                entry.is_executable = executable;
                entry.checksum = checksum;
                let (etag, version_id, cloud) = versions;
                (entry.etag, entry.version_id) = (etag, version_id);
                entry.set_cloud_version(cloud.as_ref());
                if let Some(files) = files {
                    // Nothing else is said of such a directory.
                    entry = OutputEntry::new(entry.path);
                    entry.hash = Some("md5".to_owned());
                    entry.set_versioned_files(files).unwrap();
                }
                entry
            },
        )
}

fn output() -> impl Strategy<Value = OutputEntry> {
    (
        state(),
        (
            maybe(text()),
            maybe(name()),
            prop::collection::vec(text(), 0..3),
        ),
        (maybe(some_value()), maybe(name()), maybe(mapping())),
        (any::<bool>(), any::<bool>(), any::<bool>()),
    )
        .prop_map(|(mut entry, said, more, flags)| {
            (entry.desc, entry.type_name, entry.labels) = said;
            (entry.meta, entry.remote, entry.fs_config) = more;
            (entry.cache, entry.persist, entry.push) = flags;
            entry
        })
}

/// Of a file, another repository, a database, or a server.
fn dependency() -> impl Strategy<Value = OutputEntry> {
    (
        state(),
        maybe(mapping()),
        maybe(mapping()),
        maybe(mapping()),
    )
        .prop_map(|(mut entry, repo, db, fs_config)| {
            (entry.repo, entry.fs_config) = (repo, fs_config);
            if db.is_some() {
                entry.path = String::new();
            }
            entry.db = db;
            entry
        })
}

fn lock_entry() -> impl Strategy<Value = OutputEntry> {
    (state(), maybe(mapping())).prop_map(|(entry, dataset)| match dataset {
        // Nothing else is said of a data set.
        Some(_) => OutputEntry {
            dataset,
            ..OutputEntry::new(entry.path)
        },
        None => entry,
    })
}

fn dvc_file() -> impl Strategy<Value = DvcFile> {
    (
        (maybe(name()), maybe("[a-f0-9]{32}"), maybe(name())),
        prop::collection::vec(dependency(), 0..3),
        prop::collection::vec(output(), 0..3),
        (any::<bool>(), any::<bool>(), maybe(some_value())),
    )
        .prop_map(
            |((desc, md5, wdir), deps, outs, (frozen, always_changed, meta))| DvcFile {
                desc,
                md5,
                wdir,
                frozen,
                deps,
                outs,
                always_changed,
                meta,
            },
        )
        .prop_filter("something", |file| *file != DvcFile::default())
}

/// Entries by their paths, each path once: so they are written.
fn sorted(mut entries: Vec<OutputEntry>) -> Vec<OutputEntry> {
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    entries.dedup_by(|left, right| left.path == right.path);
    entries
}

fn stage() -> impl Strategy<Value = StageLock> {
    let command = prop_oneof![
        text().prop_map(Value::from),
        prop::collection::vec(text().prop_map(Value::from), 1..3).prop_map(Value::Sequence),
    ];
    let names = prop::collection::vec((name().prop_map(Key::from), value()), 1..3);
    let params = prop::collection::vec((name(), names), 0..3);
    (
        command,
        prop::collection::vec(lock_entry(), 0..3).prop_map(sorted),
        params,
        prop::collection::vec(state(), 0..3).prop_map(sorted),
    )
        .prop_map(|(command, deps, params, outs)| StageLock {
            command,
            deps,
            params: params
                .into_iter()
                .map(|(file, values)| (file, values.into_iter().collect()))
                .collect(),
            outs,
        })
}

/// Parameters in any order are the same parameters.
fn assert_same(read: &StageLock, written: &StageLock) -> Result<(), TestCaseError> {
    prop_assert_eq!(&read.command, &written.command);
    prop_assert_eq!(&read.deps, &written.deps);
    prop_assert_eq!(&read.outs, &written.outs);
    prop_assert_eq!(&read.params, &written.params);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn a_dvc_file_reads_back(file in dvc_file(), other in dvc_file()) {
        let text = file.to_text();
        let read = DvcFile::parse(&text, "x.dvc")
            .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&read, &file, "{}", &text);
        prop_assert_eq!(read.update_text(&text), text.clone());
        prop_assert_eq!(read.definition_checksum(), file.definition_checksum());
        // Whatever stood there before.
        let updated = file.update_text(&other.to_text());
        prop_assert_eq!(&DvcFile::parse(&updated, "x.dvc").unwrap(), &file, "{}", &updated);
    }

    #[test]
    fn a_stage_of_the_run_cache_reads_back(stage in stage()) {
        let text = stage.to_text();
        let read = StageLock::parse(&text, "run")
            .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        assert_same(&read, &stage)?;
        prop_assert_eq!(read.to_text(), text);
        prop_assert_eq!(read.run_cache_key(), stage.run_cache_key());
        prop_assert_eq!(read.run_cache_value(), stage.run_cache_value());
    }

    #[test]
    fn a_lock_file_reads_back(stages in prop::collection::vec((name(), stage()), 1..4)) {
        let stages: IndexMap<String, StageLock> = stages.into_iter().collect();
        let mut file = LockFile::empty();
        for (name, stage) in &stages {
            file.set_stage(name, stage.clone());
        }
        let text = file.to_text();
        let mut read = LockFile::parse(&text, "dvc.lock")
            .map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(read.stages().len(), stages.len());
        for (name, stage) in &stages {
            assert_same(&read.stages()[name], stage)?;
        }
        prop_assert_eq!(read.to_text(), text.clone());
        // A stage is taken out, and the others stay.
        let gone = stages.keys().next().unwrap();
        read.remove_stage(gone);
        let rest = LockFile::parse(&read.to_text(), "dvc.lock").unwrap();
        prop_assert!(rest.stages().keys().eq(stages.keys().skip(1)));
    }
}
