//! `ketch install`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{
    HookProgram, Project, install_hooks, install_merge_driver, install_with_pre_commit,
};

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
pub(crate) struct InstallArgs {
    /// Let the pre-commit tool call it: add the hooks to `.pre-commit-config.yaml` instead
    #[arg(long)]
    use_pre_commit_tool: bool,
}

pub(super) fn run(
    args: InstallArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    if printer.speaks_dvc() {
        // DVC has nothing to say where there is no Git.
        if !project.git().is_declined() {
            write(args, &project, HookProgram::Dvc)
                .map_err(|error| error.context("failed to install DVC Git hooks"))?;
            install_merge_driver(&project)?;
        }
        return Ok(ExitStatus::Success);
    }
    let mut hooks = write(args, &project, HookProgram::Ketch)?;
    let attributes = install_merge_driver(&project)?;
    hooks.extend(attributes.clone());
    printer.json(&hooks);
    for hook in hooks {
        printer.line(hook);
    }
    if let Some(path) = attributes {
        printer.hint(format_args!("let others have it too: `git add {path}`"));
    }
    if args.use_pre_commit_tool {
        printer.hint(
            "set the tool up: `pre-commit install --hook-type pre-commit --hook-type pre-push --hook-type post-checkout`",
        );
    }
    Ok(ExitStatus::Success)
}

/// The files that were written.
fn write(
    args: InstallArgs,
    project: &Project,
    program: HookProgram,
) -> Result<Vec<Utf8PathBuf>, CommandError> {
    let InstallArgs {
        use_pre_commit_tool,
    } = args;
    Ok(if use_pre_commit_tool {
        let written = install_with_pre_commit(project, program)?;
        written.into_iter().collect()
    } else {
        install_hooks(project, program)?
    })
}
