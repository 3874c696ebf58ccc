//! Which Python a command would run, found without running it.

use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::circumstances::Circumstances;
use super::document::{Interpreter, Prefix};
use super::machine::{after, listing};

/// An interpreter and where its packages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Python {
    /// As it was found, before links are followed.
    pub(super) program: Utf8PathBuf,
    /// The file that runs.
    pub(super) real: Utf8PathBuf,
    pub(super) prefix: Utf8PathBuf,
    /// Directories of packages that are there, the one that wins first.
    pub(super) sites: Vec<Utf8PathBuf>,
    kind: Prefix,
    /// `3.12`
    short: String,
    /// What `pyvenv.cfg` says the version is.
    written: Option<String>,
}

impl Python {
    /// `3.12`
    pub(super) fn short(&self) -> &str {
        &self.short
    }

    /// What is recorded of it. The exact version may have to be looked for in the program itself.
    pub(super) fn interpreter(&self) -> Interpreter {
        let name = self.real.file_name().unwrap_or_default();
        let home = self.real.parent().and_then(Utf8Path::parent);
        let home = home.unwrap_or(&self.prefix);
        let version = conda_version(&self.prefix)
            .or_else(|| header_version(home, &self.short))
            .or_else(|| built_in_version(&self.real, home, &self.short))
            .or_else(|| self.written.clone())
            .unwrap_or_else(|| self.short.clone());
        Interpreter {
            name: if name.starts_with("pypy") {
                "PyPy"
            } else {
                "CPython"
            }
            .to_owned(),
            version: Some(version),
            prefix: self.kind,
        }
    }
}

/// How commands name their interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Named {
    /// `python` or nothing of the kind: what is first on the `PATH`.
    Default,
    /// `python3.12`, on the `PATH`.
    Name(String),
    /// `.venv/bin/python`, from where the command runs.
    Path(String),
    /// `uv run`, `poetry run`: the project's `.venv`.
    Project,
}

impl Named {
    /// What the first command that names one names.
    pub(super) fn in_commands(commands: &[String]) -> Self {
        let mut found = commands
            .iter()
            .filter_map(|command| Self::in_command(command));
        found.next().unwrap_or(Self::Default)
    }

    fn in_command(command: &str) -> Option<Self> {
        let mut before = "";
        for word in command.split_whitespace() {
            let word = word.trim_matches(['"', '\'', '(', ')', ';', '&', '|', '`']);
            if word == "run" && ["uv", "poetry", "pdm"].contains(&before) {
                return Some(Self::Project);
            }
            before = word;
            let (folder, name) = word.rsplit_once('/').unwrap_or(("", word));
            if !is_python(name) {
                continue;
            }
            return Some(
                if word.contains(['$', '~', '*']) || (folder.is_empty() && name == "python") {
                    Self::Default
                } else if word.contains('/') {
                    Self::Path(word.to_owned())
                } else {
                    Self::Name(name.to_owned())
                },
            );
        }
        None
    }
}

/// `python`, `python3`, `python3.12`, `pypy3`.
fn is_python(name: &str) -> bool {
    let rest = name
        .strip_prefix("python")
        .or_else(|| name.strip_prefix("pypy"));
    rest.is_some_and(|rest| {
        rest.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// The interpreter that a command in `directory` would run; none if there is none, or only a
/// wrapper of which nobody can tell what it runs.
pub(super) fn find(
    named: &Named,
    directory: &Utf8Path,
    root: &Utf8Path,
    virtual_environment: Option<&Utf8Path>,
    circumstances: &Circumstances,
) -> Option<Python> {
    let on_path = |names: &[&str]| {
        let first = virtual_environment.map(|home| home.join("bin"));
        let path = circumstances.directories("PATH").map(Utf8Path::to_owned);
        let mut folders = first.into_iter().chain(path);
        folders.find_map(|folder| {
            names
                .iter()
                .map(|name| folder.join(name))
                .filter(|program| is_program(program))
                .find_map(|program| behind_shim(program, directory, circumstances))
        })
    };
    let program = match named {
        Named::Default => on_path(&["python", "python3"]),
        Named::Name(name) => on_path(&[name]),
        Named::Path(path) => Some(directory.join(path)).filter(|program| is_program(program)),
        Named::Project => directory
            .ancestors()
            .take_while(|folder| folder.starts_with(root))
            .map(|folder| folder.join(".venv/bin/python"))
            .find(|program| is_program(program)),
    }?;
    describe(program, circumstances)
}

pub(super) fn is_program(path: &Utf8Path) -> bool {
    fs_err::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Every interpreter on the `PATH`, and every one of pyenv's; those that are found first come first.
pub(super) fn all(circumstances: &Circumstances) -> Vec<Python> {
    let mut programs = Vec::new();
    for folder in circumstances.directories("PATH") {
        let mut folders = vec![folder.to_owned()];
        if let Some(home) = shims_home(folder) {
            let versions = listing(&home.join("versions"));
            folders = versions.iter().map(|path| path.join("bin")).collect();
            folders.sort();
        }
        for folder in folders {
            let mut here = listing(&folder);
            here.retain(|path| path.file_name().is_some_and(is_python) && is_program(path));
            here.sort();
            programs.extend(here);
        }
    }
    let mut found: Vec<Python> = Vec::new();
    for program in programs {
        if let Some(python) = describe(program, circumstances)
            && !found.iter().any(|known| known.real == python.real)
        {
            found.push(python);
        }
    }
    found
}

/// pyenv's own directory, of that of its scripts.
fn shims_home(folder: &Utf8Path) -> Option<&Utf8Path> {
    let home = folder
        .parent()
        .filter(|_| folder.file_name() == Some("shims"))?;
    home.join("versions").is_dir().then_some(home)
}

/// pyenv puts a script of the same name before every Python; by its rules the real one is found.
/// None means: look further on the `PATH`.
fn behind_shim(
    program: Utf8PathBuf,
    directory: &Utf8Path,
    circumstances: &Circumstances,
) -> Option<Utf8PathBuf> {
    let home = program.parent().and_then(shims_home);
    let (Some(home), Some(name)) = (home, program.file_name()) else {
        return Some(program);
    };
    let chosen = circumstances
        .get("PYENV_VERSION")
        .map(|versions| versions.replace(':', "\n"))
        .or_else(|| {
            let files = directory
                .ancestors()
                .map(|folder| folder.join(".python-version"));
            let mut files = files.chain([home.join("version")]);
            files.find_map(|file| fs_err::read_to_string(file).ok())
        })
        .unwrap_or_default();
    let installed: Vec<Utf8PathBuf> = listing(&home.join("versions"));
    chosen
        .split_whitespace()
        .filter_map(|version| {
            let version = version.strip_prefix("python-").unwrap_or(version);
            // `3.12` is the newest of those that are installed.
            let exact = installed
                .iter()
                .find(|path| path.file_name() == Some(version));
            let newest = || {
                let begin = format!("{version}.");
                let begins = |path: &&Utf8PathBuf| {
                    path.file_name()
                        .is_some_and(|name| name.starts_with(&begin))
                };
                let patch = |path: &&Utf8PathBuf| -> u32 {
                    let name = path.file_name().unwrap_or_default();
                    name.strip_prefix(&begin)
                        .and_then(|rest| rest.parse().ok())
                        .unwrap_or(0)
                };
                installed.iter().filter(begins).max_by_key(patch)
            };
            exact.or_else(newest)
        })
        .map(|version| version.join("bin").join(name))
        .find(|program| is_program(program))
}

/// What can be told of an interpreter from the files around it.
fn describe(program: Utf8PathBuf, circumstances: &Circumstances) -> Option<Python> {
    let real = program.canonicalize_utf8().ok()?;
    let real_prefix = real.parent()?.parent()?.to_owned();
    let near = program.parent()?.parent()?.to_owned();
    let settings = fs_err::read_to_string(near.join("pyvenv.cfg")).ok();
    let prefix = if settings.is_some() {
        near
    } else {
        real_prefix.clone()
    };
    let setting = |names: &[&str]| {
        settings
            .iter()
            .flat_map(|text| text.lines())
            .find_map(|line| {
                let (name, value) = line.split_once('=')?;
                names
                    .contains(&name.trim())
                    .then(|| value.trim().to_owned())
            })
    };
    let kind = if settings.is_some() {
        Prefix::Virtual
    } else if prefix.join("conda-meta").is_dir() {
        Prefix::Conda
    } else {
        Prefix::System
    };
    let name = real.file_name().unwrap_or_default();
    let written = setting(&["version", "version_info"]);
    let short = short_version(name.trim_start_matches(|letter: char| letter.is_ascii_alphabetic()))
        .or_else(|| short_version(written.as_deref()?))
        .or_else(|| only_library(&prefix));
    // A link to something that is no Python and no virtual environment is a wrapper.
    if settings.is_none() && starts_with_script(&real) {
        return None;
    }
    let shared = setting(&["include-system-site-packages"]).is_some_and(|value| value == "true");
    let short = short?;
    let sites = sites(
        &short,
        &prefix,
        (kind != Prefix::Virtual || shared).then_some(&*real_prefix),
        circumstances,
    );
    Some(Python {
        program,
        real,
        prefix,
        sites,
        kind,
        short,
        written,
    })
}

fn starts_with_script(path: &Utf8Path) -> bool {
    use std::io::Read as _;
    let mut begin = [0; 2];
    fs_err::File::open(path).is_ok_and(|mut file| file.read_exact(&mut begin).is_ok())
        && begin == *b"#!"
}

/// `3.12` of `3.12.1` or `3.12`.
fn short_version(version: &str) -> Option<String> {
    let (major, rest) = version.split_once('.')?;
    let minor = rest.split('.').next()?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(major) && number(minor)).then(|| format!("{major}.{minor}"))
}

/// Of `lib/python3.12`, if there is no other.
fn only_library(prefix: &Utf8Path) -> Option<String> {
    let libraries = listing(&prefix.join("lib"));
    let mut found = libraries
        .iter()
        .filter_map(|path| short_version(path.file_name()?.strip_prefix("python")?));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Of `conda-meta/python-3.12.1-hab00c5b_0.json`.
fn conda_version(prefix: &Utf8Path) -> Option<String> {
    listing(&prefix.join("conda-meta")).iter().find_map(|path| {
        let rest = path.file_name()?.strip_prefix("python-")?;
        let version = rest.split('-').next()?;
        short_version(version).map(|_| version.to_owned())
    })
}

/// Of the header that comes with Python.
fn header_version(prefix: &Utf8Path, short: &str) -> Option<String> {
    let path = prefix.join(format!("include/python{short}/patchlevel.h"));
    let text = fs_err::read_to_string(path).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("#define PY_VERSION"))?;
    let version = line.trim().trim_matches('"');
    version.starts_with(short).then(|| version.to_owned())
}

/// The version that stands in the program, or in its library, as text.
fn built_in_version(real: &Utf8Path, prefix: &Utf8Path, short: &str) -> Option<String> {
    let library = prefix.join(format!("lib/libpython{short}.so.1.0"));
    let triple = format!(
        "lib/{}-linux-gnu/libpython{short}.so.1.0",
        std::env::consts::ARCH
    );
    let needle = format!("\0{short}.");
    [real.to_owned(), library, prefix.join(triple)]
        .into_iter()
        .filter_map(|path| fs_err::read(path).ok())
        .find_map(|bytes| {
            let mut rest = bytes.as_slice();
            while let Some(found) = after(rest, needle.as_bytes()) {
                let end = found.iter().position(|byte| *byte == 0)?;
                let patch = std::str::from_utf8(found.get(..end)?).unwrap_or_default();
                if is_patch(patch) {
                    return Some(format!("{short}.{patch}"));
                }
                rest = found;
            }
            None
        })
}

/// `4`, `0rc1`, `2+`
fn is_patch(text: &str) -> bool {
    let rest = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    text.len() != rest.len()
        && text.len() < 8
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'a' | b'b' | b'r' | b'c' | b'+'))
}

/// Directories of packages in the order of `sys.path`.
fn sites(
    short: &str,
    prefix: &Utf8Path,
    system: Option<&Utf8Path>,
    circumstances: &Circumstances,
) -> Vec<Utf8PathBuf> {
    let mut found: Vec<Utf8PathBuf> = circumstances
        .directories("PYTHONPATH")
        .map(Utf8Path::to_owned)
        .collect();
    if let (Some(home), None, Some(_)) = (
        circumstances.get("HOME"),
        circumstances.get("PYTHONNOUSERSITE"),
        system,
    ) {
        found.push(Utf8Path::new(home).join(format!(".local/lib/python{short}/site-packages")));
    }
    for library in ["lib", "lib64"] {
        found.push(prefix.join(format!("{library}/python{short}/site-packages")));
    }
    if let Some(system) = system {
        if system == "/usr" {
            for kind in ["site", "dist"] {
                found.push(format!("/usr/local/lib/python{short}/{kind}-packages").into());
            }
        }
        for library in ["lib", "lib64"] {
            found.push(system.join(format!("{library}/python{short}/site-packages")));
        }
        found.push(system.join("lib/python3/dist-packages"));
    }
    let mut seen = Vec::new();
    found.retain(|path| {
        // `lib64` is often a link to `lib`.
        let Ok(real) = path.canonicalize_utf8() else {
            return false;
        };
        let new = real.is_dir() && !seen.contains(&real);
        seen.push(real);
        new
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_their_interpreter() {
        let named = |command: &str| Named::in_commands(&[command.to_owned()]);
        for command in [
            "python train.py",
            "cat x | sort",
            "$HOME/bin/python x",
            "pythonic",
            "make",
        ] {
            assert_eq!(named(command), Named::Default, "{command}");
        }
        assert_eq!(
            named("A=1 python3.12 -m x"),
            Named::Name("python3.12".into())
        );
        assert_eq!(
            named("cd x && ./v/bin/python x"),
            Named::Path("./v/bin/python".into())
        );
        assert_eq!(named("uv run train.py"), Named::Project);
        assert_eq!(named("poetry run python train.py"), Named::Project);
    }

    #[test]
    fn versions_are_told_from_other_text() {
        assert_eq!(short_version("3.12.1").as_deref(), Some("3.12"));
        assert_eq!(short_version("3"), None);
        assert_eq!(short_version("3.x"), None);
        for patch in ["4", "0rc1", "2+", "12"] {
            assert!(is_patch(patch), "{patch}");
        }
        for other in ["", "rc", "4 (main)", "so.1.0", "123456789"] {
            assert!(!is_patch(other), "{other}");
        }
    }
}
