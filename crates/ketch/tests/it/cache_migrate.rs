//! `ketch cache migrate`, as people see it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::support::project;

#[test]
fn objects_and_entries_of_dvc_2_become_those_of_dvc_3() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    // The hash of DVC 2 of this text, whose line ends do not count.
    let place = ".dvc/cache/dd/8c6a395b5dd36c56d23275028f526c";
    project.write(place, "a\r\nb\r\n");
    fs_err::set_permissions(project.path(place), Permissions::from_mode(0o444)).expect("a mode");
    project.write("x.txt", "a\r\nb\r\n");
    project.write(
        "x.txt.dvc",
        "outs:\n- md5: dd8c6a395b5dd36c56d23275028f526c\n  size: 6\n  path: x.txt\n",
    );
    let status = project.ketch(["status"]).success();
    assert!(!status.stdout.contains("modified"), "{status}");
    let dry = project
        .ketch(["cache", "migrate", "--dvc-files", "--dry"])
        .success();
    assert_eq!(
        dry.stdout,
        "1 object of DVC 2 would get a place in DVC 3's cache.\nx.txt.dvc would be rewritten\n"
    );
    let done = project.ketch(["cache", "migrate", "--dvc-files"]).success();
    assert_eq!(
        done.stdout,
        "1 object of DVC 2 has a place in DVC 3's cache.\nx.txt.dvc rewritten\n"
    );
    assert_eq!(
        project.read("x.txt.dvc"),
        "outs:\n- md5: 59b0d7772f0561efb95518f3cb8abc60\n  size: 6\n  path: x.txt\n  hash: md5\n"
    );
    assert!(
        project
            .path(".dvc/cache/files/md5/59/b0d7772f0561efb95518f3cb8abc60")
            .exists()
    );
    project.write(
        "y.dvc",
        "outs:\n- md5: 11111111111111111111111111111111\n  path: y\n",
    );
    let left = project
        .ketch(["cache", "migrate", "--dvc-files"])
        .failure(1);
    assert!(left.stderr.contains("the entry of `y` was left"), "{left}");
}
