//! The table of experiments as people see it.

use ketch_project::{ColumnKind, ExperimentTable, RowKind, TableColumn};
use owo_colors::OwoColorize as _;

use crate::printer::Printer;

/// Between two columns.
const GAP: &str = "   ";

/// Prints a line for each row, between rules.
pub(super) fn print(table: &ExperimentTable, printer: &Printer) {
    for line in lines(table) {
        printer.line(line);
    }
}

fn lines(table: &ExperimentTable) -> Vec<String> {
    let widths: Vec<usize> = table.columns.iter().map(width).collect();
    let between = GAP.len() * widths.len().saturating_sub(1);
    let whole = widths.iter().sum::<usize>() + between + 2;
    let rule = format!(" {} ", "─".repeat(whole));
    let row = |cell: &dyn Fn(&TableColumn) -> String| {
        let cells = table.columns.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(column, width)| padded(&cell(column), *width, column.kind))
            .collect();
        format!("  {}  ", cells.join(GAP))
    };
    let header = row(&|column| column.name.clone());
    let mut lines = vec![rule.clone(), header.bold().to_string(), rule.clone()];
    for (place, kind) in table.rows.iter().enumerate() {
        let line = row(&|column| column.cells.get(place).cloned().unwrap_or_default());
        lines.push(match kind {
            RowKind::Baseline => line.bold().to_string(),
            RowKind::Experiment | RowKind::LastExperiment => line,
        });
    }
    lines.push(rule);
    lines
}

fn width(column: &TableColumn) -> usize {
    let cells = column.cells.iter().chain([&column.name]);
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

/// Numbers that were measured stand below each other's ends.
fn padded(cell: &str, width: usize, kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Metric => format!("{cell:>width$}"),
        ColumnKind::About | ColumnKind::Param | ColumnKind::Dependency => {
            format!("{cell:<width$}")
        }
    }
}
