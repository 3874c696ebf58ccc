//! Remotes with `layout = "chunked"`: the same commands, and DVC's layout out of them.

use std::fmt::Write as _;
use std::time::Duration;

use camino::Utf8Path;
use ketch_project::{
    ExportOptions, ExportReport, Exported, GcMode, GcOptions, Keep, PackGarbage, Project,
    ProjectError, PullOptions, Reachable, RemoteChoice, RemoteState, TransferSelection, export,
    fetch, gc, pull, push, remote_fsck, remote_status, status,
};
use ketch_store::{Silent, StoreError};

use crate::interop::Dvc;
use crate::sandbox::Sandbox;
use crate::transfer::{add_data, clone, forget, kill, push_all, states, with_data};

const CHUNKED: &str = "[remote.st]\nlayout = \"chunked\"\n";

fn chunked(files: usize) -> Sandbox {
    let sandbox = with_data(files);
    sandbox.write("ketch.toml", CHUNKED);
    sandbox.commit("chunked");
    sandbox
}

fn to(project: &Project, place: &str, what: Exported) -> Result<ExportReport, ProjectError> {
    let options = ExportOptions {
        from: RemoteChoice::default(),
        to: place.to_owned(),
        directory: project.root().to_owned(),
        what,
    };
    export(project, &options, &Silent)
}

fn files(folder: &Utf8Path) -> usize {
    folder.read_dir_utf8().map_or(0, Iterator::count)
}

#[test]
fn the_commands_are_the_same() {
    let sandbox = chunked(300);
    let both = |state| vec![("data".to_owned(), state), ("model.bin".to_owned(), state)];
    assert_eq!(states(&sandbox), both(RemoteState::New));
    assert_eq!(push_all(&sandbox.open()).objects(), 303);
    assert_eq!(push_all(&sandbox.open()).objects(), 0);
    assert_eq!(states(&sandbox), both(RemoteState::InSync));
    let store = sandbox.outside().join("store");
    assert!(!store.join("files").exists());
    assert_eq!(
        files(&store.join("chunked/packs")),
        2,
        "files, then a manifest"
    );
    assert!(
        files(&sandbox.root.join(".ketch/remotes/st")) > 0,
        "indexes stay here"
    );

    forget(&sandbox);
    assert_eq!(states(&sandbox), both(RemoteState::Deleted));
    let report = pull(&sandbox.open(), &PullOptions::default(), &Silent).unwrap();
    assert_eq!(report.fetch.objects(), 303);
    assert_eq!(sandbox.read("data/3/13"), "content 13");
    assert!(status(&sandbox.open(), &Silent).unwrap().is_clean());

    forget(&sandbox);
    fs_err::remove_dir_all(&store).unwrap();
    assert_eq!(states(&sandbox), both(RemoteState::Missing));
    let report = fetch(&sandbox.open(), &TransferSelection::default(), &Silent).unwrap();
    assert!(!report.is_complete());
}

#[test]
fn a_misspelt_remote_or_layout_is_told() {
    let sandbox = chunked(1);
    let fail = |text: &str| {
        sandbox.write("ketch.toml", text);
        let project = Project::open(&sandbox.root)?;
        push(&project, &TransferSelection::default(), &Silent).map(drop)
    };
    let error = fail("[remote.ts]\nlayout = \"chunked\"\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`ketch.toml` has a table `remote.ts`, but there is no remote `ts`"
    );
    assert!(error.hint().unwrap().contains("ketch remote add ts URL"));
    let error = fail("[remote.stt]\nlayout = \"chunked\"\n").unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean `[remote.st]`?"));
    let error = fail("[remote.st]\nlayout = \"chunkd\"\n").unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("did you mean `chunked`?"));
    fail("[remote.ST]\nlayout = \"chunked\"\n").unwrap();
    assert!(sandbox.outside().join("store/chunked").exists());
}

#[test]
fn a_remote_that_cannot_be_listed_is_told() {
    let sandbox = chunked(1);
    let config = sandbox.read(".dvc/config");
    sandbox.write(
        ".dvc/config",
        config.replace("url = ../../store", "url = http://127.0.0.1:9/store"),
    );
    let error = fetch_lost(&sandbox);
    assert!(error.to_string().contains("cannot be listed"), "{error}");
    assert!(error.hint().unwrap().contains("ketch export"));
}

fn fetch_lost(sandbox: &Sandbox) -> StoreError {
    forget(sandbox);
    match fetch(&sandbox.open(), &TransferSelection::default(), &Silent) {
        Err(ProjectError::Store(StoreError::Remote(
            ketch_store::remote::RemoteError::Incomplete { source, .. },
        ))) => *source,
        Err(ProjectError::Store(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn either_layout_is_checked() {
    for text in ["", CHUNKED] {
        let sandbox = with_data(20);
        sandbox.write("ketch.toml", text);
        let check = || remote_fsck(&sandbox.open(), &RemoteChoice::default(), &Silent).unwrap();
        let before = check();
        assert!(!before.is_sound());
        assert_eq!(before.check.missing.len(), 23);
        push_all(&sandbox.open());
        let after = check();
        assert!(after.is_sound(), "{after:?}");
        assert_eq!(after.check.sound, 23);

        let store = sandbox.outside().join("store");
        let folder = if text.is_empty() {
            "files"
        } else {
            "chunked/packs"
        };
        let victim = walk(&store.join(folder))
            .into_iter()
            .max_by_key(|path| path.metadata().unwrap().len())
            .unwrap();
        let mut bytes = fs_err::read(&victim).unwrap();
        bytes[10] ^= 1;
        fs_err::remove_file(&victim).unwrap();
        fs_err::write(&victim, bytes).unwrap();
        let report = check();
        let damaged = &report.check.damaged;
        assert!(!damaged.is_empty());
        let name = victim.file_name().unwrap();
        assert!(damaged[0].problem.contains(name), "{damaged:?}");
        // Who needs them is told by name.
        assert_eq!(report.hit.len(), damaged.len(), "{report:?}");
        for path in &report.hit {
            assert!(sandbox.exists(path.as_str()), "{path}");
        }
        assert!(report.hint().unwrap().contains("push"), "{report:?}");
        let packs = report.packs.iter().flat_map(|packs| packs.damaged.keys());
        assert_eq!(packs.count(), usize::from(!text.is_empty()));
        // The hint helps.
        fs_err::remove_file(&victim).unwrap();
        assert!(!check().is_sound());
        push_all(&sandbox.open());
        assert!(check().is_sound());
    }
}

#[test]
fn what_is_not_used_makes_room() {
    let sandbox = chunked(30);
    let mut noise = 0x9e37_79b9_u64;
    let mut table = |rows: usize| {
        let mut text = String::new();
        for _ in 0..rows {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005) ^ (noise >> 29);
            writeln!(text, "{noise}").unwrap();
        }
        text
    };
    sandbox.write("data/goes", table(30_000));
    sandbox.write("data/stays", table(10_000));
    add_data(&sandbox.open(), "data");
    sandbox.commit("two tables");
    push_all(&sandbox.open());
    let store = sandbox.outside().join("store/chunked");
    let size = || -> u64 {
        let packs = walk(&store.join("packs"));
        packs
            .iter()
            .map(|path| path.metadata().unwrap().len())
            .sum()
    };
    let before = size();
    fs_err::remove_file(sandbox.root.join("data/goes")).unwrap();
    add_data(&sandbox.open(), "data");
    sandbox.commit("one table");
    push_all(&sandbox.open());

    let collect = |mode| -> PackGarbage {
        let options = GcOptions {
            keep: vec![Keep::Workspace],
            reachable: Reachable::Collect,
            mode,
            quarantine: "now".to_owned(),
            remote: Some(RemoteChoice::default()),
            ..GcOptions::default()
        };
        let report = gc(&sandbox.open(), &options).unwrap();
        report.remote.unwrap().packs.unwrap()
    };
    assert_eq!(collect(GcMode::Dry).repacked.packs, 0, "all is used");
    let first = collect(GcMode::Quarantine);
    assert_eq!(first.repacked.packs, 1);
    assert!(
        first.repacked.won * 5 > first.repacked.size * 3,
        "{first:?}"
    );
    assert!(first.set_aside.packs >= 1, "{first:?}");
    assert!(size() >= before, "nothing is deleted at first");
    let dry = collect(GcMode::Dry);
    assert_eq!(dry.set_aside, first.set_aside);
    let second = collect(GcMode::EmptyQuarantine);
    assert_eq!(second.deleted, first.set_aside);
    assert_eq!((second.repacked.packs, second.set_aside.packs), (0, 0));
    assert!(size() * 2 < before, "{} of {before}", size());

    assert!(
        remote_fsck(&sandbox.open(), &RemoteChoice::default(), &Silent)
            .unwrap()
            .is_sound()
    );
    forget(&sandbox);
    let report = pull(&sandbox.open(), &PullOptions::default(), &Silent).unwrap();
    assert!(report.fetch.is_complete());
    assert!(status(&sandbox.open(), &Silent).unwrap().is_clean());
}

/// A push may rely on a chunk that nothing uses now.
#[test]
fn damage_that_hits_no_object_is_found_too() {
    let sandbox = chunked(5);
    push_all(&sandbox.open());
    let packs = sandbox.outside().join("store/chunked/packs");
    sandbox.write(&format!("{packs}/{}", "0".repeat(64)), "no pack");
    let report = remote_fsck(&sandbox.open(), &RemoteChoice::default(), &Silent).unwrap();
    assert!(!report.is_sound());
    assert_eq!((report.hit.len(), report.check.damaged.len()), (0, 0));
    assert_eq!(report.packs.as_ref().unwrap().unused, 1);
    let hint = report.hint().unwrap();
    assert!(hint.contains("chunked/packs/00000"), "{hint}");
}

#[test]
fn dvc_pulls_from_what_was_exported() {
    let sandbox = chunked(40);
    sandbox.write("data/table.csv", "1,2,3\n".repeat(200_000));
    add_data(&sandbox.open(), "data");
    let before = sandbox.commit("a table");
    push_all(&sandbox.open());
    // An earlier state stays on the remote.
    sandbox.write("data/later", "later");
    add_data(&sandbox.open(), "data");
    sandbox.commit("later");
    push_all(&sandbox.open());
    forget(&sandbox);

    let project = sandbox.open();
    let report = to(&project, "../dvc-store", Exported::Targets(Vec::new())).unwrap();
    assert_eq!(
        (report.transfer.objects, report.transfer.missing.len()),
        (45, 0)
    );
    let again = to(&project, "../dvc-store", Exported::Targets(Vec::new())).unwrap();
    assert_eq!((again.transfer.objects, again.transfer.present), (0, 45));
    let everything = to(&project, "../dvc-store", Exported::Everything).unwrap();
    assert_eq!(everything.transfer.objects, 1, "the earlier manifest");
    assert!(!sandbox.exists(".dvc/cache"), "the cache is not needed");

    let one = Exported::Targets(vec!["model.bin.dvc".to_owned()]);
    assert_eq!(to(&project, "../one", one).unwrap().transfer.objects, 1);
    let error = to(&project, "st", Exported::Everything).unwrap_err();
    assert!(
        error.to_string().contains("cannot take DVC's layout"),
        "{error}"
    );
    // Beside the chunks, where ketch then reads it too.
    let same = sandbox.outside().join("store");
    let beside = to(&project, same.as_str(), Exported::Everything).unwrap();
    assert_eq!(beside.transfer.objects, 46);

    let Some(dvc) = Dvc::find(&sandbox) else {
        return;
    };
    let theirs = clone(&sandbox, "theirs");
    dvc.run(
        &theirs,
        &["remote", "add", "-f", "-d", "st", "../dvc-store"],
    );
    for commit in [None, Some(before)] {
        if let Some(commit) = commit {
            sandbox.git(&[
                "-C",
                theirs.as_str(),
                "checkout",
                "--force",
                "--quiet",
                &commit,
            ]);
            dvc.run(
                &theirs,
                &["remote", "add", "-f", "-d", "st", "../dvc-store"],
            );
            sandbox.git(&["checkout", "--quiet", &commit]);
        }
        dvc.run(&theirs, &["pull", "--force"]);
        pull(&sandbox.open(), &PullOptions::default(), &Silent).unwrap();
        let mut compared = 0;
        for path in walk(&sandbox.root.join("data")) {
            let relative = path.strip_prefix(&sandbox.root).unwrap();
            let (ours, other) = (fs_err::read(&path), fs_err::read(theirs.join(relative)));
            assert!(ours.unwrap() == other.unwrap(), "{relative}");
            compared += 1;
        }
        assert!(compared >= 42, "{compared}");
        assert_eq!(walk(&theirs.join("data")).len(), compared);
        let text = dvc.run(&theirs, &["status", "-c"]);
        assert!(text.contains("in sync"), "{text}");
    }
}

fn walk(folder: &Utf8Path) -> Vec<camino::Utf8PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_killed_push_is_never_believed_and_goes_on() {
    let sandbox = chunked(600);
    for number in 0..6 {
        let mut lines = String::new();
        for line in 1..60_000_u64 {
            writeln!(lines, "{}", line * (number + 1) * 0x9e37_79b9).unwrap();
        }
        sandbox.write(&format!("data/large-{number}"), lines);
    }
    add_data(&sandbox.open(), "data");
    let store = sandbox.outside().join("store");
    let mut cut_short = 0;
    for run in 0..10_u64 {
        // Half of them go on from where the one before was killed.
        if run % 2 == 0 && store.exists() {
            fs_err::remove_dir_all(&store).unwrap();
        }
        let delay = Duration::from_millis(run * 20);
        kill(&sandbox, "pushing_victim", &store.join("chunked"), delay);
        let report = remote_status(&sandbox.open(), &TransferSelection::default()).unwrap();
        let data = &report.outputs[0];
        cut_short += usize::from(data.state == RemoteState::New);
        // Whatever is believed to be there can be read.
        let theirs = sandbox.outside().join("theirs");
        if theirs.exists() {
            fs_err::remove_dir_all(&theirs).unwrap();
        }
        sandbox.git(&["clone", "--quiet", ".", theirs.as_str()]);
        fs_err::copy(sandbox.root.join("data.dvc"), theirs.join("data.dvc")).unwrap();
        let project = Project::open(&theirs).unwrap();
        let fetched = fetch(&project, &TransferSelection::default(), &Silent).unwrap();
        if data.state == RemoteState::InSync {
            assert!(fetched.remotes[0].transfer.missing.len() <= 1, "run {run}");
        }
    }
    assert!(cut_short > 0, "no run was killed early enough");
    push_all(&sandbox.open());
    forget(&sandbox);
    let report = pull(&sandbox.open(), &PullOptions::default(), &Silent).unwrap();
    assert!(report.fetch.is_complete());
    assert!(status(&sandbox.open(), &Silent).unwrap().is_clean());
}
