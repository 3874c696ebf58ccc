//! Pipelines and experiments that are killed (SIGKILL) at random moments, with stages side by side.
//! After each: nothing recorded is missing or damaged; the same command again finishes, with the
//! `dvc.lock` and the outputs of a run that nobody killed; and then there is nothing left to do.
//!
//! `KETCH_KILLS` and `KETCH_KILL_SEED` are those of `kill_data`.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_testkit::{CommandOutput, TestProject, peer};
use serde_json::{Value, json};

use crate::kill_data::kills::{Random, Told, number_from};
use crate::support::{commit_all, project, say};

/// Outputs are half-written for a while: a file, several, a directory.
const PIPELINE: &str = "\
stages:
  split:
    cmd: sed -n 1,2p data.csv > a.csv; sleep 0.02; sed -n 3,4p data.csv > b.csv
    deps: [data.csv]
    outs: [a.csv, b.csv]
  left:
    cmd: cat a.csv > left.txt; sleep 0.02; cat params.yaml >> left.txt
    deps: [a.csv]
    params: [lr]
    outs: [left.txt]
  right:
    cmd: mkdir -p parts; for n in 1 2 3; do sed s/^/$n/ b.csv > parts/$n; sleep 0.01; done
    deps: [b.csv]
    params: [lr]
    outs: [parts]
  apart:
    cmd: cat data.csv > apart.txt; sleep 0.03; cat data.csv params.yaml >> apart.txt
    deps: [data.csv]
    params: [lr]
    outs: [apart.txt]
  score:
    cmd: \"cat left.txt parts/* apart.txt | cksum | cut -d ' ' -f 1 | sed 's/^/score: /' > score.yaml\"
    deps: [left.txt, parts, apart.txt]
    metrics:
    - score.yaml:
        cache: false
";

const OUTPUTS: &[&str] = &[
    "a.csv",
    "b.csv",
    "left.txt",
    "parts/1",
    "parts/2",
    "parts/3",
    "apart.txt",
    "score.yaml",
];

/// A project and the template that it is made from anew.
struct Bench {
    project: TestProject,
    template: Utf8PathBuf,
}

impl Bench {
    fn new() -> Self {
        let project = project();
        project.git_init();
        let _ = project.ketch(["init"]).success();
        project.write("data.csv", "1\n2\n3\n4\n");
        project.write("params.yaml", "lr: 1\n");
        project.write("dvc.yaml", PIPELINE);
        let _ = project.ketch(["add", "data.csv"]).success();
        commit_all(&project);
        let around = project.root().parent().expect("a folder around").to_owned();
        Self {
            project,
            template: around.join("template"),
        }
    }

    /// Makes what is there the template.
    fn keep(&self) {
        self.copy(&self.project.root(), &self.template);
    }

    fn restore(&self) {
        // What a killed command began may write for a moment more.
        let gone = (0..50).any(|_| {
            let gone = fs_err::remove_dir_all(self.project.root()).is_ok();
            if !gone {
                sleep(Duration::from_millis(20));
            }
            gone
        });
        assert!(gone, "the project can be removed");
        self.copy(&self.template, &self.project.root());
    }

    fn copy(&self, from: &Utf8Path, to: &Utf8Path) {
        let mut command = self.project.command("cp");
        command.current_dir(from.parent().expect("a folder around"));
        let copied = command.args(["-a", from.as_str(), to.as_str()]).status();
        assert!(copied.expect("cp").success());
    }

    /// All outputs, and what `dvc.lock` says of each stage: one that was done before the kill stays
    /// ahead of those that were not.
    fn results(&self) -> Vec<String> {
        let lock = self.project.read("dvc.lock");
        let mut stages: Vec<String> = Vec::new();
        for line in lock.lines() {
            let is_new = line.len() - line.trim_start().len() <= 2;
            match stages.last_mut() {
                Some(stage) if !is_new => stage.extend(["\n", line]),
                _ => stages.push(line.to_owned()),
            }
        }
        stages.sort();
        let outputs = OUTPUTS.iter().map(|path| self.project.read(path));
        outputs.chain(stages).collect()
    }

    /// Whether the command was still at work.
    fn killed_after(&self, arguments: &[&str], delay: Duration) -> bool {
        let mut command = self.project.ketch_command();
        let mut child = command
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ketch starts");
        sleep(delay);
        child.kill().expect("a child that can be killed");
        let status = child.wait().expect("a child to wait for");
        assert!(
            status.success() || status.code().is_none(),
            "it failed by itself: {status}"
        );
        status.code().is_none()
    }

    fn assert_sound(&self) {
        let output = self.project.ketch(["--json", "fsck"]).success();
        let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
        assert_eq!(report["missing"], json!([]), "{report}");
        let damaged = report.get("corrupt").or(report.get("damaged"));
        assert_eq!(damaged, Some(&json!([])), "{report}");
    }

    fn assert_nothing_to_do(&self) {
        let output = self.project.ketch(["repro", "--json"]).success();
        let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
        let stages = report["stages"].as_array().expect("stages");
        assert_eq!(stages.len(), 5);
        for stage in stages {
            assert_eq!(stage["outcome"], "unchanged", "{report}");
        }
    }
}

/// Kills a command over and over. `finish` brings what it made into the work tree.
fn kill_often(bench: &Bench, name: &str, arguments: &[&str], finish: &dyn Fn(&Bench)) {
    let kills = (number_from("KETCH_KILLS", 60) as usize).div_ceil(6);
    let seed = number_from("KETCH_KILL_SEED", 20_260_102);
    let mut random = Random(seed ^ name.len() as u64);
    bench.keep();
    let started = Instant::now();
    let _ = bench.project.ketch(arguments).success();
    let duration = started.elapsed();
    finish(bench);
    let expected = bench.results();
    let mut hit = 0;
    for run in 0..kills {
        let mut told = Told(name, seed, run);
        bench.restore();
        hit += usize::from(bench.killed_after(arguments, duration.mul_f64(random.next())));
        bench.assert_sound();
        let _ = bench.project.ketch(arguments).success();
        finish(bench);
        assert_eq!(bench.results(), expected);
        bench.assert_sound();
        bench.assert_nothing_to_do();
        let work_trees = bench.project.git(["worktree", "list"]).success().stdout;
        assert_eq!(work_trees.lines().count(), 1, "{work_trees}");
        told.2 = run;
    }
    if let Some(dvc) = peer("dvc/bin/dvc") {
        let mut command = bench.project.command(&dvc);
        let status = CommandOutput::of(command.args(["repro", "--dry"])).success();
        assert_eq!(
            status.stdout.matches("Running stage").count(),
            0,
            "{status}"
        );
        assert!(status.stdout.contains("up to date"), "{status}");
    }
    say(&format!(
        "ketch {name}: {kills} runs, {hit} killed at work, within {duration:?}"
    ));
    assert!(hit > 0, "none of {kills} was killed at work");
}

#[test]
fn a_killed_repro_is_as_if_nobody_had_killed_it() {
    kill_often(&Bench::new(), "repro", &["repro", "-j", "3"], &|_| {});
}

#[test]
fn what_was_there_before_a_killed_repro_is_not_taken_for_new() {
    let bench = Bench::new();
    let _ = bench.project.ketch(["repro"]).success();
    commit_all(&bench.project);
    bench.project.write("params.yaml", "lr: 22\n");
    let arguments = ["repro", "-j", "2"];
    kill_often(&bench, "repro again", &arguments, &|_| {});
}

#[test]
fn a_killed_experiment_leaves_the_work_tree_and_is_run_again() {
    let bench = Bench::new();
    let _ = bench.project.ketch(["repro"]).success();
    commit_all(&bench.project);
    let arguments = [
        "exp", "run", "--temp", "-f", "-n", "tried", "-j", "2", "-S", "lr=3",
    ];
    kill_often(&bench, "exp run --temp", &arguments, &|bench| {
        assert_eq!(bench.project.read("params.yaml"), "lr: 1\n");
        let changed = bench
            .project
            .git(["status", "--porcelain"])
            .success()
            .stdout;
        assert_eq!(changed, "");
        let _ = bench.project.ketch(["exp", "apply", "tried"]).success();
    });
}

#[test]
fn an_interrupted_repro_ends_its_commands_and_records_nothing_half() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    let wait = "until test -f go; do sleep 0.05; done";
    project.write(
        "dvc.yaml",
        format!(
            "stages:\n  \
             a: {{cmd: echo half > a; {wait}; echo done >> a, outs: [a]}}\n  \
             b: {{cmd: echo half > b; {wait}; echo done >> b, outs: [b]}}\n  \
             c: {{cmd: cat a b > c, deps: [a, b], outs: [c]}}\n"
        ),
    );
    let read = |name: &str| fs_err::read_to_string(project.path(name)).unwrap_or_default();
    let eventually = |reached: &dyn Fn() -> bool| {
        (0..1500).any(|_| {
            sleep(Duration::from_millis(20));
            reached()
        })
    };

    let ketch = project.ketch_command();
    // What starts the tests may ignore the signal, as a shell does for what it puts in the
    // background, and so would ketch.
    let mut command = project.command("env");
    let mut child = command
        .arg("--default-signal=INT")
        .arg(ketch.get_program())
        .args(["repro", "-j", "2"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("ketch starts");
    let both_wait = eventually(&|| read("a") == "half\n" && read("b") == "half\n");
    assert!(both_wait, "both stages run");
    let mut interrupt = project.command("kill");
    let _ = CommandOutput::of(interrupt.args(["-INT", &child.id().to_string()])).success();
    let status = child.wait().expect("a child to wait for");
    assert!(!status.success(), "{status}");

    let root = project.root();
    let ended = eventually(&|| !works_in(&root));
    assert!(ended, "the commands go on");
    project.write("go", "");
    assert_eq!([read("a"), read("b")], ["half\n", "half\n"]);
    assert!(!project.path("dvc.lock").exists());
    let _ = project.ketch(["repro", "-j", "2"]).success();
    assert_eq!(project.read("c"), "half\ndone\nhalf\ndone\n");
}

/// Whether a process has the folder as its current one.
fn works_in(folder: &Utf8Path) -> bool {
    let folder = folder.canonicalize_utf8().expect("a folder");
    let processes = fs_err::read_dir("/proc").expect("processes");
    processes
        .filter_map(Result::ok)
        .filter_map(|process| fs_err::read_link(process.path().join("cwd")).ok())
        .any(|current| current == folder.as_std_path())
}
