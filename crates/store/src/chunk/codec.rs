//! Chunks as they are stored.

use std::cell::RefCell;

use zstd::bulk::Compressor;

use super::LARGEST_CHUNK;
use super::wire::{Digest, Malformed};

/// How hard to try. On chunks of a table of 387 MB level 3 took half as long again and made 2 % more
/// bytes: it pays for larger pieces only.
const LEVEL: i32 = 1;
/// Nothing this small gets smaller.
const NOT_WORTH_IT: usize = 64;

/// How a chunk is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Plain,
    Zstd,
}

impl Method {
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Zstd => 1,
        }
    }

    pub(super) fn parse(byte: u8) -> Result<Self, Malformed> {
        match byte {
            0 => Ok(Self::Plain),
            1 => Ok(Self::Zstd),
            _ => Err(Malformed(
                "it holds a chunk stored in a way that this version does not know",
            )),
        }
    }
}

thread_local! {
    /// Its tables are larger than a chunk: they are made once for each thread.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// Chooses the shorter way to store a chunk; nothing for the chunk as it is.
pub(super) fn compress(chunk: &[u8]) -> Option<Vec<u8>> {
    if chunk.len() < NOT_WORTH_IT {
        return None;
    }
    let packed = COMPRESSOR.with_borrow_mut(|compressor| {
        if compressor.is_none() {
            *compressor = Compressor::new(LEVEL).ok();
        }
        compressor.as_mut()?.compress(chunk).ok()
    })?;
    (packed.len() < chunk.len()).then_some(packed)
}

/// The chunk again; never more bytes than `length`, whatever the stored ones say.
pub(super) fn restore(
    stored: &[u8],
    method: Method,
    length: u64,
    id: &Digest,
) -> Result<Vec<u8>, Malformed> {
    if length > LARGEST_CHUNK {
        return Err(Malformed("it holds a size beyond all limits"));
    }
    let chunk = match method {
        Method::Plain => stored.to_vec(),
        Method::Zstd => zstd::bulk::decompress(stored, length as usize)
            .map_err(|_| Malformed("it holds a chunk that cannot be decompressed"))?,
    };
    if chunk.len() as u64 != length || Digest::of(&chunk) != *id {
        return Err(Malformed("it holds a chunk that is not what its name says"));
    }
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restores_only_what_was_promised() {
        let chunk = vec![7; 10_000];
        let id = Digest::of(&chunk);
        let packed = compress(&chunk).unwrap();
        assert_eq!(restore(&packed, Method::Zstd, 10_000, &id).unwrap(), chunk);
        for length in [0, 9_999, 10_001, u64::MAX] {
            restore(&packed, Method::Zstd, length, &id).unwrap_err();
        }
        restore(&packed, Method::Plain, packed.len() as u64, &id).unwrap_err();
        restore(&packed, Method::Zstd, 10_000, &Digest::of(b"")).unwrap_err();
        assert!(compress(b"short").is_none());
        // Said to be small, and grows to a gigabyte.
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
        restore(&bomb, Method::Zstd, 100, &Digest::of(&[0; 100])).unwrap_err();
    }
}
