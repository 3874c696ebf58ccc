//! The writer and the hashes against DVC itself.
//!
//! Without DVC among the peers these tests skip, and say so.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use indexmap::IndexMap;
use ketch_dvc::yaml::{self, Value};
use ketch_dvc::{LegacyHasher, LockFile, ObjectId, OutputEntry, StageLock};
use ketch_testkit::peer;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::values::{text, value};

pub(crate) fn python() -> Option<PathBuf> {
    peer("dvc/bin/python").map(Into::into)
}

/// Runs a Python script on JSON and reads its JSON.
pub(crate) fn ask(python: &PathBuf, script: &str, input: &serde_json::Value) -> serde_json::Value {
    let mut child = Command::new(python)
        .args(["-c", script])
        .env("DVC_NO_ANALYTICS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same 200 values on every run.
fn samples<S: Strategy>(strategy: &S) -> Vec<S::Value> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..200)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn to_json(value: &Value) -> serde_json::Value {
    use serde_json::{Value as Json, json};
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(number) => json!(number),
        // As text, because JSON has no infinity.
        Value::Float(number) => json!({"__float__": number.to_string()}),
        Value::String(text) => json!(text),
        Value::Sequence(items) => items.iter().map(to_json).collect(),
        // As pairs, because JSON has only text for keys.
        Value::Mapping(entries) => {
            let pairs = entries.iter();
            let pairs: Vec<_> = pairs
                .map(|(key, value)| json!([to_json(&key.to_value()), to_json(value)]))
                .collect();
            json!({"__pairs__": pairs})
        }
        Value::BigInt(_) | Value::Timestamp(_) => unreachable!("not generated"),
    }
}

const READ_INPUT: &str = r#"
import json, sys
def value(v):
    if isinstance(v, list):
        return [value(x) for x in v]
    if isinstance(v, dict):
        if list(v) == ["__float__"]:
            return float(v["__float__"])
        return {value(k): value(x) for k, x in v["__pairs__"]}
    return v
documents = [value(d) for d in json.load(sys.stdin)]
"#;

fn stage() -> impl Strategy<Value = StageLock> {
    let entry = (text(), any::<[u8; 16]>(), any::<bool>(), any::<u32>()).prop_map(
        |(path, digest, directory, size)| {
            let id = ObjectId::file_from_digest(digest);
            OutputEntry {
                md5: Some(if directory { id.as_directory() } else { id }),
                size: Some(u64::from(size)),
                nfiles: directory.then_some(3),
                hash: Some("md5".to_owned()),
                ..OutputEntry::new(format!("p/{path}"))
            }
        },
    );
    let entries = prop::collection::vec(entry, 1..4).boxed();
    let command = prop_oneof![
        text().prop_map(|text| Value::String(format!("run {text}"))),
        prop::collection::vec(text().prop_map(Value::String), 1..3).prop_map(Value::Sequence),
    ];
    let values = prop::collection::vec((text(), value()), 1..4);
    let params = prop::collection::vec(
        (
            prop::sample::select(vec!["params.yaml", "a.toml", "z/p.json"]),
            values.prop_map(|values| {
                let values = values.into_iter();
                values
                    .map(|(key, value)| (key.into(), value))
                    .collect::<IndexMap<_, _>>()
            }),
        ),
        0..3,
    );
    (command, entries.clone(), params, entries).prop_map(|(command, deps, params, outs)| {
        StageLock {
            command,
            deps,
            params: params
                .into_iter()
                .map(|(file, values)| (file.to_owned(), values))
                .collect(),
            outs,
        }
    })
}

fn lock_file(stage: StageLock) -> LockFile {
    let mut file = LockFile::empty();
    file.set_stage("train", stage);
    file
}

#[test]
fn writes_lock_files_with_dvcs_bytes() {
    let Some(python) = python() else { return };
    let documents: Vec<Value> = samples(&stage())
        .into_iter()
        .map(|stage| {
            yaml::parse(&lock_file(stage).to_text(), "dvc.lock")
                .unwrap()
                .to_value()
        })
        .collect();
    let script = format!(
        "{READ_INPUT}
from dvc.utils.serialize import parse_yaml
from dvc.utils.serialize._yaml import dumps_yaml
answers = []
for document in documents:
    text = dumps_yaml(document)
    try:
        reads_back = parse_yaml(text, 'x') == document
    except Exception:
        reads_back = False
    answers.append([text, reads_back])
json.dump(answers, sys.stdout)
"
    );
    let input = documents.iter().map(to_json).collect();
    let answers = ask(&python, &script, &input);
    let mut readable = 0;
    for (document, answer) in documents.iter().zip(answers.as_array().unwrap()) {
        let (ours, dvcs) = (yaml::emit(document), answer[0].as_str().unwrap());
        for (ours, dvcs) in ours.split('\n').zip(dvcs.split('\n')) {
            assert_eq!(ours, dvcs);
        }
        assert_eq!(ours, dvcs);
        readable += usize::from(answer[1] == true);
    }
    assert!(
        readable > 100,
        "DVC read only {readable} of its own files back"
    );
}

#[test]
fn dvc_reads_what_we_write() {
    let Some(python) = python() else { return };
    let files: Vec<LockFile> = samples(&stage()).into_iter().map(lock_file).collect();
    let pairs = files.iter().map(|file| {
        let text = file.to_text();
        let value = yaml::parse(&text, "dvc.lock").unwrap().to_value();
        serde_json::json!([text, to_json(&value)])
    });
    let script = format!(
        "{READ_INPUT}
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.serialize import parse_yaml
answers = []
for text, value in documents:
    try:
        answers.append(None if COMPILED_LOCKFILE_SCHEMA(parse_yaml(text, 'x')) == value else repr(parse_yaml(text, 'x')))
    except Exception as error:
        answers.append(repr(error))
json.dump(answers, sys.stdout)
"
    );
    let answers = ask(&python, &script, &pairs.collect());
    for (file, answer) in files.iter().zip(answers.as_array().unwrap()) {
        assert!(answer.is_null(), "{answer}\n{}", file.to_text());
    }
}

#[test]
fn names_run_cache_entries_as_dvc_does() {
    let Some(python) = python() else { return };
    let stages = samples(&stage());
    let script = format!(
        "{READ_INPUT}
from dvc.stage.cache import _get_cache_hash
answers = []
for document in documents:
    try:
        answers.append([_get_cache_hash(dict(document), key=True), _get_cache_hash(document)])
    except TypeError as error:
        assert 'not supported between' in str(error), error
        answers.append(None)
json.dump(answers, sys.stdout)
"
    );
    let input = stages
        .iter()
        .map(|stage| to_json(&yaml::parse(&stage.to_text(), "run").unwrap().to_value()));
    let answers = ask(&python, &script, &input.collect());
    let mut compared = 0;
    let mut unordered = 0;
    for (stage, answer) in stages.iter().zip(answers.as_array().unwrap()) {
        if answer.is_null() {
            // Keys of two kinds: DVC fails, we keep no record.
            assert_eq!(stage.run_cache_key(), None);
            unordered += 1;
            continue;
        }
        // Paths may look like URLs, which have no key here or in DVC.
        let Some(key) = stage.run_cache_key() else {
            continue;
        };
        assert_eq!(key, answer[0].as_str().unwrap());
        assert_eq!(
            stage.run_cache_value().unwrap(),
            answer[1].as_str().unwrap()
        );
        compared += 1;
    }
    assert!(compared > 100, "only {compared} stages had a key");
    assert!(unordered > 5, "only {unordered} stages had mixed keys");
}

#[test]
fn writes_configs_with_dvcs_bytes() {
    let Some(python) = python() else { return };
    let key_values = prop::collection::vec(("[a-z_]{1,6}", text()), 1..4);
    let mut inputs = Vec::new();
    let mut texts = Vec::new();
    for entries in samples(&key_values) {
        let mut config = ketch_dvc::Config::default();
        for (key, value) in entries {
            _ = config.set("remote \"my st\"", &key, &value);
        }
        inputs.push(serde_json::json!(config.sections()));
        texts.push(config.to_text());
    }
    let script = "
import io, json, sys
from configobj import ConfigObj
answers = []
for sections in json.load(sys.stdin):
    out = io.BytesIO()
    try:
        ConfigObj({name: keys for name, keys in sections.items() if keys}, encoding='utf-8').write(out)
        text = out.getvalue().decode()
        read = ConfigObj(text.splitlines(), interpolation=False).dict()
        answers.append([text, read == sections])
    except Exception:
        answers.append(['', False])
json.dump(answers, sys.stdout)
";
    let answers = ask(&python, script, &serde_json::Value::Array(inputs));
    let mut compared = 0;
    for (text, answer) in texts.iter().zip(answers.as_array().unwrap()) {
        // Some values ConfigObj writes so that it cannot read them; we quote those otherwise.
        if answer[1] == true && !text.is_empty() {
            assert_eq!(text, answer[0].as_str().unwrap());
            compared += 1;
        }
    }
    assert!(
        compared > 100,
        "ConfigObj read only {compared} of its own files back"
    );
}

#[test]
fn hashes_as_dvc_2_did() {
    let Some(python) = python() else { return };
    let line = prop_oneof![
        4 => prop::sample::select(vec!["word", ",", "\r\n", "\r", "\n", "\t\u{8}", "é", "\u{7f}\u{7f}"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    let content = prop::collection::vec(line, 0..200).prop_map(|pieces| pieces.concat());
    // Some are longer than a chunk.
    let content = (content, 0..12_usize, 0..3_usize).prop_map(|(piece, kind, shift)| {
        let times = if kind == 0 {
            (3 << 20) / piece.len().max(1)
        } else {
            1
        };
        [vec![b'x'; shift], piece.repeat(times)].concat()
    });
    let contents = samples(&content);
    let directory = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..contents.len())
        .map(|number| directory.path().join(number.to_string()))
        .collect();
    for (path, content) in paths.iter().zip(&contents) {
        fs_err::write(path, content).unwrap();
    }
    let script = "
import json, sys
from dvc_data.hashfile.hash import file_md5
from dvc_objects.fs import localfs
answers = []
for path in json.load(sys.stdin):
    answers.append([file_md5(path, localfs, name=name) for name in ('md5-dos2unix', 'md5')])
json.dump(answers, sys.stdout)
";
    let answers = ask(&python, script, &serde_json::json!(paths));
    let mut converted = 0;
    for (content, answer) in contents.iter().zip(answers.as_array().unwrap()) {
        let mut hasher = LegacyHasher::new();
        hasher.update(content);
        assert_eq!(hasher.finish().hex(), answer[0].as_str().unwrap());
        converted += usize::from(answer[0] != answer[1]);
    }
    assert!(
        (20..contents.len() - 20).contains(&converted),
        "{converted}"
    );
}

#[test]
fn a_stage_with_numbers_for_keys_is_unchanged_for_dvc() {
    let Some(python) = python() else { return };
    let params = "class_weight: {0: 1.0, 1: 2.5}\n7: {true: x, 1.5: z}\n";
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs_err::write(path("params.yaml"), params).unwrap();
    fs_err::write(
        path("dvc.yaml"),
        "stages:\n  s:\n    cmd: cp params.yaml o\n    params:\n    - class_weight\n    - class_weight.0\n    - '7'\n    - 7.True\n    outs:\n    - o\n",
    )
    .unwrap();
    let dvc = |arguments: &[&str]| {
        let output = Command::new(python.with_file_name("dvc"))
            .args(arguments)
            .current_dir(directory.path())
            .env("DVC_NO_ANALYTICS", "1")
            .env("DVC_SITE_CACHE_DIR", path("site"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    dvc(&["init", "--no-scm", "-q"]);
    dvc(&["repro", "-q"]);
    let theirs = fs_err::read_to_string(path("dvc.lock")).unwrap();
    assert!(theirs.contains("          0: 1.0\n"), "{theirs}");

    let read = LockFile::parse(&theirs, "dvc.lock").unwrap();
    let mut ours = LockFile::empty();
    ours.set_stage("s", read.stages()["s"].clone());
    assert_eq!(ours.to_text(), theirs);
    fs_err::write(path("dvc.lock"), ours.to_text()).unwrap();
    assert_eq!(dvc(&["status", "--json"]).trim(), "{}");

    let values = ketch_dvc::params::parse("params.yaml", params).unwrap();
    for (name, value) in &read.stages()["s"].params["params.yaml"] {
        let found = ketch_dvc::params::lookup(&values, name);
        assert_eq!(found, Some(value), "{name}");
    }
}

/// What `ConfigObj`, which DVC writes its settings with, makes of a value, and reads of that.
const CONFIGOBJ: &str = r#"
import io, json, sys
from configobj import ConfigObj
answers = []
for value in json.load(sys.stdin):
    config = ConfigObj(encoding="utf-8", indent_type="    ")
    config["s"] = {"k": value}
    try:
        file = io.BytesIO()
        config.write(file)
        text = file.getvalue().decode()
        back = ConfigObj(io.BytesIO(text.encode()), encoding="utf-8")["s"]["k"]
        answers.append([text, back])
    except Exception:
        answers.append(None)
json.dump(answers, sys.stdout)
"#;

#[test]
fn settings_are_quoted_as_configobj_quotes_them() {
    let Some(python) = python() else { return };
    let values = samples(&"[ab'\"#, \n\t=é\\[\\]]{0,10}|('''|\"\"\"|'|\"|a|#| ){0,6}");
    let answers = ask(&python, CONFIGOBJ, &serde_json::json!(values));
    let mut compared = 0;
    for (value, answer) in values.iter().zip(answers.as_array().unwrap()) {
        let mut config = ketch_dvc::Config::default();
        let ours = config.set("s", "k", value);
        // What does not come back to DVC is refused.
        if answer.is_null() || answer[1] != serde_json::json!(value) {
            ours.unwrap_err();
            continue;
        }
        ours.unwrap();
        compared += 1;
        assert_eq!(serde_json::json!(config.to_text()), answer[0], "{value:?}");
        let read = ketch_dvc::Config::parse(&config.to_text(), "config").unwrap();
        assert_eq!(read.get("s", "k"), Some(value.as_str()));
    }
    assert!(compared > 100, "{compared}");
}
