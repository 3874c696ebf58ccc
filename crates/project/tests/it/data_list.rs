//! What is listed, against DVC.

use camino::Utf8Path;
use ketch_project::{AddOptions, Folders, ListOptions, Origin, ProjectError, add, list};
use ketch_store::Silent;
use serde_json::Value;

use crate::interop::Dvc;
use crate::sandbox::Sandbox;

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("data/a", "a");
    sandbox.write("data/deep/b", "bb");
    sandbox.write("sub/one.csv", "1\n");
    sandbox.write("sub/code.py", "pass\n");
    for target in ["data", "sub/one.csv"] {
        let options = AddOptions {
            targets: vec![target.into()],
        };
        add(&sandbox.open(), &options, &Silent).unwrap();
    }
    sandbox.commit("first");
    sandbox
}

fn options(path: &str, folders: Folders, origin: Origin) -> ListOptions {
    ListOptions {
        path: path.into(),
        revision: None,
        folders,
        origin,
        manifests: None,
    }
}

#[test]
fn dvc_lists_the_same() {
    let sandbox = project();
    let Some(dvc) = Dvc::find(&sandbox) else {
        return;
    };
    for (path, folders, origin, arguments) in [
        ("", Folders::Listed, Origin::All, &["."][..]),
        ("", Folders::Walked, Origin::All, &[".", "-R"]),
        (
            "",
            Folders::Walked,
            Origin::Data,
            &[".", "-R", "--dvc-only"],
        ),
        ("data", Folders::Listed, Origin::All, &[".", "data"]),
        ("data/a", Folders::Listed, Origin::All, &[".", "data/a"]),
        (
            "sub",
            Folders::Listed,
            Origin::Data,
            &[".", "sub", "--dvc-only"],
        ),
    ] {
        let found = list(&sandbox.open(), &options(path, folders, origin)).unwrap();
        let mut ours = serde_json::to_value(found).unwrap();
        let mut all = vec!["list", "--json"];
        all.extend(arguments);
        let text = dvc.run(&sandbox.root, &all);
        let mut theirs: Value = serde_json::from_str(text.trim()).unwrap();
        for value in [&mut ours, &mut theirs] {
            for entry in value.as_array_mut().unwrap() {
                // Of a directory DVC says how large its inode is.
                if entry["isdir"] == true {
                    entry["size"] = Value::Null;
                }
            }
        }
        // Of the files in a directory DVC does not always know the size.
        let unknown = theirs.as_array().unwrap().iter();
        for (our, their) in ours.as_array_mut().unwrap().iter_mut().zip(unknown) {
            if their["size"].is_null() {
                our["size"] = Value::Null;
            }
        }
        assert_eq!(ours, theirs, "{arguments:?}");
    }
}

#[test]
fn what_is_not_there_is_listed_from_the_records() {
    let sandbox = project();
    sandbox.remove("data");
    fs_err::remove_dir_all(sandbox.root.join(".dvc/cache")).unwrap();
    let everything = list(&sandbox.open(), &options("", Folders::Walked, Origin::Data)).unwrap();
    // Without its manifest a directory is one entry.
    assert_eq!(everything[0].path, Utf8Path::new("data"));
    assert_eq!(everything[0].size, Some(3));
    let nowhere = options("none", Folders::Listed, Origin::All);
    let error = list(&sandbox.open(), &nowhere).unwrap_err();
    assert!(
        matches!(error, ProjectError::UnknownTarget { .. }),
        "{error}"
    );
    let earlier = ListOptions {
        revision: Some("HEAD".to_owned()),
        folders: Folders::Walked,
        ..ListOptions::default()
    };
    sandbox.write("new", "");
    let paths: Vec<String> = list(&sandbox.open(), &earlier)
        .unwrap()
        .into_iter()
        .map(|entry| entry.path.into_string())
        .collect();
    assert!(paths.contains(&"data.dvc".to_owned()) && !paths.contains(&"new".to_owned()));
}
