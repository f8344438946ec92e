//! Tables.

use maud::{Markup, html};

/// Table whose first column names the rows.
pub struct Table {
    /// Column headings.
    pub header: Vec<String>,
    /// Rows with one cell per column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Returns a table without rows.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { header: header.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn add_row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
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
