//! Repositories of DVC 2: entries without `hash:`, whose objects have names of their own. The same
//! steps by ketch and by DVC 3.67.1, in twins.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use ketch_dvc::{LegacyHasher, Manifest, ManifestEntry, ObjectId};
use ketch_project::{
    Bringing, CheckoutOptions, DiffOptions, FsckOptions, GcMode, GcOptions, GetOptions,
    ImportOptions, Keep, Migrate, MigrateMode, OnExisting, ProjectError, PullOptions, Reachable,
    RecordOptions, RemoteChoice, Repair, SourceSpec, TransferSelection, checkout, diff, fsck, gc,
    get, import, migrate_cache, pull, push, record, status,
};
use ketch_store::Silent;

use crate::data_peer::add_ours;
use crate::interop::{Dvc, assert_same};
use crate::sandbox::Sandbox;

const TEXT: &[u8] = b"a,b\r\n1,2\r\n";
/// With Unix line ends it would have the same hash, and be taken for the same object.
const DOS: &[u8] = b"uno\r\ndos\r\n";

fn legacy(bytes: &[u8]) -> ObjectId {
    let mut hasher = LegacyHasher::new();
    hasher.update(bytes);
    hasher.finish().as_legacy()
}

/// Puts an object where DVC 2 had it.
fn object(sandbox: &Sandbox, id: &ObjectId, bytes: &[u8]) {
    let path = sandbox.root.join(".dvc/cache").join(id.cache_path());
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(&path, bytes).unwrap();
    fs_err::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
}

/// A committed repository as DVC 2 left it: a file, a directory, and a stage that has run.
fn repository(sandbox: &Sandbox) {
    let files: [(&str, &[u8]); 3] = [
        ("binary", b"\0\r\n\xff"),
        ("deep/unix.txt", b"one\ntwo\n"),
        ("dos.txt", DOS),
    ];
    sandbox.write("table.csv", TEXT);
    object(sandbox, &legacy(TEXT), TEXT);
    let mut entries = Vec::new();
    let mut size = 0;
    for (path, bytes) in files {
        sandbox.write(&format!("data/{path}"), bytes);
        object(sandbox, &legacy(bytes), bytes);
        size += bytes.len();
        entries.push(ManifestEntry {
            md5: legacy(bytes),
            relpath: path.to_owned(),
        });
    }
    let manifest = Manifest::new(entries).unwrap();
    let directory = manifest.id().as_legacy();
    object(sandbox, &directory, &manifest.to_bytes());
    sandbox.write(
        "table.csv.dvc",
        format!(
            "# of 2021\nouts:\n- md5: {}\n  size: {}\n  path: table.csv\n",
            legacy(TEXT),
            TEXT.len()
        ),
    );
    sandbox.write(
        "data.dvc",
        format!("outs:\n- md5: {directory}\n  size: {size}\n  nfiles: 3\n  path: data\n"),
    );
    sandbox.write("in.txt", "in\r\n");
    sandbox.write("out.txt", "in\r\n");
    object(sandbox, &legacy(b"in\r\n"), b"in\r\n");
    sandbox.write(
        "dvc.yaml",
        "stages:\n  copy:\n    cmd: cp in.txt out.txt\n    deps:\n    - in.txt\n    - table.csv\n    outs:\n    - out.txt\n",
    );
    let id = legacy(b"in\r\n");
    sandbox.write(
        "dvc.lock",
        format!(
            "schema: '2.0'\nstages:\n  copy:\n    cmd: cp in.txt out.txt\n    deps:\n    - path: in.txt\n      md5: {id}\n      size: 4\n    - path: table.csv\n      md5: {}\n      size: {}\n    outs:\n    - path: out.txt\n      md5: {id}\n      size: 4\n",
            legacy(TEXT),
            TEXT.len()
        ),
    );
    sandbox.write(".gitignore", "/table.csv\n/data\n/out.txt\n");
    sandbox.write(
        ".dvc/config",
        "[core]\n    remote = st\n['remote \"st\"']\n    url = ../../store\n",
    );
    sandbox.git(&["add", "--all"]);
    sandbox.git(&["commit", "--quiet", "--message", "by DVC 2"]);
}

fn twins() -> Option<(Sandbox, Sandbox, Dvc)> {
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let dvc = Dvc::find(&theirs)?;
    repository(&ours);
    repository(&theirs);
    Some((ours, theirs, dvc))
}

fn is_clean(sandbox: &Sandbox) -> bool {
    status(&sandbox.open(), &Silent).unwrap().is_clean()
}

fn assert_agreement(ours: &Sandbox, theirs: &Sandbox, dvc: &Dvc) {
    assert_same(&ours.root, &theirs.root);
    // Each about what the other made.
    for (sandbox, other) in [(ours, theirs), (theirs, ours)] {
        assert!(is_clean(sandbox));
        assert_eq!(dvc.run(&other.root, &["status", "--json"]).trim(), "{}");
    }
}

#[test]
fn nothing_has_changed_in_a_repository_of_dvc_2() {
    let Some((ours, theirs, dvc)) = twins() else {
        return;
    };
    assert_agreement(&ours, &theirs, &dvc);
    for sandbox in [&ours, &theirs] {
        for path in ["data", "table.csv", "out.txt"] {
            sandbox.remove(path);
        }
    }
    let report = checkout(&ours.open(), &CheckoutOptions::default(), &Silent).unwrap();
    assert_eq!(report.restored.len(), 3, "{report:?}");
    dvc.run(&theirs.root, &["checkout", "--quiet"]);
    assert_eq!(fs_err::read(ours.root.join("table.csv")).unwrap(), TEXT);
    assert_agreement(&ours, &theirs, &dvc);

    // Adding, committing and running what is as it was changes no byte.
    for target in ["data", "table.csv"] {
        add_ours(&ours, target);
        dvc.run(&theirs.root, &["add", "--quiet", target]);
    }
    record(&ours.open(), &RecordOptions::default(), &Silent).unwrap();
    dvc.run(&theirs.root, &["commit", "--quiet", "--force"]);
    ours.repro();
    dvc.run(&theirs.root, &["repro", "--quiet"]);
    // DVC's forced commit writes down a run that it did not see.
    theirs.remove(".dvc/cache/runs");
    assert!(!ours.exists(".dvc/cache/files"));
    assert_eq!(ours.git(&["status", "--porcelain"]), "");
    assert_agreement(&ours, &theirs, &dvc);
    assert!(
        diff(&ours.open(), &DiffOptions::default(), &Silent)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_changes_is_recorded_as_dvc_3_does_and_the_rest_stays() {
    let Some((ours, theirs, dvc)) = twins() else {
        return;
    };
    for sandbox in [&ours, &theirs] {
        sandbox.write("table.csv", "a,b\r\n3,4\r\n");
        sandbox.write("data/new", "new");
        assert!(!is_clean(sandbox));
    }
    let changed = diff(&ours.open(), &DiffOptions::default(), &Silent).unwrap();
    assert_eq!(changed.added.len(), 1, "{changed:?}");
    assert_eq!(changed.modified.len(), 2, "{changed:?}");
    for target in ["data", "table.csv"] {
        add_ours(&ours, target);
        dvc.run(&theirs.root, &["add", "--quiet", target]);
    }
    assert!(ours.read("table.csv.dvc").starts_with("# of 2021\nouts:\n"));
    forget_staged(&theirs);
    assert_same(&ours.root, &theirs.root);
    ours.repro();
    dvc.run(&theirs.root, &["repro", "--quiet"]);
    // `table.csv` has the new hash, `in.txt` and `out.txt` keep theirs.
    assert_eq!(ours.read("dvc.lock").matches("hash: md5").count(), 1);
    forget_staged(&theirs);
    assert_same(&ours.root, &theirs.root);
    assert!(is_clean(&theirs));
    assert_eq!(dvc.run(&ours.root, &["status", "--json"]).trim(), "{}");

    // Back to the commit of DVC 2 and forth: nothing is lost on the way.
    ours.commit("by DVC 3");
    ours.git(&["checkout", "--quiet", "HEAD~1"]);
    checkout(&ours.open(), &CheckoutOptions::default(), &Silent).unwrap();
    assert_eq!(fs_err::read(ours.root.join("table.csv")).unwrap(), TEXT);
    assert!(!ours.exists("data/new") && is_clean(&ours));
    ours.git(&["checkout", "--quiet", "main"]);
    checkout(&ours.open(), &CheckoutOptions::default(), &Silent).unwrap();
    assert!(ours.exists("data/new") && is_clean(&ours));
}

/// DVC 3.67.1 leaves the list of files by the old hash of what the directory is now, which nothing
/// refers to.
fn forget_staged(theirs: &Sandbox) {
    let project = theirs.open();
    let data = theirs.root.join("data");
    let (id, ..) = project
        .cache()
        .legacy_directory(&theirs.root, &data, &Silent)
        .unwrap();
    let path = format!(".dvc/cache/{}", id.cache_path());
    if theirs.exists(&path) {
        theirs.remove(&path);
        let folder = path.rsplit_once('/').unwrap().0;
        fs_err::remove_dir(theirs.root.join(folder)).unwrap();
    }
}

#[test]
fn objects_of_dvc_2_are_sent_and_fetched_where_dvc_2_had_them() {
    let Some((ours, theirs, dvc)) = twins() else {
        return;
    };
    let moved = push(&ours.open(), &TransferSelection::default(), &Silent).unwrap();
    assert_eq!(moved.objects(), 6, "{moved:?}");
    assert!(moved.skipped.is_empty());
    dvc.run(&theirs.root, &["push", "--quiet"]);
    assert_same(
        &ours.outside().join("store"),
        &theirs.outside().join("store"),
    );
    for sandbox in [&ours, &theirs] {
        for path in [".dvc/cache", "data", "table.csv", "out.txt"] {
            sandbox.remove(path);
        }
    }
    pull(&ours.open(), &PullOptions::default(), &Silent).unwrap();
    dvc.run(&theirs.root, &["pull", "--quiet"]);
    assert_agreement(&ours, &theirs, &dvc);
    assert_eq!(fs_err::read(ours.root.join("data/dos.txt")).unwrap(), DOS);

    // A remote that gives other bytes is not believed, whatever their line ends.
    let place = legacy(b"\0\r\n\xff").cache_path();
    for path in [".dvc/cache", "data"] {
        ours.remove(path);
    }
    let damaged = ours.outside().join("store").join(&place);
    fs_err::set_permissions(&damaged, Permissions::from_mode(0o644)).unwrap();
    fs_err::write(&damaged, b"\0\n\xff ").unwrap();
    pull(&ours.open(), &PullOptions::default(), &Silent).unwrap_err();
    assert!(!ours.exists(&format!(".dvc/cache/{place}")));
}

/// Whole outputs and parts, by another repository and by nobody's: recorded as DVC 3 does.
#[test]
fn others_get_and_import_what_dvc_2_recorded() {
    let (source, ours, theirs) = (Sandbox::new(), Sandbox::new(), Sandbox::new());
    let Some(dvc) = Dvc::find(&theirs) else {
        return;
    };
    repository(&source);
    let url = source.root.as_str();
    for (path, out) in [
        ("table.csv", "table"),
        ("data", "whole"),
        ("data/deep", "part"),
        ("data/dos.txt", "file"),
    ] {
        let spec = || SourceSpec::new(url, None);
        let options = ImportOptions {
            source: spec(),
            path: path.to_owned(),
            out: Some(out.into()),
            directory: ours.root.clone(),
            existing: OnExisting::Refuse,
            bringing: Bringing::Data,
            transfer: RemoteChoice::default(),
            trash: "now".to_owned(),
        };
        import(&ours.open(), &options, &Silent).unwrap();
        let record = format!("{out}.dvc");

        let options = GetOptions {
            source: spec(),
            path: path.to_owned(),
            out: Some("got".into()),
            directory: ours.outside().to_owned(),
            existing: OnExisting::Replace,
            transfer: RemoteChoice::default(),
            scratch: ours.outside().to_owned(),
        };
        let got = get(&options, &Silent).unwrap();
        let recorded = ours.read(&record);
        assert!(recorded.contains(&got.id.to_string()), "{recorded}");
    }
    // DVC itself fails on a directory with text that has other line ends than its hash.
    dvc.run(
        &theirs.root,
        &["import", "--quiet", url, "table.csv", "-o", "table"],
    );
    for path in ["table", "table.dvc"] {
        assert_eq!(ours.read(path), theirs.read(path), "{path}");
    }
    assert_eq!(ours.read("whole/dos.txt").as_bytes(), DOS);
    assert_eq!(ours.read("file").as_bytes(), DOS);
    assert_eq!(ours.read("part/unix.txt"), "one\ntwo\n");
    assert_eq!(
        dvc.run(&ours.root, &["status", "--no-updates", "--json"])
            .trim(),
        "{}"
    );

    // What is gone here is fetched from there again.
    ours.remove(".dvc/cache");
    ours.remove("whole");
    let report = pull(&ours.open(), &PullOptions::default(), &Silent).unwrap();
    assert!(report.fetch.is_complete(), "{report:?}");
    assert!(is_clean(&ours));
}

#[test]
fn they_are_collected_and_checked_like_others() {
    let Some((ours, theirs, dvc)) = twins() else {
        return;
    };
    let unused = legacy(b"unused");
    for sandbox in [&ours, &theirs] {
        object(sandbox, &unused, b"unused");
    }
    let found = fsck(&ours.open(), &FsckOptions::default(), &Silent).unwrap();
    assert!(found.is_sound(), "{found:?}");
    assert_eq!((found.objects, found.unreferenced), (7, 1));
    let options = GcOptions {
        keep: vec![Keep::Workspace],
        projects: Vec::new(),
        reachable: Reachable::Keep,
        mode: GcMode::Quarantine,
        quarantine: "q".to_owned(),
        ..GcOptions::default()
    };
    let collected = gc(&ours.open(), &options).unwrap();
    assert_eq!(collected.collected.len(), 1, "{collected:?}");
    assert_eq!(collected.collected[0].id, unused);
    dvc.run(&theirs.root, &["gc", "--workspace", "--force", "--quiet"]);
    assert_objects_same(&ours, &theirs);

    // A damaged object is found, and made again from the file that is still there.
    let place = ours.root.join(".dvc/cache").join(legacy(TEXT).cache_path());
    fs_err::set_permissions(&place, Permissions::from_mode(0o644)).unwrap();
    fs_err::write(&place, "other").unwrap();
    let options = FsckOptions {
        repair: Repair::Yes,
        quarantine: "r".to_owned(),
    };
    let repaired = fsck(&ours.open(), &options, &Silent).unwrap();
    assert!(
        repaired.is_sound() && repaired.corrupt.len() == 1,
        "{repaired:?}"
    );
    assert_eq!(fs_err::read(place).unwrap(), TEXT);
}

fn assert_objects_same(ours: &Sandbox, theirs: &Sandbox) {
    let list = |root: &Utf8Path| {
        let mut found = Vec::new();
        let mut pending = vec![root.join(".dvc/cache")];
        while let Some(folder) = pending.pop() {
            for entry in folder.read_dir_utf8().unwrap() {
                let path = entry.unwrap().into_path();
                if path.is_dir() {
                    pending.push(path);
                } else {
                    found.push(path.strip_prefix(root).unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    };
    assert_eq!(list(&ours.root), list(&theirs.root));
}

#[test]
fn a_directory_of_which_files_are_missing_is_not_cut_down() {
    let ours = Sandbox::new();
    repository(&ours);
    ours.remove("data/dos.txt");
    ours.remove(&format!(".dvc/cache/{}", legacy(DOS).cache_path()));
    ours.write("data/new", "new");
    let before = ours.read("data.dvc");
    let error = record(&ours.open(), &RecordOptions::default(), &Silent).unwrap_err();
    assert!(
        matches!(&error, ProjectError::PartlyHere { absent: 1, .. }),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("ketch pull 'data.dvc'"));
    assert_eq!(ours.read("data.dvc"), before);
}

#[test]
fn everything_can_be_brought_to_dvc_3_at_once() {
    let Some((ours, theirs, dvc)) = twins() else {
        return;
    };
    let dry = migrate_cache(
        &ours.open(),
        Migrate::ObjectsAndFiles,
        MigrateMode::Dry,
        &Silent,
    )
    .unwrap();
    assert_eq!(dry.objects, 6);
    assert_eq!(dry.files, ["data.dvc", "dvc.lock", "table.csv.dvc"]);
    assert!(!ours.exists(".dvc/cache/files"));
    assert_agreement(&ours, &theirs, &dvc);

    let done = migrate_cache(
        &ours.open(),
        Migrate::ObjectsAndFiles,
        MigrateMode::Now,
        &Silent,
    )
    .unwrap();
    assert_eq!(
        (done.objects, done.left.len(), done.unknown.len()),
        (6, 0, 0)
    );
    dvc.run(
        &theirs.root,
        &["cache", "migrate", "--dvc-files", "--quiet"],
    );
    for file in ["data.dvc", "table.csv.dvc", "dvc.lock"] {
        assert_eq!(ours.read(file), theirs.read(file), "{file}");
    }
    assert!(is_clean(&ours) && is_clean(&theirs));
    assert_eq!(dvc.run(&ours.root, &["status", "--json"]).trim(), "{}");
    // All of it comes out of the objects of DVC 3 alone.
    for path in ["data", "table.csv", "out.txt"] {
        ours.remove(path);
    }
    for folder in ours.root.join(".dvc/cache").read_dir_utf8().unwrap() {
        let folder = folder.unwrap();
        if folder.file_name().len() == 2 {
            fs_err::remove_dir_all(folder.path()).unwrap();
        }
    }
    let report = checkout(&ours.open(), &CheckoutOptions::default(), &Silent).unwrap();
    assert_eq!((report.restored.len(), report.missing.len()), (3, 0));
    assert_eq!(fs_err::read(ours.root.join("data/dos.txt")).unwrap(), DOS);
    let again = migrate_cache(
        &ours.open(),
        Migrate::ObjectsAndFiles,
        MigrateMode::Now,
        &Silent,
    )
    .unwrap();
    assert_eq!(again, ketch_project::MigrateReport::default());
}

#[test]
fn what_nobody_has_keeps_its_entry() {
    let ours = Sandbox::new();
    repository(&ours);
    ours.remove(&format!(".dvc/cache/{}", legacy(TEXT).cache_path()));
    ours.write("table.csv", "changed since\n");
    let done = migrate_cache(
        &ours.open(),
        Migrate::ObjectsAndFiles,
        MigrateMode::Now,
        &Silent,
    )
    .unwrap();
    assert_eq!(done.unknown, ["table.csv", "table.csv"]);
    assert!(!ours.read("table.csv.dvc").contains("hash"));
    // What was not added stays a change.
    assert_eq!(ours.read("table.csv"), "changed since\n");
}
