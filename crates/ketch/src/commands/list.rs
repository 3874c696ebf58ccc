//! `ketch list`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use ketch_project::{
    Folders, ListEntry, ListOptions, Origin, Project, SourceListOptions, list, list_source,
};

use super::elsewhere::{SourceArgs, project_root, scratch, transfer};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::table::{binary_bytes, bytes};
use crate::targets::tidy;
use crate::workspace::open_project;

/// List the files of a project or of another repository, with the data that it tracks
///
/// Files of Git, and the data that `.dvc` files and `dvc.lock` record, whether it is there or not.
/// Nothing of the data is downloaded.
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
pub(crate) struct ListArgs {
    /// The repository, or a path in this project [default: all of this project]
    #[arg(value_name = "URL")]
    url: Option<String>,

    /// A file or directory of the repository [default: all]
    path: Option<String>,

    #[command(flatten)]
    source: SourceArgs,

    /// List the files in directories
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Draw directories as a tree
    #[arg(short = 'T', long)]
    tree: bool,

    /// How many levels of directories to look into
    #[arg(short = 'L', long, value_name = "NUMBER")]
    level: Option<usize>,

    /// List data only
    #[arg(long)]
    dvc_only: bool,

    /// Print sizes too
    #[arg(long)]
    size: bool,

    /// Print hashes too
    #[arg(long)]
    show_hash: bool,
}

pub(super) fn run(
    args: &ListArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    if args.tree && printer.speaks_dvc() && printer.is_json() {
        return Err(
            CommandError::user("`--tree` and `--json` exclude each other").of_any_command(),
        );
    }
    let levels = if args.recursive || args.tree {
        args.level
    } else {
        Some(1)
    };
    let origin = if args.dvc_only {
        Origin::Data
    } else {
        Origin::All
    };
    let wanted = place(
        args.url.as_deref(),
        args.path.as_deref(),
        &args.source,
        settings,
    );
    let (entries, name) = match wanted {
        Place::Here(path) => {
            let project = open_project(settings, printer)?;
            let path = path.unwrap_or_else(|| project.root().to_owned());
            (
                of_project(&project, settings, path, args, levels, origin)?,
                ".".to_owned(),
            )
        }
        Place::Project(root, path) => {
            let project = open_there(&root, settings)?;
            let name = if path.is_empty() {
                ".".to_owned()
            } else {
                path.clone()
            };
            let path = tidy(&project.root().join(&path));
            (
                of_project(&project, settings, path, args, levels, origin)?,
                name,
            )
        }
        Place::Repository(url, path) => {
            let name = if path.is_empty() {
                ".".to_owned()
            } else {
                path.clone()
            };
            let options = SourceListOptions {
                source: args.source.spec(&url)?,
                path,
                directory: settings.directory.clone(),
                levels,
                origin,
                transfer: transfer(settings, None),
                scratch: scratch(settings),
            };
            (list_source(&options)?, name)
        }
    };
    printer.json(&entries);
    let rows: Vec<Row> = entries
        .into_iter()
        .map(|entry| Row {
            path: entry.path,
            size: args
                .size
                .then(|| shown_size(printer, entry.size, entry.is_directory)),
            hash: args
                .show_hash
                .then(|| entry.md5.map(|id| id.to_string()).unwrap_or_default()),
        })
        .collect();
    if args.tree {
        show_tree(printer, &name, &rows);
    } else {
        show_rows(printer, &rows);
    }
    Ok(ExitStatus::Success)
}

pub(super) enum Place {
    /// A path in the project around, absolute; all of it if there is none.
    Here(Option<Utf8PathBuf>),
    /// The work tree of another project, and a path in it.
    Project(Utf8PathBuf, String),
    Repository(String, String),
}

/// DVC wants a repository first. A path in the project around does as well: that is one where no
/// repository begins.
pub(super) fn place(
    url: Option<&str>,
    path: Option<&str>,
    source: &SourceArgs,
    settings: &Settings,
) -> Place {
    let Some(url) = url else {
        return Place::Here(None);
    };
    let directory = tidy(&settings.directory.join(url));
    let begins = [".dvc", ".git", "HEAD"]
        .iter()
        .any(|name| directory.join(name).exists());
    let around = project_root(settings);
    let inside = |root: &Utf8PathBuf| directory.starts_with(root);
    let remote = url.contains("://") || url.contains("::") || url.starts_with('-');
    if path.is_none() && !remote && !begins && around.as_ref().is_some_and(inside) {
        return Place::Here(Some(directory));
    }
    let path = path.unwrap_or_default().to_owned();
    if !remote && source.revision().is_none() && directory.join(".dvc").is_dir() {
        return Place::Project(directory, path);
    }
    Place::Repository(url.to_owned(), path)
}

/// Another project of this machine, as its own commands would open it.
pub(super) fn open_there(root: &Utf8Path, settings: &Settings) -> Result<Project, CommandError> {
    let shared = settings.dvc_files.clone();
    Ok(Project::open_with(root, shared, settings.patience)?)
}

fn of_project(
    project: &Project,
    settings: &Settings,
    path: Utf8PathBuf,
    args: &ListArgs,
    levels: Option<usize>,
    origin: Origin,
) -> Result<Vec<ListEntry>, CommandError> {
    let options = ListOptions {
        path,
        revision: args.source.revision(),
        folders: if levels == Some(1) {
            Folders::Listed
        } else {
            Folders::Walked
        },
        origin,
        manifests: Some(args.source.transfer(project, settings)?),
    };
    let entries = list(project, &options)?;
    Ok(match levels {
        Some(levels) if levels > 1 => cut(entries, levels),
        _ => entries,
    })
}

/// One entry for each directory that is deeper.
fn cut(entries: Vec<ListEntry>, levels: usize) -> Vec<ListEntry> {
    let mut kept: BTreeMap<String, ListEntry> = BTreeMap::new();
    for entry in entries {
        let path: Utf8PathBuf = entry.path.components().take(levels).collect();
        let whole = path == entry.path;
        let folder = kept.entry(path.to_string()).or_insert_with(|| ListEntry {
            path,
            is_directory: entry.is_directory || !whole,
            is_executable: whole && entry.is_executable,
            md5: entry.md5.clone().filter(|_| whole),
            size: if whole { entry.size } else { Some(0) },
            ..entry.clone()
        });
        if !whole {
            folder.size = folder.size.zip(entry.size).map(|(sum, size)| sum + size);
        }
    }
    kept.into_values().collect()
}

/// What is printed of one file or directory; the columns that were asked for.
pub(super) struct Row {
    pub(super) path: Utf8PathBuf,
    /// As people read it; empty where it is not known.
    pub(super) size: Option<String>,
    /// Empty where it has none.
    pub(super) hash: Option<String>,
}

/// A size as people read it; DVC says none of a directory with nothing in it.
pub(super) fn shown_size(printer: &Printer, size: Option<u64>, is_directory: bool) -> String {
    match size {
        Some(0) if is_directory && printer.speaks_dvc() => String::new(),
        Some(size) if printer.speaks_dvc() => binary_bytes(size),
        Some(size) => bytes(size),
        None => String::new(),
    }
}

/// How wide the columns are, and what stands where there is no hash.
struct Columns {
    size: usize,
    hash: usize,
    no_hash: &'static str,
}

impl Columns {
    /// DVC's are as wide as they have to be.
    fn of(rows: &[Row], printer: &Printer) -> Self {
        if !printer.speaks_dvc() {
            return Self {
                size: 9,
                hash: 36,
                no_hash: "",
            };
        }
        let sizes = rows.iter().filter_map(|row| row.size.as_ref());
        let hashes = rows.iter().filter_map(|row| row.hash.as_ref());
        Self {
            size: sizes.map(String::len).max().unwrap_or(0),
            hash: hashes.map(String::len).max().unwrap_or(0).max(1),
            no_hash: "-",
        }
    }

    /// All of a row but its path.
    fn before(&self, row: &Row) -> String {
        let mut text = String::new();
        if let Some(size) = &row.size {
            let _ = write!(text, "{size:>width$}  ", width = self.size);
        }
        if let Some(hash) = &row.hash {
            let hash = if hash.is_empty() { self.no_hash } else { hash };
            let _ = write!(text, "{hash:<width$}  ", width = self.hash);
        }
        text
    }
}

pub(super) fn show_rows(printer: &Printer, rows: &[Row]) {
    let columns = Columns::of(rows, printer);
    for row in rows {
        printer.line(format_args!("{}{}", columns.before(row), row.path));
    }
}

/// Directories as branches.
pub(super) fn show_tree(printer: &Printer, name: &str, rows: &[Row]) {
    let columns = Columns::of(rows, printer);
    let mut root = Branch::default();
    for row in rows {
        let mut branch = &mut root;
        for part in row.path.components() {
            branch = branch.below.entry(part.as_str().to_owned()).or_default();
        }
        branch.columns = Some(columns.before(row));
    }
    let empty = |column: Option<&String>| column.map(|_| String::new());
    let none = columns.before(&Row {
        path: Utf8PathBuf::new(),
        size: empty(rows.first().and_then(|row| row.size.as_ref())),
        hash: empty(rows.first().and_then(|row| row.hash.as_ref())),
    });
    printer.line(format_args!("{none}{name}"));
    root.show(printer, "", &none);
}

#[derive(Default)]
struct Branch {
    columns: Option<String>,
    below: BTreeMap<String, Self>,
}

impl Branch {
    /// `none` is what stands before a directory.
    fn show(&self, printer: &Printer, indent: &str, none: &str) {
        for (place, (name, branch)) in self.below.iter().enumerate() {
            let last = place + 1 == self.below.len();
            let (edge, line) = if last {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            let columns = branch.columns.as_deref().unwrap_or(none);
            printer.line(format_args!("{columns}{indent}{edge}{name}"));
            branch.show(printer, &format!("{indent}{line}"), none);
        }
    }
}
