use std::os::unix::fs::PermissionsExt;

use ketch_dvc::ObjectId;
use ketch_store::{CheckedOut, Original, Silent, StoreError, make_executable};

use crate::{Sandbox, overwrite};

#[test]
fn a_file_comes_back_writable() {
    let sandbox = Sandbox::new();
    let added = sandbox
        .cache
        .add_file(&sandbox.write("f", "hello\n"), Original::Untouched, &Silent)
        .unwrap();
    let target = sandbox.root.join("deep/er/copy");
    let done = sandbox
        .cache
        .checkout_file(&added.id, &target, &Silent)
        .unwrap();
    assert_eq!(
        done,
        CheckedOut {
            written: 1,
            removed: 0
        }
    );
    assert_eq!(sandbox.read("deep/er/copy"), "hello\n");
    let mode = || fs_err::metadata(&target).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode() & 0o600, 0o600);
    let again = sandbox
        .cache
        .checkout_file(&added.id, &target, &Silent)
        .unwrap();
    assert_eq!(again.written, 0);

    let before = mode();
    make_executable(&target).unwrap();
    assert_eq!(mode(), before | 0o100);
    let object = sandbox.cache.object_path(&added.id);
    assert_eq!(
        fs_err::metadata(object).unwrap().permissions().mode() & 0o7777,
        0o444
    );
}

#[test]
fn a_damaged_object_never_comes_out() {
    let sandbox = Sandbox::new();
    let added = sandbox
        .cache
        .add_file(&sandbox.write("f", "hello\n"), Original::Untouched, &Silent)
        .unwrap();
    let object = sandbox.cache.object_path(&added.id);
    let target = sandbox.write("target", "mine");
    for damage in [&b""[..], b"hell", b"hello\nmore"] {
        overwrite(&object, damage);
        let error = sandbox
            .cache
            .checkout_file(&added.id, &target, &Silent)
            .unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert_eq!(sandbox.read("target"), "mine");
    }
    assert!(error_hint(&sandbox, &added.id).contains("pull"));
}

fn error_hint(sandbox: &Sandbox, id: &ObjectId) -> String {
    sandbox.cache.verify(id).unwrap_err().hint().unwrap()
}

#[test]
fn a_directory_comes_back_exactly() {
    let sandbox = Sandbox::new();
    for (name, content) in [("data/a", "1"), ("data/b/c", "2"), ("data/b/d", "3")] {
        sandbox.write(name, content);
    }
    let data = sandbox.root.join("data");
    let added = sandbox
        .cache
        .add_directory(&sandbox.root, &data, Original::Untouched, &Silent)
        .unwrap();
    sandbox.write("data/a", "changed");
    sandbox.write("data/new/extra", "x");
    fs_err::remove_dir_all(data.join("b")).unwrap();
    let done = sandbox
        .cache
        .checkout_directory(&added.id, &sandbox.root, &data, &Silent)
        .unwrap();
    assert_eq!(
        done,
        CheckedOut {
            written: 3,
            removed: 1
        }
    );
    assert_eq!(
        (sandbox.read("data/a"), sandbox.read("data/b/c")),
        ("1".into(), "2".into())
    );
    assert!(!data.join("new").exists(), "a folder left empty goes too");
    let again = sandbox
        .cache
        .checkout_directory(&added.id, &sandbox.root, &data, &Silent)
        .unwrap();
    assert_eq!(again, CheckedOut::default());
}

#[test]
fn a_missing_file_of_a_directory_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("data/a", "1");
    sandbox.write("data/b", "2");
    let data = sandbox.root.join("data");
    let added = sandbox
        .cache
        .add_directory(&sandbox.root, &data, Original::Untouched, &Silent)
        .unwrap();
    fs_err::remove_file(sandbox.cache.object_path(&added.manifest.entries()[1].md5)).unwrap();
    sandbox.write("data/a", "mine");
    let error = sandbox
        .cache
        .checkout_directory(&added.id, &sandbox.root, &data, &Silent)
        .unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    assert_eq!(sandbox.read("data/a"), "mine");
    assert!(!sandbox.cache.contains_all(&added.id));
}

#[test]
fn hostile_manifests_stay_inside() {
    let sandbox = Sandbox::new();
    let id = sandbox.cache.add_bytes(b"evil").unwrap();
    for relative in ["../evil", "/tmp/evil", "a/../../evil", "", ".", "a/./../b"] {
        let json = format!("[{{\"md5\": \"{id}\", \"relpath\": \"{relative}\"}}]");
        let path = sandbox.write("manifest", &json);
        let file = sandbox
            .cache
            .add_file(&path, Original::Untouched, &Silent)
            .unwrap()
            .id;
        let directory = file.as_directory();
        fs_err::copy(
            sandbox.cache.object_path(&file),
            sandbox.cache.object_path(&directory),
        )
        .unwrap();
        let target = sandbox.root.join("out");
        let error = sandbox
            .cache
            .checkout_directory(&directory, &sandbox.root, &target, &Silent)
            .unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::UnsafePath { .. } | StoreError::Manifest { .. }
            ),
            "{relative}: {error}"
        );
        assert!(!sandbox.root.join("evil").exists());
    }
}

#[test]
fn links_are_not_written_through() {
    let sandbox = Sandbox::new();
    sandbox.write("data/sub/a", "1");
    let data = sandbox.root.join("data");
    let added = sandbox
        .cache
        .add_directory(&sandbox.root, &data, Original::Untouched, &Silent)
        .unwrap();
    fs_err::remove_dir_all(data.join("sub")).unwrap();
    sandbox.write("elsewhere/keep", "x");
    fs_err::os::unix::fs::symlink(sandbox.root.join("elsewhere"), data.join("sub")).unwrap();
    let error = sandbox
        .cache
        .checkout_directory(&added.id, &sandbox.root, &data, &Silent)
        .unwrap_err();
    assert!(matches!(error, StoreError::InTheWay { .. }), "{error}");
    assert!(!sandbox.root.join("elsewhere/a").exists());

    // A link in place of the file itself is replaced, not followed.
    let file = sandbox.cache.add_bytes(b"new").unwrap();
    let kept = sandbox.write("kept", "old");
    let link = sandbox.root.join("link");
    fs_err::os::unix::fs::symlink(&kept, &link).unwrap();
    sandbox.cache.checkout_file(&file, &link, &Silent).unwrap();
    assert_eq!(
        (sandbox.read("kept"), sandbox.read("link")),
        ("old".into(), "new".into())
    );
    assert!(!link.is_symlink());
}

#[test]
fn kinds_do_not_mix() {
    let sandbox = Sandbox::new();
    let file = sandbox.cache.add_bytes(b"x").unwrap();
    sandbox.write("data/a", "1");
    let data = sandbox.root.join("data");
    let directory = sandbox
        .cache
        .add_directory(&sandbox.root, &data, Original::Untouched, &Silent)
        .unwrap()
        .id;
    let error = sandbox
        .cache
        .checkout_file(&file, &data, &Silent)
        .unwrap_err();
    assert!(matches!(error, StoreError::InTheWay { .. }), "{error}");
    let error = sandbox
        .cache
        .checkout_file(&directory, &data, &Silent)
        .unwrap_err();
    assert!(matches!(error, StoreError::WrongKind { .. }), "{error}");
    let target = sandbox.write("file", "x");
    let error = sandbox
        .cache
        .checkout_directory(&directory, &sandbox.root, &target, &Silent)
        .unwrap_err();
    assert!(matches!(error, StoreError::InTheWay { .. }), "{error}");
}
