//! `instored evaluate baskets`.

use std::path::PathBuf;

use anyhow::Context;
use instored_evaluate::baskets::{Protocol, Purchases, evaluate};

use crate::cli::print_json;

/// Lines that are refused one by one on the screen; the others are counted.
const SHOWN: usize = 20;

/// Which purchases to foretell.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Purchases with the columns customer, order, time and product: CSV with a header, or JSON
    /// lines (.jsonl, .ndjson, .json). Times are with an offset, without one, dates, seconds since
    /// 1970, or the number of the customer's order
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Drop products in fewer baskets
    #[arg(long, value_name = "N", default_value_t = Protocol::default().min_product_baskets)]
    min_product_baskets: u32,
    /// Drop customers with fewer baskets
    #[arg(long, value_name = "N", default_value_t = Protocol::default().min_baskets)]
    min_baskets: usize,
    /// Foretell the basket before the last and never look at the last: for choosing a method
    #[arg(long)]
    validation: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a page with tables and plots
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { file, min_product_baskets, min_baskets, validation, json, report } = arguments;
    let purchases = Purchases::read(file)?;
    for (line, reason) in purchases.refused.iter().take(SHOWN) {
        eprintln!("line {line} is left out: {reason}");
    }
    if let Some(others @ 1..) = purchases.refused.len().checked_sub(SHOWN) {
        eprintln!("{others} more lines are left out");
    }
    let protocol = Protocol {
        min_product_baskets: *min_product_baskets,
        min_baskets: *min_baskets,
        validation: *validation,
    };
    let results = evaluate(&purchases, &protocol)?;
    if let Some(file) = report {
        results.report().write(file).context("the report is not there")?;
    }
    if *json {
        return print_json(&results);
    }
    println!("{}\n", results.summary());
    print!("{}", results.to_text());
    Ok(())
}
