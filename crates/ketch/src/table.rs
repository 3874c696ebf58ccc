//! Columns of text, and numbers as people read them.

use std::fmt;

use owo_colors::OwoColorize as _;

/// Space between two columns.
const GAP: usize = 2;

/// Rows under a header, each column as wide as its widest cell.
#[derive(Debug, Clone)]
pub(crate) struct TextTable<const COLUMNS: usize> {
    header: [&'static str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> TextTable<COLUMNS> {
    pub(crate) fn new(header: [&'static str; COLUMNS]) -> Self {
        Self {
            header,
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells);
    }

    fn widths(&self) -> [usize; COLUMNS] {
        let mut widths = self.header.map(|name| name.chars().count());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

/// The lines, the last one without its end.
impl<const COLUMNS: usize> fmt::Display for TextTable<COLUMNS> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let header = aligned(self.header.iter().copied(), &widths);
        write!(formatter, "{}", header.bold())?;
        for row in &self.rows {
            let line = aligned(row.iter().map(String::as_str), &widths);
            write!(formatter, "\n{line}")?;
        }
        Ok(())
    }
}

fn aligned<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.zip(widths) {
        line.push_str(cell);
        let missing = width.saturating_sub(cell.chars().count());
        line.extend(std::iter::repeat_n(' ', missing + GAP));
    }
    line.truncate(line.trim_end().len());
    line
}

/// `12 B`, `3.4 kB`, `56.0 MB`: in powers of 1000, as disks are sold.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if size < 1000 {
        return format!("{size} B");
    }
    let mut value = size as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `12`, `3.32k`, `53.4M`: three digits and a power of 1024, as DVC has it.
pub(crate) fn binary_bytes(size: u64) -> String {
    const UNITS: [&str; 9] = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
    if size < 1024 {
        return size.to_string();
    }
    let mut value = size as f64;
    for unit in UNITS {
        if value < 999.5 {
            return if value < 9.995 {
                format!("{value:.2}{unit}")
            } else if value < 99.95 {
                format!("{value:.1}{unit}")
            } else {
                format!("{value:.0}{unit}")
            };
        }
        value /= 1024.0;
    }
    size.to_string()
}

/// A measured number with at most six digits after the point, and none that say nothing.
pub(crate) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value != 0.0 && !(1e-4..1e12).contains(&magnitude) {
        return format!("{value:e}");
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_space() {
        let mut table = TextTable::new(["model", "version"]);
        table.row(["rain".to_owned(), "1".to_owned()]);
        table.row(["größer-als".to_owned(), String::new()]);
        let text = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(text, "model       version\nrain        1\ngrößer-als");
    }

    #[test]
    fn sizes_change_unit_where_they_would_round_up() {
        for (size, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(bytes(size), shown);
        }
    }

    /// What DVC 3.67.1 prints.
    #[test]
    fn binary_sizes_have_three_digits() {
        for (size, shown) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1.00k"),
            (5000, "4.88k"),
            (10_240, "10.0k"),
            (102_400, "100k"),
            (1_023_000, "999k"),
            (1_024_000, "0.98M"),
            (1_234_567, "1.18M"),
        ] {
            assert_eq!(binary_bytes(size), shown);
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, shown) in [
            (0.0, "0"),
            (3.0, "3"),
            (1200.0, "1200"),
            (0.862_345_678, "0.862346"),
            (-0.5, "-0.5"),
            (1e-9, "1e-9"),
            (2.5e20, "2.5e20"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value), shown);
        }
    }
}
