//! What can go wrong on the way through the story.

use camino::Utf8PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("`{directory}` is not an empty folder")]
    NotEmpty { directory: Utf8PathBuf },
    #[error("`{directory}` cannot be made, or not be written to")]
    Folder {
        directory: Utf8PathBuf,
        source: std::io::Error,
    },
    #[error("`{directory}` holds no demo to resume")]
    NothingToResume { directory: Utf8PathBuf },
    #[error("another `ketch demo` is at work in `{directory}`: {holder}")]
    Busy {
        directory: Utf8PathBuf,
        holder: String,
    },
    #[error("the state of the demo in `{path}` cannot be read")]
    State {
        path: Utf8PathBuf,
        source: serde_json::Error,
    },
    #[error("the demo in `{path}` has format {format}, and this ketch knows format {known}")]
    Format {
        path: Utf8PathBuf,
        format: u32,
        known: u32,
    },
    #[error("no Python 3.9 or newer was found: {looked}")]
    NoPython { looked: String },
    #[error("the Python at `{python}` cannot make virtual environments: {message}")]
    NoVenv { python: String, message: String },
    #[error("pip could not install the example's packages: {message}")]
    Pip { message: String },
    #[error("`{program}` could not be run")]
    Program {
        program: String,
        source: std::io::Error,
    },
    #[error("Git was not found")]
    NoGit,
    #[error("`git {command}` failed: {message}")]
    Git { command: String, message: String },
    #[error("a file of the demo")]
    Io(#[from] std::io::Error),
    #[error("the server at {url} did not answer")]
    Http {
        url: String,
        source: Box<ureq::Error>,
    },
    #[error("the server at {url} answered {status}: {message}")]
    Refused {
        url: String,
        status: u16,
        message: String,
    },
    #[error("the weather in `{path}` lacks {what}")]
    Weather { path: Utf8PathBuf, what: String },
    #[error("the story did not end as it should: {reason}")]
    Ending { reason: String },
}

impl DemoError {
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotEmpty { directory } if directory.join(".ketch/demo.json").exists() => format!(
                "a demo began there: go on with `ketch demo --resume {directory}`, or name a new \
                 folder"
            ),
            Self::NotEmpty { .. } | Self::Folder { .. } => {
                "name a new folder: `ketch demo DIR`".to_owned()
            }
            Self::NothingToResume { .. } => {
                "begin one in a new folder: `ketch demo DIR`".to_owned()
            }
            Self::Busy { .. } => "wait until it is over, or end it first".to_owned(),
            Self::State { .. } | Self::Format { .. } => {
                "begin again in a new folder: `ketch demo DIR`".to_owned()
            }
            Self::NoPython { .. } => {
                "install Python 3.9 or newer (Debian: `apt-get install python3 python3-venv`), or \
                 name one with `--python PATH`"
                    .to_owned()
            }
            Self::NoVenv { .. } => {
                "install its venv module (Debian: `apt-get install python3-venv`), or name \
                 another Python with `--python PATH`"
                    .to_owned()
            }
            Self::Pip { .. } => {
                "check the network, the proxy and the package index that pip uses (`pip config \
                 list`)"
                    .to_owned()
            }
            Self::NoGit => "install Git (Debian: `apt-get install git`)".to_owned(),
            Self::Ending { .. } => {
                "the audit log on the page and `.ketch/journal/rain.jsonl` tell what happened"
                    .to_owned()
            }
            _ => return None,
        })
    }
}
