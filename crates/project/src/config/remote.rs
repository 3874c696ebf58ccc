use serde::Serialize;

use super::reader::{Document, TableReader};
use crate::ProjectError;

/// `[remote.NAME]`: what DVC's configuration has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RemoteConfig {
    pub layout: RemoteLayout,
}

/// How a remote keeps objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemoteLayout {
    /// `"dvc"`: each object whole, as DVC keeps it; DVC can use the remote too.
    #[default]
    Dvc,
    /// `"chunked"`: in compressed pieces, those that files have in common only once. DVC cannot use
    /// the remote; `ketch export` writes DVC's layout from it.
    Chunked,
}

impl RemoteConfig {
    pub(super) fn read(
        mut reader: TableReader<'_, '_>,
        document: &mut Document<'_>,
    ) -> Result<Self, ProjectError> {
        let layouts = [
            ("dvc", RemoteLayout::Dvc),
            ("chunked", RemoteLayout::Chunked),
        ];
        let layout = reader
            .choice(document, "layout", &layouts)?
            .unwrap_or_default();
        reader.finish(document);
        Ok(Self { layout })
    }
}
