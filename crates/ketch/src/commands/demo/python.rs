//! The example's Python packages, in a virtual environment that every demo shares.

use std::{
    io::{BufRead as _, BufReader, ErrorKind, Read as _},
    process::{Command, Stdio},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use super::{error::DemoError, example::REQUIREMENTS, narrator::Narrator};

/// The first Python that the example's packages are there for.
const OLDEST: (u32, u32) = (3, 9);

/// Written when an environment is whole; one without it is made anew.
const COMPLETE: &str = "ketch-complete";

/// Asked of a Python: version, where it is, and then whether it can make environments.
const PROBE: &str = "import sys; print('%d %d' % sys.version_info[:2]); \
    print(sys.executable); print(sys.version); import venv, ensurepip";

/// A Python that can make the environment.
#[derive(Debug)]
pub(super) struct Python {
    executable: String,
    identity: String,
    pub(super) version: String,
}

/// Finds a Python that is new enough: the one that was named, or the first one on the path.
pub(super) fn find(named: Option<&str>) -> Result<Python, DemoError> {
    let candidates = named.map_or_else(|| vec!["python3", "python"], |named| vec![named]);
    let mut looked = Vec::new();
    let mut no_venv = None;
    for candidate in candidates {
        let mut command = Command::new(candidate);
        command.args(["-I", "-c", PROBE]).stdin(Stdio::null());
        let output = match command.output() {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                looked.push(format!("there is no `{candidate}`"));
                continue;
            }
            Err(error) => {
                looked.push(format!("`{candidate}` does not run: {error}"));
                continue;
            }
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        let Some(version) = lines.next().and_then(version) else {
            looked.push(format!("`{candidate}` does not answer as Python 3 does"));
            continue;
        };
        let shown = format!("{}.{}", version.0, version.1);
        if version < OLDEST {
            looked.push(format!("`{candidate}` is Python {shown}"));
            continue;
        }
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            no_venv.get_or_insert(DemoError::NoVenv {
                python: candidate.to_owned(),
                message: last_line(&message),
            });
            continue;
        }
        let executable = lines.next().filter(|path| !path.is_empty());
        return Ok(Python {
            executable: executable.unwrap_or(candidate).to_owned(),
            identity: text.clone(),
            version: shown,
        });
    }
    Err(no_venv.unwrap_or_else(|| DemoError::NoPython {
        looked: looked.join(", "),
    }))
}

/// `3 12` as a pair.
fn version(line: &str) -> Option<(u32, u32)> {
    let (major, minor) = line.split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// What an error of Python's ends with is what it is about.
fn last_line(text: &str) -> String {
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.unwrap_or("it gives no reason").trim().to_owned()
}

/// Makes the environment, or takes the one that is there, and returns its folder.
///
/// Two demos at once wait for each other; one that was killed leaves an environment without its
/// mark, which is made anew. The programs that fill it hold the lock too (it is their standard
/// input), so that nobody begins anew while one that outlived its ketch still writes.
pub(super) fn prepare(
    python: &Python,
    cache: &Utf8Path,
    narrator: &Narrator,
) -> Result<Utf8PathBuf, DemoError> {
    let key = ketch_store::hash_bytes(format!("{}\n{REQUIREMENTS}", python.identity).as_bytes());
    let environments = cache.join("environments");
    fs::create_dir_all(&environments)?;
    let folder = environments.join(format!("rain-{}", &key.hex()[..16]));
    let lock = fs::File::create(environments.join(format!("{}.lock", &key.hex()[..16])))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        narrator.detail("waiting for another demo, which is making the Python environment");
        flock(&lock, FlockOperation::LockExclusive).map_err(std::io::Error::from)?;
    }
    if folder.join(COMPLETE).exists() {
        narrator.detail(&format!(
            "Python {} with the packages of an earlier run",
            python.version
        ));
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    narrator.detail(&format!(
        "Python {}: making a virtual environment",
        python.version
    ));
    run_quietly(
        Command::new(&python.executable)
            .args(["-m", "venv", folder.as_str()])
            .stdin(held(&lock)?),
        python,
    )?;
    install(&folder, &lock, narrator)?;
    fs::write(folder.join(COMPLETE), "")?;
    Ok(folder)
}

/// An empty standard input that keeps the lock for as long as the program runs.
fn held(lock: &fs::File) -> std::io::Result<Stdio> {
    Ok(Stdio::from(lock.file().try_clone()?))
}

fn run_quietly(command: &mut Command, python: &Python) -> Result<(), DemoError> {
    let program = |source| DemoError::Program {
        program: python.executable.clone(),
        source,
    };
    let output = command.output().map_err(program)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    Err(DemoError::NoVenv {
        python: python.executable.clone(),
        message: last_line(&text),
    })
}

fn install(folder: &Utf8Path, lock: &fs::File, narrator: &Narrator) -> Result<(), DemoError> {
    let python = folder.join("bin/python");
    let program = |source| DemoError::Program {
        program: python.to_string(),
        source,
    };
    let requirements = folder.join("requirements.lock");
    fs::write(&requirements, REQUIREMENTS)?;
    let mut child = Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
        ])
        .args([
            "--only-binary=:all:",
            "--require-hashes",
            "--no-deps",
            "--progress-bar=off",
        ])
        .args(["--requirement", requirements.as_str()])
        .stdin(held(lock)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(program)?;
    let errors = child.stderr.take().map(|mut stderr| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            // What cannot be read cannot be shown either.
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let line = line.trim();
            if line.starts_with("Downloading ") || line.starts_with("Using cached ") {
                narrator.download(line);
            } else if line.starts_with("Installing ") {
                narrator.detail("installing the packages");
            }
        }
    }
    let status = child.wait().map_err(program)?;
    let errors = errors
        .and_then(|errors| errors.join().ok())
        .unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    let told = errors.lines().rfind(|line| line.starts_with("ERROR"));
    Err(DemoError::Pip {
        message: told.map_or_else(
            || last_line(&errors),
            |line| line.trim_start_matches("ERROR: ").to_owned(),
        ),
    })
}
