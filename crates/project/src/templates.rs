//! What the templates of a `dvc.yaml` are filled in from.

use std::io;

use camino::Utf8Path;
use ketch_dvc::{OptionStyle, PipelineFile, TemplateFiles};

use crate::paths::join;
use crate::{Project, ProjectError};

/// Reads a `dvc.yaml`; its path and those that `read` gets are relative to the project's root.
pub(crate) fn parse_pipeline(
    file: &Utf8Path,
    text: &str,
    read: &dyn Fn(&Utf8Path) -> io::Result<Option<String>>,
    options: OptionStyle,
) -> Result<PipelineFile, ProjectError> {
    let home = file.parent().unwrap_or(Utf8Path::new(""));
    let files = TemplateFiles {
        read: &|path| read(&join(home, path)),
        options,
    };
    Ok(PipelineFile::parse_with(text, file.as_str(), files)?)
}

/// Reads a `dvc.yaml` of the work tree, which has this text now.
pub(crate) fn parse_in_workspace(
    project: &Project,
    file: &Utf8Path,
    text: &str,
) -> Result<PipelineFile, ProjectError> {
    let read = |path: &Utf8Path| read_in(project.root(), path);
    parse_pipeline(
        &project.shown(file),
        text,
        &read,
        project.template_options(),
    )
}

/// The text of a file below a root, if it is there.
pub(crate) fn read_in(root: &Utf8Path, path: &Utf8Path) -> io::Result<Option<String>> {
    match fs_err::read_to_string(root.join(path)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
