//! From an empty repository to a pipeline that is up to date, and on.

use std::process::Stdio;

use crate::support::{pipeline, project};

#[test]
fn the_story_of_a_pipeline() {
    let project = pipeline();
    let _filters = project.bind_filters();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9a-f]{32}", "[MD5]");
    let _more = settings.bind_to_scope();

    insta::assert_snapshot!("1-add", project.ketch(["add", "rows.txt"]).success());
    insta::assert_snapshot!("2-dry", project.ketch(["repro", "--dry"]).success());
    insta::assert_snapshot!("3-repro", project.ketch(["repro"]).success());
    insta::assert_snapshot!("4-metrics", project.ketch(["metrics", "show"]).success());
    insta::assert_snapshot!("5-status", project.ketch(["status"]).success());
    let _ = project.ketch(["-q", "status"]).success();

    project.write("params.yaml", "train:\n  factor: 3\n");
    insta::assert_snapshot!("6-status-why", project.ketch(["status"]).success());
    let quiet = project.ketch(["-q", "status"]).failure(1);
    assert_eq!(format!("{}{}", quiet.stdout, quiet.stderr), "");
    insta::assert_snapshot!("7-repro-why", project.ketch(["repro"]).success());

    project.write("params.yaml", "train:\n  factor: 2\n");
    insta::assert_snapshot!("8-repro-restores", project.ketch(["repro"]).success());
    insta::assert_snapshot!("9-repro-nothing", project.ketch(["repro"]).success());
    insta::assert_snapshot!(
        "10-force",
        project.ketch(["repro", "--force", "train"]).success()
    );
}

#[test]
fn json_is_data_on_standard_output() {
    let project = pipeline();
    let _ = project.ketch(["add", "rows.txt"]).success();
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();

    let planned = project.ketch(["repro", "--dry", "--json"]).success();
    assert_eq!(parse(&planned.stdout)["stages"][0]["outcome"], "would_run");
    let ran = parse(&project.ketch(["repro", "--json"]).success().stdout);
    assert_eq!(ran["stages"][1]["stage"], "train");
    assert_eq!(ran["stages"][1]["outcome"], "ran");
    assert_eq!(ran["stages"][1]["changes"][0]["kind"], "never_run");
    assert_eq!(ran["metrics"]["metrics.json"]["score"], 0.24);
    let metrics = parse(
        &project
            .ketch(["metrics", "show", "--json"])
            .success()
            .stdout,
    );
    let file = &metrics[""]["data"]["metrics.json"];
    assert_eq!(file["data"]["score"], 0.24);

    project.write("rows.txt", "1\n");
    let status = parse(&project.ketch(["status", "--json"]).success().stdout);
    assert_eq!(status["data"][0]["state"], "modified");
    assert_eq!(status["stages"][0]["changes"][0]["kind"], "dependency");
}

#[test]
fn targets_are_found_from_below_the_root() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("sub/in.txt", "1\n");
    project.write(
        "dvc.yaml",
        "stages:\n  copy:\n    cmd: cp sub/in.txt sub/out.txt\n    deps: [sub/in.txt]\n    outs: [sub/out.txt]\n",
    );
    let added = project.ketch(["-C", "sub", "add", "in.txt"]).success();
    assert!(added.stdout.contains("\nin.txt "), "{added}");
    assert!(project.path("sub/in.txt.dvc").is_file());
    let _ = project.ketch(["-C", "sub", "repro", "copy"]).success();
    let again = project.ketch(["-C", "sub", "repro", "out.txt"]).success();
    assert!(again.stderr.contains("copy is unchanged"), "{again}");
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let project = pipeline();
    let _filters = project.bind_filters();
    insta::assert_snapshot!(
        "no-such-target",
        project.ketch(["repro", "trian"]).failure(3)
    );
    insta::assert_snapshot!(
        "no-such-file",
        project.ketch(["add", "nothing.csv"]).failure(3)
    );
    insta::assert_snapshot!("init-again", project.ketch(["init"]).failure(3));

    project.write(
        "dvc.yaml",
        "stages:\n  train:\n    cmd: echo\n    depps:\n    - x\n",
    );
    insta::assert_snapshot!("unknown-key", project.ketch(["repro"]).failure(3));
    insta::assert_snapshot!(
        "unknown-key-json",
        project.ketch(["--json", "repro"]).failure(3)
    );
    project.write("dvc.yaml", "stages:\n  train: [\n");
    insta::assert_snapshot!("broken-yaml", project.ketch(["status"]).failure(3));

    project.write(
        "dvc.yaml",
        "stages:\n  fail:\n    cmd: echo about to fail >&2; exit 7\n",
    );
    insta::assert_snapshot!("failing-stage", project.ketch(["repro"]).failure(3));
    // Who did not see the lines go by sees the last of them.
    insta::assert_snapshot!(
        "failing-stage-quiet",
        project.ketch(["-q", "repro"]).failure(3)
    );
}

#[test]
fn outside_of_a_project_the_way_in_is_shown() {
    let project = project();
    let _filters = project.bind_filters();
    insta::assert_snapshot!("not-a-repository", project.ketch(["init"]).failure(3));
    insta::assert_snapshot!("not-a-project", project.ketch(["status"]).failure(3));
}

#[test]
fn what_ketch_toml_says_in_vain_is_told() {
    let project = pipeline();
    project.write("ketch.toml", "[enviroment]\nvirtualenv = \"x\"\n");
    let output = project.ketch(["metrics", "show"]).success();
    assert!(
        output
            .stderr
            .starts_with("warning: ketch.toml:1:2: unknown key `enviroment`; did you mean"),
        "{output}"
    );
    project.write("ketch.toml", "[model.m]\nartifact = 3\n");
    let broken = project.ketch(["status"]).failure(3);
    assert!(
        broken.stderr.starts_with("error: ketch.toml:2:12: "),
        "{broken}"
    );
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let project = pipeline();
    let mut child = project
        .ketch_command()
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let Ok(full) = fs_err::OpenOptions::new().write(true).open("/dev/full") else {
        // Only Linux has it.
        return;
    };
    let project = pipeline();
    let output = project
        .ketch_command()
        .args(["completions", "bash"])
        .stdout(Stdio::from(full.into_file()))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the output"));
}

#[test]
fn colours_come_only_when_they_are_wanted() {
    let mut project = pipeline();
    let plain = project.ketch(["repro", "x"]).failure(3);
    assert!(!plain.stderr.contains('\u{1b}'), "{plain:?}");
    project.set_env("NO_COLOR", "");
    project.set_env("CLICOLOR_FORCE", "1");
    let colourful = project.ketch(["repro", "x"]).failure(3);
    assert!(colourful.stderr.contains("\u{1b}["), "{colourful:?}");
}

/// What a stage takes from elsewhere does not stand in the way of the rest of the project.
#[test]
fn data_is_kept_beside_a_stage_that_needs_a_url() {
    let project = pipeline();
    let _ = project.ketch(["add", "rows.txt"]).success();
    let _ = project.ketch(["repro"]).success();
    let pipeline = fs_err::read_to_string(project.root().join("dvc.yaml")).unwrap();
    let far = "  far:\n    cmd: fetch\n    deps: [s3://bucket/rows.csv]\n    outs: [far.csv]\n";
    project.write("dvc.yaml", pipeline + far);
    let _ = project
        .ketch(["remote", "add", "-d", "store", "../store"])
        .success();
    let _ = project.ketch(["push"]).success();
    project.write("rows.txt", "9\n");
    let _ = project.ketch(["checkout", "--force", "rows.txt"]).success();
    let _ = project.ketch(["repro", "train"]).success();
    let _ = project.ketch(["gc", "--workspace", "--force"]).success();
    let refused = project.ketch(["repro", "far"]).failure(3);
    assert!(refused.stderr.contains("s3://bucket/rows.csv"), "{refused}");
}
