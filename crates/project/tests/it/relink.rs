//! `checkout --relink`: files that are as recorded, made again as `cache.type` says now.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{LegacyHasher, ObjectId};
use ketch_project::{
    AddOptions, CheckoutOptions, CheckoutReport, ProjectError, Relink, add, checkout_linked, status,
};
use ketch_store::{Reporter, Silent, hash_bytes};

use crate::sandbox::Sandbox;

const FILES: [(&str, &str); 5] = [
    ("data/a", "one"),
    ("data/b", "four"),
    ("data/sub/c", "two"),
    ("data/empty", ""),
    ("single", "three"),
];

/// Data in the cache, all of it copied.
fn copied() -> Sandbox {
    let sandbox = Sandbox::new();
    link(&sandbox, "copy");
    for (path, content) in FILES {
        sandbox.write(path, content);
    }
    add_all(&sandbox);
    sandbox
}

fn link(sandbox: &Sandbox, kind: &str) {
    sandbox.write(".dvc/config", format!("[cache]\n    type = {kind}\n"));
}

fn add_all(sandbox: &Sandbox) {
    let options = AddOptions {
        targets: vec!["data".into(), "single".into()],
    };
    add(&sandbox.open(), &options, &Silent).unwrap();
}

fn relink(sandbox: &Sandbox, reporter: &dyn Reporter) -> Result<CheckoutReport, ProjectError> {
    let options = CheckoutOptions::default();
    checkout_linked(&sandbox.open(), &options, Relink::Anew, reporter)
}

fn object(sandbox: &Sandbox, bytes: &[u8]) -> Utf8PathBuf {
    let cache = sandbox.root.join(".dvc/cache");
    cache.join(hash_bytes(bytes).cache_path())
}

/// Looks at every file, at each step: it is there, with its bytes.
struct Witness<'a> {
    sandbox: &'a Sandbox,
    looks: AtomicUsize,
}

impl<'a> Witness<'a> {
    fn new(sandbox: &'a Sandbox) -> Self {
        let looks = AtomicUsize::new(0);
        Self { sandbox, looks }
    }

    fn look(&self) {
        for (path, content) in FILES {
            let found = fs_err::read_to_string(self.sandbox.root.join(path));
            assert_eq!(found.ok().as_deref(), Some(content), "{path}");
        }
        self.looks.fetch_add(1, Ordering::Relaxed);
    }
}

impl Reporter for Witness<'_> {
    fn start(&self, _: u64) {
        self.look();
    }

    fn file(&self, _: &Utf8Path, _: u64) {
        self.look();
    }
}

#[test]
fn no_file_is_missing_at_any_step() {
    let sandbox = copied();
    for kind in ["hardlink", "symlink", "copy", "reflink,copy", "hardlink"] {
        link(&sandbox, kind);
        let witness = Witness::new(&sandbox);
        let report = relink(&sandbox, &witness).unwrap();
        assert_eq!(report.unchanged, ["data", "single"], "{kind}");
        assert!(witness.looks.into_inner() > FILES.len(), "{kind}");
        for (path, content) in FILES {
            let path = sandbox.root.join(path);
            let object = fs_err::metadata(object(&sandbox, content.as_bytes())).unwrap();
            let shared = fs_err::metadata(&path).unwrap().ino() == object.ino();
            let wanted = kind == "symlink" || (kind == "hardlink" && !content.is_empty());
            assert_eq!(shared, wanted, "{kind}: {path}");
            assert_eq!(path.is_symlink(), kind == "symlink", "{kind}: {path}");
            assert_eq!(object.mode() & 0o777, 0o444, "{kind}: {path}");
        }
        assert!(status(&sandbox.open(), &Silent).unwrap().is_clean());
    }
}

#[test]
fn what_is_not_recorded_stays() {
    let sandbox = copied();
    sandbox.write(".dvcignore", "*.log\n");
    sandbox.write("data/sub/notes.log", "mine");
    link(&sandbox, "hardlink");
    relink(&sandbox, &Silent).unwrap();
    assert_eq!(sandbox.read("data/sub/notes.log"), "mine");
    let linked = fs_err::metadata(sandbox.root.join("data/sub/c")).unwrap();
    assert_eq!(linked.nlink(), 2);
}

#[test]
fn a_damaged_object_does_not_take_the_place_of_a_good_file() {
    for kind in ["hardlink", "symlink", "copy"] {
        let sandbox = copied();
        link(&sandbox, kind);
        for content in ["four", "three"] {
            let object = object(&sandbox, content.as_bytes());
            fs_err::remove_file(&object).unwrap();
            fs_err::write(&object, "torn").unwrap();
            // Of this mode, nobody hashes an object to know that it is there.
            fs_err::set_permissions(&object, Permissions::from_mode(0o444)).unwrap();
        }
        relink(&sandbox, &Silent).unwrap_err();
        for (path, content) in FILES {
            assert_eq!(sandbox.read(path), content, "{kind}");
        }
    }
}

#[test]
fn an_executable_stays_one_and_its_object_none() {
    let sandbox = copied();
    let single = sandbox.root.join("single");
    fs_err::set_permissions(&single, Permissions::from_mode(0o755)).unwrap();
    add_all(&sandbox);
    link(&sandbox, "hardlink");
    relink(&sandbox, &Silent).unwrap();
    let mode = |path: &Utf8Path| fs_err::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&single) & 0o100, 0o100);
    assert_eq!(mode(&object(&sandbox, b"three")), 0o444);
}

/// The hash of DVC 2 takes text with other line ends for the same.
#[test]
fn other_line_ends_than_those_in_the_cache_are_not_lost() {
    let sandbox = Sandbox::new();
    let mut hasher = LegacyHasher::new();
    hasher.update(b"a\nb\n");
    let id: ObjectId = hasher.finish().as_legacy();
    sandbox.write(&format!(".dvc/cache/{}", id.cache_path()), "a\nb\n");
    for name in ["unix", "dos"] {
        let text = format!("outs:\n- md5: {id}\n  size: 4\n  path: {name}\n");
        sandbox.write(&format!("{name}.dvc"), text);
    }
    sandbox.write("unix", "a\nb\n");
    sandbox.write("dos", "a\r\nb\r\n");
    link(&sandbox, "hardlink");
    let report = relink(&sandbox, &Silent).unwrap();
    assert_eq!(report.unchanged, ["dos", "unix"]);
    assert_eq!(sandbox.read("dos"), "a\r\nb\r\n");
    let linked = fs_err::metadata(sandbox.root.join("unix")).unwrap();
    assert_eq!(linked.nlink(), 2);
}
