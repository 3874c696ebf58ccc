//! The audit log of a model: append-only, chained by hashes, durable before anything acts on it.
//!
//! One JSON object a line: `{"chain": …, "event": {…}}`. `chain` is the SHA-256 of the chain
//! before and the event's text, so that a changed, removed or inserted line is seen. The last line
//! may be torn by a crash; it is cut off, because nothing acted on it. Damage anywhere else is an
//! error.

use std::{fmt::Write as _, io::Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::{self as fs, File, OpenOptions};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::{error::ControlError, event::Event};

/// A journal that is open for appending.
#[derive(Debug)]
pub struct Journal {
    path: Utf8PathBuf,
    file: File,
    chain: String,
    next: u64,
}

#[derive(Deserialize)]
struct Line<'a> {
    chain: String,
    #[serde(borrow)]
    event: &'a RawValue,
}

impl Journal {
    /// Opens a journal, makes it if it is not there, and returns its events.
    pub fn open(path: &Utf8Path) -> Result<(Self, Vec<Event>), ControlError> {
        let io = |source| ControlError::Journal {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .read(true)
            .append(true)
            .open(path)
            .map_err(io)?;
        let bytes = fs::read(path).map_err(io)?;
        let Contents {
            events,
            chain,
            whole_bytes,
        } = read_lines(path, &bytes)?;
        if whole_bytes < bytes.len() {
            file.set_len(whole_bytes as u64).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        let next = events.last().map_or(1, |event| event.sequence + 1);
        Ok((
            Self {
                path: path.to_owned(),
                file,
                chain,
                next,
            },
            events,
        ))
    }

    /// The sequence number that the next event must have.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Appends an event. When this returns it outlives a power cut.
    pub fn append(&mut self, event: &Event) -> Result<(), ControlError> {
        let io = |source| ControlError::Journal {
            path: self.path.clone(),
            source,
        };
        let text = serde_json::to_string(event).map_err(|error| io(error.into()))?;
        let chain = chained(&self.chain, &text);
        let line = format!("{{\"chain\":\"{chain}\",\"event\":{text}}}\n");
        let length = self.file.metadata().map_err(io)?.len();
        let written = self
            .file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // Half a line must not be in the way of the next one.
            let _ = self.file.set_len(length);
            return Err(io(source));
        }
        self.chain = chain;
        self.next = event.sequence + 1;
        Ok(())
    }
}

/// The events of a journal, also while a server appends to it. Empty when there is none.
pub fn read_journal(path: &Utf8Path) -> Result<Vec<Event>, ControlError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = fs::read(path).map_err(|source| ControlError::Journal {
        path: path.to_owned(),
        source,
    })?;
    Ok(read_lines(path, &bytes)?.events)
}

struct Contents {
    events: Vec<Event>,
    chain: String,
    whole_bytes: usize,
}

fn read_lines(path: &Utf8Path, bytes: &[u8]) -> Result<Contents, ControlError> {
    let mut contents = Contents {
        events: Vec::new(),
        chain: String::new(),
        whole_bytes: 0,
    };
    let mut rest = bytes;
    let mut number = 0;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        number += 1;
        match read_line(line, &contents.chain) {
            Ok((event, chain)) => {
                contents.events.push(event);
                contents.chain = chain;
                contents.whole_bytes += end + 1;
            }
            // A crash can leave a last line with its end but without its middle.
            Err(_) if after.is_empty() && !is_json(line) => break,
            Err(message) => {
                return Err(ControlError::JournalDamaged {
                    path: path.to_owned(),
                    line: number,
                    message,
                });
            }
        }
        rest = after;
    }
    Ok(contents)
}

/// A line that a crash tore is no JSON; one that is, and does not fit, was changed by somebody.
fn is_json(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

fn read_line(line: &[u8], before: &str) -> Result<(Event, String), String> {
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if chained(before, line.event.get()) != line.chain {
        return Err(
            "the chain of hashes is broken: this line or one before was changed".to_owned(),
        );
    }
    let event = serde_json::from_str(line.event.get()).map_err(|error| error.to_string())?;
    Ok((event, line.chain))
}

fn chained(before: &str, event: &str) -> String {
    let digest = Sha256::new()
        .chain_update(before)
        .chain_update(event)
        .finalize();
    digest
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::event::{EventKind, Position};

    fn event(sequence: u64) -> Event {
        Event {
            sequence,
            at: Timestamp::UNIX_EPOCH,
            actor: "loop".to_owned(),
            position: Position::default(),
            kind: EventKind::Released {
                version: 1,
                reason: format!("reason {sequence}"),
            },
        }
    }

    fn journal_of_three() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path())
            .unwrap()
            .join("journal/rain.jsonl");
        let (mut journal, events) = Journal::open(&path).unwrap();
        assert!(events.is_empty());
        for sequence in 1..=3 {
            assert_eq!(journal.next_sequence(), sequence);
            journal.append(&event(sequence)).unwrap();
        }
        (folder, path)
    }

    #[test]
    fn events_come_back_and_the_chain_goes_on() {
        let (_folder, path) = journal_of_three();
        let (mut journal, events) = Journal::open(&path).unwrap();
        assert_eq!(events, [event(1), event(2), event(3)]);
        journal.append(&event(4)).unwrap();
        assert_eq!(read_journal(&path).unwrap().len(), 4);
    }

    #[test]
    fn a_tail_torn_anywhere_loses_only_the_last_event() {
        let (_folder, path) = journal_of_three();
        let whole = fs::read(&path).unwrap();
        let two = whole
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(1)
            .unwrap()
            .0
            + 1;
        for end in two..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let (mut journal, events) = Journal::open(&path).unwrap();
            assert_eq!(events.len(), 2, "cut at {end}");
            journal.append(&event(3)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn a_changed_last_line_is_not_taken_for_a_torn_one() {
        let (_folder, path) = journal_of_three();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("reason 3", "reason x", 1)).unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert!(
            matches!(error, ControlError::JournalDamaged { line: 3, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_changed_or_removed_line_is_seen() {
        let (_folder, path) = journal_of_three();
        let text = fs::read_to_string(&path).unwrap();
        for damaged in [
            text.replacen("reason 1", "reason x", 1),
            text.split_inclusive('\n').skip(1).collect::<String>(),
        ] {
            fs::write(&path, damaged).unwrap();
            let error = Journal::open(&path).unwrap_err();
            assert!(
                matches!(error, ControlError::JournalDamaged { line: 1, .. }),
                "{error}"
            );
        }
    }
}
