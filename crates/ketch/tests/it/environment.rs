//! What results are made in: captured with every stage that runs, compared, and missed elsewhere.

use ketch_testkit::{CommandOutput, TestProject};
use serde_json::Value;

use crate::support::{commit_all, pipeline, project, say};

/// A virtual environment of the Python that is first on the `PATH`, without pip. None where there
/// is no Python.
fn virtual_environment(project: &TestProject, folder: &str) -> Option<()> {
    let mut command = project.command("python3");
    command.args(["-m", "venv", "--without-pip", folder]);
    match command.output() {
        Ok(output) if output.status.success() => Some(()),
        _ => {
            say("skipped: `python3 -m venv` does not work; install python3-venv");
            None
        }
    }
}

/// Runs the Python of a virtual environment.
pub(crate) fn python(project: &TestProject, folder: &str, code: &str) -> String {
    let program = project.path(folder).join("bin/python");
    let output = CommandOutput::of(project.command(program).args(["-c", code])).success();
    output.stdout.trim().to_owned()
}

/// Puts a package into a virtual environment as pip would.
pub(crate) fn install(project: &TestProject, folder: &str, name: &str, version: &str) {
    let site = python(
        project,
        folder,
        "import sysconfig; print(sysconfig.get_path('purelib'))",
    );
    let info = format!("{site}/{name}-{version}.dist-info");
    fs_err::create_dir_all(&info).expect("a folder");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nText\n");
    fs_err::write(format!("{info}/METADATA"), metadata).expect("a package");
    fs_err::write(format!("{info}/INSTALLER"), "pip\n").expect("a package");
    fs_err::write(format!("{info}/WHEEL"), "Tag: py3-none-any\n").expect("a package");
    let record = format!("{name}.py,sha256=abc,3\n{name}-{version}.dist-info/RECORD,,\n");
    fs_err::write(format!("{info}/RECORD"), record).expect("a package");
}

fn uninstall(project: &TestProject, folder: &str, name: &str, version: &str) {
    let site = python(
        project,
        folder,
        "import sysconfig; print(sysconfig.get_path('purelib'))",
    );
    fs_err::remove_dir_all(format!("{site}/{name}-{version}.dist-info")).expect("a package");
}

fn json(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).expect("JSON")
}

fn documents(project: &TestProject) -> Vec<String> {
    let listing = project
        .path(".ketch-environments")
        .read_dir_utf8()
        .expect("documents");
    let mut names: Vec<String> = listing
        .map(|entry| entry.expect("an entry").file_name().to_owned())
        .filter(|name| name != "results")
        .collect();
    names.sort();
    names
}

/// The names of the records, each with the stage that it is about.
fn results(project: &TestProject) -> Vec<String> {
    let folder = project.path(".ketch-environments/results");
    let listing = folder.read_dir_utf8().expect("records");
    let names = listing.map(|entry| entry.expect("an entry").file_name().to_owned());
    names.collect()
}

#[test]
fn each_stage_that_runs_is_recorded_with_what_it_ran_in() {
    let mut project = pipeline();
    if virtual_environment(&project, ".venv").is_none() {
        return;
    }
    project.write(".gitignore", ".venv\n");
    install(&project, ".venv", "Some.Package", "1.0");
    project.write(
        "requirements.txt",
        "some-package==1.0 --hash=sha256:0123456789abcdef\n",
    );
    project.set_env("OMP_NUM_THREADS", "2");
    project.set_env("OMP_SECRET_TOKEN", "hidden");
    project.set_env("KETCH_IMAGE", "registry/image@sha256:12");
    let _ = project.ketch(["add", "rows.txt"]).success();
    let ran = project.ketch(["repro"]).success();
    assert!(
        ran.stderr.contains("git add dvc.lock .ketch-environments"),
        "{ran}"
    );
    assert!(!ran.stderr.contains("elsewhere"), "{ran}");

    // One document for both stages, named by its MD5.
    let names = documents(&project);
    assert_eq!(names.len(), 1);
    let text = project.read(format!(".ketch-environments/{}", names[0]));
    let id = names[0].strip_suffix(".json").unwrap();
    let made = results(&project);
    assert_eq!(
        made.iter()
            .filter(|name| name.contains(&format!("-{id}-")))
            .count(),
        2
    );
    let captured: Value = serde_json::from_str(&text).unwrap();
    let version = python(
        &project,
        ".venv",
        "import platform; print(platform.python_version())",
    );
    assert_eq!(captured["interpreter"]["version"], version);
    assert_eq!(captured["interpreter"]["prefix"], "virtual");
    assert_eq!(captured["packages"].as_array().unwrap().len(), 1);
    let package = &captured["packages"][0];
    assert_eq!(package["name"], "some-package");
    assert_eq!(package["version"], "1.0");
    assert_eq!(package["hashes"][0], "sha256:0123456789abcdef");
    assert!(package["content"].as_str().unwrap().starts_with("md5:"));
    assert_eq!(captured["variables"]["OMP_NUM_THREADS"], "2");
    assert_eq!(captured["container"]["image"], "registry/image@sha256:12");
    assert_eq!(captured["system"]["os"], std::env::consts::OS);
    let root = project.root();
    for absent in ["hidden", root.as_str(), project.home().as_str()] {
        assert!(!text.contains(absent), "{absent} is in {text}");
    }

    // DVC's file has nothing of ours; what is shown now is what was recorded.
    assert!(!project.read("dvc.lock").contains(id));
    let shown = json(&project.ketch(["--json", "env", "capture"]).success());
    assert_eq!(shown["id"], id);
    assert_eq!(shown["environment"], captured);
    let same = project.ketch(["env", "diff"]).success();
    assert_eq!(same.stdout, "");
}

#[test]
fn what_was_made_elsewhere_is_told() {
    let mut project = pipeline();
    if virtual_environment(&project, ".venv").is_none() {
        return;
    }
    project.write(".gitignore", ".venv\n");
    install(&project, ".venv", "numbers", "1.26.4");
    let _ = project.ketch(["add", "rows.txt"]).success();
    let _ = project.ketch(["repro"]).success();
    commit_all(&project);
    for command in [["repro"], ["checkout"]] {
        let quiet = project.ketch(command).success();
        assert!(!quiet.stderr.contains("warning"), "{quiet}");
    }

    uninstall(&project, ".venv", "numbers", "1.26.4");
    install(&project, ".venv", "numbers", "2.0.0");
    install(&project, ".venv", "other", "1");
    project.set_env("OMP_NUM_THREADS", "1");
    let expected = "results of `prepare`, `train` were made elsewhere: numbers 1.26.4 → 2.0.0, \
                    other – → 1, variable OMP_NUM_THREADS – → 1\nhint: see all that differs: `ketch env diff`";
    for command in [["repro"], ["checkout"]] {
        let told = project.ketch(command).success();
        assert!(told.stderr.contains(expected), "{told}");
    }
    let report = json(&project.ketch(["repro", "--json"]).success());
    assert_eq!(report["elsewhere"]["stages"][1], "train");
    assert_eq!(report["elsewhere"]["differences"][0]["what"], "numbers");

    // What runs now is made here, what does not stays what it is.
    project.write("params.yaml", "train:\n  factor: 5\n");
    let told = project.ketch(["repro"]).success();
    assert!(
        told.stderr
            .contains("results of `prepare` were made elsewhere"),
        "{told}"
    );
    assert_eq!(documents(&project).len(), 2);
    let _filters = project.bind_filters();
    insta::assert_snapshot!("diff", project.ketch(["env", "diff", "HEAD"]).success());
    let between = json(
        &project
            .ketch(["--json", "env", "diff", "prepare", "train"])
            .success(),
    );
    assert_eq!(
        between["comparisons"][0]["differences"][0]["from"],
        "1.26.4"
    );
    commit_all(&project);
    let commits = json(
        &project
            .ketch(["--json", "env", "diff", "HEAD~1", "HEAD"])
            .success(),
    );
    assert_eq!(commits["comparisons"].as_array().unwrap().len(), 2);
    let of_prepare = [
        "--json", "env", "diff", "HEAD~1", "HEAD", "--stage", "prepare",
    ];
    let of_prepare = json(&project.ketch(of_prepare).success());
    assert_eq!(
        of_prepare["comparisons"][0]["differences"],
        Value::Array(Vec::new())
    );

    let _ = project.ketch(["repro", "--force"]).success();
    assert_eq!(results(&project).len(), 2);
    let quiet = project.ketch(["repro"]).success();
    assert!(!quiet.stderr.contains("elsewhere"), "{quiet}");
    let earlier = json(&project.ketch(["--json", "env", "diff", "HEAD~1"]).success());
    assert_eq!(earlier["comparisons"][0]["differences"][0]["to"], "2.0.0");
}

#[test]
fn a_result_of_somebody_else_is_not_believed_to_be_ours() {
    let mut project = pipeline();
    let _ = project.ketch(["add", "rows.txt"]).success();
    let _ = project.ketch(["repro"]).success();
    // As if DVC had run it: another result, and nobody knows of what.
    let lock = project.read("dvc.lock");
    let place = lock
        .find("sorted.txt\n      hash: md5\n      md5: ")
        .unwrap();
    let digit = place + "sorted.txt\n      hash: md5\n      md5: ".len();
    let mut other = lock.clone();
    let flipped = if &lock[digit..=digit] == "0" {
        "1"
    } else {
        "0"
    };
    other.replace_range(digit..=digit, flipped);
    project.write("dvc.lock", &other);
    project.set_env("OMP_NUM_THREADS", "1");
    let told = project.ketch(["checkout", "--allow-missing"]);
    assert!(told.stderr.contains("results of `train` were"), "{told}");
    project.write("dvc.lock", &lock);
    let told = project.ketch(["checkout"]).success();
    assert!(
        told.stderr.contains("results of `prepare`, `train` were"),
        "{told}"
    );

    // Stated by a person instead.
    let stated = project.ketch(["env", "capture", "prepare"]).success();
    assert!(
        stated.stderr.contains("made the results of prepare"),
        "{stated}"
    );
    let told = project.ketch(["checkout"]).success();
    assert!(told.stderr.contains("results of `train` were"), "{told}");
    let _ = project.ketch(["env", "capture", "--all"]).success();
    let told = project.ketch(["checkout"]).success();
    assert!(!told.stderr.contains("elsewhere"), "{told}");
    let unknown = project.ketch(["env", "capture", "prepar"]).failure(3);
    assert!(
        unknown.stderr.contains("did you mean `prepare`"),
        "{unknown}"
    );
}

#[test]
fn a_project_without_captured_environments_is_left_in_peace() {
    let mut project = pipeline();
    project.set_env("OMP_NUM_THREADS", "1");
    let _ = project.ketch(["add", "rows.txt"]).success();
    let link = project.root().join("dvc");
    fs_err::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ketch"), &link).unwrap();
    let ran = CommandOutput::of(project.command(&link).arg("repro")).success();
    assert!(!ran.stderr.contains("WARNING"), "{ran}");
    // DVC has no such files.
    assert!(!project.path(".ketch-environments").exists());
    for command in [["repro"], ["checkout"]] {
        let quiet = project.ketch(command).success();
        assert!(!quiet.stderr.contains("warning"), "{quiet}");
    }
    assert!(!project.path(".ketch/environments").exists());
    let nothing = project.ketch(["env", "diff"]).failure(3);
    assert!(
        nothing.stderr.contains("ketch env capture STAGE"),
        "{nothing}"
    );
    let nothing = project.ketch(["env", "diff", "nowhere"]).failure(3);
    assert!(nothing.stderr.contains("nowhere"), "{nothing}");
}

#[test]
fn damage_is_told_and_costs_no_results() {
    let mut project = pipeline();
    let _ = project.ketch(["add", "rows.txt"]).success();
    let _ = project.ketch(["repro"]).success();
    let name = documents(&project).remove(0);
    let path = format!(".ketch-environments/{name}");
    let text = project.read(&path);
    project.write(&path, text.replace("format", "fromat"));
    project.set_env("OMP_NUM_THREADS", "1");
    let told = project.ketch(["repro"]).success();
    assert!(told.stderr.contains("it was changed"), "{told}");
    let refused = project.ketch(["env", "diff"]).failure(3);
    assert!(refused.stderr.contains("git checkout HEAD --"), "{refused}");

    // What is no record of ours is left alone.
    project.write(".ketch-environments/results/README", "hands off\n");
    fs_err::remove_file(project.path(&path)).unwrap();
    let told = project.ketch(["checkout"]).success();
    assert!(told.stderr.contains("it is not there"), "{told}");
    let _ = project.ketch(["repro", "--force"]).success();
    let quiet = project.ketch(["repro"]).success();
    assert!(!quiet.stderr.contains("warning"), "{quiet}");
    assert!(results(&project).contains(&"README".to_owned()));
}

/// What two people ran merges without a conflict where `dvc.lock` does.
#[test]
fn branches_that_ran_different_stages_merge() {
    let mut project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    let stage = |name: &str| {
        format!(
            "  {name}:\n    cmd: cp {name}.in {name}.out\n    deps: [{name}.in]\n    outs: [{name}.out]\n"
        )
    };
    let names = ["first", "second", "third"];
    let stages: String = names.iter().map(|name| stage(name)).collect();
    project.write("dvc.yaml", format!("stages:\n{stages}"));
    for name in names {
        project.write(format!("{name}.in"), name);
    }
    let _ = project.ketch(["repro", "-j", "3"]).success();
    assert_eq!(results(&project).len(), 3);
    commit_all(&project);
    for (branch, name) in [("one", "first"), ("two", "second")] {
        let _ = project
            .git(["checkout", "--quiet", "-b", branch, "main"])
            .success();
        project.write(format!("{name}.in"), branch);
        project.set_env("OMP_NUM_THREADS", branch);
        let _ = project.ketch(["repro", name]).success();
        // Both make this one again, with the same result.
        let _ = project.ketch(["repro", "--force", "third"]).success();
        commit_all(&project);
    }
    let _ = project
        .git(["merge", "--quiet", "--no-edit", "one"])
        .success();
    assert_eq!(results(&project).len(), 4);
    assert_eq!(documents(&project).len(), 3);
    let told = project.ketch(["checkout"]).success();
    assert!(told.stderr.contains("results of `first` were"), "{told}");
}

/// The interpreter that a stage names counts, and not the first on the `PATH`.
#[test]
fn stages_with_interpreters_of_their_own_are_told_apart() {
    let project = project();
    project.git_init();
    let _ = project.ketch(["init"]).success();
    if virtual_environment(&project, "own").is_none() {
        return;
    }
    project.write(".gitignore", "own\n");
    install(&project, "own", "inside", "3");
    project.write(
        "dvc.yaml",
        "stages:\n  mine:\n    cmd: ./own/bin/python -c \"open('a', 'w')\"\n    outs: [a]\n  \
         theirs:\n    cmd: touch b\n    outs: [b]\n",
    );
    let _ = project.ketch(["repro"]).success();
    let diff = json(
        &project
            .ketch(["--json", "env", "diff", "theirs", "mine"])
            .success(),
    );
    let all = diff["comparisons"][0]["differences"].as_array().unwrap();
    let inside = all.iter().find(|one| one["what"] == "inside").unwrap();
    assert_eq!(
        (&inside["from"], &inside["to"]),
        (&Value::Null, &Value::from("3"))
    );
    let same = project.ketch(["env", "diff"]).success();
    assert_eq!(same.stdout, "");
}

/// Installs from the package index; false where it cannot be reached.
fn pip_install(project: &TestProject, folder: &str, arguments: &[&str]) -> bool {
    let program = project.path(folder).join("bin/python");
    let mut command = project.command(program);
    command.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
    ]);
    pass_on_pip(&mut command);
    let output = CommandOutput::of(command.args(arguments));
    let succeeded = output.status.success();
    if !succeeded {
        say(&format!(
            "skipped: no package index, or no pip in virtual environments: {output}"
        ));
    }
    succeeded
}

/// How this machine reaches its index.
fn pass_on_pip(command: &mut std::process::Command) {
    for (name, value) in std::env::vars_os() {
        let text = name.to_string_lossy().to_uppercase();
        let wanted = text.starts_with("PIP_")
            || text.ends_with("_PROXY")
            || text.ends_with("_CA_BUNDLE")
            || text.starts_with("SSL_CERT");
        if wanted {
            command.env(name, value);
        }
    }
}

/// A real environment is recorded, made again elsewhere from the record, and is the same.
#[test]
fn an_environment_is_made_again_from_the_record() {
    let project = pipeline();
    let mut make = project.command("python3");
    let made = make.args(["-m", "venv", ".venv"]).output();
    if !made.is_ok_and(|made| made.status.success()) {
        say("skipped: `python3 -m venv` does not work; install python3-venv");
        return;
    }
    project.write(".gitignore", ".venv\nagain\nown\n");
    let requirements = format!(
        "six==1.16.0 --hash=sha256:{SIX_SOURCE} \\\n    --hash=sha256:{SIX_WHEEL}\n\
         idna==3.7 --hash=sha256:{IDNA_WHEEL}\n"
    );
    project.write("requirements.txt", requirements);
    let hashed = ["--no-deps", "--require-hashes", "-r", "requirements.txt"];
    if !pip_install(&project, ".venv", &hashed) {
        return;
    }
    assert!(pip_install(
        &project,
        ".venv",
        &["--no-deps", "toolz==0.12.1"]
    ));
    let own = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n";
    project.write("own/pyproject.toml", own);
    install(&project, ".venv", "own", "0.1");
    let site = python(
        &project,
        ".venv",
        "import sysconfig; print(sysconfig.get_path('purelib'))",
    );
    let direct = format!(
        r#"{{"url":"file://{}/own","dir_info":{{"editable":true}}}}"#,
        project.root()
    );
    fs_err::write(format!("{site}/own-0.1.dist-info/direct_url.json"), direct).unwrap();
    let _ = project.ketch(["add", "rows.txt"]).success();
    let _ = project.ketch(["repro"]).success();
    commit_all(&project);

    // The environment is gone, and so is all that pins it: only the record is left.
    fs_err::remove_dir_all(project.path(".venv")).unwrap();
    fs_err::remove_file(project.path("requirements.txt")).unwrap();
    let mut command = project.ketch_command();
    pass_on_pip(&mut command);
    let command = command.args(["--json", "env", "build", "HEAD", "--into", "again"]);
    let report = CommandOutput::of(command).failure(1);
    let report = json(&report);
    assert_eq!(report["left_out"][0]["package"], "own");
    assert_eq!(report["left_out"][0]["why"], "it is editable");
    let differences = report["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(differences[0]["what"], "own");
    let versions =
        "import six, idna, toolz; print(six.__version__, idna.__version__, toolz.__version__)";
    assert_eq!(python(&project, "again", versions), "1.16.0 3.7 0.12.1");

    // What is there is not touched, and what does not work leaves nothing behind.
    let occupied = project.ketch(["env", "build", "--into", "own"]).failure(3);
    assert!(occupied.stderr.contains("something at"), "{occupied}");
    let name = documents(&project).remove(0);
    let text = project.read(format!(".ketch-environments/{name}"));
    let mut other = text.clone();
    for hash in [SIX_WHEEL, SIX_SOURCE] {
        assert!(text.contains(hash), "{text}");
        other = other.replace(hash, &"0".repeat(64));
    }
    project.write(".ketch-environments/other", &other);
    let digest = project
        .command("md5sum")
        .arg(".ketch-environments/other")
        .output()
        .unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap()[..32].to_owned();
    project.write(format!(".ketch-environments/{digest}.json"), &other);
    let id = name.strip_suffix(".json").unwrap();
    for name in results(&project) {
        let name = format!(".ketch-environments/results/{name}");
        let renamed = project.path(name.replace(id, &digest));
        fs_err::rename(project.path(&name), renamed).unwrap();
    }
    let mut command = project.ketch_command();
    pass_on_pip(&mut command);
    let refused = CommandOutput::of(command.args(["env", "build", "--into", "wrong"])).failure(3);
    assert!(refused.stderr.to_lowercase().contains("hash"), "{refused}");
    assert!(!project.path("wrong").exists());
}

/// The hashes that the index gives.
const SIX_WHEEL: &str = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254";
const SIX_SOURCE: &str = "1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926";
const IDNA_WHEEL: &str = "82fee1fc78add43492d3a1898bfa6d8a904cc97d8427f683ed8e798d07761aa0";
