//! `instored evaluate baskets`.

use std::path::PathBuf;

use anyhow::Context;
use instored_evaluate::baskets::{Protocol, Purchases, evaluate};

use super::text;
use crate::output::{print, print_error, print_json, print_line};

/// Rejected lines that are printed; the others are counted.
const PRINTED_REJECTIONS_MAX: usize = 20;

/// Arguments of the measurement.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Purchases with the columns customer, order, time and product: CSV with a header, or JSON
    /// lines (.jsonl, .ndjson, .json). A time has an offset, has none, is a date, seconds since
    /// 1970, or the sequence number of the customer's order
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Drop products in fewer baskets
    #[arg(long, value_name = "N", default_value_t = Protocol::default().min_product_baskets)]
    min_product_baskets: u32,
    /// Drop customers with fewer baskets
    #[arg(long, value_name = "N", default_value_t = Protocol::default().min_baskets)]
    min_baskets: usize,
    /// Predict the basket before the last, and never read the last: for choosing a method
    #[arg(long)]
    validation: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write an HTML page with tables and plots
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// Measures, and prints the results.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { file, min_product_baskets, min_baskets, validation, json, report } = arguments;
    let purchases = Purchases::read(file)?;
    for (line, reason) in purchases.rejected.iter().take(PRINTED_REJECTIONS_MAX) {
        print_error(format_args!("line {line} is skipped: {reason}"));
    }
    if let Some(others @ 1..) = purchases.rejected.len().checked_sub(PRINTED_REJECTIONS_MAX) {
        print_error(format_args!("{others} more lines are skipped"));
    }
    let protocol = Protocol {
        min_product_baskets: *min_product_baskets,
        min_baskets: *min_baskets,
        validation: *validation,
    };
    let results = evaluate(&purchases, &protocol)?;
    if let Some(file) = report {
        results.report().write(file).context("the report was not written")?;
    }
    if *json {
        return print_json(&results);
    }
    print_line(format_args!("{}\n", results.summary()))?;
    print(text(&results.table()))
}
