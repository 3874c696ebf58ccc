//! The arrows of the architecture: which crate may use which, who owns which heavy dependency, and
//! what only the program may do. Read from `cargo metadata` and from the source.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

/// A crate, and those it may use. `ketch` may use all of them; the others are not drawn because
/// `testkit` is for tests only.
const DRAWN: &[(&str, &[&str])] = &[
    ("dvc", &[]),
    ("onnx-ml", &[]),
    ("table", &[]),
    ("tracking", &[]),
    ("store", &["dvc"]),
    ("monitoring", &["table"]),
    ("serving", &["onnx-ml", "table"]),
    ("project", &["store", "dvc"]),
    (
        "control",
        &[
            "project",
            "tracking",
            "serving",
            "monitoring",
            "store",
            "table",
            "dvc",
        ],
    ),
    (
        "server",
        &["control", "tracking", "serving", "monitoring", "project"],
    ),
    ("testkit", &[]),
];

/// A heavy dependency and the crates that own it.
const OWNED: &[(&str, &[&str])] = &[
    ("rusqlite", &["tracking"]),
    ("md5-many", &["store"]),
    ("arrow", &["table"]),
    ("parquet", &["table"]),
    ("axum", &["server"]),
    // The program only waits for signals with it, and remotes for what OpenDAL does.
    ("tokio", &["server", "ketch", "store"]),
    ("maud", &["server"]),
    ("clap", &["ketch"]),
    ("indicatif", &["ketch"]),
    ("opendal", &["store"]),
    ("ureq", &["ketch", "store"]),
    ("granit-parser", &["dvc"]),
    ("tree-sitter", &["dvc"]),
    ("reflink-copy", &["store"]),
    ("blake3", &["store"]),
    ("fastcdc", &["store"]),
    ("rayon", &["store"]),
    ("ignore", &["store"]),
    ("petgraph", &["project"]),
    ("statrs", &["monitoring"]),
];

/// What no library may do: it is the program's.
const THE_PROGRAM_ONLY: &[&str] = &[
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
    "env::var",
    "env::var_os",
    "env::vars",
    "env::current_dir",
    "process::exit",
];

/// The name of a crate without `ketch-`.
fn short(name: &str) -> &str {
    name.strip_prefix("ketch-").unwrap_or(name)
}

/// One `[dependencies]`, `[dev-dependencies]` or `[build-dependencies]` entry.
struct Dependency {
    from: String,
    to: String,
    for_tests: bool,
    ours: bool,
}

fn dependencies() -> Vec<Dependency> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("a cargo that runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().expect("a list") {
        for dependency in package["dependencies"].as_array().expect("a list") {
            found.push(Dependency {
                from: short(package["name"].as_str().expect("a name")).to_owned(),
                to: short(dependency["name"].as_str().expect("a name")).to_owned(),
                for_tests: dependency["kind"] == "dev",
                ours: !dependency["path"].is_null(),
            });
        }
    }
    found
}

#[test]
fn crates_use_only_what_is_drawn_below_them() {
    let drawn: BTreeMap<_, _> = DRAWN.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let mut edges = 0;
    for Dependency {
        from,
        to,
        for_tests,
        ours,
    } in dependencies()
    {
        seen.insert(from.clone());
        if !ours {
            continue;
        }
        edges += 1;
        let allowed = match (from.as_str(), to.as_str()) {
            (_, "testkit") => for_tests,
            ("ketch", _) => true,
            (from, to) => drawn.get(from).is_some_and(|below| below.contains(&to)),
        };
        if !allowed {
            wrong.push(format!("{from} → {to}"));
        }
    }
    assert!(
        edges > DRAWN.len(),
        "only {edges} edges were read; is this the whole workspace?"
    );
    assert_eq!(wrong, [""; 0], "edges that the architecture does not have");
    let undrawn: Vec<_> = seen
        .iter()
        .filter(|name| *name != "ketch" && !drawn.contains_key(name.as_str()))
        .collect();
    assert!(undrawn.is_empty(), "crates that are not drawn: {undrawn:?}");
}

#[test]
fn heavy_dependencies_stay_with_their_owners() {
    let owners: BTreeMap<_, _> = OWNED.iter().copied().collect();
    let mut wrong = Vec::new();
    for Dependency {
        from,
        to,
        for_tests,
        ..
    } in dependencies()
    {
        let Some(owners) = owners.get(to.as_str()) else {
            continue;
        };
        if !for_tests && !owners.contains(&from.as_str()) {
            wrong.push(format!(
                "{from} uses {to}, which belongs to {}",
                owners.join(", ")
            ));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn libraries_leave_to_the_program_what_is_its() {
    let mut wrong = Vec::new();
    for (name, source) in library_sources() {
        for (number, line) in code_lines(&source) {
            for banned in THE_PROGRAM_ONLY {
                if contains_word(line, banned) {
                    wrong.push(format!("{name}:{number}: {banned}"));
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn below_the_server_nothing_is_async_in_public() {
    let mut wrong = Vec::new();
    for (name, source) in library_sources() {
        if name.starts_with("server/") {
            continue;
        }
        for (number, line) in code_lines(&source) {
            if line.contains("pub async fn") {
                wrong.push(format!("{name}:{number}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// In the program itself, the environment is read in one file.
#[test]
fn the_environment_is_read_in_one_place() {
    let mut readers = BTreeSet::new();
    for (name, source) in sources(Utf8Path::new(env!("CARGO_MANIFEST_DIR")), "ketch") {
        for (_, line) in code_lines(&source) {
            if contains_word(line, "env::var") || contains_word(line, "env::current_dir") {
                readers.insert(name.clone());
            }
        }
    }
    assert_eq!(Vec::from_iter(readers), ["ketch/src/settings/variables.rs"]);
}

#[test]
fn the_scan_sees_what_it_looks_for() {
    let source = "fn a() {\n    // println!(\"no\")\n    std::env::var(\"X\");\n    my_println!();\n}\n\
                  #[cfg(test)]\nmod tests {\n    println!();\n}\n";
    let lines: Vec<_> = code_lines(source).collect();
    assert_eq!(lines.len(), 4);
    let hits = |word| {
        lines
            .iter()
            .filter(|(_, line)| contains_word(line, word))
            .count()
    };
    assert_eq!(
        (hits("env::var"), hits("println!"), hits("env::vars")),
        (1, 0, 0)
    );
}

/// Path (from `crates/`) and text of each source file of the libraries.
fn library_sources() -> Vec<(String, String)> {
    let crates = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a folder of crates");
    let mut found = Vec::new();
    for (name, _) in DRAWN.iter().filter(|(name, _)| *name != "testkit") {
        let before = found.len();
        found.extend(sources(&crates.join(name), name));
        assert!(found.len() > before, "no source of {name}");
    }
    found
}

fn sources(directory: &Utf8Path, name: &str) -> Vec<(String, String)> {
    let mut pending = vec![directory.join("src")];
    let mut found = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in folder.read_dir_utf8().expect("a folder") {
            let path: Utf8PathBuf = entry.expect("a name in UTF-8").into_path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension() == Some("rs") {
                let below = path.strip_prefix(directory).expect("a path below");
                found.push((
                    format!("{name}/{below}"),
                    fs_err::read_to_string(&path).expect("a source file"),
                ));
            }
        }
    }
    found
}

/// Numbered lines that are neither comments nor in the module of unit tests at the end of a file.
fn code_lines(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = source.find("#[cfg(test)]\nmod ").unwrap_or(source.len());
    source[..end]
        .lines()
        .enumerate()
        .map(|(place, line)| (place + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether `word` is in the line and no part of a longer name.
fn contains_word(line: &str, word: &str) -> bool {
    let name = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(name) && !after.is_some_and(name)
    })
}
