//! Orders and tables as people read them: aligned, amounts with their currency, quantities with
//! their unit.

use std::fmt;

use instored_domain::{Quantity, TillOrder, Unit};

/// A quantity such as `0.845 kg`, or `2` for pieces.
pub(super) fn quantity(quantity: Quantity, unit: Unit) -> String {
    format!("{} {}", quantity.normalize(), unit.symbol()).trim_end().to_owned()
}

/// Prints an order like a till's receipt.
pub(super) fn print(order: &TillOrder) {
    let when = order.placed.strftime("%F %R");
    let till = order.till.as_ref().map_or(String::new(), |till| format!("  till {till}"));
    let total = order.currency.display(order.total);
    println!("{}  {when}  {total}{till}", order.id);
    let mut table = Table::new(["", ">", "", "", ">", ">"]);
    for line in &order.lines {
        table.row([
            "  ".to_owned(),
            quantity(line.quantity, line.unit),
            format!("× {}", line.name),
            line.sku.clone(),
            order.currency.display(line.unit_price).to_string(),
            order.currency.display(line.amount()).to_string(),
        ]);
    }
    print!("{table}");
}

/// Columns under their heads, if they have any.
pub(super) struct Table<const N: usize> {
    heads: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these heads; the columns of those that begin with `>` stand at the right.
    pub(super) fn new(heads: [&'static str; N]) -> Self {
        Self { heads, rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = self.heads.map(|head| head.trim_start_matches('>').to_owned());
        let headed = heads.iter().any(|head| !head.is_empty());
        let rows = headed.then_some(&heads).into_iter().chain(&self.rows);
        let mut widths = [0; N];
        for row in rows.clone() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in rows {
            let mut line = String::new();
            for ((cell, width), head) in row.iter().zip(widths).zip(self.heads) {
                line += &match head.starts_with('>') {
                    true => format!("{cell:>width$}  "),
                    false => format!("{cell:<width$}  "),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["product", ">spent"]);
        table.row(["Pears".into(), "12.34 EUR".into()]);
        table.row(["Crème fraîche".into(), "1.00 EUR".into()]);
        assert_eq!(
            table.to_string(),
            "product            spent\n\
             Pears          12.34 EUR\n\
             Crème fraîche   1.00 EUR\n"
        );
    }

    #[test]
    fn pieces_have_no_unit() {
        assert_eq!(quantity("2.0".parse().unwrap(), Unit::Piece), "2");
        assert_eq!(quantity("0.845".parse().unwrap(), Unit::Kg), "0.845 kg");
    }
}
