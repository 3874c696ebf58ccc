//! `ketch rollback`

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::client::{Client, ServerArgs};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::{actor, open_project};

/// Take back the version that is being tried
///
/// Asks the running server (`ketch up`). The champion has all the traffic again at once, and the
/// audit log keeps who and why.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The model
    #[arg(value_name = "MODEL")]
    model: String,

    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct Request<'a> {
    actor: &'a str,
    reason: &'a str,
}

pub(super) fn run(
    args: RollbackArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let RollbackArgs {
        model,
        reason,
        server,
    } = args;
    let project = open_project(settings, printer)?;
    let client = Client::of(&project, &server)?;
    let actor = actor(&project, settings)?;
    let request = Request {
        actor: &actor,
        reason: &reason,
    };
    let answer = client.control(&model, "rollback", &request)?;
    printer.json(&answer);
    match answer.get("rolled_back").and_then(Value::as_str) {
        Some(rollout) => printer.line(format_args!("{rollout} is taken back")),
        None => printer.line(format_args!(
            "no version is being tried: nothing to take back"
        )),
    }
    match answer.get("champion").and_then(Value::as_u64) {
        Some(version) => printer.line(format_args!("{model} is served by version {version}")),
        None => printer.line(format_args!("no version of {model} serves")),
    }
    Ok(ExitStatus::Success)
}
