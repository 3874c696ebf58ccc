//! `ketch up`

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use ketch_control::{ControlError, Event, LoopReporter};
use owo_colors::OwoColorize as _;
use serde::Serialize;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::signals::StopSignals;
use crate::up::{Running, start_project};
use crate::workspace::open_project;

/// Serve the models, watch them, and keep them good
///
/// Serves each model of `ketch.toml` that has a champion, over the Open Inference Protocol on
/// loopback, and shows a page. Predictions are logged; labels (`POST /labels`) are compared with
/// them. When a model gets worse it is retrained, gated, released by a canary and rolled back if
/// the canary is worse. Every step is in the audit log before it takes effect, so a crash loses
/// nothing.
///
/// Ctrl-C or SIGTERM stops it after what is in progress; a second one at once.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct UpArgs {
    /// The port on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 8750)]
    port: u16,
}

/// The first line that `--json` prints; events follow.
#[derive(Serialize)]
struct Started<'a> {
    event: &'static str,
    address: String,
    pid: u32,
    /// The version that serves by default, by model.
    models: BTreeMap<&'a str, Option<u32>>,
    without_champion: &'a [String],
}

pub(super) fn run(
    args: UpArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let UpArgs { port } = args;
    let project = open_project(settings, printer)?;
    let signals = StopSignals::catch()?;
    let reporter: Arc<dyn LoopReporter> = Arc::new(EventPrinter {
        printer: printer.clone(),
    });
    let running = start_project(project, port, reporter, settings)?;
    say_started(&running, printer);
    signals.wait();
    printer.note("stopping; once more to stop at once");
    running.stop()?;
    Ok(ExitStatus::Success)
}

fn say_started(running: &Running, printer: &Printer) {
    let address = format!("http://{}", running.server.address());
    let models: BTreeMap<&str, Option<u32>> = running
        .models
        .iter()
        .map(|(name, handle)| (name.as_str(), handle.snapshot().state.champion))
        .collect();
    for (name, champion) in &models {
        let version = champion.map_or_else(|| "no version".to_owned(), |v| format!("version {v}"));
        printer.line(format_args!("{name} is served by {version}"));
    }
    for name in &running.without_champion {
        printer.warning(format_args!("`{name}` has no champion and is not served"));
    }
    printer.line(format_args!("ready at {address}"));
    printer.json_line(&Started {
        event: "started",
        address,
        pid: std::process::id(),
        models,
        without_champion: &running.without_champion,
    });
}

/// Prints what the loops do.
struct EventPrinter {
    printer: Printer,
}

#[derive(Serialize)]
struct EventLine<'a> {
    model: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

impl LoopReporter for EventPrinter {
    fn event(&self, model: &str, event: &Event) {
        let said = event.kind.sentence();
        self.printer
            .note(format_args!("{} {said}", format_args!("{model}:").bold()));
        self.printer.json_line(&EventLine { model, event });
    }

    fn failed(&self, model: &str, error: &ControlError) {
        self.printer.warning(format_args!(
            "{model}: a step failed, it is tried again: {error}"
        ));
        if let Some(hint) = error.hint() {
            self.printer.hint(hint);
        }
    }
}
