//! Writes YAML with DVC's bytes.
//!
//! The style is that of ruamel.yaml 0.18.16 to 0.19.1 with the settings DVC uses: two columns for
//! a level, dashes at the column of their key, lines of 80 columns, no `---`. The rules are in no
//! standard: they were measured, and the tests hold them against recorded output and, where DVC
//! is installed, against DVC itself.

use indexmap::IndexMap;

use super::float::python_repr;
use super::scalar::{Context, Quotes, has_break, is_break, is_printable, quotes};
use super::{Key, Value};

const WIDTH: usize = 80;
const STEP: usize = 2;
/// A longer key is written as `? key`. ruamel counts the tag `!!str` in its 128 columns.
const SIMPLE_KEY_LIMIT: usize = 128 - 5;

/// Writes a document with DVC's bytes: final newline, no `---`.
///
/// DVC's writer has faults: it folds a long key with blanks in it (which no reader accepts), folds
/// plain text at a run of blanks (which reads back as one blank), folds double-quoted text behind
/// an escape (which reads back with a blank too many), and writes the line breaks U+0085, U+2028
/// and U+2029 raw (which YAML 1.2 readers do not take for breaks). This function has them too;
/// [`emit_readable`] does not.
pub fn emit(value: &Value) -> String {
    document(value, Writer::new(Care::SameBytes)).out
}

/// Writes a document as [`emit`] does, but for texts that DVC's writer would spoil.
///
/// What comes out always reads back as the same value, here and in DVC.
pub fn emit_readable(value: &Value) -> String {
    let writer = document(value, Writer::new(Care::SameBytes));
    if writer.spoiled {
        document(value, Writer::new(Care::Readable)).out
    } else {
        writer.out
    }
}

fn document(value: &Value, mut writer: Writer) -> Writer {
    match value {
        // On its own, an empty document would read back as nothing too, but say so.
        Value::Null => writer.put("null"),
        _ => writer.node(value, Place::Root),
    }
    writer.end();
    writer
}

/// One `key: value` whose key stands in column `indent`; the first line has no indentation and
/// the last no line break.
pub(super) fn emit_entry(key: &Key, value: &Value, indent: usize) -> String {
    let entries = IndexMap::from([(key.clone(), value.clone())]);
    emit_part(indent, |writer| writer.entries(&entries))
}

/// A block collection whose items or keys stand in column `indent`, as [`emit_entry`] does it.
pub(super) fn emit_collection(value: &Value, indent: usize) -> String {
    emit_part(indent, |writer| match value {
        Value::Mapping(entries) if !entries.is_empty() => writer.entries(entries),
        Value::Sequence(items) if !items.is_empty() => writer.items(items),
        other => writer.put(&emit_inline(other, Context::Block)),
    })
}

fn emit_part(indent: usize, write: impl FnOnce(&mut Writer)) -> String {
    let mut writer = Writer::new(Care::Readable);
    writer.indent = Some(indent);
    write(&mut writer);
    writer.end();
    // Only the indentation and the line break: a blank before a fold is inside.
    let text = writer.out.trim_start_matches(' ');
    text.strip_suffix('\n').unwrap_or(text).to_owned()
}

/// Writes a value on one line, to stand inside `[…]`, `{…}` or behind a `key:`.
pub(super) fn emit_inline(value: &Value, context: Context) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => {
            let mut writer = Writer::new(Care::Readable);
            match quotes(text, context) {
                // One line it must be: a break gets an escape.
                _ if has_break(text) => writer.double_quoted(text, false),
                Quotes::None => writer.put(text),
                Quotes::Single => writer.single_quoted(text, false),
                Quotes::Double => writer.double_quoted(text, false),
            }
            writer.out
        }
        Value::Sequence(items) => {
            let items: Vec<_> = items
                .iter()
                .map(|v| emit_inline(v, Context::Flow))
                .collect();
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| {
                    let key = emit_inline(&key.to_value(), Context::Flow);
                    format!("{key}: {}", emit_inline(value, Context::Flow))
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => plain_text(other),
    }
}

/// A value that never needs quotes. Null is written as nothing.
fn plain_text(value: &Value) -> String {
    match value {
        Value::Bool(true) => "true".to_owned(),
        Value::Bool(false) => "false".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::BigInt(text) | Value::Timestamp(text) => text.clone(),
        Value::Float(number) if number.is_finite() => python_repr(*number),
        Value::Float(number) if number.is_nan() => ".nan".to_owned(),
        Value::Float(number) => if *number > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        Value::Null | Value::String(_) | Value::Sequence(_) | Value::Mapping(_) => String::new(),
    }
}

/// What a node is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    /// Behind `key:`, or behind the `?` or `:` of a key that needs its own line.
    MappingPart,
    SimpleKey,
}

/// What counts more where DVC's writer is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Care {
    SameBytes,
    Readable,
}

struct Writer {
    care: Care,
    /// Whether something was written that does not read back.
    spoiled: bool,
    out: String,
    column: usize,
    /// Column of the current block; none before the first one.
    indent: Option<usize>,
    /// Whether a blank (or nothing) was written last, so that an indicator needs none before it.
    after_blank: bool,
    /// Whether the line has only blanks, dashes and `?`/`:` marks so far.
    at_line_start: bool,
}

impl Writer {
    fn new(care: Care) -> Self {
        Self {
            care,
            spoiled: false,
            out: String::new(),
            column: 0,
            indent: None,
            after_blank: true,
            at_line_start: true,
        }
    }

    fn end(&mut self) {
        if self.column > 0 {
            self.line_break('\n');
        }
    }

    /// Whether to do what DVC does although it does not read back.
    fn spoils(&mut self) -> bool {
        self.spoiled = true;
        self.care == Care::SameBytes
    }

    fn node(&mut self, value: &Value, place: Place) {
        match value {
            Value::Sequence(items) if items.is_empty() => self.empty("[", "]"),
            Value::Mapping(entries) if entries.is_empty() => self.empty("{", "}"),
            Value::Sequence(items) => self.sequence(items, place),
            Value::Mapping(entries) => self.deeper(|writer| writer.entries(entries)),
            _ => self.scalar(value, place),
        }
    }

    /// Runs `write` one level deeper.
    fn deeper(&mut self, write: impl FnOnce(&mut Self)) {
        let outer = self.indent;
        self.indent = Some(outer.map_or(0, |column| column + STEP));
        write(self);
        self.indent = outer;
    }

    fn empty(&mut self, open: &str, close: &str) {
        self.indicator(open, true, false);
        self.indicator(close, false, false);
        self.line_break('\n');
    }

    fn sequence(&mut self, items: &[Value], place: Place) {
        // Behind `key:` the dashes stand in the key's own column.
        if place == Place::MappingPart && !self.at_line_start {
            self.items(items);
        } else {
            self.deeper(|writer| writer.items(items));
        }
    }

    fn items(&mut self, items: &[Value]) {
        for item in items {
            self.start_block_line();
            self.indicator("-", true, true);
            self.node(item, Place::Item);
        }
    }

    fn entries(&mut self, entries: &IndexMap<Key, Value>) {
        for (key, value) in entries {
            self.start_block_line();
            let name = key.to_value();
            if key.chars().count() < SIMPLE_KEY_LIMIT && !has_break(key) {
                self.node(&name, Place::SimpleKey);
                self.indicator(":", false, false);
            } else {
                self.indicator("?", true, true);
                self.node(&name, Place::MappingPart);
                self.start_block_line();
                self.indicator(":", true, true);
            }
            self.node(value, Place::MappingPart);
        }
    }

    fn scalar(&mut self, value: &Value, place: Place) {
        self.deeper(|writer| {
            if place == Place::Item {
                writer.start_block_line();
            }
            let may_split = place != Place::SimpleKey;
            let Value::String(text) = value else {
                // A null is written as nothing, but not where a key must stand.
                if place == Place::SimpleKey && matches!(value, Value::Null) {
                    return writer.plain("null", may_split);
                }
                return writer.plain(&plain_text(value), may_split);
            };
            let context = if may_split {
                Context::Block
            } else {
                Context::SimpleKey
            };
            match quotes(text, context) {
                Quotes::None => writer.plain(text, may_split),
                Quotes::Single if has_break(text) && !writer.spoils() => {
                    writer.double_quoted(text, may_split);
                }
                Quotes::Single => writer.single_quoted(text, may_split),
                Quotes::Double => writer.double_quoted(text, may_split),
            }
        });
    }

    fn put(&mut self, text: &str) {
        self.column += text.chars().count();
        self.out.push_str(text);
    }

    fn put_chars(&mut self, chars: &[char]) {
        self.column += chars.len();
        self.out.extend(chars);
    }

    fn line_break(&mut self, ch: char) {
        self.out.push(ch);
        self.column = 0;
        self.after_blank = true;
        self.at_line_start = true;
    }

    fn indicator(&mut self, mark: &str, needs_blank: bool, keeps_line_start: bool) {
        if needs_blank && !self.after_blank {
            self.put(" ");
        }
        self.put(mark);
        self.after_blank = false;
        self.at_line_start &= keeps_line_start;
    }

    /// Moves to the column of the current block, on a new line unless this one is still free.
    fn start_block_line(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.at_line_start
            || self.column > indent
            || (self.column == indent && !self.after_blank)
        {
            self.line_break('\n');
        }
        if self.column < indent {
            self.after_blank = true;
            let blanks = " ".repeat(indent - self.column);
            self.put(&blanks);
        }
    }

    /// A folded line inside a scalar: what follows is text, not a new block.
    fn fold(&mut self) {
        self.start_block_line();
        self.after_blank = false;
        self.at_line_start = false;
    }

    /// A blank at the fold stays at the end of its line, when a word does not fit; when the line
    /// is full already, the blank becomes the fold.
    fn plain(&mut self, text: &str, may_split: bool) {
        if text.is_empty() {
            return;
        }
        if !self.after_blank {
            self.put(" ");
        }
        self.after_blank = false;
        self.at_line_start = false;
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        let mut blanks_before = 1;
        while at < chars.len() {
            let blank = chars[at] == ' ';
            let length = chars[at..]
                .iter()
                .take_while(|ch| (**ch == ' ') == blank)
                .count();
            let piece = &chars[at..at + length];
            if blank {
                if length == 1 && self.column >= WIDTH && may_split {
                    self.fold();
                } else {
                    self.put_chars(piece);
                }
            } else {
                let too_wide =
                    self.column + length > WIDTH && self.indent.is_some_and(|i| self.column > i);
                if too_wide && ((may_split && blanks_before == 1) || self.spoils()) {
                    self.start_block_line();
                }
                self.put_chars(piece);
            }
            blanks_before = length;
            at += length;
        }
    }

    fn single_quoted(&mut self, text: &str, may_split: bool) {
        self.indicator("'", true, false);
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        while at < chars.len() {
            let run =
                |wanted: fn(char) -> bool| chars[at..].iter().take_while(|ch| wanted(**ch)).count();
            let first = chars[at];
            if first == ' ' {
                let length = run(|ch| ch == ' ');
                let inside = at > 0 && at + length < chars.len();
                if length == 1 && self.column > WIDTH && may_split && inside {
                    self.start_block_line();
                } else {
                    self.put_chars(&chars[at..at + length]);
                }
                at += length;
            } else if is_break(first) {
                let length = run(is_break);
                for ch in &chars[at..at + length] {
                    self.line_break(*ch);
                }
                self.start_block_line();
                at += length;
            } else if first == '\'' {
                self.put("''");
                at += 1;
            } else {
                let length = run(|ch| ch != ' ' && ch != '\'' && !is_break(ch));
                self.put_chars(&chars[at..at + length]);
                at += length;
            }
        }
        self.indicator("'", false, false);
    }

    fn double_quoted(&mut self, text: &str, may_split: bool) {
        self.indicator("\"", true, false);
        let chars: Vec<char> = text.chars().collect();
        // `chars[start..at]` is still to be written; `start` is one ahead after an escape.
        let mut start = 0;
        for at in 0..chars.len() {
            let ch = chars[at];
            if let Some(escape) = escape(ch) {
                if start < at {
                    self.put_chars(&chars[start..at]);
                }
                self.put(&escape);
                start = at + 1;
            }
            let foldable = at > 0 && at + 1 < chars.len() && (ch == ' ' || start >= at);
            // Behind an escape `start` is one ahead, and DVC counts one column less.
            if may_split && foldable && self.column + at > WIDTH + start {
                let mut backslash = fold_needs_backslash(&chars, start, at);
                if !backslash && chars[start.max(at)] != ' ' && !self.spoils() {
                    backslash = true;
                }
                if start < at {
                    self.put_chars(&chars[start..at]);
                    start = at;
                }
                if backslash {
                    self.put("\\");
                }
                self.fold();
                if chars[start] == ' ' {
                    if backslash {
                        self.put("\\");
                    } else {
                        // Reading turns the fold back into this blank.
                        start += 1;
                    }
                }
            }
        }
        if start < chars.len() {
            self.put_chars(&chars[start..]);
        }
        self.indicator("\"", false, false);
    }
}

/// Whether a fold at `at` must be escaped, because reading would not give one blank back.
fn fold_needs_backslash(chars: &[char], start: usize, at: usize) -> bool {
    let Some(blank) = (at..chars.len()).find(|index| chars[*index] == ' ') else {
        return true;
    };
    let stop = (at..blank)
        .find(|index| chars[*index] == '\n')
        .unwrap_or(blank);
    let Some(next) = chars.get(stop + 1) else {
        return true;
    };
    if chars[stop] == '\n' && *next != ' ' {
        return true;
    }
    let quoted = chars[at..stop].iter().any(|ch| matches!(ch, '"' | '\''));
    let two_blanks = chars[at] == ' ' && at > 0 && chars[at - 1] == ' ';
    quoted || matches!(next, ' ' | '\n') || two_blanks || start == at
}

/// How a character is written in double quotes, if not as itself.
fn escape(ch: char) -> Option<String> {
    let letter = match ch {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ if is_printable(ch) => return None,
        _ => {
            let code = u32::from(ch);
            return Some(match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            });
        }
    };
    Some(format!("\\{letter}"))
}
