//! `check-ignore` as DVC 3.67.1 answers.

use std::io::Write as _;
use std::process::Stdio;

use crate::personality::Step::{Ends, Same, Write};
use crate::personality::{Step, Twin, assert_same_answers, twins};

const RULES: &str = "*.tmp\n!keep.tmp\n# c\nlogs/\n/top\n*.tmp\nb.*\n!kept\n";

const STORY: &[Step] = &[
    Ends("init -q"),
    Write(".dvcignore", RULES),
    Write("logs/x", ""),
    Write("sub/.dvcignore", "*.x\n!b.y\n"),
    Write("other/.dvc/config", ""),
    Same("check-ignore a.tmp"),
    Same("check-ignore -d a.tmp b.tmp"),
    Same("check-ignore -a -d a.tmp"),
    // The rule that shows it stands above one that hides it.
    Same("check-ignore keep.tmp kept"),
    Same("check-ignore -d keep.tmp kept"),
    Same("check-ignore kept"),
    Same("check-ignore -d kept"),
    Same("check-ignore -d -n a"),
    Same("check-ignore -d -n a a.tmp"),
    Same("check-ignore --details --non-matching --all a a.tmp"),
    Same("check-ignore -d logs logs/ logs/x logs/x.tmp logs/deep/y"),
    Same("check-ignore -d sub/q.x sub/b.y sub/b.z sub/top"),
    Same("--cd sub check-ignore -d q.x ../a.tmp"),
    Same("check-ignore -d .dvc .git .dvc/tmp .dvc/config sub/.git"),
    Same("check-ignore -d other other/file"),
    Same("check-ignore ../outside"),
    Same("check-ignore -q a.tmp"),
    Same("check-ignore -q b"),
    Ends("check-ignore -q -d a.tmp"),
    Ends("check-ignore -a a.tmp"),
    Ends("check-ignore -n a.tmp"),
    Ends("check-ignore"),
    Ends("check-ignore --stdin a.tmp"),
    Same("check-ignore --stdin"),
];

#[test]
fn rules_are_named_as_dvc_names_them() {
    if let Some(compared) = assert_same_answers(STORY) {
        assert!(compared > 20, "{compared}");
    }
}

#[test]
fn paths_come_from_standard_input() {
    let Some(twins) = twins(Twin::new) else {
        return;
    };
    let answers = twins.each_ref().map(|twin| {
        assert_eq!(twin.run("init -q").code, Some(0));
        twin.project.write(".dvcignore", RULES);
        let ask = |line: &str, paths: &str| {
            let mut command = twin.command(line);
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it runs");
            let mut input = child.stdin.take().expect("a pipe");
            input.write_all(paths.as_bytes()).expect("it reads");
            drop(input);
            let output = child.wait_with_output().expect("it ends");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            (output.status.code(), text)
        };
        [
            ask("check-ignore --stdin", "a.tmp\nb\nkeep.tmp\n"),
            ask("check-ignore --stdin -d -n", "a.tmp\nb\nkept\n"),
            ask("check-ignore --stdin -d", "b\n\na.tmp\n"),
            ask("check-ignore --stdin", "a.tmp"),
            ask("check-ignore --stdin", ""),
        ]
    });
    assert_eq!(answers[0], answers[1]);
}
