//! `ketch freeze` and `ketch unfreeze`

use clap::Args;
use ketch_project::{FreezeReport, Frozen, Project, freeze};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::targets::data_targets;
use crate::workspace::{files_from_here, hint_to_record, open_project};

/// Leave stages and imports as they are
///
/// `ketch repro` does not run a frozen stage again when what it depends on changes, and imports,
/// which are frozen from the start, are brought up to date by name only. Sets `frozen: true` in
/// `dvc.yaml` or the `.dvc` file and changes nothing else of it.
#[derive(Debug, Args)]
pub(crate) struct FreezeArgs {
    /// Stages and `.dvc` files
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
}

/// Let stages and imports follow what they depend on again
///
/// Takes `frozen: true` out of `dvc.yaml` or the `.dvc` file and changes nothing else of it.
#[derive(Debug, Args)]
pub(crate) struct UnfreezeArgs {
    /// Stages and `.dvc` files
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
}

pub(super) fn run(
    args: FreezeArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let FreezeArgs { targets } = args;
    set(&targets, Frozen::Yes, settings, printer)
}

pub(super) fn run_unfreeze(
    args: UnfreezeArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let UnfreezeArgs { targets } = args;
    set(&targets, Frozen::No, settings, printer)
}

fn set(
    targets: &[String],
    frozen: Frozen,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let targets = data_targets(&project, settings, targets);
    if printer.speaks_dvc() {
        return Ok(one_by_one(&project, &targets, frozen, printer));
    }
    let report = freeze(&project, &targets, frozen)?;
    printer.json(&report);
    let FreezeReport {
        targets,
        changed_files,
        stages: _,
    } = report;
    let state = match frozen {
        Frozen::Yes => "frozen",
        Frozen::No => "not frozen",
    };
    for target in targets {
        printer.line(format_args!("{target}: {state}"));
    }
    if !changed_files.is_empty() {
        let files = files_from_here(&project, settings, &changed_files);
        hint_to_record(
            printer,
            &project,
            format_args!("git add {}", files.join(" ")),
        );
    }
    Ok(ExitStatus::Success)
}

/// DVC does what it can, and tells of each target that it cannot.
fn one_by_one(
    project: &Project,
    targets: &[String],
    frozen: Frozen,
    printer: &Printer,
) -> ExitStatus {
    let verb = match frozen {
        Frozen::Yes => "freeze",
        Frozen::No => "unfreeze",
    };
    let mut status = ExitStatus::Success;
    for target in targets {
        match freeze(project, std::slice::from_ref(target), frozen) {
            Ok(report) => {
                for (file, stage) in report.stages {
                    printer.line(format_args!("Modifying stage '{stage}' in '{file}'"));
                }
            }
            Err(error) => {
                let error = CommandError::from(error);
                printer.error(&error.context(format!("failed to {verb} '{target}'")));
                status = ExitStatus::Refused;
            }
        }
    }
    status
}
