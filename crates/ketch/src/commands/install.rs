//! `ketch install`

use clap::Args;
use ketch_project::{HookProgram, install_hooks, install_merge_driver};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Let Git call ketch
///
/// Writes three Git hooks: before a commit `ketch status` is shown, after a checkout of another
/// commit `ketch checkout` brings the data, and before a push `ketch push` sends it. Hooks that
/// are somebody else's are not touched.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct InstallArgs {}

pub(super) fn run(
    args: InstallArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let InstallArgs {} = args;
    let project = open_project(settings, printer)?;
    let program = if printer.speaks_dvc() {
        HookProgram::Dvc
    } else {
        HookProgram::Ketch
    };
    let mut hooks = install_hooks(&project, program)?;
    let attributes = install_merge_driver(&project)?;
    hooks.extend(attributes.clone());
    if printer.speaks_dvc() {
        return Ok(ExitStatus::Success);
    }
    printer.json(&hooks);
    for hook in hooks {
        printer.line(hook);
    }
    if let Some(path) = attributes {
        printer.hint(format_args!("let others have it too: `git add {path}`"));
    }
    Ok(ExitStatus::Success)
}
