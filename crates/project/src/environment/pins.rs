//! Hashes of what packages are installed from, out of the files in which projects pin them.

use std::collections::HashMap;

use camino::{Utf8Path, Utf8PathBuf};
use toml::{Table, Value};

use super::installed::normal_name;
use super::machine::listing;

/// Hashes by package and version, each with the name of its file where that is known.
#[derive(Debug, Default)]
pub(super) struct Pins {
    known: HashMap<(String, String), Vec<Pin>>,
}

/// One file that a package may be installed from.
#[derive(Debug)]
struct Pin {
    file: Option<String>,
    /// `sha256:…`
    hash: String,
}

impl Pin {
    /// Its name, if it is a wheel.
    fn wheel(&self) -> Option<&str> {
        self.file.as_deref()?.strip_suffix(".whl")
    }
}

/// The files of a project that pin packages, in order: `uv.lock`, `pylock.toml` and
/// `requirements*.txt` in these directories.
pub(super) fn pin_files(directories: &[&Utf8Path]) -> Vec<Utf8PathBuf> {
    let mut found: Vec<Utf8PathBuf> = directories
        .iter()
        .flat_map(|directory| listing(directory))
        .filter(|path| {
            path.file_name().is_some_and(|name| {
                name == "uv.lock"
                    || name == "pylock.toml"
                    || (name.starts_with("requirements") && path.extension() == Some("txt"))
            })
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

impl Pins {
    /// What cannot be read pins nothing.
    pub(super) fn read(files: &[Utf8PathBuf]) -> Self {
        let mut pins = Self::default();
        for path in files {
            let Ok(text) = fs_err::read_to_string(path) else {
                continue;
            };
            if path.extension() == Some("txt") {
                pins.add_requirements(&text);
            } else {
                pins.add_lock(&text);
            }
        }
        pins
    }

    /// The hashes of the file that a package was installed from, as its tags say; of all files of
    /// that version where it cannot be told.
    pub(super) fn hashes(&self, name: &str, version: &str, tags: &[String]) -> Vec<String> {
        let Some(known) = self.known.get(&(name.to_owned(), version.to_owned())) else {
            return Vec::new();
        };
        let of_wheel: Vec<&str> = known
            .iter()
            .filter(|pin| {
                let own = pin.wheel().map(wheel_tags).unwrap_or_default();
                own.iter().any(|tag| tags.contains(tag))
            })
            .map(|pin| pin.hash.as_str())
            .collect();
        let others = known
            .iter()
            .filter(|pin| pin.wheel().is_none())
            .map(|pin| pin.hash.as_str());
        let mut hashes: Vec<String> = if of_wheel.is_empty() {
            others.map(str::to_owned).collect()
        } else {
            of_wheel.into_iter().map(str::to_owned).collect()
        };
        hashes.sort();
        hashes.dedup();
        hashes
    }

    fn add(&mut self, name: &str, version: &str, file: Option<&str>, hash: &str) {
        let digits = hash.split_once(':').map_or("", |(_, digits)| digits);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let key = (normal_name(name), version.to_owned());
            let pinned = self.known.entry(key).or_default();
            pinned.push(Pin {
                file: file.map(str::to_owned),
                hash: hash.to_ascii_lowercase(),
            });
        }
    }

    /// `uv.lock`, with one `hash` for each file, or `pylock.toml` (PEP 751), with `hashes`.
    fn add_lock(&mut self, text: &str) {
        let Ok(lock) = text.parse::<Table>() else {
            return;
        };
        let packages = lock.get("package").or_else(|| lock.get("packages"));
        for package in packages.and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| package.get(key).and_then(Value::as_str);
            let (Some(name), Some(version)) = (text("name"), text("version")) else {
                continue;
            };
            let wheels = package.get("wheels").and_then(Value::as_array);
            for file in wheels.into_iter().flatten().chain(package.get("sdist")) {
                let text = |key: &str| file.get(key).and_then(Value::as_str);
                let place = text("filename")
                    .or_else(|| text("name"))
                    .or_else(|| text("url"))
                    .or_else(|| text("path"));
                let place = place.and_then(|place| place.rsplit('/').next());
                let sha256 = || {
                    let hash = file.get("hashes")?.get("sha256")?.as_str()?;
                    Some(format!("sha256:{hash}"))
                };
                if let Some(hash) = text("hash").map(str::to_owned).or_else(sha256) {
                    self.add(name, version, place, &hash);
                }
            }
        }
    }

    /// `name==version --hash=sha256:…`, over lines that end with a backslash.
    fn add_requirements(&mut self, text: &str) {
        for line in text.replace("\\\r\n", " ").replace("\\\n", " ").lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            let Some((name, rest)) = line.split_once("==") else {
                continue;
            };
            let name = name.split('[').next().unwrap_or_default().trim();
            let version = rest
                .split(|letter: char| letter.is_whitespace() || letter == ';')
                .find(|word| !word.is_empty());
            let hashes = line
                .split_whitespace()
                .filter_map(|word| word.strip_prefix("--hash="));
            for hash in hashes {
                self.add(name, version.unwrap_or_default(), None, hash);
            }
        }
    }
}

/// The tags in the name of a wheel, each of those that it stands for:
/// `numpy-2.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64` has two.
fn wheel_tags(name: &str) -> Vec<String> {
    let mut parts = name.rsplitn(4, '-');
    let (Some(platforms), Some(abis), Some(pythons)) = (parts.next(), parts.next(), parts.next())
    else {
        return Vec::new();
    };
    let mut tags = Vec::new();
    for python in pythons.split('.') {
        for abi in abis.split('.') {
            tags.extend(
                platforms
                    .split('.')
                    .map(|platform| format!("{python}-{abi}-{platform}")),
            );
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_of_uv_gives_the_hash_of_the_wheel_that_is_installed() {
        let mut pins = Pins::default();
        pins.add_lock(
            r#"
version = 1
[[package]]
name = "numpy"
version = "2.0.0"
sdist = { url = "https://host/numpy-2.0.0.tar.gz", hash = "sha256:aa", size = 1 }
wheels = [
    { url = "https://host/numpy-2.0.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", hash = "sha256:bb" },
    { url = "https://host/numpy-2.0.0-cp312-cp312-macosx_11_0_arm64.whl", hash = "sha256:cc" },
]
"#,
        );
        let tags = ["cp312-cp312-manylinux2014_x86_64".to_owned()];
        assert_eq!(pins.hashes("numpy", "2.0.0", &tags), ["sha256:bb"]);
        // Built here, from the source.
        let tags = ["cp312-cp312-linux_x86_64".to_owned()];
        assert_eq!(pins.hashes("numpy", "2.0.0", &tags), ["sha256:aa"]);
        assert!(pins.hashes("numpy", "2.0.1", &tags).is_empty());
    }

    #[test]
    fn requirements_give_all_their_hashes() {
        let mut pins = Pins::default();
        pins.add_requirements(
            "# pinned\nSix==1.16.0 ; python_version > '3' \\\n    --hash=sha256:01 \\\n    --hash=sha256:02\nrich\n\
             broken== --hash=sha256:zz\n",
        );
        assert_eq!(
            pins.hashes("six", "1.16.0", &[]),
            ["sha256:01", "sha256:02"]
        );
        assert_eq!(pins.known.len(), 1);
    }

    #[test]
    fn a_lock_of_pep_751_is_read_too() {
        let mut pins = Pins::default();
        pins.add_lock(
            "[[packages]]\nname = 'attrs'\nversion = '25.1.0'\nwheels = [{name = 'attrs-25.1.0-py3-none-any.whl', hashes = {sha256 = 'ab'}}]\n",
        );
        assert_eq!(
            pins.hashes("attrs", "25.1.0", &["py3-none-any".to_owned()]),
            ["sha256:ab"]
        );
        pins.add_lock("not toml [");
    }
}
