//! `ketch dag`

mod drawing;

use std::fmt::Write as _;

use clap::Args;
use ketch_project::{Dag, DagNodes, DagOptions, DagReach, dag};
use serde::Serialize;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::workspace::open_project;

/// Draw the pipeline as a graph
///
/// Stages and `.dvc` files are boxes, and what one needs is above it. With a target, only that and
/// all that it needs. `--dot` and `--mermaid` print the graph for other programs.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of the command line are independent"
)]
pub(crate) struct DagArgs {
    /// Stage, output, `.dvc` file or dvc.yaml; everything by default
    #[arg(value_name = "TARGET")]
    target: Option<String>,

    /// Print it in Graphviz's language
    #[arg(long)]
    dot: bool,

    /// Print it as a Mermaid flowchart
    #[arg(long)]
    mermaid: bool,

    /// Print it as a Mermaid flowchart in a block of Markdown
    #[arg(long)]
    md: bool,

    /// Draw one box for all stages that a `foreach` or `matrix` makes
    #[arg(long)]
    collapse_foreach_matrix: bool,

    /// Draw all that hangs together with the target
    #[arg(long)]
    full: bool,

    /// Draw outputs instead of stages
    #[arg(short, long)]
    outs: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    nodes: &'a [String],
    /// From what is needed to what needs it.
    edges: Vec<[&'a str; 2]>,
}

pub(super) fn run(
    args: DagArgs,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    if args.outs && args.collapse_foreach_matrix {
        return Err(CommandError::user(
            "`--outs` and `--collapse-foreach-matrix` cannot be used together",
        ));
    }
    let project = open_project(settings, printer)?;
    let options = DagOptions {
        folder: settings.directory.clone(),
        target: args.target,
        nodes: match (args.outs, args.collapse_foreach_matrix) {
            (true, _) => DagNodes::Outputs,
            (false, true) => DagNodes::Groups,
            (false, false) => DagNodes::Stages,
        },
        reach: if args.full {
            DagReach::Pipeline
        } else {
            DagReach::Upstream
        },
    };
    let graph = dag(&project, &options)?;
    printer.json(&Report {
        nodes: &graph.nodes,
        edges: named_edges(&graph).map(|(from, to)| [from, to]).collect(),
    });
    if args.dot {
        printer.line(dot(&graph));
    } else if args.md {
        printer.line(format_args!("```mermaid\n{}\n```", mermaid(&graph)));
    } else if args.mermaid {
        printer.line(mermaid(&graph));
    } else {
        let drawn: Vec<String> = graph.parts().iter().map(drawing::draw).collect();
        printer.line(drawn.join("\n").trim_end_matches('\n'));
        if graph.nodes.is_empty() {
            printer.note("there is nothing to draw: no stages and no `.dvc` files");
        }
    }
    Ok(ExitStatus::Success)
}

fn named_edges(graph: &Dag) -> impl Iterator<Item = (&str, &str)> {
    let name = |node: usize| graph.nodes.get(node).map(String::as_str);
    let edges = graph.edges.iter();
    edges.filter_map(move |(from, to)| Some((name(*from)?, name(*to)?)))
}

/// Graphviz's language, with DVC's bytes.
fn dot(graph: &Dag) -> String {
    let quoted = |name: &str| {
        if name.starts_with('"') || name.ends_with('"') {
            name.to_owned()
        } else {
            format!("\"{name}\"")
        }
    };
    let loops = graph.edges.iter().any(|(from, to)| from == to);
    let mut text = if loops {
        "digraph {\n"
    } else {
        "strict digraph {\n"
    }
    .to_owned();
    for node in &graph.nodes {
        let _ = writeln!(text, "{};", quoted(node));
    }
    for (from, to) in named_edges(graph) {
        let _ = writeln!(text, "{} -> {};", quoted(from), quoted(to));
    }
    text + "}\n"
}

/// A flowchart for Mermaid, with DVC's bytes.
fn mermaid(graph: &Dag) -> String {
    let mut text = "flowchart TD".to_owned();
    let mut before = 0;
    for part in graph.parts() {
        let mut names: Vec<&str> = part.nodes.iter().map(String::as_str).collect();
        names.sort_unstable();
        for (place, name) in names.iter().enumerate() {
            let _ = write!(text, "\n\tnode{}[\"{name}\"]", before + place + 1);
        }
        let mut edges: Vec<_> = named_edges(&part).collect();
        edges.sort_unstable();
        let number = |name: &str| names.iter().position(|known| *known == name).unwrap_or(0);
        for (from, to) in edges {
            let (from, to) = (before + number(from) + 1, before + number(to) + 1);
            let _ = write!(text, "\n\tnode{from}-->node{to}");
        }
        before += names.len();
    }
    text
}
