//! Data on a web server that takes uploads, by either tool.

use ketch_testkit::{WebServer, peer};

use crate::support::project;

#[test]
fn data_goes_to_a_web_server_and_comes_back_by_either_tool() {
    let Some(server) = WebServer::start() else {
        return;
    };
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    for number in 0..20 {
        project.write(format!("data/{number}.csv"), format!("{number},2\n"));
    }
    let _ = project.ketch(["add", "data"]).success();
    let url = server.url("open/store");
    let _ = project
        .ketch(["remote", "add", "--default", "web", &url])
        .success();
    // DVC's own default is POST, which this server has no use for.
    let refused = project.ketch(["push"]).failure(3);
    assert!(refused.stderr.contains("method PUT"), "{refused}");
    let modify = ["remote", "modify", "web", "method", "PUT"];
    let _ = project.ketch(modify).success();
    let pushed = project.ketch(["push"]).success();
    assert_eq!(pushed.stdout, "21 files pushed\n");
    let again = project.ketch(["push"]).success();
    assert_eq!(again.stdout, "Everything is up to date.\n");

    let Some(dvc) = peer("dvc/bin/dvc") else {
        return;
    };
    let by_dvc = |arguments: &[&str]| {
        let output = project.command(&dvc).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let lose = |what: &[&str]| {
        for path in what {
            fs_err::remove_dir_all(project.path(path)).unwrap();
        }
    };
    lose(&["data", ".dvc/cache"]);
    by_dvc(&["pull", "--quiet"]);
    assert_eq!(project.read("data/7.csv"), "7,2\n");

    // And the other way.
    project.write("data/new.csv", "new\n");
    by_dvc(&["add", "--quiet", "data"]);
    by_dvc(&["push", "--quiet"]);
    lose(&["data", ".dvc/cache"]);
    let pulled = project.ketch(["pull"]).success();
    assert!(pulled.stdout.contains("A\tdata"), "{pulled}");
    assert_eq!(project.read("data/new.csv"), "new\n");
    let state = by_dvc(&["status", "--cloud"]);
    assert!(state.contains("in sync"), "{state}");
    let state = project.ketch(["status", "--cloud"]).success();
    assert!(state.stdout.contains("in sync"), "{state}");
}
