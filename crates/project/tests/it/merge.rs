//! The merge driver: what it makes of three versions of a file.

use std::collections::BTreeMap;

use ketch_dvc::{DvcFile, LockFile, Manifest, ManifestEntry, ObjectId};
use ketch_project::{MergeOptions, MergeReport, merge_driver};
use proptest::prelude::*;

use crate::sandbox::Sandbox;

/// Merges three texts as Git would have them merged; the text that came out too.
fn merge(sandbox: &Sandbox, path: &str, texts: [&str; 3]) -> (String, MergeReport) {
    let names = ["ancestor", "ours", "theirs"];
    for (name, text) in names.iter().zip(texts) {
        sandbox.write(name, text);
    }
    let [ancestor, ours, theirs] = names.map(|name| sandbox.root.join(name));
    let options = MergeOptions {
        ancestor,
        ours,
        theirs,
        path: Some(path.into()),
    };
    let report = merge_driver(&sandbox.open(), &options).unwrap();
    (sandbox.read("ours"), report)
}

fn id(digest: u8) -> ObjectId {
    ObjectId::file_from_digest([digest; 16])
}

/// Puts a directory's list of files into the cache.
fn directory(sandbox: &Sandbox, files: &BTreeMap<String, u8>) -> ObjectId {
    let entries = files.iter().map(|(path, digest)| ManifestEntry {
        md5: id(*digest),
        relpath: path.clone(),
    });
    let manifest = Manifest::new(entries.collect()).unwrap();
    let place = sandbox.open().cache().object_path(&manifest.id());
    fs_err::create_dir_all(place.parent().unwrap()).unwrap();
    fs_err::write(place, manifest.to_bytes()).unwrap();
    manifest.id()
}

fn files<const N: usize>(files: [(&str, u8); N]) -> BTreeMap<String, u8> {
    files
        .into_iter()
        .map(|(path, d)| (path.to_owned(), d))
        .collect()
}

fn pointer(id: &ObjectId, size: u64, count: usize) -> String {
    format!("outs:\n- md5: {id}\n  size: {size}\n  nfiles: {count}\n  hash: md5\n  path: data\n")
}

fn stage(name: &str, digest: u8) -> String {
    format!(
        "  {name}:\n    cmd: make {name}\n    deps:\n    - path: in\n      hash: md5\n      md5: {}\n      size: 1\n    outs:\n    - path: {name}.out\n      hash: md5\n      md5: {}\n      size: 1\n",
        id(0xaa),
        id(digest)
    )
}

fn lock(stages: &[(&str, u8)]) -> String {
    let stages: String = stages
        .iter()
        .map(|(name, digest)| stage(name, *digest))
        .collect();
    format!("schema: '2.0'\nstages:\n{stages}")
}

#[test]
fn files_of_a_directory_come_from_both_sides() {
    let sandbox = Sandbox::new();
    let base = directory(&sandbox, &files([("a", 1), ("b", 2), ("c", 3)]));
    let ours = directory(&sandbox, &files([("a", 1), ("b", 4), ("ours", 5)]));
    let theirs = directory(
        &sandbox,
        &files([("a", 6), ("b", 2), ("c", 3), ("deep/theirs", 7)]),
    );
    let text = pointer(&base, 30, 3);
    let (merged, report) = merge(
        &sandbox,
        "data.dvc",
        [
            &text,
            &format!("# from the lab\n{}", pointer(&ours, 35, 3)),
            &format!("{}  desc: raw\n", pointer(&theirs, 52, 4)),
        ],
    );
    assert_eq!(report.conflicts, []);
    let wanted = Manifest::new(
        [("a", 6), ("b", 4), ("deep/theirs", 7), ("ours", 5)]
            .map(|(path, digest)| ManifestEntry {
                md5: id(digest),
                relpath: path.to_owned(),
            })
            .to_vec(),
    )
    .unwrap();
    assert_eq!(report.directories, [wanted.id()]);
    assert_eq!(
        sandbox.open().cache().manifest(&wanted.id()).unwrap(),
        wanted
    );
    // What came and went adds up, though no file of it is here: 35 + 52 - 30.
    assert_eq!(
        merged,
        format!(
            "# from the lab\n{}  desc: raw\n",
            pointer(&wanted.id(), 57, 4)
        )
    );
}

#[test]
fn a_file_that_both_changed_is_told_by_its_path() {
    let sandbox = Sandbox::new();
    let base = directory(&sandbox, &files([("a", 1), ("b", 2)]));
    let ours = directory(&sandbox, &files([("a", 3), ("b", 2), ("mine", 9)]));
    let theirs = directory(&sandbox, &files([("a", 4), ("yours", 8)]));
    let (merged, report) = merge(
        &sandbox,
        "data.dvc",
        [
            &pointer(&base, 2, 2),
            &pointer(&ours, 3, 3),
            &pointer(&theirs, 2, 2),
        ],
    );
    let [conflict] = &report.conflicts[..] else {
        panic!("{report:?}");
    };
    assert_eq!(conflict.what, "`a` in `data`");
    assert_eq!(conflict.base, Some(id(1).to_string()));
    assert_eq!(conflict.ours, Some(id(3).to_string()));
    assert_eq!(conflict.theirs, Some(id(4).to_string()));
    // Whichever side is chosen, the rest of both is in it.
    let with_ours = directory(&sandbox, &files([("a", 3), ("mine", 9), ("yours", 8)]));
    let with_theirs = directory(&sandbox, &files([("a", 4), ("mine", 9), ("yours", 8)]));
    assert_eq!(report.directories, [with_ours.clone(), with_theirs.clone()]);
    assert_eq!(
        merged,
        format!(
            "outs:\n<<<<<<< ours\n- md5: {with_ours}\n=======\n- md5: {with_theirs}\n>>>>>>> theirs\n  nfiles: 3\n  hash: md5\n  path: data\n"
        )
    );
}

#[test]
fn a_list_of_files_that_is_not_here_is_named() {
    let sandbox = Sandbox::new();
    let base = directory(&sandbox, &files([("a", 1)]));
    let ours = directory(&sandbox, &files([("a", 2)]));
    let lost = id(7).as_directory();
    let (merged, report) = merge(
        &sandbox,
        "data.dvc",
        [
            &pointer(&base, 1, 1),
            &pointer(&ours, 1, 1),
            &pointer(&lost, 1, 1),
        ],
    );
    let reason = report.conflicts[0].reason.clone().unwrap();
    assert!(
        reason.contains("of theirs")
            && reason.contains(&lost.to_string())
            && reason.contains("fetch `data`"),
        "{reason}"
    );
    assert!(
        merged.contains("<<<<<<< ours\n") && merged.contains(&lost.to_string()),
        "{merged}"
    );
}

#[test]
fn descriptions_and_contents_are_different_things() {
    let sandbox = Sandbox::new();
    let base = format!(
        "outs:\n- md5: {}\n  size: 1\n  hash: md5\n  path: x # keep\n",
        id(1)
    );
    let ours = base.replace("path: x", "desc: best\n  meta: {owner: ana}\n  path: x");
    let theirs = base
        .replace(&id(1).to_string(), &id(2).to_string())
        .replace("size: 1", "size: 2\n  meta: {source: lab}");
    let (merged, report) = merge(&sandbox, "x.dvc", [&base, &ours, &theirs]);
    assert_eq!(report.conflicts, [], "{merged}");
    let file = DvcFile::parse(&merged, "merged").unwrap();
    assert_eq!(file.outs[0].md5, Some(id(2)));
    assert_eq!(file.outs[0].desc.as_deref(), Some("best"));
    assert_eq!(
        file.outs[0]
            .meta
            .as_ref()
            .unwrap()
            .as_mapping()
            .unwrap()
            .len(),
        2
    );
    assert!(merged.contains("path: x # keep\n"), "{merged}");

    // A single file is of one piece; so is a name that both gave.
    let other = base
        .replace(&id(1).to_string(), &id(3).to_string())
        .replace("size: 1", "size: 1\n  desc: worst");
    let theirs = ours.replace(&id(1).to_string(), &id(2).to_string());
    let (marked, report) = merge(&sandbox, "x.dvc", [&base, &other, &theirs]);
    let what: Vec<_> = report.conflicts.iter().map(|c| c.what.as_str()).collect();
    assert_eq!(what, ["output `x`", "`desc` of `x`"]);
    assert!(
        marked.contains("<<<<<<< ours") && marked.contains("owner: ana"),
        "{marked}"
    );
}

#[test]
fn stages_of_both_sides_are_kept() {
    let sandbox = Sandbox::new();
    let base = lock(&[("a", 1), ("b", 2)]);
    let ours = lock(&[("a", 3), ("b", 2), ("mine", 4)]);
    let theirs = lock(&[("a", 1), ("yours", 5)]);
    let (merged, report) = merge(&sandbox, "dvc.lock", [&base, &ours, &theirs]);
    assert_eq!(report.conflicts, []);
    assert_eq!(
        stages_of(&merged),
        files([("a", 3), ("mine", 4), ("yours", 5)])
    );

    let theirs = lock(&[("a", 6), ("b", 7)]);
    let (marked, report) = merge(&sandbox, "dvc.lock", [&base, &ours, &theirs]);
    let [conflict] = &report.conflicts[..] else {
        panic!("{report:?}");
    };
    assert_eq!(conflict.what, "stage `a`, output `a.out`");
    assert_eq!(conflict.ours, Some(id(3).to_string()));
    assert_eq!(conflict.theirs, Some(id(6).to_string()));
    let marks = format!(
        "<<<<<<< ours\n      md5: {}\n=======\n      md5: {}\n>>>>>>> theirs\n",
        yaml_hash(3),
        yaml_hash(6)
    );
    assert!(marked.contains(&marks), "{marked}");
    assert!(
        marked.contains("  mine:\n") && marked.contains(&id(7).to_string()),
        "{marked}"
    );
}

/// A hash of digits alone is written with quotes.
fn yaml_hash(digest: u8) -> String {
    let file = format!("outs:\n- md5: '{}'\n  path: x\n", id(digest));
    let text = DvcFile::parse(&file, "x").unwrap().to_text();
    let line = text.lines().nth(1).unwrap();
    line.strip_prefix("- md5: ").unwrap().to_owned()
}

#[test]
fn a_file_that_cannot_be_read_is_merged_by_lines_and_told() {
    let sandbox = Sandbox::new();
    let base = lock(&[("a", 1)]);
    let (marked, report) = merge(
        &sandbox,
        "dvc.lock",
        [&base, "<<<<<<< leftover\n", &lock(&[("a", 2)])],
    );
    let reason = report.conflicts[0].reason.clone().unwrap();
    assert!(reason.contains("dvc.lock (ours):1:"), "{reason}");
    assert!(
        marked.contains("leftover") && marked.contains(">>>>>>> theirs"),
        "{marked}"
    );
}

/// Some names, what each is at first, and who changes it to what.
fn edits() -> impl Strategy<Value = Vec<(String, Option<u8>, bool, Option<u8>)>> {
    let edit = (
        "[a-f]{1,2}",
        any::<Option<u8>>(),
        any::<bool>(),
        any::<Option<u8>>(),
    );
    prop::collection::vec(edit, 1..8).prop_map(|mut edits| {
        edits.sort_by(|left, right| left.0.cmp(&right.0));
        edits.dedup_by(|left, right| left.0 == right.0);
        edits
    })
}

/// Base, ours, theirs, and what both edits make of the base.
fn states(edits: &[(String, Option<u8>, bool, Option<u8>)]) -> [BTreeMap<String, u8>; 4] {
    let mut states = [(); 4].map(|()| BTreeMap::new());
    for (name, base, is_ours, edited) in edits {
        let sides = [
            *base,
            if *is_ours { *edited } else { *base },
            if *is_ours { *base } else { *edited },
            *edited,
        ];
        for (state, value) in states.iter_mut().zip(sides) {
            if let Some(value) = value {
                state.insert(name.clone(), value);
            }
        }
    }
    states
}

fn lock_of(state: &BTreeMap<String, u8>) -> String {
    let mut file = LockFile::empty();
    for (name, digest) in state {
        let text = format!(
            "schema: '2.0'\nstages:\n{}",
            stage(name, *digest).replace(&id(*digest).to_string(), &format!("'{}'", id(*digest)))
        );
        let parsed = LockFile::parse(&text, "x").unwrap();
        let (name, stage) = parsed.stages().first().unwrap();
        file.set_stage(name, stage.clone());
    }
    file.to_text()
}

fn stages_of(text: &str) -> BTreeMap<String, u8> {
    let file = LockFile::parse(text, "merged").unwrap();
    let digest = |hex: &str| u8::from_str_radix(&hex[..2], 16).unwrap();
    file.stages()
        .iter()
        .map(|(name, stage)| {
            (
                name.clone(),
                digest(stage.outs[0].md5.as_ref().unwrap().hex()),
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn edits_of_different_stages_are_both_there(edits in edits()) {
        let sandbox = Sandbox::new();
        let states = states(&edits);
        let [base, ours, theirs, _] = states.each_ref().map(lock_of);
        for (left, right) in [(&ours, &theirs), (&theirs, &ours)] {
            let (merged, report) = merge(&sandbox, "dvc.lock", [&base, left, right]);
            prop_assert_eq!(report.conflicts, []);
            prop_assert_eq!(stages_of(&merged), states[3].clone());
        }
        let (merged, _) = merge(&sandbox, "dvc.lock", [&base, &ours, &ours]);
        prop_assert_eq!(&merged, &ours);
        let (merged, _) = merge(&sandbox, "dvc.lock", [&ours, &ours, &ours]);
        prop_assert_eq!(&merged, &ours);
        let (merged, _) = merge(&sandbox, "dvc.lock", [&base, &ours, &base]);
        prop_assert_eq!(&merged, &ours);
    }

    #[test]
    fn edits_of_different_files_are_both_there(edits in edits()) {
        let sandbox = Sandbox::new();
        let states = states(&edits);
        let [base, ours, theirs, both] = states.each_ref().map(|state| {
            pointer(&directory(&sandbox, state), state.len() as u64, state.len())
        });
        let wanted = DvcFile::parse(&both, "x").unwrap().outs[0].md5.clone();
        for (left, right) in [(&ours, &theirs), (&theirs, &ours)] {
            let (merged, report) = merge(&sandbox, "data.dvc", [&base, left, right]);
            prop_assert_eq!(report.conflicts, []);
            let file = DvcFile::parse(&merged, "merged").unwrap();
            prop_assert_eq!(&file.outs[0].md5, &wanted);
            prop_assert_eq!(file.outs[0].nfiles, Some(states[3].len() as u64));
            prop_assert_eq!(file.outs[0].size, Some(states[3].len() as u64));
        }
        let (merged, _) = merge(&sandbox, "data.dvc", [&base, &ours, &ours]);
        prop_assert_eq!(&merged, &ours);
    }
}

#[test]
fn directories_of_dvc_2_are_merged_among_its_objects() {
    let sandbox = Sandbox::new();
    let legacy = |state: &BTreeMap<String, u8>| {
        let id = directory(&sandbox, state);
        let from = sandbox.open().cache().object_path(&id);
        let to = sandbox.open().cache().object_path(&id.as_legacy());
        fs_err::create_dir_all(to.parent().unwrap()).unwrap();
        fs_err::rename(from, to).unwrap();
        pointer(&id, state.len() as u64, state.len()).replace("  hash: md5\n", "")
    };
    let base = legacy(&files([("a", 1)]));
    let ours = legacy(&files([("a", 1), ("b", 2)]));
    let theirs = legacy(&files([("a", 3)]));
    let (merged, report) = merge(&sandbox, "data.dvc", [&base, &ours, &theirs]);
    assert_eq!(report.conflicts, []);
    let id = &report.directories[0];
    assert!(id.is_legacy() && !merged.contains("hash:"), "{merged}");
    assert_eq!(
        sandbox.open().cache().manifest(id).unwrap().entries().len(),
        2
    );

    // Half upgraded: the two hashes say nothing of each other.
    let upgraded = directory(&sandbox, &files([("a", 4)]));
    let (_, report) = merge(
        &sandbox,
        "data.dvc",
        [&base, &ours, &pointer(&upgraded, 1, 1)],
    );
    let reason = report.conflicts[0].reason.clone().unwrap();
    assert!(reason.contains("DVC 2"), "{reason}");
}
