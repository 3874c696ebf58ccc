//! From ONNX's parallel lists to a checked [`Ensemble`].
//!
//! The lists name nodes by tree and number in any order. Each tree must have one root from which
//! every node is reached exactly once: then no walk can leave the nodes, and none can go on
//! for ever.

use std::sync::OnceLock;

use crate::error::Failure;
use crate::tree::forest::{Comparisons, Ensemble, Node, Nodes, Vote, outcome};

/// Numbers in the precision the model gives them.
#[derive(Debug)]
pub(crate) enum Numbers {
    Narrow(Vec<f32>),
    Wide(Vec<f64>),
}

impl Numbers {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Narrow(list) => list.len(),
            Self::Wide(list) => list.len(),
        }
    }

    pub(crate) fn get(&self, position: usize) -> f64 {
        match self {
            Self::Narrow(list) => f64::from(list[position]),
            Self::Wide(list) => list[position],
        }
    }
}

/// The attributes both tree operators share, under their names without prefixes.
#[derive(Debug)]
pub(crate) struct TreeAttributes<'a> {
    pub(crate) tree_ids: Vec<i64>,
    pub(crate) node_ids: Vec<i64>,
    pub(crate) modes: Vec<&'a str>,
    pub(crate) feature_ids: Vec<i64>,
    pub(crate) thresholds: Numbers,
    pub(crate) true_ids: Vec<i64>,
    pub(crate) false_ids: Vec<i64>,
    /// May be empty: then no missing value leads to a true child.
    pub(crate) missing_true: Vec<i64>,
    pub(crate) vote_tree_ids: Vec<i64>,
    pub(crate) vote_node_ids: Vec<i64>,
    pub(crate) vote_targets: Vec<i64>,
    pub(crate) vote_weights: Numbers,
}

/// Nodes in the order of tree and number, so that a name finds its node.
struct Index {
    names: Vec<(i64, i64)>,
    /// Where in the attribute lists each node is.
    origins: Vec<u32>,
}

impl Index {
    fn new(attributes: &TreeAttributes<'_>) -> Result<Self, Failure> {
        let names = attributes
            .tree_ids
            .iter()
            .copied()
            .zip(attributes.node_ids.iter().copied());
        let mut entries: Vec<_> = names.zip(0_u32..).collect();
        if !entries.is_sorted() {
            entries.sort_unstable();
        }
        for pair in entries.windows(2) {
            if pair[0].0 == pair[1].0 {
                let (tree, node) = pair[0].0;
                return Err(format!("tree {tree} has two nodes {node}").into());
            }
        }
        let (names, origins) = entries.into_iter().unzip();
        Ok(Self { names, origins })
    }

    /// The position of a node; exporters number nodes in sequence, so a guess from a `near` one
    /// usually hits.
    fn find(&self, tree: i64, node: i64, near: usize) -> Result<usize, Failure> {
        let guess = self.names.get(near).and_then(|(_, near_node)| {
            let distance = isize::try_from(node.checked_sub(*near_node)?).ok()?;
            near.checked_add_signed(distance)
        });
        if let Some(guess) = guess
            && self.names.get(guess) == Some(&(tree, node))
        {
            return Ok(guess);
        }
        self.names
            .binary_search(&(tree, node))
            .map_err(|_| format!("tree {tree} has no node {node}, which another one names").into())
    }
}

/// What the mode of a node says.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Leaf,
    Branch(u8),
}

fn mode(name: &str) -> Result<Mode, Failure> {
    use outcome::{EQUAL, GREATER, LESS, MISSING};
    Ok(match name {
        "LEAF" => Mode::Leaf,
        "BRANCH_LEQ" => Mode::Branch(LESS | EQUAL),
        "BRANCH_LT" => Mode::Branch(LESS),
        "BRANCH_GTE" => Mode::Branch(GREATER | EQUAL),
        "BRANCH_GT" => Mode::Branch(GREATER),
        "BRANCH_EQ" => Mode::Branch(EQUAL),
        "BRANCH_NEQ" => Mode::Branch(LESS | GREATER | MISSING),
        _ => return Err("a node has an unknown mode".into()),
    })
}

/// A node on its way from the lists to the ensemble.
struct Draft {
    mode: Mode,
    feature: u32,
    /// Positions in the index.
    children: [u32; 2],
}

impl TreeAttributes<'_> {
    /// The ensemble, for votes on targets below `targets`.
    pub(crate) fn build(&self, targets: usize) -> Result<Ensemble, Failure> {
        let count = self.node_ids.len();
        self.check_lengths(count)?;
        let index = Index::new(self)?;
        let drafts = self.drafts(&index)?;
        let layout = Layout::new(&index, &drafts)?;
        let comparisons = comparisons(&drafts);
        let nodes = match &self.thresholds {
            Numbers::Narrow(list) => {
                Nodes::Narrow(layout.nodes(&index, &drafts, list, &self.missing_true, 0.0))
            }
            Numbers::Wide(list) => {
                Nodes::Wide(layout.nodes(&index, &drafts, list, &self.missing_true, 0.0))
            }
        };
        let (vote_starts, votes) = self.votes(&index, &layout, targets)?;
        let features = drafts
            .iter()
            .filter(|draft| draft.mode != Mode::Leaf)
            .map(|draft| draft.feature as usize + 1)
            .max()
            .unwrap_or(0);
        Ok(Ensemble {
            nodes,
            widened: OnceLock::new(),
            comparisons,
            roots: layout.roots,
            vote_starts,
            votes,
            features,
            depth: layout.depth,
        })
    }

    fn check_lengths(&self, count: usize) -> Result<(), Failure> {
        if count == 0 {
            return Err("there are no tree nodes".into());
        }
        if u32::try_from(count).is_err() || u32::try_from(self.vote_weights.len()).is_err() {
            return Err("more tree nodes than can be numbered".into());
        }
        let missing = match self.missing_true.len() {
            0 => count,
            given => given,
        };
        let per_node = [
            self.tree_ids.len(),
            self.modes.len(),
            self.feature_ids.len(),
            self.thresholds.len(),
            self.true_ids.len(),
            self.false_ids.len(),
            missing,
        ];
        if per_node.iter().any(|&length| length != count) {
            return Err("the lists of node attributes differ in length".into());
        }
        let votes = self.vote_weights.len();
        let per_vote = [
            self.vote_tree_ids.len(),
            self.vote_node_ids.len(),
            self.vote_targets.len(),
        ];
        if per_vote.iter().any(|&length| length != votes) {
            return Err("the lists of leaf attributes differ in length".into());
        }
        Ok(())
    }

    fn drafts(&self, index: &Index) -> Result<Vec<Draft>, Failure> {
        index
            .names
            .iter()
            .zip(&index.origins)
            .enumerate()
            .map(|(position, (&(tree, _), &origin))| {
                let origin = origin as usize;
                let mode = mode(self.modes[origin])?;
                if mode == Mode::Leaf {
                    return Ok(Draft {
                        mode,
                        feature: 0,
                        children: [0; 2],
                    });
                }
                let feature = self.feature_ids[origin];
                let feature = u32::try_from(feature)
                    .map_err(|_| format!("a node of tree {tree} asks for feature {feature}"))?;
                let child = |node| index.find(tree, node, position).map(|child| child as u32);
                let children = [
                    child(self.true_ids[origin])?,
                    child(self.false_ids[origin])?,
                ];
                Ok(Draft {
                    mode,
                    feature,
                    children,
                })
            })
            .collect()
    }

    /// Votes by the nodes' final numbers, each node's in the order of the lists.
    fn votes(
        &self,
        index: &Index,
        layout: &Layout,
        targets: usize,
    ) -> Result<(Vec<u32>, Vec<Vote>), Failure> {
        let mut near = 0;
        let mut owners = Vec::with_capacity(self.vote_weights.len());
        let mut starts = vec![0_u32; index.names.len() + 1];
        for (&tree, &node) in self.vote_tree_ids.iter().zip(&self.vote_node_ids) {
            near = index.find(tree, node, near)?;
            let owner = layout.numbers[near];
            starts[owner as usize + 1] += 1;
            owners.push(owner);
        }
        for position in 1..starts.len() {
            starts[position] += starts[position - 1];
        }
        let mut next = starts.clone();
        let mut votes = vec![
            Vote {
                target: 0,
                weight: 0.0
            };
            owners.len()
        ];
        for (position, owner) in owners.into_iter().enumerate() {
            let target = self.vote_targets[position];
            let target = usize::try_from(target)
                .ok()
                .filter(|&target| target < targets)
                .ok_or_else(|| {
                    format!("a leaf votes for {target} of {targets} classes or targets")
                })?;
            let place = &mut next[owner as usize];
            votes[*place as usize] = Vote {
                target: target as u32,
                weight: self.vote_weights.get(position),
            };
            *place += 1;
        }
        Ok((starts, votes))
    }
}

fn comparisons(drafts: &[Draft]) -> Comparisons {
    let mut tables = drafts.iter().filter_map(|draft| match draft.mode {
        Mode::Branch(table) => Some(table),
        Mode::Leaf => None,
    });
    let Some(first) = tables.next() else {
        return Comparisons::LessOrEqual;
    };
    if tables.any(|table| table != first) {
        return Comparisons::Mixed;
    }
    match first {
        table if table == outcome::LESS | outcome::EQUAL => Comparisons::LessOrEqual,
        outcome::LESS => Comparisons::Less,
        _ => Comparisons::Mixed,
    }
}

/// The order of the nodes in the ensemble: tree by tree, level by level, siblings together.
struct Layout {
    roots: Vec<u32>,
    /// The number of each node of the index.
    numbers: Vec<u32>,
    /// The node of the index for each number.
    order: Vec<u32>,
    depth: usize,
}

impl Layout {
    fn new(index: &Index, drafts: &[Draft]) -> Result<Self, Failure> {
        let mut has_parent = vec![false; drafts.len()];
        for (draft, (tree, node)) in drafts.iter().zip(&index.names) {
            if draft.mode == Mode::Leaf {
                continue;
            }
            for child in draft.children {
                if std::mem::replace(&mut has_parent[child as usize], true) {
                    let (_, child) = index.names[child as usize];
                    return Err(format!(
                        "node {child} of tree {tree} has two parents (one is {node})"
                    )
                    .into());
                }
            }
        }
        let mut layout = Self {
            roots: Vec::new(),
            numbers: vec![0; drafts.len()],
            order: Vec::with_capacity(drafts.len()),
            depth: 0,
        };
        let mut start = 0;
        for nodes in index.names.chunk_by(|left, right| left.0 == right.0) {
            let tree = nodes[0].0;
            let mut roots = (start..start + nodes.len()).filter(|&node| !has_parent[node]);
            let root = roots
                .next()
                .ok_or_else(|| format!("tree {tree} runs in a circle"))?;
            if roots.next().is_some() {
                return Err(format!("tree {tree} has more than one root").into());
            }
            layout.place(root as u32, drafts);
            if layout.order.len() != start + nodes.len() {
                // One parent each and not reached from the root: they are in a circle.
                return Err(format!("a part of tree {tree} runs in a circle").into());
            }
            start += nodes.len();
        }
        Ok(layout)
    }

    /// Places a tree. Every node has at most one parent and the root none, so this ends.
    fn place(&mut self, root: u32, drafts: &[Draft]) {
        let mut level_start = self.order.len();
        self.roots.push(level_start as u32);
        self.push(root);
        let mut depth = 0;
        while level_start < self.order.len() {
            let level_end = self.order.len();
            for number in level_start..level_end {
                let draft = &drafts[self.order[number] as usize];
                if draft.mode != Mode::Leaf {
                    self.push(draft.children[0]);
                    self.push(draft.children[1]);
                }
            }
            level_start = level_end;
            depth += 1;
        }
        self.depth = self.depth.max(depth);
    }

    fn push(&mut self, node: u32) {
        self.numbers[node as usize] = self.order.len() as u32;
        self.order.push(node);
    }

    fn nodes<T: Copy + PartialOrd>(
        &self,
        index: &Index,
        drafts: &[Draft],
        thresholds: &[T],
        missing_true: &[i64],
        zero: T,
    ) -> Vec<Node<T>> {
        (0_u32..)
            .zip(&self.order)
            .map(|(number, &node)| {
                let draft = &drafts[node as usize];
                let Mode::Branch(mut table) = draft.mode else {
                    let leaf = Node {
                        threshold: zero,
                        feature: 0,
                        next: number,
                        table: 0,
                        inner: 0,
                    };
                    return leaf;
                };
                let origin = index.origins[node as usize] as usize;
                let mut threshold = thresholds[origin];
                if missing_true.get(origin).is_some_and(|&flag| flag != 0) {
                    table |= outcome::MISSING;
                }
                let not_equal = outcome::LESS | outcome::GREATER;
                if threshold.partial_cmp(&threshold).is_none() && table & not_equal == not_equal {
                    // Everything differs from NaN.
                    (threshold, table) = (zero, u8::MAX);
                }
                Node {
                    threshold,
                    feature: draft.feature,
                    next: self.numbers[draft.children[0] as usize],
                    table,
                    inner: 1,
                }
            })
            .collect()
    }
}
