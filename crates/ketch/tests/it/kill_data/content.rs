//! The data of the projects here, and what is found of it.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

pub(super) type Content = BTreeMap<String, Vec<u8>>;

/// Files of a version: some as before, some changed, some new.
pub(super) fn data_of(version: usize) -> Content {
    let mut content = Content::new();
    for number in version * 20..version * 20 + 120 {
        let changed = if number % 3 == 0 { version } else { 0 };
        let text = format!("{number} {changed}\n").repeat(number * 7 % 300 + 1);
        content.insert(format!("{}/{number}.txt", number % 5), text.into_bytes());
    }
    for number in 0..3 {
        let mut state = (version * 10 + number) as u64 + 1;
        let bytes = (0..1_300_000 + number * 200_000).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        });
        content.insert(format!("large/{number}.bin"), bytes.collect());
    }
    content.insert("empty".to_owned(), Vec::new());
    content
}

/// All files below, by their path.
pub(super) fn read_all(directory: &Utf8Path) -> Content {
    let mut content = Content::new();
    for path in files_below(directory) {
        let relative = path.strip_prefix(directory).expect("below").to_string();
        content.insert(relative, fs_err::read(&path).expect("a file to read"));
    }
    content
}

pub(super) fn files_below(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().expect("a folder to read") {
            let path = entry.expect("an entry").into_path();
            if path.symlink_metadata().expect("there").is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

/// What somebody killed left behind: names that only ketch gives.
pub(super) fn leftovers(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = files_below(directory);
    found.retain(|path| path.as_str().contains("ketch-tmp"));
    found
}

/// Who finds the manifest of a directory finds its files.
pub(super) fn is_complete(folder: &Utf8Path) {
    if !folder.is_dir() {
        return;
    }
    for manifest in files_below(folder) {
        if manifest.extension() == Some("dir") && !manifest.as_str().contains("ketch-tmp") {
            let bytes = fs_err::read(&manifest).expect("a manifest");
            let entries: Vec<Value> = serde_json::from_slice(&bytes).expect("whole JSON");
            for entry in entries {
                let (two, rest) = entry["md5"].as_str().expect("a hash").split_at(2);
                let object = folder.join("files/md5").join(two).join(rest);
                assert!(object.is_file(), "{manifest} without {object}");
            }
        }
    }
}
