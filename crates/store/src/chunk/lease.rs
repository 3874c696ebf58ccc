//! Pushes and clean-ups that must not meet.
//!
//! A push relies on chunks in packs that are there already. A clean-up deletes packs that no index
//! names. Between the moment in which a push decides to rely on a pack and the moment in which its
//! index can be seen, the pack looks unused.
//!
//! **What a push does**, in this order: writes a marker below `chunked/pushing/`; lists the
//! quarantine, then indexes, then packs; relies on packs and sends others, but neither relies on nor
//! sends one that the quarantine names; writes its index; looks whether its marker is still there,
//! and has failed if not; takes the marker away.
//!
//! **What a clean-up does**: writes a marker below `chunked/cleaning/` and lists that folder; gives up
//! if there is another. Then, to delete packs: lists the quarantine; lists `chunked/pushing/`, and
//! deletes nothing unless it is empty; lists the indexes; deletes the packs that the quarantine named
//! and no index does; takes them out of the quarantine; takes its marker away. Packs come into the
//! quarantine in an earlier clean-up, or earlier in this one.
//!
//! **Why that is right**, on a remote that shows what was written to whoever lists after it. Two
//! clean-ups do not run at once: each writes its marker before it lists, so one of them at least sees
//! the other. Say that a clean-up deleted pack *p*, and that a push relied on *p* and did not fail. The
//! clean-up saw *p* in the quarantine at *q*, no marker at *m*, and no index with *p* at *i*, with
//! *q* < *m* < *i*; *p* was in the quarantine from *q* until it was gone.
//!
//! - The push wrote its marker after *m*: then it listed the quarantine after *q*. It found *p* there,
//!   or *p* was gone already and not in the list of packs, which it made later. It did not rely on *p*.
//! - It wrote its marker before *m*: as the clean-up saw none, it was gone. Either the push had taken
//!   it away, after its index could be seen: the clean-up saw that index at *i*, or one that a
//!   clean-up had made of it. Or somebody else had, and the index could not be seen before that, or
//!   else the same holds: then the push looked for its marker later than that, and failed.
//!
//! What a clean-up deletes as an object, because no project that it knows of needs it, is not held by
//! this: a push that has found the object there a moment before relies on whoever cleaned up, as on a
//! remote of any layout.
//!
//! No clock is in this. One is in what is done about markers of those who were killed: a clean-up
//! takes markers away that are older than a week, and looks again. A push that takes longer than
//! that fails if there was a clean-up, and the next one sends what went. A clean-up that takes longer
//! than that must not be followed by another.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::source::{Bounded, Source};
use super::wire::Digest;
use super::{CLEANING, PUSHING};
use crate::remote::{RemoteError, is_not_there};

/// Whose marker is older was killed, in seconds.
const A_WEEK: u64 = 7 * 24 * 60 * 60;
/// How often markers that go are looked for again.
const ATTEMPTS: usize = 5;
/// A marker holds the time of its writing in seconds since 1970.
const LONGEST: u64 = 40;

/// The markers of one user of a remote.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// Keys.
    pushing: Option<String>,
    cleaning: Option<String>,
}

impl Leases {
    fn held(&self) -> MutexGuard<'_, Held> {
        // Two keys, each changed in one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a push is under way. What was listed before must be listed again.
    pub(super) fn push(&self, source: &Source) -> Result<(), RemoteError> {
        let mut held = self.held();
        if held.pushing.is_none() {
            held.pushing = Some(announce(source, PUSHING)?);
        }
        Ok(())
    }

    /// Whether the push was left alone: asked after its index was written.
    pub(super) fn still_pushes(&self, source: &Source) -> Result<bool, RemoteError> {
        match &self.held().pushing {
            None => Ok(false),
            Some(key) => Ok(source.retry(|| source.inner.size(key))?.is_some()),
        }
    }

    /// Says that a clean-up is under way, unless there is another: then the key of its marker.
    pub(super) fn clean(&self, source: &Source) -> Result<Option<String>, RemoteError> {
        let mut held = self.held();
        if held.cleaning.is_some() {
            return Ok(None);
        }
        let own = announce(source, CLEANING)?;
        let other = others(source, CLEANING, Some(&own));
        if matches!(other, Ok(None)) {
            held.cleaning = Some(own);
        } else {
            source.delete(&own)?;
        }
        other
    }

    /// A push that is under way, by the key of its marker; this one's own does not count.
    pub(super) fn other_push(&self, source: &Source) -> Result<Option<String>, RemoteError> {
        others(source, PUSHING, self.held().pushing.as_deref())
    }

    /// Says that nothing is under way any more.
    pub(super) fn release(&self, source: &Source) {
        let mut held = self.held();
        let keys = [held.pushing.take(), held.cleaning.take()];
        for key in keys.iter().flatten() {
            // Tried once: a marker that stays makes clean-ups wait, no more.
            let _ = source.inner.delete(key);
        }
    }
}

/// Writes a marker with a name of its own.
fn announce(source: &Source, folder: &str) -> Result<String, RemoteError> {
    let key = format!("{folder}{}", fresh());
    source.write(&key, now().to_string().as_bytes())?;
    Ok(key)
}

/// One of the others' markers, after those that are too old were taken away.
fn others(source: &Source, folder: &str, own: Option<&str>) -> Result<Option<String>, RemoteError> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        last = None;
        for key in source.keys(folder)? {
            if Some(key.as_str()) == own {
                continue;
            }
            match is_too_old(source, &key) {
                Ok(true) => source.delete(&key)?,
                Ok(false) => return Ok(Some(key)),
                Err(error) if is_not_there(&error) => {}
                Err(error) => return Err(error),
            }
            last = Some(key);
        }
        // Another may have come since: only a list without any tells that there is none.
        if last.is_none() {
            break;
        }
    }
    Ok(last)
}

fn is_too_old(source: &Source, key: &str) -> Result<bool, RemoteError> {
    let read = source.retry(|| {
        let mut bytes = Bounded::new(LONGEST);
        source.inner.read(key, &mut bytes)?;
        Ok(bytes.bytes)
    });
    let written = match read {
        Ok(bytes) => String::from_utf8(bytes)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok()),
        Err(error) if is_not_there(&error) || error.is_transient() => return Err(error),
        // No marker of ours; it counts all the same.
        Err(_) => None,
    };
    Ok(written.is_some_and(|written| now().abs_diff(written) > A_WEEK))
}

/// In seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// What nobody else has.
pub(super) fn fresh() -> Digest {
    Digest::of(Uuid::new_v4().as_bytes())
}
