//! Harnesses: what must hold of any bytes where a pack or an index should be.

#![expect(
    clippy::unwrap_used,
    reason = "a harness reports what it finds by a panic"
)]

use super::codec::restore;
use super::index::Index;
use super::pack::{self, MAGIC, Table, table_length};
use super::wire::{Digest, Input};

/// A pack as it came, and as somebody would send it who can compute digests.
pub fn pack(bytes: &[u8]) {
    read_pack(bytes);
    read_pack(&signed_pack(bytes));
    // The trailer alone, of a pack of any size.
    let trailer = bytes.last_chunk::<{ pack::TRAILER }>();
    if let Some(trailer) = trailer {
        for size in [0, bytes.len() as u64, u64::MAX] {
            let _ = table_length(trailer, size);
        }
    }
}

fn read_pack(bytes: &[u8]) {
    let Ok(table) = pack::parse(bytes) else {
        return;
    };
    for entry in table.0.iter().take(64) {
        let range = entry.offset as usize..entry.end() as usize;
        let stored = &bytes[range];
        let length = u64::from(entry.length);
        if let Ok(chunk) = restore(stored, entry.method, length, &entry.id) {
            assert_eq!(Digest::of(&chunk), entry.id);
        }
    }
    let mut written = Vec::new();
    table.write(&mut written);
    let mut input = Input(&written);
    assert_eq!(Table::read(&mut input).unwrap(), table);
    input.end().unwrap();
}

/// Bytes whose table, wherever its length says that it is, has the digest that the trailer promises.
fn signed_pack(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(start) = bytes.len().checked_sub(pack::TRAILER) {
        let length = bytes[start..].first_chunk().copied().unwrap();
        let from = start.saturating_sub(u64::from_le_bytes(length) as usize);
        let digest = Digest::of(&bytes[from..start]);
        bytes[start + 8..start + 40].copy_from_slice(&digest.0);
        bytes[start + 40..].copy_from_slice(MAGIC);
    }
    bytes
}

/// An index as it came, and with the digest it should have.
pub fn index(bytes: &[u8]) {
    read_index(bytes);
    if let Some((body, _)) = bytes.split_last_chunk::<32>() {
        let mut signed = body.to_vec();
        signed.extend(Digest::of(body).0);
        read_index(&signed);
    }
}

fn read_index(bytes: &[u8]) {
    if let Ok(index) = Index::read(bytes) {
        assert_eq!(index.write(), bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::Method;
    use ketch_testkit::{run_within_limits, seeds, with_damage};

    #[test]
    fn the_seeds_are_what_they_are_called() {
        for (name, seed) in seeds("pack") {
            let table = pack::parse(&seed).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let method = |method| table.0.iter().any(|entry| entry.method == method);
            assert!(method(Method::Plain) && method(Method::Zstd), "{name}");
        }
        for (name, seed) in seeds("index") {
            let index = Index::read(&seed).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert!(!index.packs.is_empty() && !index.objects.is_empty());
        }
    }

    #[test]
    #[ignore = "started by the test below"]
    fn damage() {
        with_damage(&seeds("pack"), 5000, pack);
        with_damage(&seeds("index"), 5000, index);
    }

    #[test]
    fn damaged_packs_and_indexes_are_read_or_refused() {
        run_within_limits("chunk::fuzzing::tests::damage");
    }
}
