//! Changes a YAML text where its value changes, and nowhere else.
//!
//! An edit replaces the bytes of the values that differ. Its result is read again and compared
//! with what was asked for; an edit that went wrong (an alias, an odd layout) is no edit.

use std::ops::Range;

use super::emit::{emit_collection, emit_entry, emit_inline};
use super::key::key_named;
use super::node::{Entry, Node, NodeKind, Style};
use super::parse::{BLANKS, parse};
use super::scalar::Context;
use super::{Key, Value};

/// The text with its value changed to `target`; what does not change keeps its place, its
/// comments and its style. None if that cannot be done by replacing pieces of the text.
pub fn update_text(text: &str, target: &Value) -> Option<String> {
    update_to_depth(text, target, usize::MAX)
}

/// As [`update_text`], but a value that differs `depth` levels down is written anew as a whole.
pub fn update_to_depth(text: &str, target: &Value, depth: usize) -> Option<String> {
    let root = parse(text, "").ok()?;
    let mut edits = Edits {
        text,
        list: Vec::new(),
    };
    edits.update(&root, target, depth)?;
    edits.apply(target)
}

/// The text with the value at `path` (keys, or indexes of sequences) changed to `value`.
pub(crate) fn set_at(text: &str, root: &Node, path: &[&str], value: &Value) -> Option<String> {
    let (last, parents) = path.split_last()?;
    let mut parent = root;
    for step in parents {
        parent = child(parent, step)?;
    }
    let mut target = root.to_value();
    *value_at(&mut target, path)? = value.clone();

    let mut edits = Edits {
        text,
        list: Vec::new(),
    };
    match &parent.kind {
        NodeKind::Mapping(_) => {
            let entry = parent.entry(last)?;
            edits.replace_entry(parent, entry, value)?;
        }
        NodeKind::Sequence(items) => {
            edits.replace_item(parent, items.get(last.parse::<usize>().ok()?)?, value)?;
        }
        NodeKind::Scalar(_) => return None,
    }
    edits.apply(&target)
}

fn child<'n>(node: &'n Node, step: &str) -> Option<&'n Node> {
    match &node.kind {
        NodeKind::Sequence(items) => items.get(step.parse::<usize>().ok()?),
        _ => node.get(step),
    }
}

fn value_at<'v>(root: &'v mut Value, path: &[&str]) -> Option<&'v mut Value> {
    path.iter().try_fold(root, |value, step| match value {
        Value::Mapping(entries) => {
            let key = key_named(entries, step)?.clone();
            entries.get_mut(&key)
        }
        Value::Sequence(items) => items.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    })
}

struct Edits<'t> {
    text: &'t str,
    list: Vec<(Range<usize>, String)>,
}

impl Edits<'_> {
    fn update(&mut self, node: &Node, target: &Value, depth: usize) -> Option<()> {
        match (&node.kind, target) {
            (NodeKind::Mapping(entries), Value::Mapping(wanted)) => {
                self.update_mapping(node, entries, wanted, depth)
            }
            (NodeKind::Sequence(items), Value::Sequence(wanted))
                if items.len() == wanted.len() && node.style != Style::Alias =>
            {
                for (item, value) in items.iter().zip(wanted) {
                    if item.to_value().is_same(value) {
                        continue;
                    }
                    if depth > 1 && is_container(item, value) {
                        self.update(item, value, depth - 1)?;
                    } else {
                        self.replace_item(node, item, value)?;
                    }
                }
                Some(())
            }
            _ => None,
        }
    }

    fn update_mapping(
        &mut self,
        node: &Node,
        entries: &[Entry],
        wanted: &indexmap::IndexMap<Key, Value>,
        depth: usize,
    ) -> Option<()> {
        if node.style == Style::Alias || wanted.is_empty() {
            return None;
        }
        let is_kept = |entry: &Entry| wanted.contains_key(&entry.key);
        let mut gone_until = 0;
        for (index, entry) in entries.iter().enumerate() {
            let Some(value) = wanted.get(&entry.key) else {
                if index >= gone_until {
                    let kept = entries.iter().skip(index).position(is_kept);
                    gone_until = self.remove_entry(node, entries, index, kept)?;
                }
                continue;
            };
            if entry.value.to_value().is_same(value) {
                continue;
            }
            if depth > 1 && is_container(&entry.value, value) {
                self.update(&entry.value, value, depth - 1)?;
            } else {
                self.replace_entry(node, entry, value)?;
            }
        }
        let last = entries.iter().rev().find(|entry| is_kept(entry))?;
        for (key, value) in wanted {
            if entries.iter().any(|entry| entry.key == *key) {
                continue;
            }
            if node.style == Style::Block {
                let indent = node.span.column - 1;
                let end = self.end_of_line(self.end_of_entry(last)?);
                let entry = emit_entry(key, value, indent);
                self.push(end..end, format!("\n{}{entry}", " ".repeat(indent)));
            } else {
                let end = self.end_of_entry(last)?;
                let name = emit_inline(&key.to_value(), Context::Flow);
                self.push(
                    end..end,
                    format!(", {name}: {}", emit_inline(value, Context::Flow)),
                );
            }
        }
        Some(())
    }

    fn replace_entry(&mut self, parent: &Node, entry: &Entry, value: &Value) -> Option<()> {
        let old = &entry.value;
        if entry.merged || old.decorated || parent.style == Style::Alias {
            return None;
        }
        let behind_colon = self.behind_colon(entry)?;
        if parent.style == Style::Flow {
            let text = emit_inline(value, Context::Flow);
            if is_one_line(old) || old.style == Style::Flow {
                self.push(old.span.start..old.span.end, text);
            } else {
                self.push(behind_colon..behind_colon, format!(" {text}"));
            }
        } else if is_inline(value) && (is_one_line(old) || old.style == Style::Flow) {
            self.push(
                old.span.start..old.span.end,
                emit_inline(value, Context::Block),
            );
        } else {
            let end = self.end_of_entry(entry)?;
            let text = emit_entry(&entry.key, value, parent.span.column - 1);
            self.push(entry.key_span.start..end, text);
        }
        Some(())
    }

    fn replace_item(&mut self, parent: &Node, old: &Node, value: &Value) -> Option<()> {
        if old.decorated {
            return None;
        }
        if self.is_absent(old) {
            // `-` and nothing behind it.
            let at = old.span.start;
            if !is_inline(value) || !self.text.get(..at)?.ends_with('-') {
                return None;
            }
            self.push(at..at, format!(" {}", emit_inline(value, Context::Block)));
            return Some(());
        }
        let text = match parent.style {
            Style::Flow => emit_inline(value, Context::Flow),
            Style::Block if is_inline(value) => emit_inline(value, Context::Block),
            Style::Block => emit_collection(value, old.span.column - 1),
            _ => return None,
        };
        let end = self.trimmed(old.span.start, old.span.end);
        self.push(old.span.start..end, text);
        Some(())
    }

    /// Removes one entry, or all up to the next that is kept, which is `kept` entries away. Says up to
    /// which entry they are gone now.
    fn remove_entry(
        &mut self,
        parent: &Node,
        entries: &[Entry],
        index: usize,
        kept: Option<usize>,
    ) -> Option<usize> {
        let entry = &entries[index];
        if entry.merged || parent.style != Style::Block {
            return None;
        }
        let start = entry.key_span.start;
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        if self.text[line_start..start].chars().all(|ch| ch == ' ') {
            let end = self.end_of_line(self.end_of_entry(entry)?);
            if end < self.text.len() {
                self.push(line_start..end + 1, String::new());
            } else {
                self.push(line_start.saturating_sub(1)..end, String::new());
            }
        } else {
            // `- key: …`: the next key that stays moves up behind the dash.
            let next = index + kept?;
            self.push(start..entries.get(next)?.key_span.start, String::new());
            return Some(next);
        }
        Some(index + 1)
    }

    fn push(&mut self, range: Range<usize>, text: String) {
        self.list.push((range, text));
    }

    /// The offset behind the `:` of the entry.
    fn behind_colon(&self, entry: &Entry) -> Option<usize> {
        let behind = self.text.get(entry.key_span.end..)?;
        let colon = behind.find(':')?;
        behind[..colon]
            .trim_matches(BLANKS)
            .is_empty()
            .then_some(entry.key_span.end + colon + 1)
    }

    /// The offset behind the entry's last character that is not a blank.
    fn end_of_entry(&self, entry: &Entry) -> Option<usize> {
        let colon = self.behind_colon(entry)?;
        if entry.value.span.end <= colon || self.is_absent(&entry.value) {
            return Some(colon);
        }
        Some(self.trimmed(colon, entry.value.span.end))
    }

    /// Whether nothing is written for the node (`key:`).
    fn is_absent(&self, node: &Node) -> bool {
        self.text
            .get(node.span.start..node.span.end)
            .is_none_or(|text| text.trim_matches(BLANKS).is_empty())
    }

    fn trimmed(&self, start: usize, end: usize) -> usize {
        self.text
            .get(start..end)
            .map_or(end, |piece| start + piece.trim_end_matches(BLANKS).len())
    }

    fn end_of_line(&self, from: usize) -> usize {
        self.text[from..]
            .find('\n')
            .map_or(self.text.len(), |length| from + length)
    }

    /// The changed text, if it reads back as `target`.
    fn apply(mut self, target: &Value) -> Option<String> {
        self.list.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(self.text.len());
        let mut at = 0;
        for (range, text) in &self.list {
            out.push_str(self.text.get(at..range.start)?);
            out.push_str(text);
            at = range.end;
        }
        out.push_str(self.text.get(at..)?);
        parse(&out, "")
            .ok()?
            .to_value()
            .is_same(target)
            .then_some(out)
    }
}

/// Whether both are mappings that share a key, or filled sequences of one length: the change is
/// inside.
fn is_container(node: &Node, value: &Value) -> bool {
    match (&node.kind, value) {
        (NodeKind::Mapping(entries), Value::Mapping(wanted)) => {
            entries.iter().any(|entry| wanted.contains_key(&entry.key))
        }
        (NodeKind::Sequence(items), Value::Sequence(wanted)) => {
            !items.is_empty() && items.len() == wanted.len()
        }
        _ => false,
    }
}

/// Whether the value fits behind `key:` on one line whatever its parent's style is.
fn is_inline(value: &Value) -> bool {
    match value {
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(entries) => entries.is_empty(),
        _ => true,
    }
}

/// Whether the node is a scalar with bytes of its own between its key and the line's end.
fn is_one_line(node: &Node) -> bool {
    matches!(node.style, Style::Plain | Style::Quoted) && node.span.end > node.span.start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(text: &str, target: &str) -> String {
        let target = parse(target, "target").unwrap().to_value();
        update_text(text, &target).unwrap()
    }

    #[test]
    fn touches_only_what_changes() {
        let text =
            "# head\na: 1   # one\nb: \"two\"\nlist:\n  - x   # first\n  - y: {k: 1, l: 2}\n";
        let out = updated(text, "{a: 5, b: two, list: [x, {y: {k: 1, l: [3]}}]}");
        assert_eq!(
            out,
            text.replace("a: 1 ", "a: 5 ").replace("l: 2", "l: [3]")
        );
    }

    #[test]
    fn adds_and_removes_keys() {
        let text = "outs:\n- md5: abc # keep\n  size: 3\n  path: x\nmeta: {a: 1}\n";
        let out = updated(
            text,
            "{outs: [{size: 4, path: x, hash: md5}], meta: {a: 1, b: x}, frozen: true}",
        );
        assert_eq!(
            out,
            "outs:\n- size: 4\n  path: x\n  hash: md5\nmeta: {a: 1, b: x}\nfrozen: true\n"
        );
        assert_eq!(updated("a: 1\nb: 2", "a: 1"), "a: 1");
        assert_eq!(
            updated("a: 1\nb:\n- 2\n", "{a: 1, b: [2], c: [3, {d: 4}]}"),
            "a: 1\nb:\n- 2\nc:\n- 3\n- d: 4\n"
        );
    }

    #[test]
    fn removes_neighbours_and_puts_others_in_their_place() {
        let text = "outs:\n- md5: abc\n  size: 3\n  n: 2 # of them\n  path: x # here\n- path: y\n";
        assert_eq!(
            updated(text, "{outs: [{path: x, files: [{a: 1}]}, {path: y}]}"),
            "outs:\n- path: x # here\n  files:\n  - a: 1\n- path: y\n"
        );
        let text = "a: 1 # one\ncloud:\n  old:\n    id: 1\n";
        assert_eq!(
            updated(text, "{a: 1, cloud: {new: {id: 2}}}"),
            "a: 1 # one\ncloud:\n  new:\n    id: 2\n"
        );
        assert_eq!(
            updated("a: 1 # one\nb: 2", "{a: 1, c: 3}"),
            "a: 1 # one\nc: 3"
        );
        assert_eq!(updated("a: 1\nb: 2\n", "{a: 1, c: 3}"), "a: 1\nc: 3\n");
    }

    #[test]
    fn replaces_collections_and_nothing() {
        assert_eq!(
            updated("a:  # none\nb: 2\n", "{a: 1, b: 2}"),
            "a: 1  # none\nb: 2\n"
        );
        assert_eq!(
            updated(
                "a:\n  - 1\n  - 2\nb: |\n  t\n\nc: 1\n",
                "{a: [1], b: u, c: 1}"
            ),
            "a:\n- 1\nb: u\n\nc: 1\n"
        );
        assert_eq!(updated("a: [1, 2]\n", "a: {b: [1]}"), "a:\n  b:\n  - 1\n");
        assert_eq!(updated("a:\n  b: 1\n", "a: 2"), "a: 2\n");
    }

    #[test]
    fn refuses_to_change_what_an_alias_shares() {
        let text = "base: &base\n  lr: 1\nx: *base\n";
        let root = parse(text, "").unwrap();
        assert_eq!(set_at(text, &root, &["base", "lr"], &Value::Int(2)), None);
        assert_eq!(set_at(text, &root, &["x", "lr"], &Value::Int(2)), None);
        let merged = "base: &b {lr: 1}\nx:\n  <<: *b\n  k: 1\n";
        let root = parse(merged, "").unwrap();
        assert_eq!(set_at(merged, &root, &["x", "lr"], &Value::Int(2)), None);
        let changed = set_at(merged, &root, &["x", "k"], &Value::Int(2)).unwrap();
        assert_eq!(changed, merged.replace("k: 1", "k: 2"));
    }
}
