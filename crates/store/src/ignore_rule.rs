//! Which rule of `.dvcignore` hides a path.

use camino::{Utf8Path, Utf8PathBuf};
use ignore::Match;
use ignore::gitignore::GitignoreBuilder;

use crate::StoreError;

/// A rule, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreRule {
    /// The `.dvcignore` file.
    pub file: Utf8PathBuf,
    /// From 1.
    pub line: usize,
    /// As it is written.
    pub pattern: String,
}

/// The rule that hides `path`, or the directory above it that is hidden; none if it is not hidden.
/// The path need not exist; `root` is the repository root.
pub fn ignore_rule(root: &Utf8Path, path: &Utf8Path) -> Result<Option<IgnoreRule>, StoreError> {
    let Ok(below) = path.strip_prefix(root) else {
        return Ok(None);
    };
    let mut place = root.to_owned();
    let mut parts = below.components().peekable();
    while let Some(part) = parts.next() {
        place.push(part.as_str());
        let is_directory = parts.peek().is_some() || place.is_dir();
        // The rules nearest to the path count first; what is hidden cannot be shown again below.
        for folder in place.ancestors().skip(1) {
            if !folder.starts_with(root) {
                break;
            }
            match matched(folder, &place, is_directory)? {
                Match::Ignore(rule) => return Ok(Some(rule)),
                Match::Whitelist(_) => break,
                Match::None => {}
            }
        }
    }
    Ok(None)
}

fn matched(
    folder: &Utf8Path,
    path: &Utf8Path,
    is_directory: bool,
) -> Result<Match<IgnoreRule>, StoreError> {
    let file = folder.join(".dvcignore");
    if !file.is_file() {
        return Ok(Match::None);
    }
    let text = fs_err::read_to_string(&file)?;
    Ok(matched_in(&text, folder, path, is_directory))
}

fn matched_in(
    text: &str,
    folder: &Utf8Path,
    path: &Utf8Path,
    is_directory: bool,
) -> Match<IgnoreRule> {
    let file = folder.join(".dvcignore");
    let mut builder = GitignoreBuilder::new(folder);
    for line in text.lines() {
        // A pattern that is none hides nothing, as in the walk.
        let _ = builder.add_line(None, line);
    }
    let Ok(rules) = builder.build() else {
        return Match::None;
    };
    rules.matched(path, is_directory).map(|glob| {
        let pattern = glob.original().to_owned();
        let line = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.trim() == pattern.trim())
            .last()
            .map_or(0, |(place, _)| place + 1);
        IgnoreRule {
            file: file.clone(),
            line,
            pattern,
        }
    })
}

/// A harness: what must hold of any text where a `.dvcignore` should be.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing {
    use super::{Match, Utf8Path, matched_in};

    pub fn ignore_file(bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for path in ["a.tmp", "keep.tmp", "sub/deep/b.tmp", "ü/[x]{y}\\z", "data"] {
            let path = Utf8Path::new("/project").join(path);
            let found = matched_in(&text, "/project".into(), &path, path.extension().is_none());
            if let Match::Ignore(rule) | Match::Whitelist(rule) = found {
                let line = text.lines().nth(rule.line.wrapping_sub(1));
                assert!(line.is_some(), "{rule:?} is not a line of {text:?}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fuzzing::ignore_file;
    use super::*;
    use ketch_testkit::{run_within_limits, seeds, with_damage};

    #[test]
    #[ignore = "started by the test below"]
    fn damage() {
        with_damage(&seeds("ignore_file"), 3000, ignore_file);
    }

    #[test]
    fn damaged_rules_are_read_or_passed_over() {
        run_within_limits("ignore_rule::tests::damage");
    }

    #[test]
    fn the_last_rule_that_matches_counts() {
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(guard.path()).unwrap();
        fs_err::create_dir_all(root.join("sub/deep")).unwrap();
        fs_err::write(root.join(".dvcignore"), "# x\n*.tmp\n!keep.tmp\nhidden/\n").unwrap();
        fs_err::write(root.join("sub/.dvcignore"), "!b.tmp\n/c\n").unwrap();
        let rule = |path: &str| {
            ignore_rule(root, &root.join(path))
                .unwrap()
                .map(|rule| (rule.file.strip_prefix(root).unwrap().to_string(), rule.line))
        };
        let top = |line| Some((".dvcignore".to_owned(), line));
        assert_eq!(rule("a.tmp"), top(2));
        assert_eq!(rule("sub/deep/a.tmp"), top(2));
        assert_eq!(rule("keep.tmp"), None);
        assert_eq!(rule("hidden/x"), top(4));
        assert_eq!(rule("hidden"), None);
        assert_eq!(rule("sub/b.tmp"), None);
        assert_eq!(rule("sub/c"), Some(("sub/.dvcignore".to_owned(), 2)));
        assert_eq!(rule("c"), None);
    }
}
