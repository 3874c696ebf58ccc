//! Making room in the cache and repairing it, with a way back.

use ketch_project::{
    AddOptions, Destruction, FsckOptions, GcMode, GcOptions, HookProgram, Keep, ProjectError,
    Reachable, Repair, add, destroy, fsck, gc, install_hooks,
};
use ketch_store::{Silent, hash_bytes};

use crate::interop::Dvc;
use crate::sandbox::Sandbox;

fn track(sandbox: &Sandbox, path: &str) {
    let options = AddOptions {
        targets: vec![path.into()],
    };
    add(&sandbox.open(), &options, &Silent).unwrap();
}

/// Two commits, and data that was never committed between them.
fn history() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("dir/a", "first");
    sandbox.write("one", "1");
    track(&sandbox, "dir");
    track(&sandbox, "one");
    sandbox.commit("first");
    sandbox.write("one", "never committed");
    track(&sandbox, "one");
    sandbox.write("one", "2");
    sandbox.write("dir/a", "second");
    track(&sandbox, "dir");
    track(&sandbox, "one");
    sandbox.commit("second");
    sandbox
}

fn options(keep: &[Keep], mode: GcMode, reachable: Reachable) -> GcOptions {
    GcOptions {
        keep: keep.to_vec(),
        mode,
        reachable,
        quarantine: "now".to_owned(),
        ..GcOptions::default()
    }
}

fn cached(sandbox: &Sandbox, content: &str) -> bool {
    sandbox
        .open()
        .cache()
        .contains(&hash_bytes(content.as_bytes()))
}

#[test]
fn what_commits_use_stays_unless_forced() {
    let sandbox = history();
    let project = sandbox.open();
    let error = gc(&project, &GcOptions::default()).unwrap_err();
    assert!(matches!(error, ProjectError::NoScope), "{error}");

    let workspace = [Keep::Workspace];
    let dry = options(&workspace, GcMode::Dry, Reachable::Keep);
    let report = gc(&project, &dry).unwrap();
    // The manifest and the file of the first directory, and the first content of `one`.
    assert_eq!((report.collected.len(), report.size), (1, 15));
    assert_eq!((report.reachable.len(), report.kept), (3, 3));
    assert!(cached(&sandbox, "never committed"));

    let report = gc(
        &project,
        &options(&workspace, GcMode::Quarantine, Reachable::Keep),
    )
    .unwrap();
    assert_eq!(
        report.quarantine.as_deref(),
        Some(".ketch/quarantine/now".into())
    );
    assert!(!cached(&sandbox, "never committed") && cached(&sandbox, "1"));

    let report = gc(
        &project,
        &options(&workspace, GcMode::EmptyQuarantine, Reachable::Collect),
    )
    .unwrap();
    assert_eq!((report.collected.len(), report.deleted), (3, 15));
    assert!(report.collected[0].id.is_directory());
    assert!(!cached(&sandbox, "1") && cached(&sandbox, "2"));

    // There is a way back, as long as the quarantine is not emptied.
    sandbox.git(&["checkout", "--quiet", "HEAD~1"]);
    let report = fsck(&project, &FsckOptions::default(), &Silent).unwrap();
    assert_eq!(report.missing.len(), 2);
    assert!(!report.is_sound());
    let repair = FsckOptions {
        repair: Repair::Yes,
        quarantine: "later".to_owned(),
    };
    let report = fsck(&project, &repair, &Silent).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert!(cached(&sandbox, "1") && cached(&sandbox, "first"));
}

#[test]
fn branches_tags_and_revisions_are_kept() {
    let sandbox = history();
    let project = sandbox.open();
    let count = |keep: &[Keep]| {
        let dry = options(keep, GcMode::Dry, Reachable::Collect);
        gc(&project, &dry).unwrap().collected.len()
    };
    assert_eq!(count(&[Keep::Workspace]), 4);
    assert_eq!(count(&[Keep::Branches]), 4);
    assert_eq!(count(&[Keep::Commits]), 1);
    assert_eq!(count(&[Keep::Revision("HEAD~1".to_owned())]), 1);
    sandbox.git(&["tag", "--annotate", "--message", "x", "v1", "HEAD~1"]);
    assert_eq!(count(&[Keep::Tags]), 1);
    sandbox.git(&["tag", "--force", "v1", "HEAD"]);
    assert_eq!(count(&[Keep::Tags]), 4);
    sandbox.git(&["branch", "old", "HEAD~1"]);
    assert_eq!(count(&[Keep::Branches]), 1);
    let unknown = options(
        &[Keep::Revision("none".to_owned())],
        GcMode::Quarantine,
        Reachable::Collect,
    );
    gc(&project, &unknown).unwrap_err();
}

#[test]
fn a_damaged_manifest_stops_the_collection() {
    let sandbox = history();
    let project = sandbox.open();
    let id = ketch_dvc::ObjectId::parse(
        sandbox
            .read("dir.dvc")
            .lines()
            .find_map(|line| line.split_once("md5: "))
            .unwrap()
            .1,
    )
    .unwrap();
    let path = project.cache().object_path(&id);
    fs_err::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs_err::write(&path, "[]").unwrap();
    let all = options(&[Keep::Workspace], GcMode::Quarantine, Reachable::Collect);
    gc(&project, &all).unwrap_err();
    assert!(cached(&sandbox, "never committed"));
}

#[test]
fn a_cache_that_others_may_use_is_not_collected_unasked() {
    let sandbox = history();
    sandbox.write(".dvc/config", "[cache]\n    dir = ../../shared\n");
    let project = sandbox.open();
    let careful = options(&[Keep::Workspace], GcMode::Quarantine, Reachable::Keep);
    let error = gc(&project, &careful).unwrap_err();
    assert!(matches!(error, ProjectError::SharedCache { .. }), "{error}");
    let named = GcOptions {
        projects: vec![sandbox.root.clone()],
        ..careful
    };
    gc(&project, &named).unwrap();
}

#[test]
fn damage_is_found_and_repaired_from_the_work_tree() {
    let sandbox = history();
    let project = sandbox.open();
    let sound = fsck(&project, &FsckOptions::default(), &Silent).unwrap();
    assert!(sound.is_sound());
    assert_eq!((sound.objects, sound.unreferenced), (7, 4));

    let damaged = project.cache().object_path(&hash_bytes(b"second"));
    fs_err::set_permissions(
        &damaged,
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    fs_err::write(&damaged, "sEcond").unwrap();
    fs_err::set_permissions(
        &damaged,
        std::os::unix::fs::PermissionsExt::from_mode(0o444),
    )
    .unwrap();
    fs_err::remove_file(project.cache().object_path(&hash_bytes(b"2"))).unwrap();
    let report = fsck(&project, &FsckOptions::default(), &Silent).unwrap();
    assert_eq!(report.corrupt[0].paths, ["dir/a"]);
    assert_eq!(report.missing[0].paths, ["one"]);
    assert!(!report.is_sound());

    // What was edited meanwhile is no good copy.
    sandbox.write("one", "edited");
    let repair = FsckOptions {
        repair: Repair::Yes,
        quarantine: "now".to_owned(),
    };
    let report = fsck(&project, &repair, &Silent).unwrap();
    assert!(report.corrupt[0].repaired && !report.missing[0].repaired);
    assert_eq!(fs_err::read_to_string(&damaged).unwrap(), "second");
    sandbox.write("one", "2");
    assert!(fsck(&project, &repair, &Silent).unwrap().is_sound());
}

#[test]
fn dvc_collects_the_same() {
    let (ours, theirs) = (history(), history());
    let Some(dvc) = Dvc::find(&theirs) else {
        return;
    };
    let listing = |sandbox: &Sandbox| {
        let root = sandbox.root.join(".dvc/cache/files/md5");
        let mut found: Vec<String> = Vec::new();
        for folder in root.read_dir_utf8().unwrap() {
            let folder = folder.unwrap().into_path();
            for object in folder.read_dir_utf8().unwrap() {
                let object = object.unwrap().into_path();
                found.push(object.strip_prefix(&root).unwrap().to_string());
            }
        }
        found.sort();
        found
    };
    for (keep, flag) in [
        (Keep::Commits, "--all-commits"),
        (Keep::Workspace, "--workspace"),
    ] {
        let force = options(&[keep], GcMode::Quarantine, Reachable::Collect);
        gc(&ours.open(), &force).unwrap();
        dvc.run(&theirs.root, &["gc", "--quiet", "--force", flag]);
        assert_eq!(listing(&ours), listing(&theirs), "{flag}");
    }
    assert_eq!(listing(&ours).len(), 3);
}

#[test]
fn destroying_leaves_the_data() {
    let sandbox = history();
    let error = destroy(&sandbox.open(), Destruction::Asked).unwrap_err();
    assert!(error.to_string().contains("7 objects"), "{error}");
    // A link into the cache would lead nowhere.
    let object = sandbox.open().cache().object_path(&hash_bytes(b"2"));
    sandbox.remove("one");
    fs_err::os::unix::fs::symlink(object, sandbox.root.join("one")).unwrap();
    let removed = destroy(&sandbox.open(), Destruction::Confirmed).unwrap();
    assert_eq!(removed, ["dir.dvc", "one.dvc", ".dvcignore", ".dvc"]);
    assert_eq!(
        (sandbox.read("one"), sandbox.read("dir/a")),
        ("2".into(), "second".into())
    );
}

#[test]
fn hooks_of_others_are_not_touched() {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "--unset", "core.hooksPath"]);
    sandbox.write(".git/hooks/pre-push", "#!/bin/sh\nexit 0\n");
    let error = install_hooks(&sandbox.open(), HookProgram::Ketch).unwrap_err();
    assert!(matches!(error, ProjectError::HookExists { .. }), "{error}");
    assert!(!sandbox.exists(".git/hooks/pre-commit"));
    sandbox.remove(".git/hooks/pre-push");
    for _ in 0..2 {
        let written = install_hooks(&sandbox.open(), HookProgram::Ketch).unwrap();
        assert_eq!(written.len(), 3);
    }
    let mode = fs_err::metadata(sandbox.root.join(".git/hooks/post-checkout")).unwrap();
    assert_ne!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o111,
        0
    );
    assert!(
        sandbox
            .read(".git/hooks/pre-commit")
            .contains("exec ketch git-hook pre-commit")
    );
}
