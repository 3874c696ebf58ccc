//! Other repositories and URLs: data imported from there, got, listed and brought up to date.
//!
//! What must stay true:
//!
//! - Nothing of another repository runs here: it is cloned bare, by protocols that run no program,
//!   and read through `git cat-file`.
//! - Nothing outside of it is read on its account: no path with `..`, no link that leads out.
//! - Bytes are hashed while they come in, and have their final name only when they are complete.
//! - A `.dvc` file promises only what is in the cache already.

mod add_from;
mod address;
mod blobs;
mod changes;
mod destination;
mod error;
mod fetched;
mod get;
mod listing;
mod pending;
mod places;
mod remote_levels;
mod repository;
mod repository_import;
mod source;
mod spec;
mod taken;
mod tree;
mod update;
mod url_import;
mod url_settings;
mod url_source;
mod url_state;
mod url_version;
mod url_walk;
mod work_tree;
mod worktree_update;

pub use add_from::{AddDestination, AddFromOptions, AddFromReport, add_from};
pub use changes::{
    FrozenImports, ImportChange, ImportLook, ImportLookOptions, SourceState, import_changes,
    record_sources,
};
pub use error::ImportError;
pub(crate) use fetched::{Undownloaded, undownloaded};
pub use get::{GetOptions, GetReport, UrlGetOptions, get, get_url, storage_url};
pub use listing::{SourceListOptions, UrlListEntry, UrlListOptions, list_source, list_url};
pub(crate) use pending::fetch_imports;
pub use places::settings_on_top;
pub use repository_import::{ImportOptions, ImportReport, import};
pub use spec::SourceSpec;
pub(crate) use update::is_edited;
pub use update::{
    DataOutcome, DataUpdate, UpdateDestination, UpdateOptions, UpdateReport, UpdatedImport, update,
};
pub use url_import::{UrlDestination, UrlImportOptions, import_url};
pub use url_settings::VERSION_AWARE;

/// What to do where something is already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExisting {
    #[default]
    Refuse,
    /// What is saved nowhere goes to the trash first, where there is one.
    Replace,
}

/// How much of an import to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bringing {
    /// All of it.
    #[default]
    Data,
    /// Record what there is, without downloading it.
    State,
    /// Write down where it would come from, and look nothing up.
    Record,
}
