//! `ketch env capture`

use clap::Args;
use ketch_project::{CapturedStages, Environment, Manager, Prefix, capture_environment};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::{hint_to_record, open_project};

/// Show what a stage would run in now
///
/// With stages, records it as what made the results that dvc.lock has of them: of results that were
/// made here, but not by `ketch repro`. With `--json` the whole description is printed.
///
/// Everything is read from files, no Python is started. Variables are recorded by a list of those
/// that change results (threads, seeds, language, devices); names that look like secrets never are.
/// `KETCH_IMAGE` says which container image this is, where that cannot be known inside.
#[derive(Debug, Args)]
pub(crate) struct CaptureArgs {
    /// Stages whose results were made here
    #[arg(value_name = "STAGE")]
    stages: Vec<String>,

    /// All stages that have results
    #[arg(short, long, conflicts_with = "stages")]
    all: bool,
}

pub(super) fn run(
    args: CaptureArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let stages = if args.all {
        CapturedStages::All
    } else if args.stages.is_empty() {
        CapturedStages::None
    } else {
        CapturedStages::Named(args.stages)
    };
    let report = capture_environment(&project, &stages, &settings.circumstances)?;
    printer.json(&report);
    printer.line(format_args!("environment {}", report.id));
    for (name, value) in summary(&report.environment) {
        printer.line(format_args!("  {name:<12}  {value}"));
    }
    if !report.stages.is_empty() {
        printer.note(format_args!(
            "recorded as what made the results of {}",
            report.stages.join(", ")
        ));
        hint_to_record(printer, &project, "git add .ketch-environments");
    }
    Ok(ExitStatus::Success)
}

fn summary(environment: &Environment) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(python) = &environment.interpreter {
        let place = match python.prefix {
            Prefix::Virtual => ", virtual environment",
            Prefix::Conda => ", Conda",
            Prefix::System => "",
        };
        let version = python.version.as_deref().unwrap_or("of unknown version");
        lines.push(("python", format!("{} {version}{place}", python.name)));
    }
    let packages = &environment.packages;
    if !packages.is_empty() {
        let hashed = packages
            .iter()
            .filter(|package| !package.hashes.is_empty())
            .count();
        let conda = packages
            .iter()
            .filter(|package| package.manager == Manager::Conda)
            .count();
        let of_conda = if conda > 0 {
            format!(", {conda} of Conda")
        } else {
            String::new()
        };
        lines.push((
            "packages",
            format!("{} ({hashed} with hashes{of_conda})", packages.len()),
        ));
    }
    let system = &environment.system;
    let parts = [
        Some(&system.os),
        Some(&system.architecture),
        system.distribution.as_ref(),
        system.libc.as_ref(),
        system.kernel.as_ref(),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    lines.push(("system", parts.join(", ")));
    if let Some(model) = &environment.cpu.model {
        lines.push(("cpu", model.clone()));
    }
    if let Some(gpu) = &environment.gpu {
        let models = gpu.models.join(", ");
        lines.push(("gpu", format!("{models} (driver {})", gpu.driver)));
    }
    if let Some(container) = &environment.container {
        let parts = [&container.engine, &container.image];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        lines.push(("container", parts.join(" ")));
    }
    let variables = environment.variables.iter();
    lines.extend(variables.map(|(name, value)| ("variable", format!("{name}={value}"))));
    lines
}
