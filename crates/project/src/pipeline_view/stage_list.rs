//! The stages of a project, and what each is about.

use camino::Utf8PathBuf;
use serde::Serialize;

use super::step::{Step, Steps};
use crate::paths::join;
use crate::stage::Index;
use crate::{Project, ProjectError};

/// Which stages to list.
#[derive(Debug, Clone, Default)]
pub struct StageListOptions {
    /// Where names begin, and from where they are called; absolute.
    pub folder: Utf8PathBuf,
    pub which: WhichStages,
    pub unreadable: Unreadable,
}

/// Stages by what names them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum WhichStages {
    /// Of the whole project.
    #[default]
    All,
    /// Of `dvc.yaml` and `.dvc` files, or by their own names.
    Named(Vec<String>),
    /// As `Named`, and of all that is below folders, each stage after what it needs.
    Below(Vec<String>),
}

/// What becomes of a file that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unreadable {
    /// It is left out and reported, unless it was named.
    #[default]
    LeftOut,
    /// The first one is an error.
    Fails,
}

/// The stages, in DVC's order.
#[derive(Debug, Serialize)]
pub struct StageListReport {
    pub stages: Vec<ListedStage>,
    /// Files that were left out.
    pub unreadable: Vec<BrokenFile>,
}

/// One stage or `.dvc` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedStage {
    /// Its address, as it is called from the folder.
    pub stage: String,
    /// The first line that people wrote about it, or else what it makes or needs.
    pub description: String,
}

/// A file that cannot be read.
#[derive(Debug, Serialize)]
pub struct BrokenFile {
    /// Relative to the root.
    pub file: Utf8PathBuf,
    pub message: String,
}

/// Lists stages and `.dvc` files. Changes nothing.
pub fn list_stages(
    project: &Project,
    options: &StageListOptions,
) -> Result<StageListReport, ProjectError> {
    let mut broken: Vec<(Utf8PathBuf, ProjectError)> = Vec::new();
    let folder = &options.folder;
    let targets = match &options.which {
        WhichStages::All => &[][..],
        WhichStages::Named(targets) | WhichStages::Below(targets) => targets,
    };
    let of_all = !matches!(options.which, WhichStages::Named(_));
    let index = Index::load_readable(project, &mut |file, error| {
        if of_all && options.unreadable == Unreadable::Fails {
            return Err(error);
        }
        broken.push((file.to_owned(), error));
        Ok(())
    })?;
    let steps = Steps::of(project, &index)?;
    let mut chosen: Vec<usize> = Vec::new();
    if options.which == WhichStages::All {
        chosen.extend(0..steps.list.len());
    }
    for target in targets {
        let below = join(folder, target);
        if matches!(options.which, WhichStages::Below(_)) && below.is_dir() {
            let inside = |place: &usize| {
                let step = steps.list.get(*place);
                step.is_some_and(|step| step.file.starts_with(&below))
            };
            chosen.extend(steps.in_order_of_need().into_iter().filter(inside));
            continue;
        }
        let named = steps.named(folder, target);
        if named.is_empty() {
            let file = target.rsplit_once(':').map_or(&**target, |(file, _)| file);
            let own = [join(folder, file), folder.join("dvc.yaml")];
            let at = broken.iter().position(|(file, _)| own.contains(file));
            return Err(match at {
                Some(at) => broken.swap_remove(at).1,
                None => steps.unknown(folder, target),
            });
        }
        chosen.extend(named);
    }
    let mut seen = vec![false; steps.list.len()];
    chosen.retain(|place| {
        seen.get_mut(*place)
            .is_some_and(|seen| !std::mem::replace(seen, true))
    });
    let chosen = chosen.into_iter().filter_map(|place| steps.list.get(place));
    let unreadable = broken.into_iter().filter(|_| of_all);
    Ok(StageListReport {
        stages: chosen
            .map(|step| ListedStage {
                stage: step.name_from(folder),
                description: described(step),
            })
            .collect(),
        unreadable: unreadable
            .map(|(file, error)| BrokenFile {
                file: project.shown(&file),
                message: error.to_string(),
            })
            .collect(),
    })
}

/// At most 80 characters.
fn described(step: &Step) -> String {
    const LIMIT: usize = 80;
    let lines = step.desc.as_deref().unwrap_or_default().lines();
    let text = match lines.into_iter().find(|line| !line.is_empty()) {
        Some(line) => line.trim().to_owned(),
        None => generated(step),
    };
    if text.chars().count() <= LIMIT {
        return text;
    }
    let cut: String = text.chars().take(LIMIT - 1).collect();
    format!("{cut}…")
}

/// DVC's words.
fn generated(step: &Step) -> String {
    let paths = |ends: &mut dyn Iterator<Item = &super::step::End>| {
        ends.map(|end| end.path.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if step.outs.is_empty() {
        return match paths(&mut step.deps.iter()) {
            none if none.is_empty() => "No outputs or dependencies".to_owned(),
            deps => format!("Depends on {deps}"),
        };
    }
    let data = paths(&mut step.outs.iter().filter(|out| !out.is_report));
    let reports = paths(&mut step.outs.iter().filter(|out| out.is_report));
    let parts = [("Outputs", data), ("Reports", reports)];
    let said: Vec<String> = parts
        .iter()
        .filter(|(_, paths)| !paths.is_empty())
        .map(|(word, paths)| format!("{word} {paths}"))
        .collect();
    said.join("; ")
}
