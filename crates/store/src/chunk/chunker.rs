//! Where files are cut.

use std::io::{self, Read};

use fastcdc::v2020::{Normalization, cut, select_masks};

/// The smallest chunk in bytes, but for the last of a file.
pub const MINIMUM: usize = 4 << 10;
/// What most chunks are near to, in bytes.
pub const AVERAGE: usize = 16 << 10;
/// The largest chunk in bytes.
pub const MAXIMUM: usize = 64 << 10;

/// How much is read at once.
const BUFFER: usize = 1 << 20;

/// Cuts what it reads into chunks, whose boundaries depend on the bytes around them alone.
pub(super) struct Chunker<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of the buffer is filled and not yet handed out.
    start: usize,
    end: usize,
    ended: bool,
    masks: (u64, u64),
}

impl<R: Read> Chunker<R> {
    /// `size` is what is expected, so that a small file takes a small buffer.
    pub(super) fn new(source: R, size: u64) -> Self {
        let length = usize::try_from(size).unwrap_or(BUFFER).clamp(1, BUFFER - 1) + 1;
        Self {
            source,
            buffer: vec![0; length.max(2 * MAXIMUM.min(length))],
            start: 0,
            end: 0,
            ended: false,
            masks: select_masks(AVERAGE, Normalization::Level1),
        }
    }

    /// The next chunk; nothing at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if self.end - self.start < MAXIMUM && !self.ended {
            self.fill()?;
        }
        let waiting = self.buffer.get(self.start..self.end).unwrap_or_default();
        if waiting.is_empty() {
            return Ok(None);
        }
        let (small, large) = self.masks;
        let (_, length) = cut(
            waiting,
            MINIMUM,
            AVERAGE,
            MAXIMUM,
            small,
            large,
            small << 1,
            large << 1,
        );
        // Never nothing, whatever a later version of the library does.
        let length = length.clamp(1, waiting.len());
        self.start += length;
        Ok(waiting.get(..length))
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while !self.ended {
            if self.end == self.buffer.len() {
                if self.end >= 2 * MAXIMUM {
                    break;
                }
                // More came than was expected.
                self.buffer.resize(BUFFER, 0);
            }
            let space = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.source.read(space) {
                Ok(0) => self.ended = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect()
    }

    fn chunks(bytes: impl Read, size: u64) -> Vec<Vec<u8>> {
        let mut chunker = Chunker::new(bytes, size);
        let mut all = Vec::new();
        while let Some(chunk) = chunker.next().unwrap() {
            all.push(chunk.to_vec());
        }
        all
    }

    /// Gives a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.1);
            self.0.read(&mut buffer[..most])
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn chunks_join_to_what_was_cut(length in 0_usize..300_000, seed: u64, step in 1_usize..100_000, expected in 0_u64..400_000) {
            let bytes = noise(length, seed);
            let whole = chunks(&*bytes, length as u64);
            prop_assert!(whole.concat() == bytes);
            // The cuts are the same however the bytes arrive and whatever was expected.
            prop_assert!(chunks(Trickle(&bytes, step), expected) == whole);
            for chunk in whole.iter().rev().skip(1) {
                prop_assert!((MINIMUM..=MAXIMUM).contains(&chunk.len()));
            }
        }

        #[test]
        fn an_insertion_moves_few_cuts(seed: u64, at in 0_usize..2_000_000, row in 1_usize..200) {
            let before = noise(2_000_000, seed);
            let mut after = before.clone();
            after.splice(at..at, noise(row, seed ^ 0x4d));
            let known: std::collections::HashSet<_> = chunks(&*before, 0).into_iter().collect();
            let new: usize = chunks(&*after, 0).iter().filter(|chunk| !known.contains(*chunk)).map(Vec::len).sum();
            prop_assert!(new <= 8 * MAXIMUM, "{new} bytes are new");
        }
    }

    #[test]
    fn what_is_all_the_same_is_cut_at_the_largest() {
        let all = chunks(&*vec![0; 1 << 20], 1 << 20);
        assert!(
            all.iter().all(|chunk| chunk.len() == MAXIMUM),
            "{}",
            all.len()
        );
        assert!(chunks(&b""[..], 0).is_empty());
    }

    /// Other cuts would be read all the same, but each user would send everything once more.
    #[test]
    fn the_cuts_are_those_of_earlier_versions() {
        let lengths: Vec<usize> = chunks(&*noise(200_000, 42), 0)
            .iter()
            .map(Vec::len)
            .collect();
        assert_eq!(lengths.iter().sum::<usize>(), 200_000);
        assert_eq!(lengths, EARLIER);
    }

    const EARLIER: [usize; 10] = [
        23_119, 22_825, 17_176, 27_100, 13_714, 39_982, 17_213, 19_586, 16_690, 2_595,
    ];
}
