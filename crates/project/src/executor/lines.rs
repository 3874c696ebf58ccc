//! What a command writes, cut into lines.

/// A line is passed on in pieces of at most this many bytes.
const LONGEST_LINE: usize = 1 << 16;

/// The beginning of a line that has no end yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes what was read, and gives every line that it ends.
    pub(super) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(String)) {
        self.pending.extend_from_slice(bytes);
        let mut begin = 0;
        while let Some(rest) = self.pending.get(begin..)
            && let Some(length) = rest.iter().position(|byte| *byte == b'\n')
        {
            line(text(rest.get(..length).unwrap_or_default()));
            begin += length + 1;
        }
        self.pending.drain(..begin);
        if self.pending.len() >= LONGEST_LINE {
            line(text(&self.pending));
            self.pending.clear();
        }
    }

    /// The last line, if it has no end.
    pub(super) fn finish(self) -> Option<String> {
        (!self.pending.is_empty()).then(|| text(&self.pending))
    }
}

fn text(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], piece: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for bytes in input.chunks(piece) {
            lines.push(bytes, |line| found.push(line));
        }
        found.extend(lines.finish());
        found
    }

    #[test]
    fn splits_lines() {
        for piece in 1..10 {
            assert_eq!(lines(b"a\nb\r\n\nlast", piece), ["a", "b", "", "last"]);
            assert_eq!(lines(b"\xff\n", piece), ["\u{fffd}"]);
            assert!(lines(b"", piece).is_empty());
        }
        let long = vec![b'x'; 3 * LONGEST_LINE];
        assert!(lines(&long, 8192).len() >= 3);
    }
}
