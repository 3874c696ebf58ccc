//! The environment as it is now, captured once for each that differs.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use ketch_store::{Durability, hash_bytes, write_atomically_with};

use super::circumstances::Circumstances;
use super::document::{Environment, EnvironmentId, FORMAT};
use super::installed::packages;
use super::machine;
use super::pins::{Pins, pin_files};
use super::python::{Named, Python, find};
use crate::stage::Stage;
use crate::{Project, ProjectError};

/// How many environments of this work tree are kept in mind.
const REMEMBERED: usize = 16;

/// An environment and its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) id: EnvironmentId,
    pub(super) text: String,
}

impl Captured {
    pub(super) fn environment(&self) -> Result<Environment, ProjectError> {
        Environment::parse(&self.text, "the present environment")
    }
}

/// Finds out what commands run in.
pub(crate) struct Surveyor<'a> {
    project: &'a Project,
    circumstances: Circumstances,
    virtual_environment: Option<Utf8PathBuf>,
    /// By how commands name their interpreter and where they run.
    known: Mutex<HashMap<(Named, Utf8PathBuf), Arc<Captured>>>,
}

impl<'a> Surveyor<'a> {
    /// `variables` are those that the commands get besides.
    pub(crate) fn new(
        project: &'a Project,
        circumstances: &Circumstances,
        variables: &[(String, String)],
    ) -> Self {
        Self {
            project,
            circumstances: circumstances.with(variables),
            virtual_environment: project.virtual_environment(),
            known: Mutex::default(),
        }
    }

    /// What the commands of a stage would run in now.
    pub(crate) fn of_stage(&self, stage: &Stage) -> Result<Arc<Captured>, ProjectError> {
        let named = Named::in_commands(&stage.spec.commands_to_run());
        self.of(named, &stage.directory)
    }

    /// What a command in the root would run in now.
    pub(super) fn here(&self) -> Result<Arc<Captured>, ProjectError> {
        self.of(Named::Default, self.project.root())
    }

    /// What the Python of a virtual environment would run in.
    pub(super) fn of_directory(&self, directory: &Utf8Path) -> Result<Arc<Captured>, ProjectError> {
        let program = Named::Path("bin/python".to_owned());
        self.of(program, directory)
    }

    /// Looks anew.
    pub(super) fn forget(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clear();
    }

    fn of(&self, named: Named, directory: &Utf8Path) -> Result<Arc<Captured>, ProjectError> {
        let key = (named, directory.to_owned());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&key) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(self.look(&key.0, directory)?);
        known.insert(key, Arc::clone(&found));
        Ok(found)
    }

    /// Takes what was captured before if nothing moved since.
    fn look(&self, named: &Named, directory: &Utf8Path) -> Result<Captured, ProjectError> {
        let root = self.project.root();
        let home = self.virtual_environment.as_deref();
        let python = find(named, directory, root, home, &self.circumstances);
        let pins = pin_files(&[root, directory]);
        let remembered = self.project.state_dir()?.join("environments");
        let mark = hash_bytes(self.marks(python.as_ref(), &pins).as_bytes());
        let path = remembered.join(format!("{}.json", mark.hex()));
        if let Ok(text) = fs_err::read_to_string(&path)
            && Environment::parse(&text, path.as_str()).is_ok()
        {
            let id = EnvironmentId::of(&text);
            return Ok(Captured { id, text });
        }
        let text = self.capture(python.as_ref(), &pins).to_text()?;
        forget_old(&remembered);
        // Where it cannot be written, the next capture takes longer, nothing else.
        let _ = write_atomically_with(&path, text.as_bytes(), Durability::Buffered);
        let id = EnvironmentId::of(&text);
        Ok(Captured { id, text })
    }

    fn capture(&self, python: Option<&Python>, pins: &[Utf8PathBuf]) -> Environment {
        let circumstances = &self.circumstances;
        let conda = || Some(Utf8PathBuf::from(circumstances.get("CONDA_PREFIX")?));
        let prefix = python.map(|python| python.prefix.clone()).or_else(conda);
        let sites = python.map_or(&[][..], |python| &python.sites);
        Environment {
            format: FORMAT,
            interpreter: python.map(Python::interpreter),
            system: machine::system(circumstances),
            cpu: machine::cpu(circumstances),
            gpu: machine::gpu(circumstances),
            container: machine::container(circumstances),
            variables: circumstances.recorded(),
            packages: prefix.map_or_else(Vec::new, |prefix| {
                packages(&prefix, sites, self.project.root(), &Pins::read(pins))
            }),
        }
    }

    /// All by which it shows that an environment is another one: cheap to look at.
    fn marks(&self, python: Option<&Python>, pins: &[Utf8PathBuf]) -> String {
        let circumstances = &self.circumstances;
        let mut marks = format!(
            "{} {FORMAT}\n{}\n{:?}\n{:?}\n{:?}\n",
            env!("CARGO_PKG_VERSION"),
            machine::start_id(circumstances),
            circumstances.recorded(),
            circumstances.get("KETCH_IMAGE"),
            machine::gpu(circumstances),
        );
        let mut mark = |path: &Utf8Path| {
            // What is not there is a mark too.
            let stamp = fs_err::metadata(path).ok();
            let stamp = stamp.map(|found| (found.len(), found.modified().ok()));
            let _ = writeln!(marks, "{path} {stamp:?}");
        };
        for path in [
            "/etc/os-release",
            "/etc/ld.so.cache",
            "/.dockerenv",
            "/run/.containerenv",
        ] {
            mark(&circumstances.on_machine(path));
        }
        for path in pins {
            mark(path);
        }
        let conda = circumstances.get("CONDA_PREFIX").map(Utf8PathBuf::from);
        let prefix = python.map(|python| python.prefix.clone()).or(conda);
        if let Some(prefix) = prefix {
            mark(&prefix.join("pyvenv.cfg"));
            mark(&prefix.join("conda-meta"));
        }
        if let Some(python) = python {
            mark(&python.program);
            mark(&python.real);
            for site in &python.sites {
                mark(site);
            }
        }
        marks
    }
}

/// Makes room for one more.
fn forget_old(remembered: &Utf8Path) {
    let mut kept: Vec<_> = machine::listing(remembered)
        .into_iter()
        .filter_map(|path| Some((fs_err::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    kept.sort();
    for (_, path) in kept.iter().rev().skip(REMEMBERED - 1) {
        // Too many do no harm.
        let _ = fs_err::remove_file(path);
    }
}
