//! Packs of which little is used any more, made new.
//!
//! Deleting an object leaves its chunks where they are. A pack of which half or more is used by
//! nothing is not kept for the rest: that goes into new packs, as it is stored, and the objects into a
//! new index. The old packs are not used by anything then, and go as all such do.
//!
//! At every moment each object can be read: the new packs are there before the new index, and that
//! before the old one is deleted. Between the two an object is in both, and either can be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ketch_dvc::ObjectId;
use serde::Serialize;

use super::catalogue::{Catalogue, PackState, Recipe};
use super::index::append;
use super::pack::Table;
use super::reader::Wanted;
use super::remote::ChunkedRemote;
use crate::remote::RemoteError;

/// Packs that were made new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Repacked {
    /// Packs of which half or more was not used.
    pub packs: u64,
    /// Of those, in bytes.
    pub size: u64,
    /// Of the packs that took what is used of them, in bytes.
    pub written: u64,
    /// What that comes to once the old packs are deleted, in bytes.
    pub won: u64,
}

/// A pack, and which of its chunks.
type Place = (u32, u32);

/// A pack of which little is used.
struct Half {
    number: u32,
    size: u64,
    /// In bytes, as it is stored.
    used: u64,
    chunks: Vec<(u32, Wanted)>,
}

impl ChunkedRemote {
    /// Finds the packs of which half or more is not used, and how much would be won. Changes
    /// nothing.
    pub fn half_used(&self) -> Result<Repacked, RemoteError> {
        self.commit()?;
        self.reload()?;
        let halves = self.with_state(|state| halves(&state.catalogue))?;
        let size: u64 = halves.iter().map(|half| half.size).sum();
        let written: u64 = halves.iter().map(|half| half.used).sum();
        Ok(Repacked {
            packs: halves.len() as u64,
            size,
            written,
            won: size.saturating_sub(written),
        })
    }

    /// Puts what is used of half-used packs into new ones. Nothing is deleted but indexes: the old
    /// packs go into the quarantine.
    pub fn repack(&self) -> Result<Repacked, RemoteError> {
        self.cleaning(|| {
            self.refuse_damaged()?;
            // The catalogue is read again, and stays as it is until all is committed.
            let (halves, before) = self.with_writing(|catalogue, writing| {
                let halves = halves(catalogue);
                let used = catalogue.used();
                let old: BTreeSet<u32> = halves.iter().map(|half| half.number).collect();
                writing.chunks =
                    catalogue.chunks(|number| used.contains(&number) && !old.contains(&number));
                (halves, catalogue.listing.packs.clone())
            })?;
            let mut places: HashMap<Place, Place> = HashMap::new();
            let mut report = Repacked::default();
            for half in halves {
                if let Some(moved) = self.move_chunks(&half)? {
                    report.packs += 1;
                    report.size += half.size;
                    places.extend(moved);
                }
            }
            if places.is_empty() {
                return Ok(report);
            }
            self.with_writing(|catalogue, writing| {
                for (id, recipe) in moved_objects(catalogue, &places) {
                    writing.moved.insert(id.clone());
                    writing.objects.insert(id, recipe);
                }
            })?;
            self.commit()?;
            let after = self.with_state(|state| state.catalogue.listing.packs.clone())?;
            let new = after.iter().filter(|(name, _)| !before.contains_key(*name));
            report.written = new.map(|(_, size)| size).sum();
            report.won = report.size.saturating_sub(report.written);
            Ok(report)
        })
    }

    /// Where the used chunks of a pack are now; nothing if it is damaged, and stays.
    fn move_chunks(&self, half: &Half) -> Result<Option<Vec<(Place, Place)>>, RemoteError> {
        let mut stored = Vec::with_capacity(half.chunks.len());
        for (place, wanted) in &half.chunks {
            match self.stored(wanted) {
                Ok((bytes, _)) => stored.push((*place, wanted.entry, bytes)),
                // It takes another command to say so and to repair it.
                Err(RemoteError::Unreadable { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let mut moved = Vec::with_capacity(stored.len());
        for (place, entry, bytes) in stored {
            let new = self.pack_in(entry.id, entry.method, entry.length as usize, &bytes)?;
            moved.push(((half.number, place), new));
        }
        Ok(Some(moved))
    }
}

/// The packs of which half or more is not used, though some of it is.
fn halves(catalogue: &Catalogue) -> Vec<Half> {
    let mut runs: BTreeMap<u32, Vec<(u32, u32)>> = BTreeMap::new();
    // What is not whole stays as it is, for who can make it whole.
    let mut stays: BTreeSet<u32> = BTreeSet::new();
    for recipe in catalogue.objects.values() {
        for run in &*recipe.runs {
            if recipe.complete {
                let end = run.first.saturating_add(run.count);
                runs.entry(run.pack).or_default().push((run.first, end));
            } else {
                stays.insert(run.pack);
            }
        }
    }
    let mut halves = Vec::new();
    for (number, runs) in runs {
        let Some(pack) = catalogue.pack(number).filter(|_| !stays.contains(&number)) else {
            continue;
        };
        let (PackState::There, Some(name), Some(table)) = (&pack.state, pack.name, &pack.table)
        else {
            continue;
        };
        let used = used_places(table, &runs);
        let chunk = |place: &u32| {
            let entry = *table.0.get(*place as usize)?;
            let size = pack.size;
            Some((*place, Wanted { name, size, entry }))
        };
        let chunks: Vec<(u32, Wanted)> = used.iter().filter_map(chunk).collect();
        let used: u64 = chunks
            .iter()
            .map(|(_, wanted)| u64::from(wanted.entry.stored))
            .sum();
        if !chunks.is_empty() && used * 2 <= table.stored() {
            halves.push(Half {
                number,
                size: pack.size,
                used,
                chunks,
            });
        }
    }
    halves
}

/// The chunks that any of these runs holds, given as first and end; a step for each run and chunk.
fn used_places(table: &Table, runs: &[(u32, u32)]) -> Vec<u32> {
    let mut changes = vec![0_i64; table.0.len() + 1];
    for (first, end) in runs {
        for (place, change) in [(*first, 1), (*end, -1)] {
            if let Some(at) = changes.get_mut(place as usize) {
                *at += change;
            }
        }
    }
    let mut depth = 0;
    let mut used = Vec::new();
    for (place, change) in changes.iter().enumerate().take(table.0.len()) {
        depth += change;
        if depth > 0 {
            used.push(place as u32);
        }
    }
    used
}

/// The objects that have a chunk in another place now.
fn moved_objects(catalogue: &Catalogue, places: &HashMap<Place, Place>) -> Vec<(ObjectId, Recipe)> {
    let packs: BTreeSet<u32> = places.keys().map(|(pack, _)| *pack).collect();
    let mut moved = Vec::new();
    for (id, recipe) in &catalogue.objects {
        if !recipe.complete || !recipe.runs.iter().any(|run| packs.contains(&run.pack)) {
            continue;
        }
        let mut runs = Vec::new();
        for run in &*recipe.runs {
            if !packs.contains(&run.pack) {
                runs.push(*run);
                continue;
            }
            for chunk in run.first..run.first + run.count {
                let old = (run.pack, chunk);
                let (pack, place) = places.get(&old).copied().unwrap_or(old);
                append(&mut runs, pack, place);
            }
        }
        let recipe = Recipe {
            size: recipe.size,
            runs: runs.into(),
            complete: false,
        };
        moved.push((id.clone(), recipe));
    }
    moved
}
