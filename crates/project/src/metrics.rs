//! The numbers in metrics files.

use camino::Utf8PathBuf;
use indexmap::{IndexMap, IndexSet};
use ketch_dvc::yaml::Value;
use ketch_dvc::{OutputKind, params};

use crate::paths::read_if_there;
use crate::snapshot::files_below;
use crate::stage::Index;
use crate::{Project, ProjectError};

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
