//! Remotes that keep versions: `SeaweedFS` with versions kept, beside DVC with its S3 part, and alone.

use ketch_project::{
    CheckoutOptions, History, Moved, PullOptions, RecordOptions, RemoteChoice, RemoteState,
    TransferSelection, checkout, fetch, pull, push, record, remote_fsck, remote_status, status,
};
use ketch_store::Silent;
use ketch_testkit::SeaweedFs;

use crate::interop::Dvc;
use crate::sandbox::Sandbox;
use crate::transfer::{add_data, push_all, states};

/// A server without accounts. Its bucket `ver` keeps versions, `plain` does not.
pub(crate) struct Server(SeaweedFs);

impl Server {
    pub(crate) fn start() -> Option<Self> {
        let server = Self(SeaweedFs::start(None)?);
        let versions =
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        server.until_done("ver", "");
        server.until_done("ver?versioning", versions);
        server.until_done("plain", "");
        server.until_done("plain/warm", "x");
        Some(server)
    }

    pub(crate) fn until_done(&self, path: &str, body: &str) {
        let done = || self.put(path, body) == Some(200);
        self.0.wait_until(path, done).unwrap();
    }

    pub(crate) fn until_gone(&self, path: &str) {
        let line = format!("DELETE /{path}");
        let gone = || self.0.request(self.0.s3, &line, "") == Some(204);
        self.0.wait_until(path, gone).unwrap();
    }

    /// Where S3 is.
    pub(crate) fn port(&self) -> u16 {
        self.0.s3
    }

    /// The status of the answer, if there is one.
    fn put(&self, path: &str, body: &str) -> Option<u16> {
        self.0.request(self.0.s3, &format!("PUT /{path}"), body)
    }

    /// The section of a remote.
    fn remote(&self, name: &str, url: &str, option: &str) -> String {
        format!(
            "['remote \"{name}\"']\n    url = s3://{url}\n    endpointurl = http://127.0.0.1:{}\n    access_key_id = AK\n    secret_access_key = SK\n    {option}\n",
            self.0.s3
        )
    }

    /// Two remotes that keep versions in two ways; the first is the default one.
    pub(crate) fn configure(&self, sandbox: &Sandbox, prefix: &str) {
        let text = "[core]\n    remote = ver\n".to_owned()
            + &self.remote("ver", &format!("ver/{prefix}"), "version_aware = true")
            + &self.remote("wt", &format!("ver/{prefix}-tree"), "worktree = true");
        sandbox.write(".dvc/config", text);
    }
}

/// A directory, a file, and a stage with one of each; with somebody's comments.
fn with_data(sandbox: &Sandbox) {
    sandbox.write("d/s/y", "2\n");
    sandbox.write("d/x", "1\n");
    sandbox.write("sub/model.bin", "m\n");
    sandbox.write(
        "dvc.yaml",
        "stages:\n  make:\n    cmd: mkdir -p o; echo made > o/a; echo f > out.txt\n    outs:\n    - o\n    - out.txt\n",
    );
    for target in ["d", "sub/model.bin"] {
        add_data(&sandbox.open(), target);
    }
    sandbox.repro();
    let file = sandbox.read("d.dvc");
    sandbox.write("d.dvc", format!("# mine\n{file}"));
    let file = sandbox.read("sub/model.bin.dvc");
    sandbox.write(
        "sub/model.bin.dvc",
        file.replace("size: 2", "size: 2 # how much"),
    );
    sandbox.commit("data");
}

fn forget(sandbox: &Sandbox) {
    for path in [".dvc/cache", "d", "sub/model.bin", "o", "out.txt"] {
        sandbox.remove(path);
    }
}

fn to(remote: &str) -> TransferSelection {
    TransferSelection {
        remote: RemoteChoice {
            name: Some(remote.to_owned()),
            ..RemoteChoice::default()
        },
        ..TransferSelection::default()
    }
}

fn pull_all(sandbox: &Sandbox) -> Moved {
    let report = pull(&sandbox.open(), &PullOptions::default(), &Silent).unwrap();
    assert!(report.fetch.is_complete());
    report.fetch
}

/// The files that record versions, with every version's id masked.
fn records(sandbox: &Sandbox) -> String {
    ["d.dvc", "sub/model.bin.dvc", "dvc.lock"]
        .map(|file| sandbox.read(file))
        .concat()
        .lines()
        .map(|line| match line.split_once("version_id: ") {
            Some((before, id)) => format!("{before}version_id: {}\n", "x".repeat(id.len())),
            None => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn every_recorded_version_comes_back() {
    let Some(server) = Server::start() else {
        return;
    };
    let sandbox = Sandbox::new();
    with_data(&sandbox);
    server.configure(&sandbox, "alone");
    let all = |state| ["d", "sub/model.bin", "o", "out.txt"].map(|path| (path.to_owned(), state));
    assert_eq!(states(&sandbox), all(RemoteState::New));
    let moved = push_all(&sandbox.open());
    assert_eq!(moved.objects(), 5);
    assert_eq!(
        moved.changed_files,
        ["d.dvc", "dvc.lock", "sub/model.bin.dvc"]
    );
    assert!(status(&sandbox.open(), &Silent).unwrap().is_clean());
    assert_eq!(states(&sandbox), all(RemoteState::InSync));
    let first = sandbox.commit("pushed");

    let again = push_all(&sandbox.open());
    assert_eq!((again.objects(), again.changed_files.len()), (0, 0));
    let pushed = sandbox.read("d.dvc");
    assert!(
        pushed.starts_with("# mine\n") && pushed.contains("      ver:\n"),
        "{pushed}"
    );
    assert!(!pushed.contains(".dir"), "{pushed}");

    // One file is changed, one goes, one is new: what stays keeps its version.
    sandbox.write("d/x", "11\n");
    sandbox.write("d/z", "3\n");
    sandbox.write("sub/model.bin", "mm\n");
    record(&sandbox.open(), &RecordOptions::default(), &Silent).unwrap();
    let recorded = sandbox.read("d.dvc");
    assert_eq!(recorded.matches("version_id").count(), 1, "{recorded}");
    assert!(!sandbox.read("sub/model.bin.dvc").contains("cloud"));
    assert_eq!(push_all(&sandbox.open()).objects(), 3);
    assert_eq!(sandbox.read("d.dvc").matches("version_id").count(), 3);
    sandbox.commit("changed");

    forget(&sandbox);
    assert_eq!(states(&sandbox), all(RemoteState::Deleted));
    assert_eq!(pull_all(&sandbox).objects(), 6);
    assert_eq!(sandbox.read("d/x"), "11\n");

    // The versions of then, though others have taken their places since.
    sandbox.git(&["checkout", "--quiet", &first]);
    server.configure(&sandbox, "alone");
    forget(&sandbox);
    assert_eq!(pull_all(&sandbox).objects(), 5);
    assert_eq!(sandbox.read("d/x"), "1\n");
    assert_eq!(sandbox.read("sub/model.bin"), "m\n");
    assert!(!sandbox.exists("d/z"));
    assert!(status(&sandbox.open(), &Silent).unwrap().is_clean());

    let sound = |name: &str| {
        let choice = to(name).remote;
        remote_fsck(&sandbox.open(), &choice, &Silent)
            .unwrap()
            .is_sound()
    };
    assert!(sound("ver"));
    assert!(!sound("wt"), "nothing was pushed there");

    // Without its manifest in the cache a directory is still known by its record.
    let manifest = |sandbox: &Sandbox| {
        let folder = sandbox.root.join(".dvc/cache/files/md5/cf");
        folder.join("3997d11c7c790ed92e4fafb3a2f9d0.dir")
    };
    fs_err::remove_file(manifest(&sandbox)).unwrap();
    sandbox.remove("d");
    checkout(&sandbox.open(), &CheckoutOptions::default(), &Silent).unwrap();
    assert_eq!(sandbox.read("d/s/y"), "2\n");

    let past = TransferSelection {
        history: History::Commits,
        ..TransferSelection::default()
    };
    let error = push(&sandbox.open(), &past, &Silent).unwrap_err();
    assert!(error.to_string().contains("keeps versions"), "{error}");
}

#[test]
fn a_second_remote_takes_over_and_loses_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let sandbox = Sandbox::new();
    with_data(&sandbox);
    server.configure(&sandbox, "two");
    push_all(&sandbox.open());
    let first = records(&sandbox);
    assert_eq!(
        push(&sandbox.open(), &to("wt"), &Silent).unwrap().objects(),
        5
    );
    // DVC 3.67.1 leaves `files: []` here.
    let second = records(&sandbox);
    assert_eq!(second, first.replace("ver:\n", "wt:\n"));
    forget(&sandbox);
    assert_eq!(pull_all(&sandbox).remotes[0].remote, "wt");
    // What the first one has is seen to be the same, and not sent again.
    let back = push(&sandbox.open(), &to("ver"), &Silent).unwrap();
    assert_eq!(back.objects(), 0);
    assert_eq!(records(&sandbox), first);

    // The newest version in a work tree is what this work tree has, even if it was there before.
    let change = |content: &str| {
        sandbox.write("sub/model.bin", content);
        record(&sandbox.open(), &RecordOptions::default(), &Silent).unwrap();
    };
    push(&sandbox.open(), &to("wt"), &Silent).unwrap();
    let before = sandbox.read("sub/model.bin.dvc");
    change("other\n");
    assert_eq!(
        push(&sandbox.open(), &to("wt"), &Silent).unwrap().objects(),
        1
    );
    sandbox.write("sub/model.bin.dvc", before);
    sandbox.write("sub/model.bin", "m\n");
    let state = remote_status(&sandbox.open(), &to("wt")).unwrap();
    assert_eq!(state.outputs[1].state, RemoteState::New, "{state:?}");
    assert_eq!(
        push(&sandbox.open(), &to("wt"), &Silent).unwrap().objects(),
        1
    );
    assert!(
        remote_status(&sandbox.open(), &to("wt"))
            .unwrap()
            .is_in_sync()
    );

    // A version that is gone, and a record that is wrong: said, and nothing is kept.
    forget(&sandbox);
    let file = sandbox.read("sub/model.bin.dvc");
    let md5 = "69b64623f86def16ce17d454b8be41ae";
    sandbox.write(
        "sub/model.bin.dvc",
        file.replace(
            &format!("md5: {md5}"),
            "md5: 11111111111111111111111111111111",
        ),
    );
    let only = TransferSelection {
        targets: vec!["sub/model.bin.dvc".to_owned()],
        ..TransferSelection::default()
    };
    let error = fetch(&sandbox.open(), &only, &Silent).unwrap_err();
    assert!(error.to_string().contains(md5), "{error}");
    let at = file.find("version_id: ").unwrap() + "version_id: ".len();
    let gone = format!("{}{}\n", &file[..at], "0".repeat(32));
    sandbox.write("sub/model.bin.dvc", gone);
    assert!(
        !fetch(&sandbox.open(), &only, &Silent)
            .unwrap()
            .is_complete()
    );

    // Where no versions are kept nothing may be recorded.
    let plain = "[core]\n    remote = plain\n".to_owned()
        + &server.remote("plain", "plain/x", "version_aware = true");
    sandbox.write(".dvc/config", plain);
    sandbox.write("new.txt", "new");
    add_data(&sandbox.open(), "new.txt");
    let before = sandbox.read("new.txt.dvc");
    let only = TransferSelection {
        targets: vec!["new.txt".to_owned()],
        ..TransferSelection::default()
    };
    let error = push(&sandbox.open(), &only, &Silent).unwrap_err();
    assert_eq!(
        error.to_string(),
        "remote `plain` keeps no versions of its objects"
    );
    assert!(error.hint().unwrap().contains("turn on versioning"));
    assert_eq!(sandbox.read("new.txt.dvc"), before);
}

/// A project of ours, one of DVC's beside it, and where both push to; nothing where one is missing.
pub(crate) fn beside_dvc() -> Option<(Sandbox, Sandbox, Dvc, Server)> {
    let (ours, theirs) = (Sandbox::new(), Sandbox::new());
    let dvc = Dvc::find_with(&theirs, "s3")?;
    Some((ours, theirs, dvc, Server::start()?))
}

#[test]
fn dvc_and_ours_push_and_pull_the_same() {
    let Some((ours, theirs, dvc, server)) = beside_dvc() else {
        return;
    };
    for (sandbox, prefix) in [(&ours, "ours"), (&theirs, "theirs")] {
        with_data(sandbox);
        server.configure(sandbox, prefix);
    }
    push_all(&ours.open());
    dvc.run(&theirs.root, &["push", "--quiet"]);
    assert_eq!(records(&ours), records(&theirs));

    // Each gets what the other one pushed.
    forget(&ours);
    dvc.run(&ours.root, &["pull", "--quiet"]);
    forget(&theirs);
    assert_eq!(pull_all(&theirs).objects(), 5);
    for sandbox in [&ours, &theirs] {
        assert_eq!(sandbox.read("d/s/y"), "2\n");
        assert_eq!(sandbox.read("o/a"), "made\n");
        assert!(status(&sandbox.open(), &Silent).unwrap().is_clean());
        assert_eq!(dvc.run(&sandbox.root, &["status", "--json"]).trim(), "{}");
    }

    for sandbox in [&ours, &theirs] {
        sandbox.write("d/z", "3\n");
        sandbox.remove("d/x");
        sandbox.write("sub/model.bin", "mm\n");
    }
    record(&ours.open(), &RecordOptions::default(), &Silent).unwrap();
    // Of a stage's directory DVC forgets the versions, changed or not; ours does not.
    let changed = ["d.dvc", "sub/model.bin.dvc"];
    dvc.run(
        &theirs.root,
        &["commit", "--quiet", "--force", changed[0], changed[1]],
    );
    assert_eq!(records(&ours), records(&theirs));
    push_all(&ours.open());
    dvc.run(&theirs.root, &["push", "--quiet"]);
    assert_eq!(records(&ours), records(&theirs));
    assert!(push_all(&theirs.open()).changed_files.is_empty());
}
