//! Files of past orders: CSV or JSON lines in, orders out. What cannot be read is named by its
//! line and reason, and the rest is kept.

mod csv;
mod json_lines;
mod lines;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead};
use std::path::Path;

use jiff::Timestamp;

use crate::domain::Order;

/// The formats that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A product a line, under a header that names the columns `customer`, `order`, `placed`,
    /// `currency`, `sku`, `name`, `quantity`, `unit_price` (in minor units) and, if it likes,
    /// `till`, in any order. The lines of an order need not be together.
    Csv,
    /// An [`Order`] a line, as JSON.
    JsonLines,
}

impl Format {
    /// The format that a file's extension names: `csv`, `jsonl` or `ndjson`.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// What a file gave.
#[derive(Debug, Default)]
pub struct Imported {
    /// Orders that passed [`Order::check`], each with the lines it came from, in the file's order.
    pub orders: Vec<(Order, Vec<u64>)>,
    /// Lines that gave none, in the file's order.
    pub rejected: Vec<Rejected>,
}

/// A line that was left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejected {
    /// Its number; the first is 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum IntakeError {
    #[error("the file could not be read: {0}")]
    Read(#[from] io::Error),
    #[error("the header, line 1, {0}; it has to name {columns}", columns = csv::COLUMNS)]
    Header(String),
}

/// Reads a file of orders. Memory grows with the orders, never with the length of a line.
///
/// An order of which one line is wrong is left out whole: a basket with a hole would be a false
/// history. `now` bounds the dates.
///
/// # Errors
/// When the file cannot be read, or a CSV file has no proper header.
pub fn read(input: impl BufRead, format: Format, now: Timestamp) -> Result<Imported, IntakeError> {
    match format {
        Format::Csv => csv::read(input, now),
        Format::JsonLines => Ok(json_lines::read(input, now)?),
    }
}
