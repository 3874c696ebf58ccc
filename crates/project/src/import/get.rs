//! Data of other repositories and URLs, without a project and without a memory.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::ObjectId;
use ketch_store::remote::RemoteError;
use ketch_store::{Cache, Durability, LinkKind, Reporter, StoreError, TemporaryFolder};
use serde::Serialize;

use super::destination::{named, refuse_existing};
use super::repository::Surroundings;
use super::source::{Piece, Shape, Source};
use super::taken::Taken;
use super::url_source::UrlSource;
use super::work_tree::WorkTree;
use super::{ImportError, OnExisting, SourceSpec};
use crate::paths::remove;
use crate::{ProjectError, RemoteChoice};

/// What to get from a repository.
#[derive(Debug, Clone)]
pub struct GetOptions {
    pub source: SourceSpec,
    /// In the repository: data of DVC's, something inside of it, or what Git tracks.
    pub path: String,
    /// Where it goes: a name, or a directory that it goes into. Folders that are missing are made.
    pub out: Option<Utf8PathBuf>,
    /// Where relative paths and addresses begin, absolute.
    pub directory: Utf8PathBuf,
    pub existing: OnExisting,
    pub transfer: RemoteChoice,
    /// A folder for a clone.
    pub scratch: Utf8PathBuf,
}

/// What to get from a URL.
#[derive(Debug, Clone)]
pub struct UrlGetOptions {
    /// A path, a URL, or `remote://NAME/PATH`.
    pub url: String,
    pub out: Option<Utf8PathBuf>,
    /// Where relative paths begin, absolute.
    pub directory: Utf8PathBuf,
    /// The project that `remote://` is of, if there is one.
    pub root: Option<Utf8PathBuf>,
    pub existing: OnExisting,
    /// Options for the server, as a remote has them.
    pub settings: Vec<(String, String)>,
    pub transfer: RemoteChoice,
}

/// What is there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GetReport {
    /// Absolute.
    pub path: Utf8PathBuf,
    pub id: ObjectId,
    /// In bytes.
    pub size: u64,
    /// Of a directory.
    pub files: Option<u64>,
}

/// Gets data of a repository: of a directory of this machine as it is now, unless a revision is
/// named. It appears whole or not at all.
pub fn get(options: &GetOptions, reporter: &dyn Reporter) -> Result<GetReport, ProjectError> {
    let path = named(&options.directory, &options.path, options.out.as_deref());
    refuse_existing(&path, options.existing)?;
    let around = Surroundings {
        bases: &[&options.directory],
        scratch: &options.scratch,
    };
    options.source.check_given(around.bases)?;
    let room = Room::beside(&path)?;
    let of_commit = || {
        let mut source = Source::open(&options.source, None, around, &options.transfer)?;
        source.require_remote()?;
        let picked = source.pick(&options.path, &room.cache)?;
        source.take(&picked, &room.cache, reporter)
    };
    let taken = match WorkTree::find(&options.source, around.bases)? {
        None => of_commit()?,
        Some(tree) => match of_work_tree(&tree, options, &room.cache, reporter) {
            // It may be from elsewhere itself, or on the remote by its versions.
            Err(error) if tree.has_commits() && is_missing(&error) => {
                of_commit().map_err(|_| error)?
            }
            taken => taken?,
        },
    };
    room.lay_out(&taken.id, &path, reporter)?;
    Ok(GetReport {
        path,
        id: taken.id,
        size: taken.size,
        files: taken.files,
    })
}

fn of_work_tree(
    tree: &WorkTree,
    options: &GetOptions,
    cache: &Cache,
    reporter: &dyn Reporter,
) -> Result<Taken, ProjectError> {
    let choice = &options.transfer;
    let mut places = tree.places(&options.source, choice, &[&options.directory])?;
    let found = tree.look(&options.path, &mut places, choice, cache)?;
    tree.take(found, &mut places, choice, cache, reporter)
}

/// Whether the work tree and the storage of its project do not have it.
fn is_missing(error: &ProjectError) -> bool {
    matches!(
        error,
        ProjectError::Import(ImportError::Missing { .. } | ImportError::NotInDirectory { .. })
            | ProjectError::Store(StoreError::Remote(RemoteError::NotConfigured))
    )
}

/// Gets the data of a URL. It appears whole or not at all.
pub fn get_url(
    options: &UrlGetOptions,
    reporter: &dyn Reporter,
) -> Result<GetReport, ProjectError> {
    let path = named(&options.directory, &options.url, options.out.as_deref());
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    refuse_existing(&path, options.existing)?;
    let source = UrlSource::open(
        &options.url,
        &options.settings,
        &options.directory,
        options.root.as_deref(),
        &options.transfer,
    )?;
    source.find_all()?;
    let room = Room::beside(&path)?;
    let content = source.take_all(&options.url, &room.cache, reporter)?;
    room.lay_out(&content.id, &path, reporter)?;
    Ok(GetReport {
        path,
        id: content.id,
        size: content.size,
        files: content.files,
    })
}

/// Where the storage of a repository has, or would have, the data at a path: a path or a URL.
pub fn storage_url(options: &GetOptions) -> Result<String, ProjectError> {
    let around = Surroundings {
        bases: &[&options.directory],
        scratch: &options.scratch,
    };
    options.source.check_given(around.bases)?;
    let mut source = Source::open(&options.source, None, around, &options.transfer)?;
    source.require_remote()?;
    let room = Room::beside(&options.scratch.join("x"))?;
    let picked = source.pick(&options.path, &room.cache)?;
    let (output, id) = match picked.shape {
        Shape::Recorded { output, id } | Shape::File(Piece::Data { output, id }) => (output, id),
        Shape::File(Piece::Git { .. }) | Shape::Gathered(_) => {
            return Err(ImportError::NoStorage { path: picked.path }.into());
        }
    };
    let storage = source.storage(output)?;
    let storage = match storage.split_once("://") {
        Some(_) => storage,
        None => crate::paths::join(Utf8Path::new("/"), storage).into_string(),
    };
    Ok(format!(
        "{}/{}",
        storage.trim_end_matches('/'),
        id.cache_path()
    ))
}

/// A folder beside the place where data goes, with a cache of its own; gone in the end.
struct Room {
    folder: TemporaryFolder,
    cache: Cache,
}

impl Room {
    fn beside(path: &Utf8Path) -> Result<Self, ProjectError> {
        let parent = path.parent().unwrap_or(Utf8Path::new("/"));
        let folder = TemporaryFolder::make_in(parent)?;
        let cache = Cache::open_with(folder.path().join("cache"), Durability::Buffered)
            .with_links(vec![LinkKind::Reflink, LinkKind::Copy]);
        Ok(Self { folder, cache })
    }

    /// Puts an object in its place by one rename; what was there is gone then.
    fn lay_out(
        &self,
        id: &ObjectId,
        path: &Utf8Path,
        reporter: &dyn Reporter,
    ) -> Result<(), ProjectError> {
        let root = self.folder.path();
        let made = root.join("data");
        if id.is_directory() {
            fs_err::create_dir_all(&made)?;
            self.cache.checkout_directory(id, root, &made, reporter)?;
        } else {
            self.cache.checkout_file(id, &made, reporter)?;
        }
        let aside = root.join("before");
        let was_there = path.symlink_metadata().is_ok();
        if was_there {
            fs_err::rename(path, &aside)?;
        }
        if let Err(error) = fs_err::rename(&made, path) {
            if was_there {
                fs_err::rename(&aside, path)?;
            }
            return Err(error.into());
        }
        remove(&aside)
    }
}
