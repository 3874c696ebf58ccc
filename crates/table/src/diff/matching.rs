//! First pass: which rows are on both sides, by their fingerprints.

use std::borrow::Cow;

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
    /// Those of the rows of each side, and the keys of rows that are known to be on both.
    spill: Spill<3>,
}

#[derive(Debug, Clone, Copy)]
struct Fingerprint {
    key: u64,
    row: u64,
    number: u64,
}

/// Of a row's number so many bytes are kept: no disk has more rows.
const NUMBER: usize = 6;
const SIZE: usize = 16 + NUMBER;
/// Where in the spill the keys of pairs are.
const PAIRS: usize = 2;

impl Fingerprints {
    pub(super) fn new(budget: usize, folder: &Utf8Path) -> Self {
        Self {
            spill: Spill::new(budget, folder),
        }
    }

    /// Takes a row of one side.
    #[inline]
    pub(super) fn push(
        &mut self,
        side: Side,
        key: u64,
        row: u64,
        number: u64,
    ) -> Result<(), TableError> {
        self.spill.push(part_of(key), side as usize, |bytes| {
            let mut record = [0; SIZE];
            record[..8].copy_from_slice(&key.to_le_bytes());
            record[8..16].copy_from_slice(&row.to_le_bytes());
            record[16..].copy_from_slice(&number.to_le_bytes()[..NUMBER]);
            bytes.extend_from_slice(&record);
        })
    }

    /// Takes a row that each side has: only its key may matter to others.
    #[inline]
    pub(super) fn push_pair(&mut self, key: u64) -> Result<(), TableError> {
        self.spill.push(part_of(key), PAIRS, |bytes| {
            bytes.extend_from_slice(&key.to_le_bytes());
        })
    }

    pub(super) fn matching(mut self) -> Result<Matching, TableError> {
        let mut matching = Matching::default();
        for part in 0..PARTS {
            let before = sorted(&self.spill.take(part, Side::Before as usize)?);
            let after = sorted(&self.spill.take(part, Side::After as usize)?);
            let pairs = sorted_keys(&self.spill.take(part, PAIRS)?);
            compare(&before, &after, &pairs, &mut matching);
        }
        Ok(matching)
    }
}

fn part_of(key: u64) -> usize {
    (key >> (u64::BITS - PARTS.ilog2())) as usize
}

fn sorted(bytes: &[u8]) -> Vec<Fingerprint> {
    let (records, _) = bytes.as_chunks::<SIZE>();
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let mut fingerprints: Vec<Fingerprint> = records
        .iter()
        .map(|record| Fingerprint {
            key: word(&record[..8]),
            row: word(&record[8..16]),
            number: word(&record[16..]),
        })
        .collect();
    fingerprints.sort_unstable_by_key(|fingerprint| fingerprint.key);
    fingerprints
}

fn sorted_keys(bytes: &[u8]) -> Vec<u64> {
    let (keys, _) = bytes.as_chunks();
    let mut keys: Vec<u64> = keys.iter().copied().map(u64::from_le_bytes).collect();
    keys.sort_unstable();
    keys
}

fn compare<'f>(
    mut before: &'f [Fingerprint],
    mut after: &'f [Fingerprint],
    mut pairs: &[u64],
    matching: &mut Matching,
) {
    loop {
        let singles = [before.first(), after.first()].into_iter().flatten();
        let keys = singles
            .map(|single| single.key)
            .chain(pairs.first().copied());
        let Some(key) = keys.min() else { break };
        let paired = split_off(&mut pairs, |pair| *pair == key).len();
        let groups =
            [&mut before, &mut after].map(|side| by_row(split_off(side, |f| f.key == key)));
        let counts = groups.each_ref().map(|group| group.len() + paired);
        for (duplicates, count) in matching.duplicate_keys.iter_mut().zip(counts) {
            *duplicates += u64::from(count > 1);
        }
        matching.unchanged += paired as u64;
        let is_shared = counts.iter().any(|count| *count > 1);
        let mut add = |side: usize, row: u64| {
            matching.rest[side].insert(row);
            if is_shared {
                matching.shared[side].insert(row);
            }
        };
        let [mut left, mut right] = groups.each_ref().map(|group| &**group);
        loop {
            match (left.first(), right.first()) {
                (Some(b), Some(a)) if b.row == a.row => {
                    matching.unchanged += 1;
                    (left, right) = (&left[1..], &right[1..]);
                }
                (Some(b), a) if a.is_none_or(|a| b.row < a.row) => {
                    add(0, b.number);
                    left = &left[1..];
                }
                (_, Some(a)) => {
                    add(1, a.number);
                    right = &right[1..];
                }
                (_, None) => break,
            }
        }
    }
}

/// The fingerprints of one key in the order of the rows.
fn by_row(group: &[Fingerprint]) -> Cow<'_, [Fingerprint]> {
    if group.len() < 2 {
        return Cow::Borrowed(group);
    }
    let mut group = group.to_vec();
    group.sort_unstable_by_key(|fingerprint| (fingerprint.row, fingerprint.number));
    Cow::Owned(group)
}

/// Splits off the front what belongs to the group.
fn split_off<'f, T>(from: &mut &'f [T], belongs: impl Fn(&T) -> bool) -> &'f [T] {
    let length = from.iter().take_while(|item| belongs(item)).count();
    let (group, rest) = from.split_at(length);
    *from = rest;
    group
}
