//! How a string is written: plain, in single or in double quotes.
//!
//! ruamel.yaml 0.19's choices for a string that carries no style of its own.

use super::resolve::{PlainTag, plain_tag};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    None,
    Single,
    Double,
}

/// Where a string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// In a block collection.
    Block,
    /// As a key that stands on one line.
    SimpleKey,
    /// Inside `[…]` or `{…}`.
    Flow,
}

/// The line breaks of YAML 1.1 that ruamel still treats as such (a carriage return is not one).
pub(super) fn is_break(ch: char) -> bool {
    matches!(ch, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn has_break(text: &str) -> bool {
    text.contains(is_break)
}

/// Whether the character may stand in a text without an escape (line breaks included).
pub(super) fn is_printable(ch: char) -> bool {
    matches!(
        ch,
        '\n' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..
    ) && ch != '\u{feff}'
}

/// The quotes a string gets.
pub(super) fn quotes(text: &str, context: Context) -> Quotes {
    if is_plain(text, context) {
        return Quotes::None;
    }
    if text.contains(['\'', '\n']) {
        return Quotes::Double;
    }
    let mut previous_space = false;
    let mut previous_break = false;
    for ch in text.chars() {
        // Folding would eat a blank beside a line break.
        let blank_at_break = (ch == ' ' && previous_break) || (is_break(ch) && previous_space);
        if !is_printable(ch) || blank_at_break {
            return Quotes::Double;
        }
        previous_space = ch == ' ';
        previous_break = is_break(ch);
    }
    if context == Context::SimpleKey && has_break(text) {
        return Quotes::Double;
    }
    Quotes::Single
}

fn is_plain(text: &str, context: Context) -> bool {
    if plain_tag(text) != PlainTag::Text
        || text.starts_with("---")
        || text.starts_with("...")
        || text.starts_with(' ')
        || text.ends_with(' ')
    {
        return false;
    }
    let is_gap = |ch: char| matches!(ch, '\0' | ' ' | '\t' | '\r') || is_break(ch);
    let mut previous_gap = true;
    let mut chars = text.chars().peekable();
    let mut first = true;
    while let Some(ch) = chars.next() {
        let next_gap = chars.peek().copied().is_none_or(is_gap);
        let indicator = if first {
            matches!(
                ch,
                '#' | ','
                    | '['
                    | ']'
                    | '{'
                    | '}'
                    | '&'
                    | '*'
                    | '!'
                    | '|'
                    | '>'
                    | '\''
                    | '"'
                    | '%'
                    | '@'
                    | '`'
            ) || (matches!(ch, '?' | ':' | '-') && next_gap)
        } else {
            (ch == ':' && next_gap) || (ch == '#' && previous_gap)
        };
        // `a:b` is text in a block; inside `{…}` other readers may see a key.
        let flow_indicator = context == Context::Flow
            && (matches!(ch, ',' | '[' | ']' | '{' | '}' | '?') || ch == ':');
        if indicator || flow_indicator || is_break(ch) || !is_printable(ch) {
            return false;
        }
        previous_gap = is_gap(ch);
        first = false;
    }
    true
}
