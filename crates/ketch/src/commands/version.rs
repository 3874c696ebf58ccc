//! `ketch version`

use clap::Args;
use ketch_project::Project;
use serde::Serialize;

use crate::exit::ExitStatus;
use crate::personality::DVC_VERSION;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Print what is needed to report a problem
#[derive(Debug, Clone, Copy, Args)]
#[command(visible_alias = "doctor")]
pub(crate) struct VersionArgs {}

#[derive(Serialize)]
struct About {
    version: &'static str,
    platform: String,
    /// Outside of a project there is none.
    project: Option<String>,
    /// As DVC calls it.
    #[serde(skip)]
    kind: &'static str,
    cache: Option<String>,
}

pub(super) fn run(args: VersionArgs, settings: &Settings, printer: &Printer) -> ExitStatus {
    let VersionArgs {} = args;
    let project = open_project(settings, printer).ok();
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        project: project.as_ref().map(|project| project.root().to_string()),
        kind: project.as_ref().map_or("", kind),
        cache: project
            .as_ref()
            .map(|project| project.cache().root().to_string()),
    };
    if printer.speaks_dvc() {
        tell_as_dvc(&about, settings, printer);
        return ExitStatus::Success;
    }
    printer.json(&about);
    printer.line(format_args!("ketch version: {}", about.version));
    printer.line(format_args!("Platform: {}", about.platform));
    if let (Some(root), Some(cache)) = (&about.project, &about.cache) {
        printer.line(format_args!("Project: {root}"));
        printer.line(format_args!("Cache: {cache}"));
    }
    ExitStatus::Success
}

fn kind(project: &Project) -> &'static str {
    if project.git().is_declined() {
        return "dvc (no_scm)";
    }
    match project.git().top_level() {
        Ok(top) if top != *project.root() => "dvc (subdir), git",
        _ => "dvc, git",
    }
}

/// In the shape of DVC's, for those who read it line by line.
fn tell_as_dvc(about: &About, settings: &Settings, printer: &Printer) {
    let title = format!("DVC version: {DVC_VERSION} (ketch {})", about.version);
    printer.line(&title);
    printer.line("-".repeat(title.len()));
    printer.line(format_args!("Platform: {}", about.platform));
    printer.line(format_args!("Subprojects:\n\tketch = {}", about.version));
    printer.line("Config:");
    let shared = &settings.dvc_files;
    for (level, file) in [("Global", &shared.global), ("System", &shared.system)] {
        if let Some(directory) = file.as_deref().and_then(camino::Utf8Path::parent) {
            printer.line(format_args!("\t{level}: {directory}"));
        }
    }
    if let (Some(root), Some(cache)) = (&about.project, &about.cache) {
        printer.line(format_args!("Cache directory: {cache}"));
        printer.line("Caches: local");
        printer.line(format_args!("Workspace directory: {root}"));
        printer.line(format_args!("Repo: {}", about.kind));
    }
}
