//! The `ketch` program: arguments, settings, printing and exit codes.
//!
//! This crate is the shell around the libraries. It owns what only a terminal program knows: clap,
//! the environment and the current directory (`settings/`), what is printed and where
//! (`printer.rs`), progress bars, signals, the name it was called by (`personality.rs`), and the one table that maps every library's error to an
//! exit code (`exit.rs`).
//!
//! It must never decide anything about data or models: a command turns arguments into the options
//! of one use-case, calls it, and prints its report.

#![forbid(unsafe_code)]

mod args;
mod client;
mod commands;
mod dvc_table;
mod exit;
mod password;
mod personality;
mod printer;
mod progress;
mod row_diff;
mod settings;
mod signals;
mod table;
mod targets;
mod up;
mod value_diff;
mod verifier;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::args::Cli;
use crate::exit::CommandError;
use crate::personality::{Personality, SoftFailure};
use crate::printer::Printer;
use crate::settings::Settings;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let personality = Personality::of(arguments.first().map(OsString::as_os_str));
    let Cli { global, command } = match personality.parse(&arguments) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let settings = match Settings::resolve(global, personality) {
        Ok(settings) => settings,
        Err((printing, error)) => {
            let printer = Printer::new(printing);
            printer.error(&error);
            return personality.code_of(&error, SoftFailure::No).into();
        }
    };
    let printer = Printer::new(settings.printing);
    let soft = SoftFailure::of(&command);
    let code = match commands::run(command, &settings, &printer) {
        Ok(status) => personality.code(status),
        Err(error) => {
            printer.error(&error);
            personality.code_of(&error, soft)
        }
    };
    match printer.finish() {
        Ok(()) => code.into(),
        Err(source) => {
            let error = CommandError::from(source).context("cannot write the output");
            printer.error(&error);
            personality.code_of(&error, SoftFailure::No).into()
        }
    }
}
