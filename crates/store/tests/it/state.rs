use std::fs::{FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::{
    Cache, HashedDirectory, LinkKind, Original, Reporter, Silent, hash_bytes, hash_directory,
    hash_file,
};

use crate::Sandbox;

/// The names of the files that were read.
#[derive(Default)]
struct Read(Mutex<Vec<String>>);

impl Reporter for Read {
    fn file(&self, path: &Utf8Path, _bytes: u64) {
        let name = path.file_name().unwrap().to_owned();
        self.0.lock().unwrap().push(name);
    }
}

/// A directory with a few files, all of them known to the index.
fn known() -> (Sandbox, Utf8PathBuf) {
    let sandbox = Sandbox::new();
    for name in ["a", "b", "sub/c", "sub/d"] {
        sandbox.write(&format!("data/{name}"), format!("content of {name}\n"));
    }
    let data = sandbox.root.join("data");
    assert_eq!(look(&sandbox, &data).1, ["a", "b", "c", "d"]);
    (sandbox, data)
}

/// What a new process sees, held against the truth, and which files it read for that.
fn look(sandbox: &Sandbox, data: &Utf8Path) -> (HashedDirectory, Vec<String>) {
    let read = Read::default();
    let cache = sandbox.cache_with(LinkKind::DEFAULT);
    let found = cache.hash_directory(&sandbox.root, data, &read).unwrap();
    let (manifest, size) = hash_directory(&sandbox.root, data, &Silent).unwrap();
    assert_eq!((&found.id, found.size), (&manifest.id(), size));
    assert_eq!(found.files, manifest.entries().len() as u64);
    let listed = cache.list_directory(&sandbox.root, data, &Silent).unwrap();
    assert_eq!(listed, (manifest, size));
    let mut read = read.0.into_inner().unwrap();
    read.sort();
    (found, read)
}

#[test]
fn nothing_is_read_twice() {
    let (sandbox, data) = known();
    assert_eq!(look(&sandbox, &data).1.len(), 0);
    let read = Read::default();
    let cache = sandbox.cache_with(LinkKind::DEFAULT);
    let file = cache.hash_file(&data.join("sub/c"), &read).unwrap();
    assert_eq!(file.id, hash_bytes(b"content of sub/c\n"));
    let sub = cache
        .hash_directory(&sandbox.root, &data.join("sub"), &read)
        .unwrap();
    assert_eq!(sub.files, 2);
    assert_eq!(read.0.into_inner().unwrap().len(), 0);
}

#[test]
fn only_what_changed_is_read() {
    let (sandbox, data) = known();
    sandbox.write("data/b", "other content\n");
    sandbox.write("data/new", "x");
    fs_err::remove_file(data.join("sub/d")).unwrap();
    assert_eq!(look(&sandbox, &data).1, ["b", "new"]);
    assert_eq!(look(&sandbox, &data).1.len(), 0);
}

#[test]
fn a_touched_file_is_read_and_is_the_same() {
    let (sandbox, data) = known();
    let before = look(&sandbox, &data).0;
    let file = fs_err::OpenOptions::new()
        .append(true)
        .open(data.join("a"))
        .unwrap();
    file.file()
        .set_modified(std::time::SystemTime::now())
        .unwrap();
    let (after, read) = look(&sandbox, &data);
    assert_eq!((after, read), (before, vec!["a".to_owned()]));
}

#[test]
fn the_same_size_and_the_same_modification_time_do_not_deceive() {
    let (sandbox, data) = known();
    let path = data.join("a");
    let before = fs_err::metadata(&path).unwrap();
    let file = fs_err::OpenOptions::new().write(true).open(&path).unwrap();
    std::io::Write::write_all(&mut &file, b"CONTENT OF A\n").unwrap();
    let times = FileTimes::new().set_modified(before.modified().unwrap());
    file.file().set_times(times).unwrap();
    let after = fs_err::metadata(&path).unwrap();
    assert_eq!(
        (before.len(), before.modified().unwrap()),
        (after.len(), after.modified().unwrap())
    );
    assert_eq!(look(&sandbox, &data).1, ["a"]);
}

#[test]
fn rewrites_within_one_tick_are_seen() {
    // Written, hashed and written again as fast as it goes, in place and of the same size: often in
    // one tick of the file system's clock. `look` holds every answer against the truth.
    let sandbox = Sandbox::new();
    let data = sandbox.root.join("data");
    for round in 0..200 {
        sandbox.write("data/f", format!("{round:04}"));
        let cache = sandbox.cache_with(LinkKind::DEFAULT);
        let id = || cache.hash_file(&data.join("f"), &Silent).unwrap().id;
        assert_eq!(id(), hash_bytes(format!("{round:04}").as_bytes()));
        fs_err::write(data.join("f"), format!("{:04}", round + 5000)).unwrap();
        assert_eq!(id(), hash_bytes(format!("{:04}", round + 5000).as_bytes()));
        fs_err::write(data.join("f"), format!("{:04}", round + 7000)).unwrap();
        drop(cache);
        look(&sandbox, &data);
    }
}

#[test]
fn a_replaced_inode_is_read() {
    let (sandbox, data) = known();
    let times = fs_err::metadata(data.join("a")).unwrap();
    let other = sandbox.write("other", "CONTENT OF A\n");
    fs_err::File::options()
        .append(true)
        .open(&other)
        .unwrap()
        .file()
        .set_modified(times.modified().unwrap())
        .unwrap();
    fs_err::rename(&other, data.join("a")).unwrap();
    assert_eq!(look(&sandbox, &data).1, ["a"]);
}

#[test]
fn a_change_time_alone_is_enough_to_read() {
    let (sandbox, data) = known();
    fs_err::set_permissions(data.join("sub/c"), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(look(&sandbox, &data).1, ["c"]);
    assert_eq!(look(&sandbox, &data).1.len(), 0);
}

#[test]
fn times_in_the_future_are_never_believed() {
    let (sandbox, data) = known();
    let later = std::time::SystemTime::now() + std::time::Duration::from_hours(1);
    let file = fs_err::File::options().append(true).open(data.join("b"));
    file.unwrap().file().set_modified(later).unwrap();
    assert_eq!(look(&sandbox, &data).1, ["b"]);
    assert_eq!(look(&sandbox, &data).1, ["b"]);
}

#[test]
fn a_damaged_index_is_made_anew() {
    let (sandbox, data) = known();
    let whole = fs_err::read(sandbox.state_file()).unwrap();
    let mut flipped = whole.clone();
    flipped[20] ^= 1;
    for damage in [
        &whole[..whole.len() - 1],
        &whole[..3],
        b"",
        &flipped,
        b"noise",
    ] {
        fs_err::write(sandbox.state_file(), damage).unwrap();
        assert_eq!(look(&sandbox, &data).1.len(), 4);
        assert_eq!(look(&sandbox, &data).1.len(), 0);
    }
    fs_err::remove_file(sandbox.state_file()).unwrap();
    fs_err::create_dir(sandbox.state_file()).unwrap();
    assert_eq!(look(&sandbox, &data).1.len(), 4, "slower, nothing else");
}

#[test]
fn several_at_once() {
    let sandbox = Sandbox::new();
    for number in 0..8 {
        for file in 0..20 {
            sandbox.write(&format!("d{number}/{file}"), format!("{number} {file}"));
        }
    }
    let check = |cache: &Cache, number: usize| {
        let path = sandbox.root.join(format!("d{number}"));
        let found = cache.hash_directory(&sandbox.root, &path, &Silent).unwrap();
        let (manifest, _) = hash_directory(&sandbox.root, &path, &Silent).unwrap();
        assert_eq!(found.id, manifest.id());
    };
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (sandbox, check) = (&sandbox, &check);
            // Each with an index of its own, as processes have.
            scope.spawn(move || {
                for round in 0..10 {
                    let cache = sandbox.cache_with(LinkKind::DEFAULT);
                    check(&cache, number);
                    sandbox.write(&format!("d{number}/{round}"), format!("{round} again"));
                    check(&cache, number);
                    cache.state().unwrap().save().unwrap();
                }
            });
        }
    });
    let leftover = fs_err::read_dir(sandbox.root.join(".dvc/tmp")).unwrap();
    assert_eq!(leftover.count(), 1, "the index and nothing temporary");
    for number in 0..8 {
        look(&sandbox, &sandbox.root.join(format!("d{number}")));
    }
}

#[test]
fn what_this_process_wrote_is_never_read() {
    let kinds = [
        &[LinkKind::Copy][..],
        &[LinkKind::Reflink, LinkKind::Copy],
        &[LinkKind::Hardlink, LinkKind::Copy],
        &[LinkKind::Symlink],
    ];
    for links in kinds {
        let sandbox = Sandbox::new();
        // The same content under several names: one inode with many links.
        for (name, content) in [("a", "one"), ("b", "one"), ("sub/c", "two"), ("e", "")] {
            sandbox.write(&format!("data/{name}"), content);
        }
        let data = sandbox.root.join("data");
        let cache = sandbox.cache_with(links);
        let added = cache
            .add_directory(&sandbox.root, &data, Original::Linked, &Silent)
            .unwrap();
        drop(cache);
        assert_eq!(look(&sandbox, &data).1.len(), 0, "{links:?} after adding");

        fs_err::remove_dir_all(&data).unwrap();
        let cache = sandbox.cache_with(links);
        cache
            .checkout_directory(&added.id, &sandbox.root, &data, &Silent)
            .unwrap();
        // Another output with the same content changes the inode's change time.
        cache
            .checkout_directory(&added.id, &sandbox.root, &sandbox.root.join("two"), &Silent)
            .unwrap();
        let file = cache.add_bytes(b"one").unwrap();
        cache
            .checkout_file(&file, &sandbox.root.join("single"), &Silent)
            .unwrap();
        drop(cache);
        let (found, read) = look(&sandbox, &data);
        assert_eq!(found.id, added.id);
        assert_eq!(read.len(), 0, "{links:?} after checkout: {read:?}");
        let read = Read::default();
        sandbox
            .cache_with(links)
            .hash_file(&sandbox.root.join("single"), &read)
            .unwrap();
        assert_eq!(read.0.into_inner().unwrap().len(), 0, "{links:?}");
    }
}

#[test]
fn adding_again_reads_nothing_and_writes_nothing() {
    let (sandbox, data) = known();
    let cache = sandbox.cache_with(LinkKind::DEFAULT);
    let add = |read: &Read| {
        cache
            .add_directory(&sandbox.root, &data, Original::Linked, read)
            .unwrap()
    };
    let first = add(&Read::default());
    let again = Read::default();
    assert_eq!(add(&again), first);
    assert_eq!(again.0.into_inner().unwrap().len(), 0);

    // An object that is gone comes back, whatever the index says.
    let lost = cache.object_path(&first.manifest.entries()[0].md5);
    fs_err::remove_file(&lost).unwrap();
    let again = Read::default();
    assert_eq!(add(&again), first);
    assert_eq!(again.0.into_inner().unwrap(), ["a"]);
    assert_eq!(hash_file(&lost).unwrap().0, first.manifest.entries()[0].md5);
}

#[test]
fn a_link_that_gets_one_more_name_is_not_read_again() {
    let (sandbox, data) = known();
    let cache = sandbox.cache_with(&[LinkKind::Hardlink]);
    let add = |read: &Read| {
        cache
            .add_directory(&sandbox.root, &data, Original::Linked, read)
            .unwrap()
    };
    add(&Read::default());
    // The same bytes once more: the object's inode gets a third name, and another change time.
    fs_err::copy(data.join("a"), data.join("twin")).unwrap();
    let read = Read::default();
    add(&read);
    assert_eq!(read.0.into_inner().unwrap(), ["twin"]);
    assert!(same_file(&data.join("a"), &data.join("twin")));
    let read = Read::default();
    cache.hash_directory(&sandbox.root, &data, &read).unwrap();
    assert!(read.0.into_inner().unwrap().is_empty());
}

fn same_file(left: &Utf8Path, right: &Utf8Path) -> bool {
    let inode = |path| fs_err::metadata(path).unwrap().ino();
    inode(left) == inode(right)
}
