//! Data goes to a remote and comes back.

use camino::Utf8Path;
use ketch_testkit::TestProject;

use crate::support::project;

#[test]
fn data_is_pushed_lost_and_pulled() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("data/a.csv", "1,2\n");
    project.write("data/b.csv", "3,4\n");
    let _ = project.ketch(["add", "data"]).success();
    let refused = project.ketch(["push"]).failure(3);
    assert!(refused.stderr.contains("remote add"), "{refused}");

    let storage = project.home().join("storage");
    let _ = project
        .ketch(["remote", "add", "--default", "store", storage.as_str()])
        .success();
    let pushed = project.ketch(["push"]).success();
    assert_eq!(pushed.stdout, "3 files pushed\n");
    let again = project.ketch(["push"]).success();
    assert_eq!(again.stdout, "Everything is up to date.\n");

    fs_err::remove_dir_all(project.path(".dvc/cache")).unwrap();
    fs_err::remove_dir_all(project.path("data")).unwrap();
    let fetched = project.ketch(["fetch"]).success();
    assert_eq!(fetched.stdout, "3 files fetched\n");
    let pulled = project.ketch(["pull"]).success();
    assert_eq!(pulled.stdout, "A\tdata\nEverything is up to date.\n");
    assert_eq!(project.read("data/b.csv"), "3,4\n");

    // What is saved nowhere is not overwritten without a word, and then has a way back.
    project.write("data/b.csv", "mine\n");
    let _ = project.ketch(["pull"]).failure(3);
    assert_eq!(project.read("data/b.csv"), "mine\n");
    let forced = project.ketch(["pull", "--force"]).success();
    assert!(forced.stderr.contains(".ketch/trash/"), "{forced}");
    assert_eq!(project.read("data/b.csv"), "3,4\n");
}

#[test]
fn what_is_nowhere_is_told_and_refused() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("model.bin", "weights");
    let _ = project.ketch(["add", "model.bin"]).success();
    let storage = project.home().join("storage");
    let _ = project
        .ketch(["remote", "add", "--default", "store", storage.as_str()])
        .success();
    fs_err::remove_dir_all(project.path(".dvc/cache")).unwrap();
    let fetched = project.ketch(["fetch", "--json"]).failure(1);
    let report: serde_json::Value = serde_json::from_str(&fetched.stdout).unwrap();
    assert_eq!(report["remotes"][0]["missing"].as_array().unwrap().len(), 1);
}

#[test]
fn a_chunked_remote_is_used_the_same_and_exported() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    for number in 0..30 {
        project.write(format!("data/{number}.csv"), format!("{number},2\n"));
    }
    let _ = project.ketch(["add", "data"]).success();
    let storage = project.home().join("storage");
    let _ = project
        .ketch(["remote", "add", "--default", "store", storage.as_str()])
        .success();
    project.write("ketch.toml", "[remote.stroe]\nlayout = \"chunked\"\n");
    let misspelt = project.ketch(["push"]).failure(3);
    assert!(misspelt.stderr.contains("[remote.store]"), "{misspelt}");
    project.write("ketch.toml", "[remote.store]\nlayout = \"chunked\"\n");
    let pushed = project.ketch(["push"]).success();
    assert_eq!(pushed.stdout, "31 files pushed\n");
    assert!(!storage.join("files").exists());

    let checked = project.ketch(["fsck", "--remote", "store"]).success();
    assert!(checked.stdout.starts_with("31 sound objects"), "{checked}");
    assert!(checked.stdout.contains("2 packs of"), "{checked}");
    a_damaged_pack_is_told(&project, &storage);
    fs_err::remove_dir_all(project.path(".dvc/cache")).unwrap();
    fs_err::remove_dir_all(project.path("data")).unwrap();
    let plain = project.home().join("plain");
    let exported = project.ketch(["export", "--to", plain.as_str()]).success();
    assert!(exported.stdout.starts_with("31 objects of"), "{exported}");
    let again = project
        .ketch(["export", "--all", "--json", "--to", plain.as_str()])
        .success();
    let report: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(report["objects"], 0);
    assert_eq!(report["present"], 31);
    assert!(plain.join("files/md5").is_dir());
    let _ = project.ketch(["export", "--to", "store"]).failure(3);

    let pulled = project.ketch(["pull"]).success();
    assert_eq!(pulled.stdout, "A\tdata\n31 files fetched\n");
    assert_eq!(project.read("data/7.csv"), "7,2\n");
    // What the remote lacks is told.
    fs_err::remove_dir_all(&storage).unwrap();
    let _ = project.ketch(["fsck", "--remote", "store"]).failure(1);
    let lost = project.ketch(["export", "--to", plain.as_str()]).failure(1);
    assert!(lost.stderr.contains("is not on remote `store`"), "{lost}");
}

/// Which pack it is, which file cannot be had, and what to do; it does help.
fn a_damaged_pack_is_told(project: &TestProject, storage: &Utf8Path) {
    let packs = storage
        .join("chunked/packs")
        .read_dir_utf8()
        .expect("a folder");
    let largest = packs
        .map(|entry| entry.expect("an entry").into_path())
        .max_by_key(|path| path.metadata().expect("a file").len())
        .expect("a pack");
    let mut bytes = fs_err::read(&largest).expect("a pack");
    bytes[8] ^= 1;
    fs_err::remove_file(&largest).expect("removed");
    fs_err::write(&largest, bytes).expect("written");
    let checked = project.ketch(["fsck", "--remote", "store"]).failure(1);
    let name = format!("chunked/packs/{}", largest.file_name().expect("a name"));
    let lines: Vec<&str> = checked.stdout.lines().collect();
    let damaged = format!("{name} damaged: it is not what its name says");
    assert_eq!(lines[0], damaged, "{checked}");
    let hit: Vec<&&str> = lines
        .iter()
        .filter(|line| line.ends_with(" cannot be pulled as it is recorded"))
        .collect();
    assert!(hit.len() == 1 && hit[0].starts_with("data/"), "{checked}");
    assert!(
        checked.stderr.contains(&format!("remove `{name}`")),
        "{checked}"
    );
    fs_err::remove_file(&largest).expect("removed");
    let _ = project.ketch(["push"]).success();
    let _ = project.ketch(["fsck", "--remote", "store"]).success();
}

#[test]
fn results_of_runs_go_along_when_asked_for() {
    let project = crate::support::pipeline();
    let _ = project.ketch(["repro"]).success();
    let _ = project
        .ketch(["remote", "add", "-d", "st", "../store"])
        .success();
    let sent = project.ketch(["push", "--run-cache"]).success();
    assert!(
        sent.stdout.ends_with("2 results of the run cache pushed\n"),
        "{sent}"
    );
    fs_err::remove_dir_all(project.path(".dvc/cache")).expect("removed");
    let got = project.ketch(["--json", "fetch", "--run-cache"]).success();
    let report: serde_json::Value = serde_json::from_str(&got.stdout).expect("JSON");
    assert_eq!(report["run_cache"]["runs"], 2);
    assert_eq!(report["remotes"][0]["remote"], "st");
}
