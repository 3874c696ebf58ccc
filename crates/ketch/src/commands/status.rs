//! `ketch status`

use clap::Args;
use ketch_project::{
    CacheCheck, Change, DataStatus, FileState, FrozenImports, ImportChange, ImportLookOptions,
    Project, RemoteState, RemoteStatusReport, SourceState, StageStatus, StatusOptions,
    StatusReport, import_changes, remote_status, status_of,
};
use owo_colors::OwoColorize as _;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::elsewhere::transfer;
use super::transfer::RemoteArgs;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::FileProgress;
use crate::settings::Settings;
use crate::targets::ReachArgs;
use crate::workspace::{from_here, open_project};

/// Show what differs from what is recorded
///
/// Holds every stage against `dvc.lock` and all tracked data against its `.dvc` file; with
/// `--cloud`, the cache against a remote. Changes nothing and waits for nobody. With `--quiet`
/// nothing is printed, and the exit code is 1 where something differs.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Data, `.dvc` files or stages [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,

    /// Hold the cache against a remote
    #[arg(short, long)]
    cloud: bool,

    #[command(flatten)]
    remote: RemoteArgs,

    #[command(flatten)]
    reach: ReachArgs,

    /// Do not ask where data was imported from whether it is newer there, except for imports that
    /// were unfrozen
    #[arg(long)]
    no_updates: bool,
}

/// What differs, with what imports wait for.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    report: &'a StatusReport,
    updates: &'a [ImportChange],
}

pub(super) fn run(
    args: &StatusArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let targets = args.reach.resolve(&project, settings, &args.targets)?;
    if args.cloud || args.remote.is_named() {
        let report = remote_status(&project, &args.remote.selection(settings, targets))?;
        return Ok(tell_remote(&report, printer));
    }
    if args.remote.is_anything() {
        return Err(CommandError::user(
            "other commits and `--jobs` count only where the cache is held against a remote",
        )
        .hint("add `--cloud`"));
    }
    let options = StatusOptions {
        targets,
        cache: if printer.speaks_dvc() {
            CacheCheck::Done
        } else {
            CacheCheck::Skipped
        },
    };
    let progress = FileProgress::new(printer);
    let report = status_of(&project, &options, &progress)?;
    let look = ImportLookOptions {
        targets: options.targets,
        directory: settings.directory.clone(),
        frozen: if args.no_updates {
            FrozenImports::Ignored
        } else {
            FrozenImports::Versioned
        },
        transfer: transfer(settings, None),
    };
    let imports = import_changes(&project, &look, &progress)?;
    drop(progress);
    for (file, error) in &imports.failures {
        // Work goes on without a network.
        let file = from_here(&project, settings, file);
        printer.warning(format_args!(
            "where `{file}` comes from was not looked at: {error}"
        ));
    }
    let updates = imports.changes;
    if printer.speaks_dvc() {
        return Ok(tell_as_dvc(&report, &updates, &project, settings, printer));
    }
    if printer.is_quiet() {
        return Ok(answer(report.is_clean() && updates.is_empty()));
    }
    printer.json(&Shown {
        report: &report,
        updates: &updates,
    });
    for stage in report
        .stages
        .iter()
        .filter(|stage| !stage.changes.is_empty())
    {
        printer.line(stage.stage.bold());
        for change in &stage.changes {
            printer.line(format_args!("  {change}"));
        }
    }
    for data in &report.data {
        if let Some(state) = data.state {
            printer.line(data.file.bold());
            printer.line(format_args!("  data {} {state}", data.path));
        }
    }
    for update in &updates {
        printer.line(update.file.bold());
        let what = match update.state {
            SourceState::UpdateAvailable => "update available:",
            SourceState::Modified => "source modified:",
            SourceState::Missing => "source missing:",
        };
        printer.line(format_args!("  {what} {}", source(update)));
    }
    if !updates.is_empty() {
        printer.hint("bring imports up to date: `ketch update`");
    }
    if report.is_clean() && updates.is_empty() {
        printer.line("data and pipelines are up to date");
    } else if report.stages.iter().any(|stage| !stage.changes.is_empty()) {
        printer.hint("bring the stages up to date: `ketch repro`");
    }
    Ok(ExitStatus::Success)
}

fn answer(clean: bool) -> ExitStatus {
    if clean {
        ExitStatus::Success
    } else {
        ExitStatus::Refused
    }
}

fn word(state: RemoteState) -> &'static str {
    match state {
        RemoteState::InSync => "ok",
        RemoteState::New => "new",
        RemoteState::Deleted => "deleted",
        RemoteState::Missing => "missing",
    }
}

/// In DVC's words.
const NOTHING_TRACKED: &str = "There are no data or pipelines tracked in this project yet.\nSee <https://dvc.org/doc/start> to get started!";

/// What is on one side only, in DVC's words: `new` is to be pushed, `deleted` to be fetched.
fn tell_remote(report: &RemoteStatusReport, printer: &Printer) -> ExitStatus {
    let mut differing = Map::new();
    for output in &report.outputs {
        for object in &output.objects {
            // To know what a directory has, DVC fetches its manifest; it is never `deleted`.
            let is_itself = object.path == output.path && output.both + output.only_remote > 1;
            if printer.speaks_dvc() && is_itself && object.state == RemoteState::Deleted {
                continue;
            }
            differing.insert(object.path.to_string(), json!(word(object.state)));
        }
    }
    if printer.is_quiet() {
        return answer(differing.is_empty());
    }
    if printer.speaks_dvc() {
        printer.json(&differing);
    } else {
        printer.json(report);
    }
    for (path, state) in &differing {
        let state = format!("{}:", state.as_str().unwrap_or_default());
        printer.line(format_args!("\t{state:<20}{path}"));
    }
    if report.outputs.is_empty() && report.skipped.is_empty() {
        printer.line(NOTHING_TRACKED);
    } else if differing.is_empty() {
        let mut remotes: Vec<&str> = report
            .outputs
            .iter()
            .map(|output| output.remote.as_str())
            .collect();
        remotes.sort_unstable();
        remotes.dedup();
        printer.line(format_args!(
            "Cache and remote '{}' are in sync.",
            remotes.join("', '")
        ));
    }
    ExitStatus::Success
}

fn tell_as_dvc(
    report: &StatusReport,
    updates: &[ImportChange],
    project: &Project,
    settings: &Settings,
    printer: &Printer,
) -> ExitStatus {
    let mut all = Map::new();
    for stage in &report.stages {
        let entries = entries_of(stage);
        if !entries.is_empty() {
            all.insert(stage.stage.clone(), Value::Array(entries));
        }
    }
    for update in updates {
        let state = match update.state {
            SourceState::UpdateAvailable => "update available",
            SourceState::Modified => "modified",
            SourceState::Missing => "deleted",
        };
        let mut shown = source(update);
        if update.url.is_none() && !shown.contains("://") && !shown.starts_with('/') {
            shown = from_here(project, settings, shown.as_str().into()).into_string();
        }
        let file = from_here(project, settings, &update.file).into_string();
        let entry = json!({"changed deps": {shown: state}});
        all.insert(file, json!([entry]));
    }
    for data in &report.data {
        let DataStatus {
            file,
            path,
            state,
            not_in_cache,
            is_unrecorded,
            is_edited,
        } = data;
        let state = match state {
            _ if *not_in_cache => Some("not in cache"),
            _ if *is_unrecorded => Some("modified"),
            state => state.map(dvc_word),
        };
        let path = from_here(project, settings, path).into_string();
        let file = from_here(project, settings, file).into_string();
        let changed = state.map(|state| json!({"changed outs": {path: state}}));
        let edited = is_edited.then(|| json!("changed checksum"));
        let entries: Vec<Value> = changed.into_iter().chain(edited).collect();
        match all.get_mut(&file).and_then(Value::as_array_mut) {
            _ if entries.is_empty() => {}
            Some(known) => known.extend(entries),
            None => _ = all.insert(file, Value::Array(entries)),
        }
    }
    if printer.is_quiet() {
        return answer(all.is_empty());
    }
    printer.json(&all);
    if report.is_empty {
        printer.line(NOTHING_TRACKED);
    } else if all.is_empty() {
        printer.line("Data and pipelines are up to date.");
    }
    print_tree(&Value::Object(all), 0, printer);
    ExitStatus::Success
}

/// Where an import is from, as DVC says it.
fn source(change: &ImportChange) -> String {
    match &change.url {
        Some(url) => format!("{} ({url})", change.source),
        None => change.source.clone(),
    }
}

/// A stage's changes as DVC lists them: dependencies, outputs, then words.
fn entries_of(stage: &StageStatus) -> Vec<Value> {
    let StageStatus {
        stage: _,
        changes,
        parts,
        not_in_cache,
    } = stage;
    let (mut deps, mut outs) = (Map::new(), Map::new());
    let mut words = Vec::new();
    let is_parameter = |change: &&Change| matches!(change, Change::Parameter { .. });
    let others = changes.iter().filter(|change| !is_parameter(change));
    let parameters = changes.iter().filter(is_parameter);
    for change in others.chain(parts).chain(parameters) {
        match change {
            Change::Dependency { path, state } => {
                deps.insert(path.clone(), json!(dvc_word(*state)));
            }
            Change::Output { path, state } => {
                outs.insert(path.clone(), json!(dvc_word(*state)));
            }
            Change::Parameter {
                file,
                key,
                before,
                after,
            } => {
                let state = match (before, after) {
                    (None, _) => "new",
                    (_, None) => "deleted",
                    _ => "modified",
                };
                let keys = deps.entry(file.to_string()).or_insert_with(|| json!({}));
                if let Some(keys) = keys.as_object_mut() {
                    keys.insert(key.clone(), json!(state));
                }
            }
            Change::Command => words.push(json!("changed command")),
            Change::AlwaysChanged => words.push(json!("always changed")),
            Change::NeverRun | Change::Upstream { .. } | Change::Forced => {}
        }
    }
    for path in not_in_cache {
        outs.insert(path.clone(), json!("not in cache"));
    }
    let mut entries = Vec::new();
    if !deps.is_empty() {
        entries.push(json!({"changed deps": deps}));
    }
    if !outs.is_empty() {
        entries.push(json!({"changed outs": outs}));
    }
    entries.extend(words);
    entries
}

/// Where nothing is recorded, DVC calls what is there modified.
fn dvc_word(state: FileState) -> &'static str {
    match state {
        FileState::Modified => "modified",
        FileState::Missing => "deleted",
        FileState::New => "new",
    }
}

/// Names with a colon, what belongs to them one tab further in; a state before its path.
fn print_tree(value: &Value, depth: usize, printer: &Printer) {
    let indent = "\t".repeat(depth);
    match value {
        Value::Array(entries) => {
            for entry in entries {
                print_tree(entry, depth, printer);
            }
        }
        Value::Object(entries) => {
            for (name, below) in entries {
                if let Value::String(state) = below {
                    let state = format!("{state}:");
                    printer.line(format_args!("{indent}{state:<20}{name}"));
                } else {
                    printer.line(format_args!("{indent}{name}:"));
                    print_tree(below, depth + 1, printer);
                }
            }
        }
        Value::String(text) => printer.line(format_args!("{indent}{text}")),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
