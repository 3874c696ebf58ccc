//! What every remote must do, and transfers to a local one.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, SystemTime};

use camino::Utf8Path;
use ketch_dvc::ObjectId;
use ketch_store::remote::{
    FailureKind, Remote, RemoteError, RemoteSettings, Retry, TransferOptions, compare, download,
    list_keys, list_objects, open_remote, remove_objects, upload, written_since,
};
use ketch_store::{Cache, Durability, Original, Silent, StoreError, hash_bytes};

use crate::remote_doubles::{Breaking, Clinging, Patient, Stuttering};
use crate::{Sandbox, overwrite};

/// No waiting in tests.
pub(crate) const OPTIONS: TransferOptions = TransferOptions {
    jobs: Some(8),
    retry: Retry {
        attempts: 3,
        first_wait: Duration::from_millis(10),
    },
};

pub(crate) fn local(path: &Utf8Path) -> Box<dyn Remote> {
    open_remote(&RemoteSettings::new("here", path.as_str())).unwrap()
}

/// Bytes that do not repeat.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect()
}

/// The contract, on an empty remote.
pub(crate) fn conformance(remote: &dyn Remote) {
    // A server may hang up whenever it likes; callers ask again, and so does this one.
    let remote = &Patient(remote);
    let read = |key: &str| {
        let mut sink = Vec::new();
        remote.read(key, &mut sink).map(|size| {
            assert_eq!(size, sink.len() as u64);
            sink
        })
    };
    let write = |key: &str, content: &[u8]| remote.write(key, &mut &*content, content.len() as u64);
    // Not every server can say what it has.
    let listed = |folder: &str, expected: &[(&str, u64)]| {
        if !remote.capabilities().list {
            return;
        }
        let mut found = BTreeMap::new();
        remote
            .list(folder, &mut |key, size| {
                assert_eq!(found.insert(key.to_owned(), size), None, "{key} twice");
            })
            .unwrap();
        let expected: BTreeMap<String, u64> = expected
            .iter()
            .map(|(key, size)| ((*key).to_owned(), *size))
            .collect();
        assert_eq!(found, expected, "{folder}");
    };

    let large = bytes(20 << 20);
    let contents: [(&str, &[u8]); 5] = [
        ("files/md5/00/empty", b""),
        ("files/md5/00/small", b"small"),
        ("files/md5/00/x.dir", b"[]"),
        ("files/md5/ff/large", &large),
        ("runs/ab/key with blank/ü+%20", b"strange"),
    ];
    // What is not there.
    assert_eq!(remote.size("files/md5/00/empty").unwrap(), None);
    assert!(matches!(
        read("files/md5/00/empty"),
        Err(RemoteError::Failed {
            kind: FailureKind::NotFound,
            ..
        })
    ));
    listed("files/md5/00", &[]);
    remote.delete("files/md5/00/empty").unwrap();

    // What is.
    for (key, content) in contents {
        write(key, content).unwrap();
    }
    for (key, content) in contents {
        assert_eq!(
            remote.size(key).unwrap(),
            Some(content.len() as u64),
            "{key}"
        );
        assert!(read(key).unwrap() == content, "{key}");
    }
    ranges(remote, "files/md5/ff/large", &large);
    let folder = [
        ("files/md5/00/empty", 0),
        ("files/md5/00/small", 5),
        ("files/md5/00/x.dir", 2),
    ];
    let other = [("files/md5/ff/large", large.len() as u64)];
    listed("files/md5/00", &folder);
    listed("files", &[&folder[..], &other].concat());
    // A folder, not a prefix.
    listed("file", &[]);

    // A source that breaks changes nothing, whether it is sent in one part or in several.
    for length in [3, 9 << 20] {
        let half = &large[..length];
        remote
            .write("files/md5/00/small", &mut Breaking(half), length as u64)
            .unwrap_err();
        remote
            .write("files/md5/00/never", &mut Breaking(half), length as u64)
            .unwrap_err();
    }
    assert_eq!(read("files/md5/00/small").unwrap(), b"small");
    assert_eq!(remote.size("files/md5/00/never").unwrap(), None);
    listed("files/md5/00", &folder);

    // Replacing and removing.
    write("files/md5/00/small", b"other").unwrap();
    assert_eq!(read("files/md5/00/small").unwrap(), b"other");
    remote.settle().unwrap();
    for (key, _) in contents {
        remote.delete(key).unwrap();
        assert_eq!(remote.size(key).unwrap(), None, "{key}");
    }
    listed("files", &[]);
}

/// Parts of an object, and what is behind its end.
fn ranges(remote: &dyn Remote, key: &str, content: &[u8]) {
    let end = content.len();
    for (offset, length) in [
        (0, 0),
        (0, 1),
        (0, end + 1),
        (1, 32 << 10),
        (5 << 20, 100_003),
        (7 << 20, 3 << 20),
        (end - 3, 3),
        (end - 3, 10),
        (end, 10),
        (end + 10, 10),
    ] {
        let mut found = Vec::new();
        let size = remote.read_range(key, offset as u64, length as u64, &mut found);
        let part = &content[offset.min(end)..(offset + length).min(end)];
        assert_eq!(size.unwrap(), part.len() as u64, "{offset} {length}");
        assert!(found == part, "{offset} {length}");
    }
}

/// There and back with `count` files, twice, with a hole in between.
pub(crate) fn round_trip(remote: &dyn Remote, count: usize) {
    let sandbox = Sandbox::new();
    for number in 0..count {
        sandbox.write(
            &format!("data/{}/{number}", number % 7),
            format!("content {number}"),
        );
    }
    sandbox.write("data/large", bytes(9 << 20));
    sandbox.write("data/empty", "");
    let added = sandbox
        .cache
        .add_directory(
            &sandbox.root,
            &sandbox.root.join("data"),
            Original::Untouched,
            &Silent,
        )
        .unwrap();
    let wanted = [added.id.clone()];
    let total = count + 3;

    let sent = upload(&sandbox.cache, remote, &wanted, OPTIONS, &Silent).unwrap();
    assert_eq!((sent.objects, sent.present), (total, 0));
    assert_eq!(sent.missing, []);
    // A second run, and one with something lost.
    let again = upload(&sandbox.cache, remote, &wanted, OPTIONS, &Silent).unwrap();
    assert_eq!((again.objects, again.present), (0, total));
    let lost = &added.manifest.entries()[1].md5;
    remote.delete(&lost.cache_path()).unwrap();
    let seen = compare(&sandbox.cache, remote, &wanted, OPTIONS).unwrap();
    assert_eq!(seen.only_cache, std::slice::from_ref(lost));
    let healed = upload(&sandbox.cache, remote, &wanted, OPTIONS, &Silent).unwrap();
    assert_eq!(healed.objects, 1);

    let other = Cache::open_with(sandbox.root.join("other"), Durability::Buffered);
    let fetched = download(&other, remote, &wanted, OPTIONS, &Silent).unwrap();
    assert_eq!((fetched.objects, fetched.bytes), (sent.objects, sent.bytes));
    assert!(other.contains_all(&added.id));
    for entry in added.manifest.entries() {
        other.verify(&entry.md5).unwrap();
        let mode = fs_err::metadata(other.object_path(&entry.md5)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o7777, 0o444);
    }
    let again = download(&other, remote, &wanted, OPTIONS, &Silent).unwrap();
    assert_eq!((again.objects, again.present), (0, total));
    let seen = compare(&other, remote, &wanted, OPTIONS).unwrap();
    assert_eq!(seen.both.len(), total);
}

/// Objects of both layouts are listed, known by their age, and taken away.
pub(crate) fn removal(remote: &dyn Remote) {
    let remote = &Patient(remote);
    let sandbox = Sandbox::new();
    let (directory, first, second) = two_files(&sandbox);
    let wanted = [directory.clone()];
    upload(&sandbox.cache, remote, &wanted, OPTIONS, &Silent).unwrap();
    let old = hash_bytes(b"of DVC 2").as_legacy();
    let stray = "ab/no object";
    for key in [old.cache_path().as_str(), stray] {
        remote.write(key, &mut &b"of DVC 2"[..], 8).unwrap();
    }
    remote.settle().unwrap();
    let mut ids = vec![first, directory, old, second];
    let there = || {
        let found = list_objects(remote, OPTIONS).unwrap();
        ids.iter().filter(|id| found.contains_key(id)).count()
    };
    assert_eq!(there(), 4);
    assert_eq!(list_objects(remote, OPTIONS).unwrap()[&ids[2]], 8);
    let hour = Duration::from_hours(1);
    let now = SystemTime::now();
    let young = written_since(remote, &ids, now - hour, OPTIONS).unwrap();
    assert_eq!(young.len(), 4);
    let young = written_since(remote, &ids, now + hour, OPTIONS).unwrap();
    assert_eq!(young.len(), 0);
    // What is gone already is no error.
    ids.push(hash_bytes(b"never there"));
    remove_objects(remote, &ids, OPTIONS).unwrap();
    ids.pop();
    remove_objects(remote, &ids, OPTIONS).unwrap();
    let found = list_objects(remote, OPTIONS).unwrap();
    assert!(ids.iter().all(|id| !found.contains_key(id)));
    assert_eq!(remote.size(stray).unwrap(), Some(8));
    remote.delete(stray).unwrap();
}

/// Some in one request, one of them not there.
pub(crate) fn removal_together(remote: &dyn Remote) {
    let remote = &Patient(remote);
    assert!(remote.most_deleted_together() > 3);
    let keys = ["d/a", "d/b #?%.txt", "d/ü"].map(str::to_owned);
    for key in &keys[1..] {
        remote.write(key, &mut &b"x"[..], 1).unwrap();
    }
    remote.write("d/stays", &mut &b"x"[..], 1).unwrap();
    remote.delete_together(&keys).unwrap();
    let mut left = Vec::new();
    remote
        .list("d", &mut |key, _| left.push(key.to_owned()))
        .unwrap();
    assert_eq!(left, ["d/stays"]);
    remote.delete("d/stays").unwrap();
}

#[test]
fn a_listing_that_breaks_off_is_asked_for_again() {
    for (breaks, comes) in [(0, true), (2, true), (3, false)] {
        let sandbox = Sandbox::new();
        let remote = Stuttering {
            inner: local(&sandbox.root.join("remote")),
            breaks,
            tried: AtomicUsize::new(0),
        };
        for key in ["a/1", "a/2", "b"] {
            remote.write(key, &mut &b"xy"[..], 2).unwrap();
        }
        let found = list_keys(&remote, "a", OPTIONS);
        if comes {
            let all = [("a/1".to_owned(), 2), ("a/2".to_owned(), 2)];
            assert_eq!(found.unwrap(), BTreeMap::from(all));
        } else {
            assert!(found.unwrap_err().to_string().contains("list"));
        }
    }
}

#[test]
fn deleting_is_tried_again_and_leaves_no_manifest_without_files() {
    let (transient, denied) = (FailureKind::Transient, FailureKind::Denied);
    // Which of directory and file clings, how often, why; what is left of directory and files.
    let cases = [
        (true, 2, transient, (0, 0)),
        (false, 2, transient, (0, 0)),
        (true, 99, transient, (1, 2)),
        (true, 99, denied, (1, 2)),
        (false, 99, denied, (0, 1)),
    ];
    // One in a request, and all.
    let cases = [1, 10].map(|together| cases.map(|case| (together, case)));
    for (together, (directory_stays, times, kind, left)) in cases.concat() {
        let sandbox = Sandbox::new();
        let (directory, first, second) = two_files(&sandbox);
        let inner = local(&sandbox.root.join("remote"));
        let wanted = [directory.clone()];
        upload(&sandbox.cache, &*inner, &wanted, OPTIONS, &Silent).unwrap();
        let clings = if directory_stays { &directory } else { &first };
        let remote = Clinging {
            inner,
            stays: (clings.cache_path(), times, kind),
            tried: AtomicUsize::new(0),
            together,
        };
        let ids = [first, second, directory];
        let result = remove_objects(&remote, &ids, OPTIONS);
        assert_eq!(result.is_ok(), left == (0, 0), "{result:?}");
        let found = list_objects(&remote, OPTIONS).unwrap();
        let directories = found.keys().filter(|id| id.is_directory()).count();
        assert_eq!((directories, found.len() - directories), left);
        if let Err(error) = result {
            assert!(error.to_string().contains("delete"), "{error}");
        }
    }
}

#[test]
fn a_directory_keeps_the_contract() {
    let sandbox = Sandbox::new();
    conformance(&*local(&sandbox.root.join("remote")));
    removal(&*local(&sandbox.root.join("remote")));
    let url = format!("file://{}/other", sandbox.root);
    round_trip(&*open_remote(&RemoteSettings::new("r", url)).unwrap(), 300);
    let object = hash_bytes(b"").cache_path();
    let mode = fs_err::metadata(sandbox.root.join("other").join(object)).unwrap();
    assert_eq!(
        mode.permissions().mode() & 0o7777,
        0o444,
        "as DVC leaves it"
    );
}

/// A cache with the directory `a` = `one`, `b` = `two`.
fn two_files(sandbox: &Sandbox) -> (ObjectId, ObjectId, ObjectId) {
    sandbox.write("data/a", "one");
    sandbox.write("data/b", "two");
    let added = sandbox
        .cache
        .add_directory(
            &sandbox.root,
            &sandbox.root.join("data"),
            Original::Untouched,
            &Silent,
        )
        .unwrap();
    (added.id, hash_bytes(b"one"), hash_bytes(b"two"))
}

#[test]
fn a_manifest_goes_only_after_all_its_files() {
    let sandbox = Sandbox::new();
    let remote = local(&sandbox.root.join("remote"));
    let (id, one, two) = two_files(&sandbox);
    // One file is damaged in the cache: it is not sent, the other is, the manifest waits.
    overwrite(&sandbox.cache.object_path(&two), b"tw0");
    let error = upload(
        &sandbox.cache,
        &*remote,
        std::slice::from_ref(&id),
        OPTIONS,
        &Silent,
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("1 of 3 objects could not be sent"),
        "{error}"
    );
    assert!(error.hint().is_some());
    assert_eq!(remote.size(&one.cache_path()).unwrap(), Some(3));
    assert_eq!(remote.size(&two.cache_path()).unwrap(), None);
    assert_eq!(remote.size(&id.cache_path()).unwrap(), None);

    // It is gone altogether.
    fs_err::remove_file(sandbox.cache.object_path(&two)).unwrap();
    let report = upload(
        &sandbox.cache,
        &*remote,
        std::slice::from_ref(&id),
        OPTIONS,
        &Silent,
    )
    .unwrap();
    assert_eq!(report.missing, std::slice::from_ref(&two));
    assert_eq!(remote.size(&id.cache_path()).unwrap(), None);

    // It is back.
    sandbox.cache.add_bytes(b"two").unwrap();
    let report = upload(
        &sandbox.cache,
        &*remote,
        std::slice::from_ref(&id),
        OPTIONS,
        &Silent,
    )
    .unwrap();
    assert_eq!((report.objects, report.present), (2, 1));
    assert!(remote.size(&id.cache_path()).unwrap().is_some());
}

#[test]
fn damaged_objects_stay_out_of_the_cache() {
    let sandbox = Sandbox::new();
    let remote = local(&sandbox.root.join("remote"));
    let (id, one, two) = two_files(&sandbox);
    upload(
        &sandbox.cache,
        &*remote,
        std::slice::from_ref(&id),
        OPTIONS,
        &Silent,
    )
    .unwrap();
    overwrite(&sandbox.root.join("remote").join(two.cache_path()), b"tw0");

    let other = Cache::open_with(sandbox.root.join("other"), Durability::Buffered);
    let error = download(
        &other,
        &*remote,
        std::slice::from_ref(&id),
        OPTIONS,
        &Silent,
    )
    .unwrap_err();
    let StoreError::Remote(RemoteError::Incomplete { source, .. }) = &error else {
        panic!("{error}");
    };
    assert!(source.to_string().contains("is damaged"), "{source}");
    assert!(error.hint().unwrap().contains("push it again"), "{error}");
    assert!(other.contains(&one) && !other.contains(&two));
    let path = other.object_path(&two);
    let folder = path.parent().unwrap();
    // Nothing so small is written before it is looked at.
    assert!(
        !folder.exists() || fs_err::read_dir(folder).unwrap().next().is_none(),
        "no temporary file stays"
    );

    // A damaged manifest brings nothing at all.
    overwrite(&sandbox.root.join("remote").join(id.cache_path()), b"[]");
    let third = Cache::open_with(sandbox.root.join("third"), Durability::Buffered);
    let error = download(
        &third,
        &*remote,
        std::slice::from_ref(&id),
        OPTIONS,
        &Silent,
    )
    .unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
    assert!(!third.contains(&id));
    compare(&third, &*remote, std::slice::from_ref(&id), OPTIONS).unwrap_err();

    // Nothing is there: said, not failed.
    let empty = local(&sandbox.root.join("empty"));
    let report = download(
        &third,
        &*empty,
        &[id.clone(), one.clone()],
        OPTIONS,
        &Silent,
    )
    .unwrap();
    assert_eq!(report.missing.len(), 2);
}

#[test]
fn a_short_object_on_the_remote_is_sent_again() {
    let sandbox = Sandbox::new();
    let remote = local(&sandbox.root.join("remote"));
    let (id, one, _) = two_files(&sandbox);
    upload(
        &sandbox.cache,
        &*remote,
        std::slice::from_ref(&id),
        OPTIONS,
        &Silent,
    )
    .unwrap();
    overwrite(&sandbox.root.join("remote").join(one.cache_path()), b"o");
    let report = upload(
        &sandbox.cache,
        &*remote,
        std::slice::from_ref(&id),
        OPTIONS,
        &Silent,
    )
    .unwrap();
    assert_eq!(report.objects, 1);
    let mut sink = Vec::new();
    remote.read(&one.cache_path(), &mut sink).unwrap();
    assert_eq!(sink, b"one");
}

#[test]
fn a_remote_that_cannot_be_written_says_which_object() {
    let sandbox = Sandbox::new();
    sandbox.write("taken", "a file where the remote should be");
    let remote = local(&sandbox.root.join("taken"));
    let (id, one, _) = two_files(&sandbox);
    let error = upload(&sandbox.cache, &*remote, &[id], OPTIONS, &Silent).unwrap_err();
    assert!(error.to_string().contains("remote `here`"), "{error}");
    let error = upload(
        &sandbox.cache,
        &*remote,
        std::slice::from_ref(&one),
        OPTIONS,
        &Silent,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("remote `here`: cannot write `{}`", one.cache_path())
    );
}

/// Whether the server let nobody in.
pub(crate) fn is_denied(error: &RemoteError) {
    assert!(
        matches!(
            error,
            RemoteError::Failed {
                kind: FailureKind::Denied,
                ..
            }
        ),
        "{error:?}"
    );
}
