//! Test files that no module declares are never compiled, and never fail.

use camino::Utf8Path;

/// Checks that `main.rs` in `directory` (usually `tests/it`) declares every file beside it as a
/// module, and each `NAME/mod.rs` or `NAME.rs` every file in `NAME/`.
///
/// # Panics
///
/// With the list of the forgotten files.
pub fn assert_no_forgotten_test_files(directory: impl AsRef<Utf8Path>) {
    let directory = directory.as_ref();
    let mut forgotten = Vec::new();
    look(directory, &directory.join("main.rs"), &mut forgotten);
    assert!(
        forgotten.is_empty(),
        "no `mod` line declares: {}",
        forgotten.join(", ")
    );
}

fn look(directory: &Utf8Path, declares: &Utf8Path, forgotten: &mut Vec<String>) {
    let source = fs_err::read_to_string(declares).expect("a source file that declares modules");
    let mut entries: Vec<_> = directory
        .read_dir_utf8()
        .expect("a directory of tests")
        .map(|entry| entry.expect("a file name in UTF-8").into_path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_stem().unwrap_or_default();
        let inner = path.join("mod.rs");
        let outer = path.with_extension("rs");
        let is_module = path.extension() == Some("rs") && path != *declares && name != "main";
        if is_module || inner.is_file() {
            if !declared(&source, name) {
                forgotten.push(path.to_string());
            } else if path.is_dir() {
                look(&path, &inner, forgotten);
            }
        } else if path.is_dir() && outer.is_file() {
            look(&path, &outer, forgotten);
        }
    }
}

fn declared(source: &str, name: &str) -> bool {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .any(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            matches!(words[..], [.., "mod", last] if last.strip_suffix(';') == Some(name))
        })
}
