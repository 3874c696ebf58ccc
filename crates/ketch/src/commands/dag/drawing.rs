//! A graph drawn with characters: boxes in layers, what is needed above what needs it.
//!
//! The layers are those of Sugiyama's method. Each node has one line out at the bottom, which forks
//! on a row of its own, and one line in for each node that leads to it, so that no two lines ever
//! become one: where a line passes through a row it only crosses it.

use std::collections::BTreeMap;

use ketch_project::Dag;

/// Between two boxes of a layer, in columns.
const GAP: usize = 2;
/// Between two lines of a row, so that those which cross it there join nothing.
const APART: usize = 4;
const SWEEPS: usize = 8;

/// The lines of a drawing, each with its end. The graph has no circles; lines from a node to itself
/// are left out.
pub(super) fn draw(dag: &Dag) -> String {
    let mut layout = Layout::new(dag);
    layout.order();
    layout.place();
    layout.paint()
}

/// A box, or where a long line passes through a layer.
#[derive(Debug)]
struct Node {
    label: Option<String>,
    width: usize,
    /// Of its first column.
    left: usize,
    /// Nodes of the layer above, and of the one below.
    above: Vec<usize>,
    below: Vec<usize>,
}

impl Node {
    fn centre(&self) -> usize {
        self.left + self.width / 2
    }
}

struct Layout {
    nodes: Vec<Node>,
    layers: Vec<Vec<usize>>,
}

impl Layout {
    fn new(dag: &Dag) -> Self {
        let edges: Vec<(usize, usize)> = dag
            .edges
            .iter()
            .copied()
            .filter(|(from, to)| from != to)
            .collect();
        let levels = levels(dag.nodes.len(), &edges);
        let depth = levels.iter().max().map_or(0, |deepest| deepest + 1);
        let mut layout = Self {
            nodes: Vec::new(),
            layers: vec![Vec::new(); depth],
        };
        for (name, level) in dag.nodes.iter().zip(&levels) {
            layout.add(Some(name.clone()), *level);
        }
        // One line for all that a node leads to, as far as it goes.
        let mut passing: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for (from, to) in edges {
            let mut last = from;
            for level in levels[from] + 1..levels[to] {
                last = if let Some(known) = passing.get(&(from, level)) {
                    *known
                } else {
                    let new = layout.add(None, level);
                    layout.link(last, new);
                    passing.insert((from, level), new);
                    new
                };
            }
            layout.link(last, to);
        }
        for node in &mut layout.nodes {
            let label = node
                .label
                .as_ref()
                .map_or(0, |label| label.chars().count() + 4);
            node.width = label.max(2 * node.above.len() + 1).max(3);
        }
        layout
    }

    fn add(&mut self, label: Option<String>, level: usize) -> usize {
        let new = self.nodes.len();
        self.nodes.push(Node {
            label,
            width: 0,
            left: 0,
            above: Vec::new(),
            below: Vec::new(),
        });
        self.layers[level].push(new);
        new
    }

    fn link(&mut self, from: usize, to: usize) {
        self.nodes[from].below.push(to);
        self.nodes[to].above.push(from);
    }

    /// Orders each layer so that few lines cross.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.layers.clone());
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let depth = self.layers.len();
            for step in 1..depth {
                let level = if down { step } else { depth - 1 - step };
                let beside = if down { level - 1 } else { level + 1 };
                let places = self.places(beside);
                let mean = |node: usize| {
                    let node = &self.nodes[node];
                    let near = if down { &node.above } else { &node.below };
                    let sum: usize = near.iter().map(|other| places[other]).sum();
                    (!near.is_empty()).then(|| sum as f64 / near.len() as f64)
                };
                let own = self.layers[level].iter().enumerate();
                let mut keyed: Vec<(f64, usize)> = own
                    .map(|(place, node)| (mean(*node).unwrap_or(place as f64), *node))
                    .collect();
                keyed.sort_by(|left, right| left.0.total_cmp(&right.0));
                self.layers[level] = keyed.into_iter().map(|(_, node)| node).collect();
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    fn places(&self, level: usize) -> BTreeMap<usize, usize> {
        let nodes = self.layers[level].iter().enumerate();
        nodes.map(|(place, node)| (*node, place)).collect()
    }

    fn crossings(&self) -> usize {
        let mut count = 0;
        for level in 1..self.layers.len() {
            let places = self.places(level);
            let mut ends: Vec<Vec<usize>> = Vec::new();
            for node in &self.layers[level - 1] {
                let below = &self.nodes[*node].below;
                ends.push(below.iter().map(|other| places[other]).collect());
            }
            for (at, left) in ends.iter().enumerate() {
                for right in ends.iter().skip(at + 1).flatten() {
                    count += left.iter().filter(|end| *end > right).count();
                }
            }
        }
        count
    }

    /// Gives each node its column: as near to the middle of its neighbours as the others allow.
    fn place(&mut self) {
        for level in 0..self.layers.len() {
            let mut left = 0;
            for node in self.layers[level].clone() {
                self.nodes[node].left = left;
                left += self.nodes[node].width + GAP;
            }
        }
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let levels: Vec<usize> = if down {
                (0..self.layers.len()).collect()
            } else {
                (0..self.layers.len()).rev().collect()
            };
            for level in levels {
                let wanted = self.layers[level].iter().map(|node| {
                    let node = &self.nodes[*node];
                    let near = if down { &node.above } else { &node.below };
                    let sum: usize = near.iter().map(|other| self.nodes[*other].centre()).sum();
                    if near.is_empty() {
                        node.left as f64
                    } else {
                        sum as f64 / near.len() as f64 - (node.width / 2) as f64
                    }
                });
                let wanted: Vec<f64> = wanted.collect();
                let lefts = self.spread(level, &wanted);
                for (node, left) in self.layers[level].clone().into_iter().zip(lefts) {
                    self.nodes[node].left = left;
                }
            }
        }
        let first = self.nodes.iter().map(|node| node.left).min().unwrap_or(0);
        for node in &mut self.nodes {
            node.left -= first;
        }
    }

    /// The columns nearest to the wanted ones, by least squares, at which nothing overlaps.
    fn spread(&self, level: usize, wanted: &[f64]) -> Vec<usize> {
        // Without the widths before each, only the order has to be kept: neighbours that are in the
        // wrong one share their mean.
        let mut before = 0;
        let mut blocks: Vec<(f64, usize)> = Vec::new();
        let mut offsets = Vec::new();
        for (node, wanted) in self.layers[level].iter().zip(wanted) {
            offsets.push(before);
            let mut block = (wanted - before as f64, 1);
            before += self.nodes[*node].width + GAP;
            while let Some((mean, count)) = blocks.last().copied()
                && mean > block.0
            {
                blocks.pop();
                let both = count + block.1;
                let sum = mean * count as f64 + block.0 * block.1 as f64;
                block = (sum / both as f64, both);
            }
            blocks.push(block);
        }
        let starts = blocks
            .into_iter()
            .flat_map(|(mean, count)| std::iter::repeat_n(mean, count));
        // Nothing begins left of the paper.
        starts
            .zip(offsets)
            .map(|(start, offset)| start.round().max(0.0) as usize + offset)
            .collect()
    }

    fn paint(&self) -> String {
        let mut paper = Paper::default();
        let mut top = 0;
        for (level, layer) in self.layers.iter().enumerate() {
            for node in layer {
                paper.node(top, &self.nodes[*node]);
            }
            top += 3;
            if level + 1 < self.layers.len() {
                let lines = self.lines_below(level);
                let turning = lines.iter().filter(|line| !line.is_straight());
                let height = turning.map(|line| line.row + 3).max().unwrap_or(1);
                for line in &lines {
                    paper.line(top, height, line);
                }
                top += height;
                // Where an end had to move aside, a line that only passes comes back.
                for (end, node) in lines
                    .iter()
                    .flat_map(|line| line.to.iter().zip(&line.nodes))
                {
                    let centre = self.nodes[*node].centre();
                    if self.nodes[*node].label.is_none() && *end != centre {
                        paper.put(top, *end, '+');
                        paper.put(top, centre, '+');
                    }
                }
            }
        }
        paper.into_text()
    }

    /// How the lines run between a layer and the next.
    fn lines_below(&self, level: usize) -> Vec<Line> {
        let mut lines: Vec<Line> = self.layers[level]
            .iter()
            .filter(|node| !self.nodes[**node].below.is_empty())
            .map(|node| Line {
                from: self.nodes[*node].centre(),
                to: self.nodes[*node]
                    .below
                    .iter()
                    .map(|below| self.entry(*below, *node))
                    .collect(),
                nodes: self.nodes[*node].below.clone(),
                row: 0,
            })
            .collect();
        let mut tries = 0;
        while let Err((line, end)) = set_rows(&mut lines) {
            // Two lines wait for each other: one end moves aside, to where nothing begins.
            let starts: Vec<usize> = lines.iter().map(|line| line.from).collect();
            let at = lines[line].to[end];
            let free = [at + 1, at.saturating_sub(1)];
            let aside = free.into_iter().find(|column| !starts.contains(column));
            lines[line].to[end] = aside.unwrap_or(at);
            tries += 1;
            if tries > self.nodes.len() {
                break;
            }
        }
        lines
    }

    /// The column where the line of a node of the layer above comes in. Columns between two of them
    /// are free.
    fn entry(&self, node: usize, from: usize) -> usize {
        let node = &self.nodes[node];
        let own = self.nodes[from].left;
        let lefts = node.above.iter().map(|above| self.nodes[*above].left);
        let place = lefts.filter(|left| *left < own).count();
        node.centre() + 2 * place - (node.above.len() - 1)
    }
}

/// The line out of a node.
struct Line {
    from: usize,
    to: Vec<usize>,
    /// The node at each end.
    nodes: Vec<usize>,
    /// Where it runs sideways, if it does, from 0.
    row: usize,
}

impl Line {
    fn is_straight(&self) -> bool {
        self.to.iter().all(|to| *to == self.from)
    }

    fn span(&self) -> (usize, usize) {
        let ends = || self.to.iter().chain([&self.from]).copied();
        (ends().min().unwrap_or(0), ends().max().unwrap_or(0))
    }
}

/// Gives lines that run sideways their rows. A line that begins where another one ends turns above
/// it. Where that goes in a circle, an end of a line that takes part.
fn set_rows(lines: &mut [Line]) -> Result<(), (usize, usize)> {
    let mut pending: Vec<usize> = (0..lines.len())
        .filter(|line| !lines[*line].is_straight())
        .collect();
    let mut done: Vec<usize> = Vec::new();
    while !pending.is_empty() {
        // The end of `line` that has to wait for another one, and that other one.
        let waits = |line: usize, others: &[usize]| {
            others
                .iter()
                .filter(|other| **other != line)
                .find_map(|other| {
                    let from = lines[*other].from;
                    let end = lines[line].to.iter().position(|to| *to == from)?;
                    Some((end, *other))
                })
        };
        let Some(at) = pending
            .iter()
            .position(|line| waits(*line, &pending).is_none())
        else {
            let line = pending[0];
            return Err((line, waits(line, &pending).map_or(0, |(end, _)| end)));
        };
        let line = pending.remove(at);
        let (left, right) = lines[line].span();
        let after = done.iter().filter(|other| {
            let from = lines[**other].from;
            lines[line].to.contains(&from)
        });
        // With a row between them: one `+` below another one would look like a line.
        let mut row = after.map(|other| lines[*other].row + 2).max().unwrap_or(0);
        let is_taken = |row: usize| {
            done.iter().any(|other| {
                let (first, last) = lines[*other].span();
                lines[*other].row == row && first <= right + APART && left <= last + APART
            })
        };
        while is_taken(row) {
            row += 1;
        }
        lines[line].row = row;
        done.push(line);
    }
    Ok(())
}

/// Which layer each node is in: below all that leads to it, and right above what it leads to where
/// nothing leads to it.
fn levels(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut levels = vec![0; count];
    // As often as the longest way is long; the bound is for circles, which there are none of.
    for _ in 0..count {
        let mut changed = false;
        for (from, to) in edges {
            if levels[*to] <= levels[*from] {
                levels[*to] = levels[*from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    for node in 0..count {
        let below = edges.iter().filter(|(from, _)| *from == node);
        let nearest = below.map(|(_, to)| levels[*to]).min();
        if let Some(nearest) = nearest
            && !edges.iter().any(|(_, to)| *to == node)
        {
            levels[node] = nearest - 1;
        }
    }
    levels
}

#[derive(Default)]
struct Paper {
    rows: Vec<Vec<char>>,
}

impl Paper {
    fn put(&mut self, row: usize, column: usize, mark: char) {
        while self.rows.len() <= row {
            self.rows.push(Vec::new());
        }
        let cells = &mut self.rows[row];
        if cells.len() <= column {
            cells.resize(column + 1, ' ');
        }
        // A line that crosses a row goes over it, but not over a turn.
        let stays = match mark {
            '-' => cells[column] != ' ',
            '|' => cells[column] == '+',
            _ => false,
        };
        if !stays {
            cells[column] = mark;
        }
    }

    fn node(&mut self, top: usize, node: &Node) {
        let Some(label) = &node.label else {
            for row in top..top + 3 {
                self.put(row, node.centre(), '|');
            }
            return;
        };
        let border = format!("+{}+", "-".repeat(node.width - 2));
        let text = format!("|{label:^width$}|", width = node.width - 2);
        for (row, text) in [&border, &text, &border].into_iter().enumerate() {
            for (column, mark) in text.chars().enumerate() {
                self.put(top + row, node.left + column, mark);
            }
        }
    }

    fn line(&mut self, top: usize, height: usize, line: &Line) {
        if line.is_straight() {
            for row in top..top + height {
                self.put(row, line.from, '|');
            }
            return;
        }
        let turn = top + 1 + line.row;
        let (left, right) = line.span();
        for column in left..=right {
            self.put(turn, column, '-');
        }
        for row in top..turn {
            self.put(row, line.from, '|');
        }
        self.put(turn, line.from, '+');
        for to in &line.to {
            self.put(turn, *to, '+');
            for row in turn + 1..top + height {
                self.put(row, *to, '|');
            }
        }
    }

    fn into_text(self) -> String {
        let mut text = String::new();
        for row in self.rows {
            let line: String = row.into_iter().collect();
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(count: usize, edges: &[(usize, usize)]) -> Dag {
        Dag {
            nodes: (0..count).map(|node| format!("n{node}")).collect(),
            edges: edges.to_vec(),
        }
    }

    /// A drawing as a reader sees it.
    struct Drawn(Vec<Vec<char>>);

    impl Drawn {
        fn at(&self, row: usize, column: usize) -> char {
            let cell = self.0.get(row).and_then(|cells| cells.get(column));
            cell.copied().unwrap_or(' ')
        }

        /// The boxes by the row and the columns of their labels' line.
        fn boxes(&self) -> Vec<(String, usize, usize, usize)> {
            let mut found = Vec::new();
            for (row, cells) in self.0.iter().enumerate() {
                let text: String = cells.iter().collect();
                for (start, _) in text.match_indices('n') {
                    let digits = text[start + 1..].chars().take_while(char::is_ascii_digit);
                    let name = format!("n{}", digits.collect::<String>());
                    let left = (0..start).rev().find(|at| cells[*at] == '|').unwrap();
                    let behind = start + name.len()..cells.len();
                    let right = behind.into_iter().find(|at| cells[*at] == '|').unwrap();
                    found.push((name, row, left, right));
                }
            }
            found
        }

        /// The edges, each found by following the line out of a box.
        fn edges(&self) -> Vec<(String, String)> {
            let boxes = self.boxes();
            let mut edges = Vec::new();
            for (name, row, left, right) in &boxes {
                let below = row + 2;
                let starts = (*left..=*right).filter(|at| "|+".contains(self.at(below, *at)));
                for start in starts {
                    for (row, column) in self.follow(below, start) {
                        let reached = boxes.iter().find(|(_, other, left, right)| {
                            *other == row + 1 && (*left..=*right).contains(&column)
                        });
                        let (reached, ..) = reached.unwrap();
                        edges.push((name.clone(), reached.clone()));
                    }
                }
            }
            edges.sort();
            edges
        }

        /// Down to the tops of boxes. A line turns at the first `+`, goes sideways to each `+`, and
        /// down from there; it passes through layers and starts anew there.
        fn follow(&self, row: usize, column: usize) -> Vec<(usize, usize)> {
            let mut row = row;
            while self.at(row, column) == '|' {
                row += 1;
            }
            if self.is_top(row, column) {
                return vec![(row, column)];
            }
            let text = || {
                let lines = self.0.iter().map(|line| line.iter().collect::<String>());
                lines.collect::<Vec<_>>().join("\n")
            };
            let mark = self.at(row, column);
            assert_eq!(mark, '+', "a line ends at {row}:{column}\n{}", text());
            let mut turns = Vec::new();
            for step in [-1, 1] {
                let mut at = column.checked_add_signed(step);
                while let Some(next) = at
                    && self.at(row, next) != ' '
                {
                    if self.at(row, next) == '+' {
                        turns.push(next);
                    }
                    at = next.checked_add_signed(step);
                }
            }
            if "|+".contains(self.at(row + 1, column)) {
                turns.push(column);
            }
            let mut ends = Vec::new();
            for turn in turns {
                // A line that comes down where a node is passed may fork again.
                ends.extend(self.follow(row + 1, turn));
            }
            ends
        }

        fn is_top(&self, row: usize, column: usize) -> bool {
            self.boxes().iter().any(|(_, label, left, right)| {
                *label == row + 1 && (*left..=*right).contains(&column)
            })
        }
    }

    #[test]
    fn a_chain_is_straight_and_a_fork_is_even() {
        assert_eq!(
            draw(&graph(3, &[(0, 1), (1, 2)])),
            "+----+\n| n0 |\n+----+\n   |\n+----+\n| n1 |\n+----+\n   |\n+----+\n| n2 |\n+----+\n"
        );
        assert_eq!(draw(&graph(1, &[(0, 0)])), "+----+\n| n0 |\n+----+\n");
        assert_eq!(draw(&graph(0, &[])), "");
    }

    /// Random graphs, the same each time: whoever follows the lines finds the edges and no others.
    #[test]
    fn the_lines_lead_where_the_edges_lead() {
        let mut state = 7_u64;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..1000 {
            let count = 1 + next(14);
            let mut edges = Vec::new();
            for _ in 0..next(2 * count + 1) {
                let (from, to) = (next(count), next(count));
                if from < to {
                    edges.push((from, to));
                }
            }
            edges.sort_unstable();
            edges.dedup();
            let graph = graph(count, &edges);
            for part in graph.parts() {
                let text = draw(&part);
                let drawn = Drawn(text.lines().map(|line| line.chars().collect()).collect());
                assert_eq!(drawn.boxes().len(), part.nodes.len(), "{text}");
                let names = |(from, to): &(usize, usize)| {
                    (part.nodes[*from].clone(), part.nodes[*to].clone())
                };
                let mut expected: Vec<_> = part.edges.iter().map(names).collect();
                expected.sort();
                assert_eq!(drawn.edges(), expected, "\n{text}");
            }
        }
    }
}
