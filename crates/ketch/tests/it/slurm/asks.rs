use ketch_testkit::SlurmCluster;

use super::{plain_project, project_on};

#[test]
fn what_stages_ask_for_they_get() {
    let Some(cluster) = SlurmCluster::start() else {
        return;
    };
    let show = "echo $SLURM_CPUS_PER_TASK $SLURM_MEM_PER_NODE $CUDA_VISIBLE_DEVICES $SLURM_JOB_PARTITION $GREETING";
    let text = format!(
        "stages:\n  fit:\n    foreach: [a]\n    do:\n      cmd: {show} > ${{item}}\n      outs: ['${{item}}']\n  plain:\n    cmd: {show} > plain\n    outs: [plain]\n"
    );
    let mut project = project_on(&cluster, &text);
    project.set_env("GREETING", "it's here");
    project.write(
        "ketch.toml",
        "[executor]\nuse = \"slurm\"\n[executor.slurm]\npartition = \"main\"\ncpus = 1\nmemory = \"100M\"\ntime = \"5\"\n[executor.slurm.stage.fit]\ncpus = 3\nmemory = \"200M\"\ngpus = 1\narguments = [\"--comment=asked\"]\n",
    );
    let _ = project.ketch(["repro"]).success();
    assert_eq!(project.read("a"), "3 200 0 main it's here\n");
    assert_eq!(project.read("plain"), "1 100 main it's here\n");
    let asked = cluster.ask("squeue", &["--noheader", "--states=all", "--format=%k %l"]);
    let mut asked: Vec<&str> = asked.lines().collect();
    asked.sort_unstable();
    assert_eq!(asked, ["(null) 5:00", "asked 5:00"]);
}

#[test]
fn what_slurm_refuses_is_told_in_its_words() {
    let Some(cluster) = SlurmCluster::start() else {
        return;
    };
    let project = project_on(
        &cluster,
        "stages:\n  one:\n    cmd: echo 1 > one\n    outs: [one]\n",
    );
    for (asks, told, hint) in [
        (
            "partition = \"nope\"",
            "invalid partition specified: nope",
            "sinfo",
        ),
        (
            "memory = \"1T\"",
            "Memory specification can not be satisfied",
            "ketch.toml",
        ),
        (
            "gpus = 7",
            "Requested node configuration is not available",
            "ketch.toml",
        ),
        (
            "arguments = [\"--no-such-option\"]",
            "unrecognized option",
            "ketch.toml",
        ),
    ] {
        project.write("ketch.toml", format!("[executor.slurm]\n{asks}\n"));
        let output = project.ketch(["repro", "--executor", "slurm"]);
        assert_eq!(output.status.code(), Some(3), "{output}");
        assert!(
            output.stderr.contains("Slurm does not take stage `one`")
                && output.stderr.contains(told)
                && output.stderr.contains(hint),
            "{output}"
        );
    }
    // Nothing is left that a later run would look for.
    project.write("ketch.toml", "");
    let _ = project.ketch(["repro", "--executor", "slurm"]).success();
}

#[test]
fn a_machine_without_slurm_says_what_to_do() {
    let mut project = plain_project("stages:\n  one:\n    cmd: echo 1 > one\n    outs: [one]\n");
    let bin = project.home().join("bin");
    fs_err::create_dir_all(&bin).unwrap();
    for program in ["git", "sh"] {
        let real =
            ["/usr/bin", "/bin"].map(|folder| camino::Utf8PathBuf::from(folder).join(program));
        let real = real.iter().find(|path| path.exists()).unwrap();
        fs_err::os::unix::fs::symlink(real, bin.join(program)).unwrap();
    }
    project.set_env("PATH", bin.as_str());
    let output = project.ketch(["repro", "--executor", "slurm"]);
    assert_eq!(output.status.code(), Some(4), "{output}");
    assert!(
        output
            .stderr
            .contains("the program `sbatch` of Slurm cannot be run"),
        "{output}"
    );
    assert!(output.stderr.contains("--executor local"), "{output}");
}

#[test]
fn what_cannot_be_kept_apart_is_refused_before_it_runs() {
    for (stage, told) in [
        (
            "deps: [../beside]\n    outs: [one]",
            "uses `../beside`, which is outside",
        ),
        (
            "outs:\n      - /tmp/ketch-outside:\n          cache: false",
            "writes `/tmp/ketch-outside`, which is outside",
        ),
    ] {
        let project = plain_project(&format!(
            "stages:\n  one:\n    cmd: echo 1 > one\n    {stage}\n"
        ));
        fs_err::write(project.root().parent().unwrap().join("beside"), "1").unwrap();
        let output = project.ketch(["repro", "--executor", "slurm"]);
        assert!(output.stderr.contains(told), "{output}");
    }
}
