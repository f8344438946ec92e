//! `instored evaluate baskets`.

use std::path::PathBuf;

use anyhow::Context;
use instored_evaluate::baskets::{Protocol, Purchases, evaluate};

use super::text;
use crate::output::{print, print_error, print_json, print_line};

/// Maximum number of rejected lines that are printed. Further lines are only counted.
const PRINTED_REJECTIONS_MAX: usize = 20;

/// Arguments of the measurement.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Purchases with the columns customer, order, time and product: CSV with a header, or JSON
    /// lines (.jsonl, .ndjson, .json). A time is a date, a date and time with or without UTC offset,
    /// seconds since 1970, or the sequence number of the customer's order
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Ignore products that are in fewer than N baskets
    #[arg(long, value_name = "N", default_value_t = Protocol::default().min_product_baskets)]
    min_product_baskets: u32,
    /// Ignore customers with fewer than N baskets
    #[arg(long, value_name = "N", default_value_t = Protocol::default().min_baskets)]
    min_baskets: usize,
    /// Ignore each customer's last basket and predict the one before it, to choose a method without
    /// the test data
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
    if let Some(unprinted @ 1..) = purchases.rejected.len().checked_sub(PRINTED_REJECTIONS_MAX) {
        print_error(format_args!("{unprinted} more lines are skipped"));
    }
    let protocol = Protocol {
        min_product_baskets: *min_product_baskets,
        min_baskets: *min_baskets,
        validation: *validation,
    };
    let results = evaluate(&purchases, &protocol)?;
    if let Some(file) = report {
        results.report().write(file).context("cannot write the report")?;
    }
    if *json {
        return print_json(&results);
    }
    print_line(format_args!("{}\n", results.summary()))?;
    print(text(&results.table()))
}
