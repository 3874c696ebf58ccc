//! An environment made again, from what was recorded of it and nothing else.

use std::collections::BTreeSet;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::TemporaryFolder;
use serde::Serialize;

use super::circumstances::Circumstances;
use super::diff::{Difference, Weight, differences};
use super::document::{Environment, EnvironmentId, Interpreter};
use super::installers::{Installer, choose};
use super::present::Surveyor;
use super::requirements::{Hashes, LeftOut, requirements};
use super::select::made;
use crate::paths::{join, remove};
use crate::{Project, ProjectError};

/// What to make again, and where.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentBuildOptions {
    /// A revision or a stage; what made the results in the work tree if not given.
    pub of: Option<String>,
    /// What made the results of this stage.
    pub stage: Option<String>,
    /// The directory of the new virtual environment; must not be there, or be empty.
    pub into: Utf8PathBuf,
    pub circumstances: Circumstances,
}

/// What was made.
#[derive(Debug, Serialize)]
pub struct EnvironmentBuildReport {
    /// What was recorded.
    pub environment: EnvironmentId,
    pub into: Utf8PathBuf,
    /// `uv` or `pip`
    pub installer: &'static str,
    pub interpreter: Option<Interpreter>,
    /// How many packages it has.
    pub packages: usize,
    /// What was not even tried, and why.
    pub left_out: Vec<LeftOut>,
    /// Of Python and its packages, between what was recorded and what was made.
    pub differences: Vec<Difference>,
    /// Of the machine, the system and the variables, which nobody can make again here.
    pub surroundings: Vec<Difference>,
}

impl EnvironmentBuildReport {
    /// Whether Python and its packages are as recorded, but for those that only install others.
    pub fn is_complete(&self) -> bool {
        let mut all = self.differences.iter();
        all.all(|difference| difference.weight == Weight::Context)
    }
}

/// Makes a virtual environment with the interpreter and the packages that were recorded: exactly
/// these versions, by their hashes where they are known, with uv if it is on the `PATH`, else with
/// Python's own `venv` and pip. What it has then is captured and compared with what was recorded.
///
/// # Errors
///
/// Nothing recorded, or several environments without a stage to choose by; a directory that is in
/// use; no such Python; a package that cannot be had. What was begun is removed then.
pub fn build_environment(
    project: &Project,
    options: &EnvironmentBuildOptions,
) -> Result<EnvironmentBuildReport, ProjectError> {
    let (id, recorded) = chosen(project, options)?;
    let into = join(project.root(), &options.into);
    let is_free = match into.read_dir_utf8() {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_free {
        return Err(ProjectError::Occupied { path: into });
    }
    let Some(interpreter) = &recorded.interpreter else {
        return Err(ProjectError::NoInterpreter {
            environment: id.to_string(),
        });
    };
    // What it names is in no virtual environment.
    let unset = ("PYTHONPATH".to_owned(), String::new());
    let circumstances = options.circumstances.with(&[unset]);
    let surveyor = Surveyor::new(project, &circumstances, &[]);
    let now = surveyor.here()?.environment()?;
    let same_machine = now.system.os == recorded.system.os
        && now.system.architecture == recorded.system.architecture;
    let hashes = if same_machine {
        Hashes::Checked
    } else {
        // Those of other files than there are for this machine.
        Hashes::Unknown
    };
    let wanted = requirements(&recorded.packages, hashes)?;
    let installer = choose(interpreter, &circumstances)?;
    let made = make(
        &installer,
        interpreter,
        &into,
        &wanted.hashed,
        &wanted.plain,
    )
    .and_then(|()| surveyor.of_directory(&into)?.environment())
    .and_then(|built| {
        let strange = strangers(&recorded, &built);
        if strange.is_empty() {
            return Ok(built);
        }
        installer.uninstall(&into, &strange)?;
        surveyor.forget();
        surveyor.of_directory(&into)?.environment()
    });
    let built = match made {
        Ok(built) => built,
        Err(error) => {
            // The first error counts.
            let _ = remove(&into);
            return Err(error);
        }
    };
    let of_python = Environment {
        interpreter: built.interpreter.clone(),
        packages: built.packages.clone(),
        ..recorded.clone()
    };
    let around = Environment {
        interpreter: recorded.interpreter.clone(),
        packages: recorded.packages.clone(),
        ..built.clone()
    };
    Ok(EnvironmentBuildReport {
        environment: id,
        into,
        installer: installer.name(),
        packages: built.packages.len(),
        interpreter: built.interpreter,
        left_out: wanted.left_out,
        differences: differences(&recorded, &of_python),
        surroundings: differences(&recorded, &around),
    })
}

/// The one environment that is meant.
fn chosen(
    project: &Project,
    options: &EnvironmentBuildOptions,
) -> Result<(EnvironmentId, Environment), ProjectError> {
    let name = options.of.as_deref();
    let shown = || name.unwrap_or("the results here").to_owned();
    let mut made = made(project, name)?;
    if let Some(stage) = &options.stage {
        made.keep_stage(stage);
    }
    let mut ids: Vec<&EnvironmentId> = made.by_stage.values().filter_map(BTreeSet::first).collect();
    ids.sort();
    ids.dedup();
    match ids[..] {
        [] => Err(ProjectError::NoEnvironment { of: shown() }),
        [id] => match made.environment(id) {
            Some(environment) => Ok((id.clone(), environment.clone())),
            None => Err(ProjectError::NoEnvironment { of: shown() }),
        },
        _ => Err(ProjectError::SeveralEnvironments {
            of: shown(),
            stages: made.by_stage.keys().cloned().collect(),
        }),
    }
}

fn make(
    installer: &Installer,
    interpreter: &Interpreter,
    into: &Utf8Path,
    hashed: &[String],
    plain: &[String],
) -> Result<(), ProjectError> {
    installer.create(interpreter, into)?;
    let folder = TemporaryFolder::make()?;
    for (name, lines, hashes) in [
        ("hashed.txt", hashed, Hashes::Checked),
        ("plain.txt", plain, Hashes::Unknown),
    ] {
        if !lines.is_empty() {
            let path = folder.path().join(name);
            let mut file = fs_err::File::create(&path)?;
            writeln!(file, "{}", lines.join("\n"))?;
            installer.install(into, &path, hashes)?;
        }
    }
    Ok(())
}

/// What a new virtual environment has that was not there: pip, setuptools.
fn strangers(recorded: &Environment, built: &Environment) -> Vec<String> {
    let known = |name: &str| recorded.packages.iter().any(|package| package.name == name);
    let strange = built
        .packages
        .iter()
        .filter(|package| !known(&package.name));
    strange.map(|package| package.name.clone()).collect()
}
