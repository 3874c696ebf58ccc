//! `ketch stage add`

use clap::Args;
use ketch_dvc::{OutputKind, OutputSpec, ParamSpec, StageSpec};
use ketch_project::{
    AddStageOptions, AddStageReport, ExistingStage, Project, Reach, ReproOptions, add_stage, repro,
};

use crate::exit::{CommandError, ExitStatus};
use crate::personality::tell_to_track;
use crate::printer::Printer;
use crate::progress::StageProgress;
use crate::settings::Settings;
use crate::workspace::{files_from_here, from_here, hint_to_record, open_project};

/// Write a stage into `dvc.yaml`
///
/// `ketch stage add -n train -d data.csv -p train.lr -o model.onnx -M metrics.json python train.py`
/// describes a stage in the `dvc.yaml` of this directory, which is made if need be, and makes Git
/// ignore its outputs; `ketch repro` runs it. Other text of the file stays as it is. The command
/// is all that follows the options; put it in quotes where the shell must not see `>`, `|` or `&&`.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Name of the stage
    #[arg(short, long)]
    name: String,

    /// Write a stage anew that is there already
    #[arg(short, long)]
    force: bool,

    /// File or directory that the command reads
    #[arg(short, long, value_name = "PATH")]
    deps: Vec<String>,

    /// Parameters that the command reads, of params.yaml or another file; `FILE:` for all of it
    #[arg(short, long, value_name = "[FILE:]NAMES")]
    params: Vec<String>,

    #[command(flatten)]
    outputs: OutputArgs,

    /// Where the command runs and its paths begin
    #[arg(short, long, value_name = "DIR")]
    wdir: Option<String>,

    /// Run it each time, changed or not
    #[arg(long)]
    always_changed: bool,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    desc: Option<String>,

    /// Run it now
    #[arg(long)]
    run: bool,

    /// What it runs
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// What the command makes.
#[derive(Debug, Args)]
struct OutputArgs {
    /// Output file or directory
    #[arg(short, long, value_name = "PATH")]
    outs: Vec<String>,

    /// Output that stays out of the cache
    #[arg(short = 'O', long, value_name = "PATH")]
    outs_no_cache: Vec<String>,

    /// Output that is not removed before the command runs
    #[arg(long, value_name = "PATH")]
    outs_persist: Vec<String>,

    /// Output that is not removed before the command runs, and stays out of the cache
    #[arg(long, value_name = "PATH")]
    outs_persist_no_cache: Vec<String>,

    /// Metrics file
    #[arg(short, long, value_name = "PATH")]
    metrics: Vec<String>,

    /// Metrics file that stays out of the cache
    #[arg(short = 'M', long, value_name = "PATH")]
    metrics_no_cache: Vec<String>,

    /// File or directory of plots
    #[arg(long, value_name = "PATH")]
    plots: Vec<String>,

    /// File or directory of plots that stays out of the cache
    #[arg(long, value_name = "PATH")]
    plots_no_cache: Vec<String>,
}

pub(super) fn run(
    args: AddArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let mut spec = StageSpec::new(command_line(&args.command));
    spec.wdir = args.wdir;
    spec.deps = args.deps;
    spec.params = params(&args.params);
    spec.outs = outputs(args.outputs);
    spec.always_changed = args.always_changed;
    spec.desc = args.desc;
    let name = args.name.clone();
    let options = AddStageOptions {
        name: args.name,
        folder: settings.directory.clone(),
        spec,
        existing: if args.force {
            ExistingStage::Replaced
        } else {
            ExistingStage::Kept
        },
    };
    let report = add_stage(&project, options)?;
    for path in &report.not_ignored {
        let path = from_here(&project, settings, path);
        printer.warning(format_args!(
            "Git ignores `{path}` once its folder is there, which the command makes"
        ));
    }
    printer.json(&report);
    if printer.speaks_dvc() {
        printer.line(format_args!("Added stage '{name}' in 'dvc.yaml'"));
    } else {
        let file = from_here(&project, settings, &report.file);
        printer.line(format_args!("{file}: stage {name}"));
    }
    if args.run {
        run_now(&project, &report, printer)?;
    }
    tell(&project, &report, args.run, settings, printer);
    Ok(ExitStatus::Success)
}

fn run_now(
    project: &Project,
    report: &AddStageReport,
    printer: &Printer,
) -> Result<(), CommandError> {
    let progress = StageProgress::new(printer);
    let options = ReproOptions {
        targets: vec![report.stage.clone()],
        reach: Reach::Alone,
        ..ReproOptions::default()
    };
    repro(project, &options, &progress)?;
    Ok(())
}

/// Says what belongs into Git.
fn tell(
    project: &Project,
    report: &AddStageReport,
    has_run: bool,
    settings: &Settings,
    printer: &Printer,
) {
    let mut files = report.changed_files.clone();
    if has_run {
        files.push(report.file.with_extension("lock"));
    }
    let files = files_from_here(project, settings, &files);
    if printer.speaks_dvc() {
        if !project.autostage() {
            tell_to_track(printer, project, &files);
        }
        return;
    }
    if !files.is_empty() {
        hint_to_record(
            printer,
            project,
            format_args!("git add {}", files.join(" ")),
        );
    }
    if !has_run {
        printer.hint("run it: `ketch repro`");
    }
}

/// The words as a shell reads them again: one is a whole line, several are quoted where a blank
/// would part them.
fn command_line(words: &[String]) -> String {
    if let [line] = words {
        return line.clone();
    }
    let quoted = |word: &String| {
        if word.is_empty() || word.contains(' ') && !word.contains('"') {
            format!("\"{word}\"")
        } else {
            word.clone()
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// `lr,train.depth` of `params.yaml`, `FILE:lr` of another file, `FILE:` for all of one.
fn params(given: &[String]) -> Vec<ParamSpec> {
    let mut specs: Vec<ParamSpec> = Vec::new();
    for one in given {
        let (file, names) = match one.rsplit_once(':') {
            Some(("", names)) => ("params.yaml", names),
            Some((file, names)) => (file, names),
            None => ("params.yaml", one.as_str()),
        };
        let names = names.split(',').filter(|name| !name.is_empty());
        let names = names.map(str::to_owned).collect::<Vec<_>>();
        let place = specs.iter().position(|spec| spec.file == file);
        let place = place.unwrap_or_else(|| {
            specs.push(ParamSpec {
                file: file.to_owned(),
                keys: None,
            });
            specs.len() - 1
        });
        if let Some(spec) = specs.get_mut(place)
            && !names.is_empty()
        {
            spec.keys.get_or_insert_default().extend(names);
        }
    }
    specs
}

/// In the order in which DVC has them.
fn outputs(args: OutputArgs) -> Vec<OutputSpec> {
    let OutputArgs {
        outs,
        outs_no_cache,
        outs_persist,
        outs_persist_no_cache,
        metrics,
        metrics_no_cache,
        plots,
        plots_no_cache,
    } = args;
    let kinds = [
        (outs_persist, OutputKind::Data, true, true),
        (outs_persist_no_cache, OutputKind::Data, false, true),
        (metrics, OutputKind::Metric, true, false),
        (metrics_no_cache, OutputKind::Metric, false, false),
        (plots, OutputKind::Plot, true, false),
        (plots_no_cache, OutputKind::Plot, false, false),
        (outs_no_cache, OutputKind::Data, false, false),
        (outs, OutputKind::Data, true, false),
    ];
    let mut specs = Vec::new();
    for (paths, kind, cache, persist) in kinds {
        specs.extend(paths.into_iter().map(|path| OutputSpec {
            cache,
            persist,
            ..OutputSpec::new(path, kind, 0)
        }));
    }
    specs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_blank_would_part_them() {
        let line = |words: &[&str]| {
            command_line(
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(line(&["cat a > b"]), "cat a > b");
        assert_eq!(
            line(&["echo", "a b", "\"q r\"", ""]),
            "echo \"a b\" \"q r\" \"\""
        );
        assert_eq!(line(&[]), "");
    }

    #[test]
    fn parameters_are_those_of_their_files() {
        let given = ["lr,a.b", "o.json:x", "w.toml:", "o.json:y", ":z"].map(str::to_owned);
        let said: Vec<(String, Option<Vec<String>>)> = params(&given)
            .into_iter()
            .map(|spec| (spec.file, spec.keys))
            .collect();
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(
            said,
            [
                ("params.yaml".to_owned(), names(&["lr", "a.b", "z"])),
                ("o.json".to_owned(), names(&["x", "y"])),
                ("w.toml".to_owned(), None),
            ]
        );
    }
}
