//! A remote that keeps objects as chunks in another remote.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Mutex;

use camino::Utf8PathBuf;
use ketch_dvc::ObjectId;

use super::catalogue::{Catalogue, Recipe};
use super::lease::Leases;
use super::reader::Blocks;
use super::source::Source;
use super::writer::Writing;
use crate::remote::{
    Capabilities, FailureKind, ObjectFacts, Remote, RemoteError, Retry, is_not_there,
};

/// Where objects in DVC's own layout are.
const PLAIN: &str = "files/md5";

/// How to talk to the remote below.
#[derive(Debug, Clone, Default)]
pub struct ChunkedOptions {
    /// A folder of this remote's own that keeps copies of its indexes; without one they are fetched
    /// each time.
    pub copies: Option<Utf8PathBuf>,
    pub retry: Retry,
}

/// Keeps objects as chunks in packs on another remote; see the module.
///
/// What is written or deleted is seen by others after [`Remote::settle`], and lost without it.
#[derive(Debug)]
pub struct ChunkedRemote {
    pub(super) source: Source,
    pub(super) blocks: Blocks,
    state: Mutex<Loaded>,
    pub(super) leases: Leases,
}

impl Drop for ChunkedRemote {
    fn drop(&mut self) {
        self.leases.release(&self.source);
    }
}

/// Read when it is first needed.
#[derive(Debug, Default)]
enum Loaded {
    #[default]
    NotYet,
    Yes(Box<State>),
    /// Thousands of objects are asked for; one that waits for a dead server is enough.
    Failed(Failure),
}

/// Why the remote could not be read.
#[derive(Debug)]
struct Failure {
    action: &'static str,
    object: String,
    kind: FailureKind,
    text: String,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) catalogue: Catalogue,
    pub(super) writing: Option<Writing>,
    /// Objects that are there in DVC's layout, with their sizes, once somebody has asked.
    plain: Option<BTreeMap<String, u64>>,
}

impl ChunkedRemote {
    /// Nothing is asked of `inner` yet.
    pub fn open(inner: Box<dyn Remote>, options: ChunkedOptions) -> Self {
        Self {
            source: Source {
                inner,
                retry: options.retry,
                copies: options.copies,
            },
            blocks: Blocks::default(),
            state: Mutex::default(),
            leases: Leases::default(),
        }
    }

    pub(super) fn name_of_inner(&self) -> &str {
        self.source.inner.name()
    }

    pub(super) fn with_state<T>(
        &self,
        work: impl FnOnce(&mut State) -> T,
    ) -> Result<T, RemoteError> {
        // Half of a change may be in it, and what was not committed is lost: nothing more is done, so
        // that nobody is told of a success. The lock stays poisoned.
        let Ok(mut loaded) = self.state.lock() else {
            return Err(self.not_done(
                "go on with",
                "a thread of ours broke off in the midst of a change, and what it had not finished \
                 is not there: run it again",
            ));
        };
        if let Loaded::NotYet = &*loaded {
            *loaded = match Catalogue::load(&self.source) {
                Ok(catalogue) => Loaded::Yes(Box::new(State {
                    catalogue,
                    ..State::default()
                })),
                Err(error) => {
                    if let Some(failure) = Failure::of(&error) {
                        *loaded = Loaded::Failed(failure);
                    }
                    return Err(error);
                }
            };
        }
        match &mut *loaded {
            Loaded::Yes(state) => Ok(work(state)),
            Loaded::Failed(failure) => Err(failure.error(self.name_of_inner())),
            Loaded::NotYet => Err(Failure::unknown().error(self.name_of_inner())),
        }
    }

    pub(super) fn with_writing<T>(
        &self,
        work: impl FnOnce(&mut Catalogue, &mut Writing) -> T,
    ) -> Result<T, RemoteError> {
        self.with_state(|state| {
            if state.writing.is_none() {
                // What is relied on is what is there after others can see that somebody pushes.
                self.leases.push(&self.source)?;
                state.catalogue.refresh(&self.source)?;
                state.catalogue.adopt(&self.source)?;
            }
            let writing = state
                .writing
                .get_or_insert_with(|| Writing::begin(&state.catalogue));
            Ok(work(&mut state.catalogue, writing))
        })?
    }

    /// Reads again what the remote has.
    pub(super) fn reload(&self) -> Result<(), RemoteError> {
        self.forget();
        self.with_state(|_| ())
    }

    /// Forgets what the remote has, and what was not committed.
    pub(super) fn forget(&self) {
        if let Ok(mut loaded) = self.state.lock() {
            *loaded = Loaded::NotYet;
        }
    }

    /// What could not be done with the chunked layout as a whole, and what to do.
    pub(super) fn not_done(&self, action: &'static str, why: impl Into<String>) -> RemoteError {
        RemoteError::Failed {
            remote: self.name_of_inner().to_owned(),
            action,
            object: super::FOLDER.to_owned(),
            kind: FailureKind::Permanent,
            source: why.into().into(),
        }
    }

    /// Whether an object of DVC's layout is there, and its size in bytes.
    fn plain(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        self.with_state(|state| {
            let plain = match state.plain.take() {
                Some(plain) => plain,
                None => self.source.retry(|| {
                    let mut found = BTreeMap::new();
                    self.source.inner.list(PLAIN, &mut |key, size| {
                        found.insert(key.to_owned(), size);
                    })?;
                    Ok(found)
                })?,
            };
            let plain = state.plain.insert(plain);
            Ok(plain.get(key).copied())
        })?
    }

    fn known(&self, id: &ObjectId) -> Result<Known, RemoteError> {
        self.with_state(|state| {
            if let Some(writing) = &state.writing
                && let Some(recipe) = writing.objects.get(id)
            {
                return Known::New(recipe.size);
            }
            match state.catalogue.objects.get(id) {
                None => Known::No,
                Some(recipe) if recipe.complete => Known::Yes(recipe.clone()),
                Some(recipe) => Known::Incomplete(state.catalogue.trouble(recipe)),
            }
        })
    }
}

impl State {
    fn knows(&self, id: &ObjectId) -> bool {
        let mut writing = self.writing.iter();
        self.catalogue.objects.contains_key(id)
            || writing.any(|writing| writing.objects.contains_key(id))
    }
}

impl Failure {
    fn of(error: &RemoteError) -> Option<Self> {
        let RemoteError::Failed {
            action,
            object,
            kind,
            source,
            ..
        } = error
        else {
            return None;
        };
        Some(Self {
            action,
            object: object.clone(),
            // It was tried as often as it should be.
            kind: match kind {
                FailureKind::Transient => FailureKind::Permanent,
                other => *other,
            },
            text: source.to_string(),
        })
    }

    fn unknown() -> Self {
        Self {
            action: "list",
            object: super::FOLDER.to_owned(),
            kind: FailureKind::Permanent,
            text: "it was not read".to_owned(),
        }
    }

    fn error(&self, remote: &str) -> RemoteError {
        RemoteError::Failed {
            remote: remote.to_owned(),
            action: self.action,
            object: self.object.clone(),
            kind: self.kind,
            source: self.text.clone().into(),
        }
    }
}

enum Known {
    Yes(Recipe),
    /// Written, and not seen by others yet; its size in bytes.
    New(u64),
    /// The file that is not as it should be, and why.
    Incomplete(Option<(String, String)>),
    No,
}

impl Remote for ChunkedRemote {
    fn name(&self) -> &str {
        self.name_of_inner()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            list: true,
            // All is known after the first question.
            cheap_lookup: true,
            ..self.source.inner.capabilities()
        }
    }

    fn size(&self, key: &str) -> Result<Option<u64>, RemoteError> {
        let Some(id) = object(key) else {
            return self.source.inner.size(key);
        };
        match self.known(&id)? {
            Known::Yes(recipe) => Ok(Some(recipe.size)),
            Known::New(size) => Ok(Some(size)),
            Known::Incomplete(_) | Known::No => self.plain(key),
        }
    }

    /// Nobody knows when an object was made of chunks that were there.
    fn facts(&self, key: &str) -> Result<Option<ObjectFacts>, RemoteError> {
        let size = match object(key).map(|id| self.known(&id)).transpose()? {
            Some(Known::Yes(recipe)) => recipe.size,
            Some(Known::New(size)) => size,
            Some(Known::Incomplete(_) | Known::No) | None => return self.source.inner.facts(key),
        };
        Ok(Some(ObjectFacts {
            size,
            ..ObjectFacts::default()
        }))
    }

    fn list(&self, folder: &str, found: &mut dyn FnMut(&str, u64)) -> Result<(), RemoteError> {
        let prefix = match folder.trim_end_matches('/') {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let mut keys: BTreeMap<String, u64> = BTreeMap::new();
        self.source.inner.list(folder, &mut |key, size| {
            if !key.starts_with("chunked/") {
                keys.insert(key.to_owned(), size);
            }
        })?;
        if prefix.is_empty() || prefix.starts_with("files/") {
            self.with_state(|state| {
                // What is not complete too: whoever looks for damage is to see it.
                let old = state.catalogue.objects.iter();
                let new = state.writing.iter().flat_map(|writing| &writing.objects);
                for (id, recipe) in old.chain(new) {
                    let key = id.cache_path();
                    if key.starts_with(&prefix) {
                        keys.insert(key, recipe.size);
                    }
                }
            })?;
        }
        for (key, size) in keys {
            found(&key, size);
        }
        Ok(())
    }

    fn read(&self, key: &str, sink: &mut dyn Write) -> Result<u64, RemoteError> {
        let Some(id) = object(key) else {
            return self.source.inner.read(key, sink);
        };
        let mut known = self.known(&id)?;
        if matches!(known, Known::New(_)) {
            self.commit()?;
            known = self.known(&id)?;
        }
        match known {
            Known::Yes(recipe) => self.give(key, &recipe, sink),
            Known::Incomplete(trouble) if self.plain(key)?.is_none() => {
                let (file, problem) = trouble.unwrap_or_default();
                Err(self.source.damaged(&file, problem))
            }
            _ => match self.source.inner.read(key, sink) {
                Err(error) if is_not_there(&error) => {
                    // It may be in what could not be read.
                    let damaged =
                        self.with_state(|state| state.catalogue.damaged.first().cloned())?;
                    Err(match damaged {
                        Some((index, problem)) => self.source.damaged(&index, problem),
                        None => error,
                    })
                }
                read => read,
            },
        }
    }

    fn write(&self, key: &str, source: &mut dyn Read, size: u64) -> Result<(), RemoteError> {
        match object(key) {
            Some(id) => self.take(&id, source, size),
            None => self.source.inner.write(key, source, size),
        }
    }

    fn delete(&self, key: &str) -> Result<(), RemoteError> {
        let Some(id) = object(key) else {
            return self.source.inner.delete(key);
        };
        if self.with_state(|state| state.knows(&id))? {
            self.begin_cleaning()?;
            self.with_writing(|catalogue, writing| {
                writing.objects.remove(&id);
                if catalogue.objects.remove(&id).is_some() {
                    writing.removed.insert(id);
                }
            })?;
        }
        if self.plain(key)?.is_some() {
            self.source.inner.delete(key)?;
            self.with_state(|state| state.plain.as_mut().and_then(|plain| plain.remove(key)))?;
        }
        Ok(())
    }

    fn settle(&self) -> Result<(), RemoteError> {
        self.commit()
    }
}

/// The object that a key of DVC's layout is about.
fn object(key: &str) -> Option<ObjectId> {
    let (folder, name) = key.strip_prefix("files/md5/")?.split_once('/')?;
    let id = ObjectId::parse(&format!("{folder}{name}")).ok()?;
    // Upper-case digits are another key.
    (id.cache_path() == key).then_some(id)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::chunk::testing::Place;
    use crate::hash_bytes;

    #[test]
    fn what_broke_off_is_never_called_done() {
        let place = Place::new();
        let remote = place.open();
        let key = hash_bytes(b"one").cache_path();
        remote.write(&key, &mut &b"one"[..], 3).unwrap();
        let broken = || remote.with_state(|_| panic!("on purpose"));
        catch_unwind(AssertUnwindSafe(broken)).unwrap_err();

        for _ in 0..2 {
            let error = remote.settle().unwrap_err();
            assert!(!error.is_transient());
            let why = std::error::Error::source(&error).unwrap().to_string();
            assert!(why.contains("run it again"), "{why}");
            remote.size(&key).unwrap_err();
            remote.set_aside().unwrap_err();
        }
        let again = place.open();
        assert_eq!(again.size(&key).unwrap(), None);
        again.write(&key, &mut &b"one"[..], 3).unwrap();
        again.settle().unwrap();
        assert_eq!(place.open().size(&key).unwrap(), Some(3));
    }

    #[test]
    fn what_did_not_get_through_is_never_called_done() {
        let place = Place::new();
        let remote = place.open();
        let key = hash_bytes(b"one").cache_path();
        remote.write(&key, &mut &b"one"[..], 3).unwrap();
        // As if a thread had died with the pack in its hands.
        remote
            .with_writing(|_, writing| writing.forget_packs())
            .unwrap();
        let error = remote.settle().unwrap_err();
        assert!(error.to_string().contains(&key), "{error}");
        assert_eq!(place.open().size(&key).unwrap(), None);
    }
}
