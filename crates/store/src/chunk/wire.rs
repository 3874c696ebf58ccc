//! Bytes of packs and indexes, read without trust.

use std::fmt;

/// A BLAKE3 digest: of a chunk, a pack or an index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digest(pub(super) [u8; 32]);

impl Digest {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Reads 64 lower-case hexadecimal digits; nothing else is a name of ours.
    pub(super) fn parse(hex: &str) -> Option<Self> {
        let lower = hex
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let hash = blake3::Hash::from_hex(hex).ok()?;
        lower.then(|| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(Malformed("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| Malformed("it ends too early"))
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// LEB128, in the shortest form only.
    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 {
                    Err(Malformed("it holds a number with needless digits"))
                } else {
                    Ok(value)
                };
            }
        }
        Err(Malformed("it holds a number that is too large"))
    }

    /// A number that is at most `most`.
    pub(super) fn bounded(&mut self, most: u64) -> Result<u64, Malformed> {
        let value = self.number()?;
        if value > most {
            return Err(Malformed("it holds a size beyond all limits"));
        }
        Ok(value)
    }

    /// How many items follow, each of at least `least` bytes: never more than there can be.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, Malformed> {
        let count = self.number()?;
        if count > (self.0.len() / least) as u64 {
            return Err(Malformed("it promises more than it holds"));
        }
        Ok(count as usize)
    }

    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed("there is something behind its end"))
        }
    }
}

/// Appends LEB128.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u64) {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            let mut input = Input(&bytes);
            prop_assert_eq!(input.number().unwrap(), value);
            input.end().unwrap();
            bytes.pop();
            Input(&bytes).number().unwrap_err();
        }
    }

    #[test]
    fn refuses_numbers_that_are_none() {
        for bytes in [&[0x80, 0][..], &[0xff; 10], &[0xff; 11], &[0x80], &[]] {
            Input(bytes).number().unwrap_err();
        }
        assert_eq!(
            Input(&[5, 0, 0]).count(1),
            Err(Malformed("it promises more than it holds"))
        );
        assert_eq!(Input(&[2, 0, 0]).count(1), Ok(2));
    }

    #[test]
    fn names_have_one_spelling() {
        let digest = Digest::of(b"x");
        let hex = digest.to_string();
        assert_eq!(Digest::parse(&hex), Some(digest));
        assert_eq!(Digest::parse(&hex.to_uppercase()), None);
        assert_eq!(Digest::parse(&hex[1..]), None);
        assert_eq!(Digest::parse("../x"), None);
    }
}
