//! Indexes: which objects there are, and of which chunks in which packs each is made.

use ketch_dvc::ObjectId;

use super::pack::Table;
use super::wire::{Digest, Input, Malformed, put};
use super::{LARGEST_INDEX, LARGEST_PACK};

const MAGIC: &[u8; 8] = b"ketchix1";
/// Name, size, and whether there is a table.
const SMALLEST_PACK: usize = 32 + 1 + 1;
/// Kind, MD5, size, number of runs.
const SMALLEST_OBJECT: usize = 1 + 16 + 1 + 1;
const SMALLEST_RUN: usize = 3;

/// An index as it is on the remote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Index {
    pub(super) packs: Vec<IndexedPack>,
    pub(super) objects: Vec<IndexedObject>,
}

/// A pack that objects of this index use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexedPack {
    pub(super) name: Digest,
    /// In bytes.
    pub(super) size: u64,
    /// Unless another index has it.
    pub(super) table: Option<Table>,
}

/// An object: chunks one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexedObject {
    pub(super) id: ObjectId,
    /// In bytes.
    pub(super) size: u64,
    pub(super) runs: Vec<Run>,
}

/// Neighbouring chunks of one pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Its place among the packs.
    pub(super) pack: u32,
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Index {
    /// The bytes; their digest is the name.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put(&mut out, self.packs.len() as u64);
        for pack in &self.packs {
            out.extend_from_slice(&pack.name.0);
            put(&mut out, pack.size);
            out.push(pack.table.is_some().into());
            if let Some(table) = &pack.table {
                table.write(&mut out);
            }
        }
        put(&mut out, self.objects.len() as u64);
        for object in &self.objects {
            out.push(object.id.is_directory().into());
            out.extend_from_slice(&digest_of(&object.id));
            put(&mut out, object.size);
            put(&mut out, object.runs.len() as u64);
            for run in &object.runs {
                for number in [run.pack, run.first, run.count] {
                    put(&mut out, number.into());
                }
            }
        }
        let digest = Digest::of(&out);
        out.extend_from_slice(&digest.0);
        out
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let (body, digest) = bytes
            .split_last_chunk::<32>()
            .ok_or(Malformed("it ends too early"))?;
        if bytes.len() as u64 > LARGEST_INDEX {
            return Err(Malformed("it is larger than any index"));
        }
        if Digest::of(body) != Digest(*digest) {
            return Err(Malformed("it is not what was written"));
        }
        let mut input = Input(body);
        if input.array::<8>()? != *MAGIC {
            return Err(Malformed("it is no index"));
        }
        let count = input.count(SMALLEST_PACK)?;
        let mut packs = Vec::with_capacity(count);
        for _ in 0..count {
            packs.push(IndexedPack::read(&mut input)?);
        }
        let count = input.count(SMALLEST_OBJECT)?;
        let mut objects = Vec::with_capacity(count);
        for _ in 0..count {
            objects.push(IndexedObject::read(&mut input, &packs)?);
        }
        input.end()?;
        Ok(Self { packs, objects })
    }
}

impl IndexedPack {
    fn read(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let name = Digest(input.array()?);
        let size = input.bounded(LARGEST_PACK)?;
        let table = match input.byte()? {
            0 => None,
            1 => Some(Table::read(input)?),
            _ => return Err(Malformed("it holds a pack of an unknown kind")),
        };
        if table.as_ref().is_some_and(|table| table.end() > size) {
            return Err(Malformed("it holds chunks beyond the end of their pack"));
        }
        Ok(Self { name, size, table })
    }
}

impl IndexedObject {
    fn read(input: &mut Input<'_>, packs: &[IndexedPack]) -> Result<Self, Malformed> {
        let kind = input.byte()?;
        let file = ObjectId::file_from_digest(input.array()?);
        let id = match kind {
            0 => file,
            1 => file.as_directory(),
            _ => return Err(Malformed("it holds an object of an unknown kind")),
        };
        let size = input.number()?;
        let count = input.count(SMALLEST_RUN)?;
        let mut runs = Vec::with_capacity(count);
        let mut number = || {
            u32::try_from(input.number()?)
                .map_err(|_| Malformed("it holds a number that is too large"))
        };
        for _ in 0..count {
            let run = Run {
                pack: number()?,
                first: number()?,
                count: number()?,
            };
            let pack = packs
                .get(run.pack as usize)
                .ok_or(Malformed("it uses a pack that it does not name"))?;
            let end = u64::from(run.first) + u64::from(run.count);
            if pack
                .table
                .as_ref()
                .is_some_and(|table| end > table.0.len() as u64)
            {
                return Err(Malformed("it uses a chunk that is not in its pack"));
            }
            runs.push(run);
        }
        Ok(Self { id, size, runs })
    }
}

/// Adds a chunk behind the last one.
pub(super) fn append(runs: &mut Vec<Run>, pack: u32, chunk: u32) {
    match runs.last_mut() {
        Some(last) if last.pack == pack && last.first + last.count == chunk => last.count += 1,
        _ => runs.push(Run {
            pack,
            first: chunk,
            count: 1,
        }),
    }
}

fn digest_of(id: &ObjectId) -> [u8; 16] {
    let mut digest = [0; 16];
    for (byte, pair) in digest.iter_mut().zip(id.hex().as_bytes().chunks(2)) {
        // Hexadecimal digits, by the type of the id.
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::codec::Method;
    use crate::chunk::pack::Builder;
    use crate::hash_bytes;
    use proptest::prelude::*;

    fn packs(with_tables: &[bool]) -> Vec<IndexedPack> {
        let pack = |(number, table): (usize, &bool)| {
            let mut builder = Builder::new();
            for chunk in 0..=number {
                builder.add(Digest::of(&[chunk as u8]), Method::Plain, 1, &[chunk as u8]);
            }
            let (name, bytes, parsed) = builder.finish();
            IndexedPack {
                name,
                size: bytes.len() as u64,
                table: table.then_some(parsed),
            }
        };
        with_tables.iter().enumerate().map(pack).collect()
    }

    fn some_index() -> impl Strategy<Value = Index> {
        let tables = proptest::collection::vec(any::<bool>(), 1..5);
        let object = (
            any::<[u8; 16]>(),
            any::<bool>(),
            any::<u64>(),
            proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        );
        (tables, proptest::collection::vec(object, 0..6)).prop_map(|(tables, objects)| {
            let packs = packs(&tables);
            let objects = objects
                .into_iter()
                .map(|(digest, directory, size, places)| {
                    let id = ObjectId::file_from_digest(digest);
                    let mut runs = Vec::new();
                    for place in places {
                        let pack = place.index(packs.len());
                        append(&mut runs, pack as u32, place.index(pack + 1) as u32);
                    }
                    IndexedObject {
                        id: if directory { id.as_directory() } else { id },
                        size,
                        runs,
                    }
                })
                .collect();
            Index { packs, objects }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn reading_is_the_inverse_of_writing(index in some_index()) {
            prop_assert_eq!(Index::read(&index.write()).unwrap(), index);
        }

        #[test]
        fn damage_is_always_seen(index in some_index(), at: prop::sample::Index, bit in 0_u32..8) {
            let mut bytes = index.write();
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(Index::read(&bytes).is_err());
            prop_assert!(Index::read(&bytes[..at]).is_err());
        }

        #[test]
        fn hostile_bodies_are_no_trouble(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(body);
            let digest = Digest::of(&bytes);
            bytes.extend(digest.0);
            let _ = Index::read(&bytes);
        }
    }

    #[test]
    fn refuses_what_does_not_fit_together() {
        let id = hash_bytes(b"x");
        let with = |pack, first, count, size| {
            let mut packs = packs(&[true, true]);
            packs[1].size = size;
            let runs = vec![Run { pack, first, count }];
            let objects = vec![IndexedObject {
                id: id.clone(),
                size: 1,
                runs,
            }];
            Index::read(&Index { packs, objects }.write()).map(drop)
        };
        with(1, 0, 2, 10).unwrap();
        assert_eq!(
            with(2, 0, 1, 10),
            Err(Malformed("it uses a pack that it does not name"))
        );
        assert_eq!(
            with(1, 1, 2, 10),
            Err(Malformed("it uses a chunk that is not in its pack"))
        );
        assert_eq!(
            with(1, u32::MAX, u32::MAX, 10),
            Err(Malformed("it uses a chunk that is not in its pack"))
        );
        assert_eq!(
            with(1, 0, 2, 9),
            Err(Malformed("it holds chunks beyond the end of their pack"))
        );
        assert_eq!(
            with(1, 0, 2, u64::MAX),
            Err(Malformed("it holds a size beyond all limits"))
        );
    }
}
