//! Imports from S3, with and without versions: from `SeaweedFS`, beside DVC with its S3 part, and alone.

use ketch_project::{
    Bringing, GetOptions, ImportError, ImportOptions, OnExisting, Origin, ProjectError,
    PullOptions, RemoteChoice, SourceListOptions, SourceSpec, UpdateDestination, UpdateOptions,
    UpdateReport, UrlDestination, UrlImportOptions, VERSION_AWARE, get, import, import_url,
    list_source, pull, push, update,
};
use ketch_store::Silent;
use ketch_store::remote::RemoteEnvironment;

use crate::interop::Dvc;
use crate::sandbox::Sandbox;
use crate::transfer::{add_data, push_all};
use crate::versioned_remotes::Server;

/// With the account's credentials, which no record shows.
fn choice() -> RemoteChoice {
    let account = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "SK")];
    RemoteChoice {
        environment: RemoteEnvironment::from_iter(
            account.map(|(name, value)| (name.to_owned(), value.to_owned())),
        ),
        ..RemoteChoice::default()
    }
}

fn endpoint(server: &Server) -> (String, String) {
    let url = format!("http://127.0.0.1:{}", server.port());
    ("endpointurl".to_owned(), url)
}

fn options(sandbox: &Sandbox, server: &Server, case: &Case) -> UrlImportOptions {
    let mut settings = vec![endpoint(server)];
    if case.flags.contains(&"--version-aware") {
        settings.push((VERSION_AWARE.to_owned(), "true".to_owned()));
    }
    let bringing = match case.flags {
        [.., "--no-download"] => Bringing::State,
        [.., "--no-exec"] => Bringing::Record,
        _ => Bringing::Data,
    };
    UrlImportOptions {
        url: case.url.to_owned(),
        out: Some(case.out.into()),
        directory: sandbox.root.clone(),
        existing: OnExisting::Refuse,
        to: UrlDestination::Workspace(bringing),
        settings,
        transfer: choice(),
        trash: "now".to_owned(),
    }
}

fn renew(
    sandbox: &Sandbox,
    out: &str,
    revision: Option<&str>,
) -> Result<UpdateReport, ProjectError> {
    let options = UpdateOptions {
        targets: vec![format!("{out}.dvc").into()],
        revision: revision.map(str::to_owned),
        to: UpdateDestination::Workspace,
        directory: sandbox.root.clone(),
        transfer: choice(),
        trash: "now".to_owned(),
    };
    update(&sandbox.open(), &options, &Silent)
}

struct Case {
    url: &'static str,
    out: &'static str,
    flags: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        url: "s3://plain/in/a.txt",
        out: "file",
        flags: &[],
    },
    Case {
        url: "s3://plain/in",
        out: "folder",
        flags: &[],
    },
    Case {
        url: "s3://plain/in/a.txt",
        out: "unversioned",
        flags: &["--version-aware"],
    },
    Case {
        url: "s3://ver/in/a.txt",
        out: "versioned",
        flags: &["--version-aware"],
    },
    Case {
        url: "s3://ver/in",
        out: "versions",
        flags: &["--version-aware"],
    },
    Case {
        url: "s3://ver/in",
        out: "later",
        flags: &["--version-aware", "--no-download"],
    },
    Case {
        url: "s3://ver/in",
        out: "noted",
        flags: &["--version-aware", "--no-exec"],
    },
];

/// The same objects in the bucket that keeps versions and in the other one.
fn put(server: &Server, name: &str, text: &str) {
    for bucket in ["plain", "ver"] {
        server.until_done(&format!("{bucket}/in/{name}"), text);
    }
}

fn recorded(sandbox: &Sandbox) -> Vec<(&'static str, String)> {
    let record = |case: &Case| (case.out, sandbox.read(&format!("{}.dvc", case.out)));
    CASES.iter().map(record).collect()
}

/// The version that an import records.
pub(crate) fn version_of(sandbox: &Sandbox, out: &str) -> String {
    let record = sandbox.read(&format!("{out}.dvc"));
    let id = record
        .lines()
        .find_map(|line| line.trim().strip_prefix("version_id: "));
    id.expect("a version").trim_matches('\'').to_owned()
}

#[test]
fn imports_from_s3_are_recorded_as_dvc_records_them() {
    let Some(server) = Server::start() else {
        return;
    };
    let ours = Sandbox::new();
    let theirs = Sandbox::new();
    let Some(dvc) = Dvc::find(&theirs) else {
        return;
    };
    let account = theirs.outside().join("home/.aws/credentials");
    fs_err::create_dir_all(account.parent().unwrap()).unwrap();
    let text = "[default]\naws_access_key_id = AK\naws_secret_access_key = SK\n";
    fs_err::write(account, text).unwrap();
    put(&server, "a.txt", "one");
    put(&server, "s/b.txt", "two");
    let (key, value) = endpoint(&server);
    let setting = format!("{key}={value}");
    for case in CASES {
        import_url(&ours.open(), &options(&ours, &server, case), &Silent).unwrap();
        let mut arguments = vec!["import-url", case.url, case.out];
        arguments.extend(case.flags);
        arguments.extend(["--fs-config", &setting]);
        dvc.run(&theirs.root, &arguments);
    }
    assert_eq!(recorded(&ours), recorded(&theirs));
    let first = version_of(&ours, "versioned");

    // One is new, one other than before.
    put(&server, "a.txt", "ONE");
    put(&server, "c.txt", "three");
    let renewed = ["file", "folder", "versioned", "versions", "later"];
    for out in renewed {
        assert_eq!(renew(&ours, out, None).unwrap().updated.len(), 1, "{out}");
        let told = dvc.run(&theirs.root, &["update", &format!("{out}.dvc")]);
        assert!(told.contains("Importing"), "{told}");
    }
    assert_eq!(recorded(&ours), recorded(&theirs));
    assert_eq!(ours.read("versions/a.txt"), "ONE");
    assert_eq!(ours.read("versions/c.txt"), "three");
    assert_eq!(ours.read("versioned"), "ONE");
    for out in renewed {
        assert_eq!(renew(&ours, out, None).unwrap().unchanged.len(), 1, "{out}");
    }

    // Any version of a file, and back to the newest one.
    renew(&ours, "versioned", Some(&first)).unwrap();
    dvc.run(&theirs.root, &["update", "versioned.dvc", "--rev", &first]);
    assert_eq!(recorded(&ours), recorded(&theirs));
    assert_eq!(ours.read("versioned"), "one");
    renew(&ours, "versioned", None).unwrap();
    dvc.run(&theirs.root, &["update", "versioned.dvc"]);
    assert_eq!(recorded(&ours), recorded(&theirs));
    assert_eq!(ours.read("versioned"), "ONE");
    // One that the URL names. (DVC looks at the newest one of S3 all the same, though not of others.)
    let named = UrlImportOptions {
        url: format!("s3://ver/in/a.txt?versionId={first}"),
        out: Some("named".into()),
        settings: vec![endpoint(&server)],
        ..options(&ours, &server, &CASES[0])
    };
    import_url(&ours.open(), &named, &Silent).unwrap();
    assert_eq!(ours.read("named"), "one");
    assert_eq!(version_of(&ours, "named"), first);
    // What ketch imported is nothing new to DVC.
    let told = dvc.run(&ours.root, &["status", "versions.dvc", "versioned.dvc"]);
    assert!(!told.contains("changed"), "{told}");
}

#[test]
fn recorded_versions_come_back_from_where_they_are() {
    let Some(server) = Server::start() else {
        return;
    };
    let sandbox = Sandbox::new();
    put(&server, "a.txt", "one");
    put(&server, "s/b.txt", "two");
    for case in CASES.iter().filter(|case| case.out.starts_with("version")) {
        import_url(&sandbox.open(), &options(&sandbox, &server, case), &Silent).unwrap();
    }
    let before = sandbox.read("versions.dvc");
    put(&server, "a.txt", "changed");
    let forget = || {
        for path in [".dvc/cache", "versioned", "versions"] {
            if sandbox.exists(path) {
                sandbox.remove(path);
            }
        }
    };
    forget();
    let mut all = PullOptions::default();
    all.from.remote = choice();
    let report = pull(&sandbox.open(), &all, &Silent).unwrap();
    assert_eq!(report.fetch.objects(), 4);
    assert_eq!(sandbox.read("versioned"), "one");
    assert_eq!(sandbox.read("versions/a.txt"), "one");
    assert_eq!(sandbox.read("versions.dvc"), before);

    // They can be had again, so no remote gets them.
    let store = sandbox.outside().join("store");
    sandbox.write(
        ".dvc/config",
        format!("[core]\n    remote = st\n['remote \"st\"']\n    url = {store}\n"),
    );
    assert_eq!(
        push(&sandbox.open(), &all.from, &Silent).unwrap().objects(),
        0
    );

    // A version that is not there, and one of other bytes than somebody wrote down.
    let error = renew(&sandbox, "versioned", Some("nonsense")).unwrap_err();
    assert!(
        matches!(&error, ProjectError::Import(ImportError::NoVersion { .. })),
        "{error}"
    );
    let error = renew(&sandbox, "versions", Some("x")).unwrap_err();
    assert!(
        error.to_string().contains("versions of their own"),
        "{error}"
    );
    forget();
    let record = sandbox.read("versioned.dvc");
    let other = "f97c5d29941bfb1b2fdab0874906ab82";
    assert!(record.contains(other));
    sandbox.write(
        "versioned.dvc",
        record.replace(
            &format!("- md5: {other}"),
            "- md5: 26ab0db90d72e28ad0ba1e22ee510510",
        ),
    );
    let error = pull(&sandbox.open(), &all, &Silent).unwrap_err();
    assert!(
        matches!(&error, ProjectError::Import(ImportError::OtherData { .. })),
        "{error}"
    );
    sandbox.write("versioned.dvc", record);
    for hostile in ["../x", "/x", "s/../../x"] {
        sandbox.write(
            "versions.dvc",
            before.replacen("relpath: a.txt", &format!("relpath: {hostile}"), 1),
        );
        forget();
        let error = pull(&sandbox.open(), &all, &Silent).unwrap_err();
        assert!(error.to_string().contains(hostile), "{error}");
    }
}

/// A repository that another one imports from: its data is on a remote that keeps versions, and its
/// cache is gone.
#[test]
fn data_of_a_repository_with_versions_is_imported_as_by_dvc() {
    let Some(server) = Server::start() else {
        return;
    };
    let source = Sandbox::new();
    source.write("d/s/y", "2\n");
    source.write("d/x", "1\n");
    source.write("model.bin", "m\n");
    for target in ["d", "model.bin"] {
        add_data(&source.open(), target);
    }
    server.configure(&source, "shared");
    push_all(&source.open());
    source.commit("pushed");
    // The newest versions are others than those that are recorded.
    server.until_done("ver/shared/d/x", "changed");
    for path in [".dvc/cache", "d", "model.bin"] {
        source.remove(path);
    }
    let options = |sandbox: &Sandbox, path: &str, out: &str| ImportOptions {
        source: SourceSpec::new(source.root.as_str(), None),
        path: path.to_owned(),
        out: Some(out.into()),
        directory: sandbox.root.clone(),
        existing: OnExisting::Refuse,
        bringing: Bringing::Data,
        transfer: RemoteChoice::default(),
        trash: "now".to_owned(),
    };
    let paths = [
        ("d", "all"),
        ("d/s", "part"),
        ("d/x", "one"),
        ("model.bin", "m"),
    ];
    let ours = Sandbox::new();
    let theirs = Sandbox::new();
    let dvc = Dvc::find(&theirs);
    for (path, out) in paths {
        import(&ours.open(), &options(&ours, path, out), &Silent).unwrap();
        if let Some(dvc) = &dvc {
            dvc.run(
                &theirs.root,
                &["import", source.root.as_str(), path, "-o", out],
            );
            let record = format!("{out}.dvc");
            assert_eq!(ours.read(&record), theirs.read(&record));
        }
    }
    assert_eq!(ours.read("all/x"), "1\n");
    assert_eq!(ours.read("part/y"), "2\n");
    assert_eq!(ours.read("one"), "1\n");
    assert_eq!(ours.read("m"), "m\n");

    // A clone of the importing project gets it from there, too.
    for path in [".dvc/cache", "all", "part", "one", "m"] {
        ours.remove(path);
    }
    let report = pull(&ours.open(), &PullOptions::default(), &Silent).unwrap();
    assert!(report.fetch.is_complete());
    assert_eq!(ours.read("all/s/y"), "2\n");
    let listed = list_source(&SourceListOptions {
        source: SourceSpec::new(source.root.as_str(), None),
        path: "d".to_owned(),
        directory: ours.root.clone(),
        levels: None,
        origin: Origin::All,
        transfer: RemoteChoice::default(),
        scratch: ours.root.join(".dvc/tmp"),
    });
    assert_eq!(listed.unwrap().len(), 2);
    let got = GetOptions {
        source: SourceSpec::new(source.root.as_str(), None),
        path: "d".to_owned(),
        out: Some("got".into()),
        directory: ours.root.clone(),
        existing: OnExisting::Refuse,
        transfer: RemoteChoice::default(),
        scratch: ours.root.join(".dvc/tmp"),
    };
    get(&got, &Silent).unwrap();
    assert_eq!(ours.read("got/x"), "1\n");
}
