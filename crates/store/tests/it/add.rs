use std::os::unix::fs::PermissionsExt;

use ketch_dvc::ObjectId;
use ketch_store::{Original, Silent, StoreError, hash_directory, hash_file};

use crate::{Sandbox, overwrite};

#[test]
fn a_file_becomes_a_read_only_object() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("data.csv", "hello\n");
    let added = sandbox
        .cache
        .add_file(&path, Original::Untouched, &Silent)
        .unwrap();
    assert_eq!(added.id.to_string(), "b1946ac92492d2347c6235b4d2611184");
    assert_eq!((added.size, added.executable), (6, false));
    let object = sandbox
        .root
        .join(".dvc/cache/files/md5/b1/946ac92492d2347c6235b4d2611184");
    assert_eq!(sandbox.cache.object_path(&added.id), object);
    assert_eq!(
        fs_err::metadata(&object).unwrap().permissions().mode() & 0o7777,
        0o444
    );
    assert_eq!(sandbox.cache.read(&added.id).unwrap(), b"hello\n");
    assert_eq!(hash_file(&path).unwrap(), (added.id, 6));
    assert_eq!(
        sandbox.read("data.csv"),
        "hello\n",
        "the file itself is left alone"
    );
    let beside: Vec<_> = fs_err::read_dir(object.parent().unwrap())
        .unwrap()
        .collect();
    assert_eq!(beside.len(), 1, "nothing temporary is left: {beside:?}");
}

#[test]
fn a_directory_has_dvcs_manifest() {
    // The example of the format reference: made by DVC 3.67.1.
    let sandbox = Sandbox::new();
    sandbox.write("data/a.txt", "hello\n");
    sandbox.write("data/sub/empty", "");
    let added = sandbox
        .cache
        .add_directory(
            &sandbox.root,
            &sandbox.root.join("data"),
            Original::Untouched,
            &Silent,
        )
        .unwrap();
    let expected = "[{\"md5\": \"b1946ac92492d2347c6235b4d2611184\", \"relpath\": \"a.txt\"}, \
                    {\"md5\": \"d41d8cd98f00b204e9800998ecf8427e\", \"relpath\": \"sub/empty\"}]";
    assert_eq!(sandbox.cache.read(&added.id).unwrap(), expected.as_bytes());
    assert_eq!((added.size, added.files), (6, 2));
    assert!(added.id.is_directory());
    assert!(sandbox.cache.contains_all(&added.id));
    let (manifest, size) =
        hash_directory(&sandbox.root, &sandbox.root.join("data"), &Silent).unwrap();
    assert_eq!((manifest.id(), size), (added.id, 6));
}

#[test]
fn an_empty_directory_is_dvcs_empty_list() {
    let sandbox = Sandbox::new();
    fs_err::create_dir_all(sandbox.root.join("data/empty")).unwrap();
    let added = sandbox
        .cache
        .add_directory(
            &sandbox.root,
            &sandbox.root.join("data"),
            Original::Untouched,
            &Silent,
        )
        .unwrap();
    assert_eq!(added.id.to_string(), "d751713988987e9331980363e24189ce.dir");
    assert_eq!((added.size, added.files), (0, 0));
}

#[test]
fn a_thousand_files_in_parallel() {
    let sandbox = Sandbox::new();
    for number in 0..1000 {
        sandbox.write(
            &format!("data/{}/{number}", number % 7),
            format!("row {}\n", number % 400),
        );
    }
    let added = sandbox
        .cache
        .add_directory(
            &sandbox.root,
            &sandbox.root.join("data"),
            Original::Untouched,
            &Silent,
        )
        .unwrap();
    assert_eq!(added.files, 1000);
    assert!(sandbox.cache.contains_all(&added.id));
    for entry in added.manifest.entries() {
        sandbox.cache.verify(&entry.md5).unwrap();
    }
}

#[test]
fn links_to_files_are_followed() {
    let sandbox = Sandbox::new();
    let target = sandbox.write("elsewhere", "hello\n");
    sandbox.write("data/real", "x");
    fs_err::os::unix::fs::symlink(&target, sandbox.root.join("data/link")).unwrap();
    let added = sandbox
        .cache
        .add_directory(
            &sandbox.root,
            &sandbox.root.join("data"),
            Original::Untouched,
            &Silent,
        )
        .unwrap();
    let link = &added.manifest.entries()[0];
    assert_eq!(
        (link.relpath.as_str(), link.md5.hex()),
        ("link", "b1946ac92492d2347c6235b4d2611184")
    );

    fs_err::remove_file(&target).unwrap();
    let error = sandbox
        .cache
        .add_directory(
            &sandbox.root,
            &sandbox.root.join("data"),
            Original::Untouched,
            &Silent,
        )
        .unwrap_err();
    assert!(matches!(error, StoreError::DanglingLink { .. }), "{error}");
}

#[test]
fn names_that_are_not_utf8_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    sandbox.write("data/fine", "x");
    let odd = std::ffi::OsStr::from_bytes(b"bad\xff");
    fs_err::write(sandbox.root.join("data").as_std_path().join(odd), "x").unwrap();
    let error = sandbox
        .cache
        .add_directory(
            &sandbox.root,
            &sandbox.root.join("data"),
            Original::Untouched,
            &Silent,
        )
        .unwrap_err();
    assert!(matches!(error, StoreError::NotUtf8 { .. }), "{error}");
    assert!(error.hint().unwrap().contains("rename"));
}

#[test]
fn a_file_written_to_meanwhile_is_an_error() {
    use std::io::Write;
    // A reporter cannot interleave with the copy of one file, so a writer races it; whichever way
    // it ends, the object is what its name says.
    let sandbox = Sandbox::new();
    let path = sandbox.write("growing", vec![b'x'; 1 << 22]);
    let writer = {
        let path = path.clone();
        std::thread::spawn(move || {
            let mut file = fs_err::OpenOptions::new().append(true).open(path).unwrap();
            for _ in 0..2000 {
                file.write_all(&[b'y'; 512]).unwrap();
            }
        })
    };
    let mut refused = 0;
    while !writer.is_finished() {
        match sandbox.cache.add_file(&path, Original::Untouched, &Silent) {
            Ok(added) => sandbox.cache.verify(&added.id).unwrap(),
            Err(StoreError::ChangedWhileRead { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    writer.join().unwrap();
    let added = sandbox
        .cache
        .add_file(&path, Original::Untouched, &Silent)
        .unwrap();
    sandbox.cache.verify(&added.id).unwrap();
    assert_eq!(added.size, (1 << 22) + 2000 * 512);
    println!("refused {refused} times");
}

#[test]
fn presence_trusts_the_mode_and_nothing_else_does() {
    let sandbox = Sandbox::new();
    let added = sandbox
        .cache
        .add_file(&sandbox.write("f", "hello\n"), Original::Untouched, &Silent)
        .unwrap();
    let object = sandbox.cache.object_path(&added.id);
    overwrite(&object, b"hel");
    assert!(
        sandbox.cache.contains(&added.id),
        "0444 is trusted for presence, as DVC does"
    );
    assert!(matches!(
        sandbox.cache.verify(&added.id),
        Err(StoreError::Corrupt { .. })
    ));
    assert!(matches!(
        sandbox.cache.read(&added.id),
        Err(StoreError::Corrupt { .. })
    ));

    fs_err::set_permissions(&object, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(
        !sandbox.cache.contains(&added.id),
        "any other mode is hashed"
    );
    sandbox
        .cache
        .add_file(&sandbox.root.join("f"), Original::Untouched, &Silent)
        .unwrap();
    sandbox.cache.verify(&added.id).unwrap();

    fs_err::set_permissions(&object, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(sandbox.cache.contains(&added.id));
    assert_eq!(
        fs_err::metadata(&object).unwrap().permissions().mode() & 0o7777,
        0o444
    );
}

#[test]
fn bytes_go_in_and_out() {
    let sandbox = Sandbox::new();
    let id = sandbox.cache.add_bytes(b"hello\n").unwrap();
    assert_eq!(id.hex(), "b1946ac92492d2347c6235b4d2611184");
    assert_eq!(sandbox.cache.read(&id).unwrap(), b"hello\n");
    let absent = ObjectId::parse(&"0".repeat(32)).unwrap();
    assert!(matches!(
        sandbox.cache.read(&absent),
        Err(StoreError::Missing { .. })
    ));
    assert!(matches!(
        sandbox.cache.manifest(&id),
        Err(StoreError::WrongKind { .. })
    ));
    assert!(!sandbox.cache.contains(&absent));
}

#[test]
fn a_directory_or_a_pipe_is_no_file() {
    let sandbox = Sandbox::new();
    sandbox.write("data/x", "x");
    let error = sandbox
        .cache
        .add_file(&sandbox.root.join("data"), Original::Untouched, &Silent)
        .unwrap_err();
    assert!(matches!(error, StoreError::NotRegular { .. }), "{error}");
}
