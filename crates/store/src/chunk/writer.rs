//! Objects into chunks, chunks into packs, and at the end an index.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::sync::Arc;

use ketch_dvc::ObjectId;

use super::catalogue::{Catalogue, Pack, PackState, Recipe, Tables};
use super::chunker::Chunker;
use super::codec::{Method, compress};
use super::index::{Index, Run, append};
use super::pack::Builder;
use super::remote::{ChunkedRemote, State};
use super::source::{index_key, pack_key, quarantine_key};
use super::wire::Digest;
use super::{INDEXES, PACK_SIZE};
use crate::remote::{FailureKind, RemoteError};

/// What was written and is not in an index yet.
#[derive(Debug, Default)]
pub(super) struct Writing {
    /// Where chunks are: those of the remote and those of now.
    chunks: HashMap<Digest, (u32, u32)>,
    filling: Option<(u32, Builder)>,
    /// Packs that did not get through.
    unsent: Vec<Unsent>,
    pub(super) objects: BTreeMap<ObjectId, Recipe>,
    pub(super) removed: BTreeSet<ObjectId>,
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
            chunks: catalogue.chunks(),
            ..Self::default()
        }
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
                    state: PackState::Unsent,
                };
                (catalogue.insert_pack(pack), Builder::new())
            });
            let place = (*number, builder.table.0.len() as u32);
            match &packed {
                Some(packed) => builder.add(id, Method::Zstd, chunk.len(), packed),
                None => builder.add(id, Method::Plain, chunk.len(), chunk),
            }
            writing.chunks.insert(id, place);
            let full = builder.size() >= PACK_SIZE;
            (place, if full { writing.filling.take() } else { None })
        })?;
        if let Some((number, builder)) = full {
            self.send(self.close(number, builder)?)?;
        }
        Ok(place)
    }

    /// Looks again, now that everybody can see that these packs are needed: a clean-up that began
    /// before may have taken some away.
    fn check_there(&self, needed: &BTreeSet<Digest>) -> Result<(), RemoteError> {
        if needed.is_empty() {
            return Ok(());
        }
        let there = self.source.list()?.packs;
        match needed.iter().find(|name| !there.contains_key(*name)) {
            Some(name) => Err(RemoteError::Failed {
                remote: self.name_of_inner().to_owned(),
                action: "rely on",
                object: pack_key(name),
                kind: FailureKind::Permanent,
                source: "a clean-up deleted it meanwhile: send the objects again".into(),
            }),
            None => Ok(()),
        }
    }

    fn close(&self, number: u32, builder: Builder) -> Result<Unsent, RemoteError> {
        let (name, bytes, table) = builder.finish();
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
            } else if let Some(known) = catalogue.pack_mut(pack.number) {
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
        self.check_there(&plan.needed)?;
        for name in plan.replaced {
            // It may come to the same as before.
            if written.contains(&name) {
                continue;
            }
            let bytes = self.source.index_bytes(INDEXES, &name)?;
            self.source.write(&quarantine_key(&name), &bytes)?;
            self.source.delete(&index_key(&name))?;
            self.with_state(|state| state.catalogue.indexes.remove(&name))?;
        }
        self.with_state(|state| {
            if let Some(writing) = &mut state.writing {
                // What came in meanwhile waits for the next time.
                writing
                    .objects
                    .retain(|id, _| !plan.objects.contains_key(id));
                writing.removed.retain(|id| !plan.removed.contains(id));
            }
            state.catalogue.objects.extend(plan.objects);
        })
    }
}

/// What a commit writes.
struct Plan {
    indexes: Vec<Index>,
    /// Indexes that hold something that was deleted.
    replaced: Vec<Digest>,
    objects: BTreeMap<ObjectId, Recipe>,
    removed: BTreeSet<ObjectId>,
    /// The packs of the new objects.
    needed: BTreeSet<Digest>,
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
        let needed = objects
            .values()
            .flat_map(|recipe| recipe.runs.iter())
            .filter_map(|run| catalogue.pack(run.pack)?.name)
            .collect();
        let removed = writing.removed.clone();
        let mut indexes = Vec::new();
        if !objects.is_empty() {
            indexes = catalogue.indexes_of(&objects, Tables::New);
        }
        let mut replaced = Vec::new();
        let mut kept: BTreeMap<ObjectId, Recipe> = BTreeMap::new();
        for (name, ids) in &catalogue.indexes {
            if !ids.iter().any(|id| removed.contains(id)) {
                continue;
            }
            replaced.push(*name);
            for id in ids.iter().filter(|id| !removed.contains(*id)) {
                if let Some(recipe) = catalogue.objects.get(id) {
                    kept.insert(id.clone(), recipe.clone());
                }
            }
        }
        if !replaced.is_empty() {
            // Others may rely on tables that only these indexes have.
            let tables: BTreeSet<u32> = catalogue
                .used()
                .into_iter()
                .filter(|number| {
                    let table = catalogue.pack(*number).and_then(|pack| pack.table_in);
                    table.is_some_and(|name| replaced.contains(&name))
                })
                .collect();
            if !kept.is_empty() || !tables.is_empty() {
                indexes.extend(catalogue.indexes_of(&kept, Tables::Also(&tables)));
            }
        }
        kept.append(&mut objects);
        (!indexes.is_empty() || !replaced.is_empty()).then_some(Plan {
            indexes,
            replaced,
            objects: kept,
            removed,
            needed,
        })
    }
}
