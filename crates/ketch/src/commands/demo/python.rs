//! The example's Python packages, in a virtual environment that every demo shares.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::fs::FlockOperation;

use super::{error::DemoError, example::REQUIREMENTS, narrator::Narrator};

/// Written when an environment is whole; one without it is made anew.
const COMPLETE: &str = "ketch-complete";

/// Asked of a Python: version, where it is, and whether it can make environments.
const PROBE: &str = "import sys, venv, ensurepip; \
    print('%d %d' % sys.version_info[:2]); print(sys.executable); print(sys.version)";

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
        let output = match Command::new(candidate).args(["-I", "-c", PROBE]).output() {
            Ok(output) => output,
            Err(error) => {
                looked.push(format!("`{candidate}`: {error}"));
                continue;
            }
        };
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            let message = message.lines().last().unwrap_or("it fails").to_owned();
            no_venv = Some(DemoError::NoVenv {
                python: candidate.to_owned(),
                message,
            });
            continue;
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        let version = lines.next().unwrap_or_default().to_owned();
        let numbers: Vec<u32> = version
            .split(' ')
            .filter_map(|number| number.parse().ok())
            .collect();
        if numbers.as_slice() < [3, 9].as_slice() {
            looked.push(format!("`{candidate}` is {}", version.replace(' ', ".")));
            continue;
        }
        return Ok(Python {
            executable: lines.next().unwrap_or(candidate).to_owned(),
            identity: text.clone(),
            version: version.replace(' ', "."),
        });
    }
    Err(no_venv.unwrap_or_else(|| DemoError::NoPython {
        looked: looked.join(", "),
    }))
}

/// Makes the environment, or takes the one that is there, and returns its folder.
///
/// Two demos at once wait for each other; one that was killed leaves an environment without its
/// mark, which is made anew.
pub(super) fn prepare(
    python: &Python,
    cache: &Utf8Path,
    directory: &Utf8Path,
    narrator: &Narrator,
) -> Result<Utf8PathBuf, DemoError> {
    let key = ketch_store::hash_bytes(format!("{}\n{REQUIREMENTS}", python.identity).as_bytes());
    let environments = cache.join("environments");
    fs::create_dir_all(&environments)?;
    let folder = environments.join(format!("rain-{}", &key.hex()[..16]));
    let lock = fs::File::create(environments.join(format!("{}.lock", &key.hex()[..16])))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(std::io::Error::from)?;
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
        Command::new(&python.executable).args(["-m", "venv", folder.as_str()]),
        python,
    )?;
    install(&folder, directory, narrator)?;
    fs::write(folder.join(COMPLETE), "")?;
    Ok(folder)
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
        message: text.lines().last().unwrap_or("it fails").to_owned(),
    })
}

fn install(folder: &Utf8Path, directory: &Utf8Path, narrator: &Narrator) -> Result<(), DemoError> {
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
        .stdin(Stdio::null())
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
        message: told
            .or(errors.lines().last())
            .unwrap_or("no message")
            .to_owned(),
        directory: directory.to_owned(),
    })
}
