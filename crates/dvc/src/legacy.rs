//! The hash of DVC 2: MD5 of the content as if its line ends were Unix ones.

use std::borrow::Cow;

use md5::{Digest, Md5};

use crate::ObjectId;

/// How many bytes are looked at together; the last chunk is shorter.
const CHUNK: usize = 1 << 20;
/// How many bytes of a chunk tell whether it is text.
const PROBE: usize = 512;

/// Hashes a content as DVC 2 did (`md5-dos2unix`: an output without `hash:`).
///
/// The content is cut into chunks of 1 MiB. In a chunk whose first 512 bytes look like text every
/// `\r\n` counts as `\n`; one that lies across two chunks stays. So two contents that differ only
/// in their line ends have one hash: do not take it for the identity of the bytes.
#[derive(Debug, Clone, Default)]
pub struct LegacyHasher {
    hasher: Md5,
    /// The start of a chunk that is not whole yet.
    pending: Vec<u8>,
}

impl LegacyHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the content, in pieces of any length.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.pending.len()));
            bytes = later;
            if now.len() == CHUNK {
                self.hasher.update(unix_lines(now));
                continue;
            }
            self.pending.extend_from_slice(now);
            if self.pending.len() == CHUNK {
                self.hasher.update(unix_lines(&self.pending));
                self.pending.clear();
            }
        }
    }

    /// The hash of all bytes taken.
    pub fn finish(mut self) -> ObjectId {
        self.hasher.update(unix_lines(&self.pending));
        ObjectId::file_from_digest(self.hasher.finalize().into())
    }
}

/// The chunk as it is hashed.
fn unix_lines(chunk: &[u8]) -> Cow<'_, [u8]> {
    let is_break = |pair: &[u8]| pair == b"\r\n";
    if !is_text(&chunk[..chunk.len().min(PROBE)]) || !chunk.windows(2).any(is_break) {
        return Cow::Borrowed(chunk);
    }
    let mut out = Vec::with_capacity(chunk.len());
    let mut bytes = chunk.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\r' || bytes.peek() != Some(&b'\n') {
            out.push(byte);
        }
    }
    Cow::Owned(out)
}

/// No NUL, and at most 30 of 100 bytes that are neither printable ASCII nor white space.
fn is_text(probe: &[u8]) -> bool {
    let is_usual = |byte: &u8| {
        matches!(
            byte,
            b' '..=b'~' | b'\n' | b'\r' | b'\t' | b'\x0c' | b'\x08'
        )
    };
    let unusual = probe.iter().filter(|byte| !is_usual(byte)).count();
    !probe.contains(&0) && unusual * 10 <= probe.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(content: &[u8]) -> String {
        let mut hasher = LegacyHasher::new();
        hasher.update(content);
        hasher.finish().hex().to_owned()
    }

    fn md5(content: &[u8]) -> String {
        ObjectId::file_from_digest(Md5::digest(content).into())
            .hex()
            .to_owned()
    }

    #[test]
    fn line_ends_do_not_count_in_text() {
        // DVC 2's hash and DVC 3's of the same bytes.
        let content = b"a\r\nb\r\n";
        assert_eq!(hash(content), "dd8c6a395b5dd36c56d23275028f526c");
        assert_eq!(md5(content), "59b0d7772f0561efb95518f3cb8abc60");
        assert_eq!(hash(content), hash(b"a\nb\n"));
        assert_eq!(hash(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hash(b"a\rb\r\r\n\r"), md5(b"a\rb\r\n\r"));
    }

    #[test]
    fn binary_content_is_hashed_as_it_is() {
        for content in [&b"a\0\r\n"[..], &[0xff, 0xff, b'\r', b'\n']] {
            assert_eq!(hash(content), md5(content));
        }
        // 3 of 10 bytes are still text, 4 of 13 are not.
        assert_eq!(hash(b"\x7f\x7f\x7faaaaa\r\n"), md5(b"\x7f\x7f\x7faaaaa\n"));
        let binary = b"\x7f\x7f\x7f\x7faaaaaaa\r\n";
        assert_eq!(hash(binary), md5(binary));
        // Only the start of a chunk is looked at.
        let late = [&[b'x'; PROBE][..], b"\0\r\n"].concat();
        assert_eq!(hash(&late), md5(&[&[b'x'; PROBE][..], b"\0\n"].concat()));
    }

    #[test]
    fn chunks_are_on_their_own() {
        let mut content = vec![b'x'; CHUNK - 1];
        content.extend_from_slice(b"\r\n\r\n");
        let mut expected = vec![b'x'; CHUNK - 1];
        expected.extend_from_slice(b"\r\n\n");
        assert_eq!(hash(&content), md5(&expected));
        // A second chunk that is binary, after one that is text.
        content.splice(CHUNK.., *b"\0\r\n");
        content[3..5].copy_from_slice(b"\r\n");
        let mut expected = content.clone();
        expected.remove(3);
        assert_eq!(hash(&content), md5(&expected));
    }

    #[test]
    fn the_pieces_do_not_matter() {
        let content: Vec<u8> = b"some,text\r\n"
            .iter()
            .copied()
            .cycle()
            .take(3 * CHUNK + 7)
            .collect();
        for length in [1000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let mut hasher = LegacyHasher::new();
            content
                .chunks(length)
                .for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish().hex(), hash(&content), "{length}");
        }
    }
}
