//! Fingerprints of keys and rows.
//!
//! A 64-bit hash by folded multiplication with secret multipliers, so that nobody can make two
//! rows that are taken for one. It never leaves the process.

use std::hash::{BuildHasher as _, RandomState};

use super::cell::{CellRef, Comparison, canonical_bits};

/// The secrets of one comparison.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds([u64; 4]);

impl Seeds {
    pub(super) fn random() -> Self {
        let state = RandomState::new();
        // Odd: no multiplier is zero.
        Self([1_u64, 2, 3, 4].map(|number| state.hash_one(number) | 1))
    }

    /// What a hash of a key, or of a row, starts with.
    pub(super) fn start(self, of_row: bool) -> u64 {
        self.0[usize::from(of_row)]
    }

    /// The state with one more number in it.
    #[inline]
    pub(super) fn number(self, state: u64, number: u64) -> u64 {
        fold(state ^ number, self.0[2])
    }

    /// The state with one more text in it.
    #[inline]
    pub(super) fn bytes(self, state: u64, bytes: &[u8]) -> u64 {
        let mut state = state;
        let mut rest = bytes;
        while let Some((chunk, more)) = rest.split_first_chunk::<16>() {
            let [low, high] = ends(chunk);
            state = fold(low ^ state, high ^ self.0[3]);
            rest = more;
        }
        let [low, high] = ends(rest);
        // Nobody knows the product, so that no two lengths are as one.
        let length = (bytes.len() as u64).wrapping_mul(self.0[2]);
        fold(low ^ state, high ^ self.0[3].wrapping_add(length))
    }

    /// The state with one more value in it: the same for all values that are the same.
    #[inline]
    pub(super) fn cell(self, state: u64, comparison: Comparison, cell: CellRef<'_>) -> u64 {
        const NULL: u64 = 0x9e37_79b9_7f4a_7c15;
        match (comparison, cell) {
            (_, CellRef::Null) => fold(state ^ NULL, self.0[3]),
            (Comparison::Text, CellRef::Text(text)) => self.bytes(state, text.as_bytes()),
            (Comparison::Text, cell) => self.bytes(state, cell.to_string().as_bytes()),
            (Comparison::Number, CellRef::Int(number)) => {
                self.number(state, canonical_bits(number as f64))
            }
            (_, CellRef::Float(number)) => self.number(state, canonical_bits(number)),
            (_, CellRef::Boolean(value)) => self.number(state, u64::from(value)),
            (_, CellRef::Int(number) | CellRef::Timestamp(number)) => {
                self.number(state, number as u64)
            }
            (_, CellRef::Text(text)) => self.bytes(state, text.as_bytes()),
        }
    }
}

#[inline]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ (product >> 64) as u64
}

/// Up to 16 bytes as two numbers that, with their length, tell all of them: the first and the last,
/// which may overlap.
#[inline]
fn ends(bytes: &[u8]) -> [u64; 2] {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        [first, last].map(|word| u64::from_le_bytes(*word))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        [first, last].map(|word| u64::from(u32::from_le_bytes(*word)))
    } else if let [first, .., last] = bytes {
        let middle = u64::from(bytes[bytes.len() / 2]);
        [u64::from(*first) << 8 | middle, u64::from(*last)]
    } else {
        [bytes.first().map_or(0, |byte| u64::from(*byte)), 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_contents_differ() {
        let seeds = Seeds::random();
        let mut seen = std::collections::HashSet::new();
        for length in 0..100 {
            for byte in 0..4 {
                assert!(seen.insert(seeds.bytes(7, &vec![byte; length])) || length == 0);
            }
        }
        let pair = |left: &[u8], right: &[u8]| seeds.bytes(seeds.bytes(7, left), right);
        assert_ne!(pair(b"a", b"bc"), pair(b"ab", b"c"));
    }

    #[test]
    fn the_same_value_has_one_hash() {
        let seeds = Seeds::random();
        let number = |cell| seeds.cell(7, Comparison::Number, cell);
        assert_eq!(number(CellRef::Int(2)), number(CellRef::Float(2.0)));
        assert_eq!(number(CellRef::Float(0.0)), number(CellRef::Float(-0.0)));
        assert_eq!(
            number(CellRef::Float(f64::NAN)),
            number(CellRef::Float(-f64::NAN))
        );
        assert_ne!(number(CellRef::Null), number(CellRef::Float(0.0)));
        let text = |cell| seeds.cell(7, Comparison::Text, cell);
        assert_eq!(text(CellRef::Int(2)), text(CellRef::Text("2")));
    }
}
