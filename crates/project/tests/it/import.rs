//! Data of other repositories and URLs; beside DVC and alone.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_project::{
    AddOptions, Bringing, FrozenImports, GetOptions, ImportError, ImportLookOptions, ImportOptions,
    ImportReport, OnExisting, Origin, Project, ProjectError, PullOptions, RemoteChoice,
    SourceListOptions, SourceSpec, TransferSelection, UpdateDestination, UpdateOptions,
    UpdateReport, UrlDestination, UrlImportOptions, add, get, import, import_changes, import_url,
    list_source, pull, push, storage_url, update,
};
use ketch_store::Silent;

use crate::interop::{Dvc, assert_same};
use crate::sandbox::{Sandbox, hermetic};

/// A repository to import from: data in its cache, code in Git, all committed.
pub(crate) fn source() -> Sandbox {
    let source = Sandbox::new();
    source.write("data/a", "a\n");
    source.write("data/sub/b", "b\n");
    source.write("one.csv", "one\n");
    source.write("code/x.py", "code\n");
    source.write("code/y.py", "more\n");
    for target in ["data", "one.csv"] {
        add_data(&source, target);
    }
    commit(&source, "first");
    source.git(&["tag", "v1"]);
    source
}

fn commit(sandbox: &Sandbox, message: &str) {
    sandbox.git(&["add", "--all"]);
    sandbox.git(&["commit", "--quiet", "--message", message]);
}

fn add_data(sandbox: &Sandbox, target: &str) {
    let targets = vec![target.into()];
    add(&sandbox.open(), &AddOptions { targets }, &Silent).unwrap();
}

pub(crate) fn options(sandbox: &Sandbox, url: &Utf8Path, path: &str, out: &str) -> ImportOptions {
    ImportOptions {
        source: SourceSpec::new(url.as_str(), None),
        path: path.to_owned(),
        out: Some(out.into()),
        directory: sandbox.root.clone(),
        existing: OnExisting::Refuse,
        bringing: Bringing::Data,
        transfer: RemoteChoice::default(),
        trash: "now".to_owned(),
    }
}

fn bring(sandbox: &Sandbox, url: &Utf8Path, path: &str, out: &str) -> ImportReport {
    import(&sandbox.open(), &options(sandbox, url, path, out), &Silent).unwrap()
}

pub(crate) fn url_options(sandbox: &Sandbox, url: &str, out: &str) -> UrlImportOptions {
    UrlImportOptions {
        url: url.to_owned(),
        out: Some(out.into()),
        directory: sandbox.root.clone(),
        existing: OnExisting::Refuse,
        to: UrlDestination::Workspace(Bringing::Data),
        settings: Vec::new(),
        transfer: RemoteChoice::default(),
        trash: "now".to_owned(),
    }
}

fn renew(sandbox: &Sandbox, target: &str, revision: Option<&str>) -> UpdateReport {
    let options = UpdateOptions {
        targets: vec![target.into()],
        revision: revision.map(str::to_owned),
        to: UpdateDestination::Workspace,
        directory: sandbox.root.clone(),
        transfer: RemoteChoice::default(),
        trash: "now".to_owned(),
    };
    update(&sandbox.open(), &options, &Silent).unwrap()
}

pub(crate) fn refusal(error: ProjectError) -> ImportError {
    match error {
        ProjectError::Import(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn imports_are_those_of_dvc() {
    let (source, ours, theirs) = (source(), Sandbox::new(), Sandbox::new());
    let Some(dvc) = Dvc::find(&theirs) else {
        return;
    };
    let url = source.root.as_str();
    for (path, out) in [
        ("data", "whole"),
        ("data/sub", "part"),
        ("data/sub/b", "b"),
        ("one.csv", "file"),
        ("code", "folder"),
        ("code/x.py", "x.py"),
        (".", "all"),
    ] {
        bring(&ours, &source.root, path, out);
        dvc.run(&theirs.root, &["import", "--quiet", url, path, "-o", out]);
    }
    for (out, bringing, flag) in [
        ("later", Bringing::State, "--no-download"),
        ("never", Bringing::Record, "--no-exec"),
    ] {
        let mut options = options(&ours, &source.root, "one.csv", out);
        options.bringing = bringing;
        import(&ours.open(), &options, &Silent).unwrap();
        dvc.run(
            &theirs.root,
            &["import", "--quiet", url, "one.csv", "-o", out, flag],
        );
    }
    let outside = source.outside().join("outside");
    fs_err::create_dir_all(outside.join("deep")).unwrap();
    fs_err::write(outside.join("deep/1"), "1").unwrap();
    fs_err::write(outside.join("2"), "22").unwrap();
    for (path, out) in [("2", "url_file"), ("", "url_folder")] {
        let url = outside.join(path);
        let url = url.as_str().trim_end_matches('/');
        import_url(&ours.open(), &url_options(&ours, url, out), &Silent).unwrap();
        dvc.run(&theirs.root, &["import-url", "--quiet", url, out]);
    }
    assert_same(&ours.root, &theirs.root);

    // Newer data there, words of people here: both bring the one and keep the other.
    for sandbox in [&ours, &theirs] {
        let text = sandbox.read("folder.dvc");
        let words = text.replace("frozen: true", "frozen: true # stays");
        sandbox.write("folder.dvc", words);
    }
    source.write("code/z.py", "new\n");
    source.write("data/sub/b", "changed\n");
    add_data(&source, "data");
    commit(&source, "second");
    fs_err::write(outside.join("2"), "changed").unwrap();
    let waiting = import_changes(
        &ours.open(),
        &ImportLookOptions {
            targets: Vec::new(),
            directory: ours.root.clone(),
            frozen: FrozenImports::Versioned,
            transfer: RemoteChoice::default(),
        },
        &Silent,
    )
    .unwrap()
    .changes;
    assert_eq!(waiting.len(), 9);
    for target in ["folder.dvc", "part.dvc", "later.dvc", "url_file.dvc"] {
        assert_eq!(renew(&ours, target, None).updated.len(), 1, "{target}");
        assert_eq!(renew(&ours, target, None).unchanged, [target]);
        dvc.run(&theirs.root, &["update", "--quiet", target]);
    }
    renew(&ours, "folder.dvc", Some("v1"));
    dvc.run(
        &theirs.root,
        &["update", "--quiet", "folder.dvc", "--rev", "v1"],
    );
    assert_same(&ours.root, &theirs.root);
    assert!(ours.read("folder.dvc").contains("# stays"));

    // What one wrote the other works on.
    let seen = dvc.run(
        &ours.root,
        &["status", "--no-updates", "--json", "part.dvc"],
    );
    assert_eq!(seen.trim(), "{}");
    for sandbox in [&ours, &theirs] {
        for path in [".dvc/cache", "whole", "part", "folder"] {
            sandbox.remove(path);
        }
    }
    dvc.run(&ours.root, &["pull", "--quiet", "whole", "part", "folder"]);
    let targets = ["whole.dvc", "part.dvc", "folder.dvc"].map(str::to_owned);
    let from = PullOptions {
        from: TransferSelection {
            targets: targets.to_vec(),
            ..TransferSelection::default()
        },
        ..PullOptions::default()
    };
    let report = pull(&theirs.open(), &from, &Silent).unwrap();
    assert!(report.fetch.is_complete() && report.fetch.skipped.is_empty());
    for path in ["whole/sub/b", "part/b", "folder/x.py"] {
        assert_eq!(ours.read(path), theirs.read(path));
    }
}

#[test]
fn a_clone_and_a_remote_do_as_well_as_a_directory() {
    let (source, ours) = (source(), Sandbox::new());
    source.write(
        ".dvc/config",
        format!(
            "[core]\n    remote = st\n['remote \"st\"']\n    url = {}\n",
            source.outside().join("store")
        ),
    );
    commit(&source, "a remote");
    push(&source.open(), &TransferSelection::default(), &Silent).unwrap();
    source.remove(".dvc/cache");
    let url = Utf8PathBuf::from(format!("file://{}", source.root));
    let report = bring(&ours, &url, "data", "data");
    assert_eq!(report.files, Some(2));
    assert_eq!(ours.read("data/sub/b"), "b\n");
    // No clone stays behind.
    let left = fs_err::read_dir(ours.root.join(".dvc/tmp")).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name());
    assert!(
        names
            .into_iter()
            .all(|name| !name.to_string_lossy().contains("clone"))
    );

    // Imported again from where it was imported, though nothing of it is there.
    commit(&ours, "imported");
    ours.remove(".dvc/cache");
    let third = Sandbox::new();
    bring(&third, &ours.root, "data/a", "a");
    assert_eq!(third.read("a"), "a\n");

    // Nothing is pushed that has a home elsewhere.
    ours.write(
        ".dvc/config",
        "[core]\n    remote = st\n['remote \"st\"']\n    url = ../../ours\n",
    );
    let pushed = push(&ours.open(), &TransferSelection::default(), &Silent).unwrap();
    assert_eq!(pushed.objects(), 0);

    // Lost at the source: said, and nothing half done.
    fs_err::remove_dir_all(source.outside().join("store")).unwrap();
    let lost = import(
        &third.open(),
        &options(&third, &url, "one.csv", "lost"),
        &Silent,
    );
    let lost = refusal(lost.unwrap_err());
    assert!(
        matches!(lost, ImportError::Missing { missing: 1, .. }),
        "{lost}"
    );
    assert!(!third.exists("lost") && !third.exists("lost.dvc"));
}

#[test]
fn what_is_not_right_changes_nothing() {
    let (source, ours) = (source(), Sandbox::new());
    std::os::unix::fs::symlink("/etc/passwd", source.root.join("out")).unwrap();
    std::os::unix::fs::symlink("../one.csv", source.root.join("code/in")).unwrap();
    source.git(&["add", "out", "code/in"]);
    commit(&source, "links");
    let before = ours.git(&["status", "--porcelain"]);
    for (path, expected) in [
        ("out", "is a link that leads out"),
        ("nosuch", "there is no `nosuch`"),
        ("data/nosuch", "there is no `data/nosuch`"),
        ("../x", "is not a path inside"),
        ("/etc/passwd", "is not a path inside"),
        ("data/../../x", "is not a path inside"),
        ("data.dvc", "a file about data"),
        (".dvc/config", "a file about data"),
        (".", "is a link that leads out"),
    ] {
        let error = import(
            &ours.open(),
            &options(&ours, &source.root, path, "o"),
            &Silent,
        );
        let error = refusal(error.unwrap_err());
        assert!(error.to_string().contains(expected), "{path}: {error}");
        assert!(error.hint().is_some());
    }
    for url in [
        "--upload-pack=touch x",
        "ext::sh -c touch% x",
        "/nowhere",
        "https://",
    ] {
        let asked = options(&ours, url.into(), "data", "o");
        refusal(import(&ours.open(), &asked, &Silent).unwrap_err());
    }
    let mut asked = options(&ours, &source.root, "data", "o");
    asked.source = SourceSpec::new(source.root.as_str(), Some("nosuch".to_owned()));
    let error = refusal(import(&ours.open(), &asked, &Silent).unwrap_err());
    assert!(matches!(error, ImportError::Revision { .. }), "{error}");
    for out in ["../o", "no/folder/o", ".git/o"] {
        let asked = options(&ours, &source.root, "data", out);
        import(&ours.open(), &asked, &Silent).unwrap_err();
    }
    assert_eq!(ours.git(&["status", "--porcelain"]), before);

    // A link to something that is there is that.
    bring(&ours, &source.root, "code/in", "in");
    assert_eq!(ours.read("in"), "one\n");

    // What is there is not overwritten unless asked to, and then has a way back.
    ours.write("data", "precious");
    let mut asked = options(&ours, &source.root, "data", "data");
    let error = refusal(import(&ours.open(), &asked, &Silent).unwrap_err());
    assert!(matches!(error, ImportError::Exists { .. }), "{error}");
    asked.existing = OnExisting::Replace;
    let report = import(&ours.open(), &asked, &Silent).unwrap();
    assert_eq!(report.trashed, ["data"]);
    assert_eq!(ours.read(".ketch/trash/now/data"), "precious");
    assert_eq!(ours.read("data/a"), "a\n");
    let index = ours.open();
    let tracked = UpdateOptions {
        targets: vec!["nosuch".into()],
        revision: None,
        to: UpdateDestination::Workspace,
        directory: ours.root.clone(),
        transfer: RemoteChoice::default(),
        trash: "now".to_owned(),
    };
    update(&index, &tracked, &Silent).unwrap_err();
}

#[test]
fn getting_and_listing_need_no_project() {
    let source = source();
    let here = source.outside().join("here");
    fs_err::create_dir_all(&here).unwrap();
    let asked = |path: &str| GetOptions {
        source: SourceSpec::new(source.root.as_str(), None),
        path: path.to_owned(),
        out: None,
        directory: here.clone(),
        existing: OnExisting::Refuse,
        transfer: RemoteChoice::default(),
        scratch: here.clone(),
    };
    let got = get(&asked("data"), &Silent).unwrap();
    assert_eq!((got.files, got.size), (Some(2), 4));
    get(&asked("code/x.py"), &Silent).unwrap();
    assert_eq!(fs_err::read(here.join("data/sub/b")).unwrap(), b"b\n");
    let again = refusal(get(&asked("data"), &Silent).unwrap_err());
    assert!(matches!(again, ImportError::Exists { .. }), "{again}");
    let mut names: Vec<_> = fs_err::read_dir(&here)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["data", "x.py"]);
    let storage = storage_url(&asked("one.csv")).unwrap();
    assert!(Utf8Path::new(&storage).is_file(), "{storage}");
    refusal(storage_url(&asked("code")).unwrap_err());

    let listed = |path: &str, levels| {
        let options = SourceListOptions {
            source: SourceSpec::new(source.root.as_str(), Some("v1".to_owned())),
            path: path.to_owned(),
            directory: here.clone(),
            levels,
            origin: Origin::All,
            transfer: RemoteChoice::default(),
            scratch: here.clone(),
        };
        let entries = list_source(&options).unwrap().into_iter();
        entries
            .map(|entry| entry.path.into_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        listed("", Some(1)),
        [
            ".dvcignore",
            ".gitignore",
            "code",
            "data",
            "data.dvc",
            "one.csv",
            "one.csv.dvc"
        ]
    );
    assert_eq!(listed("data", None), ["a", "sub/b"]);
    assert_eq!(listed("one.csv", Some(1)), ["one.csv"]);
}

#[test]
fn a_repository_that_runs_programs_runs_none() {
    let source = source();
    let mark = source.outside().join("ran");
    for hook in ["post-checkout", "post-merge", "reference-transaction"] {
        let path = source.root.join(".git/hooks").join(hook);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, format!("#!/bin/sh\ntouch {mark}\n")).unwrap();
        let mut command = Command::new("chmod");
        assert!(
            hermetic(command.args(["+x", path.as_str()]))
                .status()
                .unwrap()
                .success()
        );
    }
    let ours = Sandbox::new();
    bring(&ours, &source.root, "code", "code");
    let url = Utf8PathBuf::from(format!("file://{}", source.root));
    bring(&ours, &url, "code", "again");
    assert!(!mark.exists());
    assert!(Project::open(&ours.root).is_ok());
}

#[test]
fn a_password_in_an_address_is_not_told() {
    let sandbox = Sandbox::new();
    // Nobody listens there.
    for url in ["https://me:s3cret@127.0.0.1:1/x", "gopher://me:s3cret@h/x"] {
        let error = import(
            &sandbox.open(),
            &options(&sandbox, &Utf8PathBuf::from(url), "data", "data"),
            &Silent,
        )
        .unwrap_err();
        let told = format!("{error} {error:?} {}", error.hint().unwrap());
        assert!(!told.contains("s3cret") && told.contains("://"), "{told}");
    }
}
