//! The one error of this crate: what is wrong, where, and what to do.

use std::fmt;

use crate::yaml::Span;

/// Why a text is not what its format asks for.
///
/// `Display` is `dvc.yaml:3:5: message`, or `dvc.yaml: message` where there is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FormatError {
    // Boxed: an error is rare and a `Result` should stay small.
    inner: Box<Inner>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    message: String,
    source_name: String,
    line: Option<usize>,
    column: Option<usize>,
    source_line: Option<String>,
    hint: Option<String>,
}

/// Longest piece of a source line that an error carries, in characters.
const SOURCE_LINE_LIMIT: usize = 200;

impl FormatError {
    /// An error without a position.
    pub fn new(source_name: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                message: message.into(),
                source_name: source_name.into(),
                line: None,
                column: None,
                source_line: None,
                hint: None,
            }),
        }
    }

    /// The same error, at a line and a column (both from 1) of `text`.
    #[must_use]
    pub fn at(mut self, text: &str, line: usize, column: usize) -> Self {
        self.inner.line = Some(line);
        self.inner.column = Some(column);
        self.inner.source_line = text
            .lines()
            .nth(line.saturating_sub(1))
            .map(|source| source.chars().take(SOURCE_LINE_LIMIT).collect());
        self
    }

    pub(crate) fn at_span(self, text: &str, span: Span) -> Self {
        self.at(text, span.line, span.column)
    }

    /// The same error, with what the user can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// What is wrong, without the position.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The file (or other source) the text came from, as the caller named it.
    pub fn source_name(&self) -> &str {
        &self.inner.source_name
    }

    /// The line, from 1.
    pub fn line(&self) -> Option<usize> {
        self.inner.line
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> Option<usize> {
        self.inner.column
    }

    /// The text of that line (its first 200 characters).
    pub fn source_line(&self) -> Option<&str> {
        self.inner.source_line.as_deref()
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            message,
            source_name,
            line,
            column,
            ..
        } = &*self.inner;
        f.write_str(source_name)?;
        if let Some(line) = line {
            write!(f, ":{line}")?;
            if let Some(column) = column {
                write!(f, ":{column}")?;
            }
        }
        write!(f, ": {message}")
    }
}
