//! MD5 of one stream, and of many short messages in the lanes of the processor at once.
//!
//! MD5 is a chain: one message cannot be hashed faster than its chain allows. Several messages can
//! go side by side, which is what a directory of small files wants. The lanes are `md5-many`'s;
//! it is young, so its answers are held against `md-5`'s once in each process, and where they
//! differ everything is hashed by `md-5`.

use std::sync::OnceLock;

use md5::Digest as _;
use md5_many::{Md5Many, Md5State};

/// An MD5.
pub(crate) type Digest = [u8; 16];

/// The digests of several messages, in their order.
pub(crate) fn digest_many(messages: &[&[u8]]) -> Vec<Digest> {
    match engine() {
        Some(engine) => lanes(engine, messages),
        None => messages.iter().map(|message| plain(message)).collect(),
    }
}

/// The digest of one message that comes in pieces.
pub(crate) struct Stream(Method);

enum Method {
    Fast(Box<Md5State>),
    Plain(md5::Md5),
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self(match engine() {
            Some(_) => Method::Fast(Box::new(Md5State::new())),
            None => Method::Plain(md5::Md5::new()),
        })
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Method::Fast(state) => state.update(bytes),
            Method::Plain(state) => state.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        match self.0 {
            Method::Fast(state) => state.finalize(),
            Method::Plain(state) => state.finalize().into(),
        }
    }
}

/// `md5-many` on this processor; nothing if it does not count as it should.
fn engine() -> Option<Md5Many> {
    static ENGINE: OnceLock<Option<Md5Many>> = OnceLock::new();
    *ENGINE.get_or_init(|| {
        let engine = Md5Many::new();
        agrees(engine).then_some(engine)
    })
}

fn lanes(engine: Md5Many, messages: &[&[u8]]) -> Vec<Digest> {
    let mut digests = vec![Digest::default(); messages.len()];
    engine.hash_many(messages, &mut digests);
    digests
}

fn plain(message: &[u8]) -> Digest {
    md5::Md5::digest(message).into()
}

/// All lanes of the widest kernel, with lengths around every border of a block and its padding.
fn agrees(engine: Md5Many) -> bool {
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let messages: Vec<&[u8]> = (0..64)
        .map(|lane| bytes.get(..(lane * 37) % 257).unwrap_or_default())
        .collect();
    let right: Vec<Digest> = messages.iter().map(|message| plain(message)).collect();
    let mut stream = Md5State::new();
    for message in &messages {
        stream.update(message);
    }
    lanes(engine, &messages) == right && stream.finalize() == plain(&messages.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and are the same in every run.
    fn noise(seed: u64) -> impl Iterator<Item = u64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        })
    }

    #[test]
    fn this_processor_counts_right() {
        assert!(engine().is_some());
    }

    #[test]
    fn lanes_and_plain_agree_whatever_the_number_and_the_lengths() {
        let bytes: Vec<u8> = noise(1).take(1 << 17).map(|word| word as u8).collect();
        let mut numbers = noise(2);
        let mut number = |limit: usize| numbers.next().unwrap() as usize % limit;
        for count in (0..100).chain([127, 128, 129, 500]) {
            let limit = [1, 65, 200, 4097, 40_000][count % 5];
            let messages: Vec<&[u8]> = (0..count)
                .map(|_| {
                    let start = number(1 << 16);
                    &bytes[start..start + number(limit)]
                })
                .collect();
            let right: Vec<Digest> = messages.iter().map(|message| plain(message)).collect();
            assert_eq!(digest_many(&messages), right, "{count} messages");
        }
    }

    #[test]
    fn every_length_around_blocks() {
        let bytes: Vec<u8> = noise(3).take(300).map(|word| word as u8).collect();
        let messages: Vec<&[u8]> = (0..=300).map(|length| &bytes[..length]).collect();
        for (message, digest) in messages.iter().zip(digest_many(&messages)) {
            assert_eq!(digest, plain(message), "{} bytes", message.len());
        }
    }

    #[test]
    fn streams_agree_however_they_are_cut() {
        let bytes: Vec<u8> = noise(4).take(10_000).map(|word| word as u8).collect();
        for piece in [1, 7, 63, 64, 65, 1000, 10_000] {
            let mut stream = Stream::new();
            for part in bytes.chunks(piece) {
                stream.update(part);
            }
            assert_eq!(stream.finish(), plain(&bytes), "in pieces of {piece}");
        }
    }
}
