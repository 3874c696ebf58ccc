//! What must hold for every value.

use indexmap::IndexMap;
use ketch_dvc::yaml::{self, Key, Value};
use ketch_dvc::{Config, Manifest, ManifestEntry, ObjectId, params};
use proptest::prelude::*;

use crate::values::{document, text, value};

fn relpath() -> impl Strategy<Value = String> {
    let component = text().prop_map(|name| name.replace(['/', '\0'], "-"));
    let component = component.prop_filter("component", |c| !matches!(c.as_str(), "" | "." | ".."));
    prop::collection::vec(component, 1..4).prop_map(|parts| parts.join("/"))
}

fn manifest() -> impl Strategy<Value = Manifest> {
    prop::collection::vec((relpath(), any::<[u8; 16]>()), 0..12).prop_filter_map(
        "a path is both a file and a directory",
        |files| {
            let entries = files.into_iter().map(|(relpath, digest)| ManifestEntry {
                md5: ObjectId::file_from_digest(digest),
                relpath,
            });
            Manifest::new(entries.collect()).ok()
        },
    )
}

/// Names of one step, so that a dotted name means one place.
fn params_file() -> impl Strategy<Value = IndexMap<Key, Value>> {
    let name = prop_oneof![
        "[a-z]{1,8}".prop_map(Key::from),
        any::<u8>().prop_map(|number| Key::from(i64::from(number))),
    ];
    let group = prop::collection::hash_map(name, value(), 1..5)
        .prop_map(|entries| Value::Mapping(entries.into_iter().collect()));
    prop::collection::hash_map("[a-z]{1,8}".prop_map(Key::from), group, 1..4)
        .prop_map(|entries| entries.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn a_manifest_reads_back(manifest in manifest()) {
        let bytes = manifest.to_bytes();
        let read = Manifest::parse(&bytes).unwrap();
        prop_assert_eq!(read.id(), manifest.id());
        prop_assert_eq!(read, manifest);
        prop_assert!(bytes.is_ascii());
    }

    #[test]
    fn yaml_reads_back(document in document()) {
        let text = yaml::emit_readable(&document);
        let read = yaml::parse(&text, "generated").map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(read.to_value(), document, "{}", text);
    }

    #[test]
    fn the_reader_never_panics(text in prop::collection::vec(text(), 0..8)) {
        let text = text.join("\n");
        _ = yaml::parse(&text, "generated");
        _ = Config::parse(&text, "generated");
        _ = params::parse("p.json", &text);
        _ = params::parse("p.toml", &text);
        _ = ketch_dvc::PipelineFile::parse(&text, "dvc.yaml");
        _ = ketch_dvc::LockFile::parse(&text, "dvc.lock");
        _ = ketch_dvc::DvcFile::parse(&text, "x.dvc").map(|file| file.update_text(&text));
        _ = Manifest::parse(text.as_bytes());
    }

    #[test]
    fn setting_a_parameter_changes_only_that_value(file in params_file(), pick in any::<(prop::sample::Index, prop::sample::Index)>(), new in value()) {
        let (group, keys) = file.get_index(pick.0.index(file.len())).unwrap();
        let keys = keys.as_mapping().unwrap();
        let (key, _) = keys.get_index(pick.1.index(keys.len())).unwrap();
        let text = format!("# head\n{}# tail\n", yaml::emit_readable(&Value::Mapping(file.clone())));

        let changed = params::set_in_text("params.yaml", &text, &format!("{group}.{key}"), &new)
            .map_err(|error| TestCaseError::fail(format!("{error}: {new:?}\n{text}")))?;

        let mut expected = file.clone();
        let Some(Value::Mapping(entries)) = expected.get_mut(group) else { unreachable!() };
        entries.insert(key.clone(), new);
        let read = params::parse("params.yaml", &changed).unwrap();
        prop_assert_eq!(&read, &Value::Mapping(expected), "{}", changed);
        prop_assert!(changed.starts_with("# head\n") && changed.contains("# tail\n"), "{}", changed);
    }

    #[test]
    fn a_config_reads_back(sections in prop::collection::vec(("[a-z]{1,6}|remote \"[a-z]{1,4}\"", "[a-z_]{1,8}", text()), 0..8)) {
        let mut config = Config::default();
        for (section, key, value) in &sections {
            // What the format cannot hold is refused, and then not there.
            _ = config.set(section, key, value);
        }
        let text = config.to_text();
        let read = Config::parse(&text, "generated").map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        for (section, keys) in config.sections() {
            for (key, value) in keys {
                prop_assert_eq!(read.get(section, key), Some(value.as_str()), "{}", &text);
            }
        }
    }
}
