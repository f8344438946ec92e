//! Files of past orders and of the catalogue: CSV or JSON lines in, orders and products out, one
//! after the other, whatever the file's size. What cannot be read is named by its line and reason,
//! and the rest is kept.

#![forbid(unsafe_code)]

mod baskets;
mod history;
mod json_lines;
mod lines;
mod order_table;
mod product_table;
mod table;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead};
use std::path::Path;

use instored_domain::{Currency, Order, OrderId, Product};
use jiff::Timestamp;

pub use history::history_page;

/// The formats that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A table under a header that names its columns, in any order.
    ///
    /// Orders: a product a line, with `customer`, `order`, `placed`, `currency`, `sku`, `name`,
    /// `quantity`, `unit_price` (in minor units), and `unit`, `void`, `total`, `till`, `replaces`
    /// where they are known. The lines of an order need not be together, but within
    /// [`MAX_LINE_DISTANCE`] lines.
    ///
    /// Products: `sku`, `name`, and `category`, `available`, `age_restricted`, `allergens` where
    /// they are known.
    Csv,
    /// An [`Order`] or a [`Product`] a line, as JSON.
    JsonLines,
}

impl Format {
    /// The format that a file's extension names: `csv`, `jsonl` or `ndjson`.
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// How far apart two lines of an order may stand in a CSV file. So many lines are held at once.
pub const MAX_LINE_DISTANCE: u64 = 10_000;

/// What a file gives, piece by piece.
#[derive(Clone, PartialEq, Debug)]
pub enum Entry<T> {
    /// An order or a product that passed its check, and the lines it came from.
    Accepted(T, Vec<u64>),
    /// A line that gave none.
    Rejected(RejectedLine),
}

/// A line that was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RejectedLine {
    /// Its number; the first is 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a file cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ImportError {
    #[error("the file could not be read: {0}")]
    Read(#[from] io::Error),
    #[error("the header {fault}; it has to name {columns}")]
    Header { fault: String, columns: &'static str },
    #[error(
        "line {line} belongs to order `{order}`, whose other lines stand more than {MAX_LINE_DISTANCE} lines \
         before; sort the file by the order's id"
    )]
    Scattered { line: u64, order: OrderId },
}

/// What every order of a file is held to.
#[derive(Clone, Copy, Debug)]
pub struct OrderRules {
    /// The moment after which no order can have been placed.
    pub now: Timestamp,
    /// The shop's currency; where it has set none, each is taken.
    pub currency: Option<Currency>,
}

/// The entries of a file; after an error there are none.
pub type Entries<'a, T> = Box<dyn Iterator<Item = Result<Entry<T>, ImportError>> + 'a>;

/// Reads a file of orders. Memory is bounded by [`MAX_LINE_DISTANCE`] and the longest line that is read, 64
/// KiB, and for a CSV file by 16 bytes an order, to notice lines that stand too far apart.
///
/// An order of which one line is wrong is left out whole: a basket with a hole would be a false
/// history.
///
/// # Errors
/// When a CSV file has no proper header. The entries end with an error when the file cannot be
/// read, or an order's lines stand too far apart.
pub fn read_orders<'a>(
    input: impl BufRead + 'a,
    format: Format,
    rules: OrderRules,
) -> Result<Entries<'a, Order>, ImportError> {
    Ok(match format {
        Format::Csv => Box::new(baskets::read(input, rules)?),
        Format::JsonLines => Box::new(json_lines::read(input, move |order: &Order| {
            order.check(rules.now, rules.currency)
        })),
    })
}

/// Reads a file of products. Memory is bounded by the longest line that is read, 64 KiB.
///
/// # Errors
/// When a CSV file has no proper header. The entries end with an error when the file cannot be
/// read.
pub fn read_products<'a>(
    input: impl BufRead + 'a,
    format: Format,
) -> Result<Entries<'a, Product>, ImportError> {
    Ok(match format {
        Format::Csv => Box::new(product_table::read(input)?),
        Format::JsonLines => Box::new(json_lines::read(input, Product::check)),
    })
}
