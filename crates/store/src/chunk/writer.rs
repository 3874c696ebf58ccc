//! Objects into chunks, chunks into packs, and at the end an index.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::sync::Arc;

use ketch_dvc::ObjectId;

use super::PACK_SIZE;
use super::catalogue::{Catalogue, Pack, PackState, Recipe, Tables};
use super::chunker::Chunker;
use super::codec::{Method, compress};
use super::index::{Index, Run, append};
use super::lease::fresh;
use super::pack::Builder;
use super::remote::{ChunkedRemote, State};
use super::source::{index_key, pack_key, quarantine_key};
use super::wire::Digest;
use crate::remote::{FailureKind, RemoteError};

/// What was written and is not in an index yet.
#[derive(Debug, Default)]
pub(super) struct Writing {
    /// Where chunks are: those of the remote and those of now.
    pub(super) chunks: HashMap<Digest, (u32, u32)>,
    filling: Option<(u32, Builder)>,
    /// Packs that did not get through.
    unsent: Vec<Unsent>,
    pub(super) objects: BTreeMap<ObjectId, Recipe>,
    pub(super) removed: BTreeSet<ObjectId>,
    /// Of the objects, those that are there already, made of other packs.
    pub(super) moved: BTreeSet<ObjectId>,
    /// How many objects are being taken in.
    taking: usize,
}

#[derive(Debug, Clone)]
struct Unsent {
    number: u32,
    name: Digest,
    bytes: Arc<Vec<u8>>,
}

impl Writing {
    pub(super) fn begin(catalogue: &Catalogue) -> Self {
        Self {
            chunks: catalogue.chunks(|_| true),
            ..Self::default()
        }
    }

    /// Whether nothing waits for another commit.
    fn is_idle(&self) -> bool {
        let objects = self.objects.is_empty() && self.removed.is_empty();
        objects && self.taking == 0 && self.filling.is_none() && self.unsent.is_empty()
    }

    #[cfg(test)]
    pub(super) fn forget_packs(&mut self) {
        self.filling = None;
        self.unsent.clear();
    }
}

impl ChunkedRemote {
    /// Takes an object in. It can be seen by others after [`ChunkedRemote::commit`].
    pub(super) fn take(
        &self,
        id: &ObjectId,
        source: &mut dyn Read,
        size: u64,
    ) -> Result<(), RemoteError> {
        self.with_writing(|_, writing| writing.taking += 1)?;
        let taken = self.take_chunks(id, source, size);
        self.with_writing(|_, writing| writing.taking = writing.taking.saturating_sub(1))?;
        taken
    }

    fn take_chunks(
        &self,
        id: &ObjectId,
        source: &mut dyn Read,
        size: u64,
    ) -> Result<(), RemoteError> {
        let key = id.cache_path();
        let mut chunker = Chunker::new(source, size);
        let mut runs: Vec<Run> = Vec::new();
        let mut length = 0;
        loop {
            let chunk = chunker
                .next()
                .map_err(|error| RemoteError::io(self.name_of_inner(), "write", &key, error))?;
            let Some(chunk) = chunk else { break };
            length += chunk.len() as u64;
            let (pack, place) = self.place(chunk)?;
            append(&mut runs, pack, place);
        }
        self.with_writing(|_, writing| {
            let recipe = Recipe {
                size: length,
                runs: runs.into(),
                complete: false,
            };
            writing.removed.remove(id);
            writing.objects.insert(id.clone(), recipe);
        })
    }

    /// Where a chunk is; it goes into a pack if it is nowhere.
    fn place(&self, chunk: &[u8]) -> Result<(u32, u32), RemoteError> {
        let id = Digest::of(chunk);
        if let Some(place) = self.with_writing(|_, writing| writing.chunks.get(&id).copied())? {
            return Ok(place);
        }
        // The long part is not done under the lock.
        let packed = compress(chunk);
        let (method, stored) = match &packed {
            Some(packed) => (Method::Zstd, &packed[..]),
            None => (Method::Plain, chunk),
        };
        self.pack_in(id, method, chunk.len(), stored)
    }

    /// Puts a chunk of `length` bytes into a pack, as it is stored, unless it is in one.
    pub(super) fn pack_in(
        &self,
        id: Digest,
        method: Method,
        length: usize,
        stored: &[u8],
    ) -> Result<(u32, u32), RemoteError> {
        let (place, full) = self.with_writing(|catalogue, writing| {
            if let Some(place) = writing.chunks.get(&id) {
                return (*place, None);
            }
            let (number, builder) = writing.filling.get_or_insert_with(|| {
                let pack = Pack {
                    name: None,
                    size: 0,
                    table: None,
                    table_in: None,
                    indexed: false,
                    state: PackState::Unsent,
                };
                (catalogue.insert_pack(pack), Builder::new())
            });
            let place = (*number, builder.table.0.len() as u32);
            builder.add(id, method, length, stored);
            writing.chunks.insert(id, place);
            let full = builder.size() >= PACK_SIZE;
            (place, if full { writing.filling.take() } else { None })
        })?;
        if let Some((number, builder)) = full {
            self.send(self.close(number, builder)?)?;
        }
        Ok(place)
    }

    fn close(&self, number: u32, builder: Builder) -> Result<Unsent, RemoteError> {
        let (mut name, mut bytes, mut table) = builder.finish();
        // The same pack as one in the quarantine would be taken for it, and deleted.
        while self.with_state(|state| state.catalogue.aside.contains(&name))? {
            let mut another = Builder::reopen(bytes, table);
            let salt = fresh();
            another.add(Digest::of(&salt.0), Method::Plain, salt.0.len(), &salt.0);
            (name, bytes, table) = another.finish();
        }
        self.with_writing(|catalogue, _| {
            catalogue.by_name.insert(name, number);
            if let Some(pack) = catalogue.pack_mut(number) {
                pack.name = Some(name);
                pack.size = bytes.len() as u64;
                pack.table = Some(Arc::new(table));
            }
        })?;
        Ok(Unsent {
            number,
            name,
            bytes: Arc::new(bytes),
        })
    }

    fn send(&self, pack: Unsent) -> Result<(), RemoteError> {
        let sent = self.source.write(&pack_key(&pack.name), &pack.bytes);
        self.with_writing(|catalogue, writing| {
            if sent.is_err() {
                // Chunks of other objects are in it too: it is tried again before any index is made.
                writing.unsent.push(pack);
                return;
            }
            let size = pack.bytes.len() as u64;
            catalogue.listing.packs.insert(pack.name, size);
            if let Some(known) = catalogue.pack_mut(pack.number) {
                known.state = PackState::There;
            }
        })?;
        sent
    }

    /// Makes everything that was written or deleted visible to others, or nothing of it.
    pub(super) fn commit(&self) -> Result<(), RemoteError> {
        let asked: Vec<ObjectId> = self.with_state(|state| {
            let writing = state.writing.iter();
            writing
                .flat_map(|writing| writing.objects.keys().cloned())
                .collect()
        })?;
        self.commit_all()?;
        // Success is told of nothing that is not in an index, whatever happened on the way.
        let left = self.with_state(|state| {
            let writing = state.writing.as_ref()?;
            asked
                .into_iter()
                .find(|id| writing.objects.contains_key(id))
        })?;
        match left {
            None => Ok(()),
            Some(id) => Err(RemoteError::Failed {
                remote: self.name_of_inner().to_owned(),
                action: "write",
                object: id.cache_path(),
                kind: FailureKind::Permanent,
                source: "a pack that it needs did not get through: send it again".into(),
            }),
        }
    }

    fn commit_all(&self) -> Result<(), RemoteError> {
        let Some((filled, unsent)) = self.with_state(|state| {
            let writing = state.writing.as_mut()?;
            Some((writing.filling.take(), std::mem::take(&mut writing.unsent)))
        })?
        else {
            return self.source.settle();
        };
        let mut failure = None;
        let filled = filled.map(|(number, builder)| self.close(number, builder));
        for pack in filled.into_iter().chain(unsent.into_iter().map(Ok)) {
            // Each is tried, so that none is forgotten.
            if let Err(error) = pack.and_then(|pack| self.send(pack)) {
                failure.get_or_insert(error);
            }
        }
        if let Some(error) = failure {
            return Err(error);
        }
        self.source.settle()?;
        let Some(plan) = self.with_state(State::plan)? else {
            return Ok(());
        };
        let mut written: Vec<Digest> = Vec::new();
        for index in plan.indexes {
            let name = self.source.write_index(&index)?;
            self.with_state(|state| state.catalogue.note(name, &index))?;
            written.push(name);
        }
        if !self.leases.still_pushes(&self.source)? {
            return Err(self.not_done(
                "rely on",
                "a clean-up took this push for one that was killed long ago: push again",
            ));
        }
        if !plan.aside.packs.is_empty() {
            let bytes = plan.aside.write();
            let name = Digest::of(&bytes);
            self.source.write(&quarantine_key(&name), &bytes)?;
            self.with_state(|state| state.catalogue.listing.quarantine.insert(name, 0))?;
        }
        for name in plan.replaced {
            // It may come to the same as before.
            if !written.contains(&name) {
                self.source.delete(&index_key(&name))?;
                self.with_state(|state| state.catalogue.drop_index(&name))?;
            }
        }
        let idle = self.with_state(|state| {
            if let Some(writing) = &mut state.writing {
                // What came in meanwhile waits for the next time.
                writing
                    .objects
                    .retain(|id, _| !plan.objects.contains_key(id));
                writing.removed.retain(|id| !plan.removed.contains(id));
                writing.moved.retain(|id| !plan.objects.contains_key(id));
            }
            state.catalogue.objects.extend(plan.objects);
            let idle = state.writing.as_ref().is_none_or(Writing::is_idle);
            if idle {
                state.writing = None;
            }
            idle
        })?;
        if idle {
            self.leases.release(&self.source);
        }
        Ok(())
    }
}

/// What a commit writes.
struct Plan {
    indexes: Vec<Index>,
    /// Indexes that hold something that was deleted.
    replaced: Vec<Digest>,
    objects: BTreeMap<ObjectId, Recipe>,
    removed: BTreeSet<ObjectId>,
    /// Packs that were used before and are not any more.
    aside: Index,
}

impl State {
    fn plan(&mut self) -> Option<Plan> {
        let catalogue = &self.catalogue;
        let writing = self.writing.as_ref()?;
        let sent = |recipe: &Recipe| {
            recipe.runs.iter().all(|run| {
                catalogue
                    .pack(run.pack)
                    .is_some_and(|pack| pack.state == PackState::There)
            })
        };
        let mut objects: BTreeMap<ObjectId, Recipe> = writing
            .objects
            .iter()
            .filter(|(_, recipe)| sent(recipe))
            .map(|(id, recipe)| {
                let complete = true;
                (
                    id.clone(),
                    Recipe {
                        complete,
                        ..recipe.clone()
                    },
                )
            })
            .collect();
        let removed = writing.removed.clone();
        let mut indexes = Vec::new();
        if !objects.is_empty() {
            indexes = catalogue.indexes_of(&objects, Tables::New);
        }
        let mut replaced = Vec::new();
        let mut kept: BTreeMap<ObjectId, Recipe> = BTreeMap::new();
        let changed = |id: &&ObjectId| {
            removed.contains(*id) || (writing.moved.contains(*id) && objects.contains_key(*id))
        };
        for (name, ids) in &catalogue.indexes {
            if !ids.iter().any(|id| changed(&id)) {
                continue;
            }
            replaced.push(*name);
            for id in ids.iter().filter(|id| !changed(id)) {
                if let Some(recipe) = catalogue.objects.get(id) {
                    kept.insert(id.clone(), recipe.clone());
                }
            }
        }
        let mut aside = Index::default();
        if !replaced.is_empty() {
            let used = catalogue.used_with(&objects);
            // Others may rely on tables that only these indexes have.
            let table_goes = |number: &u32| {
                let table = catalogue.pack(*number).and_then(|pack| pack.table_in);
                table.is_some_and(|name| replaced.contains(&name))
            };
            let tables: BTreeSet<u32> = used.iter().copied().filter(table_goes).collect();
            if !kept.is_empty() || !tables.is_empty() {
                indexes.extend(catalogue.indexes_of(&kept, Tables::Also(&tables)));
            }
            aside.packs = catalogue.unused(&used);
        }
        kept.append(&mut objects);
        (!indexes.is_empty() || !replaced.is_empty()).then_some(Plan {
            indexes,
            replaced,
            objects: kept,
            removed,
            aside,
        })
    }
}
