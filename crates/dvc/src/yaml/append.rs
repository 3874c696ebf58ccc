//! Adds one item to a list in a YAML text, whose other bytes stay.

use indexmap::IndexMap;

use super::edit::update_text;
use super::emit::{emit_collection, emit_entry};
use super::node::{Node, Style};
use super::parse::{BLANKS, parse};
use super::{Key, Value, emit_readable};

/// The text with `item` at the end of the list at the top-level key `key`, which is made where it
/// is not there. A list in brackets (`[…]`) is written anew, line by line. None where there is
/// something else than a list, or the text is no mapping.
pub fn append_to(text: &str, key: &str, item: &Value) -> Option<String> {
    let root = parse(text, "").ok()?;
    let mut target = match root.to_value() {
        Value::Null => Value::Mapping(IndexMap::new()),
        mapping @ Value::Mapping(_) => mapping,
        _ => return None,
    };
    let Value::Mapping(entries) = &mut target else {
        return None;
    };
    let name = Key::from(key);
    let list = entries
        .entry(name.clone())
        .or_insert_with(|| Value::Sequence(Vec::new()));
    if *list == Value::Null {
        *list = Value::Sequence(Vec::new());
    }
    let Value::Sequence(items) = list else {
        return None;
    };
    items.push(item.clone());

    let edited = if let Some(list) = root.get(key) {
        match list.items() {
            Some([.., last]) if list.style() == Style::Block => behind(text, last, list, item),
            _ => update_text(text, &target),
        }
    } else if root.is_null() {
        // What is there are comments.
        Some(with_end(text) + &emit_readable(&target))
    } else if root.style() == Style::Block {
        let entry = emit_entry(&name, &Value::Sequence(vec![item.clone()]), 0);
        Some(with_end(text) + &entry + "\n")
    } else {
        update_text(text, &target)
    };
    // An edit that went wrong is none.
    edited.filter(|text| parse(text, "").is_ok_and(|read| read.to_value().is_same(&target)))
}

/// One more item below the last one, with its dash in the same column.
fn behind(text: &str, last: &Node, list: &Node, item: &Value) -> Option<String> {
    let written = text.get(last.span().start..last.span().end)?;
    let end = last.span().start + written.trim_end_matches(BLANKS).len();
    // A comment may follow on the line.
    let end = text[end..]
        .find('\n')
        .map_or(text.len(), |length| end + length);
    let indent = list.span().column - 1;
    let one = Value::Sequence(vec![item.clone()]);
    let (before, after) = text.split_at(end);
    Some(format!(
        "{before}\n{}{}{after}",
        " ".repeat(indent),
        emit_collection(&one, indent)
    ))
}

fn with_end(text: &str) -> String {
    let mut text = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(text: &str) -> Option<String> {
        let item = parse("{repo: x, hooks: [{id: a}]}", "").unwrap().to_value();
        append_to(text, "repos", &item)
    }

    const ITEM: &str = "- repo: x\n  hooks:\n  - id: a\n";

    #[test]
    fn what_is_there_keeps_its_bytes() {
        let text =
            "# top\nrepos:   # all\n-   repo: foo\n    rev: 1 # keep\n# behind\nci: {x: 1}\n";
        assert_eq!(
            appended(text).unwrap(),
            text.replace("# keep\n", &format!("# keep\n{ITEM}"))
        );
        let indented = "repos:\n  - repo: foo\n    hooks:\n      - id: 1\n\n\nci: 1\n";
        assert_eq!(
            appended(indented).unwrap(),
            "repos:\n  - repo: foo\n    hooks:\n      - id: 1\n  - repo: x\n    hooks:\n    - id: a\n\n\nci: 1\n"
        );
        assert_eq!(
            appended("repos:\n- repo: foo").unwrap(),
            format!("repos:\n- repo: foo\n{}", ITEM.trim_end())
        );
    }

    #[test]
    fn a_list_that_is_not_there_is_made() {
        let made = format!("repos:\n{ITEM}");
        for text in ["", "repos: []\n", "repos:\n"] {
            let appended = appended(text).unwrap_or_else(|| panic!("{text:?}"));
            assert_eq!(appended, made, "{text:?}");
        }
        assert_eq!(appended("# a\n").unwrap(), format!("# a\n{made}"));
        assert_eq!(appended("ci: 1").unwrap(), format!("ci: 1\n{made}"));
        assert!(
            appended("repos: [{repo: y}]\n")
                .unwrap()
                .contains("repo: y")
        );
    }

    #[test]
    fn what_is_no_list_is_left_alone() {
        for text in [
            "repos: 5\n",
            "- a\n",
            "5\n",
            "repos: [\n",
            "a: &a [1]\nrepos: *a\n",
        ] {
            assert_eq!(appended(text), None, "{text:?}");
        }
    }
}
