//! Why the results of a stage are not what is recorded.
//!
//! Causes are found by experiment where that can be done: the stage runs again, unchanged (is it
//! steady?), with a file of the work tree that is not committed, with data that it does not declare,
//! with files as they were when it was recorded. What makes it come out right is what was missing.

mod candidates;
mod traces;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::SystemTime;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::rebuild::EnvironmentOrigin;
use super::{Bench, Diagnosis, VerifiedStage, VerifyOutcome};
use crate::change::Change;
use crate::paths::overlap;
use crate::stage::{Index, Stage};
use crate::{FileState, OutputOutcome, ProjectError, StageOutcome};
use candidates::Candidates;
use traces::{Files, Trace, trace};

/// How many things are named as evidence.
const NAMED: usize = 5;

/// Why a stage differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    pub kind: CauseKind,
    /// What shows it, each a sentence or a name.
    pub evidence: Vec<String>,
}

/// What kind of reason it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// `dvc.lock` was not written for the command, parameters and files that are committed.
    InputsChanged,
    /// Data is recorded that no remote has.
    MissingData,
    /// It reads a file of the work tree that is neither in Git nor tracked.
    HiddenFile,
    /// It reads a file that it does not declare, and that has changed or is tracked apart.
    UndeclaredInput,
    /// Two runs with the same inputs differ.
    Randomness,
    /// Two runs differ by the order of sets or dictionaries in Python.
    HashOrder,
    /// It writes down when it ran.
    Time,
    /// Two runs differ by rounding.
    Rounding,
    /// It ran in something else than what the results were made in.
    Environment,
    /// It reads from the network.
    UnpinnedSource,
    /// Its command does not work in a clean clone.
    Failure,
    /// Nothing that was tried explains it.
    Unknown,
}

impl fmt::Display for CauseKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::InputsChanged => "`dvc.lock` was written for other inputs than are committed",
            Self::MissingData => "data that no remote has",
            Self::HiddenFile => "a file that is not committed",
            Self::UndeclaredInput => "a file that the stage reads and does not declare",
            Self::Randomness => "randomness without a fixed seed",
            Self::HashOrder => "the order of Python's sets, which changes with each run",
            Self::Time => "the time of the run",
            Self::Rounding => "rounding, by the order in which threads or a GPU add up",
            Self::Environment => "another environment than the results were made in",
            Self::UnpinnedSource => "something that is read from the network",
            Self::Failure => "its command does not work in a clean clone",
            Self::Unknown => "not found",
        })
    }
}

impl CauseKind {
    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::InputsChanged => {
                "run `ketch repro` and commit `dvc.lock` with what it was made of"
            }
            Self::MissingData => "run `ketch push` where the data is",
            Self::HiddenFile => "commit the file, or `ketch add` it, and declare it under `deps`",
            Self::UndeclaredInput => {
                "declare it under `deps` (or `params`), run `ketch repro`, commit"
            }
            Self::Randomness => "set every seed from a parameter",
            Self::HashOrder => "sort what is written, or set PYTHONHASHSEED in the command",
            Self::Time => "leave the time out of the outputs, or take it from a parameter",
            Self::Rounding => {
                "ask the library for deterministic algorithms, or say how far metrics may be off: \
                 `[verify.tolerance]` in ketch.toml"
            }
            Self::Environment => "pin what differs, or see it all with `ketch env diff`",
            Self::UnpinnedSource => "import it: `ketch import-url`",
            Self::Failure => "what it wrote is above",
            Self::Unknown => {
                "the stage is steady here: look for what it reads without declaring it, then run \
                 `ketch repro` and commit"
            }
        }
    }
}

/// A stage that differs or fails, while all before it is as recorded.
pub(super) struct Case<'a> {
    pub(super) bench: &'a Bench<'a>,
    /// Where everything ran a second time, if it did.
    pub(super) second: Option<&'a Bench<'a>>,
    pub(super) stage: &'a Stage,
    pub(super) result: &'a VerifiedStage,
    /// What its record was not made with.
    pub(super) stale: &'a [Change],
    pub(super) missing: &'a [Utf8PathBuf],
    pub(super) failure: Option<&'a ProjectError>,
    /// When the results were made again.
    pub(super) ran: Range<SystemTime>,
}

impl Case<'_> {
    pub(super) fn solve(&self) -> Result<Cause, ProjectError> {
        if let Some(cause) = self.inputs() {
            return Ok(cause);
        }
        self.bench.verifier.step("looking for the cause");
        if let Some(cause) = self.unsteadiness()? {
            return Ok(cause);
        }
        if self.bench.options.diagnosis == Diagnosis::Made
            && let Some(cause) = self.by_adding()?
        {
            return Ok(cause);
        }
        Ok(self.by_looks())
    }

    /// What shows without running anything.
    fn inputs(&self) -> Option<Cause> {
        let root = self.bench.clone.project.root();
        let reads = |path: &Utf8PathBuf| {
            let path = root.join(path);
            self.stage
                .local_deps()
                .any(|wanted| overlap(&wanted, &path))
        };
        let missing: Vec<&Utf8PathBuf> = self.missing.iter().filter(|path| reads(path)).collect();
        if !missing.is_empty() {
            return Some(cause(CauseKind::MissingData, missing));
        }
        let hidden = self.stale.iter().filter_map(|change| match change {
            Change::Dependency {
                path,
                state: FileState::Missing,
            } if self.bench.main.root().join(path).exists() => Some(path),
            _ => None,
        });
        let hidden: Vec<&String> = hidden.collect();
        if !hidden.is_empty() {
            return Some(cause(CauseKind::HiddenFile, hidden));
        }
        (!self.stale.is_empty()).then(|| cause(CauseKind::InputsChanged, self.stale))
    }

    /// Whether two runs differ, and by what.
    fn unsteadiness(&self) -> Result<Option<Cause>, ProjectError> {
        if self.failure.is_some() || self.result.outcome == VerifyOutcome::Failed {
            return Ok(None);
        }
        let project = &self.bench.clone.project;
        let paths = self.differing();
        let first = Files::read(project.root(), &paths);
        let second = match self.second {
            // Two clones agree: nothing is to be learnt from a third run.
            Some(_) if self.result.unsteady.is_empty() => return Ok(None),
            Some(second) => Files::read(second.clone.project.root(), &paths),
            None if self.bench.options.diagnosis == Diagnosis::LeftOut => return Ok(None),
            None => {
                let before = self.hashes()?;
                if !self.rerun(&[])? || self.hashes()? == before {
                    return Ok(None);
                }
                Files::read(project.root(), &paths)
            }
        };
        let Trace {
            mut kind,
            mut evidence,
        } = trace(&first, &second, &self.ran);
        let is_hash_order = kind == CauseKind::HashOrder;
        if is_hash_order && !self.is_steady_with("PYTHONHASHSEED", "0")? {
            kind = CauseKind::Randomness;
        } else if is_hash_order {
            evidence.push("with PYTHONHASHSEED=0 two runs are the same".to_owned());
        }
        Ok(Some(Cause { kind, evidence }))
    }

    /// Whether two runs are the same with a variable set.
    fn is_steady_with(&self, name: &str, value: &str) -> Result<bool, ProjectError> {
        if self.bench.options.diagnosis == Diagnosis::LeftOut {
            return Ok(false);
        }
        let variables = [(name.to_owned(), value.to_owned())];
        let mut runs = Vec::new();
        for _ in 0..2 {
            if !self.rerun(&variables)? {
                return Ok(false);
            }
            runs.push(self.hashes()?);
        }
        Ok(runs.first() == runs.last())
    }

    /// Puts into the clone, one kind after another, what may have been there.
    fn by_adding(&self) -> Result<Option<Cause>, ProjectError> {
        let candidates = Candidates {
            bench: self.bench,
            stage: self.stage,
            failure: self.failure,
        };
        for files in candidates.hidden()? {
            let added = candidates.copy(&files)?;
            let mended = self.is_mended()?;
            candidates.remove(&added)?;
            if mended {
                return Ok(Some(self.explained(
                    CauseKind::HiddenFile,
                    &files,
                    "from the work tree",
                )));
            }
        }
        let data = candidates.undeclared_data();
        if !data.is_empty() {
            let files = self.bench.verifier.repro().files();
            let remote = &self.bench.options.remote;
            let absent = self.bench.clone.bring(&data, remote, files)?;
            let mended = absent.len() < data.len() && self.is_mended()?;
            candidates.remove(&data)?;
            if mended {
                return Ok(Some(self.explained(
                    CauseKind::UndeclaredInput,
                    &candidates.mentioned_first(data),
                    "which is tracked",
                )));
            }
        }
        let earlier = candidates.changed_since_recorded()?;
        if let Some(earlier) = earlier {
            for files in candidates.likeliest_first(earlier.files.clone()) {
                earlier.put_back(&files)?;
                let mended = self.is_mended();
                earlier.bring_up_to_date(&files)?;
                if mended? {
                    let when = format!("as of {:.10}", earlier.written.as_str());
                    return Ok(Some(self.explained(
                        CauseKind::UndeclaredInput,
                        &files,
                        &when,
                    )));
                }
            }
        }
        Ok(None)
    }

    /// What there is to suspect when no experiment says anything.
    fn by_looks(&self) -> Cause {
        if let Some(used) = self.bench.environments.of(self.stage)
            && !used.differences.is_empty()
        {
            let differences = used.differences.iter().map(|difference| {
                let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
                let (from, to) = (side(&difference.from), side(&difference.to));
                format!("{} {from} → {to}", difference.what)
            });
            return cause(CauseKind::Environment, differences.collect::<Vec<_>>());
        }
        let candidates = Candidates {
            bench: self.bench,
            stage: self.stage,
            failure: self.failure,
        };
        let addresses = candidates.addresses();
        if !addresses.is_empty() {
            return cause(CauseKind::UnpinnedSource, addresses);
        }
        if let Some(failure) = self.failure {
            return cause(CauseKind::Failure, [failure]);
        }
        let mut evidence = Vec::new();
        let used = self.bench.environments.of(self.stage);
        if used.is_some_and(|used| used.origin == EnvironmentOrigin::NotRecorded) {
            evidence.push("what the results were made in is not recorded".to_owned());
        }
        Cause {
            kind: CauseKind::Unknown,
            evidence,
        }
    }

    /// With these files it comes out right.
    fn explained(&self, kind: CauseKind, files: &[Utf8PathBuf], which: &str) -> Cause {
        let mut cause = cause(kind, files.iter().map(|file| format!("`{file}`")));
        let outcome = if self.failure.is_some() {
            "does not fail"
        } else {
            "gives what is recorded"
        };
        let stage = &self.stage.address;
        cause
            .evidence
            .push(format!("with it, {which}, `{stage}` {outcome}"));
        cause
    }

    /// The outputs that differ, relative to the root.
    fn differing(&self) -> Vec<Utf8PathBuf> {
        let outputs = self.result.outputs.iter();
        let differ = outputs.filter(|output| output.outcome != OutputOutcome::Equal);
        let mut paths: Vec<Utf8PathBuf> = differ.map(|output| output.path.clone()).collect();
        paths.extend(self.result.unsteady.iter().cloned());
        paths.sort();
        paths.dedup();
        paths
    }

    /// What `dvc.lock` of the clone has of the stage's outputs now.
    fn hashes(&self) -> Result<BTreeMap<String, Option<String>>, ProjectError> {
        let index = Index::load(&self.bench.clone.project)?;
        Ok(hashes(&index, self.stage))
    }

    /// Runs the stage alone, and says whether it came to its end.
    fn rerun(&self, variables: &[(String, String)]) -> Result<bool, ProjectError> {
        let report = self
            .bench
            .run(vec![self.stage.address.clone()], variables)?;
        let mut results = report.stages.iter();
        Ok(results.all(|result| result.outcome == StageOutcome::Ran))
    }

    /// Whether a run gives what is recorded now; of a stage that failed, whether it does no more.
    fn is_mended(&self) -> Result<bool, ProjectError> {
        if !self.rerun(&[])? {
            return Ok(false);
        }
        Ok(self.failure.is_some() || self.hashes()? == hashes(self.bench.index, self.stage))
    }
}

fn hashes(index: &Index, stage: &Stage) -> BTreeMap<String, Option<String>> {
    let lock = index.recorded(stage);
    let outs = lock.map(|lock| lock.outs.iter()).into_iter().flatten();
    outs.map(|out| (out.path.clone(), out.md5.as_ref().map(ToString::to_string)))
        .collect()
}

/// With the first few of these as evidence, and how many more there are.
fn cause<T: fmt::Display>(kind: CauseKind, shown: impl IntoIterator<Item = T>) -> Cause {
    let mut evidence: Vec<String> = shown.into_iter().map(|one| one.to_string()).collect();
    if evidence.len() > NAMED + 1 {
        let more = evidence.len() - NAMED;
        evidence.truncate(NAMED);
        evidence.push(format!("{more} more"));
    }
    Cause { kind, evidence }
}
