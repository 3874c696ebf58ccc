//! `ketch env build`

use camino::Utf8PathBuf;
use clap::Args;
use ketch_project::{EnvironmentBuildOptions, EnvironmentBuildReport, build_environment};

use super::shown;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Make the environment of results again
///
/// Makes a virtual environment with the Python and the packages that were recorded: these versions
/// and no others, checked by their hashes where they are known; with uv if it is there, else with
/// Python's venv and pip. Then says what could not be made again: the machine, editable packages,
/// those of Conda or of the operating system. Ends with 1 if Python or a package is not as recorded.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// A revision or a stage [default: the results here]
    #[arg(value_name = "REV")]
    of: Option<String>,

    /// What made the results of this stage, if they were not all made in the same
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,

    /// The directory of the new virtual environment
    #[arg(long, value_name = "DIR")]
    into: Utf8PathBuf,
}

pub(super) fn run(
    args: BuildArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let BuildArgs { of, stage, into } = args;
    let project = open_project(settings, printer)?;
    let options = EnvironmentBuildOptions {
        of,
        stage,
        into: settings.directory.join(into),
        circumstances: settings.circumstances.clone(),
    };
    let report = build_environment(&project, &options)?;
    printer.json(&report);
    print(printer, &report);
    Ok(if report.is_complete() {
        ExitStatus::Success
    } else {
        ExitStatus::Refused
    })
}

fn print(printer: &Printer, report: &EnvironmentBuildReport) {
    let python = report.interpreter.as_ref().map(|interpreter| {
        let version = interpreter.version.as_deref().unwrap_or_default();
        format!("{} {version}", interpreter.name)
    });
    printer.line(format_args!(
        "made `{}` with {}: {}, {} packages",
        report.into,
        report.installer,
        python.unwrap_or_default(),
        report.packages
    ));
    for package in &report.left_out {
        let (name, version) = (&package.package, &package.version);
        printer.line(format_args!("left out {name} {version}: {}", package.why));
    }
    let tried = report.differences.iter().filter(|difference| {
        let mut left_out = report.left_out.iter();
        left_out.all(|package| package.package != difference.what)
    });
    for difference in tried {
        printer.line(format_args!("not as recorded: {}", shown(difference)));
    }
    for difference in &report.surroundings {
        printer.line(format_args!("cannot be made: {}", shown(difference)));
    }
    if report.is_complete() {
        printer.note("Python and its packages are as recorded");
    }
}
