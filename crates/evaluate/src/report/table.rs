//! Tables.

use maud::{Markup, html};

/// A table: the first column names the rows, the others hold figures.
pub struct Table {
    /// Names of the columns.
    pub header: Vec<String>,
    /// Rows, each as long as the header.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows yet.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { header: header.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// The same for a terminal, in columns.
    pub fn to_text(&self) -> String {
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let width = |i: usize| all().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max();
        let line = |row: &Vec<String>| {
            let cell = |(i, cell): (usize, &String)| {
                let width = width(i).unwrap_or(0);
                if i == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
            };
            row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ")
        };
        all().map(|row| line(row).trim_end().to_owned() + "\n").collect()
    }
}

impl From<&Table> for Markup {
    fn from(table: &Table) -> Self {
        html! {
            div.scroll {
                table {
                    thead { tr { @for cell in &table.header { th { (cell) } } } }
                    tbody {
                        @for row in &table.rows { tr { @for cell in row { td { (cell) } } } }
                    }
                }
            }
        }
    }
}
