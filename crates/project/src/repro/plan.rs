//! Which stages a run is about, in the order in which DVC deals with them.

use super::{Reach, ReproOptions};
use crate::choose_targets::matches_pattern;
use crate::graph::{StageGraph, wanted_stages};
use crate::paths::join;
use crate::stage::Index;
use crate::{Names, Project, ProjectError};

/// The places of the stages in the index, each after what it needs.
pub(super) fn steps(
    project: &Project,
    index: &Index,
    graph: &StageGraph,
    options: &ReproOptions,
) -> Result<Vec<usize>, ProjectError> {
    if options.reach == Reach::Everything {
        return Ok(graph.order_of(&vec![true; index.stages.len()]));
    }
    let wanted = chosen(project, index, options)?;
    let included = match options.reach {
        Reach::Alone => {
            let mut seen = vec![false; index.stages.len()];
            // As they were named.
            let first = |place: &usize| {
                seen.get_mut(*place)
                    .is_some_and(|seen| !std::mem::replace(seen, true))
            };
            return Ok(wanted.into_iter().filter(first).collect());
        }
        Reach::Downstream => graph.closure(&wanted, |place| graph.users(place)),
        Reach::Pipeline => graph.closure(&wanted, |place| {
            let mut both = graph.needs(place);
            both.extend(graph.users(place));
            both
        }),
        Reach::Upstream | Reach::Below | Reach::Everything => {
            graph.closure(&wanted, |place| graph.needs(place))
        }
    };
    Ok(graph.order_of(&included))
}

/// The stages that the targets name.
fn chosen(
    project: &Project,
    index: &Index,
    options: &ReproOptions,
) -> Result<Vec<usize>, ProjectError> {
    let mut chosen = Vec::new();
    let mut exact = Vec::new();
    for target in &options.targets {
        let directory = join(project.root(), target);
        if options.reach == Reach::Below && directory.is_dir() {
            let stages = index.stages.iter().enumerate();
            let below = stages.filter(|(_, stage)| stage.file.starts_with(&directory));
            chosen.extend(below.map(|(place, _)| place));
        } else if options.names == Names::Patterns {
            let before = chosen.len();
            for (place, stage) in index.stages.iter().enumerate() {
                let mut outs = stage.outputs();
                if matches_pattern(target, &stage.address)
                    || outs.any(|(_, out)| matches_pattern(target, project.shown(&out).as_str()))
                {
                    chosen.push(place);
                }
            }
            if chosen.len() == before {
                return Err(index.unknown(target));
            }
        } else if !index.data.iter().any(|data| data.file == directory) {
            exact.push(target.clone());
        }
    }
    if !exact.is_empty() || options.targets.is_empty() {
        chosen.extend(wanted_stages(project, index, &exact)?);
    }
    Ok(chosen)
}
