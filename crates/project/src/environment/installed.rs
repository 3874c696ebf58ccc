//! Installed packages, as the files beside them say.

use std::io::{BufRead as _, BufReader};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::hash_bytes;
use serde::Deserialize;

use super::document::{Manager, Package, PackageOrigin};
use super::machine::listing;
use super::pins::Pins;
use super::url::without_secrets;

/// A header of `METADATA` is not behind this many lines.
const MOST_HEADERS: usize = 2000;
/// Files of a `.dist-info` that say how and by whom a package was installed.
const HOW_INSTALLED: [&str; 5] = [
    "INSTALLER",
    "RECORD",
    "REQUESTED",
    "direct_url.json",
    "uv_cache.json",
];

/// All packages in these directories, of which the first wins, and Conda's in `prefix`; ordered.
pub(super) fn packages(
    prefix: &Utf8Path,
    sites: &[Utf8PathBuf],
    project_root: &Utf8Path,
    pins: &Pins,
) -> Vec<Package> {
    let mut found = conda(prefix);
    let mut seen: Vec<String> = Vec::new();
    for site in sites {
        let mut here: Vec<Package> = listing(site)
            .iter()
            .filter_map(|path| package(path, project_root, pins))
            .collect();
        here.retain(|package| !seen.contains(&package.name));
        seen.extend(here.iter().map(|package| package.name.clone()));
        found.extend(here);
    }
    // What Conda installed has Conda's own record.
    let of_conda = !found.is_empty() && found.iter().any(|package| package.build.is_some());
    found.retain(|package| {
        package.manager != Manager::Conda || package.build.is_some() || !of_conda
    });
    found.sort_by(|left, right| {
        (&left.name, left.manager, &left.version).cmp(&(&right.name, right.manager, &right.version))
    });
    found.dedup_by(|later, earlier| later.name == earlier.name && later.manager == earlier.manager);
    found
}

/// The name as PEP 503 writes it.
pub(super) fn normal_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for letter in name.chars() {
        if !matches!(letter, '-' | '_' | '.') {
            normal.extend(letter.to_lowercase());
        } else if !normal.ends_with('-') {
            normal.push('-');
        }
    }
    normal
}

fn package(path: &Utf8Path, project_root: &Utf8Path, pins: &Pins) -> Option<Package> {
    let is_wheel = path.extension() == Some("dist-info");
    if !is_wheel && path.extension() != Some("egg-info") {
        return None;
    }
    let headers = if is_wheel {
        path.join("METADATA")
    } else if path.is_dir() {
        path.join("PKG-INFO")
    } else {
        path.to_owned()
    };
    let (name, version) = name_and_version(&headers).or_else(|| {
        let (name, rest) = path.file_stem()?.split_once('-')?;
        Some((name.to_owned(), rest.split('-').next()?.to_owned()))
    })?;
    let name = normal_name(&name);
    let beside = |file: &str| fs_err::read_to_string(path.join(file)).ok();
    let installer = beside("INSTALLER").unwrap_or_default();
    let record = beside("RECORD");
    let manager = match installer.trim() {
        "conda" => Manager::Conda,
        _ if !is_wheel && record.is_none() => Manager::System,
        "debian" | "rpm" | "apt" => Manager::System,
        _ => Manager::Pip,
    };
    let (origin, own_hash) = beside("direct_url.json")
        .and_then(|text| origin(&text, project_root))
        .map_or((None, None), |(origin, hash)| (Some(origin), hash));
    let hashes = match (&origin, own_hash) {
        (Some(_), hash) => hash.into_iter().collect(),
        (None, _) => pins.hashes(&name, &version, &wheel_tags(path)),
    };
    let editable = matches!(origin, Some(PackageOrigin::Local { editable: true, .. }));
    Some(Package {
        name,
        version,
        manager,
        build: None,
        content: record.filter(|_| !editable).and_then(|text| content(&text)),
        hashes,
        origin: origin.filter(|_| manager == Manager::Pip),
    })
}

fn name_and_version(headers: &Utf8Path) -> Option<(String, String)> {
    let file = fs_err::File::open(headers).ok()?;
    let (mut name, mut version) = (None, None);
    for line in BufReader::new(file).lines().take(MOST_HEADERS) {
        let line = line.ok()?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Name:") {
            name = Some(value.trim().to_owned());
        } else if let Some(value) = line.strip_prefix("Version:") {
            version = Some(value.trim().to_owned());
        }
        if name.is_some() && version.is_some() {
            break;
        }
    }
    Some((name?, version?))
}

/// The tags of the wheel that it was installed from: `cp312-cp312-manylinux_2_17_x86_64`.
fn wheel_tags(path: &Utf8Path) -> Vec<String> {
    let text = fs_err::read_to_string(path.join("WHEEL")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix("Tag:"))
        .map(|tag| tag.trim().to_owned())
        .collect()
}

/// The hash of the hashes in `RECORD` that come from the wheel: not of scripts, whose first line
/// is where Python is, of compiled files, or of what says who installed it.
fn content(record: &str) -> Option<String> {
    let mut lines: Vec<&str> = record
        .lines()
        .filter_map(|line| line.rsplit_once(',').map(|(entry, _size)| entry))
        .filter(|entry| is_of_wheel(entry))
        .collect();
    if lines.is_empty() {
        return None;
    }
    lines.sort_unstable();
    Some(format!(
        "md5:{}",
        hash_bytes(lines.join("\n").as_bytes()).hex()
    ))
}

/// Of a line of `RECORD` without its size.
fn is_of_wheel(entry: &str) -> bool {
    let (path, hash) = entry.rsplit_once(',').unwrap_or((entry, ""));
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    let folder = parts.next().unwrap_or_default();
    if hash.is_empty() || folder == "__pycache__" {
        return false;
    }
    let is_outside = path.starts_with(['/', '"']) || path.starts_with("../");
    let is_how = folder.ends_with(".dist-info") && HOW_INSTALLED.contains(&name);
    !is_outside && !is_how
}

/// `direct_url.json` of PEP 610.
#[derive(Deserialize)]
struct DirectUrl {
    url: String,
    subdirectory: Option<String>,
    vcs_info: Option<VcsInfo>,
    archive_info: Option<ArchiveInfo>,
    dir_info: Option<DirInfo>,
}

#[derive(Deserialize)]
struct VcsInfo {
    commit_id: String,
}

#[derive(Deserialize)]
struct ArchiveInfo {
    hash: Option<String>,
    #[serde(default)]
    hashes: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct DirInfo {
    #[serde(default)]
    editable: bool,
}

/// Where a package is from, and the hash of the archive it is from.
fn origin(text: &str, project_root: &Utf8Path) -> Option<(PackageOrigin, Option<String>)> {
    let direct: DirectUrl = serde_json::from_str(text).ok()?;
    let url = without_secrets(&direct.url);
    let subdirectory = direct.subdirectory;
    let local = url.strip_prefix("file://").map(Utf8PathBuf::from);
    if let Some(vcs) = direct.vcs_info {
        let origin = PackageOrigin::Git {
            url,
            commit: vcs.commit_id,
            subdirectory,
        };
        return Some((origin, None));
    }
    let archive = direct.archive_info.unwrap_or(ArchiveInfo {
        hash: None,
        hashes: std::collections::BTreeMap::new(),
    });
    let hash = archive
        .hashes
        .get("sha256")
        .map(|hash| format!("sha256:{hash}"))
        .or_else(|| Some(archive.hash?.replacen('=', ":", 1)));
    let origin = match local {
        Some(path) => PackageOrigin::Local {
            path: path
                .strip_prefix(project_root)
                .ok()
                .map(|below| match below.as_str() {
                    "" => ".".to_owned(),
                    below => below.to_owned(),
                }),
            editable: direct.dir_info.is_some_and(|info| info.editable),
        },
        None => PackageOrigin::Archive { url, subdirectory },
    };
    Some((origin, hash))
}

/// A file in `conda-meta`.
#[derive(Deserialize)]
struct CondaRecord {
    name: String,
    version: String,
    build: Option<String>,
    channel: Option<String>,
    sha256: Option<String>,
    md5: Option<String>,
}

fn conda(prefix: &Utf8Path) -> Vec<Package> {
    listing(&prefix.join("conda-meta"))
        .iter()
        .filter(|path| path.extension() == Some("json"))
        .filter_map(|path| {
            let text = fs_err::read_to_string(path).ok()?;
            let record: CondaRecord = serde_json::from_str(&text).ok()?;
            let sha256 = record.sha256.map(|hash| format!("sha256:{hash}"));
            let hash = sha256.or_else(|| Some(format!("md5:{}", record.md5?)));
            Some(Package {
                name: normal_name(&record.name),
                version: record.version,
                manager: Manager::Conda,
                build: Some(record.build.unwrap_or_default()),
                content: None,
                hashes: hash.into_iter().collect(),
                origin: record.channel.map(|channel| PackageOrigin::Archive {
                    url: without_secrets(&channel),
                    subdirectory: None,
                }),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_indexes_do() {
        assert_eq!(normal_name("Ruamel.YAML_clib"), "ruamel-yaml-clib");
        assert_eq!(normal_name("a-_.b"), "a-b");
    }

    #[test]
    fn the_same_wheel_has_the_same_content_whoever_installed_it() {
        let pip = "../../../bin/x,sha256=aa,9\nx.py,sha256=bb,3\n__pycache__/x.cpython-312.pyc,,\n\
                   x-1.dist-info/INSTALLER,sha256=cc,4\nx-1.dist-info/RECORD,,\nx-1.dist-info/METADATA,sha256=dd,9\n";
        let uv = "../../../bin/x,sha256=ee,9\nx-1.dist-info/METADATA,sha256=dd,9\nx.py,sha256=bb,3\n\
                  x-1.dist-info/INSTALLER,sha256=ff,2\nx-1.dist-info/RECORD,,\n";
        assert_eq!(content(pip), content(uv));
        assert!(content(pip).is_some());
        assert_ne!(content(pip), content(&uv.replace("=bb", "=b0")));
        assert_eq!(content("x.py,,\n"), None);
    }

    #[test]
    fn origins_are_told_apart() {
        let origin = |text: &str| origin(text, "/home/ana/project".into());
        let git =
            r#"{"url":"https://ana:hidden@host/x.git","vcs_info":{"vcs":"git","commit_id":"abc"}}"#;
        let expected = PackageOrigin::Git {
            url: "https://host/x.git".into(),
            commit: "abc".into(),
            subdirectory: None,
        };
        assert_eq!(origin(git), Some((expected, None)));
        let editable = r#"{"url":"file:///home/ana/project/lib","dir_info":{"editable":true}}"#;
        let expected = PackageOrigin::Local {
            path: Some("lib".into()),
            editable: true,
        };
        assert_eq!(origin(editable), Some((expected, None)));
        let archive = r#"{"url":"https://host/x.whl","archive_info":{"hash":"sha256=12"}}"#;
        let expected = PackageOrigin::Archive {
            url: "https://host/x.whl".into(),
            subdirectory: None,
        };
        assert_eq!(origin(archive), Some((expected, Some("sha256:12".into()))));
        assert_eq!(origin("{"), None);
    }
}
