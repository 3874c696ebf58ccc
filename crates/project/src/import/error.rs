use std::io;

use camino::Utf8PathBuf;

/// What can go wrong with other repositories and URLs.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("`{url}` is no address of a repository")]
    Address { url: String },

    #[error("cannot read the repository `{url}`: {message}")]
    Repository { url: String, message: String },

    #[error("there is no revision `{revision}` in `{url}`")]
    Revision { url: String, revision: String },

    #[error("`{path}` is not a path inside of a repository")]
    Path { path: String },

    #[error("there is no `{path}` in `{url}` at {commit}")]
    NotThere {
        path: Utf8PathBuf,
        url: String,
        commit: String,
    },

    #[error("there is no `{path}` in `{url}`")]
    NotInDirectory { path: Utf8PathBuf, url: String },

    #[error("`{path}` in `{url}` is a link that leads out of the repository")]
    LinkOut { path: Utf8PathBuf, url: String },

    #[error("`{path}` in `{url}` is a submodule, which is another repository")]
    Submodule { path: Utf8PathBuf, url: String },

    #[error("`{path}` in `{url}` is no data but a file about data")]
    Pointer { path: Utf8PathBuf, url: String },

    #[error("`{path}` in `{url}` is recorded {how}")]
    Recorded {
        path: Utf8PathBuf,
        url: String,
        how: &'static str,
    },

    #[error("`{url}` has no version `{version}`")]
    NoVersion { url: String, version: String },

    #[error("{missing} objects of `{path}` are neither in the cache nor on the remote of `{url}`")]
    Missing {
        path: Utf8PathBuf,
        url: String,
        missing: usize,
    },

    #[error("`{url}` imports from a repository that imports from another, more than {most} deep")]
    TooDeep { url: String, most: usize },

    #[error("there is no configuration file `{path}`")]
    NoConfigFile { path: String },

    #[error("a remote has no option `{option}`")]
    RemoteOption {
        option: String,
        suggestion: Option<String>,
    },

    #[error("`{path}` exists already")]
    Exists { path: Utf8PathBuf },

    #[error("`{path}` and `{origin}` hold one another")]
    Nested {
        path: Utf8PathBuf,
        origin: Utf8PathBuf,
    },

    #[error("the folder `{path}` does not exist")]
    NoFolder { path: Utf8PathBuf },

    #[error("`{path}` is reached through a symbolic link")]
    LinkedFolder { path: Utf8PathBuf },

    #[error("Git ignores `{file}`, so nobody would get it")]
    PointerIgnored { file: Utf8PathBuf },

    #[error("there is nothing at `{url}`")]
    NoData { url: String },

    #[error("`{url}` changed while it was being read")]
    Changed { url: String },

    #[error("a listing of `{url}` has the name `{name}`, which leaves the directory")]
    Name { url: String, name: String },

    #[error("`{file}` is not an import")]
    NotAnImport { file: Utf8PathBuf },

    #[error("`{file}` comes from {what}, so {option} cannot be used")]
    Option {
        file: Utf8PathBuf,
        what: &'static str,
        option: &'static str,
    },

    #[error("`{file}` records other data than `{url}` has at the commit that it is locked to")]
    OtherData { file: Utf8PathBuf, url: String },

    #[error("`{file}` records another state of `{url}` than there is now")]
    OtherState { file: Utf8PathBuf, url: String },

    #[error("`{path}` is tracked by Git there, so it has no place in a storage")]
    NoStorage { path: Utf8PathBuf },

    #[error("cannot talk to `git`")]
    Pipe { source: io::Error },
}

impl ImportError {
    /// What to do next, when there is something to say.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Address { .. } => {
                "use a path, or a URL that begins with https, http, ssh, git or file".to_owned()
            }
            Self::Repository { .. } => {
                "check the address and your rights with `git ls-remote`".to_owned()
            }
            Self::Revision { .. } => "see `git ls-remote` for branches and tags".to_owned(),
            Self::Path { .. } => "give it relative to the repository's top, without `..`".to_owned(),
            Self::NotThere { url, .. } | Self::NotInDirectory { url, .. } => {
                format!("see what is there: `ketch list -R '{url}'`")
            }
            Self::LinkOut { .. } => "import what it points to from where that is".to_owned(),
            Self::Submodule { .. } => "import from that repository".to_owned(),
            Self::Pointer { .. } => "name the data itself, without `.dvc`".to_owned(),
            Self::Recorded { .. } => {
                "record it with DVC 3 in that repository and push it".to_owned()
            }
            Self::Missing { .. } => {
                "push it from where the data is, or name another remote with `--remote`".to_owned()
            }
            Self::TooDeep { .. } => "import from the repository that has the data".to_owned(),
            Self::NoConfigFile { .. } => "give its path from where you are".to_owned(),
            Self::RemoteOption {
                suggestion: Some(near),
                ..
            } => format!("did you mean `{near}`?"),
            Self::RemoteOption { .. } => "see the options of remotes in DVC's manual".to_owned(),
            Self::Exists { .. } => "choose another place with `-o`, or force it".to_owned(),
            Self::Nested { .. } => "choose another place with `--out`".to_owned(),
            Self::NoFolder { path } => format!("make it: `mkdir -p '{path}'`"),
            Self::LinkedFolder { .. } => "use the folder that the link points to".to_owned(),
            Self::PointerIgnored { .. } => {
                "take it out of `.gitignore`, or choose another place".to_owned()
            }
            Self::NoVersion { .. } => {
                "see its versions with the tools of the storage; without `--rev` it is the newest"
                    .to_owned()
            }
            Self::NoData { .. } => "check the address and your rights".to_owned(),
            Self::Changed { .. } => "run it again".to_owned(),
            Self::Name { .. } => "do not import this directory".to_owned(),
            Self::NotAnImport { .. } => {
                "only imports can be updated, and what was pushed to a remote with `worktree`; see `ketch commit` and `ketch repro`".to_owned()
            }
            Self::NoStorage { .. } => "get it with `ketch get`".to_owned(),
            Self::OtherData { file, .. } | Self::OtherState { file, .. } => {
                format!("bring it up to date: `ketch update '{file}'`")
            }
            Self::Option { .. } => "leave it out".to_owned(),
            Self::Pipe { .. } => return None,
        };
        Some(hint)
    }
}
