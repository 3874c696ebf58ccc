//! What the files of DVC record, in the work tree or at a commit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use camino::{Utf8Path, Utf8PathBuf};
use ketch_dvc::{DvcFile, LockFile, OptionStyle, OutputEntry, OutputKind, PipelineFile};

use crate::environment::DOCUMENTS;
use crate::git::{CommitHeader, EntryKind, ObjectReader};
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

/// Something that a stage or a `.dvc` file depends on or makes.
#[derive(Debug, Clone)]
pub(crate) struct Tie {
    /// Relative to the root, or a URL.
    pub(crate) path: Utf8PathBuf,
    /// Without a hash where nothing was recorded yet.
    pub(crate) entry: OutputEntry,
    pub(crate) kind: TieKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TieKind {
    Dependency,
    /// Of a stage.
    Output(OutputKind),
    /// What a `.dvc` file tracks.
    Data,
}

/// Every `.dvc` file, `dvc.yaml` and `dvc.lock` of one state of the project, as text.
pub(crate) struct Snapshot<'p> {
    /// By path relative to the root.
    files: Vec<(Utf8PathBuf, String)>,
    /// Reads any other file of that state, by path relative to the root.
    read: Reader<'p>,
    /// Lists the files at or below a path.
    list: Lister<'p>,
    options: OptionStyle,
    /// Pipelines that were read already, where snapshots share what they read.
    known: Blobs,
}

/// Gives the text of a file, or nothing where it is not there.
type Reader<'p> = Box<dyn Fn(&Utf8Path) -> io::Result<Option<String>> + 'p>;

/// Gives the files at or below a path, in order.
type Lister<'p> = Box<dyn Fn(&Utf8Path) -> Vec<Utf8PathBuf> + 'p>;

/// What was read out of Git, by id: most files and folders are the same in most commits.
#[derive(Debug, Default, Clone)]
pub(crate) struct Blobs(Rc<RefCell<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Started when something is asked.
    reader: Option<ObjectReader>,
    texts: HashMap<String, Rc<str>>,
    folders: HashMap<String, Rc<Folder>>,
    commits: HashMap<CommitId, CommitHeader>,
    /// Pipelines without templates, by path and text: they are what they are wherever they stand.
    pipelines: HashMap<(Utf8PathBuf, String), Rc<PipelineFile>>,
}

impl Blobs {
    /// Where a commit comes from and when it was made.
    pub(crate) fn commit(
        &self,
        project: &Project,
        commit: &CommitId,
    ) -> Result<CommitHeader, ProjectError> {
        self.0.borrow_mut().commit(project, commit)
    }
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
    fn commit(
        &mut self,
        project: &Project,
        commit: &CommitId,
    ) -> Result<CommitHeader, ProjectError> {
        if let Some(known) = self.commits.get(commit) {
            return Ok(known.clone());
        }
        let header = self.reader(project)?.commit(commit.as_str())?;
        let header = header.ok_or_else(|| ProjectError::UnknownRevision {
            revision: commit.to_string(),
        })?;
        self.commits.insert(commit.clone(), header.clone());
        Ok(header)
    }

    /// The id of a folder in a tree; nothing where there is none.
    fn folder_id(
        &mut self,
        project: &Project,
        tree: String,
        path: &Utf8Path,
    ) -> Result<Option<String>, ProjectError> {
        let mut at = tree;
        for step in path.components() {
            let entries = self.reader(project)?.tree(&at)?;
            let mut found = entries.iter().flat_map(|entries| entries.iter());
            let is_it = |entry: &&crate::git::TreeEntry| {
                entry.kind == EntryKind::Tree && entry.name == step.as_str()
            };
            match found.find(is_it) {
                Some(entry) => at.clone_from(&entry.id),
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

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
        let entries = if id.is_empty() {
            None
        } else {
            self.reader(project)?.tree(id)?
        };
        for entry in entries.iter().flat_map(|entries| entries.iter()) {
            match entry.kind {
                EntryKind::Tree if entry.name == ".dvc" => folder.is_project = true,
                // Thousands of files, and none of ours.
                EntryKind::Tree if entry.name == DOCUMENTS => {}
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

impl Known {
    /// The files at or below a path, which is relative to a folder.
    fn files(
        &mut self,
        project: &Project,
        folder: &str,
        path: &Utf8Path,
    ) -> Result<Vec<Utf8PathBuf>, ProjectError> {
        let mut at = (EntryKind::Tree, folder.to_owned());
        for step in path.components() {
            let (EntryKind::Tree, id) = &at else {
                return Ok(Vec::new());
            };
            let entries = self.reader(project)?.tree(id)?;
            let mut found = entries.iter().flat_map(|entries| entries.iter());
            let Some(entry) = found.find(|entry| entry.name == step.as_str()) else {
                return Ok(Vec::new());
            };
            at = (entry.kind, entry.id.clone());
        }
        let mut files = Vec::new();
        let mut waiting = vec![(at, path.to_owned())];
        while let Some(((kind, id), path)) = waiting.pop() {
            match kind {
                EntryKind::File => files.push(path),
                EntryKind::Other => {}
                EntryKind::Tree => {
                    let entries = self.reader(project)?.tree(&id)?;
                    for entry in entries.iter().flat_map(|entries| entries.iter()).rev() {
                        waiting.push(((entry.kind, entry.id.clone()), path.join(&entry.name)));
                    }
                }
            }
        }
        Ok(files)
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
            list: Box::new(|_| Vec::new()),
            options: OptionStyle::default(),
            known: Blobs::default(),
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
            list: Box::new(|path| files_below(project.root(), path)),
            options: project.template_options(),
            known: Blobs::default(),
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
        let tree = known.commit(project, commit)?.tree;
        // Empty where the project was not there yet.
        let root = known.folder_id(project, tree, below)?.unwrap_or_default();
        let folder = known.folder(project, &root)?;
        let files = folder
            .ours
            .iter()
            .map(|(path, id)| Ok((path.clone(), known.text(project, id, path)?.to_string())))
            .collect::<Result<_, ProjectError>>()?;
        drop(known);
        let (readers, listers) = (blobs.clone(), blobs.clone());
        let listed_root = root.clone();
        let read = move |path: &Utf8Path| {
            let text = readers.0.borrow_mut().file(project, &root, path);
            let text = text.map_err(io::Error::other)?;
            Ok(text.map(|text| text.to_string()))
        };
        let list = move |path: &Utf8Path| {
            let files = listers.0.borrow_mut().files(project, &listed_root, path);
            files.unwrap_or_default()
        };
        Ok(Self {
            files,
            read: Box::new(read),
            list: Box::new(list),
            options: project.template_options(),
            known: blobs.clone(),
        })
    }

    /// The text of any file of that state, by path relative to the root.
    pub(crate) fn read(&self, path: &Utf8Path) -> io::Result<Option<String>> {
        (self.read)(path)
    }

    /// The files at or below a path, relative to the root, in order; none where nothing is there.
    pub(crate) fn files_below(&self, path: &Utf8Path) -> Vec<Utf8PathBuf> {
        (self.list)(path)
    }

    /// What stages and `.dvc` files depend on and what they make, each with what is recorded of it.
    pub(crate) fn ties(
        &self,
        pipelines: &[(Utf8PathBuf, Rc<PipelineFile>)],
    ) -> Result<Vec<Tie>, ProjectError> {
        let mut ties = Vec::new();
        for (home, pipeline) in pipelines {
            let lock_path = home.join("dvc.lock");
            let lock = match self.files.iter().find(|(path, _)| *path == lock_path) {
                Some((path, text)) => LockFile::parse(text, path.as_str())?,
                None => LockFile::empty(),
            };
            for (name, spec) in &pipeline.stages {
                let locked = lock.stages().get(name);
                let base = join(home, spec.wdir.as_deref().unwrap_or_default());
                let known = |entries: Option<&[OutputEntry]>, path: &str| {
                    let mut entries = entries.into_iter().flatten();
                    let found = entries.find(|entry| entry.path == path);
                    found.cloned().unwrap_or_else(|| OutputEntry::new(path))
                };
                for path in &spec.deps {
                    ties.push(Tie {
                        path: place(&base, path),
                        entry: known(locked.map(|stage| stage.deps.as_slice()), path),
                        kind: TieKind::Dependency,
                    });
                }
                for out in &spec.outs {
                    let mut entry = known(locked.map(|stage| stage.outs.as_slice()), &out.path);
                    entry.cache = out.cache;
                    ties.push(Tie {
                        path: place(&base, &out.path),
                        entry,
                        kind: TieKind::Output(out.kind),
                    });
                }
            }
        }
        for (file, text) in &self.files {
            if file.extension() != Some("dvc") {
                continue;
            }
            let content = DvcFile::parse(text, file.as_str())?;
            let home = file.parent().unwrap_or(Utf8Path::new(""));
            let base = join(home, content.wdir.as_deref().unwrap_or_default());
            let deps = content.deps.into_iter();
            let deps = deps.filter(|entry| entry.repo.is_none() && entry.db.is_none());
            ties.extend(deps.map(|entry| Tie {
                path: place(&base, &entry.path),
                entry,
                kind: TieKind::Dependency,
            }));
            ties.extend(content.outs.into_iter().map(|entry| Tie {
                path: place(&base, &entry.path),
                entry,
                kind: TieKind::Data,
            }));
        }
        Ok(ties)
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
    pub(crate) fn pipelines(&self) -> Result<Vec<(Utf8PathBuf, Rc<PipelineFile>)>, ProjectError> {
        let files = self.files.iter();
        files
            .filter(|(file, _)| file.file_name() == Some("dvc.yaml"))
            .map(|(file, text)| {
                let home = file.parent().unwrap_or(Utf8Path::new(""));
                Ok((home.to_owned(), self.pipeline(file, text)?))
            })
            .collect()
    }

    fn pipeline(&self, file: &Utf8Path, text: &str) -> Result<Rc<PipelineFile>, ProjectError> {
        // What is in other files may be in it where one of these words is.
        let has_templates = ["${", "vars", "foreach", "matrix"]
            .iter()
            .any(|word| text.contains(word));
        let key = (file.to_owned(), text.to_owned());
        if let Some(known) = self.known.0.borrow().pipelines.get(&key) {
            return Ok(Rc::clone(known));
        }
        let read = Rc::new(parse_pipeline(file, text, &self.read, self.options)?);
        if !has_templates {
            let mut known = self.known.0.borrow_mut();
            known.pipelines.insert(key, Rc::clone(&read));
        }
        Ok(read)
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

/// Where a path leads from a folder; a URL and an absolute path are what they are.
fn place(base: &Utf8Path, path: &str) -> Utf8PathBuf {
    if is_url(path) || path.starts_with('/') {
        Utf8PathBuf::from(path)
    } else {
        join(base, path)
    }
}

/// The files at or below a path of the work tree, relative to its root. What cannot be looked into
/// has none.
pub(crate) fn files_below(root: &Utf8Path, path: &Utf8Path) -> Vec<Utf8PathBuf> {
    let place = root.join(path);
    if place.is_file() {
        return vec![path.to_owned()];
    }
    let Ok(entries) = place.read_dir_utf8() else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_owned()))
        .filter(|name| ![".git", ".dvc", ".ketch"].contains(&name.as_str()))
        .collect();
    names.sort();
    let below = names.iter().map(|name| files_below(root, &path.join(name)));
    below.flatten().collect()
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
