//! What must hold of any bytes at all: harnesses for the fuzz targets in `fuzz/` and for the tests
//! below, which run the same on damaged seeds.
//!
//! Each reads bytes as one kind of file. What is refused is refused with an error; what is read can
//! be written, and is the same when it is read again.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a harness reports what it finds by a panic"
)]

use std::fmt::Debug;

use crate::yaml::{self, Value};
use crate::{Config, DvcFile, LockFile, Manifest, PipelineFile, StageLock, params};

/// The text that is in the bytes, whatever they are.
fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// By what is shown of them: not a number is the same as itself here.
fn assert_same(left: &impl Debug, right: &impl Debug, context: &str) {
    let (left, right) = (format!("{left:?}"), format!("{right:?}"));
    assert!(left == right, "{left}\nis not\n{right}\nafter\n{context}");
}

/// A `.dvc` file.
pub fn dvc_file(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(mut file) = DvcFile::parse(&text, "x.dvc") else {
        return;
    };
    // Nothing to say is not said.
    file.desc = file.desc.filter(|desc| !desc.is_empty());
    for written in [file.to_text(), file.update_text(&text)] {
        let read = DvcFile::parse(&written, "written.dvc").expect(&written);
        let mut read = read;
        read.desc = read.desc.filter(|desc| !desc.is_empty());
        assert_same(&read, &file, &written);
    }
    _ = file.definition_checksum();
}

/// A `dvc.lock`.
pub fn lock_file(bytes: &[u8]) {
    let text = text(bytes);
    let Ok(file) = LockFile::parse(&text, "dvc.lock") else {
        return;
    };
    let written = file.to_text();
    let read = LockFile::parse(&written, "written.lock").expect(&written);
    assert_same(read.stages(), file.stages(), &written);
    let mut anew = LockFile::empty();
    for (name, stage) in file.stages() {
        _ = (stage.run_cache_key(), stage.run_cache_value());
        let mut changed = file.clone();
        changed.set_stage(name, stage.clone());
        let written = changed.to_text();
        let read = LockFile::parse(&written, "written.lock").expect(&written);
        let names = |file: &LockFile| file.stages().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&read), names(&file), "{written}");
        anew.set_stage(name, stage.clone());
    }
    LockFile::parse(&anew.to_text(), "new.lock").expect("a lock file of ours is read");
}

/// A file of the run cache.
pub fn stage_lock(bytes: &[u8]) {
    let Ok(stage) = StageLock::parse(&text(bytes), "run") else {
        return;
    };
    let written = stage.to_text();
    let read = StageLock::parse(&written, "written").expect(&written);
    assert_eq!(read.to_text(), written);
    assert_eq!(read.run_cache_key(), stage.run_cache_key());
    assert_eq!(read.run_cache_value(), stage.run_cache_value());
}

/// A `.dir` object.
pub fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else {
        return;
    };
    for entry in manifest.entries() {
        let leaves = entry.relpath.split('/').any(|part| part == "..");
        assert!(!leaves && !entry.relpath.starts_with('/'), "{entry:?}");
    }
    let written = manifest.to_bytes();
    assert_eq!(Manifest::parse(&written).unwrap(), manifest);
    assert_eq!(Manifest::parse(&written).unwrap().id(), manifest.id());
}

/// A `.dvc/config`.
pub fn config(bytes: &[u8]) {
    let Ok(config) = Config::parse(&text(bytes), "config") else {
        return;
    };
    // What another program wrote may not be sayable by ours; then `set` refuses it.
    let mut sayable = Config::default();
    for (section, keys) in config.sections() {
        for (key, value) in keys {
            _ = sayable.set(section, key, value);
        }
    }
    let written = sayable.to_text();
    let read = Config::parse(&written, "written").expect(&written);
    for (section, keys) in sayable.sections() {
        for (key, value) in keys {
            assert_eq!(read.get(section, key), Some(&**value), "{written:?}");
        }
    }
    let count = |config: &Config| -> usize {
        config
            .sections()
            .values()
            .map(indexmap::IndexMap::len)
            .sum()
    };
    assert_eq!(count(&read), count(&sayable), "{written:?}");
}

/// A `dvc.yaml`.
pub fn pipeline(bytes: &[u8]) {
    let Ok(file) = PipelineFile::parse(&text(bytes), "dvc.yaml") else {
        return;
    };
    for stage in file.stages.values() {
        _ = (stage.command_value(), stage.commands_to_run());
    }
}

/// A YAML document: what was read and written is read as the same.
pub fn yaml_document(bytes: &[u8]) {
    let Ok(node) = yaml::parse(&text(bytes), "x.yaml") else {
        return;
    };
    let value = node.to_value();
    let Value::Mapping(entries) = &value else {
        return;
    };
    if entries.is_empty() {
        return;
    }
    let written = yaml::emit_readable(&value);
    let read = yaml::parse(&written, "written.yaml").expect(&written);
    assert_same(&read.to_value(), &value, &written);
}

/// A file of parameters in one of the three formats; each value is set to what it is.
pub fn parameters(bytes: &[u8]) {
    let text = text(bytes);
    for name in ["params.yaml", "params.json", "params.toml"] {
        let Ok(Value::Mapping(entries)) = params::parse(name, &text) else {
            continue;
        };
        for (key, value) in entries.iter().take(20) {
            let Ok(written) = params::set_in_text(name, &text, key.as_str(), value) else {
                continue;
            };
            params::parse(name, &written).expect(&written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FormatError;
    use ketch_testkit::{run_within_limits, seeds, with_damage};

    const ROUNDS: u64 = 3000;

    /// A kind of file: its seeds, its harness, and how it is read.
    type Target = (
        &'static str,
        fn(&[u8]),
        fn(&[u8]) -> Result<(), FormatError>,
    );

    const TARGETS: [Target; 8] = [
        ("dvc_file", dvc_file, |seed| {
            DvcFile::parse(&text(seed), "").map(drop)
        }),
        ("lock_file", lock_file, |seed| {
            LockFile::parse(&text(seed), "").map(drop)
        }),
        ("stage_lock", stage_lock, |seed| {
            StageLock::parse(&text(seed), "").map(drop)
        }),
        ("manifest", manifest, |seed| Manifest::parse(seed).map(drop)),
        ("config", config, |seed| {
            Config::parse(&text(seed), "").map(drop)
        }),
        ("pipeline", pipeline, |seed| {
            PipelineFile::parse(&text(seed), "").map(drop)
        }),
        ("yaml_document", yaml_document, |seed| {
            yaml::parse(&text(seed), "").map(drop)
        }),
        ("parameters", parameters, |seed| {
            let read = |format| params::parse(&format!("p.{format}"), &text(seed));
            read("yaml").or(read("json")).or(read("toml")).map(drop)
        }),
    ];

    #[test]
    fn the_seeds_are_what_they_are_called() {
        for (target, _, read) in TARGETS {
            for (name, seed) in seeds(target) {
                read(&seed).unwrap_or_else(|error| panic!("{target}/{name}: {error}"));
            }
        }
    }

    #[test]
    #[ignore = "started by the test below"]
    fn damage() {
        for (target, check, _) in TARGETS {
            with_damage(&seeds(target), ROUNDS, check);
        }
    }

    #[test]
    fn damaged_files_are_read_or_refused() {
        run_within_limits("fuzzing::tests::damage");
    }
}
