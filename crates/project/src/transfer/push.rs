//! Sending data to remotes.

use ketch_store::Reporter;
use ketch_store::remote::{TransferReport, upload};
use serde::Serialize;

use super::outputs::outputs;
use super::{RemoteChoice, SkipReason, Skipped};
use crate::{Project, ProjectError};

/// What to send where.
#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    /// Outputs, `.dvc` files or stages; empty for everything.
    pub targets: Vec<String>,
    pub remote: RemoteChoice,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushReport {
    pub remotes: Vec<PushedTo>,
    pub skipped: Vec<Skipped>,
}

/// What one remote got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushedTo {
    pub remote: String,
    #[serde(flatten)]
    pub transfer: TransferReport,
}

impl PushReport {
    /// Objects sent now.
    pub fn objects(&self) -> usize {
        self.remotes.iter().map(|to| to.transfer.objects).sum()
    }

    /// Whether the remotes have everything that was asked for.
    pub fn is_complete(&self) -> bool {
        self.remotes.iter().all(|to| to.transfer.missing.is_empty())
    }
}

/// Sends the objects of outputs that their remotes lack.
///
/// What is neither in the cache nor on the remote is reported, not an error. When objects fail the
/// others are sent first; running it again sends the rest.
pub fn push(
    project: &Project,
    options: &PushOptions,
    reporter: &dyn Reporter,
) -> Result<PushReport, ProjectError> {
    let _lock = project.lock()?;
    let (mut wanted, mut skipped) = outputs(project, &options.targets)?;
    wanted.retain(|output| {
        if !output.pushed {
            skipped.push(Skipped {
                path: output.path.clone(),
                reason: SkipReason::NotPushed,
            });
        }
        output.pushed
    });
    let mut remotes = Vec::new();
    for group in options.remote.groups(project, wanted)? {
        let transfer = upload(
            project.cache(),
            &*group.remote,
            &group.ids(),
            group.options,
            reporter,
        )?;
        remotes.push(PushedTo {
            remote: group.remote.name().to_owned(),
            transfer,
        });
    }
    Ok(PushReport { remotes, skipped })
}
