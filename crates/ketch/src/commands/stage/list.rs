//! `ketch stage list`

use clap::Args;
use ketch_project::{StageListOptions, StageListReport, Unreadable, WhichStages, list_stages};

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// List stages and what they are about
///
/// Those of the `dvc.yaml` of this directory, unless something else is named. A stage is described
/// by the first line of its `desc`, or else by what it makes or needs.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of the command line are independent"
)]
pub(crate) struct ListArgs {
    /// Files `dvc.yaml` and `.dvc`, stages, and directories with `-R`
    #[arg(value_name = "TARGET", default_value = "dvc.yaml")]
    targets: Vec<String>,

    /// List all stages and `.dvc` files of the project
    #[arg(long)]
    all: bool,

    /// Fail where a file cannot be read
    #[arg(long)]
    fail: bool,

    /// List all that is below directories among the targets
    #[arg(short = 'R', long)]
    recursive: bool,

    /// List names only
    #[arg(long, alias = "names-only")]
    name_only: bool,
}

pub(super) fn run(
    args: ListArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let options = StageListOptions {
        folder: settings.directory.clone(),
        which: match (args.all, args.recursive) {
            (true, _) => WhichStages::All,
            (false, true) => WhichStages::Below(args.targets),
            (false, false) => WhichStages::Named(args.targets),
        },
        unreadable: if args.fail {
            Unreadable::Fails
        } else {
            Unreadable::LeftOut
        },
    };
    let report = list_stages(&project, &options)?;
    printer.json(&report);
    let StageListReport { stages, unreadable } = report;
    let widths = stages.iter().map(|stage| stage.stage.chars().count());
    let width = widths.max().unwrap_or(0);
    for stage in &stages {
        if args.name_only {
            printer.line(&stage.stage);
        } else {
            let (name, text) = (&stage.stage, &stage.description);
            printer.line(format!("{name:width$}  {text}").trim_end());
        }
    }
    for broken in &unreadable {
        printer.note(format_args!("left out: {}", broken.message));
    }
    if stages.is_empty() && unreadable.is_empty() {
        printer.note("there are no stages");
        printer.hint("write one with `ketch stage add`");
    }
    Ok(ExitStatus::Success)
}
