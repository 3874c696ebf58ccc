//! What is named on the command line, and names for what ketch puts aside.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use ketch_project::{Below, Names, Project, TargetChoice, Upstream, choose_targets};

use crate::exit::CommandError;
use crate::settings::Settings;

/// A target as the project knows it: a path from the current directory where something is or was
/// tracked there, anything else (a stage's name, a path from the root) as it is.
pub(crate) fn data_target(project: &Project, settings: &Settings, target: &str) -> String {
    let target = match target.trim_end_matches('/') {
        "" => target,
        trimmed => trimmed,
    };
    let here = tidy(&settings.directory.join(target));
    // It may lie in a tracked directory that is not here.
    let mut above = here
        .ancestors()
        .take_while(|path| *path != project.root() && path.starts_with(project.root()));
    let known = here.symlink_metadata().is_ok()
        || above.any(|path| Utf8PathBuf::from(format!("{path}.dvc")).is_file());
    match here.strip_prefix(project.root()) {
        Ok(below) if known => below.to_string(),
        _ => target.to_owned(),
    }
}

/// [`data_target`] of each.
pub(crate) fn data_targets(
    project: &Project,
    settings: &Settings,
    targets: &[String],
) -> Vec<String> {
    targets
        .iter()
        .map(|target| data_target(project, settings, target))
        .collect()
}

/// What else the targets stand for.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ReachArgs {
    /// Also what the targets depend on
    #[arg(short = 'd', long)]
    with_deps: bool,

    /// Also all that is below directories among the targets
    #[arg(short = 'R', long)]
    recursive: bool,
}

impl ReachArgs {
    /// The targets and what else they stand for, as the project knows them.
    pub(crate) fn resolve(
        self,
        project: &Project,
        settings: &Settings,
        targets: &[String],
    ) -> Result<Vec<String>, CommandError> {
        self.resolve_as(project, settings, targets, Names::Exact)
    }

    /// [`resolve`](Self::resolve) of names that may be patterns.
    pub(crate) fn resolve_as(
        self,
        project: &Project,
        settings: &Settings,
        targets: &[String],
        names: Names,
    ) -> Result<Vec<String>, CommandError> {
        let choice = TargetChoice {
            targets: match names {
                Names::Exact => data_targets(project, settings, targets),
                Names::Patterns => patterns(project, settings, targets),
            },
            names,
            upstream: if self.with_deps {
                Upstream::Included
            } else {
                Upstream::Left
            },
            below: if self.recursive {
                Below::Included
            } else {
                Below::Left
            },
        };
        Ok(choose_targets(project, &choice)?)
    }
}

/// Patterns begin where the command works.
fn patterns(project: &Project, settings: &Settings, targets: &[String]) -> Vec<String> {
    targets
        .iter()
        .map(|target| {
            let here = tidy(&settings.directory.join(target));
            let below = here.strip_prefix(project.root());
            below.map_or_else(|_| target.clone(), ToString::to_string)
        })
        .collect()
}

/// The name of the folder for what one call puts aside: its time.
pub(crate) fn folder_of_now(settings: &Settings) -> String {
    settings
        .clock
        .now()
        .strftime("%Y%m%dT%H%M%S%.6fZ")
        .to_string()
}

/// Without `.` and `..`; links are not followed.
pub(crate) fn tidy(path: &Utf8Path) -> Utf8PathBuf {
    let mut tidied = Utf8PathBuf::new();
    for part in path.components() {
        match part.as_str() {
            "." => {}
            ".." => _ = tidied.pop(),
            other => tidied.push(other),
        }
    }
    tidied
}
