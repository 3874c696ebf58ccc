//! Where a text has `${…}`, and what is between the braces.

/// One `${…}` of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match<'t> {
    /// Byte offset of the `$`.
    pub(super) start: usize,
    /// Byte offset behind the `}`.
    pub(super) end: usize,
    /// What is between the braces.
    pub(super) inner: &'t str,
}

/// What an expression names: `train.layers[0]` is `train`, `layers`, `0`.
pub(super) type Steps<'t> = Vec<&'t str>;

/// Every `${…}` on one line that no backslash stands before, as DVC's pattern
/// `(?<!\\)\${(.*?)}` finds them.
pub(super) fn matches(text: &str) -> Vec<Match<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find("${").map(|at| from + at) {
        let inside = start + 2;
        let line_end = text[inside..]
            .find('\n')
            .map_or(text.len(), |at| inside + at);
        let close = text[inside..line_end].find('}').map(|at| inside + at);
        match close {
            Some(close) if !text[..start].ends_with('\\') => {
                found.push(Match {
                    start,
                    end: close + 1,
                    inner: &text[inside..close],
                });
                from = close + 1;
            }
            _ => from = inside,
        }
    }
    found
}

/// Whether a text has a `${…}` that stands for something.
pub(super) fn is_template(text: &str) -> bool {
    !matches(text).is_empty()
}

/// The steps of an expression: words with `.` between them, or in brackets.
///
/// # Errors
///
/// What is wrong, and how many bytes from the start.
pub(super) fn parse(inner: &str) -> Result<Steps<'_>, (usize, &'static str)> {
    let word_end = |from: usize| {
        inner[from..]
            .find(['.', '[', ']'])
            .map_or(inner.len(), |at| from + at)
    };
    let mut steps = Vec::new();
    let mut at = word_end(0);
    if inner[..at].trim().is_empty() {
        return Err((0, "a name is missing"));
    }
    steps.push(inner[..at].trim());
    while at < inner.len() {
        let in_brackets = match inner.as_bytes().get(at) {
            Some(b'.') => false,
            Some(b'[') => true,
            _ => return Err((at, "there is no `[` before this `]`")),
        };
        let start = at + 1;
        let end = word_end(start);
        let word = inner[start..end].trim();
        if word.is_empty() {
            return Err((start, "a name is missing"));
        }
        steps.push(word);
        at = end;
        if in_brackets {
            if inner.as_bytes().get(at) != Some(&b']') {
                return Err((at, "a `]` is missing"));
            }
            at += 1;
            // A bracket ends a step; blanks behind it mean nothing.
            at += inner[at..].len() - inner[at..].trim_start().len();
            if at < inner.len() && !matches!(inner.as_bytes().get(at), Some(b'.' | b'[')) {
                return Err((at, "a `.` is missing"));
            }
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_to_be_replaced() {
        let found = |text: &'static str| -> Vec<&str> {
            matches(text).into_iter().map(|found| found.inner).collect()
        };
        assert_eq!(found("a ${b} ${c.d}${e}"), ["b", "c.d", "e"]);
        assert_eq!(found(r"\${a} ${b}"), ["b"]);
        assert_eq!(found("${a\n} $b {c} ${d"), Vec::<&str>::new());
        assert_eq!(found("${a ${b}"), ["a ${b"]);
        assert_eq!(found("é${ü}"), ["ü"]);
        assert_eq!(found("${}"), [""]);
    }

    #[test]
    fn reads_steps() {
        assert_eq!(parse("a").unwrap(), ["a"]);
        assert_eq!(parse(" a.b [0] . c-d ").unwrap(), ["a", "b", "0", "c-d"]);
        assert_eq!(parse("a[0][1]").unwrap(), ["a", "0", "1"]);
        assert_eq!(parse("a b.c").unwrap(), ["a b", "c"]);
        for (wrong, at) in [
            ("", 0),
            (".a", 0),
            ("a.", 2),
            ("a..b", 2),
            ("a[", 2),
            ("a[0", 3),
            ("a]", 1),
            ("a[0]b", 4),
            ("a[]", 2),
        ] {
            assert_eq!(parse(wrong).unwrap_err().0, at, "{wrong}");
        }
    }
}
