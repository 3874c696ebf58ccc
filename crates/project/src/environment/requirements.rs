//! Recorded packages as pip and uv ask for them.

use serde::Serialize;

use super::document::{Manager, Package, PackageOrigin};
use crate::ProjectError;

/// Whether what is installed has to have the hashes that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hashes {
    Checked,
    Unknown,
}

/// A package that cannot be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    pub package: String,
    pub version: String,
    pub why: &'static str,
}

/// One line for each package.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Requirements {
    /// With hashes, which all lines of a file have or none.
    pub(super) hashed: Vec<String>,
    pub(super) plain: Vec<String>,
    pub(super) left_out: Vec<LeftOut>,
}

/// What to install for these packages.
///
/// # Errors
///
/// A name, version or address that is none: the lines are read by a program, and the document may
/// be from anybody.
pub(super) fn requirements(
    packages: &[Package],
    hashes: Hashes,
) -> Result<Requirements, ProjectError> {
    let mut found = Requirements::default();
    for package in packages {
        if let Some(why) = cannot(package) {
            found.left_out.push(LeftOut {
                package: package.name.clone(),
                version: package.version.clone(),
                why,
            });
            continue;
        }
        let line = line(package).ok_or_else(|| ProjectError::NotInstallable {
            package: package.name.clone(),
            version: package.version.clone(),
        })?;
        let is_git = matches!(package.origin, Some(PackageOrigin::Git { .. }));
        if package.hashes.is_empty() || is_git || hashes == Hashes::Unknown {
            found.plain.push(line);
        } else {
            let hashes = package.hashes.iter().map(|hash| format!(" --hash={hash}"));
            found.hashed.push(line + &hashes.collect::<String>());
        }
    }
    Ok(found)
}

fn cannot(package: &Package) -> Option<&'static str> {
    match (package.manager, &package.origin) {
        (Manager::Conda, _) => Some("it is Conda's"),
        (Manager::System, _) => Some("it is the operating system's"),
        (_, Some(PackageOrigin::Local { editable: true, .. })) => Some("it is editable"),
        (_, Some(PackageOrigin::Local { .. })) => Some("it is from a file of the machine"),
        _ => None,
    }
}

fn line(package: &Package) -> Option<String> {
    let Package { name, version, .. } = package;
    let letters = |text: &str, others: &str| {
        let valid = |letter: char| letter.is_ascii_alphanumeric() || others.contains(letter);
        text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.chars().all(valid)
    };
    let is_hash = |hash: &String| {
        let (kind, digits) = hash.split_once(':').unwrap_or_default();
        letters(kind, "") && letters(digits, "")
    };
    let is_path = |path: &&String| letters(path, "/._-");
    if !letters(name, "-") || !letters(version, ".!+_-") || !package.hashes.iter().all(is_hash) {
        return None;
    }
    let fragment = |subdirectory: &Option<String>| match subdirectory {
        None => Some(String::new()),
        Some(path) => Some(path)
            .filter(is_path)
            .map(|path| format!("#subdirectory={path}")),
    };
    match &package.origin {
        None => Some(format!("{name}=={version}")),
        Some(PackageOrigin::Git {
            url,
            commit,
            subdirectory,
        }) => {
            let fragment = fragment(subdirectory)?;
            let valid = is_address(url, &["https", "http", "ssh", "git"]) && letters(commit, "");
            valid.then(|| format!("{name} @ git+{url}@{commit}{fragment}"))
        }
        Some(PackageOrigin::Archive { url, subdirectory }) => {
            let fragment = fragment(subdirectory)?;
            is_address(url, &["https", "http"]).then(|| format!("{name} @ {url}{fragment}"))
        }
        Some(PackageOrigin::Local { .. }) => None,
    }
}

fn is_address(url: &str, schemes: &[&str]) -> bool {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| schemes.contains(&scheme))
        && url.chars().all(|letter| letter.is_ascii_graphic())
        && !url.contains(['#', ';', '\\', '"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            manager: Manager::Pip,
            build: None,
            content: None,
            hashes: Vec::new(),
            origin: None,
        }
    }

    #[test]
    fn packages_become_lines() {
        let six = Package {
            hashes: vec!["sha256:01".into(), "sha256:02".into()],
            ..package("six", "1.16.0")
        };
        let git = Package {
            origin: Some(PackageOrigin::Git {
                url: "https://host/x.git".into(),
                commit: "abc".into(),
                subdirectory: Some("python".into()),
            }),
            ..package("x", "1")
        };
        let editable = Package {
            origin: Some(PackageOrigin::Local {
                path: None,
                editable: true,
            }),
            ..package("own", "0.1")
        };
        let all = [six, package("plain", "1.0+cu121"), git, editable];
        let found = requirements(&all, Hashes::Checked).unwrap();
        assert_eq!(
            found.hashed,
            ["six==1.16.0 --hash=sha256:01 --hash=sha256:02"]
        );
        assert_eq!(
            found.plain,
            [
                "plain==1.0+cu121",
                "x @ git+https://host/x.git@abc#subdirectory=python"
            ]
        );
        assert_eq!(found.left_out[0].why, "it is editable");
        let elsewhere = requirements(&all, Hashes::Unknown).unwrap();
        assert!(elsewhere.hashed.is_empty() && elsewhere.plain[0] == "six==1.16.0");
    }

    #[test]
    fn nothing_but_packages_is_asked_for() {
        let archive = |url: &str| Package {
            origin: Some(PackageOrigin::Archive {
                url: url.into(),
                subdirectory: None,
            }),
            ..package("x", "1")
        };
        for bad in [
            package("--index-url=x", "1"),
            package("x\n-r y", "1"),
            package("x", "1 --pre"),
            package("x", "1\n-e ."),
            package("x", ""),
            Package {
                hashes: vec!["sha256:01 --pre".into()],
                ..package("x", "1")
            },
            archive("file:///etc/x"),
            archive("https://host/x y"),
            archive("https://host/x\n-e ."),
        ] {
            requirements(&[bad], Hashes::Checked).unwrap_err();
        }
    }
}
