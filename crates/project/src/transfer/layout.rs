//! How remotes keep objects, as `ketch.toml` says.

use ketch_store::chunk::{ChunkedOptions, ChunkedRemote};
use ketch_store::remote::{ConfigLevel, Remote, RemoteSettings, Retry};

use crate::config::RemoteLayout;
use crate::suggest::nearest;
use crate::{Project, ProjectConfig, ProjectError};

/// The same remote, with the layout that it has.
pub(super) fn with_layout(
    project: &Project,
    remote: Box<dyn Remote>,
    retry: Retry,
) -> Result<Box<dyn Remote>, ProjectError> {
    Ok(match layout(project.config(), remote.name()) {
        RemoteLayout::Dvc => remote,
        RemoteLayout::Chunked => Box::new(chunked(project, remote, retry)?),
    })
}

pub(super) fn layout(config: &ProjectConfig, name: &str) -> RemoteLayout {
    let configured = config.remote.iter();
    // DVC lowers the names of remotes.
    configured
        .filter(|(known, _)| known.to_lowercase() == name.to_lowercase())
        .map(|(_, config)| config.layout)
        .next()
        .unwrap_or_default()
}

pub(super) fn chunked(
    project: &Project,
    remote: Box<dyn Remote>,
    retry: Retry,
) -> Result<ChunkedRemote, ProjectError> {
    let folder = folder_name(remote.name());
    let copies = project.state_dir()?.join("remotes").join(folder);
    Ok(ChunkedRemote::open(
        remote,
        ChunkedOptions {
            copies: Some(copies),
            retry,
        },
    ))
}

/// What a remote is called below `.ketch/remotes`: its name may hold anything.
pub(super) fn folder_name(remote: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    remote.chars().map(plain).collect()
}

/// Refuses a `[remote.NAME]` for a remote that there is not: misspelt, the remote that was meant
/// would quietly get the other layout.
pub(super) fn check_names(project: &Project, levels: &[ConfigLevel]) -> Result<(), ProjectError> {
    let known = RemoteSettings::names(levels);
    for name in project.config().remote.keys() {
        let lower = name.to_lowercase();
        if !known.iter().any(|known| known.to_lowercase() == lower) {
            return Err(ProjectError::LayoutOfNoRemote {
                name: name.clone(),
                suggestion: nearest(&lower, known.iter().map(String::as_str)).map(str::to_owned),
            });
        }
    }
    Ok(())
}
