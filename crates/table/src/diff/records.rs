//! The records of a CSV file, one after the other.
//!
//! The same records as the `csv` crate reads, several times as fast where fields are not quoted:
//! such a record ends where its line does, and its fields are where they stand. The others are left
//! to `csv-core`.

use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};

use camino::Utf8Path;
use csv_core::ReadRecordResult;
use fs_err::File;

/// A multiple of [`BLOCK`]. Two of these fit a core's second cache.
const BUFFER: usize = 256 << 10;
/// A record that is longer is a quote that was never closed, most likely.
const LONGEST: usize = 256 << 20;
/// The bytes that are looked at in one go.
const BLOCK: usize = 64;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why there is no next record.
#[derive(Debug)]
pub(super) enum Failure {
    Io(std::io::Error),
    /// The record that starts here opens a quote and the file ends within it.
    OpenQuote {
        offset: u64,
    },
    /// The record that starts here is longer than `limit` bytes.
    TooLong {
        offset: u64,
        limit: usize,
    },
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// One record, in a buffer that the next one may overwrite.
#[derive(Clone, Copy)]
pub(super) struct Record<'r> {
    bytes: &'r [u8],
    /// Start and end of each.
    fields: &'r [(usize, usize)],
    /// Of its first byte in the file.
    pub(super) offset: u64,
}

impl<'r> Record<'r> {
    /// How many fields there are: one at least.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&'r [u8]> {
        let (start, end) = *self.fields.get(index)?;
        self.bytes.get(start..end)
    }
}

enum Scan {
    Record,
    /// There is no record before the end of the bytes given.
    Incomplete,
    OpenQuote,
}

/// Reads the records of a file.
pub(super) struct Records {
    file: File,
    delimiter: u8,
    /// Its length is a multiple of [`BLOCK`].
    buffer: Vec<u8>,
    /// Where the bytes that were read end.
    filled: usize,
    /// Of the buffer's first byte in the file.
    offset: u64,
    is_all_read: bool,
    /// Where the next record starts, or blank lines before it.
    next: usize,
    /// Where the current record starts.
    current: usize,
    fields: Vec<(usize, usize)>,
    /// Whether the fields are in `unquoted`.
    is_quoted: bool,
    unquoted: Vec<u8>,
    ends: Vec<usize>,
    quoted_reader: csv_core::Reader,
    /// The block whose marks were found last, and they.
    marked: (usize, u64),
}

impl Records {
    pub(super) fn open(path: &Utf8Path, delimiter: u8) -> Result<Self, std::io::Error> {
        let mut records = Self {
            file: File::open(path)?,
            delimiter,
            buffer: vec![0; BUFFER],
            filled: 0,
            offset: 0,
            is_all_read: false,
            next: 0,
            current: 0,
            fields: Vec::new(),
            is_quoted: false,
            unquoted: Vec::new(),
            ends: Vec::new(),
            quoted_reader: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            marked: (usize::MAX, 0),
        };
        records.refill()?;
        if records.rest().starts_with(BYTE_ORDER_MARK) {
            records.next = BYTE_ORDER_MARK.len();
        }
        Ok(records)
    }

    /// Goes to a place where a record starts.
    pub(super) fn seek(&mut self, offset: u64) -> Result<(), std::io::Error> {
        self.file.seek(SeekFrom::Start(offset))?;
        (self.offset, self.filled, self.next) = (offset, 0, 0);
        self.is_all_read = false;
        self.marked.0 = usize::MAX;
        Ok(())
    }

    /// Reads the next record. False at the end of the file.
    pub(super) fn advance(&mut self) -> Result<bool, Failure> {
        loop {
            match self.scan(self.filled, self.is_all_read) {
                Scan::Record => return Ok(true),
                Scan::Incomplete if self.is_all_read => return Ok(false),
                Scan::Incomplete => self.refill_for_a_record()?,
                Scan::OpenQuote => {
                    return Err(Failure::OpenQuote {
                        offset: self.offset + self.next as u64,
                    });
                }
            }
        }
    }

    /// Reads the next record if it ends, with the end of its line, within the first `length` bytes
    /// of the rest.
    #[inline]
    pub(super) fn advance_within(&mut self, length: usize) -> bool {
        let end = self.filled.min(self.next + length);
        matches!(self.scan(end, false), Scan::Record)
    }

    /// The record that was read last.
    #[inline]
    pub(super) fn record(&self) -> Record<'_> {
        Record {
            bytes: if self.is_quoted {
                &self.unquoted
            } else {
                &self.buffer
            },
            fields: &self.fields,
            offset: self.offset + self.current as u64,
        }
    }

    /// What has been read of the file behind the current record.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.next..self.filled]
    }

    /// Takes bytes off the rest.
    pub(super) fn skip(&mut self, length: usize) {
        self.next = self.filled.min(self.next + length);
    }

    /// Where in the file the rest starts.
    pub(super) fn position(&self) -> u64 {
        self.offset + self.next as u64
    }

    /// Whether little is left of what was read, and there is more in the file.
    pub(super) fn is_low(&self) -> bool {
        !self.is_all_read && self.filled - self.next < self.buffer.len() / 2
    }

    /// Reads until the buffer is full or the file at its end.
    pub(super) fn refill(&mut self) -> Result<(), std::io::Error> {
        self.buffer.copy_within(self.next..self.filled, 0);
        self.offset += self.next as u64;
        self.filled -= self.next;
        self.next = 0;
        self.marked.0 = usize::MAX;
        while self.filled < self.buffer.len() && !self.is_all_read {
            match self.file.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.is_all_read = true,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads more, into a larger buffer if the record that comes next fills it.
    fn refill_for_a_record(&mut self) -> Result<(), Failure> {
        if self.next == 0 && self.filled == self.buffer.len() {
            if self.buffer.len() >= LONGEST {
                return Err(Failure::TooLong {
                    offset: self.offset,
                    limit: LONGEST,
                });
            }
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        Ok(self.refill()?)
    }

    /// Finds the next record, whose line must end before `end` unless the file ends there. Leaves
    /// out blank lines in front of it.
    fn scan(&mut self, end: usize, is_end_of_file: bool) -> Scan {
        self.fields.clear();
        let mut start = self.next;
        let mut field = start;
        let mut block = start - start % BLOCK;
        let mut marks = self.marks(block) & (u64::MAX << (start % BLOCK));
        loop {
            while marks != 0 {
                let at = block + marks.trailing_zeros() as usize;
                if at >= end {
                    break;
                }
                marks &= marks - 1;
                let byte = self.buffer[at];
                if byte == self.delimiter {
                    self.fields.push((field, at));
                    field = at + 1;
                } else if byte == b'"' {
                    // Elsewhere it is a byte like any other.
                    if at == field {
                        return self.scan_quoted(start, end, is_end_of_file);
                    }
                } else if at == start {
                    start += 1;
                    field = start;
                } else {
                    self.fields.push((field, at));
                    return self.found(start, at + 1);
                }
            }
            block += BLOCK;
            if block >= end {
                break;
            }
            marks = self.marks(block);
        }
        if is_end_of_file && start < end {
            self.fields.push((field, end));
            return self.found(start, end);
        }
        self.next = start;
        Scan::Incomplete
    }

    fn found(&mut self, start: usize, next: usize) -> Scan {
        self.current = start;
        self.next = next;
        self.is_quoted = false;
        Scan::Record
    }

    /// As [`Self::scan`], for a record that starts at `start` and has quotes.
    fn scan_quoted(&mut self, start: usize, end: usize, is_end_of_file: bool) -> Scan {
        self.next = start;
        let reader = &mut self.quoted_reader;
        reader.reset();
        // It would skip a byte order mark in front of the first bytes that it sees.
        reader.read_record(b"\n", &mut [], &mut []);
        let (mut read, mut written, mut count) = (start, 0, 0);
        loop {
            let is_over = read == end;
            // An end of line ends the record, unless it is within quotes.
            let input = if is_over {
                b"\n"
            } else {
                &self.buffer[read..end]
            };
            let (result, taken, put, ended) = reader.read_record(
                input,
                &mut self.unquoted[written..],
                &mut self.ends[count..],
            );
            read += if is_over { 0 } else { taken };
            written += put;
            count += ended;
            match result {
                ReadRecordResult::Record => break,
                ReadRecordResult::OutputFull => {
                    let length = (2 * self.unquoted.len()).max(1 << 10);
                    self.unquoted.resize(length, 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    let length = (2 * self.ends.len()).max(1 << 6);
                    self.ends.resize(length, 0);
                }
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            }
            if read == end && !is_end_of_file {
                return Scan::Incomplete;
            }
            if is_over && result == ReadRecordResult::InputEmpty {
                return Scan::OpenQuote;
            }
        }
        self.fields.clear();
        let mut field = 0;
        for &end in &self.ends[..count] {
            self.fields.push((field, end));
            field = end;
        }
        self.found(start, read);
        self.is_quoted = true;
        Scan::Record
    }

    /// Where in a block there are bytes that may end a field or open a quote, one bit each.
    #[inline]
    fn marks(&mut self, block: usize) -> u64 {
        if self.marked.0 != block {
            let bytes = self.buffer.get(block..).unwrap_or_default();
            let bytes = bytes.first_chunk::<BLOCK>();
            self.marked = (block, bytes.map_or(0, |bytes| marks(bytes, self.delimiter)));
        }
        self.marked.1
    }
}

/// Written so that the compiler makes vector instructions of it.
#[inline]
fn marks(block: &[u8; BLOCK], delimiter: u8) -> u64 {
    let mut flags = [0_u8; BLOCK];
    for (flag, &byte) in flags.iter_mut().zip(block) {
        *flag = u8::from(byte == delimiter || matches!(byte, b'\n' | b'\r' | b'"'));
    }
    let (words, _) = flags.as_chunks::<8>();
    words.iter().rev().fold(0, |marks, word| {
        // Gathers the lowest bits of the eight bytes in the highest byte.
        let bits = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        marks << 8 | bits
    })
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;
    use proptest::prelude::*;

    use super::*;

    /// The records, or none where a quote is open at the end.
    fn read(path: &Utf8Path, within: usize) -> Option<Vec<(u64, Vec<Vec<u8>>)>> {
        let mut records = Records::open(path, b',').unwrap();
        let mut found = Vec::new();
        loop {
            if !records.advance_within(within) {
                match records.advance() {
                    Ok(true) => {}
                    Ok(false) => return Some(found),
                    Err(Failure::OpenQuote { .. }) => return None,
                    Err(error) => panic!("{error:?}"),
                }
            }
            let record = records.record();
            let fields = (0..record.len()).map(|index| record.get(index).unwrap().to_vec());
            found.push((record.offset, fields.collect()));
        }
    }

    /// The same, by the crate that everybody uses.
    fn expected(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes);
        let records = reader.into_byte_records().map(Result::unwrap);
        records
            .map(|record| record.iter().map(<[u8]>::to_vec).collect())
            .collect()
    }

    fn file(bytes: &[u8]) -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("x.csv")).unwrap();
        fs_err::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn check(bytes: &[u8]) {
        let (_folder, path) = file(bytes);
        for within in [0, 7, 100] {
            // With one more end of line, a quote that is open is the only difference.
            let Some(found) = read(&path, within) else {
                let closed = [bytes, b"\n"].concat();
                let last = |bytes| expected(bytes).pop().and_then(|mut record| record.pop());
                assert_ne!(last(bytes), last(&closed), "no open quote");
                continue;
            };
            let (offsets, records): (Vec<u64>, Vec<_>) = found.into_iter().unzip();
            assert_eq!(records, expected(bytes));
            // From each of them on it goes on in the same way.
            let mut reader = Records::open(&path, b',').unwrap();
            for (offset, record) in offsets.iter().zip(&records) {
                reader.seek(*offset).unwrap();
                assert!(reader.advance().unwrap());
                assert_eq!(reader.record().get(0).unwrap(), record[0]);
                assert_eq!(reader.record().len(), record.len());
            }
        }
    }

    #[test]
    fn records_are_those_of_the_csv_crate() {
        for text in [
            "",
            "\n",
            "a",
            "a,b",
            "a,b\n",
            ",",
            ",\n,",
            "\r\n\r\na,b\r\n\r\nc,d\r\n",
            "a\rb\rc",
            "\u{feff}a,b\n\u{feff}c,d\n",
            "\u{feff}\u{feff}\"a\",b\n\u{feff}\"c\",d\n",
            "a,\u{feff}\"b\"\n\"\",\"\"\n",
            "\"a\",\"b\"\"c\",\"d\ne\"\n1,\"2\"3,4\"5\"\n",
            "\"a\"",
            "\"\"\n\"\"\"\"\n",
            "a,\"b\r\nc\"\r\nd,e\r\n",
            "a,\"open\n1,2\n",
            "\"a\"\r\n\n\r\"b\"",
        ] {
            check(text.as_bytes());
        }
    }

    #[test]
    fn records_may_be_longer_than_the_buffer() {
        let long = "x".repeat(3 * BUFFER / 2);
        check(format!("a,{long}\n{long},b\nc,\"{long}\"\n\"{long}\n\",d\n").as_bytes());
        let many = format!("{},y\n\"q\ns\",\"{}\"\n", "a".repeat(61), "b".repeat(90));
        let (_folder, path) = file(many.repeat(2 * BUFFER / many.len()).as_bytes());
        let found = read(&path, 50).unwrap();
        assert!(found.iter().step_by(2).all(|record| record.1 == found[0].1));
        assert!(
            found
                .iter()
                .skip(1)
                .step_by(2)
                .all(|record| record.1 == found[1].1)
        );
        assert_eq!(found.len(), 2 * (2 * BUFFER / many.len()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

        #[test]
        fn any_bytes_give_the_records_of_the_csv_crate(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    &b"a"[..], b"bc", b",", b",", b"\"", b"\"", b"\"\"", b"\n", b"\n", b"\r", b"\r\n",
                    b"\xef\xbb\xbf", b"\xff", b"0123456789012345678901234567890123456789",
                ]),
                0..60,
            )
        ) {
            check(&parts.concat());
        }
    }
}
