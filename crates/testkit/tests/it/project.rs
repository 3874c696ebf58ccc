//! Throw-away projects.

use ketch_testkit::TestProject;

fn shell() -> TestProject {
    TestProject::with_binary("/bin/sh")
}

#[test]
fn nothing_of_the_machine_leaks_in() {
    let project = shell();
    let _filters = project.bind_filters();
    // `sh` adds PWD, OLDPWD, SHLVL and _ by itself; PATH is the machine's.
    let script = "env | grep -v -E '^(PATH|PWD|OLDPWD|SHLVL|_)=' | sort; pwd";
    insta::assert_snapshot!(project.ketch(["-c", script]).success(), @"
    COLUMNS=100
    DVC_NO_ANALYTICS=1
    DVC_TEST=true
    GIT_AUTHOR_DATE=[TIME]
    GIT_AUTHOR_EMAIL=ana@example.org
    GIT_AUTHOR_NAME=Ana Test
    GIT_CEILING_DIRECTORIES=[BASE]
    GIT_COMMITTER_DATE=[TIME]
    GIT_COMMITTER_EMAIL=ana@example.org
    GIT_COMMITTER_NAME=Ana Test
    GIT_CONFIG_GLOBAL=/dev/null
    GIT_CONFIG_NOSYSTEM=1
    GIT_TERMINAL_PROMPT=0
    HOME=[HOME]
    KETCH_TEST_CLOCK=[TIME]
    KETCH_TEST_SEED=7
    LC_ALL=C.UTF-8
    NO_COLOR=1
    TMPDIR=[TMP]
    TZ=UTC
    [ROOT]
    ");
}

#[test]
fn output_is_shown_with_errors_and_status() {
    let project = shell();
    let script = "echo out; printf 'no end' >&2; exit 3";
    let output = project.ketch(["-c", script]).failure(3);
    insta::assert_snapshot!(output, @"
    out
    ------- stderr -------
    no end
    [exit status: 3]
    ");
    assert_eq!(
        project.ketch(["-c", "echo fine"]).success().to_string(),
        "fine\n"
    );
}

#[test]
#[should_panic(expected = "out of luck")]
fn an_unexpected_end_shows_the_output() {
    let _ = shell().ketch(["-c", "echo out of luck; exit 1"]).success();
}

#[test]
fn filters_replace_what_differs_and_nothing_else() {
    let project = shell();
    let _filters = project.bind_filters();
    let script = "echo $PWD/a $HOME $TMPDIR
        echo 2026-01-02T03:04:05Z 2026-01-02 03:04:05.123 2026-01-02T03:04:05+01:00, done
        echo took 1.5s and 20 ms and 3min
        echo 0123456789012345678901234567890123456789
        echo d41d8cd98f00b204e9800998ecf8427e 1200 3 sheep 2026-01-02 12 models";
    insta::assert_snapshot!(project.ketch(["-c", script]).success(), @"
    [ROOT]/a [HOME] [TMP]
    [TIME] [TIME] [TIME], done
    took [TIME] and [TIME] and [TIME]
    [COMMIT]
    d41d8cd98f00b204e9800998ecf8427e 1200 3 sheep 2026-01-02 12 models
    ");
}

#[test]
fn files_are_written_and_read() {
    let project = TestProject::new();
    project.write("a/b/c.txt", "text");
    assert_eq!(project.read("a/b/c.txt"), "text");
    assert_eq!(project.path("a"), project.root().join("a"));
    let root = project.root();
    drop(project);
    assert!(!root.exists());
}

#[test]
fn commits_are_the_same_every_time() {
    let commit = || {
        let project = TestProject::new();
        project.git_init();
        project.write("a.txt", "text\n");
        let _ = project.git(["add", "."]).success();
        let _ = project
            .git(["commit", "--quiet", "--message", "one"])
            .success();
        project
            .git(["log", "--format=%H %an %ae %at"])
            .success()
            .stdout
    };
    let first = commit();
    assert!(
        first.ends_with(" Ana Test ana@example.org 1767323045\n"),
        "{first}"
    );
    assert_eq!(first, commit());
}

#[test]
fn settings_may_be_added() {
    let mut project = shell();
    project.set_env("KETCH_TEST", "1");
    assert_eq!(
        project.ketch(["-c", "echo $KETCH_TEST"]).success().stdout,
        "1\n"
    );
}
