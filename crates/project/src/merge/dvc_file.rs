//! Three versions of a `.dvc` file.

use indexmap::IndexMap;
use ketch_dvc::yaml::{Key, Value};
use ketch_dvc::{Manifest, ObjectId};

use super::manifests::{merge_manifests, merged_size};
use super::value::{Entries, Merged, Pick, Three, merge_entries, merge_value, shown};
use super::{MergeConflict, Objects};

/// What an entry says of its content: it is of one piece.
const CONTENT: [&str; 9] = [
    "md5",
    "etag",
    "checksum",
    "size",
    "nfiles",
    "version_id",
    "hash",
    "cloud",
    "files",
];

/// Merges `.dvc` files entry by entry.
pub(super) struct DvcFileMerge<'o> {
    pub(super) objects: &'o dyn Objects,
    pub(super) conflicts: Vec<MergeConflict>,
    /// Directories that came out of it.
    pub(super) manifests: Vec<(ObjectId, Manifest)>,
}

impl DvcFileMerge<'_> {
    pub(super) fn file(&mut self, three: Three<'_>) -> Merged {
        let import = self.import(three);
        merge_entries(three, |key, three| match (key.as_str(), import) {
            ("outs", _) => self.outs(three, import),
            ("deps" | "md5", Some(pick)) => three.take(pick),
            (name, _) => merge_value(name, three, &mut self.conflicts),
        })
    }

    /// For an import, whose side counts: where it comes from and what came belong together.
    fn import(&mut self, three: Three<'_>) -> Option<Pick> {
        let parts = [three.base, three.ours, three.theirs].map(|file| {
            let file = file?.as_mapping()?;
            let contents: Vec<Value> = by_path(file.get("outs"))
                .into_iter()
                .map(|(path, out)| {
                    Value::Sequence(vec![path.into(), Value::Mapping(content(&out))])
                })
                .collect();
            let mut part = Entries::new();
            for key in ["md5", "deps"] {
                if let Some(value) = file.get(key) {
                    part.insert(key.into(), value.clone());
                }
            }
            part.insert("outs".into(), Value::Sequence(contents));
            Some(Value::Mapping(part))
        });
        let imports = [three.base, three.ours, three.theirs]
            .iter()
            .any(|file| file.is_some_and(|file| entry(file, "deps").is_some()));
        if !imports {
            return None;
        }
        let [base, ours, theirs] = parts.each_ref().map(Option::as_ref);
        let pick = Three { base, ours, theirs }.pick();
        if pick == Pick::Conflict {
            let came = |file: Option<&Value>| {
                let outs = by_path(file.and_then(|file| entry(file, "outs")));
                let shown: Vec<String> = outs.values().map(content_shown).collect();
                (!shown.is_empty()).then(|| shown.join(", "))
            };
            self.conflicts.push(MergeConflict {
                what: "the import".to_owned(),
                base: came(three.base),
                ours: came(three.ours),
                theirs: came(three.theirs),
                reason: Some("both sides updated it: choose one, or import it again".to_owned()),
            });
        }
        Some(pick)
    }

    fn outs(&mut self, three: Three<'_>, import: Option<Pick>) -> Merged {
        let lists = [three.base, three.ours, three.theirs].map(by_path);
        let [base, ours, theirs] = &lists;
        let paths: IndexMap<&String, ()> = ours
            .keys()
            .chain(theirs.keys())
            .chain(base.keys())
            .map(|path| (path, ()))
            .collect();
        let (mut with_ours, mut with_theirs) = (Vec::new(), Vec::new());
        for path in paths.into_keys() {
            let three = Three {
                base: base.get(path),
                ours: ours.get(path),
                theirs: theirs.get(path),
            };
            let merged = self.out(path, three, import);
            with_ours.extend(merged.ours);
            with_theirs.extend(merged.theirs);
        }
        let list = |items: Vec<Value>| (!items.is_empty()).then_some(Value::Sequence(items));
        Merged {
            ours: list(with_ours),
            theirs: list(with_theirs),
        }
    }

    fn out(&mut self, path: &str, three: Three<'_>, import: Option<Pick>) -> Merged {
        let pick = three.pick();
        if pick != Pick::Conflict && import.is_none() {
            return three.take(pick);
        }
        let (Some(ours), Some(theirs)) = (three.ours, three.theirs) else {
            // Somebody changed what the other side forgot.
            if import.is_none() {
                let mut conflict = three.conflict(format!("output `{path}`"));
                conflict.base = three.base.map(content_shown);
                conflict.ours = three.ours.map(content_shown);
                conflict.theirs = three.theirs.map(content_shown);
                self.conflicts.push(conflict);
            }
            return three.take(import.unwrap_or(Pick::Conflict));
        };
        let base = three.base.map(|base| Value::Mapping(content(base)));
        let (our_content, their_content) = (content(ours), content(theirs));
        let (our_value, their_value) = (
            Value::Mapping(our_content.clone()),
            Value::Mapping(their_content.clone()),
        );
        let contents = Three {
            base: base.as_ref(),
            ours: Some(&our_value),
            theirs: Some(&their_value),
        };
        let merged = match import.unwrap_or_else(|| contents.pick()) {
            Pick::Ours => [our_content.clone(), our_content],
            Pick::Theirs => [their_content.clone(), their_content],
            Pick::Conflict if import.is_some() => [our_content, their_content],
            Pick::Conflict => self.contents(path, three.base, ours, theirs),
        };
        let rest = merge_entries(three, |key, three| {
            if CONTENT.contains(&key.as_str()) {
                return Merged::of(None);
            }
            let what = format!("{}` of `{path}", key.as_str());
            merge_value(&what, three, &mut self.conflicts)
        });
        let order = three.keys();
        let [with_ours, with_theirs] = merged;
        Merged {
            ours: Some(assembled(&order, with_ours, rest.ours)),
            theirs: Some(assembled(&order, with_theirs, rest.theirs)),
        }
    }

    /// Both sides changed the content: files of a directory are merged one by one, anything else
    /// is a conflict.
    fn contents(
        &mut self,
        path: &str,
        base: Option<&Value>,
        ours: &Value,
        theirs: &Value,
    ) -> [Entries; 2] {
        let three = Three {
            base,
            ours: Some(ours),
            theirs: Some(theirs),
        };
        let reason = match (directory(ours), directory(theirs)) {
            (Some(our_id), Some(their_id)) if our_id.is_legacy() != their_id.is_legacy() => {
                Some("one side records it as DVC 2 did, the other as DVC 3 does".to_owned())
            }
            (Some(our_id), Some(their_id)) => {
                match self.directories(path, three, &our_id, &their_id) {
                    Ok(merged) => return merged,
                    Err(reason) => Some(reason),
                }
            }
            _ => None,
        };
        self.conflicts.push(MergeConflict {
            what: format!("output `{path}`"),
            base: base.map(content_shown),
            ours: Some(content_shown(ours)),
            theirs: Some(content_shown(theirs)),
            reason,
        });
        [content(ours), content(theirs)]
    }

    /// Fails with the reason why the directories cannot be merged.
    fn directories(
        &mut self,
        path: &str,
        three: Three<'_>,
        our_id: &ObjectId,
        their_id: &ObjectId,
    ) -> Result<[Entries; 2], String> {
        let manifest = |side: &str, id: &ObjectId| {
            self.objects.manifest(id).map_err(|error| {
                format!(
                    "the list of files {side} is not usable here ({error}): \
                     fetch `{path}` on the branch that has it, then merge again"
                )
            })
        };
        let base = match three.base.and_then(directory) {
            // Of another hash, all of it has changed.
            Some(id) if id.is_legacy() == our_id.is_legacy() => {
                manifest("that both began with", &id)?
            }
            _ => Manifest::new(Vec::new()).map_err(|error| error.to_string())?,
        };
        let (ours, theirs) = (
            manifest("of ours", our_id)?,
            manifest("of theirs", their_id)?,
        );
        let merged = merge_manifests(path, &base, &ours, &theirs)
            .map_err(|error| error.message().to_owned())?;
        let size = |entry: Option<&Value>| match entry.and_then(|value| self::entry(value, "size"))
        {
            Some(Value::Int(size)) => u64::try_from(*size).ok(),
            _ => None,
        };
        let sizes = [size(three.base), size(three.ours), size(three.theirs)];
        let sizes = if three.base.is_none() {
            [Some(0), sizes[1], sizes[2]]
        } else {
            sizes
        };
        let size_of = |id: &ObjectId| self.objects.size(id);
        let name = |manifest: &Manifest| {
            if our_id.is_legacy() {
                manifest.id().as_legacy()
            } else {
                manifest.id()
            }
        };
        let conflicting = !merged.conflicts.is_empty();
        let contents = [&merged.ours, &merged.theirs].map(|manifest| {
            let known = if conflicting { [None; 3] } else { sizes };
            let size = merged_size([&base, &ours, &theirs], known, manifest, &size_of);
            let mut content = Entries::new();
            content.insert("md5".into(), name(manifest).to_string().into());
            if let Some(size) = size.and_then(|size| i64::try_from(size).ok()) {
                content.insert("size".into(), Value::Int(size));
            }
            if let Ok(files) = i64::try_from(manifest.entries().len()) {
                content.insert("nfiles".into(), Value::Int(files));
            }
            if !our_id.is_legacy() {
                content.insert("hash".into(), "md5".into());
            }
            content
        });
        self.conflicts.extend(merged.conflicts);
        let named = [merged.ours, merged.theirs].map(|manifest| (name(&manifest), manifest));
        self.manifests.extend(named);
        Ok(contents)
    }
}

/// The entries of a list by their paths.
fn by_path(list: Option<&Value>) -> IndexMap<String, Value> {
    let items = list.and_then(Value::as_sequence).unwrap_or_default();
    items
        .iter()
        .map(|item| {
            let path = entry(item, "path").and_then(Value::as_str);
            (path.unwrap_or_default().to_owned(), item.clone())
        })
        .collect()
}

fn entry<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    value.as_mapping()?.get(key)
}

/// The part of an entry that says what its content is.
fn content(value: &Value) -> Entries {
    let entries = value.as_mapping().into_iter().flatten();
    entries
        .filter(|(key, _)| CONTENT.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn content_shown(value: &Value) -> String {
    let first = ["md5", "etag", "checksum"]
        .iter()
        .find_map(|key| entry(value, key));
    first.map_or_else(|| "nothing recorded".to_owned(), shown)
}

/// The id of a directory whose list of files is an object of the cache.
fn directory(value: &Value) -> Option<ObjectId> {
    let is_plain = entry(value, "files").is_none() && entry(value, "cloud").is_none();
    let id = ObjectId::parse(entry(value, "md5")?.as_str()?).ok()?;
    let id = match entry(value, "hash").map(Value::as_str) {
        Some(Some("md5")) => id,
        None => id.as_legacy(),
        Some(_) => return None,
    };
    (is_plain && id.is_directory()).then_some(id)
}

/// An entry of both parts, in this order as far as it has the keys.
fn assembled(order: &[Key], mut content: Entries, rest: Option<Value>) -> Value {
    let mut rest = match rest {
        Some(Value::Mapping(entries)) => entries,
        _ => Entries::new(),
    };
    let mut entry = Entries::new();
    for key in order {
        let value = content.shift_remove(key).or_else(|| rest.shift_remove(key));
        if let Some(value) = value {
            entry.insert(key.clone(), value);
        }
    }
    entry.extend(content);
    entry.extend(rest);
    Value::Mapping(entry)
}
