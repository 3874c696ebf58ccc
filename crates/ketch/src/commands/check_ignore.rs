//! `ketch check-ignore`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_store::ignore_rule;
use serde_json::json;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::targets::tidy;
use crate::workspace::open_project;

/// Show which paths `.dvcignore` hides
///
/// The exit code is 1 where it hides none of them.
#[derive(Debug, Args)]
pub(crate) struct CheckIgnoreArgs {
    /// Files and directories, which need not exist
    #[arg(
        required_unless_present = "stdin",
        conflicts_with = "stdin",
        value_name = "PATH"
    )]
    paths: Vec<Utf8PathBuf>,

    /// Print the rule, and where it stands
    #[arg(short, long)]
    details: bool,

    /// Print also paths that no rule hides, with an empty rule
    #[arg(short, long, requires = "details")]
    non_matching: bool,

    /// Read the paths from standard input, one a line
    #[arg(long)]
    stdin: bool,
}

pub(super) fn run(
    args: CheckIgnoreArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let CheckIgnoreArgs {
        mut paths,
        details,
        non_matching,
        stdin,
    } = args;
    if stdin {
        for line in std::io::stdin().lines() {
            paths.push(line?.into());
        }
    }
    let project = open_project(settings, printer)?;
    let mut hidden = Vec::new();
    for path in paths {
        let place = tidy(&settings.directory.join(&path));
        let Some(rule) = ignore_rule(project.root(), &place)? else {
            if non_matching {
                printer.line(format_args!("::\t{path}"));
            }
            continue;
        };
        let file = rule.file.strip_prefix(project.root());
        let file = file.unwrap_or(&rule.file).to_owned();
        if details {
            let (line, pattern) = (rule.line, &rule.pattern);
            printer.line(format_args!("{file}:{line}:{pattern}\t{path}"));
        } else {
            printer.line(&path);
        }
        hidden.push(json!({
            "path": path, "file": file, "line": rule.line, "pattern": rule.pattern,
        }));
    }
    printer.json(&hidden);
    Ok(if hidden.is_empty() {
        ExitStatus::Refused
    } else {
        ExitStatus::Success
    })
}
