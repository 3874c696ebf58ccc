//! Projects without Git, as DVC has them with `init --no-scm`.

use crate::personality::Step::{Ends, Lines, Remove, Same, Write};
use crate::personality::{Step, Twin, assert_same_story, files_of, twins};
use crate::support::project;

const STORY: &[Step] = &[
    Ends("init"),
    Ends("init --no-scm --subdir"),
    Ends("init --no-scm"),
    Ends("init --no-scm"),
    Ends("init --no-scm -f"),
    Ends("init -f"),
    Same("config core.no_scm"),
    Same("root"),
    Write("a", "1\n"),
    Write("d/x", "2\n"),
    Write("d/sub/y", "3\n"),
    Same("add a d"),
    Same("status"),
    Same("data status"),
    Same("data status --json"),
    Same("data status --granular"),
    Ends("diff"),
    Ends("diff --json"),
    Same("install"),
    Same("install --use-pre-commit-tool"),
    Same("list ."),
    Same("list . d -R"),
    Ends("list . --rev main"),
    Lines("du ."),
    Lines("du . d"),
    Same("remote add -d st ../store"),
    Same("push"),
    Same("push --all-branches"),
    Same("status --cloud"),
    Write("d/x", "changed\n"),
    Same("status"),
    Same("data status"),
    Ends("checkout"),
    Same("commit -f"),
    Same("gc -w -f"),
    Same("gc -a -f"),
    Ends("gc --rev HEAD -f"),
    Same("push -T"),
    Remove("d"),
    Remove(".dvc/cache"),
    Same("fetch --all-commits"),
    Same("checkout"),
    Same("move a b"),
    Same("freeze b.dvc"),
    Same("unfreeze b.dvc"),
    Ends("check-ignore b"),
    Ends("import-url b c"),
    Write("b", "newer\n"),
    Same("commit -f b.dvc"),
    Ends("update c.dvc"),
    Write(
        "dvc.yaml",
        "stages:\n  s:\n    cmd: cp b e\n    deps:\n    - b\n    outs:\n    - e\n",
    ),
    Ends("repro"),
    Same("status"),
    Ends("remove s"),
    Same("remove b.dvc"),
    Same("git-hook pre-commit"),
];

#[test]
fn a_project_without_git_is_as_with_dvc() {
    let Some([ours, theirs]) = twins(Twin::without_git) else {
        return;
    };
    let compared = assert_same_story(&ours, &theirs, STORY);
    assert!(compared >= 40, "{compared}");
    assert_eq!(files_of(&ours), files_of(&theirs));
}

/// Below the top of a Git repository: with and without it, and a project that gives Git up.
#[test]
fn below_a_git_repository_both_make_the_same_projects() {
    let Some([ours, theirs]) = twins(Twin::new) else {
        return;
    };
    let story = [
        Write("sub/f", "1\n"),
        Write("alone/f", "1\n"),
        Write("top", "1\n"),
        Ends("--cd sub init"),
        Ends("--cd sub init --subdir"),
        Ends("--cd sub init --subdir"),
        Ends("--cd sub init --subdir -f"),
        Lines("--cd sub add f"),
        Same("--cd sub status"),
        Ends("--cd alone init --no-scm"),
        Same("--cd alone add f"),
        Ends("--cd alone diff"),
        Ends("init"),
        Ends("init -f"),
        Same("config core.no_scm true"),
        Same("add top"),
        Ends("diff"),
        Same("data status"),
    ];
    assert_same_story(&ours, &theirs, &story);
    assert_eq!(files_of(&ours), files_of(&theirs));
    let staged = |twin: &Twin| twin.project.git(["status", "--porcelain"]).success().stdout;
    assert_eq!(
        staged(&ours).replace("?? .ketch/\n", ""),
        staged(&theirs),
        "what is staged"
    );
}

/// What a `.gitignore` hides is nothing to a project without Git: its data stays tracked, and `gc`
/// keeps it.
#[test]
fn without_git_a_gitignore_hides_nothing() {
    let Some([ours, theirs]) = twins(Twin::without_git) else {
        return;
    };
    let story = [
        Ends("init --no-scm"),
        Write(".gitignore", "*.dvc\n/a\n"),
        Write("a", "1\n"),
        Write("d/x", "2\n"),
        Same("add a d"),
        Same("status"),
        Same("data status"),
        Remove("a"),
        Remove("d"),
        Lines("checkout"),
        Same("remote add -d st ../store"),
        Same("push"),
        Same("list ."),
        Lines("du ."),
        Write(".gitignore", "*\n"),
        Same("status"),
        Same("gc -w -f"),
        Same("commit -f"),
        Same("status -c"),
    ];
    assert_same_story(&ours, &theirs, &story);
    assert_eq!(files_of(&ours), files_of(&theirs));
}

/// Directories that Git knows nothing of are read as they are: a project with data, and files.
#[test]
fn data_is_got_out_of_directories_without_git() {
    let Some([ours, theirs]) = twins(Twin::new) else {
        return;
    };
    let story = [
        Ends("init -q"),
        Write("../plain/data/a", "1\n"),
        Write("../plain/f", "2\n"),
        Write("../other/data/a", "3\n"),
        Write("../other/data/sub/b", "4\n"),
        Write("../other/f", "5\n"),
        Write("../other/untracked", "6\n"),
        Ends("--cd ../other init -q --no-scm"),
        Ends("--cd ../other add -q data f"),
        Ends("--cd ../other remote add -d st ../store"),
        Ends("--cd ../other push -q"),
        Write("../other/data/new", "7\n"),
        Same("get ../other f"),
        Same("get ../other data"),
        Same("get ../other data/a -o a"),
        Same("get ../other data/sub -o folders/sub"),
        Same("get ../other untracked"),
        Ends("get ../other nope"),
        Ends("get ../other data/nope"),
        Ends("get ../other f --rev HEAD -o g"),
        Ends("get ../other f --remote nope -o g"),
        Same("list ../other"),
        Same("list ../other -R"),
        Same("list ../other data"),
        Same("list ../other --dvc-only"),
        Ends("list ../other nope"),
        Ends("list ../other --rev HEAD"),
        Lines("du ../other"),
        Ends("import ../other f -o imported"),
        Same("get ../plain f -o plain"),
        Same("get ../plain data -o plain-data"),
        Ends("get ../plain nope"),
        Same("list ../plain"),
        Same("list ../plain -R"),
        Same("list ../plain data"),
        Same("list ../plain f"),
        Ends("list ../plain nope"),
        Lines("du ../plain"),
        Lines("du ../plain data"),
        Ends("import ../plain f -o imported"),
        // What is not there comes out of the cache, and then off the remote.
        Remove("../other/data"),
        Remove("../other/f"),
        Same("get ../other f -o from-cache"),
        Same("get ../other data/sub -o sub-from-cache"),
        Remove("../other/.dvc/cache"),
        Same("get ../other f -o from-remote"),
        Same("get ../other data/sub/b -o b-from-remote"),
        Remove("../store"),
        Ends("get ../other f -o from-nowhere"),
    ];
    assert_same_story(&ours, &theirs, &story);
    assert_eq!(files_of(&ours), files_of(&theirs));
}

/// The `.git` folder is gone: everything says so, but for what puts it right.
#[test]
fn a_project_whose_git_is_gone_can_be_told_to_do_without() {
    let Some([ours, theirs]) = twins(Twin::new) else {
        return;
    };
    let story = [
        Ends("init"),
        Remove(".git"),
        Write("f", "1\n"),
        Ends("status"),
        Ends("add f"),
        Ends("data status"),
        Ends("diff"),
        Ends("gc -w -f"),
        Ends("checkout"),
        Ends("install"),
        Same("root"),
        Same("config core.no_scm true"),
        Same("remote add -d st ../store"),
        Same("add f"),
        Same("status"),
    ];
    assert_same_story(&ours, &theirs, &story);
    let told = ours.project.ketch(["diff"]).failure(3);
    assert!(told.stderr.contains("this needs Git"), "{told}");
    assert!(told.stderr.contains("config --unset core.no_scm"), "{told}");
}

/// Beginning anew loses neither settings nor data, where DVC deletes both.
#[test]
fn a_forced_init_keeps_what_is_nowhere_else() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("f", "1\n");
    let _ = project.ketch(["add", "f"]).success();
    let _ = project
        .ketch(["config", "--local", "core.checksum_jobs", "2"])
        .success();
    project.write(".dvc/config", "[core\n");
    let told = project.ketch(["init", "--force"]).success();
    assert!(
        told.stderr.contains(".ketch/trash/init-1/.dvc/config"),
        "{told}"
    );
    assert_eq!(project.read(".dvc/config"), "");
    assert_eq!(project.read(".ketch/trash/init-1/.dvc/config"), "[core\n");
    assert!(!project.path(".dvc/config.local").exists());
    let kept = project.read(".ketch/trash/init-1/.dvc/config.local");
    assert!(kept.contains("checksum_jobs = 2"), "{kept}");
    fs_err::remove_file(project.path("f")).expect("removed");
    let _ = project.ketch(["checkout"]).success();
    project.write(".dvc/config", "[core]\n    autostage = true\n");
    let _ = project.ketch(["init", "--force"]).success();
    assert!(project.path(".ketch/trash/init-2/.dvc/config").is_file());
}
