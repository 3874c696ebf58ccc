//! Which rule of `.dvcignore` hides a path.

use camino::{Utf8Path, Utf8PathBuf};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::StoreError;

/// What DVC hides whatever the files say.
const BUILT_IN: [&str; 4] = [".hg/", ".git/", ".git", ".dvc/"];

/// A rule, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreRule {
    pub origin: RuleOrigin,
    /// As it is written.
    pub pattern: String,
    pub effect: RuleEffect,
}

/// Who made a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleOrigin {
    /// A `.dvcignore` file, and its line from 1.
    File(Utf8PathBuf, usize),
    /// DVC itself.
    BuiltIn,
    /// Another project that begins in this directory.
    Subproject(String),
}

/// What a rule does to the paths it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleEffect {
    Hides,
    /// It begins with `!`.
    Shows,
}

/// The rule that decides about `path`, or about the directory above it that is hidden; none where
/// none does. The path need not exist; `root` is the repository root.
///
/// Of rules of one kind (what hides, what hides directories) in a row it is the first that matches,
/// which is the one DVC names.
pub fn ignore_rule(root: &Utf8Path, path: &Utf8Path) -> Result<Option<IgnoreRule>, StoreError> {
    let Ok(below) = path.strip_prefix(root) else {
        return Ok(None);
    };
    let mut rules: Vec<Rule> = BUILT_IN
        .iter()
        .filter_map(|pattern| Rule::new(root, pattern, RuleOrigin::BuiltIn))
        .collect();
    let mut place = root.to_owned();
    let mut parts = below.components().peekable();
    while let Some(part) = parts.next() {
        add_rules_of(&place, part.as_str(), &mut rules)?;
        place.push(part.as_str());
        let is_last = parts.peek().is_none();
        let is_directory = !is_last || place.is_dir();
        let decisive = decisive(&rules, &place, is_directory);
        // What is hidden cannot be shown again below.
        if let Some(rule) = decisive
            && (is_last || rule.found.effect == RuleEffect::Hides)
        {
            return Ok(Some(rule.found.clone()));
        }
    }
    Ok(None)
}

/// One rule that can be asked.
struct Rule {
    found: IgnoreRule,
    matcher: Gitignore,
    only_directories: bool,
}

impl Rule {
    /// Nothing where the pattern is none: then it hides nothing, as in the walk.
    fn new(folder: &Utf8Path, line: &str, origin: RuleOrigin) -> Option<Self> {
        let pattern = line.trim();
        let mut builder = GitignoreBuilder::new(folder);
        builder.add_line(None, line).ok()?;
        let matcher = builder.build().ok().filter(|rules| !rules.is_empty())?;
        Some(Self {
            only_directories: pattern.ends_with('/'),
            matcher,
            found: IgnoreRule {
                origin,
                effect: if pattern.starts_with('!') {
                    RuleEffect::Shows
                } else {
                    RuleEffect::Hides
                },
                pattern: pattern.to_owned(),
            },
        })
    }

    fn matches(&self, path: &Utf8Path, is_directory: bool) -> bool {
        path.starts_with(self.matcher.path()) && !self.matcher.matched(path, is_directory).is_none()
    }

    /// What DVC asks as one, and answers with the first.
    fn is_of_the_kind_of(&self, other: &Self) -> bool {
        let hide = |rule: &Self| rule.found.effect == RuleEffect::Hides;
        hide(self) && hide(other) && self.only_directories == other.only_directories
    }
}

/// The last kind of rules in a row that has a say, and the first of them that has.
fn decisive<'r>(rules: &'r [Rule], path: &Utf8Path, is_directory: bool) -> Option<&'r Rule> {
    let kinds: Vec<&[Rule]> = rules.chunk_by(Rule::is_of_the_kind_of).collect();
    let first = |rules: &&'r [Rule]| rules.iter().find(|rule| rule.matches(path, is_directory));
    kinds.iter().rev().find_map(first)
}

/// Adds what counts from `folder` on: its `.dvcignore`, and whether another project begins at `name`
/// in it. (Other projects there have no say about what is at `name`.)
fn add_rules_of(folder: &Utf8Path, name: &str, rules: &mut Vec<Rule>) -> Result<(), StoreError> {
    let file = folder.join(".dvcignore");
    if file.is_file() {
        rules.extend(rules_in(&fs_err::read_to_string(&file)?, &file));
    }
    if name != ".dvc" && folder.join(name).join(".dvc").is_dir() {
        let origin = RuleOrigin::Subproject(name.to_owned());
        rules.extend(Rule::new(folder, &format!("/{name}/"), origin));
    }
    Ok(())
}

fn rules_in(text: &str, file: &Utf8Path) -> Vec<Rule> {
    let folder = file.parent().unwrap_or(Utf8Path::new(""));
    text.lines()
        .enumerate()
        .filter_map(|(place, line)| {
            Rule::new(folder, line, RuleOrigin::File(file.to_owned(), place + 1))
        })
        .collect()
}

/// A harness: what must hold of any text where a `.dvcignore` should be.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing {
    use super::{RuleOrigin, Utf8Path, decisive, rules_in};

    pub fn ignore_file(bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let rules = rules_in(&text, "/project/.dvcignore".into());
        for path in ["a.tmp", "keep.tmp", "sub/deep/b.tmp", "ü/[x]{y}\\z", "data"] {
            let path = Utf8Path::new("/project").join(path);
            if let Some(rule) = decisive(&rules, &path, path.extension().is_none()) {
                let RuleOrigin::File(_, line) = rule.found.origin else {
                    panic!("{:?} is of no file", rule.found);
                };
                let line = text.lines().nth(line.wrapping_sub(1));
                let same = line.is_some_and(|line| line.trim() == rule.found.pattern);
                assert!(same, "{:?} is not a line of {text:?}", rule.found);
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
            let rule = ignore_rule(root, &root.join(path)).unwrap()?;
            let RuleOrigin::File(file, line) = rule.origin else {
                panic!("{rule:?} is of no file");
            };
            let file = file.strip_prefix(root).unwrap().to_string();
            (rule.effect == RuleEffect::Hides).then_some((file, line))
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
