//! Printing: data on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anstream::AutoStream;
use indicatif::{MultiProgress, ProgressDrawTarget};
use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::exit::CommandError;
use crate::personality::{Personality, python_json};
use crate::settings::{Format, Printing, Progress, Verbosity};

/// Where everything that ketch says goes through. Clones share what they print on.
///
/// Printing does not fail: whoever reads may have gone (`ketch status | head`), which is no error,
/// and any other failure is kept for [`Printer::finish`].
#[derive(Clone)]
pub(crate) struct Printer {
    shared: Arc<Shared>,
}

struct Shared {
    format: Format,
    verbosity: Verbosity,
    bars: MultiProgress,
    output: Mutex<AutoStream<io::Stdout>>,
    errors: Mutex<AutoStream<io::Stderr>>,
    failure: Mutex<Option<io::Error>>,
    personality: Personality,
}

impl Printer {
    pub(crate) fn new(printing: Printing) -> Self {
        let target = match printing.progress {
            Progress::Drawn => ProgressDrawTarget::stderr(),
            Progress::Hidden => ProgressDrawTarget::hidden(),
        };
        Self {
            shared: Arc::new(Shared {
                format: printing.format,
                verbosity: printing.verbosity,
                bars: MultiProgress::with_draw_target(target),
                output: Mutex::new(AutoStream::new(io::stdout(), printing.output_colors)),
                errors: Mutex::new(AutoStream::new(io::stderr(), printing.error_colors)),
                failure: Mutex::new(None),
                personality: printing.personality,
            }),
        }
    }

    /// Whether data is printed as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.shared.format == Format::Json
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.shared.verbosity == Verbosity::Quiet
    }

    /// Whether somebody called DVC: what is printed is DVC's.
    pub(crate) fn speaks_dvc(&self) -> bool {
        self.shared.personality == Personality::Dvc
    }

    /// DVC prints nothing at all with `--quiet`.
    fn is_mute(&self) -> bool {
        self.speaks_dvc() && self.is_quiet()
    }

    /// A line of data, for people. With `--json` it is not printed: the JSON says it.
    pub(crate) fn line(&self, text: impl Display) {
        if !self.is_json() && !self.is_mute() {
            self.output(format_args!("{text}\n"));
        }
    }

    /// The data of a command, for programs. Without `--json` it is not printed.
    pub(crate) fn json(&self, value: &impl Serialize) {
        if self.is_json() && !self.is_mute() {
            let text = if self.speaks_dvc() {
                python_json(value)
            } else {
                serde_json::to_string_pretty(value)
            };
            match text {
                Ok(text) => self.output(format_args!("{text}\n")),
                Err(error) => self.keep(error.into()),
            }
        }
    }

    /// One event of a stream of events, on one line, for programs. Without `--json` it is not
    /// printed.
    pub(crate) fn json_line(&self, value: &impl Serialize) {
        if self.is_json() {
            match serde_json::to_string(value) {
                Ok(text) => self.output(format_args!("{text}\n")),
                Err(error) => self.keep(error.into()),
            }
        }
    }

    /// What goes to standard output whatever the format: a shell's completions.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        self.shared.bars.suspend(|| {
            let mut output = lock(&self.shared.output);
            let written = output.write_all(bytes).and_then(|()| output.flush());
            self.keep_failure(written);
        });
    }

    /// A line about what happens, unless `--quiet`.
    pub(crate) fn note(&self, text: impl Display) {
        let wanted = if self.speaks_dvc() {
            self.shared.verbosity == Verbosity::Verbose
        } else {
            !self.is_quiet()
        };
        if wanted {
            self.errors(format_args!("{text}\n"));
        }
    }

    /// What to do next, unless `--quiet`.
    pub(crate) fn hint(&self, text: impl Display) {
        self.note(format_args!("{} {text}", "hint:".cyan()));
    }

    /// Something that should be looked at, also with `--quiet`.
    pub(crate) fn warning(&self, text: impl Display) {
        if self.speaks_dvc() {
            if !self.is_mute() {
                self.errors(format_args!("{} {text}\n", "WARNING:".yellow()));
            }
            return;
        }
        self.errors(format_args!("{} {text}\n", "warning:".yellow().bold()));
    }

    /// What DVC calls an error where ketch has only a report that says no.
    pub(crate) fn failure(&self, text: impl Display) {
        if !self.is_mute() {
            self.errors(format_args!("{} {text}\n", "ERROR:".red()));
        }
    }

    /// An error with its causes and hints; as one JSON object with `--json`.
    pub(crate) fn error(&self, error: &CommandError) {
        if self.speaks_dvc() {
            if !self.is_mute() {
                self.errors(format_args!("{}", error.shown_as_dvc()));
            }
        } else if self.is_json() {
            if let Ok(text) = serde_json::to_string(&error.as_json()) {
                self.errors(format_args!("{text}\n"));
            }
        } else {
            self.errors(format_args!("{}", error.shown(self.shared.verbosity)));
        }
    }

    /// The bars that lines are printed above of.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.shared.bars
    }

    /// Flushes, and tells whether everything could be printed.
    pub(crate) fn finish(&self) -> io::Result<()> {
        let flushed = lock(&self.shared.output).flush();
        self.keep_failure(flushed);
        match lock(&self.shared.failure).take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn output(&self, text: std::fmt::Arguments<'_>) {
        self.shared.bars.suspend(|| {
            let mut output = lock(&self.shared.output);
            let written = output.write_fmt(text).and_then(|()| output.flush());
            self.keep_failure(written);
        });
    }

    /// A failure here has nowhere to be told.
    fn errors(&self, text: std::fmt::Arguments<'_>) {
        self.shared.bars.suspend(|| {
            let _ = lock(&self.shared.errors).write_fmt(text);
        });
    }

    fn keep_failure(&self, written: io::Result<()>) {
        if let Err(failure) = written
            && failure.kind() != ErrorKind::BrokenPipe
        {
            self.keep(failure);
        }
    }

    fn keep(&self, failure: io::Error) {
        lock(&self.shared.failure).get_or_insert(failure);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
