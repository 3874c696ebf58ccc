//! Parameters in a Python file: what is assigned at its top, in its classes, and to `self` in a
//! class's `__init__`, where the value is a literal. Nothing is run.
//!
//! What counts is what DVC takes: whatever is no literal (a call, a name, an f-string) is passed
//! over. Tuples and sets are lists, as in `dvc.lock`.

use std::fmt::Write as _;
use std::ops::Range;

use indexmap::IndexMap;
use tree_sitter::{Node, Parser};

use super::read::position;
use crate::FormatError;
use crate::yaml::{Key, Value, python_repr};

/// Brackets in brackets: Python itself stops at about as many.
const DEEPEST: usize = 200;

/// A value, and where it is written.
#[derive(Debug, Clone)]
struct Literal {
    value: Value,
    range: Range<usize>,
    /// By key, or by place in a list.
    inner: IndexMap<Key, Self>,
}

type Names = IndexMap<Key, Literal>;

/// Reads the parameters of a Python file.
///
/// # Errors
///
/// Where the text is not Python.
pub(super) fn parse(file_name: &str, text: &str) -> Result<Value, FormatError> {
    Ok(to_value(&names(file_name, text)?))
}

/// Where the value under a dotted name is written, if it is there.
pub(super) fn range_of(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let names = names("", text).ok()?;
    let mut level = &names;
    let mut found = None;
    for step in path {
        let literal = level.get(*step).or_else(|| {
            level
                .iter()
                .find(|(key, _)| *key == *step)
                .map(|(_, found)| found)
        })?;
        level = &literal.inner;
        found = Some(literal.range.clone());
    }
    // A class has no value of its own.
    found.filter(|range| !range.is_empty())
}

/// A value as Python writes it.
pub(super) fn literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::BigInt(digits) => digits.clone(),
        Value::Float(number) if number.is_finite() => python_repr(*number),
        // There is no literal for these.
        Value::Float(_) | Value::Timestamp(_) => return None,
        Value::String(text) => quoted(text),
        Value::Sequence(items) => {
            let items: Vec<String> = items.iter().map(literal).collect::<Option<_>>()?;
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| {
                    Some(format!(
                        "{}: {}",
                        literal(&key.to_value())?,
                        literal(value)?
                    ))
                })
                .collect::<Option<_>>()?;
            format!("{{{}}}", entries.join(", "))
        }
    })
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for ch in text.chars() {
        match ch {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ch if ch == quote => {
                out.push('\\');
                out.push(ch);
            }
            ch if ch.is_control() => _ = write!(out, "\\U{:08x}", u32::from(ch)),
            ch => out.push(ch),
        }
    }
    out.push(quote);
    out
}

fn names(file_name: &str, text: &str) -> Result<Names, FormatError> {
    let broken = |message: &str, at: usize| {
        let (line, column) = position(text, at);
        FormatError::new(file_name, message).at(text, line, column)
    };
    let mut parser = Parser::new();
    let tree = parser
        .set_language(&tree_sitter_python::LANGUAGE.into())
        .ok()
        .and_then(|()| parser.parse(text, None))
        .ok_or_else(|| FormatError::new(file_name, "not valid Python"))?;
    let root = tree.root_node();
    if root.has_error() {
        return Err(broken("not valid Python", first_error(root)));
    }
    let mut names = Names::new();
    block(root, text, Targets::Names, 0, &mut names)
        .map_err(|at| broken("not valid Python: unexpected indent", at))?;
    Ok(names)
}

/// The byte where the first thing that is no Python stands.
fn first_error(root: Node<'_>) -> usize {
    let mut node = root;
    'deeper: loop {
        if node.is_error() || node.is_missing() {
            return node.start_byte();
        }
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            if child.has_error() || child.is_missing() {
                node = child;
                continue 'deeper;
            }
        }
        return node.start_byte();
    }
}

/// What is assigned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Targets {
    /// `name = …`, and `self.name = …` too: as DVC has it.
    Names,
    /// Only `self.name = …`.
    OfSelf,
}

/// Reads the statements of a block.
///
/// # Errors
///
/// The byte where a line is indented other than the first one, which the grammar lets pass.
fn block(
    node: Node<'_>,
    text: &str,
    targets: Targets,
    depth: usize,
    names: &mut Names,
) -> Result<(), usize> {
    if depth > DEEPEST {
        return Ok(());
    }
    let mut cursor = node.walk();
    let mut indent = None;
    for statement in node.named_children(&mut cursor) {
        if begins_line(statement, text) && statement.kind() != "comment" {
            let column = statement.start_position().column;
            if *indent.get_or_insert(column) != column {
                return Err(statement.start_byte());
            }
        }
        let inside = match statement.kind() {
            "decorated_definition" => statement.child_by_field_name("definition"),
            _ => None,
        };
        let statement = inside.unwrap_or(statement);
        match statement.kind() {
            "expression_statement" => {
                let assignment = statement.named_child(0);
                if let Some(assignment) = assignment.filter(|node| node.kind() == "assignment") {
                    names.extend(assigned(assignment, text, targets));
                }
            }
            "class_definition" => {
                let (Some(name), Some(body)) = parts(statement) else {
                    continue;
                };
                let mut inner = Names::new();
                block(body, text, Targets::Names, depth + 1, &mut inner)?;
                let class = Literal {
                    value: to_value(&inner),
                    range: 0..0,
                    inner,
                };
                names.insert(Key::from(&text[name.byte_range()]), class);
            }
            "function_definition" => {
                if let (Some(name), Some(body)) = parts(statement)
                    && &text[name.byte_range()] == "__init__"
                    && statement
                        .child(0)
                        .is_some_and(|first| first.kind() != "async")
                {
                    block(body, text, Targets::OfSelf, depth + 1, names)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn begins_line(node: Node<'_>, text: &str) -> bool {
    let before = text.get(..node.start_byte()).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.trim().is_empty()
}

fn parts(node: Node<'_>) -> (Option<Node<'_>>, Option<Node<'_>>) {
    (
        node.child_by_field_name("name"),
        node.child_by_field_name("body"),
    )
}

/// The name and the literal of an assignment to one name.
fn assigned(node: Node<'_>, text: &str, targets: Targets) -> Option<(Key, Literal)> {
    let left = node.child_by_field_name("left")?;
    let right = node.child_by_field_name("right")?;
    let name = match left.kind() {
        "identifier" if targets == Targets::Names => left,
        "attribute" => {
            let object = left.child_by_field_name("object")?;
            if &text[object.byte_range()] != "self" {
                return None;
            }
            left.child_by_field_name("attribute")?
        }
        _ => return None,
    };
    let key = Key::from(&text[name.byte_range()]);
    Some((key, read(right, text, 0)?))
}

/// What Python's `ast.literal_eval` makes of an expression; none where it refuses.
fn read(node: Node<'_>, text: &str, depth: usize) -> Option<Literal> {
    if depth > DEEPEST {
        return None;
    }
    let written = &text[node.byte_range()];
    let scalar = |value| {
        Some(Literal {
            value,
            range: node.byte_range(),
            inner: Names::new(),
        })
    };
    match node.kind() {
        "none" => scalar(Value::Null),
        "true" => scalar(Value::Bool(true)),
        "false" => scalar(Value::Bool(false)),
        "integer" => scalar(integer(written)?),
        "float" => scalar(float(written)?),
        "string" | "concatenated_string" => scalar(Value::String(string(node, text)?)),
        "unary_operator" => {
            let inner = read(node.child_by_field_name("argument")?, text, depth + 1)?;
            let negative = match node.child_by_field_name("operator")?.kind() {
                "-" => true,
                "+" => false,
                _ => return None,
            };
            scalar(signed(inner.value, negative)?)
        }
        "parenthesized_expression" => read(only(node)?, text, depth + 1),
        "list" | "tuple" | "set" | "expression_list" => {
            let mut inner = Names::new();
            let mut items = Vec::new();
            let mut cursor = node.walk();
            for item in node.named_children(&mut cursor) {
                if item.kind() == "comment" {
                    continue;
                }
                let item = read(item, text, depth + 1)?;
                items.push(item.value.clone());
                inner.insert(Key::from(inner.len().to_string().as_str()), item);
            }
            Some(Literal {
                value: Value::Sequence(items),
                range: node.byte_range(),
                inner,
            })
        }
        "dictionary" => {
            let mut inner = Names::new();
            let mut cursor = node.walk();
            for pair in node.named_children(&mut cursor) {
                match pair.kind() {
                    "comment" => continue,
                    "pair" => {}
                    _ => return None,
                }
                let key = read(pair.child_by_field_name("key")?, text, depth + 1)?;
                let value = read(pair.child_by_field_name("value")?, text, depth + 1)?;
                inner.insert(Key::from_scalar(key.value)?, value);
            }
            Some(Literal {
                value: to_value(&inner),
                range: node.byte_range(),
                inner,
            })
        }
        _ => None,
    }
}

fn to_value(names: &Names) -> Value {
    let entries = names.iter();
    Value::Mapping(
        entries
            .map(|(key, literal)| (key.clone(), literal.value.clone()))
            .collect(),
    )
}

/// The one expression in brackets.
fn only(node: Node<'_>) -> Option<Node<'_>> {
    let mut cursor = node.walk();
    let mut inside = node
        .named_children(&mut cursor)
        .filter(|child| child.kind() != "comment");
    let first = inside.next();
    if inside.next().is_some() { None } else { first }
}

fn integer(written: &str) -> Option<Value> {
    let digits = written.replace('_', "");
    let radix = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ => 10,
    };
    if radix == 10 {
        if let Ok(number) = digits.parse() {
            return Some(Value::Int(number));
        }
        // An imaginary number is one too, to the grammar.
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        return is_number.then(|| Value::BigInt(digits.trim_start_matches('0').to_owned()));
    }
    let number = u128::from_str_radix(digits.get(2..)?, radix).ok()?;
    Some(match i64::try_from(number) {
        Ok(number) => Value::Int(number),
        Err(_) => Value::BigInt(number.to_string()),
    })
}

fn float(written: &str) -> Option<Value> {
    let digits = written.replace('_', "");
    digits.parse().ok().map(Value::Float)
}

fn signed(value: Value, negative: bool) -> Option<Value> {
    Some(match value {
        Value::Int(number) if negative => Value::Int(number.checked_neg()?),
        Value::Float(number) if negative => Value::Float(-number),
        // The smallest integer is one less than the greatest, negated.
        Value::BigInt(digits) if negative => match format!("-{digits}").parse() {
            Ok(number) => Value::Int(number),
            Err(_) => Value::BigInt(format!("-{digits}")),
        },
        Value::Int(_) | Value::Float(_) | Value::BigInt(_) => value,
        _ => return None,
    })
}

/// A string, or several beside each other.
fn string(node: Node<'_>, text: &str) -> Option<String> {
    if node.kind() == "concatenated_string" {
        let mut cursor = node.walk();
        return node
            .named_children(&mut cursor)
            .filter(|child| child.kind() != "comment")
            .map(|child| string(child, text))
            .collect();
    }
    let mut cursor = node.walk();
    let mut raw = false;
    let mut out = String::new();
    for part in node.children(&mut cursor) {
        let written = &text[part.byte_range()];
        match part.kind() {
            "string_start" => {
                let prefix = written.trim_end_matches(['"', '\'']).to_ascii_lowercase();
                if prefix.contains(['b', 'f', 't']) {
                    return None;
                }
                raw = prefix.contains('r');
            }
            "string_content" if raw => out.push_str(written),
            "string_content" => unescape(written, &mut out)?,
            "string_end" => {}
            _ => return None,
        }
    }
    Some(out)
}

fn unescape(written: &str, out: &mut String) -> Option<()> {
    let mut rest = written;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let escape = rest.chars().next()?;
        let mut taken = escape.len_utf8();
        let mut code = |length: usize| -> Option<char> {
            let digits = rest.get(1..=length)?;
            taken = length + 1;
            char::from_u32(u32::from_str_radix(digits, 16).ok()?)
        };
        match escape {
            '\n' => {}
            '\\' | '\'' | '"' => out.push(escape),
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            'f' => out.push('\x0c'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\x0b'),
            'x' => out.push(code(2)?),
            'u' => out.push(code(4)?),
            'U' => out.push(code(8)?),
            // A name out of Unicode's list, which nobody has here.
            'N' => return None,
            '0'..='7' => {
                let digits: String = rest
                    .chars()
                    .take(3)
                    .take_while(|ch| ('0'..='7').contains(ch))
                    .collect();
                taken = digits.len();
                out.push(char::from_u32(u32::from_str_radix(&digits, 8).ok()?)?);
            }
            other => {
                out.push('\\');
                out.push(other);
            }
        }
        rest = &rest[taken..];
    }
    out.push_str(rest);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{lookup, set_in_text};

    const TEXT: &str = r#"# Settings.
import os
LR = 0.1
EPOCHS: int = 1_000  # many
NAME = 'a' "b\n" r'\d'
DEPTH = -0x1F
LAYERS = [64, (32, 16), {8}]
MODEL = {'kind': "rf", 'sizes': [1, 2], 5: None}
HOME = os.environ['HOME']
F = f"x{LR}"
A = B = 1
A, B = 1, 2

class Train:
    batch = 2**3
    seed = 42
    class Inner:
        on = True
    def __init__(self, x):
        self.rate = 1e-5
        local = 1
        self.y = x
    def other(self):
        self.z = 5
"#;

    #[test]
    fn literals_are_read_and_nothing_is_run() {
        let value = parse("p.py", TEXT).unwrap();
        let expected = crate::yaml::parse(
            "{LR: 0.1, EPOCHS: 1000, NAME: \"ab\\n\\\\d\", DEPTH: -31, LAYERS: [64, [32, 16], [8]], MODEL: {kind: rf, sizes: [1, 2], 5: null}, Train: {seed: 42, Inner: {on: true}, rate: 1.0e-05}}",
            "",
        )
        .unwrap()
        .to_value();
        assert_eq!(value, expected);
        assert_eq!(lookup(&value, "Train.Inner.on"), Some(&Value::Bool(true)));
    }

    #[test]
    fn a_value_is_set_where_it_stands() {
        let set = |name: &str, value: Value| set_in_text("p.py", TEXT, name, &value).unwrap();
        assert_eq!(
            set("LR", Value::Float(0.5)),
            TEXT.replace("LR = 0.1", "LR = 0.5")
        );
        assert_eq!(set("EPOCHS", Value::Int(7)), TEXT.replace("1_000", "7"));
        assert_eq!(
            set("MODEL.kind", Value::from("it's")),
            TEXT.replace("\"rf\"", "\"it's\"")
        );
        assert_eq!(
            set("Train.rate", Value::Float(2e-6)),
            TEXT.replace("1e-5", "2e-06")
        );
        assert_eq!(
            set("LAYERS.1.0", Value::Null),
            TEXT.replace("(32, 16)", "(None, 16)")
        );
        assert_eq!(
            set("Train.Inner.on", Value::from(vec![Value::Bool(false)])),
            TEXT.replace("on = True", "on = [False]")
        );
        assert!(set_in_text("p.py", TEXT, "Train", &Value::Int(1)).is_err());
        assert!(set_in_text("p.py", TEXT, "GONE", &Value::Int(1)).is_err());
    }

    #[test]
    fn what_is_no_python_is_pointed_at() {
        let error = parse("p.py", "A = 1\nB = = 2\n").unwrap_err();
        assert_eq!(
            (error.line(), error.message()),
            (Some(2), "not valid Python")
        );
        assert_eq!(parse("p.py", "").unwrap(), Value::Mapping(IndexMap::new()));
        for nested in ["[", "(", "{'a': "] {
            // Too deep is passed over, or no Python; but it ends.
            _ = parse("p.py", &format!("A = {}", nested.repeat(20_000)));
        }
        let deep = format!("A = {}{}\nB = 1\n", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(
            parse("p.py", &deep).unwrap(),
            Value::Mapping([("B".into(), Value::Int(1))].into())
        );
    }

    #[test]
    fn strings_read_as_python_reads_them() {
        let read = |text: &str| match parse("p.py", &format!("A = {text}")) {
            Ok(value) => lookup(&value, "A").cloned(),
            Err(_) => None,
        };
        for (text, expected) in [
            (r"'\x41\u00e9\U0001F600\101\0'", Some("A\u{e9}\u{1f600}A\0")),
            ("'''a\n b'''", Some("a\n b")),
            (
                r"'a\
b'",
                Some("ab"),
            ),
            (r"'\q\'\\'", Some(r"\q'\")),
            ("u'x'", Some("x")),
            ("('a'\n 'b')", Some("ab")),
            ("b'x'", None),
            (r"'\N{BULLET}'", None),
            ("f'x'", None),
        ] {
            assert_eq!(read(text), expected.map(Value::from), "{text}");
        }
        for value in ["it's", "\"", "'\"", "a\\n\n\t\u{1}é"] {
            let text = literal(&Value::from(value)).unwrap();
            assert_eq!(read(&text), Some(Value::from(value)), "{text}");
        }
        assert_eq!(
            read("12345678901234567890"),
            Some(Value::BigInt("12345678901234567890".into()))
        );
        assert_eq!(read("-9223372036854775808"), Some(Value::Int(i64::MIN)));
        assert_eq!(read("1j"), None);
        assert_eq!(read("00"), Some(Value::Int(0)));
    }
}
