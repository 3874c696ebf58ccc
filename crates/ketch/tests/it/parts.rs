//! Parts of what is tracked: places in directories, small data, other commits; beside DVC 3.67.1.

use crate::personality::{Twin, twins};
use crate::support::{commit_all, project};

/// Ours and DVC's, with a directory that was pushed.
fn with_data() -> Option<[Twin; 2]> {
    let twins = twins(Twin::new)?;
    for twin in &twins {
        succeed(twin, "init -q");
        twin.project.write("data/a", "1\n");
        twin.project.write("data/sub/b", "22\n");
        twin.project.write("data/sub/c", "333\n");
        twin.project.write("data/subway", "no part of sub\n");
        succeed(twin, "add -q data");
        // At another commit DVC takes a path that is relative to be below the root of the disk.
        let store = twin.project.home().join("store");
        succeed(twin, &format!("remote add -q -d --local st {store}"));
    }
    Some(twins)
}

fn succeed(twin: &Twin, line: &str) -> String {
    let answer = twin.run(line);
    assert_eq!(answer.code, Some(0), "{line}: {}", answer.errors);
    answer.output
}

/// The files below a folder, with what is in them.
fn files(twin: &Twin, folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending = vec![twin.project.path(folder)];
    while let Some(folder) = pending.pop() {
        let Ok(entries) = folder.read_dir_utf8() else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("an entry").path().to_owned();
            if path.is_dir() {
                pending.push(path);
            } else {
                let shown = path.strip_prefix(twin.project.root()).expect("below");
                let text = fs_err::read_to_string(&path).expect("text");
                found.push((shown.to_string(), text));
            }
        }
    }
    found.sort();
    found
}

fn remove(twin: &Twin, path: &str) {
    fs_err::remove_dir_all(twin.project.path(path)).expect("removed");
}

#[test]
fn a_part_of_a_directory_comes_alone_as_with_dvc() {
    let Some(twins) = with_data() else {
        return;
    };
    let both = |line: &str| {
        let [ours, theirs] = twins.each_ref().map(|twin| twin.run(line));
        assert_eq!(ours.code, theirs.code, "{line}: {}", ours.errors);
        assert_eq!(ours.output, theirs.output, "{line}");
        let [ours, theirs] = twins.each_ref().map(|twin| files(twin, "data"));
        assert_eq!(ours, theirs, "{line}");
        let [ours, theirs] = twins.each_ref().map(|twin| files(twin, ".dvc/cache"));
        assert_eq!(ours, theirs, "{line}");
    };
    for twin in &twins {
        succeed(twin, "push -q");
        remove(twin, ".dvc/cache");
        remove(twin, "data");
    }
    both("fetch data/sub");
    assert_eq!(files(&twins[0], ".dvc/cache").len(), 3);
    both("checkout data/sub");
    assert_eq!(files(&twins[0], "data").len(), 2);
    both("pull data/a");
    assert_eq!(files(&twins[0], "data").len(), 3);

    // What is there besides, and outside of the part, is not touched; what is saved nowhere is not
    // overwritten.
    for twin in &twins {
        twin.project.write("data/a", "mine\n");
        twin.project.write("data/sub/b", "changed\n");
        twin.project.write("data/sub/extra/x", "new\n");
    }
    both("checkout -q data/sub");
    both("checkout -f data/sub");
    assert_eq!(twins[0].project.read("data/a"), "mine\n");
    assert_eq!(twins[0].project.read("data/sub/b"), "22\n");
    both("status -c data/sub");
    let trash = files(&twins[0], ".ketch/trash");
    assert_eq!(trash.len(), 2, "{trash:?}");

    // DVC gets all of the directory for a place that it does not have; that is a mistake here.
    let answer = twins[0].run("fetch data/nope");
    assert_eq!(answer.code, Some(1));
    assert!(answer.errors.contains("data/nope"), "{}", answer.errors);
}

/// DVC sends the manifest with the first part and from then on believes that the remote has it all.
#[test]
fn a_part_that_was_pushed_is_not_taken_for_the_whole() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("data/a", "1\n");
    project.write("data/sub/b", "22\n");
    let _ = project.ketch(["add", "data"]).success();
    let storage = project.home().join("storage");
    let _ = project
        .ketch(["remote", "add", "--default", "store", storage.as_str()])
        .success();
    let pushed = project.ketch(["push", "data/sub"]).success();
    assert_eq!(pushed.stdout, "1 file pushed\n");
    let status = project.ketch(["status", "--cloud"]).success();
    assert!(status.stdout.contains("data/a"), "{status}");
    assert!(!status.stdout.contains("data/sub/b"), "{status}");
    let part = project.ketch(["status", "--cloud", "data/sub"]).success();
    assert!(part.stdout.contains("in sync"), "{part}");
    // With the last part the whole is there.
    let pushed = project.ketch(["push", "data/a"]).success();
    assert_eq!(pushed.stdout, "2 files pushed\n");
    let pushed = project.ketch(["push"]).success();
    assert_eq!(pushed.stdout, "Everything is up to date.\n");

    // From below the root, where neither the directory nor the part is there.
    fs_err::remove_dir_all(project.path(".dvc/cache")).unwrap();
    fs_err::remove_dir_all(project.path("data")).unwrap();
    project.write("code/x", "");
    let _ = project
        .ketch(["-C", "code", "pull", "../data/sub/b"])
        .success();
    assert_eq!(project.read("data/sub/b"), "22\n");
    assert!(!project.path("data/a").exists());
    // A link in the way is not followed.
    fs_err::remove_dir_all(project.path("data/sub")).unwrap();
    std::os::unix::fs::symlink(project.home(), project.path("data/sub")).unwrap();
    let refused = project
        .ketch(["checkout", "--force", "data/sub"])
        .failure(3);
    assert!(refused.stderr.contains("`data/sub`"), "{refused}");
    let _ = project
        .ketch(["export", "data/sub", "--to", "../plain"])
        .failure(3);
}

#[test]
fn data_of_other_commits_moves_as_with_dvc() {
    let Some(twins) = with_data() else {
        return;
    };
    for twin in &twins {
        let git = |arguments: &[&str]| _ = twin.project.git(arguments).success();
        commit_all(&twin.project);
        git(&["tag", "v1"]);
        twin.project.write("data/a", "second\n");
        succeed(twin, "add -q data");
        commit_all(&twin.project);
        git(&["branch", "other"]);
        for text in ["third\n", "fourth\n"] {
            twin.project.write("data/a", text);
            succeed(twin, "add -q data");
            commit_all(&twin.project);
        }
    }
    for line in [
        "push", "push -T", "push -a", "push -A", "push -A", "fetch", "fetch -T", "fetch -a",
        "fetch -A",
    ] {
        if line == "fetch" {
            for twin in &twins {
                remove(twin, ".dvc/cache");
            }
        }
        // DVC counts what several commits have several times.
        for twin in &twins {
            succeed(twin, line);
        }
        for folder in [".dvc/cache", "../home/store"] {
            let found = twins.each_ref().map(|twin| files(twin, folder));
            assert_eq!(found[0], found[1], "{folder} after {line}");
        }
    }
    // Each of the four manifests, and the seven files.
    assert_eq!(files(&twins[0], ".dvc/cache").len(), 11);
}

#[test]
fn only_what_is_small_is_fetched_as_with_dvc() {
    let Some(twins) = with_data() else {
        return;
    };
    for twin in &twins {
        twin.project.write("four", "123\n");
        twin.project.write("five", "1234\n");
        succeed(twin, "add -q four five");
        succeed(twin, "push -q");
    }
    for (limit, objects) in [("4", 0), ("5", 1), ("6", 2), ("1000", 7)] {
        let line = format!("fetch --max-size {limit}");
        let found = twins.each_ref().map(|twin| {
            let _ = fs_err::remove_dir_all(twin.project.path(".dvc/cache"));
            (succeed(twin, &line), files(twin, ".dvc/cache"))
        });
        assert_eq!(found[0], found[1], "{line}");
        assert_eq!(found[0].1.len(), objects, "{line}");
    }
}

#[test]
fn what_commit_records_may_stay_unlinked_as_with_dvc() {
    let Some(twins) = with_data() else {
        return;
    };
    let links = twins.each_ref().map(|twin| {
        use std::os::unix::fs::MetadataExt as _;
        succeed(twin, "config cache.type hardlink");
        let links = |path: &str| fs_err::metadata(twin.project.path(path)).unwrap().nlink();
        twin.project.write("data/a", "changed\n");
        succeed(twin, "commit -q -f --no-relink data");
        let left = links("data/a");
        twin.project.write("data/a", "changed again\n");
        succeed(twin, "commit -q -f data");
        (left, links("data/a"), twin.project.read("data.dvc"))
    });
    assert_eq!(links[0], links[1]);
    assert_eq!((links[0].0, links[0].1), (1, 2));
}

#[test]
fn a_project_may_lie_below_the_top_as_with_dvc() {
    let Some(twins) = with_data() else {
        return;
    };
    for twin in &twins {
        fs_err::create_dir(twin.project.path("part")).unwrap();
        assert_ne!(twin.run("init part").code, Some(0));
        succeed(twin, "init -q --subdir part");
        twin.project.write("part/f", "1\n");
        succeed(twin, "--cd part add -q f");
    }
    for path in [
        "part/f.dvc",
        "part/.dvcignore",
        "part/.dvc/.gitignore",
        "part/.dvc/config",
    ] {
        let read = twins.each_ref().map(|twin| twin.project.read(path));
        assert_eq!(read[0], read[1], "{path}");
    }
    let shells = twins.each_ref().map(|twin| {
        let zsh = succeed(twin, "completion -s zsh").contains("#compdef dvc");
        (
            zsh,
            succeed(twin, "completion").contains("dvc"),
            twin.run("completion -s tcsh").code,
        )
    });
    assert_eq!(shells[0], shells[1]);
}
