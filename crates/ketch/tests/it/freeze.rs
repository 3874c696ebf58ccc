//! Stages and imports that are left as they are, against DVC.

use crate::personality::Step::{Ends, Same, Write};
use crate::personality::{Step, Twin, assert_same_story, files_of, twins};
use crate::support::project;

/// As ruamel writes it, so that DVC changes nothing else either.
const PIPELINE: &str = "stages:
  # the first one
  one:
    cmd: cp in b   # why
    deps: [in]
    outs:
    - b
  two:
    cmd: cp b c
    deps:
    - b
    outs:
    - c
";

const STORY: &[Step] = &[
    Ends("init"),
    Write("in", "1\n"),
    Write("f", "data\n"),
    Write("from/g", "data\n"),
    Ends("add f"),
    Ends("import-url from/g g"),
    Ends("repro"),
    Same("freeze two"),
    Same("freeze two"),
    Same("freeze dvc.yaml:one"),
    Ends("freeze"),
    Ends("freeze f"),
    Ends("freeze c"),
    Ends("freeze dvc.yaml"),
    Ends("unfreeze nope.dvc two nostage"),
    Same("freeze f.dvc"),
    Same("unfreeze g.dvc"),
    Same("status"),
    // Nothing of a frozen stage is looked at but its outputs.
    Write("in", "2\n"),
    Same("status"),
    Ends("repro"),
    Same("unfreeze one"),
    Ends("repro"),
    Same("status"),
    Write("from/g", "newer\n"),
    Ends("update g.dvc"),
    Same("status"),
    Same("freeze g.dvc"),
];

#[test]
fn frozen_stages_and_imports_are_as_with_dvc() {
    let Some(twins) = twins(Twin::new) else {
        return;
    };
    for twin in &twins {
        twin.project.write("dvc.yaml", PIPELINE);
    }
    let [ours, theirs] = &twins;
    assert_same_story(ours, theirs, STORY);
    assert_eq!(files_of(ours), files_of(theirs));
}

/// Whatever the text looks like, one line comes and goes.
#[test]
fn the_rest_of_the_file_keeps_its_bytes() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    let text = "# mine\nstages:\n    one:   # odd\n        cmd: \"cp in b\"\n        deps: [ in ]\n        outs:\n            - b\n\n    two: {cmd: 'true', frozen: false}\n# the end\n";
    project.write("dvc.yaml", text);
    let _ = project.ketch(["freeze", "one", "two"]).success();
    let frozen = text
        .replace(
            "            - b\n",
            "            - b\n        frozen: true\n",
        )
        .replace("frozen: false", "frozen: true");
    assert_eq!(project.read("dvc.yaml"), frozen);
    let _ = project.ketch(["unfreeze", "one"]).success();
    let thawed = frozen.replace("        frozen: true\n", "");
    assert_eq!(project.read("dvc.yaml"), thawed);

    // All targets are looked up first.
    let refused = project.ketch(["freeze", "one", "twoo"]).failure(3);
    assert!(refused.stderr.contains("did you mean"), "{refused}");
    assert_eq!(project.read("dvc.yaml"), thawed);
    let before = "stages:\n  a: &a\n    cmd: 'true'\n  b: *a\n";
    project.write("dvc.yaml", before);
    let refused = project.ketch(["freeze", "b"]).failure(3);
    assert!(refused.stderr.contains("by hand"), "{refused}");
    assert_eq!(project.read("dvc.yaml"), before);
}
