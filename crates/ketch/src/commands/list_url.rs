//! `ketch list-url`

use clap::Args;
use ketch_project::{UrlListOptions, list_url};

use super::elsewhere::{key_value, project_root, transfer};
use super::list::{Row, show_rows, show_tree, shown_size};
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// List the files at a path or a URL
#[derive(Debug, Args)]
#[command(visible_alias = "ls-url")]
pub(crate) struct ListUrlArgs {
    /// Where the files are
    url: String,

    /// List the files in directories
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Draw directories as a tree
    #[arg(short = 'T', long)]
    tree: bool,

    /// How many levels of directories to look into
    #[arg(short = 'L', long, value_name = "NUMBER")]
    level: Option<usize>,

    /// Print sizes too
    #[arg(long)]
    size: bool,

    /// Options for the server, as a remote has them
    #[arg(long, value_name = "NAME=VALUE", num_args = 1.., value_parser = key_value)]
    fs_config: Vec<(String, String)>,
}

pub(super) fn run(
    args: ListUrlArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let ListUrlArgs {
        url,
        recursive,
        tree,
        level,
        size,
        fs_config,
    } = args;
    let entries = list_url(&UrlListOptions {
        url: url.clone(),
        directory: settings.directory.clone(),
        root: project_root(settings),
        levels: if recursive || tree { level } else { Some(1) },
        settings: fs_config,
        transfer: transfer(settings, None),
    })?;
    printer.json(&entries);
    let rows: Vec<Row> = entries
        .into_iter()
        .map(|entry| Row {
            path: entry.path,
            size: size.then(|| shown_size(printer, entry.size, entry.is_directory)),
            hash: None,
        })
        .collect();
    if tree {
        show_tree(printer, &url, &rows);
    } else {
        show_rows(printer, &rows);
    }
    Ok(ExitStatus::Success)
}
