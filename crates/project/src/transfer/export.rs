//! Writing DVC's layout from a remote that has another.

use camino::Utf8PathBuf;
use ketch_dvc::ObjectId;
use ketch_store::remote::{RemoteSettings, Replicated, TransferOptions, TransferReport, replicate};
use ketch_store::{Reporter, StoreError};
use serde::Serialize;

use super::layout::{check_names, layout};
use super::outputs::outputs;
use super::remotes::levels;
use super::{RemoteChoice, Skipped};
use crate::config::RemoteLayout;
use crate::inside::Part;
use crate::{Project, ProjectError};

/// What to write from where to where.
#[derive(Debug, Clone)]
pub struct ExportOptions {
    pub from: RemoteChoice,
    /// A remote's name, or else a path or URL.
    pub to: String,
    /// Relative paths in `to` begin here.
    pub directory: Utf8PathBuf,
    pub what: Exported,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exported {
    /// Outputs, `.dvc` files or stages as they are recorded now; empty for all of them.
    Targets(Vec<String>),
    /// Every object that the remote has, of whatever commit.
    Everything,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    pub from: String,
    /// Its URL, without a password.
    pub to: String,
    #[serde(flatten)]
    pub transfer: TransferReport,
    pub skipped: Vec<Skipped>,
}

/// Copies objects from one remote to another, where they are in DVC's own layout: DVC can pull from
/// there. The cache is not needed and stays as it is.
///
/// What is there already is not written again; what the first remote does not have is reported.
pub fn export(
    project: &Project,
    options: &ExportOptions,
    reporter: &dyn Reporter,
) -> Result<ExportReport, ProjectError> {
    let levels = levels(project)?;
    check_names(project, &levels)?;
    let from = RemoteSettings::find(&levels, options.from.name.as_deref())
        .map_err(|error| ProjectError::Store(error.into()))?;
    let known = RemoteSettings::names(&levels);
    let to = if known.contains(&options.to.to_lowercase()) {
        let to = RemoteSettings::find(&levels, Some(&options.to))
            .map_err(|error| ProjectError::Store(error.into()))?;
        if layout(project.config(), &to.name) != RemoteLayout::Dvc {
            return Err(ProjectError::ExportInto { name: to.name });
        }
        to
    } else if options.to.contains("://") {
        RemoteSettings::new("export", &options.to)
    } else {
        RemoteSettings::new("export", options.directory.join(&options.to))
    };
    let jobs = options.from.jobs.or(from.jobs().map_err(StoreError::from)?);
    let source = options.from.open(project, &from)?;
    let target = options.from.open_plain(&to)?;
    let (ids, skipped) = match &options.what {
        Exported::Everything => (None, Vec::new()),
        Exported::Targets(targets) => {
            let (outputs, skipped) = outputs(project, targets)?;
            if let Some(part) = outputs.iter().find(|output| output.part != Part::Whole) {
                return Err(ProjectError::ExportedInPart {
                    path: part.path.clone(),
                });
            }
            let ids: Vec<ObjectId> = outputs.into_iter().map(|output| output.id).collect();
            (Some(ids), skipped)
        }
    };
    let transfer = replicate(
        &*source,
        &*target,
        ids.as_deref().map_or(Replicated::All, Replicated::These),
        TransferOptions {
            jobs,
            retry: options.from.retry,
        },
        reporter,
    )?;
    Ok(ExportReport {
        from: from.name,
        to: to.shown_url(),
        transfer,
        skipped,
    })
}
