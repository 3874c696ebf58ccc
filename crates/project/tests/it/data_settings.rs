//! DVC's settings and remotes, written as DVC writes them; links that become files.

use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use ketch_project::{
    ExistingRemote, ProjectError, SettingFiles, SettingLevel, SettingName, add_remote,
    modify_remote, remotes, remove_remote, rename_remote, set_default_remote, set_setting, setting,
    settings, unprotect, unset_setting,
};

use crate::interop::Dvc;
use crate::sandbox::Sandbox;

fn name(text: &str) -> SettingName {
    SettingName::parse(text).unwrap()
}

#[test]
fn dvc_writes_the_same_files() {
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let Some(dvc) = Dvc::find(&theirs) else {
        return;
    };
    let project = ours.open();
    let here = ours.root.join("sub");
    let (repository, local) = (SettingLevel::Project, SettingLevel::Local);
    for sandbox in [&ours, &theirs] {
        sandbox.write("sub/x", "");
    }
    let below = theirs.root.join("sub");
    let same = |arguments: &[&str]| {
        dvc.run(&below, arguments);
        for file in [".dvc/config", ".dvc/config.local"] {
            let read = |sandbox: &Sandbox| {
                fs_err::read_to_string(sandbox.root.join(file)).unwrap_or_default()
            };
            assert_eq!(read(&ours), read(&theirs), "{file} after {arguments:?}");
        }
    };
    let refuse = ExistingRemote::Refuse;
    add_remote(
        SettingFiles::of(&project),
        repository,
        "st",
        "../store",
        refuse,
        &here,
    )
    .unwrap();
    set_default_remote(SettingFiles::of(&project), repository, Some("st")).unwrap();
    same(&["remote", "add", "-d", "st", "../store"]);
    add_remote(
        SettingFiles::of(&project),
        local,
        "Second",
        "/abs/store",
        refuse,
        &here,
    )
    .unwrap();
    same(&["remote", "add", "--local", "Second", "/abs/store"]);
    set_setting(
        SettingFiles::of(&project),
        repository,
        &name("core.autostage"),
        "true",
        &here,
    )
    .unwrap();
    same(&["config", "core.autostage", "true"]);
    set_setting(
        SettingFiles::of(&project),
        repository,
        &name("cache.type"),
        "reflink,copy",
        &here,
    )
    .unwrap();
    same(&["config", "cache.type", "reflink,copy"]);
    set_setting(
        SettingFiles::of(&project),
        local,
        &name("cache.dir"),
        "cc",
        &here,
    )
    .unwrap();
    same(&["config", "--local", "cache.dir", "cc"]);
    modify_remote(
        SettingFiles::of(&project),
        repository,
        "st",
        "jobs",
        Some("4"),
        &here,
    )
    .unwrap();
    same(&["remote", "modify", "st", "jobs", "4"]);
    modify_remote(
        SettingFiles::of(&project),
        repository,
        "st",
        "jobs",
        None,
        &here,
    )
    .unwrap();
    same(&["remote", "modify", "-u", "st", "jobs"]);

    let listed: Vec<String> = settings(SettingFiles::of(&project), None)
        .unwrap()
        .into_iter()
        .map(|found| format!("{}\t{}={}", found.file, found.name, found.value))
        .collect();
    let text = dvc.run(&below, &["config", "--list", "--show-origin"]);
    let expected: Vec<String> = text
        .lines()
        .map(|line| line.replace(theirs.root.as_str(), ours.root.as_str()))
        .collect();
    assert_eq!(listed, expected);

    rename_remote(SettingFiles::of(&project), repository, "st", "main").unwrap();
    same(&["remote", "rename", "st", "main"]);
    unset_setting(SettingFiles::of(&project), repository, &name("cache.type")).unwrap();
    same(&["config", "-u", "cache.type"]);
    remove_remote(SettingFiles::of(&project), repository, "main").unwrap();
    same(&["remote", "remove", "main"]);
    set_default_remote(SettingFiles::of(&project), repository, Some("second")).unwrap();
    same(&["remote", "default", "second"]);
    set_default_remote(SettingFiles::of(&project), repository, None).unwrap();
    same(&["remote", "default", "--unset"]);
}

/// DVC refuses these; and a section without a URL makes it refuse everything.
#[test]
fn settings_of_this_machine_go_with_their_remote() {
    let sandbox = Sandbox::new();
    let project = sandbox.open();
    let here = Utf8Path::new("/");
    let (level, local) = (SettingLevel::Project, SettingLevel::Local);
    add_remote(
        SettingFiles::of(&project),
        level,
        "st",
        "s3://b/k",
        ExistingRemote::Refuse,
        here,
    )
    .unwrap();
    modify_remote(
        SettingFiles::of(&project),
        local,
        "st",
        "profile",
        Some("me"),
        here,
    )
    .unwrap();
    rename_remote(SettingFiles::of(&project), level, "st", "main").unwrap();
    assert_eq!(
        sandbox.read(".dvc/config.local"),
        "['remote \"main\"']\n    profile = me\n"
    );
    remove_remote(SettingFiles::of(&project), level, "main").unwrap();
    for emptied in [".dvc/config.local", ".dvc/config"] {
        assert_eq!(sandbox.read(emptied), "\n", "{emptied}");
    }
}

#[test]
fn what_is_not_there_is_told() {
    let sandbox = Sandbox::new();
    let project = sandbox.open();
    let here = Utf8Path::new("/");
    let level = SettingLevel::Project;
    let refuse = ExistingRemote::Refuse;
    add_remote(
        SettingFiles::of(&project),
        level,
        "store",
        "s3://b/k",
        refuse,
        here,
    )
    .unwrap();
    let error = add_remote(
        SettingFiles::of(&project),
        level,
        "store",
        "s3://c",
        refuse,
        here,
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "there is a remote `store` already");
    let error = remove_remote(SettingFiles::of(&project), level, "stor").unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean `store`?"));
    let error = modify_remote(
        SettingFiles::of(&project),
        level,
        "store",
        "urll",
        Some("x"),
        here,
    )
    .unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean `url`?"));
    let error = set_default_remote(SettingFiles::of(&project), level, Some("other")).unwrap_err();
    assert!(
        matches!(error, ProjectError::UnknownRemote { .. }),
        "{error}"
    );
    let error = unset_setting(SettingFiles::of(&project), level, &name("core.remote")).unwrap_err();
    assert_eq!(error.to_string(), "`core.remote` is not set");
    let text = sandbox.read(".dvc/config");
    set_setting(
        SettingFiles::of(&project),
        level,
        &name("core.remote"),
        "a\u{7}",
        here,
    )
    .unwrap_err();
    assert_eq!(sandbox.read(".dvc/config"), text);
    assert_eq!(
        setting(SettingFiles::of(&project), &name("core.remote"), None).unwrap(),
        None
    );
    add_remote(
        SettingFiles::of(&project),
        level,
        "store",
        "gs://x",
        ExistingRemote::Replace,
        here,
    )
    .unwrap();
    assert_eq!(
        remotes(SettingFiles::of(&project), None).unwrap()[0].url,
        "gs://x"
    );
}

#[test]
fn links_into_the_cache_become_files() {
    let sandbox = Sandbox::new();
    sandbox.write("object", "content");
    let object = sandbox.root.join("object");
    fs_err::set_permissions(&object, PermissionsExt::from_mode(0o444)).unwrap();
    sandbox.write("data/plain", "plain");
    fs_err::hard_link(&object, sandbox.root.join("data/hard")).unwrap();
    fs_err::os::unix::fs::symlink(&object, sandbox.root.join("data/soft")).unwrap();
    let changed = unprotect(&sandbox.open(), &["data".into()]).unwrap();
    assert_eq!(changed, ["data/hard", "data/soft"]);
    for file in ["data/hard", "data/soft"] {
        sandbox.write(file, "edited");
        assert!(!sandbox.root.join(file).is_symlink());
    }
    assert_eq!(sandbox.read("object"), "content");
    assert!(
        unprotect(&sandbox.open(), &["data".into()])
            .unwrap()
            .is_empty()
    );
    unprotect(&sandbox.open(), &["none".into()]).unwrap_err();
    unprotect(&sandbox.open(), &["../x".into()]).unwrap_err();
}

#[test]
fn a_value_that_dvc_could_not_read_is_not_written() {
    let sandbox = Sandbox::new();
    let project = sandbox.open();
    let before = sandbox.read(".dvc/config");
    let (files, level) = (SettingFiles::of(&project), SettingLevel::Project);
    let error = set_setting(files, level, &name("cache.type"), "magic", &sandbox.root).unwrap_err();
    assert!(error.to_string().contains("`magic`"), "{error}");
    assert_eq!(sandbox.read(".dvc/config"), before);
}
