//! A project: a directory with a `.dvc` in it, in a Git work tree unless it does without.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{BooleanOptions, Config, ListOptions, Manifest, ObjectId, OptionStyle};
use ketch_store::{
    Cache, HiddenBy, LinkKind, Neighbours, RepoLock, StateIndex, StoreError, find_in_project,
    remove_leftovers, write_atomically,
};

use crate::paths::{join, read_if_there};
use crate::{Git, ProjectConfig, ProjectError, SharedSettings};

/// In the folder that DVC keeps out of Git and removes with the rest of `.dvc`.
const STATE_INDEX: &str = ".dvc/tmp/ketch-state";

/// How long to wait while another process changes a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patience {
    /// Three seconds, as DVC does.
    #[default]
    Short,
    /// Until it is done.
    Endless,
}

/// An open project.
#[derive(Debug)]
pub struct Project {
    root: Utf8PathBuf,
    cache: Cache,
    git: Git,
    config: ProjectConfig,
    autostage: bool,
    template_options: OptionStyle,
    shared: SharedSettings,
    patience: Patience,
    /// Another project's, where this one is a work tree without its own.
    main_root: Utf8PathBuf,
    /// Manifests of directories that only a remote has, for as long as somebody looks.
    manifests: Mutex<HashMap<ObjectId, Manifest>>,
}

impl Project {
    /// The project that `start` is in: the nearest directory upwards with a `.dvc` in it.
    pub fn discover(start: &Utf8Path) -> Result<Self, ProjectError> {
        Self::discover_with(start, SharedSettings::default(), Patience::Short)
    }

    /// [`discover`](Self::discover) where settings outside of the project count too.
    pub fn discover_with(
        start: &Utf8Path,
        shared: SharedSettings,
        patience: Patience,
    ) -> Result<Self, ProjectError> {
        let begin = canonical(start)?;
        let root = begin.ancestors().find(|path| path.join(".dvc").is_dir());
        match root {
            Some(root) => Self::open_with(root, shared, patience),
            None => Err(ProjectError::NotAProject {
                start: start.to_owned(),
            }),
        }
    }

    /// The project whose root this is.
    pub fn open(root: &Utf8Path) -> Result<Self, ProjectError> {
        Self::open_with(root, SharedSettings::default(), Patience::Short)
    }

    /// [`open`](Self::open) where settings outside of the project count too.
    pub fn open_with(
        root: &Utf8Path,
        shared: SharedSettings,
        patience: Patience,
    ) -> Result<Self, ProjectError> {
        let root = canonical(root)?;
        if !root.join(".dvc").is_dir() {
            return Err(ProjectError::NotAProject { start: root });
        }
        let settings = DvcSettings::load(&root, &shared)?;
        let git = match settings.git {
            Uses::Git => Git::open(&root)?,
            Uses::Nothing => Git::declined(&root),
        };
        Self::assemble(root, git, settings, shared, patience)
    }

    /// The project that `start` is in, for its settings: nothing of Git is asked, which may not be
    /// there although the settings say so.
    pub fn discover_for_settings(
        start: &Utf8Path,
        shared: SharedSettings,
        patience: Patience,
    ) -> Result<Self, ProjectError> {
        match Self::discover_with(start, shared.clone(), patience) {
            Err(ProjectError::NotAGitRepository { path: root }) => {
                let settings = DvcSettings::load(&root, &shared)?;
                let git = Git::declined(&root);
                Self::assemble(root, git, settings, shared, patience)
            }
            found => found,
        }
    }

    fn assemble(
        root: Utf8PathBuf,
        git: Git,
        settings: DvcSettings,
        shared: SharedSettings,
        patience: Patience,
    ) -> Result<Self, ProjectError> {
        let main_root = if git.is_declined() {
            root.clone()
        } else {
            main_root(&git, &root)?
        };
        Ok(Self {
            cache: Cache::open(settings.cache_directory)
                .with_links(settings.links)
                .with_state(StateIndex::open(root.join(STATE_INDEX), &root)),
            config: ProjectConfig::load(&root)?,
            autostage: settings.autostage && !git.is_declined(),
            template_options: settings.template_options,
            shared,
            patience,
            git,
            main_root,
            manifests: Mutex::default(),
            root,
        })
    }

    /// The directory that holds `.dvc`, absolute.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The object cache; linked work trees share their main one's.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Git in this work tree; of a project without it, one that says so.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// `ketch.toml`.
    pub fn config(&self) -> &ProjectConfig {
        &self.config
    }

    /// `.ketch/`, made if need be, with all of it hidden from Git.
    pub fn state_dir(&self) -> Result<Utf8PathBuf, ProjectError> {
        state_directory(&self.root)
    }

    /// The Python virtual environment for stage commands, where there is one: this work tree's, or
    /// that of the main one.
    pub fn virtual_environment(&self) -> Option<Utf8PathBuf> {
        let name = &self.config.environment.virtualenv;
        [&self.root, &self.main_root]
            .into_iter()
            .map(|root| join(root, name))
            .find(|path| path.join("bin").is_dir())
    }

    /// Takes the lock that DVC and ketch hold while they change a project.
    pub fn lock(&self) -> Result<RepoLock, ProjectError> {
        loop {
            match RepoLock::acquire(&self.root.join(".dvc")) {
                Err(StoreError::Locked { .. }) if self.patience == Patience::Endless => {}
                other => {
                    let lock = other?;
                    if lock.after_a_kill() {
                        self.tidy();
                    }
                    return Ok(lock);
                }
            }
        }
    }

    /// [`lock`](Self::lock), however long it takes: what was made must not be lost because somebody
    /// looks at the project.
    pub(crate) fn lock_with_patience(&self) -> Result<RepoLock, ProjectError> {
        loop {
            match self.lock() {
                Err(ProjectError::Store(StoreError::Locked { .. })) => {}
                other => return other,
            }
        }
    }

    /// Removes the temporary files of a process that was killed, which DVC would take for data.
    fn tidy(&self) {
        remove_leftovers(&self.root, Neighbours::Local);
        let cache = self.cache.root();
        if !cache.starts_with(&self.root) {
            remove_leftovers(cache, Neighbours::Anybody);
        }
    }

    /// The files that `wanted` accepts by path, absolute and ordered, without those that DVC
    /// ignores, or Git where the project has it.
    pub(crate) fn find_files(
        &self,
        wanted: &dyn Fn(&Utf8Path) -> bool,
    ) -> Result<Vec<Utf8PathBuf>, ProjectError> {
        let hidden = if self.git.is_declined() {
            HiddenBy::Dvc
        } else {
            HiddenBy::DvcAndGit
        };
        Ok(find_in_project(&self.root, hidden, wanted)?)
    }

    /// Where settings outside of the project are.
    pub(crate) fn shared_settings(&self) -> &SharedSettings {
        &self.shared
    }

    /// Writes down what files were found to hash to, so that nobody reads them again.
    pub(crate) fn remember(&self) {
        if let Some(state) = self.cache.state() {
            // Where it cannot be written, things are slower, nothing else.
            let _ = state.save();
        }
    }

    /// A manifest that was looked up elsewhere.
    pub(crate) fn seen_manifest(&self, id: &ObjectId) -> Option<Manifest> {
        let seen = self
            .manifests
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.get(id).cloned()
    }

    /// Keeps a manifest in mind that the cache does not have.
    pub(crate) fn see_manifest(&self, id: &ObjectId, manifest: Manifest) {
        let mut seen = self
            .manifests
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.insert(id.clone(), manifest);
    }

    /// How a mapping in a stage's command becomes options (`parsing` in DVC's settings).
    pub(crate) fn template_options(&self) -> OptionStyle {
        self.template_options
    }

    /// Whether DVC's `core.autostage` asks to `git add` what was written.
    pub fn autostage(&self) -> bool {
        self.autostage
    }

    /// The root of the main work tree; this one's, unless it is a linked one.
    pub(crate) fn main_root(&self) -> &Utf8Path {
        &self.main_root
    }

    /// A path as people know it: below the root where it is.
    pub(crate) fn shown(&self, path: &Utf8Path) -> Utf8PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }
}

/// Makes `.ketch/` below `root`, ignored by Git through a `.gitignore` of its own.
pub(crate) fn state_directory(root: &Utf8Path) -> Result<Utf8PathBuf, ProjectError> {
    let directory = root.join(".ketch");
    let ignore = directory.join(".gitignore");
    if !ignore.exists() {
        write_atomically(&ignore, b"*\n")?;
    }
    Ok(directory)
}

struct DvcSettings {
    cache_directory: Utf8PathBuf,
    links: Vec<LinkKind>,
    autostage: bool,
    template_options: OptionStyle,
    git: Uses,
}

/// What `core.no_scm` says.
#[derive(Debug, Clone, Copy)]
enum Uses {
    Git,
    Nothing,
}

impl DvcSettings {
    /// All four files, the nearest winning.
    fn load(root: &Utf8Path, shared: &SharedSettings) -> Result<Self, ProjectError> {
        let directory = root.join(".dvc");
        let mut settings = Self {
            cache_directory: directory.join("cache"),
            links: LinkKind::DEFAULT.to_vec(),
            autostage: false,
            template_options: OptionStyle::default(),
            git: Uses::Git,
        };
        let own = ["config", "config.local"].map(|name| directory.join(name));
        for path in shared.files().chain(&own) {
            let Some(text) = read_if_there(path)? else {
                continue;
            };
            let shown = path.strip_prefix(root).unwrap_or(path);
            let config = Config::parse(&text, shown.as_str())?;
            if let Some(cache) = config.get("cache", "dir") {
                settings.cache_directory = join(path.parent().unwrap_or(&directory), cache);
            }
            if let Some(kinds) = config.get("cache", "type") {
                settings.links = LinkKind::parse_list(kinds)?;
            }
            if let Some(value) = config.get("core", "autostage") {
                settings.autostage = value.eq_ignore_ascii_case("true");
            }
            if let Some(value) = config.get("parsing", "bool") {
                settings.template_options.booleans = match value {
                    "boolean_optional" => BooleanOptions::BooleanOptional,
                    _ => BooleanOptions::StoreTrue,
                };
            }
            if let Some(value) = config.get("parsing", "list") {
                settings.template_options.lists = match value {
                    "append" => ListOptions::Append,
                    _ => ListOptions::Nargs,
                };
            }
            if let Some(value) = config.get("core", "no_scm") {
                settings.git = if value.eq_ignore_ascii_case("true") {
                    Uses::Nothing
                } else {
                    Uses::Git
                };
            }
        }
        Ok(settings)
    }
}

/// Where this root lies in the main work tree.
fn main_root(git: &Git, root: &Utf8Path) -> Result<Utf8PathBuf, ProjectError> {
    let top = canonical(&git.top_level()?)?;
    let main = git.main_top_level()?;
    let below = root.strip_prefix(&top).unwrap_or(Utf8Path::new(""));
    Ok(join(&main, below))
}

pub(crate) fn canonical(path: &Utf8Path) -> Result<Utf8PathBuf, ProjectError> {
    let found = fs_err::canonicalize(path)?;
    Utf8PathBuf::from_path_buf(found).map_err(|path| ProjectError::NotUtf8 {
        path: path.display().to_string(),
    })
}
