//! Objects read out of one `git cat-file --batch` that stays, instead of a process for each.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::rc::Rc;

use super::{CommitId, Git};
use crate::ProjectError;

/// Reads objects by any name that Git knows them by.
#[derive(Debug)]
pub(crate) struct ObjectReader {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// By id: neighbouring commits share most of theirs.
    trees: HashMap<String, Rc<[TreeEntry]>>,
}

/// What a commit says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CommitHeader {
    pub(crate) tree: String,
    /// The first one.
    pub(crate) parent: Option<CommitId>,
    /// When it was committed, in seconds since 1970.
    pub(crate) time: i64,
}

/// One name in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeEntry {
    pub(crate) name: String,
    pub(crate) kind: EntryKind,
    pub(crate) id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Tree,
    File,
    /// A link or a submodule.
    Other,
}

impl ObjectReader {
    pub(crate) fn start(git: &Git) -> Result<Self, ProjectError> {
        let unavailable = |source| ProjectError::GitUnavailable { source };
        let mut child = git
            .command(&["cat-file", "--batch-command", "--buffer"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(unavailable)?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken("it has no pipes"));
        };
        Ok(Self {
            child,
            questions,
            answers: BufReader::new(answers),
            trees: HashMap::new(),
        })
    }

    /// The id and content of an object; nothing where there is none of that name.
    pub(crate) fn read(&mut self, name: &str) -> Result<Option<(String, Vec<u8>)>, ProjectError> {
        if name.contains('\n') {
            return Ok(None);
        }
        // In one piece: each is a call of the system, and so is each answer.
        let question = format!("contents {name}\nflush\n");
        let asked = self.questions.write_all(question.as_bytes());
        asked.map_err(|error| broken(&error.to_string()))?;
        let mut header = String::new();
        let read = self.answers.read_line(&mut header);
        read.map_err(|error| broken(&error.to_string()))?;
        // `<id> <kind> <size>`, or `<name> missing` and its like.
        let mut fields = header.trim_end().rsplitn(3, ' ');
        let (size, kind, id) = (fields.next(), fields.next(), fields.next());
        let (Some(size), Some(_), Some(id)) = (size.and_then(|size| size.parse().ok()), kind, id)
        else {
            return if header.is_empty() {
                Err(broken("it ended"))
            } else {
                Ok(None)
            };
        };
        let mut content = vec![0; size];
        let mut end = [0];
        self.answers
            .read_exact(&mut content)
            .and_then(|()| self.answers.read_exact(&mut end))
            .map_err(|error| broken(&error.to_string()))?;
        Ok(Some((id.to_owned(), content)))
    }

    /// What is in a tree, by id or another name; nothing where there is none. Names that are not
    /// UTF-8 are left out.
    pub(crate) fn tree(&mut self, name: &str) -> Result<Option<Rc<[TreeEntry]>>, ProjectError> {
        if let Some(known) = self.trees.get(name) {
            return Ok(Some(Rc::clone(known)));
        }
        let Some((id, content)) = self.read(name)? else {
            return Ok(None);
        };
        let entries: Rc<[TreeEntry]> = entries(&content, id.len() / 2).into();
        self.trees.insert(id, Rc::clone(&entries));
        Ok(Some(entries))
    }

    /// Where a commit comes from and when it was made; nothing where there is none of that name.
    pub(crate) fn commit(&mut self, name: &str) -> Result<Option<CommitHeader>, ProjectError> {
        let content = self.read(name)?;
        Ok(content.map(|(_, content)| header(&String::from_utf8_lossy(&content))))
    }
}

/// A commit's format: lines of a name, a space and a value, up to an empty one (gitformat, "commit").
fn header(content: &str) -> CommitHeader {
    let mut header = CommitHeader::default();
    for line in content.lines().take_while(|line| !line.is_empty()) {
        match line.split_once(' ') {
            Some(("tree", id)) => id.clone_into(&mut header.tree),
            Some(("parent", id)) if header.parent.is_none() => {
                header.parent = CommitId::from_hex(id);
            }
            Some(("committer", value)) => {
                // `Name <address> <seconds since 1970> <time zone>`
                let seconds = value.rsplit(' ').nth(1);
                header.time = seconds
                    .and_then(|seconds| seconds.parse().ok())
                    .unwrap_or(0);
            }
            _ => {}
        }
    }
    header
}

impl Drop for ObjectReader {
    fn drop(&mut self) {
        // It ends by itself when nobody asks any more; nobody needs to wait for what it still says.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A tree's format: `<mode in octal> <name>\0<id in bytes>`, again and again (gitformat, "tree").
fn entries(mut content: &[u8], id_length: usize) -> Vec<TreeEntry> {
    let mut entries = Vec::new();
    while let Some(end) = content.iter().position(|byte| *byte == 0) {
        let (head, rest) = content.split_at(end);
        let Some((id, rest)) = rest
            .get(1..)
            .and_then(|rest| rest.split_at_checked(id_length))
        else {
            break;
        };
        content = rest;
        let Some((mode, name)) = std::str::from_utf8(head)
            .ok()
            .and_then(|head| head.split_once(' '))
        else {
            continue;
        };
        let mut digits = String::with_capacity(2 * id.len());
        for byte in id {
            digits.extend(
                [byte >> 4, byte & 15]
                    .map(|half| char::from_digit(u32::from(half), 16).unwrap_or_default()),
            );
        }
        entries.push(TreeEntry {
            name: name.to_owned(),
            kind: match mode {
                "40000" => EntryKind::Tree,
                mode if mode.starts_with("100") => EntryKind::File,
                _ => EntryKind::Other,
            },
            id: digits,
        });
    }
    entries
}

fn broken(message: &str) -> ProjectError {
    ProjectError::Git {
        command: "git cat-file".to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_says_where_it_comes_from_and_when_it_was_made() {
        let id = "1f".repeat(20);
        let told = header(&format!(
            "tree {}\nparent {id}\nparent {}\nauthor A B <a> 1 +0000\ncommitter A B <a b> 1700000000 +0100\n\nparent no\n",
            "2".repeat(40),
            "3".repeat(40)
        ));
        assert_eq!(told.parent, CommitId::from_hex(&id));
        assert_eq!(told.time, 1_700_000_000);
        assert_eq!(told.tree, "2".repeat(40));
        assert_eq!(header("\ntree x"), CommitHeader::default());
    }

    #[test]
    fn a_tree_says_kinds_names_and_ids() {
        let mut content = b"100644 a b.txt\0".to_vec();
        content.extend([0x1f; 20]);
        content.extend(b"40000 sub\0");
        content.extend([0xa0; 20]);
        content.extend(b"100755 \xff\0");
        content.extend([1; 20]);
        content.extend(b"120000 link\0");
        content.extend([2; 20]);
        let found = entries(&content, 20);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.name.as_str(), one.kind))
            .collect();
        assert_eq!(
            told,
            [
                ("a b.txt", EntryKind::File),
                ("sub", EntryKind::Tree),
                ("link", EntryKind::Other)
            ]
        );
        assert_eq!(found[0].id, "1f".repeat(20));
        // Cut anywhere, it never panics.
        for length in 0..content.len() {
            entries(&content[..length], 20);
        }
    }
}
