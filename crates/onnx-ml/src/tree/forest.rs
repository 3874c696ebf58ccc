//! The prepared form of an ensemble and the walk through it.
//!
//! What a step reads of a node lies together in 16 bytes, with the false child right after the
//! true one, so a step is one load and no branch to mispredict. A leaf points at itself: several
//! walks advance side by side until all have arrived, which hides the latency of memory. What is
//! read only at the end (the leaves' votes) is in arrays of its own.

use std::sync::OnceLock;

use crate::error::Failure;

/// How many walks advance together.
const LANES: usize = 8;
/// How many rows one tree is applied to while it is in the cache.
const BLOCK: usize = 64;

/// A comparison as a truth table: which of these relations of feature to threshold lead to the
/// true child.
pub(super) mod outcome {
    pub(crate) const LESS: u8 = 1;
    pub(crate) const EQUAL: u8 = 2;
    pub(crate) const GREATER: u8 = 4;
    pub(crate) const MISSING: u8 = 8;
}

/// A node; the false child of an inner one is the node after `next`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<T> {
    pub(super) threshold: T,
    pub(super) feature: u32,
    /// The true child; for a leaf, itself.
    pub(super) next: u32,
    /// What leads to the true child: bits of [`outcome`].
    pub(super) table: u8,
    /// 1 for an inner node, 0 for a leaf.
    pub(super) inner: u8,
}

/// What a leaf says: so much for that class or target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Vote {
    pub(crate) target: u32,
    pub(crate) weight: f64,
}

/// Which comparisons occur, so that the usual ones are spared the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparisons {
    /// All "less or equal": scikit-learn, LightGBM.
    LessOrEqual,
    /// All "less": XGBoost.
    Less,
    Mixed,
}

/// Nodes with thresholds of the type the model has.
#[derive(Debug)]
pub(super) enum Nodes {
    Narrow(Vec<Node<f32>>),
    Wide(Vec<Node<f64>>),
}

/// All trees, ready to walk.
#[derive(Debug)]
pub(crate) struct Ensemble {
    pub(super) nodes: Nodes,
    /// The same nodes with `f64` thresholds, made when first asked with `f64` features.
    pub(super) widened: OnceLock<Vec<Node<f64>>>,
    pub(super) comparisons: Comparisons,
    pub(super) roots: Vec<u32>,
    /// Votes of node `n`: `votes[vote_starts[n]..vote_starts[n + 1]]`.
    pub(super) vote_starts: Vec<u32>,
    pub(super) votes: Vec<Vote>,
    /// One more than the largest feature number in use.
    pub(super) features: usize,
    /// The longest way from a root to a leaf.
    pub(super) depth: usize,
}

/// Where a walk's leaves report to: for each row, each tree's votes, in tree order.
pub(crate) trait Collect {
    fn votes(&mut self, row: usize, votes: &[Vote]);
}

impl<F: FnMut(usize, &[Vote])> Collect for F {
    fn votes(&mut self, row: usize, votes: &[Vote]) {
        self(row, votes);
    }
}

/// The step of one walk: whether feature and threshold lead to the true child.
///
/// Without `&&` and `||`: which way a step goes is not to be predicted.
trait Rule {
    fn holds<T: PartialOrd + Copy>(feature: T, threshold: T, table: u8) -> bool;
}

struct LessOrEqual;
struct Less;
struct Mixed;

impl Rule for LessOrEqual {
    #[inline]
    #[expect(clippy::eq_op, reason = "only NaN differs from itself")]
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "a branch would be mispredicted"
    )]
    fn holds<T: PartialOrd + Copy>(feature: T, threshold: T, table: u8) -> bool {
        (feature <= threshold) | ((feature != feature) & (table & outcome::MISSING != 0))
    }
}

impl Rule for Less {
    #[inline]
    #[expect(clippy::eq_op, reason = "only NaN differs from itself")]
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "a branch would be mispredicted"
    )]
    fn holds<T: PartialOrd + Copy>(feature: T, threshold: T, table: u8) -> bool {
        (feature < threshold) | ((feature != feature) & (table & outcome::MISSING != 0))
    }
}

impl Rule for Mixed {
    #[inline]
    #[expect(clippy::eq_op, reason = "only NaN differs from itself")]
    fn holds<T: PartialOrd + Copy>(feature: T, threshold: T, table: u8) -> bool {
        // Exactly one of the four is true, or none when the threshold is NaN.
        let relation = u8::from(feature < threshold) * outcome::LESS
            + u8::from(feature == threshold) * outcome::EQUAL
            + u8::from(feature > threshold) * outcome::GREATER
            + u8::from(feature != feature) * outcome::MISSING;
        relation & table != 0
    }
}

impl Ensemble {
    pub(crate) fn trees(&self) -> usize {
        self.roots.len()
    }

    /// The largest share of steps a row can take.
    pub(crate) fn steps_per_row(&self) -> usize {
        self.trees().saturating_mul(self.depth + 1)
    }

    /// Walks all trees for all rows of `f32` features.
    pub(crate) fn walk_f32(
        &self,
        features: &[f32],
        width: usize,
        collect: &mut impl Collect,
    ) -> Result<(), Failure> {
        match &self.nodes {
            Nodes::Narrow(nodes) => self.walk(nodes, features, width, collect),
            Nodes::Wide(_) => {
                let features: Vec<_> = features.iter().map(|&value| f64::from(value)).collect();
                self.walk_f64(&features, width, collect)
            }
        }
    }

    /// Walks all trees for all rows of `f64` features, compared in `f64`.
    pub(crate) fn walk_f64(
        &self,
        features: &[f64],
        width: usize,
        collect: &mut impl Collect,
    ) -> Result<(), Failure> {
        let nodes = match &self.nodes {
            Nodes::Wide(nodes) => nodes,
            Nodes::Narrow(nodes) => self.widened.get_or_init(|| {
                let widen = |node: &Node<f32>| Node {
                    threshold: f64::from(node.threshold),
                    feature: node.feature,
                    next: node.next,
                    table: node.table,
                    inner: node.inner,
                };
                nodes.iter().map(widen).collect()
            }),
        };
        self.walk(nodes, features, width, collect)
    }

    fn walk<T: PartialOrd + Copy>(
        &self,
        nodes: &[Node<T>],
        features: &[T],
        width: usize,
        collect: &mut impl Collect,
    ) -> Result<(), Failure> {
        if width == 0 || width < self.features {
            return Err(format!(
                "{width} features where the trees ask for at least {}",
                self.features.max(1)
            )
            .into());
        }
        match self.comparisons {
            Comparisons::LessOrEqual => {
                self.walk_by::<T, LessOrEqual>(nodes, features, width, collect);
            }
            Comparisons::Less => self.walk_by::<T, Less>(nodes, features, width, collect),
            Comparisons::Mixed => self.walk_by::<T, Mixed>(nodes, features, width, collect),
        }
        Ok(())
    }

    fn walk_by<T: PartialOrd + Copy, R: Rule>(
        &self,
        nodes: &[Node<T>],
        features: &[T],
        width: usize,
        collect: &mut impl Collect,
    ) {
        for (block, rows) in features.chunks(BLOCK * width).enumerate() {
            let first = block * BLOCK;
            let mut lanes = rows.chunks_exact(LANES * width);
            let full = lanes.clone().count() * LANES;
            if full > 0 {
                for &root in &self.roots {
                    for (group, rows) in lanes.by_ref().enumerate() {
                        let rows: [&[T]; LANES] =
                            std::array::from_fn(|lane| &rows[lane * width..(lane + 1) * width]);
                        let leaves = descend::<_, T, R>(nodes, [root; LANES], rows);
                        for (lane, leaf) in leaves.into_iter().enumerate() {
                            collect.votes(first + group * LANES + lane, self.votes_of(leaf));
                        }
                    }
                    lanes = rows.chunks_exact(LANES * width);
                }
            }
            // The rows left over: several trees side by side for each.
            for (row, features) in rows.chunks_exact(width).enumerate().skip(full) {
                self.walk_row::<T, R>(nodes, features, first + row, collect);
            }
        }
    }

    fn walk_row<T: PartialOrd + Copy, R: Rule>(
        &self,
        nodes: &[Node<T>],
        features: &[T],
        row: usize,
        collect: &mut impl Collect,
    ) {
        let (groups, rest) = self.roots.as_chunks::<LANES>();
        for &roots in groups {
            for leaf in descend::<_, T, R>(nodes, roots, [features; LANES]) {
                collect.votes(row, self.votes_of(leaf));
            }
        }
        for &root in rest {
            let [leaf] = descend::<_, T, R>(nodes, [root], [features]);
            collect.votes(row, self.votes_of(leaf));
        }
    }

    fn votes_of(&self, leaf: u32) -> &[Vote] {
        let leaf = leaf as usize;
        &self.votes[self.vote_starts[leaf] as usize..self.vote_starts[leaf + 1] as usize]
    }
}

/// Walks from each node to a leaf, each with its own row.
#[inline]
fn descend<const N: usize, T: PartialOrd + Copy, R: Rule>(
    nodes: &[Node<T>],
    mut at: [u32; N],
    rows: [&[T]; N],
) -> [u32; N] {
    loop {
        let mut moving = 0;
        for (at, row) in at.iter_mut().zip(rows) {
            let node = &nodes[*at as usize];
            let holds = R::holds(row[node.feature as usize], node.threshold, node.table);
            *at = node.next + u32::from(node.inner & u8::from(!holds));
            moving |= node.inner;
        }
        if moving == 0 {
            return at;
        }
    }
}
