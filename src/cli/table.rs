//! Text tables, and the format of orders and quantities.

use comfy_table::{CellAlignment, Table};
use instored_domain::{Quantity, TillOrder, Unit};

/// Column of a table: its heading and its alignment.
pub(super) type Column<'a> = (&'a str, CellAlignment);

/// Returns a left-aligned column.
pub(super) fn left(heading: &str) -> Column<'_> {
    (heading, CellAlignment::Left)
}

/// Returns a right-aligned column.
pub(super) fn right(heading: &str) -> Column<'_> {
    (heading, CellAlignment::Right)
}

/// Formats a table without lines; the heading row is omitted if all headings are empty.
pub(super) fn table<'a, R: IntoIterator<Item = String>>(
    columns: impl IntoIterator<Item = Column<'a>>,
    rows: impl IntoIterator<Item = R>,
) -> String {
    let (headings, alignments): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if headings.iter().any(|heading| !heading.is_empty()) {
        table.set_header(headings);
    }
    for row in rows {
        table.add_row(row);
    }
    for (column, alignment) in table.column_iter_mut().zip(alignments) {
        column.set_padding((0, 2)).set_cell_alignment(alignment);
    }
    table.trim_fmt() + "\n"
}

/// Formats a quantity such as `0.845 kg`, or `2` for pieces.
pub(super) fn quantity(quantity: Quantity, unit: Unit) -> String {
    format!("{} {}", quantity.normalize(), unit.symbol()).trim_end().to_owned()
}

/// Formats an order: one line for the order, then one per line item.
pub(super) fn order(order: &TillOrder) -> String {
    let placed = order.placed.strftime("%F %R");
    let till = order.till.as_ref().map_or(String::new(), |till| format!("  till {till}"));
    let total = order.currency.display(order.total);
    let columns = [left(""), right(""), left(""), left(""), right(""), right("")];
    let lines = order.lines.iter().map(|line| {
        [
            String::new(),
            quantity(line.quantity, line.unit),
            format!("× {}", line.name),
            line.sku.clone(),
            order.currency.display(line.unit_price).to_string(),
            order.currency.display(line.amount()).to_string(),
        ]
    });
    format!("{}  {placed}  {total}{till}\n{}", order.id, table(columns, lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_width_is_that_of_widest_cell() {
        let rows = [["Pears", "12.34 EUR"], ["Crème fraîche", "1.00 EUR"]];
        assert_eq!(
            table([left("product"), right("spent")], rows.map(|row| row.map(str::to_owned))),
            "product            spent\n\
             Pears          12.34 EUR\n\
             Crème fraîche   1.00 EUR\n"
        );
    }

    #[test]
    fn table_without_headings_has_rows_only() {
        let rows = [["a".to_owned(), "b".to_owned()]];
        assert_eq!(table([left(""), left("")], rows), "a  b\n");
    }

    #[test]
    fn quantity_of_pieces_has_no_unit() {
        assert_eq!(quantity("2.0".parse().unwrap(), Unit::Piece), "2");
        assert_eq!(quantity("0.845".parse().unwrap(), Unit::Kg), "0.845 kg");
    }
}
