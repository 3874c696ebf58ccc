//! Called by the name of `dvc`, ketch answers as DVC 3.67.1 does: the same steps by either, and
//! what each prints and ends with.

use std::collections::BTreeMap;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_testkit::{TestProject, peer};
use serde_json::Value;

use crate::support::project;

/// One thing that happens in both repositories.
pub(crate) enum Step {
    /// Both print the same on standard output and end the same.
    Same(&'static str),
    /// The same lines in whatever order: DVC's comes from sets.
    Lines(&'static str),
    /// The same JSON, lists in whatever order.
    Json(&'static str),
    /// Both end the same; both say an error or none. The words are each one's own.
    Ends(&'static str),
    Write(&'static str, &'static str),
    Remove(&'static str),
    Commit,
    /// Both have the same files with the same content, but for the cache and what each keeps for
    /// itself.
    Files,
    /// Both have the same content in a file.
    File(&'static str),
}

use Step::{Commit, Ends, Json, Lines, Remove, Same, Write};

/// About sixty command lines, in the order of a project's life.
const STORY: &[Step] = &[
    Ends("status"),
    Ends("root"),
    Ends("init"),
    Ends("init"),
    Same("status"),
    Ends("add missing"),
    Ends("add"),
    Ends("add --bogus"),
    Ends("nosuch"),
    Ends(""),
    Same("--version"),
    Same("-V"),
    Write("data/a", "1\n"),
    Write("data/b", "22\n"),
    Write("data/sub/c", "333\n"),
    Write("f.csv", "x,y\n"),
    Lines("add data f.csv"),
    Lines("add data f.csv"),
    Ends("add --quiet data"),
    Same("status"),
    Same("status -q"),
    Same("data status"),
    Commit,
    Same("data status"),
    Same("data st --bogus"),
    Ends("push"),
    Same("remote add -d st ../store"),
    Same("remote list"),
    Same("remote default"),
    Ends("remote add st ../other"),
    Ends("remote modify nope url x"),
    Ends("remote remove nope"),
    Ends("config core.bogus 1"),
    Same("config core.remote"),
    Same("config core.analytics"),
    Ends("config -u core.analytics"),
    Same("config -l"),
    Same("config --list --show-origin"),
    Same("config --global core.checksum_jobs 3"),
    Same("config --local core.autostage false"),
    Same("config -l --show-origin"),
    Same("config --global core.checksum_jobs"),
    Commit,
    Lines("status -c"),
    Same("push"),
    Same("push"),
    Same("status --cloud"),
    Same("status -c --json"),
    Ends("push -r nope"),
    Ends("push nope"),
    Write("data/a", "changed\n"),
    Same("status"),
    Same("status --json"),
    Same("status -q"),
    Same("status data"),
    Ends("status nope"),
    Same("diff"),
    Json("diff --json"),
    Same("diff --hide-m"),
    Ends("diff nosuchrevision"),
    Same("data status"),
    Same("data status --gran"),
    Json("data status --granular --json"),
    Ends("checkout"),
    Ends("checkout data"),
    Ends("checkout nope"),
    Same("checkout -f"),
    Same("checkout --summ"),
    Same("checkout"),
    Same("checkout --relink"),
    Write("data/a", "changed\n"),
    Ends("commit"),
    Same("commit -f"),
    Same("commit"),
    Lines("status -c"),
    Json("status -c --json"),
    Same("status -c -q"),
    Same("push data"),
    Remove("data"),
    Remove("f.csv"),
    Remove(".dvc/cache"),
    Ends("checkout"),
    Same("checkout --allow-missing"),
    Lines("pull"),
    Same("pull"),
    Same("checkout -q"),
    Same("list ."),
    Same("list . data"),
    Same("list --dvc-only -R ."),
    Ends("list . nope"),
    Lines("du ."),
    Same("du -s ."),
    Lines("du . data"),
    Same("du . data/a"),
    Same("du -s . data"),
    Ends("du"),
    Ends("du . nope"),
    Same("--cd data root"),
    Same("root"),
    Ends("check-ignore f.csv"),
    Write(".dvcignore", "*.tmp\n"),
    Same("check-ignore a.tmp b"),
    Same("check-ignore -d -n a.tmp b"),
    Lines("move f.csv g.csv"),
    Ends("move nope q"),
    Ends("remove nope"),
    Ends("remove g.csv"),
    Same("remove g.csv.dvc"),
    Ends("unprotect nope"),
    Same("unprotect data"),
    Ends("gc"),
    Ends("gc -w"),
    Same("gc -w -f --dry"),
    Same("gc -w -f"),
    Same("gc -w -f"),
    Same("gc -w -c -f"),
    Same("cache dir"),
    Same("cache dir ../elsewhere"),
    Same("cache dir"),
    Same("config cache.dir"),
    Same("git-hook pre-commit"),
    Same("git-hook post-checkout a b 0"),
    Same("remote default -u"),
    Ends("remote default"),
    Same("install"),
    Ends("install"),
    Same("install --use-pre-commit-tool"),
    Ends("config"),
    Ends("config nodot"),
    Ends("config -l core.remote"),
    Ends("config --show-origin core.remote x"),
    Ends("config --global --local -l"),
    Ends("freeze"),
    Same("freeze data.dvc"),
    Same("freeze data.dvc"),
    Ends("freeze data nope.dvc data.dvc nostage"),
    Same("unfreeze data.dvc"),
    Same("update data.dvc"),
    Same("update data.dvc f.csv.dvc"),
    Ends("update nope.dvc"),
    Same("rm data.dvc"),
    Ends("init --no-scm --subdir"),
    Ends("destroy"),
    Same("destroy -f"),
    Ends("status"),
];

pub(crate) struct Twin {
    pub(crate) project: TestProject,
    pub(crate) program: Utf8PathBuf,
}

pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Twin {
    pub(crate) fn new(program: Utf8PathBuf) -> Self {
        let twin = Self::without_git(program);
        twin.project.git_init();
        twin
    }

    /// In an empty folder.
    pub(crate) fn without_git(program: Utf8PathBuf) -> Self {
        Self {
            project: project(),
            program,
        }
    }

    /// Both see the same environment, and settings of an account of their own.
    pub(crate) fn run(&self, line: &str) -> Answer {
        self.answer(self.command(line))
    }

    /// A command that is not started yet.
    pub(crate) fn command(&self, line: &str) -> Command {
        let like = self.project.ketch_command();
        let home = self.project.home();
        let mut command = Command::new(&self.program);
        command
            .args(line.split_whitespace())
            .current_dir(self.project.root())
            .env("DVC_SITE_CACHE_DIR", home.join("site"))
            .env("DVC_GLOBAL_CONFIG_DIR", home.join("account"))
            .env("DVC_SYSTEM_CONFIG_DIR", home.join("machine"))
            .stdin(std::process::Stdio::null());
        for (key, value) in like.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command
    }

    pub(crate) fn answer(&self, mut command: Command) -> Answer {
        let output = command.output().expect("it runs");
        Answer {
            code: output.status.code(),
            output: self.shown(&output.stdout),
            errors: self.shown(&output.stderr),
        }
    }

    /// What was said, wherever this lies.
    pub(crate) fn shown(&self, bytes: &[u8]) -> String {
        let root = self.project.root();
        let base = root.parent().expect("a base").as_str();
        String::from_utf8_lossy(bytes).replace(base, "BASE")
    }

    fn act(&self, step: &Step) {
        match step {
            Write(path, text) => self.project.write(path, text),
            Remove(path) => {
                let path = self.project.path(path);
                if path.is_dir() {
                    fs_err::remove_dir_all(path).expect("removed");
                } else if path.symlink_metadata().is_ok() {
                    fs_err::remove_file(path).expect("removed");
                }
            }
            Commit => crate::support::commit_all(&self.project),
            Same(_) | Lines(_) | Json(_) | Ends(_) | Step::Files | Step::File(_) => {}
        }
    }

    /// The content of every file by its path.
    fn files(&self) -> BTreeMap<Utf8PathBuf, String> {
        let root = self.project.root();
        let own = [".git", ".ketch", ".dvc/cache", ".dvc/tmp"].map(|path| root.join(path));
        let mut files = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir_utf8().expect("a folder") {
                let path = entry.expect("an entry").into_path();
                if own.contains(&path) {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = self.shown(&fs_err::read(&path).expect("a file"));
                let below = path.strip_prefix(&root).expect("below").to_owned();
                files.insert(below, text);
            }
        }
        files
    }
}

/// Ours and DVC's; nothing without DVC.
pub(crate) fn twins(make: fn(Utf8PathBuf) -> Twin) -> Option<[Twin; 2]> {
    let theirs = make(peer("dvc/bin/dvc")?);
    let mut ours = make(Utf8PathBuf::new());
    ours.program = link(ours.project.root().parent().expect("a base"));
    Some([ours, theirs])
}

pub(crate) fn link(folder: &Utf8Path) -> Utf8PathBuf {
    let link = folder.join("dvc");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ketch"), &link).expect("a link");
    link
}

pub(crate) fn sorted_words(text: &str) -> Vec<Vec<String>> {
    let mut lines: Vec<Vec<String>> = text
        .lines()
        .map(|line| {
            let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            words.sort();
            words
        })
        .collect();
    lines.sort();
    lines
}

pub(crate) fn sorted_json(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text.trim()).expect("JSON");
    sort(&mut value);
    value
}

fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_key(ToString::to_string);
        }
        Value::Object(entries) => entries.values_mut().for_each(sort),
        _ => {}
    }
}

#[test]
fn called_dvc_it_answers_as_dvc() {
    if let Some(compared) = assert_same_answers(STORY) {
        assert!(compared >= 60, "{compared}");
    }
}

/// Tells a story to both, and how many answers were compared; nothing without DVC.
pub(crate) fn assert_same_answers(story: &[Step]) -> Option<usize> {
    let [ours, theirs] = twins(Twin::new)?;
    Some(assert_same_story(&ours, &theirs, story))
}

/// Does the same in both. Returns how many answers were compared.
pub(crate) fn assert_same_story(ours: &Twin, theirs: &Twin, story: &[Step]) -> usize {
    let mut differing = Vec::new();
    let mut compared = 0;
    for step in story {
        if matches!(step, Step::Files | Step::File(_)) {
            let (mut our, mut their) = (ours.files(), theirs.files());
            if let Step::File(only) = step {
                our.retain(|path, _| path == only);
                their.retain(|path, _| path == only);
            }
            for path in our.keys().chain(their.keys()) {
                if our.get(path) != their.get(path) {
                    let shown = |files: &BTreeMap<Utf8PathBuf, String>| files.get(path).cloned();
                    differing.push(format!(
                        "{path} of ours is\n{:?}\nand of theirs\n{:?}",
                        shown(&our),
                        shown(&their)
                    ));
                }
            }
            compared += 1;
            continue;
        }
        let (Same(line) | Lines(line) | Json(line) | Ends(line)) = step else {
            ours.act(step);
            theirs.act(step);
            continue;
        };
        compared += 1;
        let (our, their) = (ours.run(line), theirs.run(line));
        let says_error = |answer: &Answer| answer.errors.contains("ERROR: ");
        let same_output = match step {
            // DVC prints its own usage before the error.
            _ if our.code == Some(254) => true,
            Lines(_) => sorted_words(&our.output) == sorted_words(&their.output),
            Json(_) => sorted_json(&our.output) == sorted_json(&their.output),
            Ends(_) => true,
            _ => our.output == their.output,
        };
        if our.code != their.code || says_error(&our) != says_error(&their) || !same_output {
            differing.push(format!(
                "$ dvc {line}\nours ends with {:?}:\n{}{}theirs ends with {:?}:\n{}{}",
                our.code, our.output, our.errors, their.code, their.output, their.errors
            ));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    compared
}

/// What is in the work tree, without Git's, what is remembered, and what only ketch has.
pub(crate) fn files_of(twin: &Twin) -> Vec<(String, String)> {
    let root = twin.project.root();
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().expect("a folder") {
            let path = entry.expect("an entry").into_path();
            let name = path.strip_prefix(&root).expect("below").as_str();
            let ours = [".git", ".ketch", ".gitattributes"];
            if path.ends_with(".dvc/tmp")
                || path.file_name().is_some_and(|name| ours.contains(&name))
            {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                // A link may lead nowhere.
                let bytes = fs_err::read(&path).unwrap_or_default();
                files.push((
                    name.to_owned(),
                    String::from_utf8_lossy(&bytes).into_owned(),
                ));
            }
        }
    }
    files.sort();
    files
}

/// Hooks that DVC wrote call `dvc git-hook …`; ours call either program.
#[test]
fn hooks_work_whoever_installed_them() {
    let folder = project();
    let dvc = link(&folder.root());
    let ours = Twin::new(dvc.clone());
    assert_eq!(ours.run("init -q").code, Some(0));
    ours.project.write("f", "1\n");
    assert_eq!(ours.run("add -q f").code, Some(0));
    crate::support::commit_all(&ours.project);
    let hook = ours.project.path(".git/hooks/pre-commit");
    ours.project.write(
        ".git/hooks/pre-commit",
        "#!/bin/sh\nexec dvc git-hook pre-commit $@\n",
    );
    // DVC takes no hook that is there for its own, not even its own.
    assert_eq!(ours.run("install").code, Some(1));
    // It may be written anew, and calls what is there.
    let _ = ours.project.ketch(["install"]).success();
    let text = fs_err::read_to_string(&hook).expect("a hook");
    assert!(text.contains("exec dvc git-hook pre-commit"), "{text}");
    assert!(text.contains("exec ketch git-hook pre-commit"), "{text}");
    let path = format!("{}:/usr/bin:/bin", folder.root());
    let checkout = |text: &str| {
        ours.project.write("f", text);
        Command::new("sh")
            .arg(ours.project.path(".git/hooks/post-checkout"))
            .args(["a", "b", "1"])
            .current_dir(ours.project.root())
            .env("PATH", &path)
            .output()
            .expect("a shell")
    };
    // What is saved nowhere stops it, as by hand.
    assert_eq!(checkout("unsaved\n").status.code(), Some(255));
    fs_err::remove_file(ours.project.path("f")).expect("removed");
    let restored = Command::new("sh")
        .arg(ours.project.path(".git/hooks/post-checkout"))
        .args(["a", "b", "1"])
        .current_dir(ours.project.root())
        .env("PATH", &path)
        .output()
        .expect("a shell");
    assert_eq!(String::from_utf8_lossy(&restored.stdout), "A       f\n");
    assert_eq!(ours.project.read("f"), "1\n");
}

/// One place of a tracked directory is added; the rest of its record stays, here or not.
#[test]
fn a_place_in_a_tracked_directory_is_added_as_dvc_does() {
    let Some(twins) = twins(Twin::new) else {
        return;
    };
    let records = twins.each_ref().map(|twin| {
        let run = |line: &str| assert_eq!(twin.run(line).code, Some(0), "{line}");
        run("init -q");
        twin.project.write("data/a", "1\n");
        twin.project.write("data/sub/b", "22\n");
        run("add -q data");
        twin.project.write("data/new", "333\n");
        twin.project.write("data/sub/b", "changed\n");
        twin.project.write("data/sub/c", "c\n");
        fs_err::remove_file(twin.project.path("data/a")).expect("removed");
        run("add -q data/new");
        let first = twin.project.read("data.dvc");
        run("add -q data/sub");
        run("add -q --glob data/s*/c");
        twin.project.write("x/1.csv", "1\n");
        twin.project.write("x/2.txt", "2\n");
        run("add -q --glob x/*.csv");
        assert!(!twin.project.path("x/2.txt.dvc").exists());
        // DVC forgets the size where a directory was added.
        let second = twin.project.read("data.dvc");
        (
            first,
            second.replace("  size: 16\n", ""),
            twin.project.read("x/1.csv.dvc"),
        )
    });
    assert_eq!(records[0], records[1]);
}

/// Under its own name nothing of that is seen.
#[test]
fn called_ketch_it_is_itself() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    let error = project.ketch(["add", "missing"]).failure(3);
    assert!(error.stderr.starts_with("error: "), "{error}");
    let _ = project.ketch(["nosuch"]).failure(2);
    let _ = project.ketch(["status", "--no-updat"]).failure(2);
    assert_eq!(
        project.ketch(["--version"]).success().stdout,
        format!("ketch {}\n", env!("CARGO_PKG_VERSION"))
    );
}
