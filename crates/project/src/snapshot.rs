//! What the files of DVC record, in the work tree or at a commit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, LockFile, OptionStyle, OutputEntry, PipelineFile};

use crate::paths::{is_url, join};
use crate::templates::{parse_pipeline, read_in};
use crate::{CommitId, Project, ProjectError};

/// One output that is kept in the cache, and where it is recorded.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// Relative to the root.
    pub(crate) path: Utf8PathBuf,
    /// The `.dvc` file or `dvc.yaml`, relative to the root.
    pub(crate) file: Utf8PathBuf,
    /// The address of the stage that makes it.
    pub(crate) stage: Option<String>,
    /// Without a hash where nothing was recorded yet.
    pub(crate) entry: OutputEntry,
}

/// Every `.dvc` file, `dvc.yaml` and `dvc.lock` of one state of the project, as text.
pub(crate) struct Snapshot<'p> {
    /// By path relative to the root.
    files: Vec<(Utf8PathBuf, String)>,
    /// Reads any other file of that state, by path relative to the root.
    read: Reader<'p>,
    options: OptionStyle,
}

/// Gives the text of a file, or nothing where it is not there.
type Reader<'p> = Box<dyn Fn(&Utf8Path) -> io::Result<Option<String>> + 'p>;

/// Texts that were read out of Git, by the id of their blob: most files are the same in most
/// commits.
#[derive(Debug, Default, Clone)]
pub(crate) struct Blobs(Rc<RefCell<HashMap<String, String>>>);

impl Blobs {
    fn text(&self, project: &Project, id: &str) -> Result<String, ProjectError> {
        if let Some(text) = self.0.borrow().get(id) {
            return Ok(text.clone());
        }
        let text = project.git().run(&["cat-file", "blob", id])?;
        self.0.borrow_mut().insert(id.to_owned(), text.clone());
        Ok(text)
    }
}

impl<'p> Snapshot<'p> {
    /// Of files that were read already, by path relative to their project's root; `read` gives the
    /// text of any other.
    pub(crate) fn of_files(
        files: Vec<(Utf8PathBuf, String)>,
        read: impl Fn(&Utf8Path) -> io::Result<Option<String>> + 'p,
    ) -> Self {
        Self {
            files,
            read: Box::new(read),
            options: OptionStyle::default(),
        }
    }

    /// The work tree as it is now.
    pub(crate) fn of_workspace(project: &'p Project) -> Result<Self, ProjectError> {
        let files = project
            .find_files(&is_ours)?
            .into_iter()
            .map(|path| {
                let text = fs_err::read_to_string(&path)?;
                Ok((project.shown(&path), text))
            })
            .collect::<Result<_, ProjectError>>()?;
        Ok(Self {
            files,
            read: Box::new(|path| read_in(project.root(), path)),
            options: project.template_options(),
        })
    }

    /// A commit, without nested projects.
    pub(crate) fn of_commit(
        project: &'p Project,
        commit: &CommitId,
        blobs: &Blobs,
    ) -> Result<Self, ProjectError> {
        let listing = project
            .git()
            .run(&["ls-tree", "-r", "-z", commit.as_str()])?;
        let mut found = Vec::new();
        let mut nested: Vec<&str> = Vec::new();
        for (path, id) in plain_files(&listing) {
            if let Some((home, _)) = path.split_once("/.dvc/") {
                nested.push(home);
            }
            if let Some(id) = id.filter(|_| is_ours(path.into())) {
                found.push((path, id));
            }
        }
        let mut files = Vec::new();
        for (path, id) in found {
            let path = Utf8Path::new(path);
            if path.starts_with(".dvc") || nested.iter().any(|home| path.starts_with(home)) {
                continue;
            }
            files.push((path.to_owned(), blobs.text(project, id)?));
        }
        let blobs = blobs.clone();
        let read = move |path: &Utf8Path| {
            let mut plain = plain_files(&listing);
            match plain.find(|(known, _)| *known == path) {
                Some((_, Some(id))) => blobs.text(project, id).map(Some).map_err(io::Error::other),
                _ => Ok(None),
            }
        };
        Ok(Self {
            files,
            read: Box::new(read),
            options: project.template_options(),
        })
    }

    /// The outputs that the project has, each with what is recorded of it.
    pub(crate) fn outputs(&self) -> Result<Vec<Recorded>, ProjectError> {
        let mut outputs = Vec::new();
        for (file, text) in &self.files {
            if file.file_name() == Some("dvc.yaml") {
                self.add_stages(file, text, &mut outputs)?;
            } else if file.extension() == Some("dvc") {
                outputs.extend(
                    tracked(file, text)?
                        .into_iter()
                        .map(|(path, entry)| Recorded {
                            path,
                            file: file.clone(),
                            stage: None,
                            entry,
                        }),
                );
            }
        }
        outputs.retain(|output| output.entry.cache && !output.path.starts_with(".."));
        outputs.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(outputs)
    }

    /// Everything that any file names, whether a pipeline still has it or not: what must not be
    /// thrown away.
    pub(crate) fn entries(&self) -> Result<Vec<(Utf8PathBuf, OutputEntry)>, ProjectError> {
        let mut entries = Vec::new();
        for (file, text) in &self.files {
            if file.file_name() == Some("dvc.lock") {
                let home = file.parent().unwrap_or(Utf8Path::new(""));
                for stage in LockFile::parse(text, file.as_str())?.stages().values() {
                    let outs = stage.outs.iter();
                    entries.extend(outs.map(|out| (join(home, &out.path), out.clone())));
                }
            } else if file.extension() == Some("dvc") {
                entries.extend(tracked(file, text)?);
            }
        }
        Ok(entries)
    }

    /// Its `dvc.yaml` files, each with the folder that it is in, relative to the root.
    pub(crate) fn pipelines(&self) -> Result<Vec<(Utf8PathBuf, PipelineFile)>, ProjectError> {
        let files = self.files.iter();
        files
            .filter(|(file, _)| file.file_name() == Some("dvc.yaml"))
            .map(|(file, text)| {
                let home = file.parent().unwrap_or(Utf8Path::new(""));
                Ok((home.to_owned(), self.pipeline(file, text)?))
            })
            .collect()
    }

    fn pipeline(&self, file: &Utf8Path, text: &str) -> Result<PipelineFile, ProjectError> {
        parse_pipeline(file, text, &self.read, self.options)
    }

    fn add_stages(
        &self,
        file: &Utf8Path,
        text: &str,
        outputs: &mut Vec<Recorded>,
    ) -> Result<(), ProjectError> {
        let pipeline = self.pipeline(file, text)?;
        let lock_path = file.with_extension("lock");
        let lock = match self.files.iter().find(|(path, _)| *path == lock_path) {
            Some((path, text)) => LockFile::parse(text, path.as_str())?,
            None => LockFile::empty(),
        };
        let home = file.parent().unwrap_or(Utf8Path::new(""));
        for (name, spec) in &pipeline.stages {
            let base = spec
                .wdir
                .as_ref()
                .map_or_else(|| home.to_owned(), |wdir| join(home, wdir));
            let address = if home.as_str().is_empty() {
                name.clone()
            } else {
                format!("{file}:{name}")
            };
            for out in spec
                .outs
                .iter()
                .filter(|out| out.cache && !is_url(&out.path))
            {
                let recorded = lock
                    .stages()
                    .get(name)
                    .and_then(|stage| stage.outs.iter().find(|known| known.path == out.path));
                outputs.push(Recorded {
                    path: join(&base, &out.path),
                    file: file.to_owned(),
                    stage: Some(address.clone()),
                    entry: recorded
                        .cloned()
                        .unwrap_or_else(|| OutputEntry::new(&out.path)),
                });
            }
        }
        Ok(())
    }
}

/// The paths of a listing by `git ls-tree -z`, with the ids of those that are files.
fn plain_files(listing: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    listing.split('\0').filter_map(|line| {
        let (facts, path) = line.split_once('\t')?;
        let mut facts = facts.split(' ');
        let (mode, _, id) = (facts.next(), facts.next(), facts.next());
        let is_plain = mode.is_some_and(|mode| mode.starts_with("100"));
        Some((path, id.filter(|_| is_plain)))
    })
}

/// What a `.dvc` file tracks in the project, by path relative to the root.
fn tracked(file: &Utf8Path, text: &str) -> Result<Vec<(Utf8PathBuf, OutputEntry)>, ProjectError> {
    let content = DvcFile::parse(text, file.as_str())?;
    let home = file.parent().unwrap_or(Utf8Path::new(""));
    let base = content
        .wdir
        .map_or_else(|| home.to_owned(), |wdir| join(home, wdir));
    Ok(content
        .outs
        .into_iter()
        .filter(|out| !is_url(&out.path) && !out.path.starts_with('/'))
        .map(|entry| (join(&base, &entry.path), entry))
        .collect())
}

fn is_ours(path: &Utf8Path) -> bool {
    matches!(path.file_name(), Some("dvc.yaml" | "dvc.lock")) || path.extension() == Some("dvc")
}
