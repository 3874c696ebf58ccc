//! `.dvc/config`: DVC's settings, in the INI dialect of `ConfigObj`.

use indexmap::IndexMap;

use crate::FormatError;
use crate::yaml::check_length;

/// A config file: sections of keys and values, in the order of the file.
///
/// A remote's section is called `remote "name"`, without the single quotes it has in the file.
/// Section names and keys are lower case, as DVC reads them. A list (`type = reflink, copy`) is
/// kept as one value with its commas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    sections: IndexMap<String, IndexMap<String, String>>,
}

impl Config {
    /// Reads a config file; `source_name` is what errors call it.
    ///
    /// # Errors
    ///
    /// On a line that is no section, key or comment, a key outside of a section, a nested section,
    /// a name given twice, and a quote that is not closed.
    pub fn parse(text: &str, source_name: &str) -> Result<Self, FormatError> {
        check_length(text, source_name)?;
        let mut config = Self::default();
        let mut current: Option<String> = None;
        let mut lines = text
            .strip_prefix('\u{feff}')
            .unwrap_or(text)
            .lines()
            .enumerate();
        while let Some((index, raw)) = lines.next() {
            let line = raw.trim();
            let error = |message: String| {
                let column = raw.chars().take_while(|ch| ch.is_whitespace()).count() + 1;
                FormatError::new(source_name, message).at(text, index + 1, column)
            };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with('[') {
                let name = section_name(line)
                    .ok_or_else(|| error("not a section line".to_owned()).with_hint(
                        "write `[core]`, or `['remote \"name\"']` for a remote; DVC has no sections in sections",
                    ))?
                    .to_lowercase();
                if config.sections.contains_key(&name) {
                    return Err(error(format!("section `{name}` appears twice"))
                        .with_hint("put all its keys into one section"));
                }
                config.sections.insert(name.clone(), IndexMap::new());
                current = Some(name);
                continue;
            }
            let (key, rest) = split_key(raw.trim_start()).ok_or_else(|| {
                error("not a `key = value` line".to_owned()).with_hint("comments start with `#`")
            })?;
            let key = key.to_lowercase();
            let Some(section) = current
                .as_ref()
                .and_then(|name| config.sections.get_mut(name))
            else {
                return Err(
                    error(format!("key `{key}` stands before the first section"))
                        .with_hint("put it below a section, for example `[core]`"),
                );
            };
            let value = match triple_quoted(rest) {
                Some((quotes, body)) => {
                    let mut value = String::new();
                    let mut line = body;
                    loop {
                        if let Some(end) = closed(line, quotes) {
                            value.push_str(end);
                            break value;
                        }
                        if line.contains(quotes) {
                            return Err(error(format!("text behind the value of `{key}`")));
                        }
                        value.push_str(line);
                        let Some((_, next)) = lines.next() else {
                            return Err(error(format!("the value of `{key}` is not closed"))
                                .with_hint(format!("end it with {quotes}")));
                        };
                        value.push('\n');
                        line = next;
                    }
                }
                None => read_value(rest).ok_or_else(|| {
                    error(format!("the value of `{key}` has quotes that do not match"))
                        .with_hint("put the whole value in one pair of quotes")
                })?,
            };
            if section.insert(key.clone(), value).is_some() {
                return Err(error(format!("key `{key}` appears twice in its section"))
                    .with_hint("keep one of the two"));
            }
        }
        Ok(config)
    }

    /// The value of a key; `section` is `core`, or `remote "name"`.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.sections.get(section)?.get(key).map(String::as_str)
    }

    /// Every section with its keys, in the order of the file.
    pub fn sections(&self) -> &IndexMap<String, IndexMap<String, String>> {
        &self.sections
    }

    /// Sets a key, in its place if it has one. Names become lower case.
    ///
    /// # Errors
    ///
    /// When the format cannot hold the value: control characters, or quotes of both kinds in a way
    /// that leaves none to put around it; or when a name is empty, or needs quotes of both kinds.
    pub fn set(&mut self, section: &str, key: &str, value: &str) -> Result<(), FormatError> {
        for name in [section, key] {
            let both = name.contains('\'') && name.contains('"');
            if name.is_empty() || both || name.contains(char::is_control) || name.contains(']') {
                return Err(
                    FormatError::new("config", format!("`{name}` cannot be a name here"))
                        .with_hint("use letters, digits, `-` and `_`"),
                );
            }
        }
        let ends_a_line = |ch: char| {
            (ch.is_control() && !matches!(ch, '\n' | '\t'))
                || matches!(ch, '\u{2028}' | '\u{2029}' | '\u{feff}')
        };
        if value.contains(ends_a_line) || !comes_back(value) {
            return Err(FormatError::new(
                "config",
                format!("the value of `{key}` cannot be quoted"),
            )
            .with_hint("leave out control characters, and quotes of both kinds at once"));
        }
        let section = self.sections.entry(section.to_lowercase()).or_default();
        section.insert(key.to_lowercase(), value.to_owned());
        Ok(())
    }

    /// Removes a key; what it was, if it was there.
    pub fn unset(&mut self, section: &str, key: &str) -> Option<String> {
        self.sections.get_mut(section)?.shift_remove(key)
    }

    /// Removes a section with its keys; whether it was there.
    pub fn remove_section(&mut self, section: &str) -> bool {
        self.sections.shift_remove(section).is_some()
    }

    /// The file as DVC writes it: no comments, no empty sections, four blanks before a key.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (name, keys) in &self.sections {
            if keys.is_empty() {
                continue;
            }
            out.push('[');
            out.push_str(&quote(name));
            out.push_str("]\n");
            for (key, value) in keys {
                out.push_str("    ");
                out.push_str(&quote(key));
                out.push_str(" = ");
                out.push_str(&quote(value));
                out.push('\n');
            }
        }
        out
    }
}

/// The name in `[name]` or `['name']`, with a comment behind it or not.
fn section_name(line: &str) -> Option<&str> {
    let inner = line.strip_prefix('[')?.trim_start();
    let (name, behind) = match inner.chars().next()? {
        '[' => return None,
        quote @ ('\'' | '"') => {
            let (name, behind) = inner[1..].split_once(quote)?;
            (name, behind.trim_start().strip_prefix(']')?)
        }
        _ => {
            let (name, behind) = inner.split_once(']')?;
            (name.trim(), behind)
        }
    };
    (!name.is_empty() && is_comment(behind)).then_some(name)
}

/// The key and what stands behind its `=`.
fn split_key(line: &str) -> Option<(&str, &str)> {
    let (key, rest) = if let quote @ ('\'' | '"') = line.chars().next()? {
        let (key, behind) = line[1..].split_once(quote)?;
        (key, behind.trim_start().strip_prefix('=')?)
    } else {
        let (key, rest) = line.split_once('=')?;
        (key.trim(), rest)
    };
    (!key.is_empty()).then_some((key, rest.trim_start()))
}

fn triple_quoted(rest: &str) -> Option<(&'static str, &str)> {
    ["\"\"\"", "'''"]
        .into_iter()
        .find_map(|quotes| Some((quotes, rest.strip_prefix(quotes)?)))
}

/// A value without its quotes and comment; a list's items are joined with `, `.
fn read_value(text: &str) -> Option<String> {
    let mut items = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        match rest.chars().next() {
            Some(quote @ ('\'' | '"')) => {
                let (item, behind) = rest[1..].split_once(quote)?;
                items.push(item);
                rest = behind.trim_start();
            }
            Some('#') | None => return Some(items.join(", ")),
            Some(_) => {
                let end = rest.find([',', '#']).unwrap_or(rest.len());
                let item = rest[..end].trim_end();
                if !item.is_empty() {
                    items.push(item);
                }
                rest = &rest[end..];
            }
        }
        rest = match rest.strip_prefix(',') {
            Some(behind) => behind,
            None if is_comment(rest) => return Some(items.join(", ")),
            None => return None,
        };
    }
}

fn is_comment(text: &str) -> bool {
    let text = text.trim_start();
    text.is_empty() || text.starts_with('#')
}

fn needs_triple(value: &str) -> bool {
    value.contains('\n') || (value.contains('\'') && value.contains('"'))
}

/// The quotes that `ConfigObj` puts around a value that needs three of them.
fn triple_quotes(value: &str) -> &'static str {
    if value.contains("\"\"\"") {
        "\"\"\""
    } else {
        "'''"
    }
}

/// Whether a value is read as what was written. Both kinds of three quotes in one value cannot be,
/// nor some values with a comment's sign behind three quotes.
fn comes_back(value: &str) -> bool {
    if needs_triple(value) && value.contains("\"\"\"") && value.contains("'''") {
        return false;
    }
    let text = format!("[x]\nk = {}\n", quote(value));
    Config::parse(&text, "").is_ok_and(|read| read.get("x", "k") == Some(value))
}

/// What stands before the first closing quotes that nothing but a comment follows.
fn closed<'a>(line: &'a str, quotes: &str) -> Option<&'a str> {
    line.char_indices().find_map(|(place, _)| {
        let (before, rest) = line.split_at(place);
        is_comment(rest.strip_prefix(quotes)?).then_some(before)
    })
}

fn quote(value: &str) -> String {
    if value.is_empty() {
        return "\"\"".to_owned();
    }
    if needs_triple(value) {
        let quotes = triple_quotes(value);
        return format!("{quotes}{value}{quotes}");
    }
    let is_edge = |ch: char| ch.is_whitespace() || matches!(ch, '\'' | '"');
    if value.starts_with(is_edge) || value.ends_with(is_edge) || value.contains([',', '#']) {
        return if value.contains('"') {
            format!("'{value}'")
        } else {
            format!("\"{value}\"")
        };
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_dvc_wrote() {
        let text = "[core]\n    remote = st\n['remote \"st\"']\n    url = ../../r3-store\n";
        let config = Config::parse(text, "config").unwrap();
        assert_eq!(config.get("remote \"st\"", "url"), Some("../../r3-store"));
        assert_eq!(config.to_text(), text);
    }

    #[test]
    fn sets_and_removes() {
        let mut config = Config::default();
        config.set("core", "Remote", "a").unwrap();
        config.set("remote \"a\"", "url", "s3://b/k, x").unwrap();
        assert_eq!(
            config.to_text(),
            "[core]\n    remote = a\n['remote \"a\"']\n    url = \"s3://b/k, x\"\n"
        );
        assert_eq!(config.unset("core", "remote").as_deref(), Some("a"));
        assert!(config.remove_section("remote \"a\""));
        assert_eq!(config.to_text(), "");
    }

    /// What `ConfigObj` of DVC 3.67.1 wrote.
    #[test]
    fn quotes_as_configobj_does() {
        for (value, written) in [
            ("a\"b'", "'''a\"b''''"),
            ("'a\"b", "''''a\"b'''"),
            ("''' \"", "'''''' \"'''"),
            ("\"\"\" '", "\"\"\"\"\"\" '\"\"\""),
            ("a\"b'''", "'''a\"b''''''"),
            ("a'\n'", "'''a'\n''''"),
            ("a'b,c", "\"a'b,c\""),
            ("a\"b,c", "'a\"b,c'"),
            ("#x", "\"#x\""),
            (" a", "\" a\""),
            ("a\tb", "a\tb"),
            ("", "\"\""),
        ] {
            let mut config = Config::default();
            config.set("s", "k", value).unwrap();
            let text = config.to_text();
            assert_eq!(text, format!("[s]\n    k = {written}\n"));
            let read = Config::parse(&text, "config").unwrap();
            assert_eq!(read.get("s", "k"), Some(value));
        }
        let mut config = Config::default();
        config.set("s", "k", "a'''b\"\"\"c").unwrap_err();
    }

    #[test]
    fn reads_what_people_write() {
        let text = "# top\n[Core] # here\nRemote=x # there\n  autostage = 'true'\n[cache]\ntype = reflink, \"copy\"\ndir = \"\"\"two\nlines\"\"\"\n";
        let config = Config::parse(text, "config").unwrap();
        assert_eq!(config.get("core", "remote"), Some("x"));
        assert_eq!(config.get("core", "autostage"), Some("true"));
        assert_eq!(config.get("cache", "type"), Some("reflink, copy"));
        assert_eq!(config.get("cache", "dir"), Some("two\nlines"));
        assert_eq!(config.get("cache", "nothing"), None);
    }

    #[test]
    fn says_where_it_is_wrong() {
        for (text, message) in [
            (
                "x = 1",
                "config:1:1: key `x` stands before the first section",
            ),
            ("[core]\n  what", "config:2:3: not a `key = value` line"),
            (
                "[core]\na = 1\nA = 2",
                "config:3:1: key `a` appears twice in its section",
            ),
            ("[core]\n[core]", "config:2:1: section `core` appears twice"),
            ("[[core]]", "config:1:1: not a section line"),
            ("[core", "config:1:1: not a section line"),
            (
                "[core]\na = 'x",
                "config:2:1: the value of `a` has quotes that do not match",
            ),
            (
                "[core]\na = '''x\ny",
                "config:2:1: the value of `a` is not closed",
            ),
        ] {
            assert_eq!(
                Config::parse(text, "config").unwrap_err().to_string(),
                message
            );
        }
        let mut config = Config::default();
        assert!(config.set("core", "a", "'''\"\"\" ").is_err());
        assert!(config.set("core", "", "x").is_err());
        assert!(config.set("core", "a", "x\ry").is_err());
    }
}
