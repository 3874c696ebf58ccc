//! `ketch check-ignore`

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use ketch_project::Project;
use ketch_store::{IgnoreRule, RuleEffect, RuleOrigin, ignore_rule};
use serde_json::{Value, json};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::targets::tidy;
use crate::workspace::open_project;

/// Show which paths `.dvcignore` hides
///
/// The exit code is 1 where it hides none of them; with `--details`, where no rule is about any of
/// them.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
pub(crate) struct CheckIgnoreArgs {
    /// Files and directories, which need not exist
    #[arg(value_name = "PATH")]
    paths: Vec<Utf8PathBuf>,

    /// Print the rule, and where it stands; also one that shows a path again
    #[arg(short, long)]
    details: bool,

    /// Print every rule: taken as DVC takes it, where one decides and is printed anyway
    #[arg(short, long, hide = true)]
    all: bool,

    /// Print also paths that no rule is about, with an empty rule
    #[arg(short, long)]
    non_matching: bool,

    /// Read the paths from standard input, one a line, up to an empty one
    #[arg(long)]
    stdin: bool,
}

pub(super) fn run(
    args: &CheckIgnoreArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    // Outside of a project DVC says that first.
    let project = open_project(settings, printer)?;
    args.refuse_contradictions(printer)?;
    let mut found = Vec::new();
    let mut look = |path: &Utf8Path| -> Result<(), CommandError> {
        found.extend(args.look(path, &project, settings, printer)?);
        Ok(())
    };
    if args.stdin {
        // One by one: whoever writes may wait for an answer.
        for line in std::io::stdin().lines() {
            let line = line?;
            if line.is_empty() {
                break;
            }
            look(line.as_str().into())?;
        }
    } else {
        for path in &args.paths {
            look(path)?;
        }
    }
    printer.json(&found);
    Ok(if found.is_empty() {
        ExitStatus::Refused
    } else {
        ExitStatus::Success
    })
}

impl CheckIgnoreArgs {
    /// What DVC refuses too, and with an exit code that is not that of a wrong command line.
    fn refuse_contradictions(&self, printer: &Printer) -> Result<(), CommandError> {
        let wrong = [
            (
                !self.stdin && self.paths.is_empty(),
                "give paths, or `--stdin`",
            ),
            (
                self.stdin && !self.paths.is_empty(),
                "give paths or `--stdin`, not both",
            ),
            (
                self.non_matching && !self.details,
                "`--non-matching` cannot be used without `--details`",
            ),
            (
                self.all && !self.details,
                "`--all` cannot be used without `--details`",
            ),
            (
                self.details && printer.is_quiet(),
                "`--details` cannot be used with `--quiet`",
            ),
        ];
        match wrong.iter().find(|(wrong, _)| *wrong) {
            Some((_, why)) => Err(CommandError::user(*why).of_any_command()),
            None => Ok(()),
        }
    }

    /// Prints what is to be said of one path, and returns the rule about it.
    fn look(
        &self,
        path: &Utf8Path,
        project: &Project,
        settings: &Settings,
        printer: &Printer,
    ) -> Result<Option<Value>, CommandError> {
        let place = tidy(&settings.directory.join(path));
        let Some(rule) = ignore_rule(project.root(), &place)? else {
            if self.non_matching {
                printer.line(format_args!("::\t{path}"));
            }
            return Ok(None);
        };
        if self.details {
            printer.line(format_args!("{}\t{path}", shown(&rule, project)));
        } else if rule.effect == RuleEffect::Shows {
            return Ok(None);
        } else {
            printer.line(path);
        }
        let (file, line) = match &rule.origin {
            RuleOrigin::File(file, line) => (Some(below(file, project)), Some(line)),
            RuleOrigin::BuiltIn | RuleOrigin::Subproject(_) => (None, None),
        };
        Ok(Some(json!({
            "path": path,
            "file": file,
            "line": line,
            "pattern": rule.pattern,
            "hides": rule.effect == RuleEffect::Hides,
        })))
    }
}

/// A rule as DVC shows it: where it stands, and what it says.
fn shown(rule: &IgnoreRule, project: &Project) -> String {
    let pattern = &rule.pattern;
    match &rule.origin {
        RuleOrigin::File(file, line) => format!("{}:{line}:{pattern}", below(file, project)),
        RuleOrigin::BuiltIn => format!(":{pattern}"),
        RuleOrigin::Subproject(name) => format!("in sub_repo:{name}"),
    }
}

fn below<'f>(file: &'f Utf8Path, project: &Project) -> &'f Utf8Path {
    file.strip_prefix(project.root()).unwrap_or(file)
}
