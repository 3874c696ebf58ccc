//! First pass: which rows are on both sides, by their fingerprints.

use camino::Utf8Path;

use super::spill::{PARTS, Side, Spill};
use crate::TableError;

/// Row numbers, one bit each.
#[derive(Debug, Default)]
pub(super) struct Rows {
    words: Vec<u64>,
    pub(super) count: u64,
}

impl Rows {
    fn insert(&mut self, row: u64) {
        let word = (row / 64) as usize;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (row % 64);
        self.count += 1;
    }

    pub(super) fn contains(&self, row: u64) -> bool {
        let word = self.words.get((row / 64) as usize).copied();
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// The row numbers in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| index as u64 * 64 + bit)
        })
    }
}

/// What the fingerprints tell.
#[derive(Debug, Default)]
pub(super) struct Matching {
    pub(super) unchanged: u64,
    /// Rows of each side that the other one does not have as they are.
    pub(super) rest: [Rows; 2],
    /// Those of them whose key is not theirs alone: which of them became which cannot be told.
    pub(super) shared: [Rows; 2],
    /// Keys that a side has more than once.
    pub(super) duplicate_keys: [u64; 2],
}

/// The fingerprints of all rows.
pub(super) struct Fingerprints {
    spill: Spill,
}

/// Key, row, row number.
type Fingerprint = (u64, u64, u64);
const SIZE: usize = 24;

impl Fingerprints {
    pub(super) fn new(budget: usize, folder: &Utf8Path) -> Self {
        Self {
            spill: Spill::new(budget, folder),
        }
    }

    #[inline]
    pub(super) fn push(
        &mut self,
        side: Side,
        key: u64,
        row: u64,
        number: u64,
    ) -> Result<(), TableError> {
        let part = (key >> 58) as usize;
        self.spill.push(part, side, |bytes| {
            let mut record = [0; SIZE];
            record[..8].copy_from_slice(&key.to_le_bytes());
            record[8..16].copy_from_slice(&row.to_le_bytes());
            record[16..].copy_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&record);
        })
    }

    pub(super) fn matching(mut self) -> Result<Matching, TableError> {
        let mut matching = Matching::default();
        for part in 0..PARTS {
            let before = sorted(&self.spill.take(part, Side::Before)?);
            let after = sorted(&self.spill.take(part, Side::After)?);
            compare(&before, &after, &mut matching);
        }
        Ok(matching)
    }
}

fn sorted(bytes: &[u8]) -> Vec<Fingerprint> {
    let mut fingerprints: Vec<Fingerprint> = bytes
        .chunks_exact(SIZE)
        .map(|record| {
            let word = |at: usize| {
                let bytes = record[at..at + 8].try_into().unwrap_or_default();
                u64::from_le_bytes(bytes)
            };
            (word(0), word(8), word(16))
        })
        .collect();
    fingerprints.sort_unstable();
    fingerprints
}

fn compare(mut before: &[Fingerprint], mut after: &[Fingerprint], matching: &mut Matching) {
    while let Some(key) = before
        .first()
        .iter()
        .chain(&after.first())
        .map(|f| f.0)
        .min()
    {
        let (mut left, mut right) = (group(&mut before, key), group(&mut after, key));
        for (count, group) in matching.duplicate_keys.iter_mut().zip([left, right]) {
            *count += u64::from(group.len() > 1);
        }
        let is_shared = left.len() > 1 || right.len() > 1;
        let mut add = |side: usize, row: u64| {
            matching.rest[side].insert(row);
            if is_shared {
                matching.shared[side].insert(row);
            }
        };
        loop {
            match (left.first(), right.first()) {
                (Some(b), Some(a)) if b.1 == a.1 => {
                    matching.unchanged += 1;
                    (left, right) = (&left[1..], &right[1..]);
                }
                (Some(b), a) if a.is_none_or(|a| b.1 < a.1) => {
                    add(0, b.2);
                    left = &left[1..];
                }
                (_, Some(a)) => {
                    add(1, a.2);
                    right = &right[1..];
                }
                (_, None) => break,
            }
        }
    }
}

/// Splits the fingerprints with this key off the front.
fn group<'f>(from: &mut &'f [Fingerprint], key: u64) -> &'f [Fingerprint] {
    let length = from.iter().take_while(|f| f.0 == key).count();
    let (group, rest) = from.split_at(length);
    *from = rest;
    group
}
