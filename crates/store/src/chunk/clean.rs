//! Making room on a chunked remote.
//!
//! Deleting an object takes it out of the indexes; its chunks stay in their packs. Packs that no
//! object uses any more go in two steps, the first of which is no loss to anybody: one call puts their
//! names into the quarantine, and a later one deletes those that are still not used, unless somebody
//! is pushing. Of a pack with anything in use, [`ChunkedRemote::repack`] makes a new one.

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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Cleaned {
    pub packs: u64,
    /// In bytes.
    pub size: u64,
    /// The marker of somebody who pushes, or was killed while pushing in the last week, for whom nothing
    /// was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

impl ChunkedRemote {
    /// Finds the packs that nothing uses, without touching them.
    pub fn unused(&self) -> Result<Cleaned, RemoteError> {
        Ok(sum(&self.unused_packs()?))
    }

    /// Puts the names of the packs that nothing uses into the quarantine. Nothing is deleted.
    pub fn set_aside(&self) -> Result<Cleaned, RemoteError> {
        self.cleaning(|| {
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
        })
    }

    /// Deletes the packs that earlier calls of [`ChunkedRemote::set_aside`], and deletions of
    /// objects, put into the quarantine and that nothing uses; none while somebody pushes.
    pub fn empty_quarantine(&self) -> Result<Cleaned, RemoteError> {
        self.cleaning(|| {
            // In this order; `lease` says why.
            let names = self.source.names(QUARANTINE)?;
            let mut cleaned = Cleaned {
                waits_for: self.leases.other_push(&self.source)?,
                ..Cleaned::default()
            };
            if cleaned.waits_for.is_some() {
                cleaned.waits_for = cleaned.waits_for.filter(|_| !names.is_empty());
                return Ok(cleaned);
            }
            self.reload()?;
            self.refuse_damaged()?;
            let used = self.with_state(|state| used_names(&state.catalogue))?;
            for name in names.keys() {
                let index =
                    self.source
                        .index(QUARANTINE, name)?
                        .map_err(|Malformed(problem)| {
                            self.source.damaged(&quarantine_key(name), problem)
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
                // What is deleted is deleted before nobody knows of it any more.
                self.source.settle()?;
                self.source.delete(&quarantine_key(name))?;
            }
            self.source.settle()?;
            Ok(cleaned)
        })
    }

    /// Does this while nobody else cleans up.
    pub(super) fn cleaning<T>(
        &self,
        work: impl FnOnce() -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        self.commit()?;
        self.begin_cleaning()?;
        let done = self.reload().and_then(|()| work());
        // What is not committed now is not to be: it would rely on packs without saying so.
        self.forget();
        self.leases.release(&self.source);
        done
    }

    /// Says that a clean-up is under way; an error if there is another.
    pub(super) fn begin_cleaning(&self) -> Result<(), RemoteError> {
        match self.leases.clean(&self.source)? {
            None => Ok(()),
            Some(marker) => Err(self.not_done(
                "clean up",
                format!(
                    "somebody else does: wait for it; if it was killed, remove `{marker}` from the remote"
                ),
            )),
        }
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
    pub(super) fn refuse_damaged(&self) -> Result<(), RemoteError> {
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
        waits_for: None,
    }
}
