//! What all indexes of a remote say together.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ketch_dvc::ObjectId;

use super::index::{Index, IndexedObject, IndexedPack, Run};
use super::pack::Table;
use super::source::{Listing, Source, index_key, pack_key};
use super::wire::{Digest, Malformed};
use super::{INDEXES, LEAST_AVERAGE, QUARANTINE};
use crate::remote::{RemoteError, for_each, is_not_there};

/// A clean-up may take an index away between its listing and its reading; then it is listed again.
const ATTEMPTS: usize = 5;
/// Tables of about 40 MB.
const MOST_ENTRIES: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) packs: Vec<Pack>,
    pub(super) by_name: BTreeMap<Digest, u32>,
    pub(super) objects: BTreeMap<ObjectId, Recipe>,
    /// Which objects each index has.
    pub(super) indexes: BTreeMap<Digest, Vec<ObjectId>>,
    /// Indexes that cannot be read, and why.
    pub(super) damaged: Vec<(String, &'static str)>,
    pub(super) listing: Listing,
    /// Packs that are in the quarantine: nobody may begin to rely on them.
    pub(super) aside: BTreeSet<Digest>,
}

#[derive(Debug)]
pub(super) struct Pack {
    /// Not known while it is being filled.
    pub(super) name: Option<Digest>,
    pub(super) size: u64,
    pub(super) table: Option<Arc<Table>>,
    /// The index that has its table.
    pub(super) table_in: Option<Digest>,
    /// Whether any index names it.
    pub(super) indexed: bool,
    pub(super) state: PackState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PackState {
    There,
    /// Being filled, or on its way.
    Unsent,
    /// Not there, or not as it should be.
    Lost(String),
}

/// How an object is made.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    /// In bytes.
    pub(super) size: u64,
    pub(super) runs: Arc<[Run]>,
    /// Whether all of it is there.
    pub(super) complete: bool,
}

impl Catalogue {
    pub(super) fn load(source: &Source) -> Result<Self, RemoteError> {
        for _ in 1..ATTEMPTS {
            match Self::try_load(source) {
                Err(error) if is_not_there(&error) => {}
                loaded => return loaded,
            }
        }
        Self::try_load(source)
    }

    fn try_load(source: &Source) -> Result<Self, RemoteError> {
        let listing = source.list()?;
        source.tidy(&listing);
        let names: Vec<Digest> = listing.indexes.keys().copied().collect();
        let mut catalogue = Self {
            listing,
            ..Self::default()
        };
        let read = for_each(&names, source.jobs(), |name| source.index(INDEXES, name));
        for (name, index) in names.iter().zip(read) {
            match index? {
                Ok(index) => catalogue.add(*name, index),
                Err(Malformed(problem)) => catalogue.damaged.push((index_key(name), problem)),
            }
        }
        let bare: Vec<u32> = (0..catalogue.packs.len() as u32)
            .filter(|number| catalogue.pack(*number).is_some_and(Pack::lacks_table))
            .collect();
        catalogue.read_tables(source, &bare)?;
        catalogue.judge();
        Ok(catalogue)
    }

    /// Reads again what the remote has, where that is something else than before.
    pub(super) fn refresh(&mut self, source: &Source) -> Result<(), RemoteError> {
        let now = source.list()?;
        let known = &self.listing;
        let same = now.packs == known.packs
            && now.indexes.keys().eq(known.indexes.keys())
            && now.quarantine.keys().eq(known.quarantine.keys());
        if !same {
            *self = Self::load(source)?;
        }
        Ok(())
    }

    pub(super) fn pack(&self, number: u32) -> Option<&Pack> {
        self.packs.get(number as usize)
    }

    pub(super) fn pack_mut(&mut self, number: u32) -> Option<&mut Pack> {
        self.packs.get_mut(number as usize)
    }

    pub(super) fn insert_pack(&mut self, pack: Pack) -> u32 {
        let number = self.packs.len() as u32;
        if let Some(name) = pack.name {
            self.by_name.insert(name, number);
        }
        self.packs.push(pack);
        number
    }

    /// Remembers an index that was written out of what is known here.
    pub(super) fn note(&mut self, name: Digest, index: &Index) {
        for pack in &index.packs {
            if let Some(number) = self.by_name.get(&pack.name).copied()
                && let Some(known) = self.pack_mut(number)
            {
                known.indexed = true;
                if pack.table.is_some() {
                    known.table_in = Some(name);
                }
            }
        }
        let ids = index.objects.iter().map(|object| object.id.clone());
        self.indexes.insert(name, ids.collect());
        // How long it is matters to nobody.
        self.listing.indexes.insert(name, 0);
    }

    /// Forgets an index that was deleted.
    pub(super) fn drop_index(&mut self, name: &Digest) {
        self.indexes.remove(name);
        self.listing.indexes.remove(name);
    }

    /// Adds what an index says.
    fn add(&mut self, name: Digest, index: Index) {
        let numbers: Vec<u32> = index
            .packs
            .into_iter()
            .map(|pack| self.merge(name, pack))
            .collect();
        let mut ids = Vec::with_capacity(index.objects.len());
        for object in index.objects {
            ids.push(object.id.clone());
            let runs: Arc<[Run]> = object
                .runs
                .iter()
                .filter_map(|run| {
                    let pack = *numbers.get(run.pack as usize)?;
                    Some(Run { pack, ..*run })
                })
                .collect();
            let lost = |runs: &[Run]| {
                runs.iter().any(|run| {
                    self.pack(run.pack)
                        .is_none_or(|pack| pack.state != PackState::There)
                })
            };
            // The same object twice: one of them may be whole.
            if self
                .objects
                .get(&object.id)
                .is_none_or(|known| lost(&known.runs))
            {
                let recipe = Recipe {
                    size: object.size,
                    runs,
                    complete: false,
                };
                self.objects.insert(object.id, recipe);
            }
        }
        self.indexes.insert(name, ids);
    }

    fn merge(&mut self, index: Digest, pack: IndexedPack) -> u32 {
        let known = self.by_name.get(&pack.name).copied();
        let number = if let Some(number) = known {
            number
        } else {
            let state = match self.listing.packs.get(&pack.name) {
                None => PackState::Lost("it is not there".to_owned()),
                Some(size) if *size != pack.size => {
                    PackState::Lost(format!("it has {size} bytes instead of {}", pack.size))
                }
                Some(_) => PackState::There,
            };
            self.insert_pack(Pack {
                name: Some(pack.name),
                size: pack.size,
                table: None,
                table_in: None,
                indexed: true,
                state,
            })
        };
        if let Some(known) = self.pack_mut(number)
            && let Some(table) = pack.table
            && known.table.is_none()
        {
            known.table = Some(Arc::new(table));
            known.table_in = Some(index);
        }
        number
    }

    /// Takes packs in that no index names: those of a push that was killed, say. What they hold need
    /// not be sent again; unless they are in the quarantine, and may be gone at any moment.
    pub(super) fn adopt(&mut self, source: &Source) -> Result<(), RemoteError> {
        let mut aside = self.quarantined(source);
        for _ in 1..ATTEMPTS {
            match &aside {
                // It left the quarantine, and its packs may be in the list that was made before.
                Err(error) if is_not_there(error) => *self = Self::load(source)?,
                _ => break,
            }
            aside = self.quarantined(source);
        }
        self.aside = aside?;
        let unknown: Vec<(Digest, u64)> = self
            .listing
            .packs
            .iter()
            .filter(|(name, _)| !self.by_name.contains_key(*name) && !self.aside.contains(*name))
            .map(|(name, size)| (*name, *size))
            .collect();
        let numbers: Vec<u32> = unknown
            .into_iter()
            .map(|(name, size)| {
                self.insert_pack(Pack {
                    name: Some(name),
                    size,
                    table: None,
                    table_in: None,
                    indexed: false,
                    state: PackState::There,
                })
            })
            .collect();
        self.read_tables(source, &numbers)
    }

    /// The packs in the quarantine as it was listed.
    fn quarantined(&self, source: &Source) -> Result<BTreeSet<Digest>, RemoteError> {
        let mut aside = BTreeSet::new();
        for name in self.listing.quarantine.keys() {
            // By one that cannot be read no clean-up deletes anything.
            if let Ok(index) = source.index(QUARANTINE, name)? {
                aside.extend(index.packs.iter().map(|pack| pack.name));
            }
        }
        Ok(aside)
    }

    /// Reads tables out of packs. A pack whose table cannot be read is lost.
    fn read_tables(&mut self, source: &Source, numbers: &[u32]) -> Result<(), RemoteError> {
        let asked: Vec<(u32, Digest, u64)> = numbers
            .iter()
            .filter_map(|number| {
                let pack = self.pack(*number)?;
                Some((*number, pack.name?, pack.size))
            })
            .collect();
        let tables = for_each(&asked, source.jobs(), |(_, name, size)| {
            source.table(name, *size)
        });
        for ((number, name, _), table) in asked.iter().zip(tables) {
            let lost = match table {
                Ok(table) => {
                    if let Some(pack) = self.pack_mut(*number) {
                        pack.table = Some(Arc::new(table));
                    }
                    continue;
                }
                Err(RemoteError::Unreadable { problem, .. }) => problem,
                Err(error) if is_not_there(&error) => "it is not there".to_owned(),
                Err(error) => return Err(error),
            };
            self.by_name.remove(name);
            if let Some(pack) = self.pack_mut(*number) {
                pack.state = PackState::Lost(lost);
            }
        }
        Ok(())
    }

    /// Finds out which objects are all there.
    fn judge(&mut self) {
        let packs = &self.packs;
        for recipe in self.objects.values_mut() {
            recipe.complete = trouble(packs, recipe).is_none();
        }
    }

    /// The file that an object cannot be read for, and why.
    pub(super) fn trouble(&self, recipe: &Recipe) -> Option<(String, String)> {
        let (number, problem) = trouble(&self.packs, recipe)?;
        let name = self.pack(number).and_then(|pack| pack.name);
        let key = name.map_or_else(|| super::PACKS.to_owned(), |name| pack_key(&name));
        Some((key, problem))
    }

    /// The packs that objects use.
    pub(super) fn used(&self) -> BTreeSet<u32> {
        let runs = self.objects.values().flat_map(|recipe| recipe.runs.iter());
        runs.map(|run| run.pack).collect()
    }

    /// The packs that objects use, once these are as it is said here.
    pub(super) fn used_with(&self, new: &BTreeMap<ObjectId, Recipe>) -> BTreeSet<u32> {
        let others = self.objects.iter().filter(|(id, _)| !new.contains_key(*id));
        let recipes = others.map(|(_, recipe)| recipe).chain(new.values());
        recipes
            .flat_map(|recipe| recipe.runs.iter())
            .map(|run| run.pack)
            .collect()
    }

    /// The packs that indexes name, and that are not among these.
    pub(super) fn unused(&self, used: &BTreeSet<u32>) -> Vec<IndexedPack> {
        let packs = self.packs.iter().enumerate();
        packs
            .filter(|(number, pack)| !used.contains(&(*number as u32)) && pack.indexed)
            .filter(|(_, pack)| pack.state == PackState::There)
            .filter_map(|(_, pack)| {
                Some(IndexedPack {
                    name: pack.name?,
                    size: pack.size,
                    table: None,
                })
            })
            .collect()
    }

    /// Where every chunk is that can be relied on, in these packs.
    pub(super) fn chunks(&self, in_pack: impl Fn(u32) -> bool) -> HashMap<Digest, (u32, u32)> {
        let mut chunks = HashMap::new();
        for (number, pack) in self.packs.iter().enumerate() {
            if !in_pack(number as u32) {
                continue;
            }
            let Some(table) = pack
                .table
                .as_ref()
                .filter(|_| pack.state == PackState::There)
                .filter(|_| pack.name.is_none_or(|name| !self.aside.contains(&name)))
            else {
                continue;
            };
            for (place, entry) in table.0.iter().enumerate() {
                chunks
                    .entry(entry.id)
                    .or_insert((number as u32, place as u32));
            }
        }
        chunks
    }

    /// Indexes of these objects, in the order in which they are to be written: mostly one.
    pub(super) fn indexes_of(
        &self,
        objects: &BTreeMap<ObjectId, Recipe>,
        tables: Tables<'_>,
    ) -> Vec<Index> {
        let mut indexes = Vec::new();
        let mut last = Index::default();
        let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
        let runs = objects.values().flat_map(|recipe| recipe.runs.iter());
        let mut used: BTreeSet<u32> = runs.map(|run| run.pack).collect();
        if let Tables::Also(more) = tables {
            used.extend(more);
        }
        let mut apart = Index::default();
        let mut entries = 0;
        for number in used {
            let Some(pack) = self.pack(number) else {
                continue;
            };
            let Some(name) = pack.name else { continue };
            let wanted = tables != Tables::New || pack.table_in.is_none();
            let table = pack.table.as_deref().filter(|_| wanted).cloned();
            entries += table.as_ref().map_or(0, |table| table.0.len());
            numbers.insert(number, last.packs.len() as u32);
            last.packs.push(IndexedPack {
                name,
                size: pack.size,
                table: table.clone(),
            });
            // So many that one index would be too large: the tables go ahead.
            if entries > MOST_ENTRIES {
                for pack in &mut last.packs {
                    if pack.table.is_some() {
                        apart.packs.push(pack.clone());
                        pack.table = None;
                    }
                }
                indexes.push(std::mem::take(&mut apart));
                entries = 0;
            }
        }
        for (id, recipe) in objects {
            let runs = recipe
                .runs
                .iter()
                .filter_map(|run| {
                    let pack = *numbers.get(&run.pack)?;
                    Some(Run { pack, ..*run })
                })
                .collect();
            last.objects.push(IndexedObject {
                id: id.clone(),
                size: recipe.size,
                runs,
            });
        }
        indexes.push(last);
        indexes
    }
}

/// Which tables an index gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tables<'a> {
    /// Those that no index has.
    New,
    /// Those of all packs that the objects use, and of these.
    Also(&'a BTreeSet<u32>),
}

impl Pack {
    fn lacks_table(&self) -> bool {
        self.table.is_none() && self.state == PackState::There
    }
}

/// Takes a step for each run, however many chunks the runs name: both are in an index's hands.
fn trouble(packs: &[Pack], recipe: &Recipe) -> Option<(u32, String)> {
    let (mut size, mut chunks) = (0_u64, 0_u64);
    let mut last = 0;
    for run in &*recipe.runs {
        last = run.pack;
        let Some(pack) = packs.get(run.pack as usize) else {
            return Some((run.pack, "it is not known".to_owned()));
        };
        let table = match (&pack.state, &pack.table) {
            (PackState::Lost(problem), _) => return Some((run.pack, problem.clone())),
            (_, None) => return Some((run.pack, "its table cannot be read".to_owned())),
            (_, Some(table)) => table,
        };
        let Some(length) = table.length(run.first as usize, run.count as usize) else {
            return Some((
                run.pack,
                "it has fewer chunks than an index says".to_owned(),
            ));
        };
        size = size.saturating_add(length);
        chunks = chunks.saturating_add(run.count.into());
    }
    if size != recipe.size {
        return Some((last, "its chunks do not make the object's size".to_owned()));
    }
    let most = size / LEAST_AVERAGE + 1;
    (chunks > most).then(|| {
        (
            last,
            "its chunks are smaller than any that are made".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use super::*;
    use crate::chunk::codec::{Method, compress};
    use crate::chunk::pack::Builder;
    use crate::chunk::testing::Place;
    use crate::hash_bytes;
    use crate::remote::Remote;
    use ketch_testkit::run_within_limits;

    /// Takes so much.
    struct Limited(u64);

    impl Write for Limited {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            let left = self.0.checked_sub(buffer.len() as u64);
            self.0 = left.ok_or_else(|| io::Error::other("that is enough"))?;
            Ok(buffer.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes a pack of `count` times this chunk, and an index of one object that is all of it
    /// `times` over; says how long both are.
    fn repeated(place: &Place, chunk: &[u8], count: usize, times: usize, size: u64) -> usize {
        let mut builder = Builder::new();
        let packed = compress(chunk);
        let method = packed.as_ref().map_or(Method::Plain, |_| Method::Zstd);
        let stored = packed.as_deref().unwrap_or(chunk);
        for _ in 0..count {
            builder.add(Digest::of(chunk), method, chunk.len(), stored);
        }
        let (name, bytes, table) = builder.finish();
        place.write(&pack_key(&name), &bytes);
        let count = count as u32;
        let run = Run {
            pack: 0,
            first: 0,
            count,
        };
        let index = Index {
            packs: vec![IndexedPack {
                name,
                size: bytes.len() as u64,
                table: Some(table),
            }],
            objects: vec![IndexedObject {
                id: hash_bytes(b"x"),
                size,
                runs: vec![run; times],
            }],
        };
        bytes.len() + place.write_index(&index)
    }

    #[test]
    #[ignore = "started by the test below"]
    fn small_indexes_that_promise_much() {
        let key = hash_bytes(b"x").cache_path();
        // 8,000,000,000 chunks of a byte.
        let place = Place::new();
        let length = repeated(&place, b"x", 20_000, 400_000, 8_000_000_000);
        assert!(length < 4 << 20, "{length}");
        let remote = place.open();
        let error = remote.read(&key, &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("smaller than any"), "{error}");

        // 100,000,000 chunks that come to 6 TB: a large object, as far as anybody can tell.
        let place = Place::new();
        let chunk = vec![0; 64 << 10];
        let size = (64 << 10) * 100_000_000;
        let length = repeated(&place, &chunk, 1_000, 100_000, size);
        assert!(length < 1 << 20, "{length}");
        let remote = place.open();
        assert_eq!(remote.size(&key).unwrap(), Some(size));
        let error = remote.read(&key, &mut Limited(100 << 20)).unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains("that is enough"), "{why}");
        // Another size than they make.
        let place = Place::new();
        repeated(&place, &chunk, 1_000, 100_000, size + 1);
        let error = place.open().read(&key, &mut io::sink()).unwrap_err();
        assert!(error.to_string().contains("do not make"), "{error}");
    }

    #[test]
    fn a_small_index_takes_neither_memory_nor_time() {
        run_within_limits("chunk::catalogue::tests::small_indexes_that_promise_much");
    }
}
