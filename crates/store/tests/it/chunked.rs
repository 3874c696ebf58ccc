//! The chunked layout: as good a remote as any, small pushes, and nothing that damage can do.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::ObjectId;
use ketch_store::chunk::{ChunkedOptions, ChunkedRemote};
use ketch_store::remote::{FailureKind, Remote, RemoteError, compare, download, upload};
use ketch_store::{Cache, Durability, Original, Silent, StoreError, hash_bytes};

use crate::remote::{OPTIONS, bytes, conformance, local, round_trip};
use crate::remote_doubles::forward;
use crate::{Sandbox, overwrite};

pub(crate) fn chunked(inner: Box<dyn Remote>) -> ChunkedRemote {
    let options = ChunkedOptions {
        copies: None,
        retry: OPTIONS.retry,
    };
    ChunkedRemote::open(inner, options)
}

pub(crate) fn at(path: &Utf8Path) -> ChunkedRemote {
    chunked(local(path))
}

/// What a remote was asked to do.
#[derive(Debug, Default)]
struct Counts {
    reads: AtomicUsize,
    writes: AtomicUsize,
    written: AtomicUsize,
}

/// Counts requests, and breaks after so many writes.
#[derive(Debug)]
struct Counted {
    inner: Box<dyn Remote>,
    counts: Arc<Counts>,
    breaks_after: usize,
}

impl Counted {
    fn new(path: &Utf8Path, breaks_after: usize) -> (Box<Self>, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        let counted = Self {
            inner: local(path),
            counts: counts.clone(),
            breaks_after,
        };
        (Box::new(counted), counts)
    }
}

impl Remote for Counted {
    forward!(name, capabilities, size, list, delete);

    /// Ranges come here too: this is the trait's own way of reading them.
    fn read(&self, key: &str, sink: &mut dyn Write) -> Result<u64, RemoteError> {
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.read(key, sink)
    }

    fn write(&self, key: &str, source: &mut dyn Read, size: u64) -> Result<(), RemoteError> {
        if self.counts.writes.fetch_add(1, Ordering::Relaxed) >= self.breaks_after {
            return Err(RemoteError::Failed {
                remote: "here".to_owned(),
                action: "write",
                object: key.to_owned(),
                kind: FailureKind::Denied,
                source: "broken on purpose".into(),
            });
        }
        self.counts
            .written
            .fetch_add(size as usize, Ordering::Relaxed);
        self.inner.write(key, source, size)
    }
}

/// Objects in a cache, whose contents these are.
pub(crate) fn objects(sandbox: &Sandbox, contents: &[&[u8]]) -> Vec<ObjectId> {
    let add = |content: &&[u8]| {
        let path = sandbox.write("file", content);
        let added = sandbox.cache.add_file(&path, Original::Untouched, &Silent);
        added.unwrap().id
    };
    contents.iter().map(add).collect()
}

fn directory(sandbox: &Sandbox, files: usize) -> ObjectId {
    for number in 0..files {
        let content = bytes(1000 + number * 7);
        sandbox.write(&format!("data/{number}"), &content[number..]);
    }
    let root = &sandbox.root;
    let added = sandbox
        .cache
        .add_directory(root, &root.join("data"), Original::Untouched, &Silent);
    added.unwrap().id
}

/// Another machine's cache.
pub(crate) fn elsewhere(sandbox: &Sandbox) -> Cache {
    let path = sandbox.root.join("elsewhere");
    if path.exists() {
        fs_err::remove_dir_all(&path).unwrap();
    }
    Cache::open_with(path, Durability::Buffered)
}

pub(crate) fn files(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = folder.read_dir_utf8() else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().into_path()).collect();
    paths.sort();
    paths
}

pub(crate) fn stored(folder: &Utf8Path) -> u64 {
    let all = ["packs", "index"].map(|name| files(&folder.join("chunked").join(name)));
    let sizes = all
        .iter()
        .flatten()
        .map(|path| path.metadata().unwrap().len());
    sizes.sum()
}

/// A table of random numbers.
fn table(rows: usize) -> Vec<u8> {
    let noise = bytes(rows * 8);
    let mut text = Vec::new();
    for (number, values) in noise.chunks(8).enumerate() {
        writeln!(
            text,
            "{number},{},{},{},{}",
            i32::from_le_bytes([values[0], values[1], values[2], 0]),
            f64::from(values[3]) / 7.0,
            values[4],
            u32::from(values[5]) * u32::from(values[6])
        )
        .unwrap();
    }
    text
}

#[test]
fn it_is_a_remote_like_any_other() {
    let sandbox = Sandbox::new();
    let remote = at(&sandbox.root.join("store"));
    conformance(&remote);
    round_trip(&remote, 40);
    // What was not committed by this client was not seen by the other; now all is.
    let report = at(&sandbox.root.join("store")).verify(&Silent).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.objects, 43);

    let large = at(&sandbox.root.join("large"));
    round_trip(&large, 600);
}

#[test]
fn a_row_more_costs_next_to_nothing() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let mut csv = table(300_000);
    let ids = objects(&sandbox, &[&csv]);
    upload(&sandbox.cache, &at(&store), &ids, OPTIONS, &Silent).unwrap();
    let before = stored(&store);
    assert!(before < csv.len() as u64 * 7 / 10, "it is compressed");

    let tenth = csv.len() / 10;
    let line = tenth + csv[tenth..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    csv.splice(line..line, *b"one,more,row,\n");
    let ids = objects(&sandbox, &[&csv]);
    upload(&sandbox.cache, &at(&store), &ids, OPTIONS, &Silent).unwrap();
    let added = stored(&store) - before;
    assert!(
        added * 100 < csv.len() as u64,
        "{added} bytes more for {}",
        csv.len()
    );
    let cache = elsewhere(&sandbox);
    download(&cache, &at(&store), &ids, OPTIONS, &Silent).unwrap();
    cache.verify(&ids[0]).unwrap();
}

#[test]
fn many_small_files_are_few_requests() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let id = directory(&sandbox, 2000);
    let (counted, counts) = Counted::new(&store, usize::MAX);
    let wanted = [id];
    upload(&sandbox.cache, &chunked(counted), &wanted, OPTIONS, &Silent).unwrap();
    // 16 MB of noise and a manifest: packs, and a marker and an index for the files and for the
    // manifest.
    assert!(counts.writes.load(Ordering::Relaxed) <= 8, "{counts:?}");

    let (counted, counts) = Counted::new(&store, 0);
    let cache = elsewhere(&sandbox);
    let report = download(&cache, &chunked(counted), &wanted, OPTIONS, &Silent).unwrap();
    assert_eq!(report.objects, 2001);
    assert!(counts.reads.load(Ordering::Relaxed) < 40, "{counts:?}");
}

#[test]
fn indexes_are_fetched_once() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let ids = objects(&sandbox, &[b"one", b"two"]);
    let reads = |copies: Option<Utf8PathBuf>| {
        let (counted, counts) = Counted::new(&store, usize::MAX);
        let options = ChunkedOptions {
            copies,
            retry: OPTIONS.retry,
        };
        let remote = ChunkedRemote::open(counted, options);
        compare(&sandbox.cache, &remote, &ids, OPTIONS).unwrap();
        counts.reads.load(Ordering::Relaxed)
    };
    for id in &ids {
        let one = std::slice::from_ref(id);
        upload(&sandbox.cache, &at(&store), one, OPTIONS, &Silent).unwrap();
    }
    assert_eq!(reads(None), 2);
    let copies = sandbox.root.join("copies");
    assert_eq!(reads(Some(copies.clone())), 2);
    assert_eq!(reads(Some(copies.clone())), 0);
    // A copy that is damaged is as good as none; one without an original goes.
    sandbox.write(files(&copies)[0].as_str(), "nonsense");
    sandbox.write(copies.join("0".repeat(64)).as_str(), "old");
    assert_eq!(reads(Some(copies.clone())), 1);
    assert_eq!(files(&copies).len(), 2);
}

#[test]
fn what_breaks_off_is_not_believed_and_goes_on_where_it_stopped() {
    let sandbox = Sandbox::new();
    let id = directory(&sandbox, 2000);
    let wanted = [id.clone()];
    let whole = {
        let (counted, counts) = Counted::new(&sandbox.root.join("whole"), usize::MAX);
        upload(&sandbox.cache, &chunked(counted), &wanted, OPTIONS, &Silent).unwrap();
        counts
    };
    let writes = whole.writes.load(Ordering::Relaxed);
    let written = whole.written.load(Ordering::Relaxed);
    for breaks_after in 0..writes {
        let store = sandbox.root.join(format!("store-{breaks_after}"));
        let (counted, _) = Counted::new(&store, breaks_after);
        upload(&sandbox.cache, &chunked(counted), &wanted, OPTIONS, &Silent).unwrap_err();

        let seen = at(&store);
        assert_eq!(seen.size(&id.cache_path()).unwrap(), None, "{breaks_after}");
        let cache = elsewhere(&sandbox);
        let report = download(&cache, &seen, &wanted, OPTIONS, &Silent).unwrap();
        assert_eq!(report.missing, wanted);

        let (counted, counts) = Counted::new(&store, usize::MAX);
        upload(&sandbox.cache, &chunked(counted), &wanted, OPTIONS, &Silent).unwrap();
        // The first is the push's marker.
        if breaks_after > 1 {
            assert!(
                counts.written.load(Ordering::Relaxed) < written,
                "{breaks_after}"
            );
        }
        download(&cache, &at(&store), &wanted, OPTIONS, &Silent).unwrap();
        assert!(cache.contains_all(&id));
        assert!(at(&store).verify(&Silent).unwrap().is_sound());
    }
}

#[test]
fn two_who_push_at_once_keep_what_both_sent() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let shared = bytes(300_000);
    let (mut mine, mut yours) = (shared.clone(), shared);
    mine.extend(b"mine");
    yours.splice(..0, *b"yours");
    let ids = objects(&sandbox, &[&mine, &yours]);
    let remotes = [at(&store), at(&store)];
    // Both have read the empty remote before either writes.
    for remote in &remotes {
        assert_eq!(remote.size(&ids[0].cache_path()).unwrap(), None);
    }
    std::thread::scope(|scope| {
        for (remote, id) in remotes.iter().zip(&ids) {
            let one = std::slice::from_ref(id);
            scope.spawn(|| upload(&sandbox.cache, remote, one, OPTIONS, &Silent).unwrap());
        }
    });
    let cache = elsewhere(&sandbox);
    let report = download(&cache, &at(&store), &ids, OPTIONS, &Silent).unwrap();
    assert_eq!((report.objects, report.missing.len()), (2, 0));
}

#[test]
fn damage_is_named_and_never_becomes_data() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let text = table(20_000);
    let ids = objects(&sandbox, &[&bytes(200_000), &text, b"small"]);
    // Each in a pack of its own.
    for id in &ids {
        let one = std::slice::from_ref(id);
        upload(&sandbox.cache, &at(&store), one, OPTIONS, &Silent).unwrap();
    }
    let packs = files(&store.join("chunked/packs"));
    let indexes = files(&store.join("chunked/index"));
    assert_eq!((packs.len(), indexes.len()), (3, 3));
    let mut told = 0;
    for path in packs.iter().chain(&indexes) {
        let whole = fs_err::read(path).unwrap();
        let relative = path.strip_prefix(&store).unwrap().as_str();
        let step = (whole.len() / 7).max(1);
        let places = (0..whole.len()).step_by(step).chain([whole.len() - 1]);
        for place in places {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x10;
            for damaged in [&flipped[..], &whole[..place], b""] {
                overwrite(path, damaged);
                let remote = at(&store);
                let mut lost = 0;
                for id in &ids {
                    let mut found = Vec::new();
                    match remote.read(&id.cache_path(), &mut found) {
                        Ok(_) if id == &hash_bytes(&found) => {}
                        Ok(_) => panic!("{relative} gave other bytes"),
                        Err(error) => {
                            assert!(error.to_string().contains(relative), "{error}");
                            assert!(error.hint().unwrap().contains(relative));
                            assert!(!error.is_transient());
                            lost += 1;
                        }
                    }
                }
                // The table and its digest are of no use while there is an index.
                assert!(lost <= 1, "{relative}: {lost} objects are lost");
                told += lost;
                let report = remote.verify(&Silent).unwrap();
                assert!(report.damaged.contains_key(relative), "{report:?}");
            }
        }
        // As the hint says: away with it, and push again.
        fs_err::remove_file(path).unwrap();
        let sent = upload(&sandbox.cache, &at(&store), &ids, OPTIONS, &Silent).unwrap();
        assert_eq!((sent.objects, sent.present), (1, 2));
        let cache = elsewhere(&sandbox);
        download(&cache, &at(&store), &ids, OPTIONS, &Silent).unwrap();
        assert!(at(&store).verify(&Silent).unwrap().is_sound());
    }
    assert!(told > 60, "{told}");
}

#[test]
fn a_transfer_fetches_what_is_not_damaged() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let ids = objects(&sandbox, &[&bytes(200_000), b"small"]);
    for id in &ids {
        let one = std::slice::from_ref(id);
        upload(&sandbox.cache, &at(&store), one, OPTIONS, &Silent).unwrap();
    }
    let packs = files(&store.join("chunked/packs"));
    let largest = packs
        .iter()
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut content = fs_err::read(largest).unwrap();
    content[1000] ^= 1;
    overwrite(largest, &content);
    let cache = elsewhere(&sandbox);
    let error = download(&cache, &at(&store), &ids, OPTIONS, &Silent).unwrap_err();
    let StoreError::Remote(RemoteError::Incomplete { failed, source, .. }) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*failed, 1);
    assert!(
        source.to_string().contains(largest.file_name().unwrap()),
        "{source}"
    );
    assert!(!cache.contains(&ids[0]));
    cache.verify(&ids[1]).unwrap();
}

#[test]
fn what_was_there_in_dvcs_layout_stays_readable() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let ids = objects(&sandbox, &[b"old", b"new"]);
    let old = std::slice::from_ref(&ids[0]);
    upload(&sandbox.cache, &*local(&store), old, OPTIONS, &Silent).unwrap();
    let sent = upload(&sandbox.cache, &at(&store), &ids, OPTIONS, &Silent).unwrap();
    assert_eq!((sent.objects, sent.present), (1, 1));
    let cache = elsewhere(&sandbox);
    let report = download(&cache, &at(&store), &ids, OPTIONS, &Silent).unwrap();
    assert_eq!(report.objects, 2);
    let mut listed = Vec::new();
    let remote = at(&store);
    remote
        .list("files/md5", &mut |key, _| listed.push(key.to_owned()))
        .unwrap();
    assert_eq!(listed.len(), 2);
    remote.delete(&ids[0].cache_path()).unwrap();
    assert_eq!(remote.size(&ids[0].cache_path()).unwrap(), None);
}
