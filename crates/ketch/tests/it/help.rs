//! What ketch says of itself: help, completions, manual pages, wrong command lines.

use std::fmt::Write as _;

use ketch_testkit::TestProject;

use crate::support::project;

/// The help of every command that is shown, found by reading the help of the one above it.
#[test]
fn help_of_every_command() {
    let project = project();
    let mut text = String::new();
    let mut pending = vec![Vec::new()];
    while let Some(command) = pending.pop() {
        let help = help(&project, &command);
        let shown = ["ketch".to_owned()]
            .into_iter()
            .chain(command.clone())
            .collect::<Vec<_>>();
        writeln!(text, "$ {} --help\n{help}\n", shown.join(" ")).unwrap();
        for name in subcommands(&help).into_iter().rev() {
            let mut below = command.clone();
            below.push(name);
            pending.push(below);
        }
    }
    insta::assert_snapshot!(text);
}

fn help(project: &TestProject, command: &[String]) -> String {
    let arguments = command.iter().map(String::as_str).chain(["--help"]);
    let output = project.ketch(arguments).success();
    assert_eq!(output.stderr, "");
    output.stdout
}

/// The names below `Commands:`, but for `help`.
fn subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_names_below_commands_are_read_right() {
    let help =
        "x\n\nCommands:\n  a     about\n        wrapped\n  b-c   more\n  help  h\n\nOptions:\n";
    assert_eq!(subcommands(help), ["a", "b-c"]);
}

#[test]
fn version_is_the_package_version() {
    let output = project().ketch(["--version"]).success();
    assert_eq!(
        output.stdout,
        format!("ketch {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn completions_name_the_commands() {
    let project = project();
    for shell in ["bash", "zsh", "fish"] {
        let script = project.ketch(["completions", shell]).success().stdout;
        for word in ["repro", "register", "rollback"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
        // Also with --json: they are neither text for people nor data.
        let again = project
            .ketch(["--json", "completions", shell])
            .success()
            .stdout;
        assert_eq!(script, again);
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let project = project();
    let _ = project.ketch(["man", "pages"]).success();
    let page = project.read("pages/ketch-model-register.1");
    assert!(
        page.contains("Register the model that the pipeline made last"),
        "{page}"
    );
    let names: Vec<_> = project
        .path("pages")
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect();
    for name in subcommands(&help(&project, &[])) {
        assert!(
            names.contains(&format!("ketch-{name}.1")),
            "no page for {name}: {names:?}"
        );
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let project = project();
    for arguments in [
        &["reproduce"][..],
        &["add"],
        &["deploy", "rain", "one"],
        &["deploy", "rain", "1", "--force"],
        &["deploy", "rain", "1", "--reason", "x"],
        &["rollback", "rain"],
        &["retrain", "rain", "--set", "depth"],
    ] {
        let output = project.ketch(arguments).failure(2);
        assert_eq!(output.stdout, "", "{arguments:?}");
        assert!(output.stderr.starts_with("error: "), "{output}");
    }
}

#[test]
fn what_is_not_a_directory_is_said() {
    let project = project();
    project.write("file", "");
    let _filters = project.bind_filters();
    insta::assert_snapshot!(
        "not-a-directory",
        project.ketch(["-C", "file", "status"]).failure(3)
    );
    let missing = project.ketch(["-C", "missing", "status"]).failure(3);
    assert!(missing.stderr.contains("missing"), "{missing}");
}
