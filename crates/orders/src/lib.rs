//! Import of orders and catalogue, and purchase history.
//!
//! | module | contents |
//! |---|---|
//! | `record_reader` | lines and CSV records of a file, with a bounded length |
//! | `csv_reader` | CSV tables: a header and records with named fields |
//! | `order_csv`, `product_csv`, `json_lines` | the file formats |
//! | `order_assembler` | grouping of CSV records into orders |
//! | `history` | a customer's purchase history |
//!
//! Rules:
//! 1. Entries are returned while the file is being read, so the whole file is never in memory.
//! 2. An invalid line is reported with its number and reason, and the import continues.
//! 3. An order is imported with all its lines or not at all.
//! 4. Amounts are whole minor units and quantities are decimals, so that sums are exact.

#![forbid(unsafe_code)]

mod csv_reader;
#[cfg(fuzzing)]
pub mod fuzzing;
mod history;
mod json_lines;
mod order_assembler;
mod order_csv;
mod product_csv;
mod record_reader;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead};
use std::path::Path;

use instored_domain::{Currency, Order, OrderId, Product};
use jiff::Timestamp;

pub use history::history_page;

/// The file formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A table with a header that names its columns, in any order.
    ///
    /// Orders have one line item per record, with the columns `customer`, `order`, `placed`,
    /// `currency`, `sku`, `name`, `quantity` and `unit_price` (in minor units), and optionally
    /// `unit`, `void`, `total`, `till` and `replaces`. Records of different orders may be mixed:
    /// two successive records of an order may be [`MAX_LINE_DISTANCE`] lines apart.
    ///
    /// Products have the columns `sku` and `name`, and optionally `category`, `available`,
    /// `age_restricted` and `allergens`.
    Csv,
    /// One [`Order`] or [`Product`] per line, as JSON.
    JsonLines,
}

impl Format {
    /// Returns the format for a file's extension: `csv`, `jsonl` or `ndjson`.
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// Maximum distance between two successive lines of an order in a CSV file, in lines. An order
/// stays in memory until the reader is this far past its last line.
pub const MAX_LINE_DISTANCE: u64 = 10_000;

/// An entry of a file.
#[derive(Clone, PartialEq, Debug)]
pub enum Entry<T> {
    /// A valid order or product, and the numbers of its lines.
    Accepted(T, Vec<u64>),
    /// An invalid line.
    Rejected(RejectedLine),
}

/// A line that is not imported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RejectedLine {
    /// Number of the line, from 1.
    pub line: u64,
    /// The reason, such as "is not UTF-8; save the file as UTF-8".
    pub reason: String,
}

/// An error that ends the import of a file.
#[derive(Debug, thiserror::Error)]
// The messages document the variants.
#[allow(missing_docs)]
pub enum ImportError {
    #[error("the file could not be read: {0}")]
    Read(#[from] io::Error),
    #[error("the header {error}; required columns: {columns}")]
    Header { error: String, columns: &'static str },
    #[error(
        "line {line} belongs to order `{order}`, but the order's previous line is more than \
         {MAX_LINE_DISTANCE} lines before it; sort the file by the order's id"
    )]
    Scattered { line: u64, order: OrderId },
}

/// Validation rules for the orders of a file.
#[derive(Clone, Copy, Debug)]
pub struct OrderRules {
    /// Current time. Orders from the future are rejected.
    pub now: Timestamp,
    /// The shop's currency, the only one allowed; `None` allows every currency.
    pub currency: Option<Currency>,
}

/// Iterator over the entries of a file. It ends after the first error.
pub type Entries<'a, T> = Box<dyn Iterator<Item = Result<Entry<T>, ImportError>> + 'a>;

/// Reads a file of orders.
///
/// A line has at most 64 KiB. Orders of a CSV file stay in memory until [`MAX_LINE_DISTANCE`] lines
/// after their last line. Each closed order needs 16 bytes, to detect lines that are too far apart.
///
/// If one line of an order is invalid, the whole order is rejected: an incomplete basket would
/// falsify the history.
///
/// # Errors
/// If a CSV file has no valid header. The iterator returns an error if the file cannot be read, or
/// if the lines of an order are too far apart.
pub fn read_orders<'a>(
    input: impl BufRead + 'a,
    format: Format,
    rules: OrderRules,
) -> Result<Entries<'a, Order>, ImportError> {
    Ok(match format {
        Format::Csv => until_error(order_assembler::read(input, rules)?),
        Format::JsonLines => until_error(json_lines::read(input, move |order: &Order| {
            order.check(rules.now, rules.currency)
        })),
    })
}

/// Reads a file of products. Memory is bounded by one line of at most 64 KiB.
///
/// # Errors
/// If a CSV file has no valid header. The iterator returns an error if the file cannot be read.
pub fn read_products<'a>(
    input: impl BufRead + 'a,
    format: Format,
) -> Result<Entries<'a, Product>, ImportError> {
    Ok(match format {
        Format::Csv => until_error(product_csv::read(input)?),
        Format::JsonLines => until_error(json_lines::read(input, Product::check)),
    })
}

/// Result of reading the next entry; `None` at the end of the file.
type NextEntry<T> = Result<Option<Entry<T>>, ImportError>;

/// Creates an iterator that calls `next` until the end of the file or the first error.
fn until_error<'a, T: 'a>(mut next: impl FnMut() -> NextEntry<T> + 'a) -> Entries<'a, T> {
    let mut has_failed = false;
    Box::new(std::iter::from_fn(move || {
        if has_failed {
            return None;
        }
        let item = next().transpose();
        has_failed = matches!(item, Some(Err(_)));
        item
    }))
}

/// Converts the validation result of the value at `line` into an entry.
fn to_entry<T>(value: Result<T, String>, line: u64) -> Entry<T> {
    match value {
        Ok(value) => Entry::Accepted(value, vec![line]),
        Err(reason) => Entry::Rejected(RejectedLine { line, reason }),
    }
}
