//! Objects out of packs.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::catalogue::Recipe;
use super::codec::restore;
use super::index::Run;
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

/// Of chunks that are next to nothing, no more are held.
const MOST_AT_ONCE: usize = 4096;

/// One chunk and the pack that it is in.
pub(super) struct Wanted {
    pub(super) name: Digest,
    pub(super) size: u64,
    pub(super) entry: Entry,
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
        let mut chunks = Chunks::new(self, key, recipe);
        let mut written = 0;
        // A run names any number of chunks: no more of them are held than are read at once.
        while let Some(window) = chunks.window()? {
            let ahead: u64 = window
                .iter()
                .map(|wanted| u64::from(wanted.entry.stored))
                .sum();
            if ahead > BLOCK {
                self.read_ahead(&window);
            }
            for wanted in &window {
                let chunk = self.chunk(wanted)?;
                written += chunk.len() as u64;
                if written > recipe.size {
                    return Err(self.source.damaged(key, "it is longer than an index says"));
                }
                sink.write_all(&chunk)
                    .map_err(|error| RemoteError::io(self.name_of_inner(), "read", key, error))?;
            }
        }
        Ok(written)
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
        self.stored(wanted).map(|(_, chunk)| chunk)
    }

    /// A chunk as it is stored, and as it is.
    pub(super) fn stored(&self, wanted: &Wanted) -> Result<(Vec<u8>, Vec<u8>), RemoteError> {
        let Wanted { name, size, entry } = wanted;
        let mut stored = Vec::with_capacity(entry.stored as usize);
        for number in blocks_of(entry) {
            let block = self.block(name, number, *size)?;
            let start = number * BLOCK;
            let from = u64::from(entry.offset).saturating_sub(start);
            let to = (entry.end() - start).min(block.len() as u64);
            stored.extend_from_slice(block.get(from as usize..to as usize).unwrap_or_default());
        }
        let chunk = restore(&stored, entry.method, entry.length.into(), &entry.id)
            .map_err(|Malformed(problem)| self.source.damaged(&pack_key(name), problem))?;
        Ok((stored, chunk))
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

/// An object's chunks, one after the other.
struct Chunks<'a> {
    remote: &'a ChunkedRemote,
    key: &'a str,
    runs: std::slice::Iter<'a, Run>,
    /// What is left of a run.
    left: Run,
    pack: Option<(Digest, u64, Arc<Table>)>,
}

impl<'a> Chunks<'a> {
    fn new(remote: &'a ChunkedRemote, key: &'a str, recipe: &'a Recipe) -> Self {
        Self {
            remote,
            key,
            runs: recipe.runs.iter(),
            left: Run {
                pack: 0,
                first: 0,
                count: 0,
            },
            pack: None,
        }
    }

    /// As many as are worth reading at once, and at least one; nothing at the end.
    fn window(&mut self) -> Result<Option<Vec<Wanted>>, RemoteError> {
        const MOST: u64 = AHEAD as u64 * BLOCK;
        let mut window = Vec::new();
        let mut ahead = 0;
        while ahead < MOST && window.len() < MOST_AT_ONCE {
            let Some(wanted) = self.next()? else { break };
            ahead += u64::from(wanted.entry.stored);
            window.push(wanted);
        }
        Ok((!window.is_empty()).then_some(window))
    }

    fn next(&mut self) -> Result<Option<Wanted>, RemoteError> {
        let lost = || {
            let source = &self.remote.source;
            source.damaged(self.key, "it cannot be put together")
        };
        while self.left.count == 0 {
            let Some(run) = self.runs.next() else {
                return Ok(None);
            };
            self.left = *run;
            self.pack = self.remote.with_state(|state| {
                let pack = state.catalogue.pack(run.pack)?;
                Some((pack.name?, pack.size, pack.table.clone()?))
            })?;
        }
        let (name, size, table) = self.pack.as_ref().ok_or_else(lost)?;
        let entry = *table.0.get(self.left.first as usize).ok_or_else(lost)?;
        self.left.first += 1;
        self.left.count -= 1;
        Ok(Some(Wanted {
            name: *name,
            size: *size,
            entry,
        }))
    }
}

/// The blocks that a chunk is in.
fn blocks_of(entry: &Entry) -> std::ops::Range<u64> {
    let first = u64::from(entry.offset) / BLOCK;
    first..entry.end().div_ceil(BLOCK).max(first)
}
