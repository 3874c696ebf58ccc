use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use camino::Utf8Path;
use ketch_store::{LinkKind, Original, Silent, StoreError, make_executable};

use crate::{Sandbox, overwrite};

fn mode(path: &Utf8Path) -> u32 {
    fs_err::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn inode(path: &Utf8Path) -> u64 {
    fs_err::metadata(path).unwrap().ino()
}

/// The mode of a new file.
fn plain(sandbox: &Sandbox) -> u32 {
    mode(&sandbox.write("plain", "x"))
}

#[test]
fn a_hard_link_is_the_object_itself() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache_with(&[LinkKind::Hardlink, LinkKind::Copy]);
    let path = sandbox.write("data/f", "hello\n");
    sandbox.write("data/same", "hello\n");
    sandbox.write("data/empty", "");
    let script = sandbox.write("data/script", "#!/bin/sh\n");
    fs_err::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    let original = inode(&path);
    let data = sandbox.root.join("data");
    let added = cache
        .add_directory(&sandbox.root, &data, Original::Linked, &Silent)
        .unwrap();
    let object = |name: &str| {
        let mut entries = added.manifest.entries().iter();
        let entry = entries.find(|entry| entry.relpath == name).unwrap();
        cache.object_path(&entry.md5)
    };
    for name in ["f", "same"] {
        assert_eq!(inode(&data.join(name)), inode(&object(name)), "{name}");
        assert_eq!(mode(&data.join(name)), 0o444);
    }
    assert!(
        [inode(&path), inode(&data.join("same"))].contains(&inode(&object("f"))),
        "{original}: one of the two became the object, not a copy"
    );
    for (name, expected) in [("empty", plain(&sandbox)), ("script", 0o755)] {
        assert_ne!(inode(&data.join(name)), inode(&object(name)), "{name}");
        assert_eq!(mode(&data.join(name)), expected, "{name} stays its own");
        assert_eq!(mode(&object(name)), 0o444);
    }

    fs_err::remove_dir_all(&data).unwrap();
    cache
        .checkout_directory(&added.id, &sandbox.root, &data, &Silent)
        .unwrap();
    assert_eq!(inode(&data.join("same")), inode(&object("f")));
    assert_eq!(mode(&data.join("f")), 0o444);
    assert_eq!(mode(&data.join("empty")), plain(&sandbox));
    assert_ne!(inode(&data.join("empty")), inode(&object("empty")));
}

#[test]
fn a_large_file_becomes_its_object_without_a_copy() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache_with(&[LinkKind::Hardlink]);
    let path = sandbox.write("large", vec![7; 3 << 20]);
    let before = inode(&path);
    let added = cache.add_file(&path, Original::Linked, &Silent).unwrap();
    let object = cache.object_path(&added.id);
    assert_eq!((inode(&path), inode(&object)), (before, before));
    assert_eq!(mode(&object), 0o444);
    cache.verify(&added.id).unwrap();
    fs_err::remove_file(&path).unwrap();
    cache.checkout_file(&added.id, &path, &Silent).unwrap();
    assert_eq!(inode(&path), before);
}

#[test]
fn a_file_with_another_name_elsewhere_is_copied_first() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache_with(&[LinkKind::Hardlink, LinkKind::Copy]);
    let path = sandbox.write("f", "hello\n");
    let other = sandbox.root.join("other");
    fs_err::hard_link(&path, &other).unwrap();
    let added = cache.add_file(&path, Original::Linked, &Silent).unwrap();
    let object = cache.object_path(&added.id);
    assert_eq!(inode(&path), inode(&object));
    assert_ne!(inode(&other), inode(&object));
    assert_eq!(mode(&other), plain(&sandbox), "the other name is not ours");
}

#[test]
fn a_symbolic_link_points_into_the_cache() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache_with(&[LinkKind::Symlink]);
    let path = sandbox.write("f", "hello\n");
    let added = cache.add_file(&path, Original::Linked, &Silent).unwrap();
    let object = cache.object_path(&added.id);
    assert_eq!(fs_err::read_link(&path).unwrap(), object.as_std_path());
    assert_eq!(mode(&object), 0o444);
    let again = cache.add_file(&path, Original::Linked, &Silent).unwrap();
    assert_eq!(again, added);
    assert_eq!(fs_err::read_link(&path).unwrap(), object.as_std_path());
    assert!(fs_err::symlink_metadata(&object).unwrap().is_file());
}

#[test]
fn untouched_means_untouched() {
    let sandbox = Sandbox::new();
    for kind in [LinkKind::Hardlink, LinkKind::Symlink] {
        let cache = sandbox.cache_with(&[kind]);
        let path = sandbox.write("f", format!("{kind}"));
        let before = inode(&path);
        cache.add_file(&path, Original::Untouched, &Silent).unwrap();
        assert_eq!(inode(&path), before);
        assert_eq!(mode(&path), plain(&sandbox));
        assert_eq!(fs_err::metadata(&path).unwrap().nlink(), 1);
    }
}

#[test]
fn executables_do_not_leak_into_the_cache() {
    for kind in [LinkKind::Hardlink, LinkKind::Symlink] {
        let sandbox = Sandbox::new();
        let cache = sandbox.cache_with(&[kind]);
        let id = cache.add_bytes(b"#!/bin/sh\n").unwrap();
        let (tool, text) = (sandbox.root.join("tool"), sandbox.root.join("text"));
        cache.checkout_file(&id, &tool, &Silent).unwrap();
        cache.checkout_file(&id, &text, &Silent).unwrap();
        make_executable(&tool).unwrap();
        let object = cache.object_path(&id);
        assert_eq!(mode(&object), 0o444, "{kind}");
        assert_eq!(inode(&text), inode(&object), "{kind}");
        assert_eq!(mode(&tool), plain(&sandbox) | 0o100, "{kind}");
        assert_eq!(sandbox.read("tool"), "#!/bin/sh\n");
    }
}

#[test]
fn unprotected_files_are_ones_own() {
    for kind in [LinkKind::Hardlink, LinkKind::Symlink, LinkKind::Copy] {
        let sandbox = Sandbox::new();
        let cache = sandbox.cache_with(&[kind]);
        sandbox.write("data/a", "one");
        sandbox.write("data/b/c", "two");
        let data = sandbox.root.join("data");
        let added = cache
            .add_directory(&sandbox.root, &data, Original::Linked, &Silent)
            .unwrap();
        cache.unprotect(&sandbox.root, &data).unwrap();
        for name in ["data/a", "data/b/c"] {
            assert_eq!(mode(&sandbox.root.join(name)), plain(&sandbox), "{kind}");
            sandbox.write(name, "changed");
        }
        for entry in added.manifest.entries() {
            cache.verify(&entry.md5).unwrap();
        }
    }
}

#[test]
fn a_damaged_object_is_not_linked() {
    for kind in [LinkKind::Hardlink, LinkKind::Symlink, LinkKind::Reflink] {
        for size in [6, 1 << 20] {
            let sandbox = Sandbox::new();
            let cache = sandbox.cache_with(&[kind, LinkKind::Copy]);
            let id = cache.add_bytes(&vec![b'x'; size]).unwrap();
            overwrite(&cache.object_path(&id), &vec![b'y'; size]);
            let target = sandbox.root.join("f");
            let error = cache.checkout_file(&id, &target, &Silent).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
            assert!(!target.exists());
        }
    }
}

#[test]
fn no_possible_kind_is_an_error_that_says_what_to_do() {
    // Neither of the usual file systems of tests can clone; where one can, this shows less.
    let sandbox = Sandbox::new();
    let cache = sandbox.cache_with(&[LinkKind::Reflink]);
    let id = cache.add_bytes(b"x").unwrap();
    if let Err(error) = cache.checkout_file(&id, &sandbox.root.join("f"), &Silent) {
        assert!(matches!(error, StoreError::NoLinkKind { .. }), "{error}");
        assert!(error.to_string().contains("reflink"), "{error}");
        assert!(error.hint().unwrap().contains("copy"));
    }
}

#[test]
fn an_object_that_was_linked_before_is_believed_only_while_nobody_writes_to_it() {
    let sandbox = Sandbox::new();
    let cache = sandbox.cache_with(&[LinkKind::Hardlink]);
    for name in ["data/a", "data/b"] {
        sandbox.write(name, name);
    }
    let data = sandbox.root.join("data");
    let added = cache
        .add_directory(&sandbox.root, &data, Original::Linked, &Silent)
        .unwrap();
    let restore = || {
        fs_err::remove_dir_all(&data).unwrap();
        cache.checkout_directory(&added.id, &sandbox.root, &data, &Silent)
    };
    assert_eq!(restore().unwrap().written, 2);
    assert_eq!(sandbox.read("data/a"), "data/a");
    // The same number of bytes, and read-only again.
    overwrite(&data.join("b"), b"DATA/B");
    let error = restore().unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}
