//! `ketch retrain`

use camino::Utf8PathBuf;
use clap::Args;
use jiff::{Timestamp, tz::TimeZone};
use ketch_control::{CandidateOptions, make_candidate, model_config};
use ketch_dvc::yaml::{self, Value};

use super::runs::section;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::progress::StageProgress;
use crate::settings::Settings;
use crate::table::number;
use crate::workspace::{actor, open_project, open_tracking};

/// Make a new version of a model with other parameters
///
/// Runs the pipeline of the commit that is checked out in a work tree of its own, so that nobody's
/// files change, commits what it made on a branch `ketch/MODEL/NAME`, and registers the model as a
/// version. It serves only after `ketch deploy`.
#[derive(Debug, Args)]
pub(crate) struct RetrainArgs {
    /// The model's name in ketch.toml
    #[arg(value_name = "MODEL")]
    model: String,

    /// Set a parameter of the pipeline, by its dotted name; may be given many times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    params: Vec<(String, Value)>,

    /// Name of the run and its branch; made from the time by default
    #[arg(long)]
    name: Option<String>,

    /// Why, for the commit message
    #[arg(long, default_value = "asked for", value_name = "TEXT")]
    reason: String,
}

pub(super) fn run(
    args: RetrainArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let RetrainArgs {
        model,
        params,
        name,
        reason,
    } = args;
    let project = open_project(settings, printer)?;
    model_config(&project, &model)?;
    warn_of_changes(&project.git().changed_files()?, printer);
    let actor = actor(&project, settings)?;
    let name = name.unwrap_or_else(|| name_from(settings.clock.now()));
    let tracking = open_tracking(&project, settings)?;
    let options = CandidateOptions {
        model: &model,
        name: &name,
        params: &params,
        reason: &reason,
        user: &actor,
    };
    let progress = StageProgress::new(printer);
    let made = make_candidate(&project, &tracking, &options, &*settings.clock, &progress)?;
    drop(progress);
    printer.json(&made);
    printer.line(format_args!(
        "{model} version {} is registered",
        made.version
    ));
    printer.line(format_args!("run     {}", made.run));
    printer.line(format_args!("commit  {}", made.commit));
    section(
        printer,
        "metrics",
        made.metrics
            .iter()
            .map(|(key, value)| format!("{key} {}", number(*value))),
    );
    printer.hint(format_args!(
        "release it: `ketch deploy {model} {}`",
        made.version
    ));
    Ok(ExitStatus::Success)
}

fn warn_of_changes(files: &[Utf8PathBuf], printer: &Printer) {
    if let Some(first) = files.first() {
        let more = match files.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        printer.warning(format_args!(
            "changes that are not committed are no part of this: `{first}`{more}"
        ));
    }
}

fn name_from(now: Timestamp) -> String {
    now.to_zoned(TimeZone::UTC)
        .strftime("manual-%Y%m%d-%H%M%S")
        .to_string()
}

/// `key=value`, the value as YAML would read it.
fn assignment(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| "it must be KEY=VALUE, such as train.depth=4".to_owned())?;
    if key.is_empty() || key.split('.').any(str::is_empty) {
        return Err(format!("`{key}` is no dotted name of a parameter"));
    }
    let value = yaml::parse(value, "value").map_err(|error| error.message().to_owned())?;
    Ok((key.to_owned(), value.to_value()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_yaml() {
        assert_eq!(
            assignment("a.b=3").unwrap(),
            ("a.b".to_owned(), Value::from(3_i64))
        );
        assert_eq!(assignment("a=x=y").unwrap().1.as_str(), Some("x=y"));
        assert_eq!(assignment("a=true").unwrap().1.as_bool(), Some(true));
        assert_eq!(
            assignment("a=[1, 2]")
                .unwrap()
                .1
                .as_sequence()
                .map(<[_]>::len),
            Some(2)
        );
        for wrong in ["a", "=3", "a..b=3", "a=[1"] {
            assert!(assignment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_from_the_time_is_one_for_a_work_tree() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        assert_eq!(name_from(at), "manual-20231114-221320");
    }
}
