//! Tables whose columns line up as in DVC's.

/// Rows under a header.
#[derive(Debug)]
pub(crate) struct DvcTable {
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    name: String,
    cells: Vec<String>,
}

impl DvcTable {
    pub(crate) fn new(headers: impl IntoIterator<Item = String>) -> Self {
        let columns = headers.into_iter().map(|name| Column {
            name,
            cells: Vec::new(),
        });
        Self {
            columns: columns.collect(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.cells.push(cell);
        }
    }

    /// In Markdown, with an empty line behind it; the last line has no end.
    pub(crate) fn markdown(&self) -> String {
        let row = |cell: &dyn Fn(&Column) -> String| {
            let cells: Vec<String> = self.columns.iter().map(cell).collect();
            format!("|{}|\n", cells.join("|"))
        };
        let mut text = row(&|column| format!(" {} ", column.padded(&column.name)));
        text += &row(&|column| "-".repeat(column.width() + 2));
        for place in 0..self.height() {
            text += &row(&|column| format!(" {} ", column.padded(column.cell(place))));
        }
        text
    }

    /// For people; the last line has no end.
    pub(crate) fn plain(&self) -> String {
        let row = |cell: &dyn Fn(&Column) -> String| {
            let cells: Vec<String> = self.columns.iter().map(cell).collect();
            cells.join("  ").trim_end().to_owned()
        };
        let mut lines = vec![row(&|column| column.padded(&column.name))];
        for place in 0..self.height() {
            lines.push(row(&|column| column.padded(column.cell(place))));
        }
        lines.join("\n")
    }

    fn height(&self) -> usize {
        self.columns.first().map_or(0, |column| column.cells.len())
    }
}

impl Column {
    fn cell(&self, place: usize) -> &str {
        self.cells.get(place).map_or("", String::as_str)
    }

    /// Two wider than its name at least, as DVC's are.
    fn width(&self) -> usize {
        let widths = self.cells.iter().map(|cell| cell.chars().count());
        widths.max().unwrap_or(0).max(self.name.chars().count() + 2)
    }

    fn padded(&self, cell: &str) -> String {
        format!("{cell:<width$}", width = self.width())
    }
}
