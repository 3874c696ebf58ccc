//! Proof that the results of a commit can be made again.
//!
//! A clean clone in a temporary folder gets what Git and the remote have, the environments that are
//! recorded are made again, the pipeline runs from its first stage to its last without the run
//! cache, and every output is held against `dvc.lock`. Of the first stage that differs the cause is
//! looked for by experiment (`cause/`). Nothing in the project itself is touched but the cache's and
//! the environments' memory of what was seen.

mod cause;
mod clean_clone;
mod compare;
mod error;
mod rebuild;
mod statement;

use std::num::NonZeroUsize;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::TemporaryFolder;
use serde::Serialize;

use crate::change::{Change, inspect};
use crate::stage::{Index, Stage};
use crate::{
    Circumstances, CommitId, EarlierRuns, Force, OnFailure, Project, ProjectError, Reach,
    RemoteChoice, ReproOptions, ReproReport, ReproReporter, Saving, StageOutcome, VerifiedTable,
    repro,
};
use clean_clone::{CleanClone, chosen, needed};
use compare::Comparison;
use rebuild::{Environments, environments};

pub use cause::{Cause, CauseKind};
pub use compare::{DifferentRows, DifferentValue, OutputDifference, OutputOutcome, VerifiedOutput};
pub use error::VerifyError;
pub use rebuild::{EnvironmentOrigin, UsedEnvironment};
pub use statement::{
    CheckStatementOptions, CheckedStatement, StatementSigner, check_statement, sign_statement,
    statement, write_statement,
};

/// What to verify, and how.
#[derive(Debug, Clone, Default)]
pub struct VerifyOptions {
    /// `HEAD` if not given.
    pub revision: Option<String>,
    /// Stages by address, or the name of their `foreach` or `matrix`; all that are not frozen if
    /// empty. What others make for them comes from the remote.
    pub stages: Vec<String>,
    pub data: VerifyData,
    pub environment: VerifyEnvironment,
    pub runs: VerifyRuns,
    pub diagnosis: Diagnosis,
    /// How far the numbers in files of metrics may be off, where `ketch.toml` does not say.
    pub tolerance: Option<f64>,
    pub remote: RemoteChoice,
    /// How many stages run at once; what `ketch.toml` says if not given.
    pub jobs: Option<NonZeroUsize>,
    pub circumstances: Circumstances,
}

/// Where data comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyData {
    /// From remotes only.
    #[default]
    Remote,
    /// From this machine's cache too: that the remote has it all is not shown then.
    LocalCache,
}

/// What the stages run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyEnvironment {
    /// In what is recorded, made again.
    #[default]
    Rebuilt,
    /// In what there is.
    Here,
}

/// How often the pipeline runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyRuns {
    #[default]
    Once,
    /// In two clones, whose results must be the same too.
    Twice,
}

/// Whether causes are looked for, which runs stages that differ a few times more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Diagnosis {
    #[default]
    Made,
    LeftOut,
}

/// What verification asks of the program around it.
pub trait Verifier: Sync {
    /// The time.
    fn now(&self) -> SystemTime;

    /// Something begins that takes a while.
    fn step(&self, _text: &str) {}

    /// Who is told what the stages do.
    fn repro(&self) -> &dyn ReproReporter;

    /// How the rows of two tables differ; none where they are no tables. `name` says by its ending
    /// what they are.
    fn compare_tables(
        &self,
        name: &Utf8Path,
        recorded: &Utf8Path,
        rebuilt: &Utf8Path,
        rules: Option<&VerifiedTable>,
    ) -> Option<DifferentRows>;
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifyReport {
    pub revision: String,
    pub commit: CommitId,
    pub verdict: Verdict,
    /// Each after what it needs.
    pub stages: Vec<VerifiedStage>,
    pub environments: Vec<UsedEnvironment>,
    /// Data that neither Git nor a remote has, relative to the root.
    pub missing: Vec<Utf8PathBuf>,
    /// Whether the pipeline ran twice.
    pub is_twice: bool,
    /// Whether data could come from this machine's cache.
    pub from_local_cache: bool,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every output is as recorded, byte for byte.
    Equal,
    /// Every output is as recorded, some of them within a tolerance or by their rows.
    Equivalent,
    /// Something differs, failed, or is not recorded.
    Different,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifiedStage {
    pub stage: String,
    pub outcome: VerifyOutcome,
    pub outputs: Vec<VerifiedOutput>,
    /// Why it did not run to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Outputs that were not the same in two runs, relative to the root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsteady: Vec<Utf8PathBuf>,
    /// Of a stage that differs by itself, not because of one before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// How one stage went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyOutcome {
    Equal,
    Equivalent,
    Different,
    /// It differs, and so does a stage that it needs.
    Follows,
    Failed,
    /// A stage that it needs failed.
    Skipped,
    /// `dvc.lock` has nothing to compare with.
    NotRecorded,
}

impl VerifyOutcome {
    /// Whether the results are as recorded.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Equal | Self::Equivalent)
    }
}

impl VerifyReport {
    /// The first stage that differs or fails by itself.
    pub fn first_divergence(&self) -> Option<&VerifiedStage> {
        self.stages.iter().find(|stage| !stage.outcome.is_good())
    }
}

/// A clone, and all that it takes to run its stages.
struct Bench<'a> {
    main: &'a Project,
    commit: &'a CommitId,
    clone: CleanClone,
    /// As recorded, before anything ran.
    index: &'a Index,
    environments: &'a Environments,
    options: &'a VerifyOptions,
    verifier: &'a dyn Verifier,
}

impl Bench<'_> {
    /// Runs stages, whatever is recorded of them, with these variables besides.
    fn run(
        &self,
        targets: Vec<String>,
        variables: &[(String, String)],
    ) -> Result<ReproReport, ProjectError> {
        let options = ReproOptions {
            targets,
            reach: Reach::Alone,
            force: Force::Yes,
            jobs: self.options.jobs,
            on_failure: OnFailure::KeepGoing,
            earlier_runs: EarlierRuns::Ignored,
            saving: Saving::Left,
            environment: variables.to_vec(),
            virtual_environments: self.environments.directories.clone(),
            ..ReproOptions::default()
        };
        repro(&self.clone.project, &options, self.verifier.repro())
    }

    fn comparison(&self) -> Comparison<'_> {
        Comparison {
            clone: &self.clone.project,
            commit: self.commit,
            options: self.options,
            verifier: self.verifier,
        }
    }
}

/// Makes the results of a commit again and compares them with what it records.
///
/// # Errors
///
/// An unknown revision or stage; a pipeline without stages; an environment that cannot be made; a
/// remote that does not answer. That results differ is none.
pub fn verify(
    project: &Project,
    options: &VerifyOptions,
    verifier: &dyn Verifier,
) -> Result<VerifyReport, ProjectError> {
    let revision = options.revision.as_deref().unwrap_or("HEAD");
    let commit = project.git().resolve(revision)?;
    let workshop = TemporaryFolder::make()?;
    let cache = match options.data {
        VerifyData::Remote => workshop.path().join("cache"),
        VerifyData::LocalCache => project.cache().root().to_owned(),
    };
    let make = |name: &str| {
        verifier.step("cloning the commit and getting its data");
        CleanClone::make(project, &commit, &workshop.path().join(name), &cache)
    };
    let clone = make("first")?;
    let index = Index::load(&clone.project)?;
    let stages = chosen(&index, &options.stages)?;
    if stages.is_empty() {
        return Err(VerifyError::NothingToVerify {
            revision: revision.to_owned(),
        }
        .into());
    }
    let files = verifier.repro().files();
    let inputs = needed(&clone.project, &index, &stages);
    let missing = clone.bring(&inputs, &options.remote, files)?;
    let stale = stale_inputs(&clone.project, &index, &stages, verifier)?;
    let folder = workshop.path().join("environments");
    fs_err::create_dir_all(&folder)?;
    let environments = environments(
        project,
        &clone.project,
        &index,
        &stages,
        &folder,
        options,
        verifier,
    )?;
    let bench = |clone| Bench {
        main: project,
        commit: &commit,
        clone,
        index: &index,
        environments: &environments,
        options,
        verifier,
    };
    let first = bench(clone);
    let addresses: Vec<String> = stages.iter().map(|stage| stage.address.clone()).collect();
    verifier.step("running the pipeline");
    let began = verifier.now();
    let report = first.run(addresses.clone(), &[])?;
    let second = match options.runs {
        VerifyRuns::Once => None,
        VerifyRuns::Twice => {
            let clone = make("second")?;
            clone.bring(&inputs, &options.remote, files)?;
            verifier.step("running the pipeline again");
            let second = bench(clone);
            second.run(addresses, &[])?;
            Some(second)
        }
    };
    let ran = began..verifier.now();
    let after = Index::load(&first.clone.project)?;
    let mut found = judge(&first, &report, &stages, &after)?;
    if let Some(second) = &second {
        let again = Index::load(&second.clone.project)?;
        mark_unsteady(&mut found, &first.clone.project, &after, &again)?;
    }
    let graph = crate::graph::StageGraph::build(&index)?;
    for place in 0..found.len() {
        let Some(stage) = stages.get(place) else {
            break;
        };
        let needs = needs_of(&graph, &index, stage);
        let differs_before = found
            .iter()
            .take(place)
            .any(|earlier| !earlier.outcome.is_good() && needs.contains(&earlier.stage.as_str()));
        let Some(result) = found.get_mut(place) else {
            break;
        };
        if result.outcome.is_good() || result.outcome == VerifyOutcome::NotRecorded {
            continue;
        }
        if differs_before {
            if result.outcome == VerifyOutcome::Different {
                result.outcome = VerifyOutcome::Follows;
            }
            continue;
        }
        let stale = stale.iter().find(|(address, _)| *address == stage.address);
        let stale = stale.map_or(&[][..], |(_, changes)| changes.as_slice());
        let case = cause::Case {
            bench: &first,
            second: second.as_ref(),
            stage,
            result,
            stale,
            missing: &missing,
            failure: report.failures.get(&stage.address),
            ran: ran.clone(),
        };
        let cause = case.solve()?;
        result.cause = Some(cause);
    }
    let verdict = verdict(&found);
    Ok(VerifyReport {
        revision: revision.to_owned(),
        commit: commit.clone(),
        verdict,
        stages: found,
        environments: environments.used,
        missing,
        is_twice: options.runs == VerifyRuns::Twice,
        from_local_cache: options.data == VerifyData::LocalCache,
    })
}

fn verdict(stages: &[VerifiedStage]) -> Verdict {
    if !stages.iter().all(|stage| stage.outcome.is_good()) {
        Verdict::Different
    } else if stages
        .iter()
        .all(|stage| stage.outcome == VerifyOutcome::Equal)
    {
        Verdict::Equal
    } else {
        Verdict::Equivalent
    }
}

/// The addresses of all stages before this one.
fn needs_of<'i>(graph: &crate::graph::StageGraph, index: &'i Index, stage: &Stage) -> Vec<&'i str> {
    let mut places = index.stages.iter();
    let Some(own) = places.position(|other| other.address == stage.address) else {
        return Vec::new();
    };
    let included = graph.closure(&[own], |place| graph.needs(place));
    let before = index.stages.iter().zip(included).enumerate();
    before
        .filter(|(place, (_, included))| *included && *place != own)
        .map(|(_, (stage, _))| stage.address.as_str())
        .collect()
}

/// What the record of each stage was not made with: commands, parameters, and dependencies that no
/// stage makes that runs here.
fn stale_inputs(
    project: &Project,
    index: &Index,
    stages: &[&Stage],
    verifier: &dyn Verifier,
) -> Result<Vec<(String, Vec<Change>)>, ProjectError> {
    let is_made = |path: &str| {
        let path = project.root().join(path);
        let mut outputs = stages.iter().flat_map(|stage| stage.outputs());
        outputs.any(|(_, output)| crate::paths::overlap(&path, &output))
    };
    let mut stale = Vec::new();
    for stage in stages {
        let mut changes = inspect(project, index, stage, verifier.repro().files())?.changes;
        changes.retain(|change| match change {
            Change::Command | Change::Parameter { .. } => true,
            Change::Dependency { path, .. } => !is_made(path),
            _ => false,
        });
        stale.push((stage.address.clone(), changes));
    }
    Ok(stale)
}

/// Compares every stage.
fn judge(
    bench: &Bench<'_>,
    report: &ReproReport,
    stages: &[&Stage],
    after: &Index,
) -> Result<Vec<VerifiedStage>, ProjectError> {
    bench.verifier.step("comparing results");
    let mut judged = Vec::new();
    for stage in stages {
        let mut results = report.stages.iter();
        let result = results.find(|result| result.stage == stage.address);
        let mut failure = report.failures.get(&stage.address).map(ToString::to_string);
        let outcome = match result.map(|result| result.outcome) {
            Some(StageOutcome::Failed) => Some(VerifyOutcome::Failed),
            Some(StageOutcome::Skipped) => Some(VerifyOutcome::Skipped),
            Some(_) => None,
            None => {
                failure.get_or_insert_with(|| "it did not run".to_owned());
                Some(VerifyOutcome::Failed)
            }
        };
        let (outcome, outputs) = match outcome {
            Some(outcome) => (outcome, Vec::new()),
            None if bench.index.recorded(stage).is_none() => {
                (VerifyOutcome::NotRecorded, Vec::new())
            }
            None => {
                let outputs = bench.comparison().outputs(stage, bench.index, after)?;
                (of_outputs(&outputs), outputs)
            }
        };
        judged.push(VerifiedStage {
            stage: stage.address.clone(),
            outcome,
            outputs,
            failure,
            unsteady: Vec::new(),
            cause: None,
        });
    }
    Ok(judged)
}

fn of_outputs(outputs: &[VerifiedOutput]) -> VerifyOutcome {
    let any = |wanted| outputs.iter().any(|output| output.outcome == wanted);
    if any(OutputOutcome::Different) {
        VerifyOutcome::Different
    } else if any(OutputOutcome::Equivalent) {
        VerifyOutcome::Equivalent
    } else {
        VerifyOutcome::Equal
    }
}

/// The same stage in another clone.
fn stage_of<'i>(index: &'i Index, stage: &Stage) -> Option<&'i Stage> {
    let mut stages = index.stages.iter();
    stages.find(|other| other.address == stage.address)
}

/// Finds what two runs made differently. It differs even if one of them is as recorded, unless that
/// is within what counts as the same.
fn mark_unsteady(
    found: &mut [VerifiedStage],
    project: &Project,
    first: &Index,
    second: &Index,
) -> Result<(), ProjectError> {
    for result in found {
        let stage = first.stage(project, &result.stage)?;
        let outputs = |index: &Index| {
            let lock = index.recorded(stage_of(index, stage)?)?;
            let outs = lock.outs.iter();
            Some(
                outs.map(|out| (out.path.clone(), out.md5.clone()))
                    .collect::<Vec<_>>(),
            )
        };
        let again = outputs(second).unwrap_or_default();
        let differ = outputs(first).unwrap_or_default().into_iter();
        let differ = differ.filter(|one| !again.contains(one));
        result.unsteady = differ
            .map(|(path, _)| project.shown(&stage.resolve(&path)))
            .collect();
        if !result.unsteady.is_empty() && result.outcome == VerifyOutcome::Equal {
            result.outcome = VerifyOutcome::Different;
        }
    }
    Ok(())
}
