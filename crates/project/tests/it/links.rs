//! `cache.type`: what links to the cache, held against DVC.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_project::{AddOptions, CheckoutOptions, Project, ProjectError, add, checkout, status};
use ketch_store::Silent;

use crate::interop::Dvc;
use crate::sandbox::Sandbox;

fn with_links(kinds: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(".dvc/config", format!("[cache]\n    type = {kinds}\n"));
    sandbox
}

fn with_data(kinds: &str) -> Sandbox {
    let sandbox = with_links(kinds);
    // Without duplicates: of two equal files, `dvc add` links one and leaves the other.
    for (name, content) in [("a", "one"), ("b", "four"), ("sub/c", "two"), ("empty", "")] {
        sandbox.write(&format!("data/{name}"), content);
    }
    sandbox.write("single", "three");
    sandbox
}

/// Mode, number of links and target of everything below these directories.
fn listing(root: &Utf8Path) -> BTreeMap<Utf8PathBuf, (u32, u64, Option<String>)> {
    let mut found = BTreeMap::new();
    let mut pending: Vec<Utf8PathBuf> = ["data", "single", ".dvc/cache/files"]
        .iter()
        .map(|name| root.join(name))
        .collect();
    while let Some(path) = pending.pop() {
        let metadata = fs_err::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            for entry in fs_err::read_dir(&path).unwrap() {
                pending.push(Utf8PathBuf::from_path_buf(entry.unwrap().path()).unwrap());
            }
            continue;
        }
        let target = path.read_link_utf8().ok().map(|target| {
            assert!(target.is_absolute());
            target.strip_prefix(root).unwrap().to_string()
        });
        let mode = metadata.mode() & 0o7777;
        let shown = path.strip_prefix(root).unwrap().to_owned();
        found.insert(shown, (mode, metadata.nlink(), target));
    }
    found
}

fn add_all(sandbox: &Sandbox) {
    let options = AddOptions {
        targets: vec!["data".into(), "single".into()],
    };
    add(&sandbox.open(), &options, &Silent).unwrap();
}

#[test]
fn twins_link_alike() {
    for kinds in ["hardlink,copy", "symlink", "copy", "reflink,copy"] {
        let (ours, theirs) = (with_data(kinds), with_data(kinds));
        let Some(dvc) = Dvc::find(&ours) else { return };
        add_all(&ours);
        let root = theirs.open().root().to_owned();
        dvc.run(&root, &["add", "-q", "data", "single"]);
        let ours_root = ours.open().root().to_owned();
        assert_eq!(listing(&ours_root), listing(&root), "{kinds}: added");
        assert_eq!(ours.read("data.dvc"), theirs.read("data.dvc"));

        let shown = dvc.run(&ours_root, &["status"]);
        assert!(shown.contains("up to date"), "{kinds}: {shown}");
        assert!(status(&theirs.open(), &Silent).unwrap().is_clean());

        ours.remove("data");
        theirs.remove("data");
        checkout(&ours.open(), &CheckoutOptions::default(), &Silent).unwrap();
        dvc.run(&root, &["checkout", "-q"]);
        assert_eq!(listing(&ours_root), listing(&root), "{kinds}: checked out");
        // Neither sees anything to do in what the other has linked.
        let report = checkout(&theirs.open(), &CheckoutOptions::default(), &Silent).unwrap();
        assert_eq!(report.restored.len(), 0, "{kinds}");
        dvc.run(&ours_root, &["checkout", "-q"]);
        assert!(ours.exists(".dvc/tmp/ketch-state"), "DVC lets it be");
        assert!(status(&ours.open(), &Silent).unwrap().is_clean());
    }
}

#[test]
fn a_stage_that_adds_to_its_output_does_not_write_into_the_cache() {
    for kinds in ["hardlink", "symlink", "copy"] {
        let sandbox = with_links(kinds);
        sandbox.write("input", "1");
        sandbox.write(
            "dvc.yaml",
            "stages:\n  grow:\n    cmd: cat input >> log\n    deps:\n    - input\n    outs:\n    - log:\n        persist: true\n",
        );
        sandbox.repro();
        sandbox.write("input", "2");
        sandbox.repro();
        assert_eq!(sandbox.read("log"), "12", "{kinds}");
        let project = sandbox.open();
        for content in [b"1", &b"12"[..]] {
            let id = ketch_store::hash_bytes(content);
            project.cache().verify(&id).unwrap();
        }
        assert!(status(&project, &Silent).unwrap().is_clean());
    }
}

#[test]
fn an_unknown_kind_is_named() {
    let sandbox = with_links("hardlink,magic");
    let error = Project::open(&sandbox.root).unwrap_err();
    assert!(matches!(error, ProjectError::Store(_)), "{error}");
    assert!(error.to_string().contains("magic"), "{error}");
    assert!(error.hint().unwrap().contains("reflink"));
}
