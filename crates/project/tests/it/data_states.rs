//! Recording, comparing and restoring data, and what is refused.

use ketch_project::{
    AddOptions, ChangedInputs, CheckoutOptions, DataStatusOptions, DiffOptions, Overwrite,
    ProjectError, RecordOptions, add, checkout, data_status, diff, record,
};
use ketch_store::Silent;

use crate::sandbox::Sandbox;

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("in", "1\n");
    sandbox.write(
        "dvc.yaml",
        "stages:\n  copy:\n    cmd: cp in out\n    deps: [in]\n    outs: [out]\n",
    );
    sandbox.repro();
    sandbox.write("data", "hello\n");
    let options = AddOptions {
        targets: vec!["data".into()],
    };
    add(&sandbox.open(), &options, &Silent).unwrap();
    sandbox
}

#[test]
fn outputs_of_changed_inputs_are_recorded_only_by_force() {
    let sandbox = project();
    sandbox.write("in", "2\n");
    sandbox.write("out", "by hand\n");
    sandbox.write("data", "changed\n");
    let before = (sandbox.read("dvc.lock"), sandbox.read("data.dvc"));
    let error = record(&sandbox.open(), &RecordOptions::default(), &Silent).unwrap_err();
    assert_eq!(
        error.to_string(),
        "stage `copy` has not run with what is there now: dependency in modified"
    );
    assert_eq!(before, (sandbox.read("dvc.lock"), sandbox.read("data.dvc")));
    let options = RecordOptions {
        inputs: ChangedInputs::Record,
        ..RecordOptions::default()
    };
    let report = record(&sandbox.open(), &options, &Silent).unwrap();
    assert_eq!(report.recorded, ["data", "out"]);
    assert_eq!(report.changed_files, ["data.dvc", "dvc.lock"]);
    let report = record(&sandbox.open(), &options, &Silent).unwrap();
    assert!(report.recorded.is_empty() && report.changed_files.is_empty());
}

#[test]
fn what_is_gone_is_not_recorded() {
    let sandbox = project();
    sandbox.remove("data");
    let error = record(&sandbox.open(), &RecordOptions::default(), &Silent).unwrap_err();
    assert!(
        matches!(error, ProjectError::MissingOutput { .. }),
        "{error}"
    );
    let options = RecordOptions {
        targets: vec!["nothing".into()],
        ..RecordOptions::default()
    };
    let error = record(&sandbox.open(), &options, &Silent).unwrap_err();
    assert!(
        matches!(error, ProjectError::UnknownTarget { .. }),
        "{error}"
    );
}

#[test]
fn a_lost_object_is_saved_again() {
    let sandbox = project();
    let id = ketch_store::hash_bytes(b"hello\n");
    fs_err::remove_file(sandbox.open().cache().object_path(&id)).unwrap();
    let report = record(&sandbox.open(), &RecordOptions::default(), &Silent).unwrap();
    assert_eq!(report.recorded, ["data"]);
    assert!(report.changed_files.is_empty());
    assert!(sandbox.open().cache().contains(&id));
}

#[test]
fn revisions_and_targets_must_exist() {
    let sandbox = project();
    sandbox.commit("first");
    let wrong = DiffOptions {
        from: Some("nowhere".into()),
        ..DiffOptions::default()
    };
    let error = diff(&sandbox.open(), &wrong, &Silent).unwrap_err();
    assert!(
        matches!(error, ProjectError::UnknownRevision { .. }),
        "{error}"
    );
    let wrong = DataStatusOptions {
        targets: vec!["nothing".into()],
        ..DataStatusOptions::default()
    };
    let error = data_status(&sandbox.open(), &wrong, &Silent).unwrap_err();
    assert!(
        matches!(error, ProjectError::UnknownTarget { .. }),
        "{error}"
    );
}

#[test]
fn a_directory_in_the_place_of_a_file_goes_to_the_trash_whole() {
    let sandbox = project();
    sandbox.write(".dvcignore", "*.tmp\n");
    sandbox.remove("data");
    sandbox.write("data/x", "x");
    sandbox.write("data/hidden.tmp", "hidden");
    let options = CheckoutOptions {
        targets: vec!["data".into()],
        overwrite: Overwrite::Force,
        trash: Some("then".into()),
        ..CheckoutOptions::default()
    };
    checkout(&sandbox.open(), &options, &Silent).unwrap();
    assert_eq!(sandbox.read("data"), "hello\n");
    assert_eq!(sandbox.read(".ketch/trash/then/data/hidden.tmp"), "hidden");
    assert_eq!(sandbox.read(".ketch/trash/then/data/x"), "x");
}

#[test]
fn a_directory_pulled_in_part_keeps_the_rest() {
    let sandbox = project();
    sandbox.write("dir/a", "a");
    sandbox.write("dir/b", "bb");
    sandbox.write("dir/c", "ccc");
    let options = AddOptions {
        targets: vec!["dir".into()],
    };
    add(&sandbox.open(), &options, &Silent).unwrap();
    // What a pull of `dir/a` alone leaves: the manifest and one object.
    let cache = sandbox.open().cache().root().to_owned();
    for lost in [b"bb".as_slice(), b"ccc"] {
        let id = ketch_store::hash_bytes(lost);
        fs_err::remove_file(cache.join(id.cache_path())).unwrap();
    }
    sandbox.remove("dir/b");
    sandbox.remove("dir/c");
    sandbox.write("dir/a", "changed");
    sandbox.write("dir/new", "n");
    let report = add(&sandbox.open(), &options, &Silent).unwrap();
    assert_eq!(
        (
            report.data[0].files,
            report.data[0].absent,
            report.data[0].size
        ),
        (Some(4), 2, 13)
    );
    let manifest = sandbox.open().cache().manifest(&report.data[0].id).unwrap();
    let names: Vec<_> = manifest
        .entries()
        .iter()
        .map(|entry| &entry.relpath)
        .collect();
    assert_eq!(names, ["a", "b", "c", "new"]);
    // The same through recording, which finds nothing new.
    let text = sandbox.read("dir.dvc");
    record(&sandbox.open(), &RecordOptions::default(), &Silent).unwrap();
    assert_eq!(sandbox.read("dir.dvc"), text);

    // What the cache has and the directory has not was deleted.
    sandbox.remove("dir/new");
    let report = add(&sandbox.open(), &options, &Silent).unwrap();
    assert_eq!((report.data[0].files, report.data[0].size), (Some(3), 12));
}
