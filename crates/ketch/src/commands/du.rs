//! `ketch du`

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use ketch_project::{Folders, ListEntry, ListOptions, SourceListOptions, list, list_source};
use serde::Serialize;

use super::elsewhere::{SourceArgs, scratch, transfer};
use super::list::{Place, open_there, place};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::{binary_bytes, bytes};
use crate::targets::tidy;
use crate::workspace::open_project;

/// Show how much room files and data take
///
/// Counts files of Git, and the data that `.dvc` files and `dvc.lock` record, whether it is there
/// or not. Nothing of the data is downloaded: what only a remote knows the size of counts as
/// nothing.
#[derive(Debug, Args)]
pub(crate) struct DuArgs {
    /// The repository, or a path in this project [default: all of this project]
    #[arg(value_name = "URL")]
    url: Option<String>,

    /// A file or directory of the repository [default: all]
    path: Option<String>,

    #[command(flatten)]
    source: SourceArgs,

    /// Print the sum only
    #[arg(short, long)]
    summarize: bool,
}

#[derive(Serialize)]
struct Usage {
    path: Utf8PathBuf,
    /// In bytes.
    size: u64,
}

pub(super) fn run(
    args: &DuArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let (entries, base) = entries(args, settings, printer)?;
    // What cannot be looked into is an entry of its own name.
    let alone = matches!(&entries[..], [entry] if base.file_name() == Some(entry.path.as_str()));
    let mut usages: Vec<Usage> = entries
        .into_iter()
        .filter(|entry| !printer.speaks_dvc() || alone || !is_of_dvc(&entry.path))
        .map(|entry| Usage {
            path: if printer.speaks_dvc() {
                base.join(entry.path)
            } else {
                entry.path
            },
            size: entry.size.unwrap_or(0),
        })
        .collect();
    let size = usages.iter().map(|usage| usage.size).sum();
    if args.summarize || alone {
        usages.clear();
    }
    usages.push(Usage { path: base, size });
    if printer.speaks_dvc() {
        tell_as_dvc(printer, &usages);
        return Ok(ExitStatus::Success);
    }
    if let Some(sum) = usages.last_mut().filter(|sum| sum.path.as_str().is_empty()) {
        sum.path = ".".into();
    }
    printer.json(&usages);
    for usage in usages {
        printer.line(format_args!("{:>9}  {}", bytes(usage.size), usage.path));
    }
    Ok(ExitStatus::Success)
}

/// What is right below the path that is meant, and that path below the root.
fn entries(
    args: &DuArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<(Vec<ListEntry>, Utf8PathBuf), CommandError> {
    let wanted = place(
        args.url.as_deref(),
        args.path.as_deref(),
        &args.source,
        settings,
    );
    let (project, path) = match wanted {
        Place::Here(path) => {
            let project = open_project(settings, printer)?;
            let path = path.unwrap_or_else(|| project.root().to_owned());
            (project, path)
        }
        Place::Project(root, path) => {
            let project = open_there(&root, settings)?;
            let path = tidy(&project.root().join(path));
            (project, path)
        }
        Place::Repository(url, path) => {
            let options = SourceListOptions {
                source: args.source.spec(&url)?,
                path: path.clone(),
                directory: settings.directory.clone(),
                levels: Some(1),
                origin: ketch_project::Origin::All,
                transfer: transfer(settings, None),
                scratch: scratch(settings),
            };
            return Ok((list_source(&options)?, tidy(path.as_str().into())));
        }
    };
    let base = path
        .strip_prefix(project.root())
        .unwrap_or(&path)
        .to_owned();
    let options = ListOptions {
        path,
        revision: args.source.revision(),
        folders: Folders::Listed,
        manifests: Some(args.source.transfer(&project, settings)?),
        ..ListOptions::default()
    };
    Ok((list(&project, &options)?, base))
}

/// What DVC does not count.
fn is_of_dvc(path: &Utf8Path) -> bool {
    path.extension() == Some("dvc") || matches!(path.file_name(), Some(".dvcignore" | "dvc.yaml"))
}

/// A column of sizes and one of paths.
fn tell_as_dvc(printer: &Printer, usages: &[Usage]) {
    let sizes: Vec<String> = usages
        .iter()
        .map(|usage| binary_bytes(usage.size))
        .collect();
    let width = sizes.iter().map(String::len).max().unwrap_or(0);
    for (size, usage) in sizes.iter().zip(usages) {
        let line = format!("{size:<width$}  {}", usage.path);
        printer.line(line.trim_end());
    }
}
