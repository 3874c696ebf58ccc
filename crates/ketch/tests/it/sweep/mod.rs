//! Odd command lines, each by ketch under the name of `dvc` and by DVC 3.67.1, in the same
//! situation: they end the same, print the same, and leave the same files.
//!
//! `cases.txt` says which:
//!
//! ```text
//! ## NAME < OTHER      a situation; what follows `<` is the one that it begins with
//! $ COMMAND            a line of shell that makes it
//! = ARGUMENTS          both end the same, print the same lines or JSON and leave the same files; the
//!                      order does not count, as DVC's comes from sets and folders
//! ~ ARGUMENTS          both end the same and leave the same files
//! . ARGUMENTS          both end the same
//! ! OURS/THEIRS ARGUMENTS    they do not, on purpose: the exit codes
//! # TEXT               a comment
//! ```

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use crate::personality::{Answer, Twin, files_of, link, sorted_json, sorted_words};
use crate::support::project;

const CASES: &str = include_str!("cases.txt");

/// What is compared besides the exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    All,
    Files,
    Codes,
    /// Not even these: ours, and DVC's.
    Differing(i32, i32),
}

#[derive(Debug)]
struct Case {
    arguments: Vec<String>,
    compared: Compared,
}

#[derive(Debug, Default)]
struct Situation {
    name: &'static str,
    begins_with: Option<&'static str>,
    shell: Vec<&'static str>,
    cases: Vec<Case>,
}

fn situations() -> Vec<Situation> {
    let mut found: Vec<Situation> = Vec::new();
    for line in CASES.lines().filter(|line| !line.trim().is_empty()) {
        let (mark, rest) = line.split_once(' ').expect("a mark and a text");
        if mark == "##" {
            let (name, before) = match rest.split_once(" < ") {
                Some((name, before)) => (name, Some(before)),
                None => (rest, None),
            };
            found.push(Situation {
                name,
                begins_with: before,
                ..Situation::default()
            });
            continue;
        }
        let Some(situation) = found.last_mut() else {
            assert_eq!(mark, "#", "{line}");
            continue;
        };
        let (compared, text) = match mark {
            "#" => continue,
            "$" => {
                situation.shell.push(rest);
                continue;
            }
            "=" => (Compared::All, rest),
            "~" => (Compared::Files, rest),
            "." => (Compared::Codes, rest),
            "!" => {
                let (codes, text) = rest.split_once(' ').expect("codes and arguments");
                let (ours, theirs) = codes.split_once('/').expect("two codes");
                let code = |text: &str| text.parse().expect("a code");
                (Compared::Differing(code(ours), code(theirs)), text)
            }
            other => panic!("`{other}` is no mark: {line}"),
        };
        situation.cases.push(Case {
            arguments: words(text),
            compared,
        });
    }
    found
}

/// Words with blanks between, or in `'`.
fn words(text: &str) -> Vec<String> {
    let quoted = text.split('\'').enumerate();
    quoted
        .flat_map(|(place, part)| match place % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

/// DVC, started once.
struct Dvc {
    process: Child,
    jobs: ChildStdin,
    codes: BufReader<ChildStdout>,
}

impl Dvc {
    fn start(python: &Utf8Path) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sweep/dvc_server.py");
        let mut process = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python");
        Self {
            jobs: process.stdin.take().expect("its input"),
            codes: BufReader::new(process.stdout.take().expect("its output")),
            process,
        }
    }

    fn answer(&mut self, twin: &Twin, arguments: &[String]) -> Answer {
        let command = twin.command("");
        let environment: BTreeMap<_, _> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)))
            .collect();
        let home = twin.project.home();
        let (output, errors) = (home.join("output"), home.join("errors"));
        let job = json!({
            "directory": twin.project.root(), "environment": environment,
            "arguments": arguments, "output": output, "errors": errors,
        });
        writeln!(self.jobs, "{job}").expect("it listens");
        let mut code = String::new();
        self.codes.read_line(&mut code).expect("it answers");
        let text = |path: &Utf8Path| {
            let bytes = fs_err::read(path).expect("what it said");
            twin.shown(&bytes)
        };
        Answer {
            code: Some(code.trim().parse().expect("a code")),
            output: text(&output),
            errors: text(&errors),
        }
    }
}

impl Drop for Dvc {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where everything of a project is: the work tree, its home, and what it lies beside.
fn base(twin: &Twin) -> Utf8PathBuf {
    twin.project.root().parent().expect("a base").to_owned()
}

fn copy(from: &Twin, program: &Utf8Path) -> Twin {
    let twin = Twin::without_git(program.to_owned());
    let done = Command::new("cp")
        .args([
            "-a",
            "--",
            base(from).join(".").as_str(),
            base(&twin).as_str(),
        ])
        .status();
    assert!(done.expect("cp").success());
    twin
}

/// Makes a situation with our own program, whatever it is compared in afterwards.
fn make(situation: &Situation, before: Option<&Twin>, program: &Utf8Path) -> Twin {
    let twin = match before {
        Some(before) => copy(before, program),
        None => Twin::without_git(program.to_owned()),
    };
    let like = twin.command("");
    let folder = program.parent().expect("its folder");
    let mut shell = Command::new("sh");
    shell
        .args(["-e", "-c", &situation.shell.join("\n")])
        .current_dir(twin.project.root())
        .envs(
            like.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("GIT_TEMPLATE_DIR", "")
        .env("PATH", format!("{folder}:/usr/bin:/bin"));
    let answer = twin.answer(shell);
    assert_eq!(
        answer.code,
        Some(0),
        "{}: {}",
        situation.name,
        answer.errors
    );
    twin
}

/// What differs, told so that it can be seen at once.
fn difference(case: &Case, ours: (&Answer, &Twin), theirs: (&Answer, &Twin)) -> Option<String> {
    let codes = (ours.0.code, theirs.0.code);
    if let Compared::Differing(our, their) = case.compared {
        return (codes != (Some(our), Some(their))).then(|| {
            format!(
                "they end with {codes:?}\n{}{}",
                ours.0.errors, theirs.0.errors
            )
        });
    }
    if codes.0 != codes.1 {
        return Some(format!(
            "ours ends with {:?}:\n{}{}theirs with {:?}:\n{}{}",
            codes.0, ours.0.output, ours.0.errors, codes.1, theirs.0.output, theirs.0.errors
        ));
    }
    // DVC prints its own usage where the command line is wrong.
    let printed = case.compared == Compared::All && codes.0 != Some(254);
    if printed && !says_the_same(&ours.0.output, &theirs.0.output) {
        return Some(format!(
            "ours prints\n{}theirs\n{}",
            ours.0.output, theirs.0.output
        ));
    }
    if case.compared == Compared::Codes {
        return None;
    }
    let (ours, theirs) = (files_of(ours.1), files_of(theirs.1));
    let one_sided = |left: &[(String, String)], right: &[(String, String)]| {
        let only = left.iter().filter(|file| !right.contains(file));
        let lines: Vec<String> = only
            .map(|(path, text)| format!("  {path}: {text:?}\n"))
            .collect();
        lines.concat()
    };
    (ours != theirs).then(|| {
        format!(
            "ours leaves\n{}theirs\n{}",
            one_sided(&ours, &theirs),
            one_sided(&theirs, &ours)
        )
    })
}

fn says_the_same(ours: &str, theirs: &str) -> bool {
    let is_json = |text: &str| text.starts_with(['{', '[']);
    if is_json(ours) && is_json(theirs) {
        return sorted_json(ours) == sorted_json(theirs);
    }
    sorted_words(ours) == sorted_words(theirs)
}

#[test]
fn whatever_is_asked_of_dvc_is_answered_as_dvc_does() {
    let Some(python) = ketch_testkit::peer("dvc/bin/python") else {
        return;
    };
    let folder = project();
    let program = link(&folder.root());
    let mut dvc = Dvc::start(&python);
    let mut made: BTreeMap<&str, Twin> = BTreeMap::new();
    let mut differing = Vec::new();
    let mut compared = 0;
    for situation in situations() {
        let before = situation.begins_with.map(|name| &made[name]);
        let start = make(&situation, before, &program);
        let untouched = files_of(&start);
        let mut twins: Option<[Twin; 2]> = None;
        for case in &situation.cases {
            let pair = twins
                .take()
                .unwrap_or_else(|| [copy(&start, &program), copy(&start, &program)]);
            let [our, their] = &pair;
            let mut command = our.command("");
            command.args(&case.arguments);
            let ours = our.answer(command);
            let theirs = dvc.answer(their, &case.arguments);
            compared += 1;
            if let Some(how) = difference(case, (&ours, our), (&theirs, their)) {
                let line = case.arguments.join(" ");
                differing.push(format!("[{}] $ dvc {line}\n{how}", situation.name));
            }
            // What only looked can be asked again.
            if pair.iter().all(|twin| files_of(twin) == untouched) && !touches_git(case) {
                twins = Some(pair);
            }
        }
        made.insert(situation.name, start);
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(compared >= 100, "{compared}");
}

/// Whether something may have changed that is no file of the work tree.
fn touches_git(case: &Case) -> bool {
    let words = [
        "install",
        "git-hook",
        "init",
        "config",
        "push",
        "gc",
        "--run-cache",
    ];
    case.arguments
        .iter()
        .any(|word| words.contains(&word.as_str()))
}
