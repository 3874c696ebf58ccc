//! `vars`, `${…}`, `foreach` and `matrix` against DVC itself.

use std::collections::BTreeMap;
use std::io;

use ketch_dvc::yaml::Value;
use ketch_dvc::{BooleanOptions, ListOptions, OptionStyle, PipelineFile, StageSpec, TemplateFiles};
use serde_json::{Value as Json, json};

use crate::peer_dvc::{ask, python};

/// A `dvc.yaml` and the parameter files beside it.
struct Case {
    text: &'static str,
    files: &'static [(&'static str, &'static str)],
    options: OptionStyle,
}

const fn case(text: &'static str, files: &'static [(&'static str, &'static str)]) -> Case {
    Case {
        text,
        files,
        options: OptionStyle {
            booleans: BooleanOptions::StoreTrue,
            lists: ListOptions::Nargs,
        },
    }
}

const PARAMS: &str = "\
lr: 1e-05
big: 1e+16
flag: true
nothing:
name: 'a b'
n: 3
list: [a, b]
bools: [true, false, 1.0]
deep: {train: {lr: 0.1, layers: [64, 32], 5: x}, eval: {k: v}}
rows: [{m: rf, n: 1}, {m: xgb, n: 2}]
models: {us: {t: 10, f: a.csv}, uk: {t: 20, f: b.csv}, 7: {t: 1, f: c}}
0: zero
";

const GOOD: &[Case] = &[
    case(
        r"
stages:
  one:
    cmd: run ${lr} ${big} ${flag} ${nothing} ${name} ${deep.train.layers[0]} ${deep.train.layers.1} \${HOME} $x ${ n }
    wdir: w-${n}
    deps: ['d/${name}', '${deep.eval.k}']
    params: [n, '${deep.eval.k}', 'p-${n}.yaml': ['${name}', q]]
    outs: ['o${n}', 'p${n}': {cache: false, desc: 'is ${name}'}]
    metrics: ['m-${n}.json': {cache: false}]
    desc: about ${name}
    meta: {n: '${n}', l: ['${flag}', 'x ${flag}'], '${name}': 1}
  two:
    cmd: ['echo ${n}', 'echo ${deep.train.layers[-1]}']
",
        &[("params.yaml", PARAMS)],
    ),
    case(
        "stages:\n  s:\n    cmd: python t.py ${deep} ${models.us}\n",
        &[(
            "params.yaml",
            "deep: {lr: 0.1, name: a b, on: true, off: false, l: [1, 'x y', 2.50], n: {d: 1, e: {f: g}}, nul: , s: ''}\nmodels: {us: {t: 10}}\n",
        )],
    ),
    Case {
        options: OptionStyle {
            booleans: BooleanOptions::BooleanOptional,
            lists: ListOptions::Append,
        },
        ..case(
            "stages:\n  s:\n    cmd: python t.py ${o}\n",
            &[("params.yaml", "o: {on: true, off: false, l: [1, x]}\n")],
        )
    },
    // Variables: several files, keys of files, mappings that become one, stages with their own.
    case(
        r"
vars:
- params.yaml
- conf/a.json:x,y
- b.toml
- {a: {inline: 1}, tops: v}
stages:
  s:
    cmd: echo ${x} ${y} ${tops} ${a.inline} ${a.file} ${n} ${lr} ${own} ${a.more}
    wdir: sub
    vars: [{own: 5}, ../c.yaml, here.yaml]
    deps: ['${where}']
  t:
    cmd: echo ${tops}
",
        &[
            ("params.yaml", "lr: 0.5\nn: 2\n"),
            ("conf/a.json", r#"{"x": 1.0, "y": "why", "z": 3}"#),
            ("b.toml", "[a]\nfile = 'b'\n"),
            ("c.yaml", "a: {more: m}\n"),
            ("sub/here.yaml", "where: there\n"),
        ],
    ),
    // `foreach` over everything that DVC takes.
    case(
        r"
stages:
  inline:
    foreach: [a, 1, 2.50, true, a]
    do: {cmd: 'echo ${item}', deps: ['${item}.txt']}
  listed:
    foreach: ${list}
    do: {cmd: 'echo ${item}'}
  bools:
    foreach: ${bools}
    do: {cmd: 'echo ${item}'}
  mixed:
    foreach: ['${flag}', true, '${n}', 'x${flag}']
    do: {cmd: 'echo ${item}'}
  rows:
    foreach: ${rows}
    do: {cmd: 'echo ${item.m} ${item[n]} ${lr}', outs: ['${item.m}.bin']}
  dict:
    foreach: ${models}
    do: {cmd: 'echo ${key} ${item.t} ${item.f}', wdir: '${key}'}
  idict:
    foreach: {x: 1, 2: {a: b}, true: 3, y: '${n}'}
    do: {cmd: 'echo ${key}'}
  own:
    foreach: [p, q]
    do:
      vars: [{suffix: .s}]
      cmd: echo ${item}${suffix}
  none:
    foreach: []
    do: {cmd: x}
  nested:
    foreach: [[1, 2], [3]]
    do: {cmd: 'echo ${item[0]}'}
",
        &[("params.yaml", PARAMS)],
    ),
    case(
        r"
stages:
  m:
    matrix:
      model: [rf, xgb]
      n: ${ns}
      conf: [{a: 1, b: x}, {a: 2, b: y}]
      flag: [true]
    cmd: echo ${item.model} ${item.n} ${item.conf.a} ${key} ${item.flag}
    outs: ['${key}.out']
  p:
    matrix: {b: '${bools}', c: ['${flag}', 1.50]}
    cmd: echo ${item.b} ${item.c}
",
        &[(
            "params.yaml",
            "ns: [1, 2.0]\nbools: [true, false]\nflag: true\n",
        )],
    ),
    // The rest of the file.
    case(
        r"
vars: [{d: out, f: {x: step}, l: [a, b]}]
metrics: ['${d}/m.json']
params: ['${d}.yaml']
plots:
- ${d}/p.csv
- '${d}/q.csv': {x: '${f.x}', y: '${l}'}
artifacts:
  m: {path: '${d}/model', labels: ['${l[0]}'], meta: '${f}'}
stages:
  s: {cmd: x}
",
        &[],
    ),
    // Whole files may be named twice; `item` may be a parameter too.
    case(
        "vars: [params.yaml, ./params.yaml, x/../params.yaml]\nstages:\n  s: {foreach: [1], do: {cmd: 'echo ${item} ${a}'}}\n  t: {cmd: 'echo ${item}'}\n",
        &[("params.yaml", "a: 1\nitem: outer\n")],
    ),
    case(
        "vars: [p.yaml:a, 'p.yaml:b,']\nstages:\n  s: {cmd: 'echo ${a}${b}'}\n",
        &[("p.yaml", "a: 1\nb: 2\nc: 3\n")],
    ),
    case(
        "stages:\n  s: {cmd: 'echo ${a b} ${c-d}'}\n",
        &[("params.yaml", "a b: 1\nc-d: 2\n")],
    ),
];

const BAD: &[Case] = &[
    case("stages:\n  s: {cmd: 'echo ${nope}'}\n", &[]),
    case(
        "stages:\n  s: {cmd: 'echo ${a.b}'}\n",
        &[("params.yaml", "a: 1\n")],
    ),
    case(
        "stages:\n  s: {cmd: 'echo ${a[5]}'}\n",
        &[("params.yaml", "a: [1]\n")],
    ),
    case(
        "stages:\n  s: {cmd: 'echo ${a[x]}'}\n",
        &[("params.yaml", "a: [1]\n")],
    ),
    case(
        "stages:\n  s: {cmd: 'echo ${5}'}\n",
        &[("params.yaml", "5: 1\n")],
    ),
    case(
        "stages:\n  s: {cmd: 'echo ${a..b}'}\n",
        &[("params.yaml", "a: 1\n")],
    ),
    case(
        "stages:\n  s: {cmd: 'echo ${}'}\n",
        &[("params.yaml", "a: 1\n")],
    ),
    case(
        "stages:\n  s: {cmd: 'echo ${l}'}\n",
        &[("params.yaml", "l: [1]\n")],
    ),
    case(
        "stages:\n  s: {cmd: x, deps: ['${l}']}\n",
        &[("params.yaml", "l: [1]\n")],
    ),
    case(
        "stages:\n  s: {cmd: x, deps: ['a${l}']}\n",
        &[("params.yaml", "l: {a: 1}\n")],
    ),
    case(
        "stages:\n  s: {cmd: x, meta: {a: '${l}'}}\n",
        &[("params.yaml", "l: {a: 1}\n")],
    ),
    case(
        "stages:\n  s: {cmd: 'x ${l}'}\n",
        &[("params.yaml", "l: {a: [[1]]}\n")],
    ),
    case(
        "stages:\n  s: {cmd: x, deps: '${l}'}\n",
        &[("params.yaml", "l: [1]\n")],
    ),
    case(
        "stages:\n  s: {cmd: x, frozen: '${l}'}\n",
        &[("params.yaml", "l: true\n")],
    ),
    case("vars: [gone.yaml]\nstages:\n  s: {cmd: x}\n", &[]),
    case(
        "vars: [a.yaml:x]\nstages:\n  s: {cmd: x}\n",
        &[("a.yaml", "y: 1\n")],
    ),
    case(
        "vars: [a.yaml]\nstages:\n  s: {cmd: x}\n",
        &[("a.yaml", "- y\n")],
    ),
    case(
        "vars: ['${a}.yaml']\nstages:\n  s: {cmd: x}\n",
        &[("params.yaml", "a: 1\n")],
    ),
    case(
        "vars: [{a: '${b}'}]\nstages:\n  s: {cmd: x}\n",
        &[("params.yaml", "b: 1\n")],
    ),
    case(
        "vars: [{a: 1}]\nstages:\n  s: {cmd: x}\n",
        &[("params.yaml", "a: 2\n")],
    ),
    case(
        "vars: [{a: {b: 1}}]\nstages:\n  s: {cmd: x}\n",
        &[("params.yaml", "a: {b: 2}\n")],
    ),
    case(
        "vars: [p.yaml, p.yaml:a]\nstages:\n  s: {cmd: x}\n",
        &[("p.yaml", "a: 2\n")],
    ),
    case(
        "vars: [p.yaml:a, p.yaml]\nstages:\n  s: {cmd: x}\n",
        &[("p.yaml", "a: 2\n")],
    ),
    case(
        "vars: [p.yaml:a, p.yaml:a]\nstages:\n  s: {cmd: x}\n",
        &[("p.yaml", "a: 2\n")],
    ),
    case("vars: [5]\nstages:\n  s: {cmd: x}\n", &[]),
    case(
        "stages:\n  s: {cmd: x, vars: [{a: 1}]}\n",
        &[("params.yaml", "a: 2\n")],
    ),
    case(
        "stages:\n  s: {foreach: [1], do: {cmd: x, vars: [{item: 1}]}}\n",
        &[],
    ),
    case("stages:\n  s: {foreach: x, do: {cmd: x}}\n", &[]),
    case(
        "stages:\n  s: {foreach: '${n}', do: {cmd: x}}\n",
        &[("params.yaml", "n: 5\n")],
    ),
    case("stages:\n  s: {foreach: [1]}\n", &[]),
    case("stages:\n  s: {do: {cmd: x}}\n", &[]),
    case("stages:\n  s: {foreach: [1], do: {cmd: x}, cmd: y}\n", &[]),
    case("stages:\n  s: {foreach: [1], do: {deps: [a]}}\n", &[]),
    case(
        "stages:\n  s: {foreach: [1], do: {cmd: '${item.a}'}}\n",
        &[],
    ),
    case(
        "stages:\n  s: {foreach: [1], do: {cmd: 'echo ${key}'}}\n",
        &[],
    ),
    case("stages:\n  s: {matrix: [1], cmd: x}\n", &[]),
    case("stages:\n  s: {matrix: {a: {b: 1}}, cmd: x}\n", &[]),
    case("stages:\n  s: {matrix: {a: 5}, cmd: x}\n", &[]),
    case(
        "stages:\n  s: {matrix: {a: [1]}, foreach: [1], do: {cmd: x}}\n",
        &[],
    ),
    case("stages:\n  s: {matrix: {a: [1]}, cmd: '${item.b}'}\n", &[]),
];

impl Case {
    fn read(&self) -> Result<PipelineFile, ketch_dvc::FormatError> {
        let read = |path: &str| -> io::Result<Option<String>> {
            let found = self.files.iter().find(|(name, _)| *name == path);
            Ok(found.map(|(_, text)| (*text).to_owned()))
        };
        let files = TemplateFiles {
            read: &read,
            options: self.options,
        };
        PipelineFile::parse_with(self.text, "dvc.yaml", files)
    }

    fn to_json(&self) -> Json {
        let files: BTreeMap<&str, &str> = self.files.iter().copied().collect();
        json!({
            "text": self.text,
            "files": files,
            "bool": match self.options.booleans {
                BooleanOptions::StoreTrue => "store_true",
                BooleanOptions::BooleanOptional => "boolean_optional",
            },
            "list": match self.options.lists {
                ListOptions::Nargs => "nargs",
                ListOptions::Append => "append",
            },
        })
    }
}

/// Resolves every case with DVC: what it makes of it, or null where it refuses.
const RESOLVE: &str = r#"
import json, os, sys, tempfile
from dvc.parsing import DataResolver
from dvc.repo import Repo
from dvc.schema import COMPILED_MULTI_STAGE_SCHEMA
from dvc.utils.serialize import parse_yaml

def paths(items):
    return [next(iter(i)) if isinstance(i, dict) else i for i in items or []]

def stage(s):
    return {
        "cmd": s["cmd"], "wdir": s.get("wdir"), "deps": s.get("deps", []),
        "params": s.get("params", []), "desc": s.get("desc"), "meta": s.get("meta"),
        "outs": paths(s.get("outs")) + paths(s.get("metrics")),
    }

# DVC talks on standard output.
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

answers = []
for case in json.load(sys.stdin):
    with tempfile.TemporaryDirectory() as root:
        os.chdir(root)
        repo = Repo.init(no_scm=True)
        with repo.config.edit("repo") as config:
            config["parsing"] = {"bool": case["bool"], "list": case["list"]}
        repo.close()
        repo = Repo()
        for name, text in case["files"].items():
            os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
            open(name, "w").write(text)
        try:
            data = parse_yaml(case["text"], "dvc.yaml")
            COMPILED_MULTI_STAGE_SCHEMA(data)
            resolver = DataResolver(repo, "", data)
            stages = [[n, stage(s)] for n, s in resolver.resolve()["stages"].items()]
            answers.append({
                "stages": stages,
                "metrics": resolver.resolve_metrics(),
                "params": resolver.resolve_params(),
                "plots": resolver.resolve_plots(),
                "artifacts": resolver.resolve_artifacts() or None,
            })
        except Exception as error:
            print(repr(error), file=sys.stderr)
            answers.append(None)
        finally:
            repo.close()
            os.chdir("/")
json.dump(answers, out, default=str)
out.close()
"#;

fn plain(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::BigInt(text) | Value::Timestamp(text) | Value::String(text) => json!(text),
        Value::Sequence(items) => items.iter().map(plain).collect(),
        Value::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| (key.to_string(), plain(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

fn stage(spec: &StageSpec) -> Json {
    let mut params = Vec::new();
    for file in &spec.params {
        let keys = file.keys.clone().unwrap_or_default();
        if file.file == "params.yaml" {
            params.extend(keys.into_iter().map(Json::from));
        } else {
            params.push(json!({ file.file.as_str(): keys }));
        }
    }
    let outs: Vec<&str> = spec.outs.iter().map(|out| out.path.as_str()).collect();
    json!({
        "cmd": plain(&spec.command_value()),
        "wdir": spec.wdir,
        "deps": spec.deps,
        "params": params,
        "desc": spec.desc,
        "meta": spec.meta.as_ref().map(plain),
        "outs": outs,
    })
}

#[test]
fn dvc_makes_the_same_of_every_template() {
    let Some(python) = python() else { return };
    let cases: Vec<Json> = GOOD.iter().map(Case::to_json).collect();
    let answers = ask(&python, RESOLVE, &Json::from(cases));
    for (case, theirs) in GOOD.iter().zip(answers.as_array().unwrap()) {
        assert!(!theirs.is_null(), "DVC refuses {}", case.text);
        let file = case.read().unwrap();
        let stages: Vec<Json> = file
            .stages
            .iter()
            .map(|(name, spec)| json!([name, stage(spec)]))
            .collect();
        let ours = json!({
            "stages": stages,
            "metrics": file.metrics,
            "params": file.params,
            "plots": file.plots.iter().map(plain).collect::<Vec<_>>(),
            "artifacts": file.artifacts.as_ref().map(plain),
        });
        for (ours, theirs) in stages.iter().zip(theirs["stages"].as_array().unwrap()) {
            assert_eq!(ours, theirs, "{}", case.text);
        }
        assert_eq!(&ours, theirs, "{}", case.text);
    }
}

#[test]
fn what_dvc_refuses_is_refused_where_it_stands() {
    let refusals: Vec<String> = BAD
        .iter()
        .map(|case| {
            let error = case.read().expect_err(case.text);
            let hint = error.hint().map(|hint| format!("\n    {hint}"));
            format!("{error}{}", hint.unwrap_or_default())
        })
        .collect();
    insta::assert_snapshot!(refusals.join("\n"));
    let Some(python) = python() else { return };
    let cases: Vec<Json> = BAD.iter().map(Case::to_json).collect();
    let answers = ask(&python, RESOLVE, &Json::from(cases));
    for (case, theirs) in BAD.iter().zip(answers.as_array().unwrap()) {
        assert!(theirs.is_null(), "{} is {theirs}", case.text);
    }
}

/// Values that hold each other, and more stages than anybody has.
#[test]
fn hostile_templates_end() {
    let many: Vec<String> = (0..40)
        .map(|axis| format!("      a{axis}: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"))
        .collect();
    let many = many.join("\n");
    let text = format!("stages:\n  s:\n    matrix:\n{many}\n    cmd: x\n");
    let error = PipelineFile::parse(&text, "dvc.yaml").unwrap_err();
    assert!(
        error.message().contains("more than 100000 stages"),
        "{error}"
    );

    let big = "x".repeat(1 << 20);
    let command = "${a}".repeat(1000);
    let text = format!("vars: [{{a: {big}}}]\nstages:\n  s: {{cmd: '{command}'}}\n");
    let error = PipelineFile::parse(&text, "dvc.yaml").unwrap_err();
    assert!(error.message().contains("templates"), "{error}");
}

#[test]
fn a_stage_says_what_it_named_and_what_made_it() {
    let case = case(
        "vars: [v.yaml, {i: 1}]\nstages:\n  s:\n    foreach: ${l}\n    do: {cmd: 'x ${item} ${d.a} ${v} ${i}', wdir: '${v}'}\n",
        &[("params.yaml", "l: [p]\nd: {a: 1}\n"), ("v.yaml", "v: w\n")],
    );
    let file = case.read().unwrap();
    let spec = &file.stages["s@p"];
    assert_eq!(spec.group.as_deref(), Some("s"));
    let named: Vec<(&str, Option<&[String]>)> = spec
        .template_params
        .iter()
        .map(|params| (params.file.as_str(), params.keys.as_deref()))
        .collect();
    assert_eq!(
        named,
        [
            ("params.yaml", Some(["d.a".to_owned()].as_slice())),
            ("v.yaml", Some(["v".to_owned()].as_slice())),
        ]
    );
}

/// Python files with parameters, and what DVC makes of them: null where it refuses.
const PARSE_PYTHON: &str = r#"
import json, sys
from dvc.utils.serialize import parse_py
def plain(v):
    if isinstance(v, dict):
        return {str(k): plain(x) for k, x in v.items()}
    if isinstance(v, set):
        return sorted(plain(x) for x in v)
    if isinstance(v, (list, tuple)):
        return [plain(x) for x in v]
    return v
answers = []
for text in json.load(sys.stdin):
    try:
        answers.append(plain(parse_py(text, "p.py")))
    except Exception as error:
        print(repr(error), file=sys.stderr)
        answers.append(None)
json.dump(answers, sys.stdout)
"#;

#[test]
fn dvc_reads_the_same_from_python_files() {
    let Some(python) = python() else { return };
    let texts = [
        "",
        "A = 1\nB = 0.5\nC = 'x' 'y'\nD = [1, (2, {3: 'a'})]\nE: int = -5\nF = not True\nG = 1 + 2\nH = +1\n",
        "A = B = 1\nC, D = 1, 2\nE = (1)\nF = 1, 2\nself.x = 5\nx.y = 6\nG = ()\nH = {}\nI = {1, 2}\n",
        "class A:\n    x = 1\n    class B:\n        y = [None, True]\n    def __init__(self, q):\n        self.z = {'k': 1}\n        w = 3\n        self.q = q\n        if q:\n            self.r = 1\n    def f(self):\n        self.n = 1\nclass A2(A): pass\n",
        "def f():\n    A = 1\ndef __init__(self):\n    self.top = 1\n",
        "if True:\n    A = 1\nfor x in y:\n    B = 2\nC = 3; D = 4\n",
        "A = 1_000\nB = 0x1f\nC = 0b11\nD = 0o17\nE = 1e5\nF = 1.\nG = .5\n",
        "A = '\\x41\\n\\'' \"\\u00e9\"\nB = r'\\n'\nC = '''a\nb'''\nD = '\\q'\n",
        "A = f'x'\nB = os.environ\nC = lambda: 1\nD = [x for x in y]\nE = {**z}\nF = [*z]\nG = {'a': b}\nH = A\n",
        "A: int\nB += 1\nA.b = 1\nC[0] = 1\nE = None\nF = -True\n",
        "@d\nclass A:\n    x = 1\nasync def __init__(self):\n    self.x = 1\n",
        "A = {\n  # why\n  'a': 1,  # this\n}\nB = [  # x\n  1,\n]\n",
        "A = (\n",
        "A = 1\n  B = 2\n",
        // (Python 2, as in `print x`, is read too.)
        "A = $\n",
    ];
    let answers = ask(&python, PARSE_PYTHON, &json!(texts));
    for (text, theirs) in texts.iter().zip(answers.as_array().unwrap()) {
        let ours = ketch_dvc::params::parse("p.py", text).ok();
        assert_eq!(&ours.as_ref().map_or(Json::Null, plain), theirs, "{text}");
    }
}
