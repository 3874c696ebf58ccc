//! `ketch deploy`

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::client::{Client, ServerArgs};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::{actor, open_project};

/// Release a version of a model through the gate
///
/// Asks the running server (`ketch up`). The gate compares the version with the champion on the
/// same recent rows; one that passes gets a small share of the traffic first and more of it as
/// labels come in, or is rolled back. The exit code is 1 where the gate refuses.
#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// The model
    #[arg(value_name = "MODEL")]
    model: String,

    /// The version's number; see `ketch model list`
    #[arg(value_name = "VERSION")]
    version: u32,

    /// Release it even if the gate refuses; the audit log keeps who and why
    #[arg(long, requires = "reason")]
    force: bool,

    /// Why the gate's verdict shall not count
    #[arg(long, requires = "force", value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct Request<'a> {
    version: u32,
    actor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    force: Option<&'a str>,
}

pub(super) fn run(
    args: DeployArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let DeployArgs {
        model,
        version,
        force: _,
        reason,
        server,
    } = args;
    let project = open_project(settings, printer)?;
    let client = Client::of(&project, &server)?;
    let actor = actor(&project, settings)?;
    let request = Request {
        version,
        actor: &actor,
        force: reason.as_deref(),
    };
    let report = client.control(&model, "deploy", &request)?;
    printer.json(&report);
    printer.line(format_args!(
        "version {version} of {model} is being released"
    ));
    let reasons = report.get("reasons").and_then(Value::as_array);
    for reason in reasons.into_iter().flatten().filter_map(Value::as_str) {
        printer.line(format_args!("  {reason}"));
    }
    printer.hint(format_args!("watch it at {}", client.page()));
    Ok(ExitStatus::Success)
}
