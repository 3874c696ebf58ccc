//! Whether a chunked remote is what its names promise.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::catalogue::PackState;
use super::remote::ChunkedRemote;
use super::source::pack_key;
use super::wire::Digest;
use crate::Reporter;
use crate::remote::{RemoteError, for_each, is_not_there, to_send_anew};

/// What a remote's packs and indexes are like.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ChunkedReport {
    pub objects: u64,
    /// Sum over the objects, in bytes.
    pub size: u64,
    pub packs: u64,
    /// Of the packs, in bytes.
    pub stored: u64,
    /// Packs that no object uses: what a push that was killed left, or a collection.
    pub unused: u64,
    /// Files that are not what their names say, and why, by name.
    pub damaged: BTreeMap<String, String>,
    /// Objects that cannot be read because of them, sorted.
    pub unreadable: Vec<ketch_dvc::ObjectId>,
}

impl ChunkedReport {
    /// Whether everything that is known can be read.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.unreadable.is_empty()
    }

    /// What to do about the first file that is damaged.
    pub fn hint(&self) -> Option<String> {
        let (file, _) = self.damaged.first_key_value()?;
        Some(to_send_anew(file))
    }
}

impl ChunkedRemote {
    /// Reads every pack again and holds it against its name. Changes nothing but what waits to be
    /// settled, which is.
    pub fn verify(&self, reporter: &dyn Reporter) -> Result<ChunkedReport, RemoteError> {
        self.commit()?;
        self.reload()?;
        let mut report = ChunkedReport::default();
        let packs = self.with_state(|state| {
            let catalogue = &state.catalogue;
            for (index, problem) in &catalogue.damaged {
                report.damaged.insert(index.clone(), (*problem).to_owned());
            }
            let used = catalogue.used();
            for number in &used {
                if let Some(pack) = catalogue.pack(*number)
                    && let (Some(name), PackState::Lost(problem)) = (pack.name, &pack.state)
                {
                    report.damaged.insert(pack_key(&name), problem.clone());
                }
            }
            report.objects = catalogue.objects.len() as u64;
            report.size = catalogue.objects.values().map(|recipe| recipe.size).sum();
            let packs: Vec<(Digest, u64)> = catalogue
                .listing
                .packs
                .iter()
                .map(|(name, size)| (*name, *size))
                .collect();
            let is_used = |name: &Digest| {
                let number = catalogue.by_name.get(name);
                number.is_some_and(|number| used.contains(number))
            };
            report.packs = packs.len() as u64;
            report.stored = packs.iter().map(|(_, size)| size).sum();
            report.unused = packs.iter().filter(|(name, _)| !is_used(name)).count() as u64;
            packs
        })?;
        reporter.start(packs.len() as u64);
        let read = for_each(&packs, self.source.jobs(), |(name, size)| {
            let key = pack_key(name);
            let mut hasher = Hasher(blake3::Hasher::new());
            let read = self.source.retry(|| {
                hasher.0.reset();
                self.source.inner.read(&key, &mut hasher)
            });
            reporter.file(key.as_str().into(), *size);
            match read {
                Ok(_) if hasher.0.finalize() == blake3::Hash::from(name.0) => Ok(None),
                Ok(_) => Ok(Some((key, "it is not what its name says".to_owned()))),
                // Somebody cleaned up meanwhile.
                Err(error) if is_not_there(&error) => Ok(None),
                Err(error) => Err(error),
            }
        });
        for damaged in read {
            report.damaged.extend(damaged?);
        }
        report.unreadable = self.with_state(|state| {
            let catalogue = &state.catalogue;
            let bad = |number: u32| {
                let name = catalogue.pack(number).and_then(|pack| pack.name);
                name.is_some_and(|name| report.damaged.contains_key(&pack_key(&name)))
            };
            let objects = catalogue.objects.iter();
            objects
                .filter(|(_, recipe)| {
                    !recipe.complete || recipe.runs.iter().any(|run| bad(run.pack))
                })
                .map(|(id, _)| id.clone())
                .collect()
        })?;
        Ok(report)
    }
}

struct Hasher(blake3::Hasher);

impl Write for Hasher {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.update(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
