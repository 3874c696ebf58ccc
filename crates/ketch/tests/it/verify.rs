//! `ketch verify`: results are made again in a clean clone, and whatever keeps them from being the
//! same is named.

use ketch_testkit::{CommandOutput, TestProject};
use serde_json::Value;

use crate::environment::{install, python};
use crate::support::{commit_all, project, say};

const PIPELINE: &str = "\
stages:
  split:
    cmd: sed -n 1,2p data.csv > part.csv
    deps: [data.csv]
    outs: [part.csv]
  train:
    cmd: sh train.sh
    deps: [train.sh, part.csv]
    params: [lr]
    outs: [model.txt]
  score:
    cmd: \"wc -c < model.txt | sed 's/^ */size: /' > score.yaml\"
    deps: [model.txt]
    metrics:
    - score.yaml:
        cache: false
";

/// A committed pipeline with this training script, which ran; its data is on the remote.
fn trained(script: &str) -> TestProject {
    let project = written(script);
    ran(&project);
    project
}

fn written(script: &str) -> TestProject {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    project.write("data.csv", "id,x\n1,2\n3,4\n");
    project.write("params.yaml", "lr: 1\n");
    project.write("train.sh", script);
    project.write("dvc.yaml", PIPELINE);
    let _ = project.ketch(["add", "data.csv"]).success();
    let remote = project.home().join("remote");
    let add = ["remote", "add", "--default", "store", remote.as_str()];
    let _ = project.ketch(add).success();
    project
}

fn ran(project: &TestProject) {
    let _ = project.ketch(["repro"]).success();
    commit_all(project);
    let _ = project.ketch(["push"]).success();
}

const STEADY: &str = "cat part.csv params.yaml > model.txt\n";

/// `ketch verify --json` in the environment here, and how it ended.
fn verify(project: &TestProject, arguments: &[&str]) -> (Value, Option<i32>) {
    let flags = ["--json", "verify", "--no-env-build"];
    let output = project.ketch(flags.iter().chain(arguments));
    let report = serde_json::from_str(&output.stdout);
    (
        report.unwrap_or_else(|error| panic!("{error}: {output}")),
        output.status.code(),
    )
}

fn stage<'r>(report: &'r Value, name: &str) -> &'r Value {
    let mut stages = report["stages"].as_array().expect("stages").iter();
    stages
        .find(|stage| stage["stage"] == name)
        .expect("the stage")
}

/// Verifies what does not come out right, and gives the cause and what shows it.
fn cause(project: &TestProject, name: &str, arguments: &[&str]) -> (String, String) {
    let (report, code) = verify(project, arguments);
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(report["verdict"], "different", "{report}");
    let cause = &stage(&report, name)["cause"];
    let kind = cause["kind"].as_str().unwrap_or_else(|| panic!("{report}"));
    (kind.to_owned(), cause["evidence"].to_string())
}

#[test]
fn what_is_committed_and_pushed_can_be_made_again() {
    let project = trained(STEADY);
    let head = project.git(["rev-parse", "HEAD"]).stdout;
    // Neither the work tree nor the cache counts, and both stay.
    project.write("params.yaml", "lr: 2\n");
    project.write("part.csv.new", "mine");
    fs_err::remove_dir_all(project.path(".dvc/cache")).unwrap();

    let (report, code) = verify(&project, &[]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["verdict"], "equal");
    assert_eq!(report["commit"], head.trim());
    for name in ["split", "train", "score"] {
        assert_eq!(stage(&report, name)["outcome"], "equal", "{report}");
    }
    let model = &stage(&report, "train")["outputs"][0];
    assert_eq!(model["path"], "model.txt");
    assert_eq!(model["recorded"], model["rebuilt"]);
    assert_eq!(project.read("params.yaml"), "lr: 2\n");
    assert!(!project.path(".dvc/cache").exists());
    let worktrees = project.git(["worktree", "list"]).stdout;
    assert_eq!(worktrees.lines().count(), 1);

    // An older commit, by its name, and one stage: what it reads comes from the remote.
    let _ = project.git(["tag", "v1"]).success();
    let _ = project.ketch(["repro"]).success();
    commit_all(&project);
    let (report, code) = verify(&project, &["v1", "--stage", "score", "-j", "2"]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["stages"].as_array().unwrap().len(), 1);
    // The newest was not pushed, but all of its data was.
    let (report, code) = verify(&project, &["--twice"]);
    assert_eq!(
        (code, report["is_twice"].as_bool()),
        (Some(0), Some(true)),
        "{report}"
    );
}

#[test]
fn people_are_told_what_differs_and_what_to_do() {
    let project = trained("cat part.csv > model.txt; date +%s%N >> model.txt\n");
    let told = project.ketch(["verify", "--no-env-build"]);
    assert_eq!(told.status.code(), Some(1), "{told}");
    for expected in [
        "train  different",
        "score",
        "cause of `train`: the time of the run",
        "is not reproducible: `train` is the first stage that differed",
    ] {
        assert!(told.stdout.contains(expected), "{expected}: {told}");
    }
    assert!(told.stderr.contains("leave the time out"), "{told}");
}

#[test]
fn chance_and_time_are_told_apart() {
    let chance = "head -c 8 /dev/urandom | od -An -tx1 > model.txt\n";
    let (kind, evidence) = cause(&trained(chance), "train", &[]);
    assert_eq!(kind, "randomness", "{evidence}");
    assert!(evidence.contains("model.txt:1"), "{evidence}");

    let time = "cat part.csv > model.txt; date +%FT%T.%N >> model.txt\n";
    let (kind, evidence) = cause(&trained(time), "train", &[]);
    assert_eq!(kind, "time", "{evidence}");
}

#[test]
fn running_twice_finds_what_is_the_same_by_luck() {
    // Every other run writes the same.
    let project = trained(STEADY);
    let flag = project.home().join("flag");
    let script = format!(
        "if [ -e {flag} ]; then echo b > model.txt; rm {flag}; \
         else echo a > model.txt; touch {flag}; fi\n"
    );
    project.write("train.sh", script);
    ran(&project);
    let _ = fs_err::remove_file(&flag);
    let (report, code) = verify(&project, &["--no-diagnosis"]);
    assert_eq!(code, Some(0), "{report}");
    let _ = fs_err::remove_file(&flag);
    let (kind, evidence) = cause(&project, "train", &["--twice"]);
    assert_eq!(kind, "randomness");
    assert!(
        evidence.contains("`a` in one run, `b` in another"),
        "{evidence}"
    );
}

#[test]
fn sets_of_python_are_known_by_their_order() {
    let project =
        written("python3 -c 'print(\" \".join({str(n) for n in range(40)}))' > model.txt\n");
    if !CommandOutput::of(project.command("python3").arg("--version"))
        .status
        .success()
    {
        say("skipped: there is no `python3`");
        return;
    }
    ran(&project);
    let (kind, evidence) = cause(&project, "train", &[]);
    assert_eq!(kind, "hash_order", "{evidence}");
}

#[test]
fn a_file_that_is_not_committed_is_found() {
    // Without it the command fails.
    let project = written("cat part.csv secret.ini > model.txt\n");
    project.write(".gitignore", "*.ini\n");
    project.write("secret.ini", "k=1\n");
    project.write("other.ini", "k=2\n");
    ran(&project);
    let (kind, evidence) = cause(&project, "train", &[]);
    assert_eq!(kind, "hidden_file");
    assert!(evidence.contains("`secret.ini`"), "{evidence}");
    assert!(!evidence.contains("other.ini"), "{evidence}");
    let (report, _) = verify(&project, &["--no-diagnosis"]);
    assert_eq!(stage(&report, "train")["outcome"], "failed");
    assert_eq!(stage(&report, "score")["outcome"], "skipped");

    // Without it the result is another one, and nothing names it.
    let project = written("cat part.csv *.ini > model.txt 2>/dev/null || true\n");
    project.write(".gitignore", "*.ini\n");
    project.write("secret.ini", "k=1\n");
    ran(&project);
    let (kind, evidence) = cause(&project, "train", &[]);
    assert_eq!(kind, "hidden_file");
    assert!(evidence.contains("gives what is recorded"), "{evidence}");

    // A dependency.
    let project = written(STEADY);
    project.write(".gitignore", "/local.txt\n");
    project.write("local.txt", "mine\n");
    let declared = PIPELINE.replace("[train.sh, part.csv]", "[train.sh, part.csv, local.txt]");
    project.write("dvc.yaml", declared);
    ran(&project);
    let (kind, evidence) = cause(&project, "train", &[]);
    assert_eq!(
        (kind.as_str(), evidence.as_str()),
        ("hidden_file", "[\"local.txt\"]")
    );
}

#[test]
fn what_a_stage_reads_without_declaring_it_is_found() {
    // In Git, and changed since.
    let project = written(". ./helper.sh > model.txt\n");
    project.write("helper.sh", "echo 1\n");
    project.write("README.md", "1\n");
    ran(&project);
    project.write("helper.sh", "echo 2\n");
    project.write("README.md", "2\n");
    commit_all(&project);
    let (kind, evidence) = cause(&project, "train", &[]);
    assert_eq!(kind, "undeclared_input");
    assert!(evidence.contains("`helper.sh`"), "{evidence}");
    assert!(!evidence.contains("README"), "{evidence}");

    // Tracked data.
    let project = written("cat more.csv > model.txt\n");
    project.write("more.csv", "9\n");
    let _ = project.ketch(["add", "more.csv"]).success();
    ran(&project);
    let (kind, evidence) = cause(&project, "train", &[]);
    assert_eq!(kind, "undeclared_input");
    assert!(evidence.contains("`more.csv`"), "{evidence}");
}

#[test]
fn what_was_not_pushed_or_not_run_is_said() {
    let project = trained(STEADY);
    project.write("data.csv", "id,x\n5,6\n7,8\n");
    let _ = project.ketch(["repro"]).success();
    commit_all(&project);
    let (kind, evidence) = cause(&project, "split", &[]);
    assert_eq!(
        (kind.as_str(), evidence.as_str()),
        ("missing_data", "[\"data.csv\"]")
    );
    let (report, code) = verify(&project, &["--local-cache"]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(report["from_local_cache"], true);

    let _ = project.ketch(["push"]).success();
    project.write("params.yaml", "lr: 3\n");
    commit_all(&project);
    let (kind, evidence) = cause(&project, "train", &[]);
    assert_eq!(kind, "inputs_changed");
    assert!(evidence.contains("params lr 1 → 3"), "{evidence}");

    let more = format!("{PIPELINE}  new:\n    cmd: echo 1 > new.txt\n    outs: [new.txt]\n");
    project.write("dvc.yaml", more);
    let _ = project.ketch(["repro", "train", "score"]).success();
    commit_all(&project);
    let (report, code) = verify(&project, &[]);
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(stage(&report, "new")["outcome"], "not_recorded");
    assert_eq!(stage(&report, "train")["outcome"], "equal");
}

#[test]
fn metrics_may_be_off_and_rows_in_another_order() {
    // The first run writes something else than all others.
    let first_time = |project: &TestProject, first: &str, then: &str| {
        let flag = project.home().join("ran");
        format!("if [ -e {flag} ]; then {then}; else {first}; touch {flag}; fi\n")
    };
    let pipeline = "\
stages:
  train:
    cmd: sh train.sh
    deps: [train.sh]
    outs: [rows.csv]
    metrics:
    - score.json:
        cache: false
";
    let project = written("");
    project.write("dvc.yaml", pipeline);
    let script = first_time(
        &project,
        "printf 'id,x\\n1,2\\n3,4\\n' > rows.csv; echo '{\"acc\": 0.91, \"n\": 4}' > score.json",
        "printf 'id,x\\n3,4\\n1,2\\n' > rows.csv; echo '{\"acc\": 0.90, \"n\": 4}' > score.json",
    );
    project.write("train.sh", script);
    ran(&project);
    let (report, code) = verify(&project, &["--no-diagnosis"]);
    assert_eq!(code, Some(1), "{report}");
    let outputs = &stage(&report, "train")["outputs"];
    assert_eq!(outputs[0]["outcome"], "equivalent", "{report}");
    let value = &outputs[1]["difference"]["values"][0];
    assert_eq!(
        (&value["name"], &value["is_within"]),
        (&"acc".into(), &false.into())
    );

    let (report, code) = verify(&project, &["--tolerance", "0.05"]);
    assert_eq!(
        (code, &report["verdict"]),
        (Some(0), &"equivalent".into()),
        "{report}"
    );

    project.write(
        "ketch.toml",
        "[verify.tolerance]\n\"score.json:acc\" = 0.02\n",
    );
    commit_all(&project);
    let (report, code) = verify(&project, &[]);
    assert_eq!(
        (code, &report["verdict"]),
        (Some(0), &"equivalent".into()),
        "{report}"
    );

    project.write(
        "ketch.toml",
        "[verify.tolerance]\n\"score.json\" = 0.001\n[verify.table.\"rows.csv\"]\nkey = [\"id\"]\n",
    );
    commit_all(&project);
    let told = project.ketch(["verify", "--no-env-build", "--no-diagnosis"]);
    assert_eq!(told.status.code(), Some(1), "{told}");
    assert!(
        told.stdout
            .contains("score.json: acc 0.91 → 0.9 (may be off by 0.001)"),
        "{told}"
    );
    assert!(told.stdout.contains("rows.csv (equivalent)"), "{told}");
}

#[test]
fn a_statement_is_signed_and_checked_by_others() {
    let project = trained(STEADY);
    let home = project.home();
    for name in ["ana", "eve"] {
        let key = home.join(name);
        let mut keygen = project.command("ssh-keygen");
        keygen.args([
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            name,
            "-f",
            key.as_str(),
        ]);
        let _ = CommandOutput::of(&mut keygen).success();
    }
    let public = fs_err::read_to_string(home.join("ana.pub")).unwrap();
    let allowed = home.join("allowed");
    fs_err::write(&allowed, format!("ana@example.org {public}")).unwrap();
    let file = home.join("statement.json");
    let sign = |key: &str| {
        let key = home.join(key);
        let mut arguments = vec!["verify", "--no-env-build", "--statement", file.as_str()];
        arguments.extend(["--sign", key.as_str()]);
        let _ = project.ketch(arguments).success();
    };
    let check = || {
        let signers = ["--allowed-signers", allowed.as_str()];
        let arguments = ["--json", "verify", "--check", file.as_str()];
        let output = project.ketch(arguments.iter().chain(&signers));
        let checked: Value = serde_json::from_str(&output.stdout).expect("JSON");
        (checked, output.status.code())
    };

    sign("ana");
    let statement: Value = serde_json::from_str(&fs_err::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicate"]["verificationResult"], "PASSED");
    let (checked, code) = check();
    assert_eq!(code, Some(0), "{checked}");
    assert_eq!(checked["signer"], "ana@example.org");
    assert_eq!(checked["outputs"], 3);

    // What was changed afterwards does not hold, nor what is signed by somebody else.
    let text = fs_err::read_to_string(&file).unwrap();
    fs_err::write(&file, text.replace("model.txt", "other.txt")).unwrap();
    let (checked, code) = check();
    assert_eq!(code, Some(1));
    let problems = checked["problems"].to_string();
    assert!(problems.contains("does not hold"), "{problems}");
    assert!(
        problems.contains("does not record `other.txt` so"),
        "{problems}"
    );
    sign("eve");
    let (checked, code) = check();
    assert_eq!(
        (code, &checked["signer"]),
        (Some(1), &Value::Null),
        "{checked}"
    );

    let alone = project.ketch(["verify", "--check", file.as_str()]);
    assert_eq!(alone.status.code(), Some(3));
    assert!(
        alone.stderr.contains("gpg.ssh.allowedSignersFile"),
        "{alone}"
    );
}

#[test]
fn the_recorded_environment_is_made_again() {
    let code = "import importlib.util as u; print(u.find_spec(\"extra\") is not None)";
    let project = written(&format!("python3 -c '{code}' > model.txt\n"));
    let mut make = project.command("python3");
    make.args(["-m", "venv", ".venv"]);
    if !CommandOutput::of(&mut make).status.success() {
        say("skipped: `python3 -m venv` does not work; install python3-venv");
        return;
    }
    project.write(".gitignore", ".venv\n");
    ran(&project);
    assert_eq!(project.read("model.txt"), "False\n");
    // Since then it has got what was not there.
    install(&project, ".venv", "extra", "1.0");
    let site = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let site = python(&project, ".venv", site);
    fs_err::write(format!("{site}/extra.py"), "").unwrap();

    let output = project.ketch(["--json", "verify"]);
    let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(0), "{output}");
    let environment = &report["environments"][0];
    assert_eq!(environment["origin"], "rebuilt");
    assert_eq!(environment["stages"].as_array().unwrap().len(), 3);

    // Here it is another one, and that is the cause.
    let (kind, evidence) = cause(&project, "train", &[]);
    assert_eq!(kind, "environment", "{evidence}");
    assert!(evidence.contains("extra – → 1.0"), "{evidence}");
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    commit_all(&project);
    let none = project.ketch(["verify"]);
    assert_eq!(none.status.code(), Some(3));
    assert!(none.stderr.contains("no stage that could run"), "{none}");
    let unknown = project.ketch(["verify", "nope"]);
    assert_eq!(unknown.status.code(), Some(3));
    assert!(
        unknown.stderr.contains("unknown revision `nope`"),
        "{unknown}"
    );
    let project = trained(STEADY);
    let stage = project.ketch(["verify", "--stage", "trian"]);
    assert_eq!(stage.status.code(), Some(3));
    assert!(stage.stderr.contains("did you mean `train`"), "{stage}");
}
