//! What two runs of the same stage made differently, and what that looks like.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use regex::Regex;

use super::CauseKind;
use crate::snapshot::files_below;

/// Larger files are not looked into.
const LARGEST: u64 = 1 << 20;
/// How many files of a directory are.
const MOST_FILES: usize = 50;
/// How many lines that differ are looked at.
const MOST_LINES: usize = 200;
/// The longest part of a line that is shown.
const SHOWN: usize = 60;
/// Numbers that differ by no more, in proportion, were rounded.
const ROUNDED: f64 = 1e-6;
/// A program may write the time of any place on Earth.
const TIME_ZONES: Duration = Duration::from_hours(15);
/// Where a gzip file has its time, and what it begins with (RFC 1952, 2.3).
const GZIP: ([u8; 2], Range<usize>) = ([0x1f, 0x8b], 4..8);

/// The content of small files, by path.
#[derive(Debug, Default)]
pub(super) struct Files(BTreeMap<Utf8PathBuf, Vec<u8>>);

impl Files {
    /// Those at or below some paths of a folder. What cannot be read is left out.
    pub(super) fn read(root: &Utf8Path, paths: &[Utf8PathBuf]) -> Self {
        let below = paths.iter().flat_map(|path| {
            let mut files = files_below(root, path);
            files.truncate(MOST_FILES);
            files
        });
        let read = below.filter_map(|path| {
            let place = root.join(&path);
            let size = fs_err::metadata(&place).ok()?.len();
            let content = (size <= LARGEST).then(|| fs_err::read(&place).ok())??;
            Some((path, content))
        });
        Self(read.collect())
    }
}

/// What a difference looks like.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) kind: CauseKind,
    pub(super) evidence: Vec<String>,
}

/// Looks at what two runs made; the first one took place within `ran`.
pub(super) fn trace(first: &Files, second: &Files, ran: &Range<SystemTime>) -> Trace {
    let mut found: Option<Trace> = None;
    for (path, before) in &first.0 {
        let Some(after) = second.0.get(path).filter(|after| *after != before) else {
            continue;
        };
        let trace = of_file(path, before, after, ran);
        // What is plain randomness may be the cause of anything else.
        if found.is_none() || trace.kind == CauseKind::Randomness {
            found = Some(trace);
        }
    }
    found.unwrap_or_else(|| Trace {
        kind: CauseKind::Randomness,
        evidence: vec!["two runs with the same inputs differ".to_owned()],
    })
}

fn of_file(path: &Utf8Path, before: &[u8], after: &[u8], ran: &Range<SystemTime>) -> Trace {
    let texts = (std::str::from_utf8(before), std::str::from_utf8(after));
    let (Ok(before), Ok(after)) = texts else {
        return of_bytes(path, before, after, ran);
    };
    let pairs: Vec<(usize, &str, &str)> = before
        .lines()
        .zip(after.lines())
        .enumerate()
        .filter(|(_, (old, new))| old != new)
        .map(|(place, (old, new))| (place + 1, old, new))
        .take(MOST_LINES)
        .collect();
    let shown = pairs.first().map_or_else(
        || format!("`{path}` had another length in a second run"),
        |(line, old, new)| {
            let [old, new] = [old, new].map(|text| text.chars().take(SHOWN).collect::<String>());
            format!("{path}:{line}: `{old}` in one run, `{new}` in another")
        },
    );
    let is_time = |line: &str| times(line).any(|time| is_within(time, ran));
    let kind = if !pairs.is_empty() && pairs.iter().all(|(_, old, _)| is_time(old)) {
        CauseKind::Time
    } else if !pairs.is_empty() && pairs.iter().all(|(_, old, new)| is_rounding(old, new)) {
        CauseKind::Rounding
    } else if words(before) == words(after) {
        CauseKind::HashOrder
    } else {
        CauseKind::Randomness
    };
    Trace {
        kind,
        evidence: vec![shown],
    }
}

fn of_bytes(path: &Utf8Path, before: &[u8], after: &[u8], ran: &Range<SystemTime>) -> Trace {
    let (magic, place) = GZIP;
    let stamp = before.get(place).filter(|_| before.starts_with(&magic));
    let seconds = stamp.and_then(|bytes| bytes.try_into().ok());
    let time = seconds.map(|bytes| epoch(u64::from(u32::from_le_bytes(bytes))));
    if time.is_some_and(|time| is_within((time, Duration::ZERO), ran)) {
        return Trace {
            kind: CauseKind::Time,
            evidence: vec![format!("`{path}` is compressed with the time in its head")],
        };
    }
    let differ = before.iter().zip(after).filter(|(old, new)| old != new);
    let count = differ.count() + before.len().abs_diff(after.len());
    Trace {
        kind: CauseKind::Randomness,
        evidence: vec![format!(
            "`{path}` differed in {count} bytes in a second run"
        )],
    }
}

/// The times that a line names, each with how far its place on Earth may be from Greenwich.
fn times(line: &str) -> impl Iterator<Item = (SystemTime, Duration)> {
    static EPOCH: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(1\d{9})(\d{3}|\d{6}|\d{9})?\b"));
    static CIVIL: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"\b(\d{4}-\d\d-\d\d)[T _](\d\d:\d\d(:\d\d)?)"));
    let seconds = EPOCH.captures_iter(line).filter_map(|found| {
        let seconds = found.get(1)?.as_str().parse().ok()?;
        Some((epoch(seconds), Duration::ZERO))
    });
    let civil = CIVIL.captures_iter(line).filter_map(|found| {
        let text = format!("{}T{}Z", found.get(1)?.as_str(), found.get(2)?.as_str());
        let time: jiff::Timestamp = text.parse().ok()?;
        Some((SystemTime::from(time), TIME_ZONES))
    });
    let found: Vec<_> = seconds.chain(civil).collect();
    found.into_iter()
}

#[expect(
    clippy::expect_used,
    reason = "patterns of this file, all of them tested"
)]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern")
}

fn epoch(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Whether a time falls into a run. Seconds and minutes that are cut off make it earlier.
fn is_within((time, off): (SystemTime, Duration), ran: &Range<SystemTime>) -> bool {
    let cut = Duration::from_mins(1);
    time + off + cut >= ran.start && time <= ran.end + off
}

/// Whether two lines differ in nothing but the last digits of numbers.
fn is_rounding(old: &str, new: &str) -> bool {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"-?\d+(\.\d+)?([eE][+-]?\d+)?"));
    if NUMBER.replace_all(old, "#") != NUMBER.replace_all(new, "#") {
        return false;
    }
    let numbers = NUMBER.find_iter(old).zip(NUMBER.find_iter(new));
    numbers.into_iter().all(|(old, new)| {
        let is_whole = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-')
        };
        if is_whole(old.as_str()) && is_whole(new.as_str()) {
            // These are counted, not computed.
            return old.as_str() == new.as_str();
        }
        let both = (old.as_str().parse::<f64>(), new.as_str().parse::<f64>());
        let (Ok(old), Ok(new)) = both else {
            return false;
        };
        (old - new).abs() <= ROUNDED * old.abs().max(new.abs())
    })
}

/// The words of a text, in order of the alphabet.
fn words(text: &str) -> Vec<&str> {
    let separators = |letter: char| letter.is_whitespace() || ",;[]{}()".contains(letter);
    let mut words: Vec<&str> = text
        .split(separators)
        .filter(|word| !word.is_empty())
        .collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(before: &[u8], after: &[u8]) -> CauseKind {
        let ran = epoch(1_800_000_000)..epoch(1_800_000_010);
        let files = |content: &[u8]| Files([("f".into(), content.to_vec())].into());
        trace(&files(before), &files(after), &ran).kind
    }

    #[test]
    fn times_of_the_run_are_known_in_several_forms() {
        for (before, after) in [
            ("at 1800000003\n", "at 1800000009\n"),
            ("t: 1800000003123\n", "t: 1800000004123\n"),
            ("2027-01-15 08:00:03\n", "2027-01-15 08:00:04\n"),
            (
                "{\"at\": \"2027-01-15T08:00\"}",
                "{\"at\": \"2027-01-15T08:01\"}",
            ),
            // In another time zone.
            ("2027-01-15T13:30:03+05:30\n", "2027-01-15T13:30:04+05:30\n"),
        ] {
            assert_eq!(
                kind(before.as_bytes(), after.as_bytes()),
                CauseKind::Time,
                "{before}"
            );
        }
        // Of another day.
        assert_eq!(
            kind(b"2020-01-15 08:00:03", b"2020-01-15 08:00:04"),
            CauseKind::Randomness
        );
        assert_eq!(kind(b"1500000000", b"1500000001"), CauseKind::Randomness);
    }

    #[test]
    fn a_compressed_file_has_the_time_in_its_head() {
        let head = |seconds: u32| {
            let mut bytes = vec![0x1f, 0x8b, 8, 0];
            bytes.extend(seconds.to_le_bytes());
            bytes.extend([0xff; 4]);
            bytes
        };
        assert_eq!(
            kind(&head(1_800_000_005), &head(1_800_000_009)),
            CauseKind::Time
        );
        assert_eq!(kind(&head(5), &head(9)), CauseKind::Randomness);
    }

    #[test]
    fn rounding_order_and_chance_are_told_apart() {
        assert_eq!(
            kind(b"w 0.12345678901\n", b"w 0.12345678902\n"),
            CauseKind::Rounding
        );
        assert_eq!(kind(b"[a, b, c]\n", b"[c, a, b]\n"), CauseKind::HashOrder);
        assert_eq!(kind(b"w 0.1\n", b"w 0.2\n"), CauseKind::Randomness);
        assert_eq!(kind(b"\xff\x00", b"\xff\x01"), CauseKind::Randomness);
        assert_eq!(kind(b"a\n", b"a\nb\n"), CauseKind::Randomness);
    }
}
