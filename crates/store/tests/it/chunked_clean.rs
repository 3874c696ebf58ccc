//! Clean-ups of a chunked remote: what goes, what stays, and who is at work beside them.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::ObjectId;
use ketch_store::Silent;
use ketch_store::chunk::{ChunkedRemote, Cleaned, Repacked};
use ketch_store::remote::{Capabilities, FailureKind, Remote, RemoteError, download, upload};

use crate::chunked::{at, chunked, elsewhere, files, objects, stored};
use crate::remote::{OPTIONS, bytes, local};
use crate::{Sandbox, overwrite};

/// Asks before each request whether it is to be done; changes are told apart.
struct Watched {
    inner: Box<dyn Remote>,
    ask: Box<Ask>,
}

type Ask = dyn Fn(Request) -> bool + Send + Sync;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Look,
    Change,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watched")
    }
}

impl Watched {
    fn new(path: &Utf8Path, ask: impl Fn(Request) -> bool + Send + Sync + 'static) -> Self {
        Self {
            inner: local(path),
            ask: Box::new(ask),
        }
    }

    fn ask(&self, request: Request) -> Result<(), RemoteError> {
        if (self.ask)(request) {
            return Ok(());
        }
        Err(RemoteError::Failed {
            remote: "here".to_owned(),
            action: "reach",
            object: "anything".to_owned(),
            kind: FailureKind::Denied,
            source: "killed on purpose".into(),
        })
    }
}

impl Remote for Watched {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // One after the other, so that their number means something.
            jobs: 1,
            ..self.inner.capabilities()
        }
    }

    fn size(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        self.ask(Request::Look)?;
        self.inner.size(key)
    }

    fn list(&self, folder: &str, found: &mut dyn FnMut(&str, u64)) -> Result<(), RemoteError> {
        self.ask(Request::Look)?;
        self.inner.list(folder, found)
    }

    fn read(&self, key: &str, sink: &mut dyn Write) -> Result<u64, RemoteError> {
        self.ask(Request::Look)?;
        self.inner.read(key, sink)
    }

    fn write(&self, key: &str, source: &mut dyn Read, size: u64) -> Result<(), RemoteError> {
        self.ask(Request::Change)?;
        self.inner.write(key, source, size)
    }

    fn delete(&self, key: &str) -> Result<(), RemoteError> {
        self.ask(Request::Change)?;
        self.inner.delete(key)
    }
}

fn push(sandbox: &Sandbox, remote: &ChunkedRemote, id: &ObjectId) -> Result<(), String> {
    let one = std::slice::from_ref(id);
    let sent = upload(&sandbox.cache, remote, one, OPTIONS, &Silent);
    sent.map(drop).map_err(|error| format!("{error:?}"))
}

/// A remote that does not wait for the disk.
fn quick(path: &Utf8Path) -> ChunkedRemote {
    chunked(Box::new(Watched::new(path, |_| true)))
}

/// Whether everybody can have these, and nothing is damaged.
fn assert_readable(sandbox: &Sandbox, store: &Utf8Path, ids: &[ObjectId], when: &str) {
    let cache = elsewhere(sandbox);
    let report = download(&cache, &quick(store), ids, OPTIONS, &Silent);
    let report = report.unwrap_or_else(|error| panic!("{when}: {error:?}"));
    assert_eq!(
        (report.objects, report.missing.len()),
        (ids.len(), 0),
        "{when}"
    );
    let report = quick(store).verify(&Silent).unwrap();
    assert!(report.is_sound(), "{when}: {report:?}");
}

fn delete(remote: &ChunkedRemote, id: &ObjectId) -> Result<(), RemoteError> {
    remote.delete(&id.cache_path())?;
    remote.settle()
}

/// All that a clean-up does for somebody who does not need this object.
fn clean_up(remote: &ChunkedRemote, id: &ObjectId) -> Result<Cleaned, RemoteError> {
    let emptied = remote.empty_quarantine()?;
    delete(remote, id)?;
    remote.repack()?;
    remote.set_aside()?;
    Ok(emptied)
}

fn markers(store: &Utf8Path) -> Vec<Utf8PathBuf> {
    let folders = ["pushing", "cleaning"].map(|name| store.join("chunked").join(name));
    folders.iter().flat_map(|folder| files(folder)).collect()
}

#[test]
fn what_is_deleted_goes_in_two_steps() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let shared = bytes(300_000);
    let longer = [&shared[..], b"and more"].concat();
    let ids = objects(&sandbox, &[&shared, &bytes(100_000)[7..], b"kept"]);
    for id in &ids {
        let one = std::slice::from_ref(id);
        upload(&sandbox.cache, &at(&store), one, OPTIONS, &Silent).unwrap();
    }
    let remote = at(&store);
    for id in &ids[..2] {
        remote.delete(&id.cache_path()).unwrap();
    }
    // Until it is settled nobody sees it.
    assert_eq!(
        at(&store).size(&ids[0].cache_path()).unwrap(),
        Some(300_000)
    );
    // Somebody has found that the chunks are there, and pushes what needs them.
    let late = at(&store);
    assert!(late.size(&ids[0].cache_path()).unwrap().is_some());
    remote.settle().unwrap();
    assert_eq!(at(&store).size(&ids[0].cache_path()).unwrap(), None);
    assert_eq!(at(&store).unused().unwrap().packs, 2);
    assert_eq!(at(&store).set_aside().unwrap().packs, 2);
    assert_eq!(files(&store.join("chunked/packs")).len(), 3);
    let more = objects(&sandbox, &[&longer]);
    upload(&sandbox.cache, &late, &more, OPTIONS, &Silent).unwrap();

    let gone = at(&store).empty_quarantine().unwrap();
    assert_eq!(gone.packs, 2, "who came late did not rely on them");
    assert_eq!(
        files(&store.join("chunked/quarantine")),
        Vec::<Utf8PathBuf>::new()
    );
    assert_eq!(at(&store).empty_quarantine().unwrap(), Cleaned::default());
    let left = [more[0].clone(), ids[2].clone()];
    let cache = elsewhere(&sandbox);
    let report = download(&cache, &at(&store), &left, OPTIONS, &Silent).unwrap();
    assert_eq!(report.objects, 2);
    assert!(at(&store).verify(&Silent).unwrap().is_sound());

    // While an index cannot be read, nothing goes.
    let index = &files(&store.join("chunked/index"))[0];
    overwrite(index, b"nonsense");
    let error = at(&store).set_aside().unwrap_err();
    assert!(
        error.to_string().contains(index.file_name().unwrap()),
        "{error}"
    );
    at(&store).empty_quarantine().unwrap_err();
}

/// Whatever a push relies on stays until it is done.
#[test]
fn what_a_push_relies_on_is_not_deleted() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let shared = bytes(300_000);
    let longer = [&shared[..], b"and more"].concat();
    let ids = objects(&sandbox, &[&shared, &longer]);
    let [first, second] = &ids[..] else {
        unreachable!()
    };
    push(&sandbox, &at(&store), first).unwrap();
    let pushing = at(&store);
    let key = second.cache_path();
    let size = longer.len() as u64;
    pushing.write(&key, &mut &longer[..], size).unwrap();
    let marker = markers(&store).pop().unwrap();

    let collector = at(&store);
    delete(&collector, first).unwrap();
    assert_eq!(collector.set_aside().unwrap().packs, 1);
    let waiting = collector.empty_quarantine().unwrap();
    assert_eq!((waiting.packs, waiting.size), (0, 0));
    let named = waiting.waits_for.unwrap();
    assert_eq!(store.join(named), marker);
    pushing.settle().unwrap();
    assert_eq!(markers(&store), Vec::<Utf8PathBuf>::new());
    assert_eq!(collector.empty_quarantine().unwrap(), Cleaned::default());
    assert_readable(&sandbox, &store, std::slice::from_ref(second), "after");

    // Of somebody who was killed a minute ago, and of one who was killed last month.
    delete(&collector, second).unwrap();
    let now = std::time::SystemTime::now();
    let seconds = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    fs_err::write(&marker, (seconds - 60).to_string()).unwrap();
    assert!(collector.empty_quarantine().unwrap().waits_for.is_some());
    fs_err::write(&marker, "nonsense").unwrap();
    assert!(collector.empty_quarantine().unwrap().waits_for.is_some());
    fs_err::write(&marker, (seconds - 3_000_000).to_string()).unwrap();
    let gone = collector.empty_quarantine().unwrap();
    assert!(gone.packs > 0, "{gone:?}");
    assert!(!marker.exists());
    assert_eq!(
        files(&store.join("chunked/packs")),
        Vec::<Utf8PathBuf>::new()
    );
}

#[test]
fn a_push_that_was_taken_for_dead_says_so() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let ids = objects(&sandbox, &[b"one"]);
    let pushing = at(&store);
    let key = ids[0].cache_path();
    pushing.write(&key, &mut &b"one"[..], 3).unwrap();
    fs_err::remove_file(&markers(&store)[0]).unwrap();
    for _ in 0..2 {
        let error = pushing.settle().unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains("push again"), "{why}");
    }
    push(&sandbox, &at(&store), &ids[0]).unwrap();
    assert_readable(&sandbox, &store, &ids, "pushed again");
}

#[test]
fn who_looks_does_not_lose_what_waits() {
    type Look = fn(&ChunkedRemote) -> Result<(), RemoteError>;
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let ids = objects(&sandbox, &[b"one"]);
    let looks: [Look; 4] = [
        |remote| remote.verify(&Silent).map(drop),
        |remote| remote.unused().map(drop),
        |remote| remote.half_used().map(drop),
        |remote| remote.empty_quarantine().map(drop),
    ];
    for look in looks {
        let _ = fs_err::remove_dir_all(&store);
        let remote = at(&store);
        let key = ids[0].cache_path();
        remote.write(&key, &mut &b"one"[..], 3).unwrap();
        look(&remote).unwrap();
        remote.settle().unwrap();
        assert_readable(&sandbox, &store, &ids, "looked at");
    }
}

#[test]
fn two_clean_ups_do_not_run_at_once() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let ids = objects(&sandbox, &[b"one", b"two"]);
    for id in &ids {
        push(&sandbox, &at(&store), id).unwrap();
    }
    let first = at(&store);
    first.delete(&ids[0].cache_path()).unwrap();
    let second = at(&store);
    let marker = files(&store.join("chunked/cleaning")).pop().unwrap();
    for error in [
        second.delete(&ids[1].cache_path()).unwrap_err(),
        second.set_aside().unwrap_err(),
        second.repack().unwrap_err(),
        second.empty_quarantine().unwrap_err(),
    ] {
        let why = std::error::Error::source(&error).unwrap().to_string();
        let key = marker.strip_prefix(&store).unwrap();
        assert!(why.contains(&format!("remove `{key}`")), "{why}");
    }
    // To push is no clean-up.
    let more = objects(&sandbox, &[b"three"]);
    push(&sandbox, &at(&store), &more[0]).unwrap();
    first.settle().unwrap();
    delete(&second, &ids[1]).unwrap();
    assert_readable(&sandbox, &store, &more, "after both");
    // Nothing is left of who is gone.
    first.delete(&more[0].cache_path()).unwrap();
    drop(first);
    assert_eq!(markers(&store), Vec::<Utf8PathBuf>::new());
}

/// A push and two clean-ups, one of them stopped before each of its requests while the other runs.
#[test]
fn a_push_and_clean_ups_at_any_moment_lose_nothing() {
    let sandbox = Sandbox::new();
    let shared = bytes(40_000);
    let longer = [&shared[..], b"and more"].concat();
    let ids = objects(&sandbox, &[&shared, &longer, b"stays"]);
    let [old, new, stays] = &ids[..] else {
        unreachable!()
    };
    let original = sandbox.root.join("original");
    push(&sandbox, &quick(&original), stays).unwrap();
    push(&sandbox, &quick(&original), old).unwrap();
    let mut runs = 0;
    // What is pushed is like what goes, or the very same; which is in use, or in the quarantine.
    for (pushed, quarantined) in [(new, false), (new, true), (old, true)] {
        for the_push_is_stopped in [false, true] {
            for moment in 0.. {
                let store = sandbox.root.join("store");
                let _ = fs_err::remove_dir_all(&store);
                copy(&original, &store);
                if quarantined {
                    delete(&quick(&store), old).unwrap();
                }
                let cache = sandbox.cache.root().to_owned();
                let place = store.clone();
                let (wanted, goes) = (pushed.clone(), old.clone());
                let other = move || {
                    if the_push_is_stopped {
                        for _ in 0..2 {
                            clean_up(&quick(&place), &goes).unwrap();
                        }
                    } else {
                        let cache = ketch_store::Cache::open_with(
                            cache.clone(),
                            ketch_store::Durability::Buffered,
                        );
                        let one = std::slice::from_ref(&wanted);
                        upload(&cache, &quick(&place), one, OPTIONS, &Silent).unwrap();
                    }
                };
                let count = AtomicUsize::new(0);
                let happened = std::sync::Arc::new(Mutex::new(false));
                let seen = happened.clone();
                let watched = Watched::new(&store, move |_| {
                    if count.fetch_add(1, Ordering::Relaxed) == moment {
                        *seen.lock().unwrap() = true;
                        other();
                    }
                    true
                });
                let stopped = chunked(Box::new(watched));
                let when = format!("{the_push_is_stopped} {quarantined} {moment}");
                if the_push_is_stopped {
                    push(&sandbox, &stopped, pushed).unwrap_or_else(|e| panic!("{when}: {e}"));
                } else {
                    for _ in 0..2 {
                        clean_up(&stopped, old).unwrap_or_else(|e| panic!("{when}: {e:?}"));
                    }
                }
                drop(stopped);
                if !*happened.lock().unwrap() {
                    break;
                }
                // A clean-up that was to delete the very same may have done it after the push.
                let both = [pushed.clone(), stays.clone()];
                let kept = if pushed == old { &both[1..] } else { &both[..] };
                assert_readable(&sandbox, &store, kept, &when);
                let gone = clean_up(&quick(&store), old).unwrap();
                assert_eq!(gone.waits_for, None, "{when}");
                runs += 1;
            }
        }
    }
    assert!(runs > 150, "{runs}");
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    fs_err::create_dir_all(to).unwrap();
    for path in files(from) {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs_err::copy(&path, &target).unwrap();
        }
    }
}

/// Three objects in a pack, of which the middle one is to stay.
fn half_used(sandbox: &Sandbox, store: &Utf8Path) -> Vec<ObjectId> {
    let noise = bytes(900_000);
    let ids = objects(
        sandbox,
        &[
            &noise[..400_000],
            &noise[400_000..700_000],
            &noise[700_000..],
        ],
    );
    upload(&sandbox.cache, &quick(store), &ids, OPTIONS, &Silent).unwrap();
    assert_eq!(files(&store.join("chunked/packs")).len(), 1);
    ids
}

#[test]
fn a_pack_of_which_little_is_used_is_made_new() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let ids = half_used(&sandbox, &store);
    let before = stored(&store);
    let remote = at(&store);
    delete(&remote, &ids[0]).unwrap();
    assert_eq!(
        remote.repack().unwrap(),
        Repacked::default(),
        "most of it is used"
    );
    delete(&remote, &ids[2]).unwrap();
    let foreseen = remote.half_used().unwrap();
    let repacked = remote.repack().unwrap();
    assert_eq!(
        (repacked.packs, repacked.size),
        (foreseen.packs, foreseen.size)
    );
    assert!(repacked.written < 310_000 && repacked.written > foreseen.written);
    assert!(repacked.won > 580_000, "{repacked:?}");
    assert_eq!(
        repacked.size,
        files(&store.join("chunked/packs"))
            .iter()
            .map(|path| path.metadata().unwrap().len())
            .max()
            .unwrap()
    );
    // Who has read the old index can still use it.
    assert_eq!(files(&store.join("chunked/packs")).len(), 2);
    assert_readable(&sandbox, &store, &ids[1..2], "repacked");
    let gone = remote.empty_quarantine().unwrap();
    assert_eq!((gone.packs, gone.size), (1, repacked.size));
    assert_readable(&sandbox, &store, &ids[1..2], "emptied");
    assert!(before - stored(&store) > 580_000);
    assert_eq!(remote.repack().unwrap(), Repacked::default());
    // What is there now is relied on.
    let longer = [&bytes(900_000)[400_000..700_000], b"!"].concat();
    let longer = objects(&sandbox, &[&longer]);
    let before = stored(&store);
    push(&sandbox, &at(&store), &longer[0]).unwrap();
    assert!(stored(&store) - before < 80_000);
}

#[test]
fn a_pack_that_is_damaged_is_left_to_others() {
    let sandbox = Sandbox::new();
    let store = sandbox.root.join("store");
    let ids = half_used(&sandbox, &store);
    let remote = at(&store);
    delete(&remote, &ids[0]).unwrap();
    delete(&remote, &ids[2]).unwrap();
    let pack = files(&store.join("chunked/packs")).pop().unwrap();
    let whole = fs_err::read(&pack).unwrap();
    // All of it: where in the pack an object lies depends on who was compressed first.
    let content: Vec<u8> = whole.iter().map(|byte| !byte).collect();
    overwrite(&pack, &content);
    assert_eq!(at(&store).repack().unwrap().packs, 0);
    overwrite(&pack, &whole);
    assert_eq!(at(&store).repack().unwrap().packs, 1);
    assert_readable(&sandbox, &store, &ids[1..2], "repaired and repacked");
}

/// A clean-up that is killed before any of its changes loses nothing, and the next one does it all.
#[test]
fn a_clean_up_that_is_killed_loses_nothing() {
    let sandbox = Sandbox::new();
    let original = sandbox.root.join("original");
    let ids = half_used(&sandbox, &original);
    let kept = &ids[1..2];
    let clean = |remote: &ChunkedRemote| -> Result<(), RemoteError> {
        remote.empty_quarantine()?;
        for id in [&ids[0], &ids[2]] {
            remote.delete(&id.cache_path())?;
        }
        remote.settle()?;
        remote.repack()?;
        remote.set_aside()?;
        remote.empty_quarantine()?;
        Ok(())
    };
    let mut sizes = Vec::new();
    for changes in 0.. {
        let store = sandbox.root.join(format!("store-{changes}"));
        copy(&original, &store);
        let count = AtomicUsize::new(0);
        // Once it is dead it stays dead.
        let killed = chunked(Box::new(Watched::new(&store, move |request| {
            let step = usize::from(request == Request::Change);
            count.fetch_add(step, Ordering::Relaxed) + step <= changes
        })));
        let done = clean(&killed).is_ok();
        drop(killed);
        let when = format!("after {changes} changes");
        assert_readable(&sandbox, &store, kept, &when);
        // Another push, and another clean-up once somebody has said that the first is dead.
        let more = objects(&sandbox, &[format!("more {changes}").as_bytes()]);
        push(&sandbox, &quick(&store), &more[0]).unwrap();
        for marker in markers(&store) {
            fs_err::remove_file(marker).unwrap();
        }
        clean(&quick(&store)).unwrap();
        clean(&quick(&store)).unwrap();
        assert_readable(&sandbox, &store, &[kept, &more].concat(), &when);
        sizes.push(stored(&store));
        fs_err::remove_dir_all(&store).unwrap();
        if done {
            break;
        }
    }
    assert!(sizes.len() > 12, "{sizes:?}");
    // Nothing is left over either.
    assert!(sizes.iter().all(|size| *size < 320_000), "{sizes:?}");
}
