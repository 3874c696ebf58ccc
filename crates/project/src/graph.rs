//! Which stage waits for which.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::stage::{Index, Stage, answers_to};
use crate::{Project, ProjectError};

/// The stages as nodes, by their place in the index; an edge leads to what a stage needs.
pub(crate) struct StageGraph {
    graph: DiGraph<(), ()>,
}

impl StageGraph {
    /// Links every dependency with the stages whose outputs it is, holds or lies in.
    pub(crate) fn build(index: &Index) -> Result<Self, ProjectError> {
        let mut graph = DiGraph::with_capacity(index.stages.len(), index.stages.len());
        let nodes: Vec<NodeIndex> = index.stages.iter().map(|_| graph.add_node(())).collect();
        let outputs: BTreeMap<Utf8PathBuf, NodeIndex> = index
            .stages
            .iter()
            .zip(&nodes)
            .flat_map(|(stage, node)| stage.outputs().map(|(_, path)| (path, *node)))
            .collect();
        for (stage, from) in index.stages.iter().zip(&nodes) {
            // A frozen stage does not look at what it depends on.
            if stage.spec.frozen {
                continue;
            }
            let params = stage.spec.params.iter();
            let params = params.map(|params| stage.resolve(&params.file));
            for path in stage.local_deps().chain(params) {
                let around = path
                    .ancestors()
                    .skip(1)
                    .filter_map(|outer| outputs.get(outer));
                // Paths compare by component, so what is inside follows right behind.
                let inside = outputs
                    .range(path.clone()..)
                    .take_while(|(out, _)| out.starts_with(&path));
                for to in around.chain(inside.map(|(_, to)| to)) {
                    graph.update_edge(*from, *to, ());
                }
            }
        }
        let built = Self { graph };
        built.check_cycles(index)?;
        Ok(built)
    }

    /// Which stages are reached from some by a step, over and over.
    pub(crate) fn closure(&self, from: &[usize], step: impl Fn(usize) -> Vec<usize>) -> Vec<bool> {
        let mut included = vec![false; self.graph.node_count()];
        let mut queue = from.to_vec();
        while let Some(stage) = queue.pop() {
            if let Some(seen) = included.get_mut(stage)
                && !*seen
            {
                *seen = true;
                queue.extend(step(stage));
            }
        }
        included
    }

    /// The included stages, each after those that it needs.
    ///
    /// The order is DVC's (depth first, in the order written), so that a first run records stages
    /// in the same order in `dvc.lock`.
    pub(crate) fn order_of(&self, included: &[bool]) -> Vec<usize> {
        // What is not included is not visited.
        let mut visited: Vec<bool> = included.iter().map(|included| !included).collect();
        let mut order = Vec::new();
        for start in 0..included.len() {
            self.visit(start, &mut visited, &mut order);
        }
        order
    }

    /// The stages that need one directly, in the order written.
    pub(crate) fn users(&self, stage: usize) -> Vec<usize> {
        let node = NodeIndex::new(stage);
        let users = self.graph.neighbors_directed(node, Direction::Incoming);
        let mut users: Vec<usize> = users.map(NodeIndex::index).collect();
        users.sort_unstable();
        users
    }

    /// What a stage needs directly, in the order it names them.
    pub(crate) fn needs(&self, stage: usize) -> Vec<usize> {
        let mut edges: Vec<_> = self.graph.edges(NodeIndex::new(stage)).collect();
        edges.sort_by_key(petgraph::visit::EdgeRef::id);
        edges
            .iter()
            .map(|edge| petgraph::visit::EdgeRef::target(edge).index())
            .collect()
    }

    /// Depth first without recursion: a chain of stages can be long.
    fn visit(&self, start: usize, visited: &mut [bool], order: &mut Vec<usize>) {
        let mut enter = |stage: usize| match visited.get_mut(stage) {
            Some(seen) if !*seen => {
                *seen = true;
                Some((stage, self.needs(stage).into_iter()))
            }
            _ => None,
        };
        let mut stack: Vec<_> = enter(start).into_iter().collect();
        while let Some((stage, pending)) = stack.last_mut() {
            if let Some(next) = pending.next() {
                stack.extend(enter(next));
            } else {
                order.push(*stage);
                stack.pop();
            }
        }
    }

    fn check_cycles(&self, index: &Index) -> Result<(), ProjectError> {
        for component in tarjan_scc(&self.graph) {
            let Some(first) = component.iter().min().copied() else {
                continue;
            };
            if component.len() == 1 && !self.graph.contains_edge(first, first) {
                continue;
            }
            let mut stages: Vec<String> = self
                .circle(first, &component)
                .into_iter()
                .filter_map(|stage| index.stages.get(stage.index()))
                .map(|stage| stage.address.clone())
                .collect();
            stages.extend(stages.first().cloned());
            return Err(ProjectError::Cycle { stages });
        }
        Ok(())
    }

    /// A way from `start` back to itself inside one strongly connected component.
    fn circle(&self, start: NodeIndex, component: &[NodeIndex]) -> Vec<NodeIndex> {
        let mut path = vec![start];
        let mut current = start;
        while path.len() <= component.len() {
            let next: Vec<NodeIndex> = self
                .needs(current.index())
                .into_iter()
                .map(NodeIndex::new)
                .collect();
            if path.len() > 1 && next.contains(&start) || next.as_slice() == [start] {
                break;
            }
            let Some(step) = next
                .iter()
                .find(|node| component.contains(node) && !path.contains(node))
            else {
                break;
            };
            path.push(*step);
            current = *step;
        }
        path
    }
}

/// The places in the index of the targets' stages; without targets, of all in the root's
/// `dvc.yaml`, or of all there are if the root has none.
pub(crate) fn wanted_stages(
    project: &Project,
    index: &Index,
    targets: &[String],
) -> Result<Vec<usize>, ProjectError> {
    if targets.is_empty() {
        let root_file = project.root().join("dvc.yaml");
        let at_root = |stage: &Stage| stage.file == root_file;
        let any_at_root = index.stages.iter().any(at_root);
        return Ok(index
            .stages
            .iter()
            .enumerate()
            .filter(|(_, stage)| !any_at_root || at_root(stage))
            .map(|(place, _)| place)
            .collect());
    }
    let mut wanted = Vec::new();
    for target in targets {
        let file = crate::paths::join(project.root(), target);
        if file.file_name() == Some("dvc.yaml") && file.exists() {
            let in_file = index
                .stages
                .iter()
                .enumerate()
                .filter(|(_, stage)| stage.file == file);
            wanted.extend(in_file.map(|(place, _)| place));
        } else {
            let stages = index.stages.iter().enumerate();
            let named: Vec<usize> = stages
                .filter(|(_, stage)| answers_to(&stage.address, target))
                .map(|(place, _)| place)
                .collect();
            if named.is_empty() {
                let owner = index.stage(project, target)?.address.clone();
                let is_owner = |stage: &Stage| stage.address == owner;
                wanted.extend(index.stages.iter().position(is_owner));
            }
            wanted.extend(named);
        }
    }
    Ok(wanted)
}
