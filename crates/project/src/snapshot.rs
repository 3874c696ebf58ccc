//! What the files of DVC record, in the work tree or at a commit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, LockFile, OptionStyle, OutputEntry, PipelineFile};

use crate::git::{EntryKind, ObjectReader};
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

/// What was read out of Git, by id: most files and folders are the same in most commits.
#[derive(Debug, Default, Clone)]
pub(crate) struct Blobs(Rc<RefCell<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Started when something is asked.
    reader: Option<ObjectReader>,
    texts: HashMap<String, Rc<str>>,
    folders: HashMap<String, Rc<Folder>>,
}

/// What matters of a folder in Git and all that is below it.
#[derive(Debug, Default)]
struct Folder {
    /// Paths of files of ours below it, and their ids.
    ours: Vec<(Utf8PathBuf, String)>,
    /// Whether it is a project's root.
    is_project: bool,
}

impl Known {
    fn reader(&mut self, project: &Project) -> Result<&mut ObjectReader, ProjectError> {
        if self.reader.is_none() {
            self.reader = Some(ObjectReader::start(project.git())?);
        }
        // It was made just now.
        self.reader.as_mut().ok_or_else(|| ProjectError::Git {
            command: "git cat-file".to_owned(),
            message: "it was not started".to_owned(),
        })
    }

    fn text(
        &mut self,
        project: &Project,
        id: &str,
        path: &Utf8Path,
    ) -> Result<Rc<str>, ProjectError> {
        if let Some(text) = self.texts.get(id) {
            return Ok(Rc::clone(text));
        }
        let content = self.reader(project)?.read(id)?;
        let text = content.and_then(|(_, content)| String::from_utf8(content).ok());
        let text: Rc<str> = text
            .ok_or_else(|| ProjectError::NotUtf8Text {
                path: path.to_owned(),
            })?
            .into();
        self.texts.insert(id.to_owned(), Rc::clone(&text));
        Ok(text)
    }

    /// A folder by its id; those of nested projects are not looked into.
    fn folder(&mut self, project: &Project, id: &str) -> Result<Rc<Folder>, ProjectError> {
        if let Some(folder) = self.folders.get(id) {
            return Ok(Rc::clone(folder));
        }
        let mut folder = Folder::default();
        let entries = self.reader(project)?.tree(id)?;
        for entry in entries.iter().flat_map(|entries| entries.iter()) {
            match entry.kind {
                EntryKind::Tree if entry.name == ".dvc" => folder.is_project = true,
                EntryKind::Tree => {
                    let below = self.folder(project, &entry.id)?;
                    if !below.is_project {
                        let ours = below.ours.iter();
                        folder.ours.extend(
                            ours.map(|(path, id)| {
                                (Utf8Path::new(&entry.name).join(path), id.clone())
                            }),
                        );
                    }
                }
                EntryKind::File if is_ours(Utf8Path::new(&entry.name)) => {
                    folder
                        .ours
                        .push((Utf8PathBuf::from(&entry.name), entry.id.clone()));
                }
                EntryKind::File | EntryKind::Other => {}
            }
        }
        let folder = Rc::new(folder);
        self.folders.insert(id.to_owned(), Rc::clone(&folder));
        Ok(folder)
    }

    /// The text of a file below a folder; nothing where there is no such file.
    fn file(
        &mut self,
        project: &Project,
        folder: &str,
        path: &Utf8Path,
    ) -> Result<Option<Rc<str>>, ProjectError> {
        let mut at = folder.to_owned();
        let mut steps = path.components().peekable();
        while let Some(step) = steps.next() {
            let entries = self.reader(project)?.tree(&at)?;
            let found = entries.iter().flat_map(|entries| entries.iter());
            let Some(entry) = found.into_iter().find(|entry| entry.name == step.as_str()) else {
                return Ok(None);
            };
            match (entry.kind, steps.peek().is_some()) {
                (EntryKind::Tree, true) => at.clone_from(&entry.id),
                (EntryKind::File, false) => return self.text(project, &entry.id, path).map(Some),
                _ => return Ok(None),
            }
        }
        Ok(None)
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
        let mut known = blobs.0.borrow_mut();
        let top = crate::project::canonical(&project.git().top_level()?)?;
        let below = project
            .root()
            .strip_prefix(&top)
            .unwrap_or(Utf8Path::new(""));
        let root = match known.reader(project)?.read(&format!("{commit}:{below}"))? {
            Some((id, _)) => id,
            None if below.as_str().is_empty() => {
                let revision = commit.to_string();
                return Err(ProjectError::UnknownRevision { revision });
            }
            // The project was not there yet.
            None => String::new(),
        };
        let folder = known.folder(project, &root)?;
        let files = folder
            .ours
            .iter()
            .map(|(path, id)| Ok((path.clone(), known.text(project, id, path)?.to_string())))
            .collect::<Result<_, ProjectError>>()?;
        drop(known);
        let blobs = blobs.clone();
        let read = move |path: &Utf8Path| {
            let text = blobs.0.borrow_mut().file(project, &root, path);
            let text = text.map_err(io::Error::other)?;
            Ok(text.map(|text| text.to_string()))
        };
        Ok(Self {
            files,
            read: Box::new(read),
            options: project.template_options(),
        })
    }

    /// The text of any file of that state, by path relative to the root.
    pub(crate) fn read(&self, path: &Utf8Path) -> io::Result<Option<String>> {
        (self.read)(path)
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
