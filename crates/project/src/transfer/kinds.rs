//! Metrics and plots among the outputs.

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::yaml::Value;
use ketch_dvc::{OutputKind, PipelineFile};

use crate::ProjectError;
use crate::paths::{join, overlap};
use crate::snapshot::Snapshot;

/// What data is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataKind {
    Metrics,
    Plots,
}

/// Where one state of the project has data of some kinds, relative to the root.
#[derive(Debug)]
pub(super) struct Places(Vec<Utf8PathBuf>);

impl Places {
    /// Outputs of stages, and what `metrics:` and `plots:` at the top of a `dvc.yaml` name.
    pub(super) fn find(snapshot: &Snapshot, kinds: &[DataKind]) -> Result<Self, ProjectError> {
        let mut places = Vec::new();
        for (home, pipeline) in snapshot.pipelines()? {
            for spec in pipeline.stages.values() {
                let base = spec
                    .wdir
                    .as_ref()
                    .map_or_else(|| home.clone(), |wdir| join(&home, wdir));
                let outs = spec.outs.iter();
                let outs = outs.filter(|out| kinds.iter().any(|kind| kind.is_of(out.kind)));
                places.extend(outs.map(|out| join(&base, &out.path)));
            }
            let named = kinds.iter().flat_map(|kind| kind.named(&pipeline));
            places.extend(named.map(|path| join(&home, path)));
        }
        Ok(Self(places))
    }

    /// Whether there is some at a path, in it, or all around it.
    pub(super) fn has(&self, path: &Utf8Path) -> bool {
        self.0.iter().any(|place| overlap(place, path))
    }
}

impl DataKind {
    fn is_of(self, kind: OutputKind) -> bool {
        match self {
            Self::Metrics => kind == OutputKind::Metric,
            Self::Plots => kind == OutputKind::Plot,
        }
    }

    fn named(self, pipeline: &PipelineFile) -> Vec<String> {
        match self {
            Self::Metrics => pipeline.metrics.clone(),
            Self::Plots => pipeline.plots.iter().flat_map(sources).collect(),
        }
    }
}

/// The files of a plot: its name, unless it says which columns of which files it shows.
fn sources(plot: &Value) -> Vec<String> {
    let Some(plots) = plot.as_mapping() else {
        return plot.as_str().map(str::to_owned).into_iter().collect();
    };
    let mut sources = Vec::new();
    for (name, properties) in plots {
        let files = |axis: &str| {
            let files = properties.as_mapping()?.get(axis)?.as_mapping()?;
            Some(
                files
                    .keys()
                    .map(|file| file.as_str().to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        match files("y") {
            Some(files_of_y) => {
                sources.extend(files_of_y);
                sources.extend(files("x").unwrap_or_default());
            }
            None => sources.push(name.as_str().to_owned()),
        }
    }
    sources
}
