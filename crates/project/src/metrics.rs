//! The numbers in metrics files.

use camino::Utf8PathBuf;
use indexmap::{IndexMap, IndexSet};
use ketch_dvc::yaml::Value;
use ketch_dvc::{OutputKind, params};

use crate::experiment::{file_values, told};
use crate::paths::read_if_there;
use crate::snapshot::{Blobs, files_below};
use crate::stage::Index;
use crate::value_diff::state::State;
use crate::{CommitId, FileValues, Project, ProjectError, StateError, ValueDiffOptions};

/// By file (relative to the root), then by dotted key.
pub type Metrics = IndexMap<Utf8PathBuf, IndexMap<String, f64>>;

/// Reads every metrics file of the pipelines: outputs under `metrics`, and the files listed at the
/// top of `dvc.yaml`, and what is in directories among these. A file that is not there is left out,
/// as is anything that is not a number.
pub fn metrics(project: &Project) -> Result<Metrics, ProjectError> {
    let index = Index::load(project)?;
    let outputs = index.stages.iter().flat_map(|stage| {
        stage
            .outputs()
            .filter(|(out, _)| out.kind == OutputKind::Metric)
            .map(|(_, path)| path)
    });
    let mut files = IndexSet::new();
    for path in outputs.chain(index.metric_files.iter().cloned()) {
        files.extend(files_below(project.root(), &project.shown(&path)));
    }
    let mut metrics = Metrics::new();
    for shown in files {
        let Some(text) = read_if_there(&project.root().join(&shown))? else {
            continue;
        };
        let document = params::parse(shown.as_str(), &text)?;
        let mut numbers = IndexMap::new();
        collect(&document, "", &mut numbers);
        metrics.insert(shown, numbers);
    }
    Ok(metrics)
}

/// Which metrics to show.
#[derive(Debug, Clone, Default)]
pub struct ShowMetricsOptions {
    /// Files and directories, relative to the root, whether a pipeline names them or not; if empty,
    /// all that pipelines name.
    pub targets: Vec<Utf8PathBuf>,
    pub all_branches: bool,
    pub all_tags: bool,
    /// Those that a branch, a tag or HEAD leads to.
    pub all_commits: bool,
}

impl ShowMetricsOptions {
    /// Whether other revisions than the work tree are shown.
    pub fn has_revisions(&self) -> bool {
        self.all_branches || self.all_tags || self.all_commits
    }
}

/// The metrics of a revision.
#[derive(Debug)]
pub struct RevisionMetrics {
    /// Its branches and tags with commas between, or its id; `workspace` for the work tree, which
    /// has no name where nothing else is shown.
    pub name: String,
    /// By file, relative to the root, in the order of the pipelines.
    pub files: Result<IndexMap<Utf8PathBuf, FileValues>, StateError>,
}

/// Reads the metrics of the work tree, and of the chosen revisions. Takes no lock and changes
/// nothing.
///
/// What cannot be read is said where it is, and does not hinder the rest. The work tree is left out
/// if the branch that is checked out says the same, as DVC does.
pub fn show_metrics(
    project: &Project,
    options: &ShowMetricsOptions,
) -> Result<Vec<RevisionMetrics>, ProjectError> {
    let blobs = Blobs::default();
    let wanted = ValueDiffOptions {
        targets: options.targets.clone(),
        ..ValueDiffOptions::default()
    };
    let read = |commit: Option<&CommitId>, name: String| RevisionMetrics {
        name,
        files: State::open(project, commit, &blobs)
            .map(|state| file_values(&state, &wanted))
            .map_err(|error| told(&error)),
    };
    if !options.has_revisions() {
        return Ok(vec![read(None, String::new())]);
    }
    let revisions = revisions(project, options)?;
    let mut shown = vec![read(None, "workspace".to_owned())];
    for (commit, names) in &revisions {
        shown.push(read(Some(commit), names.join(",")));
    }
    // Nothing where no branch is checked out.
    let current = project.git().run(&["branch", "--show-current"])?;
    let is_same = |workspace: &RevisionMetrics, other: &RevisionMetrics| {
        other.name == current.trim_end() && workspace.is_whole() && workspace.files == other.files
    };
    if let [workspace, others @ ..] = shown.as_slice()
        && others.iter().any(|other| is_same(workspace, other))
    {
        shown.remove(0);
    }
    Ok(shown)
}

impl RevisionMetrics {
    /// Whether everything could be read.
    pub fn is_whole(&self) -> bool {
        self.files.as_ref().is_ok_and(|files| {
            let mut files = files.values();
            files.all(|values| matches!(values, FileValues::Read(_)))
        })
    }
}

/// The chosen commits, each once, with what they are called.
fn revisions(
    project: &Project,
    options: &ShowMetricsOptions,
) -> Result<IndexMap<CommitId, Vec<String>>, ProjectError> {
    let git = project.git();
    let mut revisions: IndexMap<CommitId, Vec<String>> = IndexMap::new();
    let mut add = |listed: &str| {
        for line in listed.lines() {
            let (commit, name) = line.split_once(' ').unwrap_or((line, line));
            if let Some(commit) = CommitId::from_hex(commit) {
                revisions.entry(commit).or_default().push(name.to_owned());
            }
        }
    };
    if options.all_commits {
        if git.head()?.is_some() {
            add(&git.run(&["rev-list", "--branches", "--tags", "--remotes", "HEAD"])?);
        }
        return Ok(revisions);
    }
    let named = "--format=%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) \
                 %(refname:lstrip=2)";
    if options.all_branches {
        add(&git.run(&["for-each-ref", named, "refs/heads"])?);
    }
    if options.all_tags {
        add(&git.run(&["for-each-ref", named, "refs/tags"])?);
    }
    Ok(revisions)
}

fn collect(value: &Value, name: &str, numbers: &mut IndexMap<String, f64>) {
    let dotted = |key: &str| {
        if name.is_empty() {
            key.to_owned()
        } else {
            format!("{name}.{key}")
        }
    };
    match value {
        Value::Mapping(entries) => {
            for (key, value) in entries {
                collect(value, &dotted(key), numbers);
            }
        }
        Value::Sequence(items) => {
            for (place, value) in items.iter().enumerate() {
                collect(value, &dotted(&place.to_string()), numbers);
            }
        }
        other => {
            if let Some(number) = other.as_f64() {
                numbers.insert(name.to_owned(), number);
            }
        }
    }
}
