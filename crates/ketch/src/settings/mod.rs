//! What a command works with, resolved from the arguments, the environment and the current
//! directory. Nothing else in ketch reads these two.

mod variables;

use std::io::IsTerminal as _;
use std::sync::Arc;

use anstream::ColorChoice;
use camino::{Utf8Path, Utf8PathBuf};
use ketch_control::{Clock, StoppedClock, SystemClock};
use ketch_project::{Circumstances, Patience, SharedSettings};
use ketch_store::remote::RemoteEnvironment;

use crate::args::GlobalArgs;
use crate::exit::CommandError;
use crate::personality::Personality;

/// What every command works with.
pub(crate) struct Settings {
    /// Where the command works, absolute and without symbolic links.
    pub(crate) directory: Utf8PathBuf,
    pub(crate) printing: Printing,
    /// Where ketch keeps what it can make again, for all projects of the account.
    pub(crate) cache: Utf8PathBuf,
    /// DVC's settings of the machine and of the account, the latter winning.
    pub(crate) dvc_files: SharedSettings,
    pub(crate) patience: Patience,
    /// What the pre-commit tool says of a checkout, in place of Git's arguments.
    pub(crate) checkout_kind: Option<String>,
    /// The name of the account, where the system says it.
    pub(crate) login: Option<String>,
    /// What the account has for remotes that have no credentials of their own.
    pub(crate) remote_environment: RemoteEnvironment,
    /// What results depend on of what the process was started with.
    pub(crate) circumstances: Circumstances,
    pub(crate) clock: Arc<dyn Clock>,
    /// In tests: where the identifiers of new runs come from.
    pub(crate) seed: Option<u64>,
}

/// What is printed, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printing {
    pub(crate) format: Format,
    pub(crate) verbosity: Verbosity,
    pub(crate) output_colors: ColorChoice,
    pub(crate) error_colors: ColorChoice,
    pub(crate) progress: Progress,
    pub(crate) personality: Personality,
}

/// The form in which data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

/// How much is printed besides data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    /// With notes also where DVC has none.
    Verbose,
}

/// Whether progress bars are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    Hidden,
    Drawn,
}

impl Settings {
    /// Resolves everything. On an error, how to print it is known all the same.
    pub(crate) fn resolve(
        arguments: GlobalArgs,
        personality: Personality,
    ) -> Result<Self, (Printing, CommandError)> {
        let GlobalArgs {
            json,
            quiet,
            directory,
            wait_for_lock,
            verbose,
        } = arguments;
        let printing = Printing::resolve(
            if json { Format::Json } else { Format::Text },
            match (quiet, verbose) {
                (true, _) => Verbosity::Quiet,
                (false, 0) => Verbosity::Normal,
                (false, _) => Verbosity::Verbose,
            },
            personality,
        );
        let directory =
            working_directory(directory.as_deref()).map_err(|error| (printing, error))?;
        let cache = variables::cache_directory(&directory);
        Ok(Self {
            checkout_kind: variables::checkout_kind(),
            dvc_files: variables::shared_settings(&directory),
            patience: if wait_for_lock {
                Patience::Endless
            } else {
                Patience::Short
            },
            directory,
            printing,
            cache,
            login: variables::login(),
            remote_environment: variables::remote_environment(),
            circumstances: variables::circumstances(),
            clock: match variables::test_clock() {
                Some(at) => Arc::new(StoppedClock(at)),
                None => Arc::new(SystemClock),
            },
            seed: variables::test_seed(),
        })
    }
}

impl Printing {
    fn resolve(format: Format, verbosity: Verbosity, personality: Personality) -> Self {
        let on_terminal = std::io::stderr().is_terminal() && !variables::dumb_terminal();
        let progress = if on_terminal && verbosity != Verbosity::Quiet && format == Format::Text {
            Progress::Drawn
        } else {
            Progress::Hidden
        };
        Self {
            format,
            verbosity,
            output_colors: colors(std::io::stdout().is_terminal()),
            error_colors: colors(std::io::stderr().is_terminal()),
            progress,
            personality,
        }
    }
}

fn colors(on_terminal: bool) -> ColorChoice {
    let forced = variables::color_forced();
    let refused = variables::color_refused() || variables::dumb_terminal();
    if forced || (on_terminal && !refused) {
        ColorChoice::AlwaysAnsi
    } else {
        ColorChoice::Never
    }
}

fn working_directory(chosen: Option<&Utf8Path>) -> Result<Utf8PathBuf, CommandError> {
    let directory = variables::current_directory()?;
    let directory = chosen.map_or_else(|| directory.clone(), |chosen| directory.join(chosen));
    let found = fs_err::canonicalize(&directory)?;
    if !found.is_dir() {
        return Err(CommandError::user(format!(
            "`{directory}` is not a directory"
        )));
    }
    Utf8PathBuf::from_path_buf(found).map_err(|path| {
        CommandError::user(format!("the path `{}` is not valid UTF-8", path.display()))
            .hint("work in a directory whose path is")
    })
}
