//! The graph of a project's stages or outputs, as DVC draws it.

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::{IndexMap, IndexSet};
use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;
use serde::Serialize;

use super::step::{Steps, is_data_file};
use crate::graph::StageGraph;
use crate::paths::{from_folder, is_url, join};
use crate::stage::Index;
use crate::{Project, ProjectError};

/// What to draw.
#[derive(Debug, Clone, Default)]
pub struct DagOptions {
    /// Where names begin, and from where they are called; absolute.
    pub folder: Utf8PathBuf,
    /// A stage, a `dvc.yaml` or `.dvc` file, or an output; everything if not given.
    pub target: Option<String>,
    pub nodes: DagNodes,
    pub reach: DagReach,
}

/// What the nodes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DagNodes {
    /// Stages and `.dvc` files.
    #[default]
    Stages,
    /// As `Stages`, but those that a `foreach` or `matrix` makes are one.
    Groups,
    Outputs,
}

/// What is drawn with the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DagReach {
    /// All that it needs.
    #[default]
    Upstream,
    /// All that hangs together with it.
    Pipeline,
}

/// A graph without circles, but for a group that needs itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Dag {
    /// In the order in which DVC comes across them.
    pub nodes: Vec<String>,
    /// From what is needed to what needs it, by the place in `nodes`; in order.
    pub edges: Vec<(usize, usize)>,
}

/// The graph of a project. Changes nothing.
pub fn dag(project: &Project, options: &DagOptions) -> Result<Dag, ProjectError> {
    let index = Index::load(project)?;
    // It names the stages of a circle in their order.
    StageGraph::build(&index)?;
    let steps = Steps::of(project, &index)?;
    let folder = &options.folder;
    let of_outputs = options.nodes == DagNodes::Outputs;
    let whole = if of_outputs {
        of_outputs_from(&steps, folder)
    } else {
        of_steps(&steps, folder)
    };
    let targets = match &options.target {
        Some(target) => Some(targets(&steps, folder, target, options.nodes)?),
        None => None,
    };
    let mut dag = whole.merged();
    dag.check_circles()?;
    if let Some(targets) = targets {
        dag = dag.around(&targets, options.reach);
    }
    if options.nodes == DagNodes::Groups {
        dag = dag.collapsed();
    }
    Ok(dag)
}

fn of_steps(steps: &Steps, folder: &Utf8Path) -> Dag {
    let mut edges = Vec::new();
    for (step, needs) in steps.needs.iter().enumerate() {
        edges.extend(needs.iter().map(|needed| (*needed, step)));
    }
    Dag {
        nodes: steps
            .list
            .iter()
            .map(|step| step.name_from(folder))
            .collect(),
        edges,
    }
}

fn of_outputs_from(steps: &Steps, folder: &Utf8Path) -> Dag {
    let order = steps.outputs.all();
    let places: IndexMap<usize, usize> = order
        .iter()
        .enumerate()
        .map(|(place, output)| (*output, place))
        .collect();
    let mut edges = Vec::new();
    for (output, place) in &places {
        let needed = steps.needed_outputs(steps.outputs.owner(*output));
        let needed = needed.iter().filter_map(|needed| places.get(needed));
        edges.extend(needed.map(|needed| (*needed, *place)));
    }
    Dag {
        nodes: order
            .iter()
            .map(|output| output_name(steps.outputs.place(*output), folder))
            .collect(),
        edges,
    }
}

fn output_name(place: &str, folder: &Utf8Path) -> String {
    if is_url(place) {
        return place.to_owned();
    }
    from_folder(folder, place.into()).into_string()
}

/// The names of the nodes that a target means.
fn targets(
    steps: &Steps,
    folder: &Utf8Path,
    target: &str,
    nodes: DagNodes,
) -> Result<Vec<String>, ProjectError> {
    let named = steps.named(folder, target);
    let outputs = if named.is_empty() {
        let found = steps.outputs.overlapping(&join(folder, target));
        if found.is_empty() {
            return Err(steps.unknown(folder, target));
        }
        found
    } else {
        let mut all = steps.outputs.all();
        all.retain(|output| named.contains(&steps.outputs.owner(*output)));
        all
    };
    if nodes == DagNodes::Outputs {
        let names = outputs.iter().map(|output| steps.outputs.place(*output));
        return Ok(names.map(|place| output_name(place, folder)).collect());
    }
    let of_outputs = outputs.iter().map(|output| steps.outputs.owner(*output));
    let chosen: IndexSet<usize> = named.iter().copied().chain(of_outputs).collect();
    let chosen = chosen.into_iter().filter_map(|place| steps.list.get(place));
    Ok(chosen.map(|step| step.name_from(folder)).collect())
}

impl Dag {
    /// Its parts that hang together, in the order of their first nodes.
    pub fn parts(&self) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut seen = vec![false; self.nodes.len()];
        let both = self.neighbours(|edge| [Some(edge), Some((edge.1, edge.0))]);
        for start in 0..self.nodes.len() {
            if !seen.get(start).is_some_and(|seen| *seen) {
                let mut kept = vec![false; self.nodes.len()];
                reach(&both, start, &mut kept);
                for (seen, kept) in seen.iter_mut().zip(&kept) {
                    *seen |= *kept;
                }
                parts.push(self.only(&kept));
            }
        }
        parts
    }

    /// Nodes of one name are one, edges are there once and in order.
    fn merged(&self) -> Self {
        let names: IndexSet<&String> = self.nodes.iter().collect();
        let place = |node: usize| names.get_index_of(self.nodes.get(node)?);
        let mut edges: Vec<(usize, usize)> = self
            .edges
            .iter()
            .filter_map(|(from, to)| Some((place(*from)?, place(*to)?)))
            .collect();
        edges.sort_unstable();
        edges.dedup();
        Self {
            edges,
            nodes: names.into_iter().cloned().collect(),
        }
    }

    fn around(&self, targets: &[String], how_far: DagReach) -> Self {
        let needed = self.neighbours(|edge| [Some((edge.1, edge.0)), None]);
        let all = self.neighbours(|edge| [Some(edge), Some((edge.1, edge.0))]);
        let neighbours = match how_far {
            DagReach::Upstream => &needed,
            DagReach::Pipeline => &all,
        };
        let mut kept = vec![false; self.nodes.len()];
        for (place, name) in self.nodes.iter().enumerate() {
            if targets.contains(name) {
                reach(neighbours, place, &mut kept);
            }
        }
        self.only(&kept)
    }

    /// Made stages as what makes them, which comes behind all others.
    fn collapsed(&self) -> Self {
        let is_made = |name: &&String| name.contains('@') && !is_data_file(name);
        let (made, plain): (Vec<&String>, Vec<&String>) = self.nodes.iter().partition(is_made);
        let group = |name: &String| name.split('@').next().unwrap_or_default().to_owned();
        let mut nodes: IndexSet<String> = plain.into_iter().cloned().collect();
        nodes.extend(made.into_iter().map(&group));
        let place = |node: usize| {
            let name = self.nodes.get(node)?;
            if is_made(&name) {
                nodes.get_index_of(&group(name))
            } else {
                nodes.get_index_of(name)
            }
        };
        let mut edges: Vec<(usize, usize)> = self
            .edges
            .iter()
            .filter_map(|(from, to)| Some((place(*from)?, place(*to)?)))
            .collect();
        edges.sort_unstable();
        edges.dedup();
        Self {
            edges,
            nodes: nodes.into_iter().collect(),
        }
    }

    /// What leads where, by steps along the edges that are made of each.
    fn neighbours(
        &self,
        ways: impl Fn((usize, usize)) -> [Option<(usize, usize)>; 2],
    ) -> Vec<Vec<usize>> {
        let mut neighbours = vec![Vec::new(); self.nodes.len()];
        for (from, to) in self.edges.iter().flat_map(|edge| ways(*edge)).flatten() {
            if let Some(list) = neighbours.get_mut(from) {
                list.push(to);
            }
        }
        neighbours
    }

    fn only(&self, kept: &[bool]) -> Self {
        let is_kept = |node: &usize| kept.get(*node).is_some_and(|kept| *kept);
        let places: IndexSet<usize> = (0..self.nodes.len()).filter(is_kept).collect();
        let place = |node: &usize| places.get_index_of(node);
        Self {
            nodes: places
                .iter()
                .filter_map(|node| self.nodes.get(*node).cloned())
                .collect(),
            edges: self
                .edges
                .iter()
                .filter_map(|(from, to)| Some((place(from)?, place(to)?)))
                .collect(),
        }
    }

    /// Parameter files and what frozen stages need count here too.
    fn check_circles(&self) -> Result<(), ProjectError> {
        let graph = DiGraph::<(), (), usize>::from_edges(self.edges.iter().copied());
        for circle in tarjan_scc(&graph) {
            let first = circle.first().copied();
            let is_circle =
                circle.len() > 1 || first.is_some_and(|node| graph.contains_edge(node, node));
            if is_circle {
                let nodes = circle.iter().chain(first.iter());
                let names = nodes.filter_map(|node| self.nodes.get(node.index()).cloned());
                return Err(ProjectError::Cycle {
                    stages: names.collect(),
                });
            }
        }
        Ok(())
    }
}

fn reach(neighbours: &[Vec<usize>], start: usize, reached: &mut [bool]) {
    let mut queue = vec![start];
    while let Some(node) = queue.pop() {
        if let Some(seen) = reached.get_mut(node)
            && !std::mem::replace(seen, true)
        {
            queue.extend(neighbours.get(node).into_iter().flatten());
        }
    }
}
