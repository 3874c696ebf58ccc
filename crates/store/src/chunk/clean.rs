//! Making room on a chunked remote.
//!
//! Deleting an object takes it out of the indexes; its chunks stay in their packs. Packs that no
//! object uses any more go in two steps, because somebody may be pushing who has just found out that
//! a chunk is there: the first call puts their names into the quarantine, and a later one deletes
//! those that are still not used. A pack with anything in use stays whole.

use std::collections::BTreeSet;

use serde::Serialize;

use super::QUARANTINE;
use super::catalogue::{Catalogue, PackState};
use super::index::{Index, IndexedPack};
use super::remote::ChunkedRemote;
use super::source::{pack_key, quarantine_key};
use super::wire::{Digest, Malformed};
use crate::remote::RemoteError;

/// Packs that were set aside or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Cleaned {
    pub packs: u64,
    /// In bytes.
    pub size: u64,
}

impl ChunkedRemote {
    /// Finds the packs that nothing uses, without touching them.
    pub fn unused(&self) -> Result<Cleaned, RemoteError> {
        Ok(sum(&self.unused_packs()?))
    }

    /// Puts the names of the packs that nothing uses into the quarantine. Nothing is deleted.
    pub fn set_aside(&self) -> Result<Cleaned, RemoteError> {
        let unused = self.unused_packs()?;
        let cleaned = sum(&unused);
        if !unused.is_empty() {
            let packs = unused.into_iter().map(|(name, size)| IndexedPack {
                name,
                size,
                table: None,
            });
            let index = Index {
                packs: packs.collect(),
                objects: Vec::new(),
            };
            let bytes = index.write();
            self.source
                .write(&quarantine_key(&Digest::of(&bytes)), &bytes)?;
        }
        Ok(cleaned)
    }

    /// Deletes the packs that earlier calls of [`ChunkedRemote::set_aside`], and deletions of
    /// objects, put into the quarantine and that nothing uses.
    pub fn empty_quarantine(&self) -> Result<Cleaned, RemoteError> {
        self.commit()?;
        self.reload()?;
        self.refuse_damaged()?;
        let (names, used) = self.with_state(|state| {
            let names: Vec<Digest> = state.catalogue.listing.quarantine.keys().copied().collect();
            (names, used_names(&state.catalogue))
        })?;
        let mut cleaned = Cleaned::default();
        for name in names {
            let index = self
                .source
                .index(QUARANTINE, &name)?
                .map_err(|Malformed(problem)| {
                    self.source.damaged(&quarantine_key(&name), problem)
                })?;
            for pack in index.packs.iter().filter(|pack| !used.contains(&pack.name)) {
                let there =
                    self.with_state(|state| state.catalogue.listing.packs.remove(&pack.name))?;
                if let Some(size) = there {
                    self.source.delete(&pack_key(&pack.name))?;
                    cleaned.packs += 1;
                    cleaned.size += size;
                }
            }
            self.source.delete(&quarantine_key(&name))?;
        }
        self.source.settle()?;
        self.reload()?;
        Ok(cleaned)
    }

    fn unused_packs(&self) -> Result<Vec<(Digest, u64)>, RemoteError> {
        self.commit()?;
        self.reload()?;
        self.refuse_damaged()?;
        self.with_state(|state| {
            let used = used_names(&state.catalogue);
            let packs = state.catalogue.listing.packs.iter();
            packs
                .filter(|(name, _)| !used.contains(*name))
                .map(|(name, size)| (*name, *size))
                .collect()
        })
    }

    /// What an index that cannot be read needs is not known, so nothing may go.
    fn refuse_damaged(&self) -> Result<(), RemoteError> {
        match self.with_state(|state| state.catalogue.damaged.first().cloned())? {
            Some((index, problem)) => Err(self.source.damaged(&index, problem)),
            None => Ok(()),
        }
    }
}

fn used_names(catalogue: &Catalogue) -> BTreeSet<Digest> {
    let packs = catalogue.used().into_iter();
    packs
        .filter_map(|number| catalogue.pack(number))
        .filter(|pack| pack.state != PackState::Unsent)
        .filter_map(|pack| pack.name)
        .collect()
}

fn sum(packs: &[(Digest, u64)]) -> Cleaned {
    Cleaned {
        packs: packs.len() as u64,
        size: packs.iter().map(|(_, size)| size).sum(),
    }
}
