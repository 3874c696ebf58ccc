//! One key of one stage, changed in the text.

use indexmap::IndexMap;

use super::PipelineFile;
use crate::yaml::{self, Key, Value};

impl PipelineFile {
    /// The text of a `dvc.yaml` with a stage that is frozen; every other byte stays. None where
    /// that cannot be done: no such stage is written there, or an alias shares it.
    pub fn with_frozen(text: &str, stage: &str) -> Option<String> {
        edited(text, stage, |spec, key| {
            spec.insert(key, Value::Bool(true));
        })
    }

    /// [`with_frozen`](Self::with_frozen), of a stage that is not frozen any more.
    pub fn without_frozen(text: &str, stage: &str) -> Option<String> {
        edited(text, stage, |spec, key| {
            // `frozen: false` says so already.
            if spec.get(&key) == Some(&Value::Bool(true)) {
                spec.shift_remove(&key);
            }
        })
    }
}

fn edited(
    text: &str,
    stage: &str,
    edit: impl FnOnce(&mut IndexMap<Key, Value>, Key),
) -> Option<String> {
    let mut root = yaml::parse(text, "").ok()?.to_value();
    let mut place = &mut root;
    for step in ["stages", stage] {
        let Value::Mapping(entries) = place else {
            return None;
        };
        place = entries.get_mut(&Key::from(step))?;
    }
    let Value::Mapping(spec) = place else {
        return None;
    };
    edit(spec, Key::from("frozen"));
    yaml::update_text(text, &root)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "stages:\n  # one\n  s1:\n    cmd: cp a b   # why\n    deps: [a]\n    outs:\n      - b\n\n  s2: {cmd: x, frozen: false} # two\n  s3:\n    frozen: true\n    cmd: >-\n      long\n      words\n";

    #[test]
    fn only_the_key_changes() {
        let frozen = PipelineFile::with_frozen(TEXT, "s1").unwrap();
        assert_eq!(
            frozen,
            TEXT.replace("      - b\n", "      - b\n    frozen: true\n")
        );
        assert_eq!(PipelineFile::without_frozen(&frozen, "s1").unwrap(), TEXT);
        assert_eq!(
            PipelineFile::with_frozen(TEXT, "s2").unwrap(),
            TEXT.replace("frozen: false", "frozen: true")
        );
        assert_eq!(
            PipelineFile::without_frozen(TEXT, "s3").unwrap(),
            TEXT.replace("    frozen: true\n", "")
        );
        for stage in ["s1", "s2"] {
            assert_eq!(PipelineFile::without_frozen(TEXT, stage).unwrap(), TEXT);
        }
        assert_eq!(PipelineFile::with_frozen(TEXT, "s3").unwrap(), TEXT);
    }

    #[test]
    fn what_is_not_there_or_shared_is_left_alone() {
        assert_eq!(PipelineFile::with_frozen(TEXT, "s9"), None);
        for text in [
            "",
            "- a\n",
            "stages: 5\n",
            "stages:\n  s1: 5\n",
            "stages: [",
        ] {
            assert_eq!(PipelineFile::with_frozen(text, "s1"), None);
        }
        let shared = "stages:\n  a: &a\n    cmd: x\n  b: *a\n";
        assert_eq!(PipelineFile::with_frozen(shared, "b"), None);
    }
}
