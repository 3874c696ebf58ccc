//! Models, versions, aliases and their history.

use std::thread;

use ketch_tracking::{Alias, ErrorKind, ModelName, RunId, TrackingError};
use proptest::prelude::*;

use crate::support::{Place, digest, new_version, note, shown, start};

fn model(name: &str) -> ModelName {
    name.parse().unwrap()
}

fn alias(name: &str) -> Alias {
    name.parse().unwrap()
}

#[test]
fn a_model_is_registered_once() {
    let place = Place::new();
    let store = place.open();
    let first = store.register_model(&model("rain"), 5).unwrap();
    assert_eq!(store.register_model(&model("rain"), 9).unwrap(), first);
    assert_eq!(store.registered_model(&model("rain")).unwrap(), first);
    assert_eq!(store.registered_models().unwrap(), [first]);
    assert_eq!(
        store.registered_model(&model("snow")).unwrap_err().kind(),
        ErrorKind::ResourceDoesNotExist
    );
}

#[test]
fn versions_count_up_and_the_same_bytes_of_a_run_are_one_version() {
    let place = Place::new();
    let store = place.open();
    let (rain, run) = (model("rain"), start(&store).id);
    store.register_model(&rain, 1).unwrap();
    let mut new = new_version(&rain, &run, 1);
    new.tags.insert("gate".into(), "passed".into());
    let first = store.create_model_version(&new).unwrap();
    assert_eq!((first.version, first.tags["gate"].as_str()), (1, "passed"));

    new.created_at_ms += 1;
    new.tags.insert("gate".into(), "again".into());
    assert_eq!(store.create_model_version(&new).unwrap(), first);

    assert_eq!(
        store
            .create_model_version(&new_version(&rain, &run, 2))
            .unwrap()
            .version,
        2
    );
    let other = start(&store).id;
    assert_eq!(
        store
            .create_model_version(&new_version(&rain, &other, 1))
            .unwrap()
            .version,
        3
    );
    store.register_model(&model("snow"), 1).unwrap();
    let snow = store
        .create_model_version(&new_version(&model("snow"), &run, 1))
        .unwrap();
    assert_eq!(snow.version, 1);

    let numbers: Vec<_> = store
        .model_versions(&rain)
        .unwrap()
        .into_iter()
        .map(|v| v.version)
        .collect();
    assert_eq!(numbers, [3, 2, 1]);
    let same: Vec<_> = store
        .versions_by_digest(&digest(1))
        .unwrap()
        .into_iter()
        .map(|v| (v.model.to_string(), v.version))
        .collect();
    assert_eq!(
        same,
        [("rain".into(), 3), ("rain".into(), 1), ("snow".into(), 1)]
    );
}

#[test]
fn a_version_needs_its_model_and_its_run() {
    let place = Place::new();
    let store = place.open();
    let run = start(&store).id;
    let error = store
        .create_model_version(&new_version(&model("rain"), &run, 1))
        .unwrap_err();
    insta::assert_snapshot!(shown(&error, &place), @"
    no registered model named `rain`
    kind: RESOURCE_DOES_NOT_EXIST
    hint: check the spelling, or register the model first
    ");
    store.register_model(&model("rain"), 1).unwrap();
    let missing = RunId::random();
    let error = store
        .create_model_version(&new_version(&model("rain"), &missing, 1))
        .unwrap_err();
    assert!(matches!(error, TrackingError::NoRun { .. }), "{error}");
    assert!(store.model_versions(&model("rain")).unwrap().is_empty());
}

#[test]
fn an_alias_moves_and_remembers() {
    let place = Place::new();
    let store = place.open();
    let (rain, run, champion) = (model("rain"), start(&store).id, alias("champion"));
    store.register_model(&rain, 1).unwrap();
    for number in 1..=2 {
        store
            .create_model_version(&new_version(&rain, &run, number))
            .unwrap();
    }
    let first = store
        .set_alias(&rain, &champion, 1, &note(10))
        .unwrap()
        .unwrap();
    assert_eq!((first.from, first.to), (None, Some(1)));
    assert_eq!(
        store.set_alias(&rain, &champion, 1, &note(11)).unwrap(),
        None
    );
    let second = store
        .set_alias(&rain, &champion, 2, &note(12))
        .unwrap()
        .unwrap();
    assert_eq!((second.from, second.to), (Some(1), Some(2)));
    store
        .set_alias(&rain, &alias("shadow"), 2, &note(13))
        .unwrap();

    let version = store.model_version_by_alias(&rain, &champion).unwrap();
    assert_eq!(
        (version.version, version.aliases),
        (2, vec![champion.clone(), alias("shadow")])
    );
    assert!(store.model_version(&rain, 1).unwrap().aliases.is_empty());

    let gone = store
        .delete_alias(&rain, &champion, &note(14))
        .unwrap()
        .unwrap();
    assert_eq!((gone.from, gone.to), (Some(2), None));
    assert_eq!(
        store.delete_alias(&rain, &champion, &note(15)).unwrap(),
        None
    );
    assert_eq!(
        store.alias_history(&rain, &champion).unwrap(),
        [first, second, gone]
    );

    let error = store.model_version_by_alias(&rain, &champion).unwrap_err();
    insta::assert_snapshot!(shown(&error, &place), @"
    model `rain` has no alias `champion`
    kind: INVALID_PARAMETER_VALUE
    hint: set the alias to a version first
    ");
}

#[test]
fn a_refused_move_changes_nothing() {
    let place = Place::new();
    let store = place.open();
    let (rain, run, champion) = (model("rain"), start(&store).id, alias("champion"));
    store.register_model(&rain, 1).unwrap();
    store
        .create_model_version(&new_version(&rain, &run, 1))
        .unwrap();
    store.set_alias(&rain, &champion, 1, &note(10)).unwrap();
    let error = store.set_alias(&rain, &champion, 9, &note(11)).unwrap_err();
    insta::assert_snapshot!(shown(&error, &place), @"
    model `rain` has no version 9
    kind: RESOURCE_DOES_NOT_EXIST
    hint: look at the model's list of versions
    ");
    let mut silent = note(12);
    silent.reason = " ".into();
    let error = store.set_alias(&rain, &champion, 1, &silent).unwrap_err();
    insta::assert_snapshot!(shown(&error, &place), @"
    invalid reason ` `: it is empty
    kind: INVALID_PARAMETER_VALUE
    hint: say in a sentence why the alias moves
    ");
    assert_eq!(
        store
            .model_version_by_alias(&rain, &champion)
            .unwrap()
            .version,
        1
    );
    assert_eq!(store.alias_history(&rain, &champion).unwrap().len(), 1);
}

#[test]
fn tags_of_a_version_are_replaced_and_limited() {
    let place = Place::new();
    let store = place.open();
    let (rain, run) = (model("rain"), start(&store).id);
    store.register_model(&rain, 1).unwrap();
    store
        .create_model_version(&new_version(&rain, &run, 1))
        .unwrap();
    store.set_version_tag(&rain, 1, "gate", "failed").unwrap();
    store.set_version_tag(&rain, 1, "gate", "passed").unwrap();
    store
        .set_version_tag(&rain, 1, "card", &"x".repeat(100_000))
        .unwrap();
    assert_eq!(
        store.model_version(&rain, 1).unwrap().tags["gate"],
        "passed"
    );
    assert!(
        store
            .set_version_tag(&rain, 1, "card", &"x".repeat(100_001))
            .is_err()
    );
    assert!(store.set_version_tag(&rain, 1, "a//b", "x").is_err());
    assert!(store.set_version_tag(&rain, 2, "gate", "x").is_err());
}

#[test]
fn threads_that_register_at_once_get_different_versions() {
    let place = Place::new();
    let store = place.open();
    let (rain, run) = (model("rain"), start(&store).id);
    store.register_model(&rain, 1).unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let (store, rain, run) = (&store, &rain, &run);
            scope.spawn(move || {
                for number in 0..10 {
                    let new = new_version(rain, run, thread * 100 + number);
                    let made = store.create_model_version(&new).unwrap();
                    assert_eq!(made.digest, new.digest);
                    assert_eq!(store.model_version(rain, made.version).unwrap(), made);
                }
            });
        }
    });
    let numbers: Vec<_> = store
        .model_versions(&rain)
        .unwrap()
        .into_iter()
        .map(|v| v.version)
        .rev()
        .collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    /// Whatever happens to an alias, its history replayed leads to where it points.
    #[test]
    fn history_replayed_is_the_present(moves in prop::collection::vec(prop::option::of(1..4_u32), 0..12)) {
        let place = Place::new();
        let store = place.open();
        let (rain, run, champion) = (model("rain"), start(&store).id, alias("champion"));
        store.register_model(&rain, 1).unwrap();
        for number in 1..4 {
            store.create_model_version(&new_version(&rain, &run, number)).unwrap();
        }
        let mut expected = None;
        for (at_ms, to) in moves.into_iter().enumerate() {
            let note = note(at_ms as i64);
            let change = match to {
                Some(version) => store.set_alias(&rain, &champion, version, &note).unwrap(),
                None => store.delete_alias(&rain, &champion, &note).unwrap(),
            };
            prop_assert_eq!(change.is_some(), to != expected);
            expected = to;
        }
        let mut replayed = None;
        for change in store.alias_history(&rain, &champion).unwrap() {
            prop_assert_eq!(change.from, replayed);
            replayed = change.to;
        }
        prop_assert_eq!(replayed, expected);
        let present = store.model_version_by_alias(&rain, &champion).ok().map(|v| v.version);
        prop_assert_eq!(present, expected);
    }
}
