use ketch_project::{
    AddOptions, AddReport, Existing, InitOptions, Project, ProjectError, add, init, status,
};
use ketch_store::Silent;

use crate::sandbox::Sandbox;

fn try_add(sandbox: &Sandbox, target: &str) -> Result<AddReport, ProjectError> {
    add(
        &sandbox.open(),
        &AddOptions {
            targets: vec![target.into()],
        },
        &Silent,
    )
}

#[test]
fn init_makes_a_project_once() {
    let sandbox = Sandbox::bare();
    let options = InitOptions {
        root: sandbox.root.clone(),
        existing: Existing::Refuse,
    };
    let error = Project::discover(&sandbox.root).unwrap_err();
    assert!(matches!(error, ProjectError::NotAProject { .. }), "{error}");
    let (_, report) = init(&options).unwrap();
    assert_eq!(
        report.created,
        [".dvc/.gitignore", ".dvc/config", ".dvcignore"]
    );
    assert_eq!(
        sandbox.git(&["diff", "--cached", "--name-only"]),
        ".dvc/.gitignore\n.dvc/config\n.dvcignore\n"
    );
    let error = init(&options).unwrap_err();
    assert!(
        matches!(error, ProjectError::AlreadyInitialised { .. }),
        "{error}"
    );

    sandbox.write(".dvc/config", "[core]\n    autostage = true\n");
    sandbox.write(".dvcignore", "mine\n");
    init(&InitOptions {
        existing: Existing::Reset,
        ..options
    })
    .unwrap();
    assert_eq!(
        (sandbox.read(".dvc/config"), sandbox.read(".dvcignore")),
        (String::new(), "mine\n".into())
    );

    fs_err::create_dir_all(sandbox.root.join("deep/er")).unwrap();
    let project = Project::discover(&sandbox.root.join("deep/er")).unwrap();
    assert_eq!(project.root(), sandbox.root);
}

#[test]
fn init_refuses_what_cannot_work() {
    let sandbox = Sandbox::bare();
    sandbox.write("sub/x", "");
    let options = |root| InitOptions {
        root,
        existing: Existing::Refuse,
    };
    let error = init(&options(sandbox.root.join("sub"))).unwrap_err();
    assert!(matches!(error, ProjectError::NotGitTop { .. }), "{error}");
    let error = init(&options(sandbox.outside().to_owned())).unwrap_err();
    assert!(
        matches!(error, ProjectError::NotAGitRepository { .. }),
        "{error}"
    );
    sandbox.write(".gitignore", ".dvc\n");
    let error = init(&options(sandbox.root.clone())).unwrap_err();
    assert!(
        matches!(error, ProjectError::IgnoredByGit { .. }),
        "{error}"
    );
    assert!(!sandbox.exists(".dvc"));
}

#[test]
fn adds_a_file() {
    let sandbox = Sandbox::new();
    sandbox.write("data/x y.csv", "hello\n");
    let report = try_add(&sandbox, "data/x y.csv").unwrap();
    assert_eq!(
        report.changed_files,
        ["data/.gitignore", "data/x y.csv.dvc"]
    );
    assert_eq!(
        sandbox.read("data/x y.csv.dvc"),
        "outs:\n- md5: b1946ac92492d2347c6235b4d2611184\n  size: 6\n  hash: md5\n  path: x y.csv\n"
    );
    assert_eq!(sandbox.read("data/.gitignore"), "/x y.csv\n");
    assert!(status(&sandbox.open(), &Silent).unwrap().is_clean());
    sandbox.write("data/x y.csv", "other\n");
    assert!(!status(&sandbox.open(), &Silent).unwrap().is_clean());
}

#[test]
fn an_update_keeps_what_people_wrote() {
    let sandbox = Sandbox::new();
    sandbox.write("data", "one");
    try_add(&sandbox, "data").unwrap();
    let text = format!(
        "# where it is from\ndesc: mine\n{}",
        sandbox.read("data.dvc")
    );
    sandbox.write("data.dvc", text);
    sandbox.write("data", "hello\n");
    try_add(&sandbox, "data").unwrap();
    assert_eq!(
        sandbox.read("data.dvc"),
        "# where it is from\ndesc: mine\nouts:\n- md5: b1946ac92492d2347c6235b4d2611184\n  size: 6\n  hash: md5\n  path: data\n"
    );
    assert_eq!(
        sandbox.read(".gitignore"),
        "/data\n",
        "the line is not repeated"
    );

    // A file becomes a directory.
    sandbox.remove("data");
    sandbox.write("data/a", "hello\n");
    try_add(&sandbox, "data").unwrap();
    let text = sandbox.read("data.dvc");
    assert!(
        text.contains(".dir\n") && text.contains("nfiles: 1") && text.starts_with("# where"),
        "{text}"
    );
}

#[test]
fn refuses_what_is_not_its_to_track() {
    let sandbox = Sandbox::new();
    sandbox.write("dvc.yaml", "stages:\n  a:\n    cmd: x\n    outs: [out]\n");
    sandbox.write("out", "x");
    sandbox.write("tracked", "x");
    sandbox.write("dir/inner", "x");
    sandbox.git(&["add", "tracked"]);
    try_add(&sandbox, "dir").unwrap();
    for (target, expected) in [
        ("out", "`out` is an output of stage `a`"),
        (
            "tracked",
            "Git tracks `tracked`, so it cannot be a data output",
        ),
        (
            ".dvc/config",
            "`.dvc/config` is an output of the project itself",
        ),
    ] {
        assert_eq!(try_add(&sandbox, target).unwrap_err().to_string(), expected);
    }
    for target in ["missing", "../elsewhere", "."] {
        let error = try_add(&sandbox, target).unwrap_err().to_string();
        assert!(
            error.contains("outside the project") || error.contains("missing"),
            "{error}"
        );
    }
    assert!(!sandbox.exists("tracked.dvc") && !sandbox.exists("out.dvc"));
    // A place in a tracked directory belongs to that directory's record.
    let before = sandbox.read("dir.dvc");
    try_add(&sandbox, "dir/inner").unwrap();
    assert_eq!(sandbox.read("dir.dvc"), before);
    assert!(!sandbox.exists("dir/inner.dvc"));
}

#[test]
fn autostage_adds_to_git() {
    let sandbox = Sandbox::new();
    sandbox.write(".dvc/config", "[core]\n    autostage = true\n");
    sandbox.write("data", "x");
    try_add(&sandbox, "data").unwrap();
    let staged = sandbox.git(&["diff", "--cached", "--name-only"]);
    assert!(
        staged.contains("data.dvc") && staged.contains(".gitignore"),
        "{staged}"
    );
}

#[test]
fn what_says_what_is_tracked_is_not_tracked() {
    let sandbox = Sandbox::new();
    sandbox.write("data", "1");
    try_add(&sandbox, "data").unwrap();
    sandbox.write("dvc.yaml", "stages: {}\n");
    for pointer in ["data.dvc", "dvc.yaml"] {
        let error = try_add(&sandbox, pointer).unwrap_err();
        assert!(error.to_string().contains(pointer), "{error}");
        assert!(!sandbox.exists(&format!("{pointer}.dvc")));
    }
}
