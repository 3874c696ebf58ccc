//! `ketch version`

use clap::Args;
use ketch_project::Project;
use serde::Serialize;

use crate::exit::ExitStatus;
use crate::printer::Printer;
use crate::settings::Settings;

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
    cache: Option<String>,
}

pub(super) fn run(args: VersionArgs, settings: &Settings, printer: &Printer) -> ExitStatus {
    let VersionArgs {} = args;
    let project = Project::discover(&settings.directory).ok();
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        project: project.as_ref().map(|project| project.root().to_string()),
        cache: project
            .as_ref()
            .map(|project| project.cache().root().to_string()),
    };
    printer.json(&about);
    printer.line(format_args!("ketch version: {}", about.version));
    printer.line(format_args!("Platform: {}", about.platform));
    if let (Some(root), Some(cache)) = (&about.project, &about.cache) {
        printer.line(format_args!("Project: {root}"));
        printer.line(format_args!("Cache: {cache}"));
    }
    ExitStatus::Success
}
