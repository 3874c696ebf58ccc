use ketch_project::{
    AddOptions, CheckoutOptions, CheckoutReport, Overwrite, ProjectError, add, checkout,
};
use ketch_store::Silent;

use crate::sandbox::Sandbox;

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "dvc.yaml",
        "stages:\n  a:\n    cmd: mkdir out; echo 1 > out/x; echo 2 > out/y\n    outs: [out]\n",
    );
    sandbox.repro();
    sandbox.write("data", "hello\n");
    add(
        &sandbox.open(),
        &AddOptions {
            targets: vec!["data".into()],
        },
        &Silent,
    )
    .unwrap();
    sandbox
}

fn run(sandbox: &Sandbox, options: &CheckoutOptions) -> Result<CheckoutReport, ProjectError> {
    checkout(&sandbox.open(), options, &Silent)
}

#[test]
fn everything_comes_back() {
    let sandbox = project();
    let report = run(&sandbox, &CheckoutOptions::default()).unwrap();
    assert_eq!((report.restored.len(), report.unchanged.len()), (0, 2));
    sandbox.remove("out");
    sandbox.remove("data");
    let report = run(&sandbox, &CheckoutOptions::default()).unwrap();
    assert_eq!(report.restored, ["data", "out"]);
    assert_eq!(
        (sandbox.read("data"), sandbox.read("out/y")),
        ("hello\n".into(), "2\n".into())
    );
}

#[test]
fn targets_choose() {
    let sandbox = project();
    for target in ["data", "data.dvc"] {
        sandbox.remove("data");
        let options = CheckoutOptions {
            targets: vec![target.into()],
            ..CheckoutOptions::default()
        };
        assert_eq!(run(&sandbox, &options).unwrap().restored, ["data"]);
    }
    let options = CheckoutOptions {
        targets: vec!["nothing".into()],
        ..CheckoutOptions::default()
    };
    assert!(matches!(
        run(&sandbox, &options),
        Err(ProjectError::UnknownTarget { .. })
    ));
}

#[test]
fn unsaved_work_is_kept_unless_forced() {
    let sandbox = project();
    sandbox.write("data", "my own words");
    sandbox.write("out/x", "edited");
    for target in ["data", "out"] {
        let options = CheckoutOptions {
            targets: vec![target.into()],
            ..CheckoutOptions::default()
        };
        let error = run(&sandbox, &options).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{target}` has changes that are saved nowhere")
        );
        assert!(error.hint().unwrap().contains("force"));
    }
    assert_eq!(sandbox.read("data"), "my own words");
    let options = CheckoutOptions {
        overwrite: Overwrite::Force,
        ..CheckoutOptions::default()
    };
    run(&sandbox, &options).unwrap();
    assert_eq!(
        (sandbox.read("data"), sandbox.read("out/x")),
        ("hello\n".into(), "1\n".into())
    );
}

#[test]
fn what_is_saved_elsewhere_may_go() {
    let sandbox = project();
    sandbox.open().cache().add_bytes(b"saved").unwrap();
    sandbox.write("data", "saved");
    run(&sandbox, &CheckoutOptions::default()).unwrap();
    assert_eq!(sandbox.read("data"), "hello\n");
}

#[test]
fn what_the_cache_lost_is_reported() {
    let sandbox = project();
    sandbox.remove("data");
    fs_err::remove_dir_all(sandbox.root.join(".dvc/cache")).unwrap();
    let report = run(&sandbox, &CheckoutOptions::default()).unwrap();
    assert_eq!(report.missing, ["data"]);
    let options = CheckoutOptions {
        targets: vec!["data".into()],
        ..CheckoutOptions::default()
    };
    let error = run(&sandbox, &options).unwrap_err();
    assert!(error.to_string().contains("is not in the cache"), "{error}");
}
