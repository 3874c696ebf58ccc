//! `ketch exp show`

mod drawn;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ketch_project::{
    ExperimentTable, FirstColumns, HiddenExperiments, ShowOptions, SortOrder, TableOptions,
    show_experiments,
};

use crate::commands::queue::shown_time;
use crate::dvc_table::DvcTable;
use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// To how many significant digits fractions are rounded, as DVC does.
const DIGITS: usize = 5;

/// Compare experiments: what they were run with and what came out
///
/// A row for the work tree, for each commit, and below it for each experiment that began from it,
/// with its metrics, its parameters and what it depends on. What waits in the queue, runs or failed
/// is among them.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of the command line are independent"
)]
pub(crate) struct ShowArgs {
    /// Those on this commit; may be repeated [default: HEAD]
    #[arg(long = "rev", value_name = "COMMIT")]
    revisions: Vec<String>,

    /// So many commits each of `--rev` leads to, itself included; 0 for all
    #[arg(
        short,
        long,
        value_name = "COUNT",
        default_value_t = 1,
        allow_negative_numbers = true
    )]
    num: i64,

    /// Those on the tips of all branches
    #[arg(short = 'a', long)]
    all_branches: bool,

    /// Those on all tags
    #[arg(short = 'T', long)]
    all_tags: bool,

    /// Those on every commit
    #[arg(short = 'A', long)]
    all_commits: bool,

    /// Sort experiments of a commit by this metric or parameter, `FILE:NAME` or `NAME`
    #[arg(long, value_name = "NAME")]
    sort_by: Option<String>,

    /// Which way to sort
    #[arg(long, value_enum, default_value_t = Order::Asc)]
    sort_order: Order,

    /// Leave out columns that say the same in every row
    #[arg(long)]
    only_changed: bool,

    /// Leave out columns whose names begin with this regular expression
    #[arg(long, value_name = "REGEX")]
    drop: Vec<String>,

    /// Show columns whose names begin with this regular expression, whatever else is left out
    #[arg(long, value_name = "REGEX")]
    keep: Vec<String>,

    /// Only parameters that stages depend on
    #[arg(long)]
    param_deps: bool,

    /// Show ids of commits in place of branches and tags
    #[arg(long)]
    sha: bool,

    /// Leave out what failed
    #[arg(long)]
    hide_failed: bool,

    /// Leave out what waits
    #[arg(long)]
    hide_queued: bool,

    /// Leave out the work tree
    #[arg(long)]
    hide_workspace: bool,

    /// Print comma-separated values
    #[arg(long, conflicts_with = "md")]
    csv: bool,

    /// Print a table in Markdown
    #[arg(long)]
    md: bool,

    /// Round fractions to so many digits [default: 5; all of them with --csv]
    #[arg(long, value_name = "DIGITS")]
    precision: Option<usize>,

    /// Print the table as it is, also on a terminal
    #[arg(long)]
    no_pager: bool,

    /// Nothing is read from a cache that could be old; for scripts that DVC's option is written in
    #[arg(short, long, hide = true)]
    force: bool,

    /// For scripts that DVC's option is written in
    #[arg(long, hide = true)]
    no_fetch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    Asc,
    Desc,
}

pub(super) fn run(
    args: ShowArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    let project = open_project(settings, printer)?;
    let options = ShowOptions {
        revisions: args.revisions,
        commits: usize::try_from(args.num).ok().filter(|count| *count > 0),
        all_branches: args.all_branches,
        all_tags: args.all_tags,
        all_commits: args.all_commits,
        hidden: HiddenExperiments {
            workspace: args.hide_workspace,
            queued: args.hide_queued,
            failed: args.hide_failed,
            names: args.sha,
        },
        only_stage_params: args.param_deps,
        written_time,
    };
    let states = show_experiments(&project, &options)?;
    printer.json(&states);
    if printer.is_json() {
        return Ok(ExitStatus::Success);
    }
    let digits = if args.csv {
        args.precision.filter(|digits| *digits > 0)
    } else {
        // DVC takes no digits for none given.
        Some(
            args.precision
                .filter(|digits| *digits > 0)
                .unwrap_or(DIGITS),
        )
    };
    let table = ExperimentTable::new(
        &states,
        &TableOptions {
            sort_by: args.sort_by,
            order: match args.sort_order {
                Order::Asc => SortOrder::Ascending,
                Order::Desc => SortOrder::Descending,
            },
            // A number has no more of them.
            digits: digits.map(|digits| digits.min(17)),
            only_changed: args.only_changed,
            dropped: args.drop,
            kept: args.keep,
            blank: if args.csv { "" } else { "-" },
            shown_time,
            first_columns: if args.csv {
                FirstColumns::Apart
            } else {
                FirstColumns::Drawn
            },
        },
    )?;
    if args.csv {
        printer.raw(csv(&table).as_bytes());
    } else if args.md {
        printer.line(markdown(&table));
    } else {
        drawn::print(&table, printer);
    }
    Ok(ExitStatus::Success)
}

/// As Python's `isoformat` has it, where the machine is.
fn written_time(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time
            .to_zoned(TimeZone::system())
            .strftime("%Y-%m-%dT%H:%M:%S")
            .to_string(),
        Err(_) => String::new(),
    }
}

/// As RFC 4180 has it.
fn csv(table: &ExperimentTable) -> String {
    let field = |text: &str| {
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let mut text = String::new();
    let mut line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells.into_iter().map(field).collect();
        text += &cells.join(",");
        text += "\r\n";
    };
    let columns = &table.columns;
    line(columns.iter().map(|column| column.name.as_str()).collect());
    for row in 0..table.rows.len() {
        let cells = columns.iter().filter_map(|column| column.cells.get(row));
        line(cells.map(String::as_str).collect());
    }
    text
}

fn markdown(table: &ExperimentTable) -> String {
    let escaped = |text: &str| text.replace('|', "\\|");
    let columns = &table.columns;
    let mut written = DvcTable::new(columns.iter().map(|column| escaped(&column.name)));
    for row in 0..table.rows.len() {
        let cells = columns.iter().filter_map(|column| column.cells.get(row));
        written.row(cells.map(|cell| escaped(cell)));
    }
    written.markdown()
}
