//! What transfers are asked for and what they report, the same in both directions.

use camino::Utf8PathBuf;
use ketch_store::remote::TransferReport;
use serde::Serialize;

use super::{DataKind, History, RemoteChoice, Skipped};
use crate::CommitId;

/// Which outputs, and the remotes they belong to.
#[derive(Debug, Clone, Default)]
pub struct TransferSelection {
    /// Outputs, `.dvc` files or stages; empty for everything.
    pub targets: Vec<String>,
    pub remote: RemoteChoice,
    /// Which commits count besides the work tree.
    pub history: History,
    /// Only what these commits record, whatever the work tree and `history` say.
    pub commits: Option<Vec<CommitId>>,
    /// What the data has to be for; empty for everything.
    pub kinds: Vec<DataKind>,
}

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    pub remotes: Vec<RemoteTransfer>,
    /// `.dvc` and `dvc.lock` files that record new versions now, relative to the root, for `git add`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed_files: Vec<Utf8PathBuf>,
    pub skipped: Vec<Skipped>,
}

/// What one remote got or gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteTransfer {
    pub remote: String,
    #[serde(flatten)]
    pub transfer: TransferReport,
}

impl Moved {
    /// Objects moved now.
    pub fn objects(&self) -> usize {
        self.remotes.iter().map(|one| one.transfer.objects).sum()
    }

    /// Whether the receiving side has everything that was asked for.
    pub fn is_complete(&self) -> bool {
        self.remotes
            .iter()
            .all(|one| one.transfer.missing.is_empty())
    }
}
