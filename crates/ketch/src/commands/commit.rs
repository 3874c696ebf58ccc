//! `ketch commit`

use clap::Args;
use ketch_project::{
    ChangedInputs, FrozenImports, ImportChange, ImportLook, ImportLookOptions, Project,
    RecordOptions, RecordedData, SourceState, StatusOptions, import_changes, record_as,
    record_sources, status_of,
};

use super::elsewhere::transfer;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::ReachArgs;
use crate::workspace::{from_here, hint_to_record, open_project};

/// Record what data and outputs are now, without running anything
///
/// Puts changed data and outputs into the cache and writes the `.dvc` files and `dvc.lock` anew.
/// Nothing is committed in Git. A stage whose command, parameters or dependencies changed since it
/// ran is refused, unless forced: its outputs were made by something else.
#[derive(Debug, Args)]
pub(crate) struct CommitArgs {
    /// Data, `.dvc` files or stages [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,

    /// Record the outputs also of stages whose inputs changed
    #[arg(short, long)]
    force: bool,

    /// Leave the data as it is, whatever `cache.type` says
    #[arg(long)]
    no_relink: bool,

    #[command(flatten)]
    reach: ReachArgs,
}

pub(super) fn run(
    args: CommitArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let CommitArgs {
        targets,
        force,
        no_relink,
        reach,
    } = args;
    let project = open_project(settings, printer)?;
    let options = RecordOptions {
        targets: reach.resolve(&project, settings, &targets)?,
        inputs: if force {
            ChangedInputs::Record
        } else {
            ChangedInputs::Refuse
        },
    };
    let progress = FileProgress::new(printer);
    let sources = printer.speaks_dvc().then(|| ImportLookOptions {
        targets: options.targets.clone(),
        directory: settings.directory.clone(),
        frozen: FrozenImports::Read,
        transfer: transfer(settings, None),
    });
    if let Some(sources) = &sources {
        confirm_as_dvc(&project, &options, sources, &progress)?;
    }
    let what = if no_relink {
        RecordedData::Left
    } else {
        RecordedData::Linked
    };
    let report = record_as(&project, &options, what, &progress)?;
    if let Some(sources) = sources.filter(|_| force) {
        record_sources(&project, &sources, &progress)?;
    }
    drop(progress);
    if printer.speaks_dvc() {
        return Ok(ExitStatus::Success);
    }
    printer.json(&report);
    for path in &report.recorded {
        printer.line(from_here(&project, settings, path));
    }
    if report.changed_files.is_empty() {
        printer.note("everything is recorded as it is");
    } else {
        let files: Vec<String> = report
            .changed_files
            .iter()
            .map(|path| from_here(&project, settings, path).to_string())
            .collect();
        hint_to_record(
            printer,
            &project,
            format_args!("git add {}", files.join(" ")),
        );
    }
    Ok(ExitStatus::Success)
}

/// DVC asks before it records anything that changed, and where nobody can be asked it refuses. It
/// counts the sources of imports too, frozen or not, and wants each to be there.
fn confirm_as_dvc(
    project: &Project,
    options: &RecordOptions,
    sources: &ImportLookOptions,
    progress: &FileProgress,
) -> Result<(), CommandError> {
    let ImportLook { changes, failures } = import_changes(project, sources, progress)?;
    if let Some((_, error)) = failures.into_iter().next() {
        return Err(error.into());
    }
    if options.inputs == ChangedInputs::Record {
        let gone = |change: &&ImportChange| change.state == SourceState::Missing;
        return match changes.iter().find(gone) {
            Some(ImportChange { file, source, .. }) => Err(CommandError::refused(format!(
                "`{source}`, which `{file}` comes from, is not there"
            ))
            .hint("bring it back, or track the data by itself: `dvc remove` and `dvc add`")),
            None => Ok(()),
        };
    }
    let refused = |what: &str| Err(CommandError::refused(what).hint("use `-f`"));
    if let Some(ImportChange { file, source, .. }) = changes.first() {
        return refused(&format!(
            "`{file}` comes from `{source}`, which changed, and is not recorded without a confirmation"
        ));
    }
    let seen = StatusOptions {
        targets: options.targets.clone(),
        ..StatusOptions::default()
    };
    if !status_of(project, &seen, progress)?.is_clean() {
        return refused("what changed is not recorded without a confirmation");
    }
    Ok(())
}
