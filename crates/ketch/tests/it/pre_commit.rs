//! Hooks through the pre-commit tool: `install --use-pre-commit-tool`.

use crate::personality::{Twin, twins};
use crate::support::project;

const FILE: &str = ".pre-commit-config.yaml";

/// What was there before, in the style that DVC leaves alone.
const BEFORE: [Option<&str>; 7] = [
    None,
    Some(""),
    Some("repos: []\n"),
    Some("default_stages: [pre-commit]\n"),
    Some("# top\nrepos:\n- repo: local\n  hooks:\n  - id: a # first\n    name: a\nci: {x: 1}\n"),
    // What cannot be added to.
    Some("repos: [\n"),
    Some("- a\n"),
];

#[test]
fn the_configuration_is_written_as_dvc_writes_it() {
    let Some(twins) = twins(Twin::new) else {
        return;
    };
    for before in BEFORE {
        let written = twins.each_ref().map(|twin| {
            let _ = twin.run("init");
            let path = twin.project.path(FILE);
            let _ = fs_err::remove_file(&path);
            if let Some(text) = before {
                twin.project.write(FILE, text);
            }
            let first = twin.run("install --use-pre-commit-tool");
            let text = twin.project.read(FILE);
            let again = twin.run("install --use-pre-commit-tool");
            assert_eq!(twin.project.read(FILE), text, "it is there already");
            (first.code == Some(0), again.code == Some(0), text)
        });
        assert_eq!(written[0], written[1], "{before:?}");
    }
    for twin in &twins {
        assert!(!twin.project.path(".git/hooks/pre-push").exists());
    }
}

/// The text around keeps its bytes, where DVC writes the file anew in its own style.
#[test]
fn what_people_wrote_stays() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    let text = "repos:\n-   repo: local  # ours\n    hooks:\n    -   id: lint\n        name: 'lint'\n\nfail_fast: true\n";
    project.write(FILE, text);
    let told = project
        .ketch(["install", "--use-pre-commit-tool"])
        .success();
    assert!(told.stdout.contains(FILE), "{told}");
    let after = project.read(FILE);
    let (before, behind) = text.split_at(text.find("\n\nfail").expect("there"));
    assert!(
        after.starts_with(before) && after.ends_with(behind),
        "{after}"
    );
    assert!(
        after.contains("entry: ketch git-hook pre-commit"),
        "{after}"
    );
    assert!(!project.path(".git/hooks/pre-commit").exists());
    let _ = project
        .ketch(["install", "--use-pre-commit-tool"])
        .success();
    assert_eq!(project.read(FILE), after);

    project.write(FILE, "repos: 5\n");
    let refused = project
        .ketch(["install", "--use-pre-commit-tool"])
        .failure(3);
    assert!(refused.stderr.contains("hint: make `repos`"), "{refused}");
    assert_eq!(project.read(FILE), "repos: 5\n");
}
