//! Three versions of a YAML value, and what they are together.

use indexmap::IndexMap;
use ketch_dvc::yaml::{self, Key, Value};

use super::MergeConflict;

/// A mapping's entries.
pub(super) type Entries = IndexMap<Key, Value>;

/// What counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    Ours,
    Theirs,
    /// Both changed it, in two ways.
    Conflict,
}

/// One value in the base and on both sides; none where it is not there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Three<'v> {
    pub(super) base: Option<&'v Value>,
    pub(super) ours: Option<&'v Value>,
    pub(super) theirs: Option<&'v Value>,
}

/// A value that is merged, in two forms: what cannot be brought together is ours in one and theirs
/// in the other. Without conflicts both are the same.
#[derive(Debug, Clone)]
pub(super) struct Merged {
    pub(super) ours: Option<Value>,
    pub(super) theirs: Option<Value>,
}

impl<'v> Three<'v> {
    /// Whoever changed it, counts.
    pub(super) fn pick(&self) -> Pick {
        if same(self.ours, self.theirs) || same(self.base, self.theirs) {
            Pick::Ours
        } else if same(self.base, self.ours) {
            Pick::Theirs
        } else {
            Pick::Conflict
        }
    }

    /// The value that `pick` says; both of them for a conflict.
    pub(super) fn take(&self, pick: Pick) -> Merged {
        let (ours, theirs) = match pick {
            Pick::Ours => (self.ours, self.ours),
            Pick::Theirs => (self.theirs, self.theirs),
            Pick::Conflict => (self.ours, self.theirs),
        };
        Merged {
            ours: ours.cloned(),
            theirs: theirs.cloned(),
        }
    }

    /// The same of an entry of these mappings.
    pub(super) fn entry(&self, key: &Key) -> Self {
        let get = |value: Option<&'v Value>| value?.as_mapping()?.get(key);
        Self {
            base: get(self.base),
            ours: get(self.ours),
            theirs: get(self.theirs),
        }
    }

    /// The keys of all three, in our order, then in theirs.
    pub(super) fn keys(&self) -> Vec<Key> {
        let mut keys: IndexMap<Key, ()> = IndexMap::new();
        for value in [self.ours, self.theirs, self.base] {
            let entries = value.and_then(Value::as_mapping);
            keys.extend(
                entries
                    .into_iter()
                    .flatten()
                    .map(|(key, _)| (key.clone(), ())),
            );
        }
        keys.into_keys().collect()
    }

    pub(super) fn conflict(&self, what: String) -> MergeConflict {
        MergeConflict {
            what,
            base: self.base.map(shown),
            ours: self.ours.map(shown),
            theirs: self.theirs.map(shown),
            reason: None,
        }
    }
}

impl Merged {
    pub(super) fn of(value: Option<Value>) -> Self {
        Self {
            ours: value.clone(),
            theirs: value,
        }
    }
}

/// Merges values key by key, as deep as they are mappings; lists are one value.
pub(super) fn merge_value(
    what: &str,
    three: Three<'_>,
    conflicts: &mut Vec<MergeConflict>,
) -> Merged {
    let pick = three.pick();
    if pick != Pick::Conflict {
        return three.take(pick);
    }
    let is_mapping = |value: Option<&Value>| value.is_some_and(|v| v.as_mapping().is_some());
    if is_mapping(three.ours) && is_mapping(three.theirs) {
        return merge_entries(three, |key, three| {
            merge_value(&format!("{what}.{}", key.as_str()), three, conflicts)
        });
    }
    conflicts.push(three.conflict(format!("`{what}`")));
    three.take(Pick::Conflict)
}

/// Merges mappings, each entry by `merge`.
pub(super) fn merge_entries(
    three: Three<'_>,
    mut merge: impl FnMut(&Key, Three<'_>) -> Merged,
) -> Merged {
    let (mut ours, mut theirs) = (Entries::new(), Entries::new());
    for key in three.keys() {
        let merged = merge(&key, three.entry(&key));
        if let Some(value) = merged.ours {
            ours.insert(key.clone(), value);
        }
        if let Some(value) = merged.theirs {
            theirs.insert(key, value);
        }
    }
    Merged {
        ours: Some(Value::Mapping(ours)),
        theirs: Some(Value::Mapping(theirs)),
    }
}

/// Equal as DVC sees it, or written alike (what is no number is not equal to itself).
pub(super) fn same(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => left == right || yaml::emit(left) == yaml::emit(right),
        _ => false,
    }
}

/// A value on one line, not too long.
pub(super) fn shown(value: &Value) -> String {
    const LONGEST: usize = 100;
    let text = match value {
        Value::String(text) => text.clone(),
        value => yaml::emit(value),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    let cut: String = line.chars().take(LONGEST).collect();
    format!("{cut}…")
}
