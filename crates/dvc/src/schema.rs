//! Reading values out of YAML nodes, strictly, with errors that point at the place.

use crate::FormatError;
use crate::yaml::{self, Entry, Node, Span};

/// A text that is being read: what an error needs to point into it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'t> {
    pub(crate) text: &'t str,
    pub(crate) name: &'t str,
}

impl<'t> Source<'t> {
    /// Reads the YAML of a file.
    pub(crate) fn parse(text: &'t str, name: &'t str) -> Result<(Self, Node), FormatError> {
        Ok((Self { text, name }, yaml::parse(text, name)?))
    }

    pub(crate) fn error(self, span: Span, message: impl Into<String>) -> FormatError {
        FormatError::new(self.name, message).at_span(self.text, span)
    }

    fn wrong_kind(self, node: &Node, what: &str, wanted: &str) -> FormatError {
        self.error(
            node.span(),
            format!("`{what}` must be {wanted}, not {}", node.kind_name()),
        )
    }

    /// The entries of a mapping; none for `null`, which DVC reads as an empty mapping.
    pub(crate) fn entries<'n>(
        self,
        node: &'n Node,
        what: &str,
    ) -> Result<&'n [Entry], FormatError> {
        if node.is_null() {
            return Ok(&[]);
        }
        node.entries()
            .ok_or_else(|| self.wrong_kind(node, what, "a mapping"))
    }

    /// The items of a list; none for `null`.
    pub(crate) fn items<'n>(self, node: &'n Node, what: &str) -> Result<&'n [Node], FormatError> {
        if node.is_null() {
            return Ok(&[]);
        }
        node.items()
            .ok_or_else(|| self.wrong_kind(node, what, "a list"))
    }

    /// The entries of a mapping that must be there.
    pub(crate) fn mapping<'n>(
        self,
        node: &'n Node,
        what: &str,
    ) -> Result<&'n [Entry], FormatError> {
        node.entries()
            .ok_or_else(|| self.wrong_kind(node, what, "a mapping"))
    }

    /// The items of a list that must be there.
    pub(crate) fn list<'n>(self, node: &'n Node, what: &str) -> Result<&'n [Node], FormatError> {
        node.items()
            .ok_or_else(|| self.wrong_kind(node, what, "a list"))
    }

    pub(crate) fn string(self, node: &Node, what: &str) -> Result<String, FormatError> {
        node.as_str().map(str::to_owned).ok_or_else(|| {
            let error = self.wrong_kind(node, what, "text");
            if node.scalar().is_some() && !node.is_null() {
                error.with_hint("put the value in quotes")
            } else {
                error
            }
        })
    }

    pub(crate) fn strings(self, node: &Node, what: &str) -> Result<Vec<String>, FormatError> {
        self.items(node, what)?
            .iter()
            .map(|item| self.string(item, what))
            .collect()
    }

    /// The texts in a list that must be there.
    pub(crate) fn list_of_strings(
        self,
        node: &Node,
        what: &str,
    ) -> Result<Vec<String>, FormatError> {
        self.list(node, what)?
            .iter()
            .map(|item| self.string(item, what))
            .collect()
    }

    pub(crate) fn boolean(self, node: &Node, what: &str) -> Result<bool, FormatError> {
        node.scalar().and_then(yaml::Value::as_bool).ok_or_else(|| {
            self.wrong_kind(node, what, "`true` or `false`")
                .with_hint("YAML 1.2 has no `yes`, `no`, `on` and `off`: they are text")
        })
    }

    /// A count or a size.
    pub(crate) fn unsigned(self, node: &Node, what: &str) -> Result<u64, FormatError> {
        let number = match node.scalar() {
            Some(yaml::Value::Int(number)) => u64::try_from(*number).ok(),
            Some(yaml::Value::BigInt(digits)) => digits.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| {
            self.error(
                node.span(),
                format!("`{what}` must be a whole number, 0 or more"),
            )
        })
    }

    /// A hash. One that looks like a number is read as it was written; nothing is none.
    pub(crate) fn checksum(self, node: &Node, what: &str) -> Result<Option<String>, FormatError> {
        let text = node
            .text()
            .ok_or_else(|| self.wrong_kind(node, what, "a hash"))?;
        if node.is_null() || text.is_empty() {
            return Ok(None);
        }
        Ok(Some(text.to_owned()))
    }

    /// The error for a key that DVC's closed schema does not have.
    pub(crate) fn unknown_key(self, entry: &Entry, place: &str, allowed: &[&str]) -> FormatError {
        let error = self.error(
            entry.key_span,
            format!("unknown key `{}` in {place}", entry.key),
        );
        match nearest(&entry.key, allowed.iter().copied()) {
            Some(name) => error.with_hint(format!("did you mean `{name}`?")),
            None => error.with_hint(format!("{place} can have: {}", allowed.join(", "))),
        }
    }
}

/// The candidate that is most like `name`, if one is like it at all.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be changed, added, dropped or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().take(100).collect();
    let right: Vec<char> = right.to_lowercase().chars().take(100).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, l) in left.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, r) in right.iter().enumerate() {
            let mut cost = (above[column] + usize::from(l != r))
                .min(above[column + 1] + 1)
                .min(line[column] + 1);
            if row > 0 && column > 0 && *l == right[column - 1] && left[row - 1] == *r {
                cost = cost.min(before[column - 1] + 1);
            }
            line.push(cost);
        }
        before = std::mem::replace(&mut above, line);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let keys = ["cmd", "deps", "outs", "metrics", "always_changed"];
        assert_eq!(nearest("dpes", keys), Some("deps"));
        assert_eq!(nearest("metric", keys), Some("metrics"));
        assert_eq!(nearest("Outs", keys), Some("outs"));
        assert_eq!(nearest("alwayschanged", keys), Some("always_changed"));
        assert_eq!(nearest("foreach", keys), None);
    }
}
