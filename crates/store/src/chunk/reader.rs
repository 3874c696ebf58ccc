//! Objects out of packs.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::catalogue::Recipe;
use super::codec::restore;
use super::pack::{Entry, Table};
use super::remote::ChunkedRemote;
use super::source::pack_key;
use super::wire::{Digest, Malformed};
use crate::remote::{RemoteError, for_each};

/// Packs are read in pieces of this size: a request for each.
const BLOCK: u64 = 2 << 20;
/// As many are kept: objects that are near to each other come out of the same ones.
const KEPT: usize = 24;
/// How many are read at once ahead of a large object.
const AHEAD: usize = 4;

/// One chunk and the pack that it is in.
struct Wanted {
    name: Digest,
    size: u64,
    entry: Entry,
}

/// A piece of a pack: being read by whoever holds it, or read.
type Block = Arc<Mutex<Option<Arc<Vec<u8>>>>>;

/// The pieces that were read last.
#[derive(Debug, Default)]
pub(super) struct Blocks(Mutex<VecDeque<((Digest, u64), Block)>>);

impl Blocks {
    fn get(&self, name: Digest, number: u64) -> Block {
        let key = (name, number);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let block = match kept.iter().position(|(known, _)| *known == key) {
            Some(place) => kept.remove(place).map(|(_, block)| block),
            None => None,
        }
        .unwrap_or_default();
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((key, block.clone()));
        block
    }
}

impl ChunkedRemote {
    /// Writes an object's bytes into `sink`, every chunk checked before.
    pub(super) fn give(
        &self,
        key: &str,
        recipe: &Recipe,
        sink: &mut dyn Write,
    ) -> Result<u64, RemoteError> {
        let mut chunks = self.chunks_of(key, recipe)?;
        let mut written = 0;
        while !chunks.is_empty() {
            let most = AHEAD as u64 * BLOCK;
            let mut ahead = 0_u64;
            let mut count = 0;
            for wanted in &chunks {
                ahead += u64::from(wanted.entry.stored);
                if count > 0 && ahead > most {
                    break;
                }
                count += 1;
            }
            let rest = chunks.split_off(count);
            if ahead > BLOCK {
                self.read_ahead(&chunks);
            }
            for wanted in &chunks {
                let chunk = self.chunk(wanted)?;
                written += chunk.len() as u64;
                if written > recipe.size {
                    return Err(self.source.damaged(key, "it is longer than an index says"));
                }
                sink.write_all(&chunk)
                    .map_err(|error| RemoteError::io(self.name_of_inner(), "read", key, error))?;
            }
            chunks = rest;
        }
        Ok(written)
    }

    fn chunks_of(&self, key: &str, recipe: &Recipe) -> Result<Vec<Wanted>, RemoteError> {
        let lost = || self.source.damaged(key, "it cannot be put together");
        let mut chunks = Vec::new();
        for run in &*recipe.runs {
            let pack = self.with_state(|state| {
                let pack = state.catalogue.pack(run.pack)?;
                Some((pack.name?, pack.size, pack.table.clone()?))
            })?;
            let (name, size, table): (Digest, u64, Arc<Table>) = pack.ok_or_else(lost)?;
            let range = run.first as usize..run.first as usize + run.count as usize;
            for entry in table.0.get(range).ok_or_else(lost)? {
                let entry = *entry;
                chunks.push(Wanted { name, size, entry });
            }
        }
        Ok(chunks)
    }

    /// Reads the blocks of these chunks, several at once. Whether that fails shows when they are
    /// asked for.
    fn read_ahead(&self, chunks: &[Wanted]) {
        let mut blocks: Vec<(Digest, u64, u64)> = Vec::new();
        for wanted in chunks {
            for number in blocks_of(&wanted.entry) {
                let block = (wanted.name, number, wanted.size);
                if !blocks.contains(&block) && blocks.len() < KEPT / 2 {
                    blocks.push(block);
                }
            }
        }
        for_each(&blocks, AHEAD, |(name, number, size)| {
            self.block(name, *number, *size).is_ok()
        });
    }

    fn chunk(&self, wanted: &Wanted) -> Result<Vec<u8>, RemoteError> {
        let Wanted { name, size, entry } = wanted;
        let mut stored = Vec::with_capacity(entry.stored as usize);
        for number in blocks_of(entry) {
            let block = self.block(name, number, *size)?;
            let start = number * BLOCK;
            let from = u64::from(entry.offset).saturating_sub(start);
            let to = (entry.end() - start).min(block.len() as u64);
            stored.extend_from_slice(block.get(from as usize..to as usize).unwrap_or_default());
        }
        restore(&stored, entry.method, entry.length.into(), &entry.id)
            .map_err(|Malformed(problem)| self.source.damaged(&pack_key(name), problem))
    }

    fn block(&self, name: &Digest, number: u64, size: u64) -> Result<Arc<Vec<u8>>, RemoteError> {
        let block = self.blocks.get(*name, number);
        let mut block = block.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = &*block {
            return Ok(bytes.clone());
        }
        let start = number * BLOCK;
        let length = BLOCK.min(size.saturating_sub(start));
        let bytes = Arc::new(self.source.range(&pack_key(name), start, length)?);
        *block = Some(bytes.clone());
        Ok(bytes)
    }
}

/// The blocks that a chunk is in.
fn blocks_of(entry: &Entry) -> std::ops::Range<u64> {
    let first = u64::from(entry.offset) / BLOCK;
    first..entry.end().div_ceil(BLOCK).max(first)
}
