//! Three versions of a `dvc.lock`.

use indexmap::IndexMap;
use ketch_dvc::yaml::Value;

use super::MergeConflict;
use super::value::{Entries, Merged, Pick, Three, merge_entries, merge_value, same, shown};

/// Merges `dvc.lock` stage by stage. A stage's record is of one piece: it says what one run was
/// made with and what came out, which no mixture of two runs would be true of.
pub(super) fn merge_lock_file(three: Three<'_>, conflicts: &mut Vec<MergeConflict>) -> Merged {
    merge_entries(three, |key, three| match key.as_str() {
        "stages" => merge_entries(three, |name, three| {
            let pick = three.pick();
            if pick == Pick::Conflict {
                conflicts.extend(stage_conflicts(name.as_str(), three));
            }
            three.take(pick)
        }),
        "datasets" => merge_data_sets(three, conflicts),
        name => merge_value(name, three, conflicts),
    })
}

fn merge_data_sets(three: Three<'_>, conflicts: &mut Vec<MergeConflict>) -> Merged {
    let lists = [three.base, three.ours, three.theirs].map(|list| {
        let items = list.and_then(Value::as_sequence).unwrap_or_default();
        let named = items.iter().map(|item| {
            let name = item
                .as_mapping()
                .and_then(|item| item.get("name")?.as_str());
            (name.unwrap_or_default().into(), item.clone())
        });
        Value::Mapping(named.collect())
    });
    let [base, ours, theirs] = lists.each_ref().map(Some);
    let merged = merge_entries(Three { base, ours, theirs }, |name, three| {
        let pick = three.pick();
        if pick == Pick::Conflict {
            conflicts.push(three.conflict(format!("data set `{}`", name.as_str())));
        }
        three.take(pick)
    });
    let list = |value: Option<Value>| match value {
        Some(Value::Mapping(items)) if !items.is_empty() => {
            Some(Value::Sequence(items.into_values().collect()))
        }
        _ => None,
    };
    Merged {
        ours: list(merged.ours),
        theirs: list(merged.theirs),
    }
}

/// What differs between the two runs, fact by fact.
fn stage_conflicts(name: &str, three: Three<'_>) -> Vec<MergeConflict> {
    let reason = Some(format!(
        "keep either record, then run `ketch repro` to make stage `{name}` anew if its inputs are others now"
    ));
    let [base, ours, theirs] = [three.base, three.ours, three.theirs].map(facts);
    let mut conflicts = Vec::new();
    if three.ours.is_some() && three.theirs.is_some() {
        let all: IndexMap<&String, ()> =
            ours.keys().chain(theirs.keys()).map(|k| (k, ())).collect();
        for fact in all.into_keys() {
            if same(ours.get(fact), theirs.get(fact)) {
                continue;
            }
            conflicts.push(MergeConflict {
                what: format!("stage `{name}`, {fact}"),
                base: base.get(fact).map(shown),
                ours: ours.get(fact).map(shown),
                theirs: theirs.get(fact).map(shown),
                reason: reason.clone(),
            });
        }
    }
    if conflicts.is_empty() {
        let outputs = |value: Option<&Value>| {
            value.map(|_| {
                let facts = facts(value);
                let outs = facts.iter().filter(|(fact, _)| fact.starts_with("output"));
                let shown: Vec<String> = outs.map(|(_, value)| shown(value)).collect();
                shown.join(", ")
            })
        };
        conflicts.push(MergeConflict {
            what: format!("stage `{name}`"),
            base: outputs(three.base),
            ours: outputs(three.ours),
            theirs: outputs(three.theirs),
            reason,
        });
    }
    conflicts
}

/// The parts of a stage's record under the names that people know.
fn facts(stage: Option<&Value>) -> IndexMap<String, Value> {
    let mut facts = IndexMap::new();
    let Some(stage) = stage.and_then(Value::as_mapping) else {
        return facts;
    };
    if let Some(command) = stage.get("cmd") {
        facts.insert("command".to_owned(), command.clone());
    }
    for (key, name) in [("deps", "dependency"), ("outs", "output")] {
        let entries = stage
            .get(key)
            .and_then(Value::as_sequence)
            .unwrap_or_default();
        for entry in entries.iter().filter_map(Value::as_mapping) {
            let path = entry
                .get("path")
                .and_then(Value::as_str)
                .unwrap_or_default();
            facts.insert(format!("{name} `{path}`"), content(entry));
        }
    }
    let files = stage.get("params").and_then(Value::as_mapping);
    for (file, values) in files.into_iter().flatten() {
        for (key, value) in values.as_mapping().into_iter().flatten() {
            let name = format!("parameter `{}` of `{}`", key.as_str(), file.as_str());
            facts.insert(name, value.clone());
        }
    }
    facts
}

/// The hash, or all of an entry that has none.
fn content(entry: &Entries) -> Value {
    entry
        .get("md5")
        .cloned()
        .unwrap_or_else(|| Value::Mapping(entry.clone()))
}
