//! Imports made without downloading anything, and fetched later; beside DVC and alone.

use camino::Utf8PathBuf;
use ketch_project::{
    Bringing, CheckoutOptions, ImportError, ProjectError, PullOptions, SkipReason,
    TransferSelection, UrlDestination, checkout, fetch, import, import_url, pull, push,
};
use ketch_store::Silent;

use crate::import::{options, refusal, source, url_options};
use crate::interop::Dvc;
use crate::sandbox::Sandbox;

/// What is imported, where from (`/` is outside of any repository), and whether the state there is
/// looked up.
const IMPORTS: &[(&str, &str, Bringing)] = &[
    ("folder", "data", Bringing::State),
    ("part", "data/sub", Bringing::State),
    ("file", "one.csv", Bringing::State),
    ("code", "code", Bringing::State),
    ("url_file", "/2", Bringing::State),
    ("url_folder", "/deep", Bringing::State),
    ("never", "code/x.py", Bringing::Record),
    ("url_never", "/4", Bringing::Record),
];

/// Data beside a repository.
fn outside(source: &Sandbox) -> Utf8PathBuf {
    let folder = source.outside().join("outside");
    fs_err::create_dir_all(folder.join("deep")).unwrap();
    fs_err::write(folder.join("2"), "22\n").unwrap();
    fs_err::write(folder.join("4"), "4444\n").unwrap();
    fs_err::write(folder.join("deep/3"), "333\n").unwrap();
    folder
}

fn import_all(sandbox: &Sandbox, source: &Sandbox, folder: &Utf8PathBuf) {
    sandbox.write(
        ".dvc/config",
        "[core]\n    remote = st\n['remote \"st\"']\n    url = ../../store\n",
    );
    for (out, path, bringing) in IMPORTS {
        if let Some(path) = path.strip_prefix('/') {
            let mut options = url_options(sandbox, folder.join(path).as_str(), out);
            options.to = UrlDestination::Workspace(*bringing);
            import_url(&sandbox.open(), &options, &Silent).unwrap();
        } else {
            let mut options = options(sandbox, &source.root, path, out);
            options.bringing = *bringing;
            import(&sandbox.open(), &options, &Silent).unwrap();
        }
    }
    sandbox.commit("imports");
}

fn selection(targets: &[&str]) -> TransferSelection {
    TransferSelection {
        targets: targets.iter().map(ToString::to_string).collect(),
        ..TransferSelection::default()
    }
}

#[test]
fn what_dvc_gets_later_ketch_gets_too() {
    let (source, ours, theirs) = (source(), Sandbox::new(), Sandbox::new());
    let Some(dvc) = Dvc::find(&theirs) else {
        return;
    };
    let folder = outside(&source);
    for sandbox in [&ours, &theirs] {
        import_all(sandbox, &source, &folder);
    }
    // Nothing of it is here, and that is said.
    let before = checkout(&ours.open(), &CheckoutOptions::default(), &Silent).unwrap();
    assert_eq!(before.missing.len(), IMPORTS.len());
    assert!(before.restored.is_empty() && before.unchanged.is_empty());
    dvc.fail(&theirs.root, &["checkout"]);

    let fetched = fetch(&ours.open(), &TransferSelection::default(), &Silent).unwrap();
    assert!(fetched.is_complete() && fetched.skipped.is_empty());
    assert_eq!(fetched.remotes.len(), 6, "{fetched:?}");
    assert!(!ours.exists("folder") && !ours.exists("url_file"));
    dvc.run(&theirs.root, &["fetch", "--quiet"]);
    let pulled = pull(&ours.open(), &PullOptions::default(), &Silent).unwrap();
    assert_eq!(pulled.fetch.objects(), 0, "it was fetched");
    assert_eq!(pulled.checkout.missing, ["never", "url_never"]);
    dvc.fail(&theirs.root, &["pull"]);
    for place in [
        "folder/a",
        "folder/sub/b",
        "part/b",
        "file",
        "code/x.py",
        "code/y.py",
        "url_file",
    ] {
        assert!(theirs.exists(place), "DVC has {place}");
        assert_eq!(ours.read(place), theirs.read(place), "{place}");
    }
    // DVC makes an empty folder of this one.
    assert_eq!(ours.read("url_folder/3"), "333\n");
    for sandbox in [&ours, &theirs] {
        assert!(!sandbox.exists("never") && !sandbox.exists("url_never"));
        assert_eq!(
            sandbox.git(&["status", "--porcelain"]),
            "",
            "no record changes"
        );
    }
    // Named alone, what was never looked up is not found by either.
    let report = pull(
        &ours.open(),
        &PullOptions {
            from: selection(&["url_never.dvc"]),
            ..PullOptions::default()
        },
        &Silent,
    )
    .unwrap();
    assert_eq!(report.checkout.missing, ["url_never"]);
    dvc.fail(&theirs.root, &["pull", "url_never"]);

    // It is not ours to push.
    let pushed = push(&ours.open(), &TransferSelection::default(), &Silent).unwrap();
    assert_eq!(pushed.objects(), 0);
    let reasons: Vec<SkipReason> = pushed.skipped.iter().map(|one| one.reason).collect();
    assert!(reasons.contains(&SkipReason::NotDownloaded), "{reasons:?}");
    dvc.run(&theirs.root, &["push", "--quiet"]);
    assert!(!theirs.outside().join("store").exists());
}

#[test]
fn what_changed_since_is_not_taken_for_what_was_imported() {
    let (source, ours) = (source(), Sandbox::new());
    let folder = outside(&source);
    import_all(&ours, &source, &folder);
    fs_err::write(folder.join("2"), "other\n").unwrap();
    let error = fetch(&ours.open(), &TransferSelection::default(), &Silent).unwrap_err();
    let error = refusal(error);
    assert!(matches!(error, ImportError::OtherState { .. }), "{error}");
    assert_eq!(
        error.hint().unwrap(),
        "bring it up to date: `ketch update 'url_file.dvc'`"
    );
    // The others were fetched, and need nobody any more.
    fs_err::remove_dir_all(&source.root).unwrap();
    fs_err::remove_dir_all(&folder).unwrap();
    let named = selection(&["folder.dvc", "file", "code", "part.dvc", "url_folder"]);
    let fetched = fetch(&ours.open(), &named, &Silent).unwrap();
    assert_eq!(fetched.objects(), 0);
    let options = CheckoutOptions {
        targets: named.targets,
        ..CheckoutOptions::default()
    };
    let report = checkout(&ours.open(), &options, &Silent).unwrap();
    assert_eq!(report.restored.len(), 5);
    assert_eq!(ours.read("url_folder/3"), "333\n");

    // What was remembered and is damaged is fetched again, if there is where from.
    for entry in ours.root.join(".ketch/imports").read_dir_utf8().unwrap() {
        fs_err::write(entry.unwrap().path(), "outs: [").unwrap();
    }
    let error = fetch(&ours.open(), &selection(&["url_folder"]), &Silent).unwrap_err();
    assert!(
        matches!(error, ProjectError::Import(ImportError::NoData { .. })),
        "{error}"
    );
    fs_err::create_dir_all(folder.join("deep")).unwrap();
    fs_err::write(folder.join("deep/3"), "333\n").unwrap();
    fetch(&ours.open(), &selection(&["url_folder"]), &Silent).unwrap();
}
