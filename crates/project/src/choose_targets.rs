//! What targets stand for besides themselves: patterns, directories, and what something needs.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use crate::graph::StageGraph;
use crate::paths::{join, overlap};
use crate::stage::Index;
use crate::{Project, ProjectError};

/// Targets as somebody named them.
#[derive(Debug, Clone, Default)]
pub struct TargetChoice {
    /// Outputs, `.dvc` files, stages or `dvc.yaml` files; empty for everything.
    pub targets: Vec<String>,
    pub names: Names,
    pub upstream: Upstream,
    pub below: Below,
}

/// Whether targets are names or patterns of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    #[default]
    Exact,
    /// `*` and `?` within a part of a path, `**` for any number of parts, `[a-z]`.
    Patterns,
}

/// Whether what a target depends on belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upstream {
    #[default]
    Left,
    Included,
}

/// Whether a directory stands for everything tracked below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Below {
    #[default]
    Left,
    Included,
}

/// The `.dvc` files and stages that a choice comes to, in the order of the project's files; names
/// stay as they are where they stand for themselves alone. Empty only where everything was meant.
pub fn choose_targets(
    project: &Project,
    choice: &TargetChoice,
) -> Result<Vec<String>, ProjectError> {
    let TargetChoice {
        targets,
        names,
        upstream,
        below,
    } = choice;
    let plain = *names == Names::Exact && *upstream == Upstream::Left && *below == Below::Left;
    let pipelines = targets.iter().any(|target| is_pipeline(project, target));
    if targets.is_empty() || (plain && !pipelines) {
        return Ok(targets.clone());
    }
    let index = Index::load(project)?;
    let all = nodes(project, &index);
    let mut chosen = BTreeSet::new();
    let mut others = Vec::new();
    for target in targets {
        let path = join(project.root(), target);
        let matches = |node: &Node| match names {
            Names::Patterns => node.names.iter().any(|name| matches_pattern(target, name)),
            Names::Exact => {
                node.names.contains(target)
                    || (is_pipeline(project, target) && node.file == path)
                    || (*below == Below::Included && path.is_dir() && node.file.starts_with(&path))
            }
        };
        let found: Vec<usize> = all
            .iter()
            .enumerate()
            .filter(|(_, node)| matches(node))
            .map(|(place, _)| place)
            .collect();
        let inside = all
            .iter()
            .any(|node| node.outs.iter().any(|out| path.starts_with(out)));
        if found.is_empty() && inside && *names == Names::Exact {
            // A path in a directory that is tracked.
            others.push(target.clone());
        } else if found.is_empty() {
            return Err(index.unknown(target));
        }
        chosen.extend(found);
    }
    if *upstream == Upstream::Included {
        add_upstream(&index, &all, &mut chosen)?;
    }
    let mut result: Vec<String> = chosen
        .into_iter()
        .filter_map(|place| Some(all.get(place)?.names.first()?.clone()))
        .collect();
    result.extend(others);
    result.dedup();
    Ok(result)
}

/// A stage, or a `.dvc` file.
struct Node {
    /// What it is called, first by the name that means nothing else.
    names: Vec<String>,
    file: Utf8PathBuf,
    outs: Vec<Utf8PathBuf>,
    /// The place among the stages; none of a `.dvc` file.
    stage: Option<usize>,
}

fn nodes(project: &Project, index: &Index) -> Vec<Node> {
    let data = index.data.iter().map(|data| Node {
        names: vec![
            project.shown(&data.file).into_string(),
            project.shown(&data.path).into_string(),
        ],
        file: data.file.clone(),
        outs: vec![data.path.clone()],
        stage: None,
    });
    let stages = index.stages.iter().enumerate().map(|(place, stage)| {
        let outs: Vec<Utf8PathBuf> = stage.outputs().map(|(_, path)| path).collect();
        let shown = outs.iter().map(|out| project.shown(out).into_string());
        Node {
            names: std::iter::once(stage.address.clone())
                .chain(stage.group_address())
                .chain(shown)
                .collect(),
            file: stage.file.clone(),
            outs,
            stage: Some(place),
        }
    });
    data.chain(stages).collect()
}

/// Adds the stages before those chosen, and the `.dvc` files whose data any of them reads.
fn add_upstream(
    index: &Index,
    all: &[Node],
    chosen: &mut BTreeSet<usize>,
) -> Result<(), ProjectError> {
    let wanted: Vec<usize> = chosen
        .iter()
        .filter_map(|place| all.get(*place)?.stage)
        .collect();
    let graph = StageGraph::build(index)?;
    let stages = graph.order_of(&graph.closure(&wanted, |stage| graph.needs(stage)));
    for (place, node) in all.iter().enumerate() {
        let needed = match node.stage {
            Some(stage) => stages.contains(&stage),
            None => stages
                .iter()
                .filter_map(|stage| index.stages.get(*stage))
                .any(|stage| {
                    let mut deps = stage.local_deps();
                    deps.any(|dep| node.outs.iter().any(|out| overlap(out, &dep)))
                }),
        };
        if needed {
            chosen.insert(place);
        }
    }
    Ok(())
}

fn is_pipeline(project: &Project, target: &str) -> bool {
    let path = join(project.root(), target);
    path.file_name() == Some("dvc.yaml") && path.is_file()
}

/// Whether a path is what a pattern says, part by part.
pub fn matches_pattern(pattern: &str, path: &str) -> bool {
    let parts: Vec<&str> = Utf8Path::new(path)
        .components()
        .map(|part| part.as_str())
        .collect();
    let wanted: Vec<&str> = pattern
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    parts_match(&wanted, &parts)
}

fn parts_match(wanted: &[&str], parts: &[&str]) -> bool {
    match (wanted.split_first(), parts.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((&"**", rest)), _) => {
            parts_match(rest, parts)
                || parts
                    .split_first()
                    .is_some_and(|(_, behind)| parts_match(wanted, behind))
        }
        (Some(_), None) => false,
        (Some((pattern, rest)), Some((part, behind))) => {
            let pattern: Vec<char> = pattern.chars().collect();
            let part: Vec<char> = part.chars().collect();
            part_matches(&pattern, &part) && parts_match(rest, behind)
        }
    }
}

/// One part, in time of at most the product of both lengths.
fn part_matches(pattern: &[char], text: &[char]) -> bool {
    let (mut at, mut place) = (0, 0);
    // Where the last star was, and how much of the text it has taken.
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        let one = pattern.get(at).copied();
        let class = (one == Some('['))
            .then(|| class_matches(pattern, at, text.get(place).copied()))
            .flatten();
        match (one, class) {
            (Some('*'), _) => {
                star = Some((at, place));
                at += 1;
                continue;
            }
            (Some('['), Some((true, behind))) => {
                at = behind;
                place += 1;
                continue;
            }
            (Some('['), Some((false, _))) => {}
            (Some('?'), _) => {
                at += 1;
                place += 1;
                continue;
            }
            (Some(wanted), _) if Some(&wanted) == text.get(place) => {
                at += 1;
                place += 1;
                continue;
            }
            _ => {}
        }
        let Some((back, taken)) = star else {
            return false;
        };
        star = Some((back, taken + 1));
        at = back + 1;
        place = taken + 1;
    }
    pattern.iter().skip(at).all(|one| *one == '*')
}

/// Whether a character is of the class that begins at `[`, and what is behind its `]`; none where
/// the class has no end, and the bracket is a bracket.
fn class_matches(pattern: &[char], at: usize, wanted: Option<char>) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(at + 1), Some('!' | '^'));
    let begin = at + 1 + usize::from(negated);
    // A `]` right at the beginning is one of the characters.
    let end = (begin + 1..pattern.len()).find(|place| pattern.get(*place) == Some(&']'))?;
    let mut inside = false;
    let mut place = begin;
    while place < end {
        let low = *pattern.get(place)?;
        let is_range = pattern.get(place + 1) == Some(&'-') && place + 2 < end;
        let high = if is_range {
            *pattern.get(place + 2)?
        } else {
            low
        };
        inside |= wanted.is_some_and(|wanted| (low..=high).contains(&wanted));
        place += if is_range { 3 } else { 1 };
    }
    Some((inside != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, path, expected) in [
            ("*.csv", "a.csv", true),
            ("*.csv", "a/b.csv", false),
            ("**/*.csv", "a/b.csv", true),
            ("**/*.csv", "b.csv", true),
            ("a/**", "a/b/c", true),
            ("a/*/c", "a/b/c", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]x", "]x", true),
            ("[a", "[a", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("ü*", "über", true),
            ("", "", true),
        ] {
            assert_eq!(matches_pattern(pattern, path), expected, "{pattern} {path}");
        }
    }
}
