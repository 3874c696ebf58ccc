//! Packs: chunks one behind the other, and a table of them.

use super::codec::Method;
use super::wire::{Digest, Input, Malformed, put};
use super::{LARGEST_CHUNK, LARGEST_PACK};

pub(super) const MAGIC: &[u8; 8] = b"ketchpk1";
/// Length of the table, its digest, and the magic again.
pub(super) const TRAILER: usize = 8 + 32 + 8;
/// Id, method and two numbers.
const SMALLEST_ENTRY: usize = 32 + 1 + 1 + 1;

/// One chunk in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: Digest,
    pub(super) method: Method,
    /// Of the chunk, in bytes.
    pub(super) length: u32,
    /// Where it is in the pack, and how long there.
    pub(super) offset: u32,
    pub(super) stored: u32,
    /// Of all chunks before it, in bytes: what some of them make together is known at once.
    before: u64,
}

impl Entry {
    pub(super) fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.stored)
    }
}

/// All chunks of a pack in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

impl Table {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put(out, self.0.len() as u64);
        for entry in &self.0 {
            out.extend_from_slice(&entry.id.0);
            out.push(entry.method.byte());
            put(out, entry.length.into());
            put(out, entry.stored.into());
        }
    }

    pub(super) fn read(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let count = input.count(SMALLEST_ENTRY)?;
        let mut entries = Vec::with_capacity(count);
        let mut offset = MAGIC.len() as u64;
        let mut before = 0;
        for _ in 0..count {
            let id = Digest(input.array()?);
            let method = Method::parse(input.byte()?)?;
            let length = input.bounded(LARGEST_CHUNK)?;
            if length == 0 {
                return Err(Malformed("it holds a chunk of nothing"));
            }
            let stored = input.bounded(LARGEST_CHUNK)?;
            entries.push(Entry {
                id,
                method,
                length: length as u32,
                offset: offset as u32,
                stored: stored as u32,
                before,
            });
            before += length;
            offset += stored;
            if offset > LARGEST_PACK {
                return Err(Malformed("it holds a pack beyond all limits"));
            }
        }
        Ok(Self(entries))
    }

    /// How long `count` chunks from `first` on are together, in bytes; nothing if there are fewer.
    pub(super) fn length(&self, first: usize, count: usize) -> Option<u64> {
        let entries = self.0.get(first..first.checked_add(count)?)?;
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Some(0);
        };
        Some(last.before + u64::from(last.length) - first.before)
    }

    /// Of all chunks as they are stored, in bytes.
    pub(super) fn stored(&self) -> u64 {
        self.end() - MAGIC.len() as u64
    }

    /// Where the chunks end.
    pub(super) fn end(&self) -> u64 {
        self.0.last().map_or(MAGIC.len() as u64, Entry::end)
    }
}

/// A pack that is being filled.
#[derive(Debug)]
pub(super) struct Builder {
    bytes: Vec<u8>,
    pub(super) table: Table,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            bytes: MAGIC.to_vec(),
            table: Table::default(),
        }
    }

    /// One that was finished, to be filled further.
    pub(super) fn reopen(mut bytes: Vec<u8>, table: Table) -> Self {
        bytes.truncate(table.end() as usize);
        Self { bytes, table }
    }

    /// In bytes, so far.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a chunk of `length` bytes as it is stored.
    pub(super) fn add(&mut self, id: Digest, method: Method, length: usize, stored: &[u8]) {
        let last = self.table.0.last();
        self.table.0.push(Entry {
            id,
            method,
            length: length as u32,
            offset: self.bytes.len() as u32,
            stored: stored.len() as u32,
            before: last.map_or(0, |last| last.before + u64::from(last.length)),
        });
        self.bytes.extend_from_slice(stored);
    }

    /// The whole pack and its name.
    pub(super) fn finish(mut self) -> (Digest, Vec<u8>, Table) {
        let start = self.bytes.len();
        self.table.write(&mut self.bytes);
        let length = (self.bytes.len() - start) as u64;
        let digest = Digest::of(self.bytes.get(start..).unwrap_or_default());
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(&digest.0);
        self.bytes.extend_from_slice(MAGIC);
        (Digest::of(&self.bytes), self.bytes, self.table)
    }
}

/// Reads the last bytes of a pack of `size` bytes: how long its table is, which is before them.
pub(super) fn table_length(trailer: &[u8], size: u64) -> Result<(u64, Digest), Malformed> {
    let mut input = Input(trailer);
    let length = u64::from_le_bytes(input.array()?);
    let digest = Digest(input.array()?);
    if input.array::<8>()? != *MAGIC {
        return Err(Malformed("it is no pack"));
    }
    input.end()?;
    let most = size.saturating_sub((MAGIC.len() + TRAILER) as u64);
    if length > most || size > LARGEST_PACK {
        return Err(Malformed("its table is longer than itself"));
    }
    Ok((length, digest))
}

/// Reads the table of a pack of `size` bytes.
pub(super) fn table(bytes: &[u8], digest: &Digest, size: u64) -> Result<Table, Malformed> {
    if Digest::of(bytes) != *digest {
        return Err(Malformed("its table is not what was written"));
    }
    let mut input = Input(bytes);
    let table = Table::read(&mut input)?;
    input.end()?;
    if table.end() + (bytes.len() + TRAILER) as u64 != size {
        return Err(Malformed("its table does not fit its size"));
    }
    Ok(table)
}

#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn parse(bytes: &[u8]) -> Result<Table, Malformed> {
    let start = bytes
        .len()
        .checked_sub(TRAILER)
        .ok_or(Malformed("it ends too early"))?;
    let size = bytes.len() as u64;
    let (length, digest) = table_length(&bytes[start..], size)?;
    table(&bytes[start - length as usize..start], &digest, size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::{compress, restore};
    use proptest::prelude::*;

    fn built(chunks: &[Vec<u8>]) -> (Digest, Vec<u8>, Table) {
        let mut builder = Builder::new();
        for chunk in chunks {
            match compress(chunk) {
                Some(packed) => builder.add(Digest::of(chunk), Method::Zstd, chunk.len(), &packed),
                None => builder.add(Digest::of(chunk), Method::Plain, chunk.len(), chunk),
            }
        }
        builder.finish()
    }

    fn some_chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let chunk = prop_oneof![
            proptest::collection::vec(any::<u8>(), 1..300),
            (1_usize..5000).prop_map(|length| vec![b'a'; length])
        ];
        proptest::collection::vec(chunk, 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn reading_is_the_inverse_of_writing(chunks in some_chunks()) {
            let (name, bytes, written) = built(&chunks);
            prop_assert_eq!(name, Digest::of(&bytes));
            let table = parse(&bytes).unwrap();
            prop_assert_eq!(&table, &written);
            for (entry, chunk) in table.0.iter().zip(&chunks) {
                let stored = &bytes[entry.offset as usize..entry.end() as usize];
                let length = entry.length.into();
                prop_assert_eq!(&restore(stored, entry.method, length, &entry.id).unwrap(), chunk);
            }
            for first in 0..=chunks.len() {
                for count in 0..=chunks.len() - first {
                    let together = chunks[first..first + count].concat().len() as u64;
                    prop_assert_eq!(table.length(first, count), Some(together));
                }
                prop_assert_eq!(table.length(first, chunks.len() - first + 1), None);
            }
        }

        #[test]
        fn damage_never_gives_other_bytes(chunks in some_chunks(), at: prop::sample::Index, bit in 0_u32..8) {
            let (_, mut bytes, _) = built(&chunks);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            let Ok(table) = parse(&bytes) else { return Ok(()) };
            for (entry, chunk) in table.0.iter().zip(&chunks) {
                let stored = &bytes[entry.offset as usize..entry.end() as usize];
                if let Ok(found) = restore(stored, entry.method, entry.length.into(), &entry.id) {
                    prop_assert_eq!(&found, chunk);
                }
            }
            // Shorter, it is no pack at all.
            bytes.truncate(at);
            prop_assert!(parse(&bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut pack = MAGIC.to_vec();
            pack.extend(&bytes);
            prop_assert!(parse(&pack).is_err());
            let _ = Table::read(&mut Input(&bytes));
        }
    }

    #[test]
    fn hostile_tables_are_refused() {
        let entry = |length: u64, stored: u64| {
            let mut bytes = vec![1];
            bytes.extend([0; 32]);
            bytes.push(1);
            put(&mut bytes, length);
            put(&mut bytes, stored);
            Table::read(&mut Input(&bytes))
        };
        entry(10, 10).unwrap();
        entry(u64::MAX, 10).unwrap_err();
        entry(10, u64::MAX).unwrap_err();
        entry(0, 10).unwrap_err();
        let mut many = Vec::new();
        put(&mut many, u64::MAX);
        many.extend([0; 100]);
        Table::read(&mut Input(&many)).unwrap_err();
        let mut trailer = u64::MAX.to_le_bytes().to_vec();
        trailer.extend([0; 32]);
        trailer.extend(MAGIC);
        table_length(&trailer, 1000).unwrap_err();
    }
}
