//! The remotes of a project's configuration.

use std::io;

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use ketch_dvc::Config;
use ketch_store::StoreError;
use ketch_store::chunk::{ChunkedOptions, ChunkedRemote};
use ketch_store::remote::{
    ConfigLevel, Remote, RemoteEnvironment, RemoteError, RemoteSettings, Retry, TransferOptions,
    Versioning, open_remote,
};

use super::layout::{check_names, chunked, layout, with_layout};
use super::outputs::Output;
use crate::config::RemoteLayout;
use crate::paths::read_if_there;
use crate::{Project, ProjectConfig, ProjectError};

/// Asks a person for the password of a remote at this address, for this user if one is known.
pub type AskPassword = fn(url: &str, user: Option<&str>) -> io::Result<String>;

/// Which remote, and how to talk to it.
#[derive(Debug, Clone, Default)]
pub struct RemoteChoice {
    /// Its name; each output's own or the default one if none.
    pub name: Option<String>,
    pub without: NoRemote,
    /// How many objects to move at once; the configuration's number, or what suits the remote, if
    /// none.
    pub jobs: Option<usize>,
    pub retry: Retry,
    /// What the account brings along for remotes that have no credentials of their own.
    pub environment: RemoteEnvironment,
    /// Who asks for a password where a remote's `ask_password` wants that; nobody if none.
    pub ask_password: Option<AskPassword>,
    /// Configuration files of the machine and the user, for what is read outside of the project.
    pub configs: Vec<Utf8PathBuf>,
    /// What comes on top of the project's own configuration, the least first.
    pub on_top: Vec<ConfigLevel>,
}

/// What becomes of outputs that name no remote where none is the default one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoRemote {
    /// It is an error.
    #[default]
    Refused,
    /// What is fetched is fetched without them.
    PassedOver,
}

/// The outputs that go to, or come from, one remote.
pub(super) struct Group {
    pub(super) remote: Box<dyn Remote>,
    pub(super) options: TransferOptions,
    pub(super) versioning: Versioning,
    pub(super) outputs: Vec<Output>,
}

impl RemoteChoice {
    /// Sorts outputs by the remote they belong to, and opens those remotes.
    ///
    /// An output with a `remote` of its own belongs there and nowhere else: when another one is
    /// chosen by name it is left out.
    pub(super) fn groups(
        &self,
        project: &Project,
        outputs: Vec<Output>,
    ) -> Result<Vec<Group>, ProjectError> {
        let levels = self.levels(project)?;
        check_names(project, &levels)?;
        let find = |name: Option<&str>| {
            RemoteSettings::find(&levels, name).map_err(|error| ProjectError::Store(error.into()))
        };
        let mut groups: IndexMap<String, (RemoteSettings, Vec<Output>)> = IndexMap::new();
        // Wrong names are told even when there is nothing to do.
        if self.name.is_some() || outputs.is_empty() {
            find(self.name.as_deref())?;
        }
        for output in outputs {
            let settings = match (&self.name, &output.remote) {
                (Some(chosen), Some(own)) if chosen != own => continue,
                (Some(name), _) | (None, Some(name)) => find(Some(name))?,
                (None, None) => find(None)?,
            };
            groups
                .entry(settings.name.clone())
                .or_insert_with(|| (settings, Vec::new()))
                .1
                .push(output);
        }
        groups
            .into_values()
            .map(|(settings, outputs)| {
                Ok(Group {
                    remote: self.open(project, &settings)?,
                    versioning: settings.versioning().map_err(StoreError::from)?,
                    options: self.options(&settings)?,
                    outputs,
                })
            })
            .collect()
    }

    /// Whether there is no remote for outputs that name none, and that is no error.
    pub(super) fn passes_over(&self, project: &Project) -> Result<bool, ProjectError> {
        if self.name.is_some() || self.without == NoRemote::Refused {
            return Ok(false);
        }
        // Whatever else is wrong is told when the remote is opened.
        let found = RemoteSettings::find(&self.levels(project)?, None);
        Ok(matches!(found, Err(RemoteError::NotConfigured)))
    }

    /// How to talk to a remote.
    pub(crate) fn options(
        &self,
        settings: &RemoteSettings,
    ) -> Result<TransferOptions, ProjectError> {
        Ok(TransferOptions {
            jobs: self.jobs.or(settings.jobs().map_err(StoreError::from)?),
            retry: self.retry,
        })
    }

    /// Opens a remote in its own layout, with what the account brings along.
    pub(super) fn open(
        &self,
        project: &Project,
        settings: &RemoteSettings,
    ) -> Result<Box<dyn Remote>, ProjectError> {
        let remote = self.open_plain(settings)?;
        with_layout(project, remote, self.retry)
    }

    /// Opens a remote of another project, whose `ketch.toml` says what layout it has. The indexes
    /// of a chunked one are read anew: that project's folders are not ours to keep copies in.
    pub(crate) fn open_elsewhere(
        &self,
        config: &ProjectConfig,
        settings: &RemoteSettings,
    ) -> Result<Box<dyn Remote>, ProjectError> {
        let remote = self.open_plain(settings)?;
        Ok(match layout(config, &settings.name) {
            RemoteLayout::Dvc => remote,
            RemoteLayout::Chunked => Box::new(ChunkedRemote::open(
                remote,
                ChunkedOptions {
                    copies: None,
                    retry: self.retry,
                },
            )),
        })
    }

    /// Opens a remote as it is, whatever its layout.
    pub(crate) fn open_plain(
        &self,
        settings: &RemoteSettings,
    ) -> Result<Box<dyn Remote>, ProjectError> {
        let mut settings = settings.clone().with_environment(self.environment.clone());
        if settings.wants_password().map_err(StoreError::from)? {
            let answer = match self.ask_password {
                Some(ask) => ask(&settings.shown_url(), settings.user()),
                None => Err(io::Error::other("there is no terminal to ask at")),
            };
            let password = answer.map_err(|source| {
                StoreError::from(RemoteError::NoPassword {
                    remote: settings.name.clone(),
                    source,
                })
            })?;
            settings = settings.with("password", &password);
        }
        Ok(open_remote(&settings).map_err(StoreError::from)?)
    }

    /// The remote for what belongs to no output: the named or the default one.
    pub(super) fn one(&self, project: &Project) -> Result<Group, ProjectError> {
        let (remote, options) = self.chosen(project)?;
        Ok(Group {
            remote,
            options,
            versioning: Versioning::None,
            outputs: Vec::new(),
        })
    }

    /// The remote that is chosen, or the default one, and how to talk to it.
    ///
    /// # Errors
    ///
    /// [`ProjectError::KeepsVersions`] where it does: it has no objects by their hashes.
    pub(crate) fn chosen(
        &self,
        project: &Project,
    ) -> Result<(Box<dyn Remote>, TransferOptions), ProjectError> {
        let settings = RemoteSettings::find(&self.levels(project)?, self.name.as_deref())
            .map_err(StoreError::from)?;
        if settings.versioning().map_err(StoreError::from)? != Versioning::None {
            return Err(ProjectError::KeepsVersions {
                remote: settings.name,
            });
        }
        Ok((self.open(project, &settings)?, self.options(&settings)?))
    }

    /// The same remote if it is a chunked one.
    pub(crate) fn chosen_chunked(
        &self,
        project: &Project,
    ) -> Result<Option<ChunkedRemote>, ProjectError> {
        let settings = RemoteSettings::find(&self.levels(project)?, self.name.as_deref())
            .map_err(StoreError::from)?;
        self.open_chunked(project, &settings)
    }

    /// A remote as what it is, if that is a chunked one.
    pub(super) fn open_chunked(
        &self,
        project: &Project,
        settings: &RemoteSettings,
    ) -> Result<Option<ChunkedRemote>, ProjectError> {
        match layout(project.config(), &settings.name) {
            RemoteLayout::Dvc => Ok(None),
            RemoteLayout::Chunked => {
                chunked(project, self.open_plain(settings)?, self.retry).map(Some)
            }
        }
    }

    fn levels(&self, project: &Project) -> Result<Vec<ConfigLevel>, ProjectError> {
        let mut levels = levels(project)?;
        levels.extend(self.on_top.iter().cloned());
        Ok(levels)
    }
}

/// What configures remotes, the least first: the machine, the account, the project, this copy of it.
pub(crate) fn levels(project: &Project) -> Result<Vec<ConfigLevel>, ProjectError> {
    let directory = project.root().join(".dvc");
    let own = ["config", "config.local"].map(|name| directory.join(name));
    let mut levels = Vec::new();
    let shared = project.shared_settings().files();
    for path in shared.chain(&own) {
        if let Some(text) = read_if_there(path)? {
            levels.push(ConfigLevel {
                config: Config::parse(&text, project.shown(path).as_str())?,
                directory: path.parent().unwrap_or(&directory).to_owned(),
            });
        }
    }
    Ok(levels)
}
