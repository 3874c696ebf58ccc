//! `ketch model register`

use camino::Utf8Path;
use clap::Args;
use ketch_control::{
    ModelPaths, RegisterOptions, Registered, committed, model_config, read_journal, register,
};
use ketch_project::{CommitId, Lineage, Project, lineage};
use ketch_tracking::{Alias, ChangeNote, Digest, ModelName, ModelVersion, TrackingStore};
use serde::Serialize;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::{actor, open_project, open_tracking};

/// The alias of the version that serves.
const CHAMPION: &str = "champion";

/// Register the model that the pipeline made last as a version
///
/// Records a run with the parameters, metrics and lineage in `dvc.lock`, and a version of the model
/// that points at it. What made the model must be committed, so that the version can be traced back
/// to it. Registering the same model of the same commit again gives the version that there is.
///
/// The first version needs the alias `champion` to be served by `ketch up`; later ones are released
/// with `ketch deploy`, past a gate and by a canary.
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// The model's name in ketch.toml
    #[arg(value_name = "MODEL")]
    model: String,

    /// Point this alias at the version
    #[arg(long)]
    alias: Option<Alias>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    version: ModelVersion,
    commit: CommitId,
    /// Whether it is new.
    new: bool,
}

pub(super) fn run(
    args: RegisterArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let RegisterArgs { model, alias } = args;
    let project = open_project(settings, printer)?;
    let config = model_config(&project, &model)?;
    let made = lineage(&project, &config.artifact)?;
    let commit = committed(&project, &made)?;
    if alias
        .as_ref()
        .is_some_and(|alias| alias.as_str() == CHAMPION)
    {
        refuse_where_it_serves(&project, &model)?;
    }
    let actor = actor(&project, settings)?;
    let tracking = open_tracking(&project, settings)?;
    let name: ModelName = model.parse()?;

    let known = known_version(&tracking, &name, &made, &config.artifact, &commit)?;
    let (number, new) = if let Some(known) = known {
        (known, false)
    } else {
        let now = settings.clock.now();
        let run_name = format!("commit-{}", commit.as_str().get(..10).unwrap_or_default());
        let options = RegisterOptions {
            model: &model,
            run_name: &run_name,
            user: &actor,
            started_at: now,
            ended_at: now,
        };
        let Registered { version, .. } = register(&project, &tracking, &options)?;
        (version, true)
    };
    if let Some(alias) = &alias {
        let note = ChangeNote {
            at_ms: settings.clock.now().as_millisecond(),
            actor,
            reason: "given when it was registered".to_owned(),
        };
        tracking.set_alias(&name, alias, number, &note)?;
    }
    let version = tracking.model_version(&name, number)?;
    let known = if new { "registered" } else { "there already" };
    printer.line(format_args!("{name} version {number} is {known}"));
    if let Some(alias) = &alias {
        printer.line(format_args!("{alias} is version {number}"));
    }
    printer.json(&Report {
        version,
        commit,
        new,
    });
    Ok(ExitStatus::Success)
}

/// The champion of a model that serves changes by a release alone.
fn refuse_where_it_serves(project: &Project, model: &str) -> Result<(), CommandError> {
    let journal = ModelPaths::new(&project.state_dir()?, model).journal;
    if read_journal(&journal)?.is_empty() {
        return Ok(());
    }
    Err(CommandError::user(format!(
        "`{model}` has been served already, so its champion changes by a release"
    ))
    .hint(format!(
        "register it without the alias, then `ketch deploy {model} VERSION`"
    )))
}

/// The version that holds these bytes, made by this commit.
fn known_version(
    tracking: &TrackingStore,
    name: &ModelName,
    made: &Lineage,
    artifact: &Utf8Path,
    commit: &CommitId,
) -> Result<Option<u32>, CommandError> {
    let Some((_, id)) = made.outs.iter().find(|(path, _)| path == artifact) else {
        return Ok(None);
    };
    let digest: Digest = id.hex().parse()?;
    for version in tracking.versions_by_digest(&digest)? {
        let same_commit = tracking
            .lineage(&version.run_id)?
            .and_then(|lineage| lineage.commit)
            .is_some_and(|found| found.as_str() == commit.as_str());
        if version.model == *name && same_commit {
            return Ok(Some(version.version));
        }
    }
    Ok(None)
}
