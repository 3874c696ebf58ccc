//! The `ketch` program: arguments, settings, printing and exit codes.
//!
//! This crate is the shell around the libraries. It owns what only a terminal program knows: clap,
//! the environment and the current directory (`settings/`), what is printed and where
//! (`printer.rs`), progress bars, signals, and the one table that maps every library's error to an
//! exit code (`exit.rs`).
//!
//! It must never decide anything about data or models: a command turns arguments into the options
//! of one use-case, calls it, and prints its report.

#![forbid(unsafe_code)]

mod args;
mod client;
mod commands;
mod exit;
mod printer;
mod progress;
mod row_diff;
mod settings;
mod signals;
mod table;
mod targets;
mod up;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    let settings = match Settings::resolve(global) {
        Ok(settings) => settings,
        Err((printing, error)) => {
            let printer = Printer::new(printing);
            printer.error(&error);
            return error.status().into();
        }
    };
    let printer = Printer::new(settings.printing);
    let result = commands::run(command, &settings, &printer);
    let status = result.unwrap_or_else(|error| {
        printer.error(&error);
        error.status()
    });
    match printer.finish() {
        Ok(()) => status.into(),
        Err(source) => {
            let error = CommandError::from(source).context("cannot write the output");
            printer.error(&error);
            ExitStatus::System.into()
        }
    }
}
