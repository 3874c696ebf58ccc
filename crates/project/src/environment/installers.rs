//! Programs that make virtual environments: uv, or Python with its own `venv` and pip.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::circumstances::Circumstances;
use super::document::Interpreter;
use super::python::{Python, all, is_program};
use super::requirements::Hashes;
use crate::ProjectError;

/// How many of the last lines of a program's output an error carries.
const TAIL: usize = 12;

/// What makes a virtual environment and installs into it.
#[derive(Debug)]
pub(super) enum Installer {
    /// uv, which finds or fetches the interpreter.
    Uv(Utf8PathBuf),
    /// An interpreter.
    Venv(Utf8PathBuf),
}

/// uv if it is on the `PATH`; else a Python of the same version, or of the same minor one.
pub(super) fn choose(
    interpreter: &Interpreter,
    circumstances: &Circumstances,
) -> Result<Installer, ProjectError> {
    let mut uv = circumstances
        .directories("PATH")
        .map(|path| path.join("uv"));
    if let Some(uv) = uv.find(|uv| is_program(uv)) {
        return Ok(Installer::Uv(uv));
    }
    let version = interpreter.version.as_deref().unwrap_or_default();
    let mut patch_differs = None;
    for python in all(circumstances) {
        let found = python.interpreter();
        if found.name != interpreter.name {
            continue;
        }
        if found.version.as_deref() == Some(version) {
            return Ok(Installer::Venv(python.program));
        }
        if version.starts_with(&format!("{}.", python.short())) || version.is_empty() {
            patch_differs = patch_differs.or(Some(python));
        }
    }
    let Some(Python { program, .. }) = patch_differs else {
        return Err(ProjectError::PythonMissing {
            version: format!("{} {version}", interpreter.name),
        });
    };
    Ok(Installer::Venv(program))
}

impl Installer {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Uv(_) => "uv",
            Self::Venv(_) => "pip",
        }
    }

    /// Makes the virtual environment, with nothing in it but perhaps pip.
    pub(super) fn create(
        &self,
        interpreter: &Interpreter,
        into: &Utf8Path,
    ) -> Result<(), ProjectError> {
        match self {
            Self::Uv(uv) => {
                let version = interpreter.version.as_deref().unwrap_or("3");
                let wanted = match interpreter.name.as_str() {
                    "CPython" => version.to_owned(),
                    other => format!("{}@{version}", other.to_lowercase()),
                };
                let arguments = ["venv", "--no-project", "--python", &wanted, into.as_str()];
                run(uv, &arguments)
            }
            Self::Venv(python) => run(python, &["-m", "venv", into.as_str()]),
        }
    }

    /// Installs what the file lists and nothing that it needs.
    pub(super) fn install(
        &self,
        into: &Utf8Path,
        requirements: &Utf8Path,
        hashes: Hashes,
    ) -> Result<(), ProjectError> {
        let python = into.join("bin/python");
        let mut arguments = match self {
            Self::Uv(_) => vec!["pip", "install", "--python", python.as_str()],
            Self::Venv(_) => {
                let quiet = ["--disable-pip-version-check", "--no-input"];
                [&["-m", "pip", "install"][..], &quiet].concat()
            }
        };
        arguments.push("--no-deps");
        if hashes == Hashes::Checked {
            arguments.push("--require-hashes");
        }
        arguments.extend(["-r", requirements.as_str()]);
        match self {
            Self::Uv(uv) => run(uv, &arguments),
            Self::Venv(_) => run(&python, &arguments),
        }
    }

    /// Takes packages out again.
    pub(super) fn uninstall(
        &self,
        into: &Utf8Path,
        packages: &[String],
    ) -> Result<(), ProjectError> {
        let python = into.join("bin/python");
        let names = packages.iter().map(String::as_str);
        let arguments = match self {
            Self::Uv(_) => vec!["pip", "uninstall", "--python", python.as_str()],
            Self::Venv(_) => vec!["-m", "pip", "uninstall", "--yes"],
        };
        let arguments: Vec<&str> = arguments.into_iter().chain(names).collect();
        match self {
            Self::Uv(uv) => run(uv, &arguments),
            Self::Venv(_) => run(&python, &arguments),
        }
    }
}

fn run(program: &Utf8Path, arguments: &[&str]) -> Result<(), ProjectError> {
    let shown = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        // They would make it find other packages.
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
        .env_remove("VIRTUAL_ENV")
        .output()
        .map_err(|error| ProjectError::InstallFailed {
            command: shown.clone(),
            output: error.to_string(),
        })?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
    if text.trim().is_empty() {
        text = String::from_utf8_lossy(&output.stdout).into_owned();
    }
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let begin = lines.len().saturating_sub(TAIL);
    Err(ProjectError::InstallFailed {
        command: shown,
        output: lines.get(begin..).unwrap_or_default().join("\n"),
    })
}
