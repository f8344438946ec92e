//! `instored orders`: what customers bought.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;

use super::customers::UNEXPECTED;
use super::{office, print_json};
use crate::config::Config;
use crate::daemon::operator::{Request, Response};
use crate::domain::{CustomerId, Order};
use crate::intake::{self, Format, Imported, Rejected};
use crate::vault::OrderAdded;

/// What to do.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Take in a file of orders; bad lines are named and left out, known orders change nothing
    ///
    /// CSV has a line a product and the columns customer, order, placed, currency, sku, name,
    /// quantity, unit_price (in minor units) and, if you like, till. JSON lines have an order a line.
    Import {
        /// A .csv, .jsonl or .ndjson file, or - for JSON lines from standard input
        file: PathBuf,
        /// Read and check only
        #[arg(long)]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take in one order, as JSON
    Add {
        /// The order, such as {"id":"T2-77","customer":"…","placed":"2026-03-29T09:15:00+02:00",
        /// "currency":"EUR","lines":[{"sku":"4002","name":"Oat milk","quantity":2,"unit_price":199}],
        /// "total":398}
        order: String,
    },
    /// List a customer's orders, newest first
    List {
        /// The customer's id
        customer: CustomerId,
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Orders a request: far inside what the control socket takes.
const BATCH: usize = 1000;

pub(super) fn run(action: Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Import { file, dry_run, json } => import(config, &file, dry_run, json),
        Action::Add { order } => {
            let order: Order = serde_json::from_str(&order).context("this is no order")?;
            let id = order.id.clone();
            match add(config, vec![order])?[..] {
                [OrderAdded::Added] => println!("order {id} added"),
                [OrderAdded::AlreadyKnown] => println!("order {id} was known"),
                [OrderAdded::Conflict] => bail!(conflict(&id.0)),
                _ => bail!("order {id}: no such customer is enrolled"),
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::List { customer, limit, json } => {
            let Response::Orders { orders, refused } =
                office::ask(config, Request::Orders { customer, limit })?
            else {
                bail!(UNEXPECTED);
            };
            if json {
                print_json(&orders)?
            } else {
                orders.iter().for_each(print)
            }
            for refused in &refused {
                eprintln!("instored: {refused}");
            }
            Ok(ExitCode::from(u8::from(!refused.is_empty())))
        }
    }
}

fn import(config: &Config, file: &Path, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    let Imported { orders, mut rejected } = read(file)?;
    let (mut added, mut known) = (0u64, 0u64);
    for batch in orders.chunks(BATCH) {
        if dry_run {
            continue;
        }
        let outcomes = add(config, batch.iter().map(|(order, _)| order.clone()).collect())?;
        for ((order, lines), outcome) in batch.iter().zip(outcomes) {
            let reason = match outcome {
                OrderAdded::Added => {
                    added += 1;
                    continue;
                }
                OrderAdded::AlreadyKnown => {
                    known += 1;
                    continue;
                }
                OrderAdded::Conflict => conflict(&order.id.0),
                OrderAdded::NoSuchCustomer => {
                    format!("no customer {} is enrolled", order.customer)
                }
            };
            let line = |line: &u64| Rejected { line: *line, reason: reason.clone() };
            rejected.extend(lines.iter().map(line));
        }
    }
    rejected.sort_by_key(|r| r.line);
    if json {
        let lines: Vec<_> = rejected
            .iter()
            .map(|r| serde_json::json!({ "line": r.line, "reason": r.reason }))
            .collect();
        print_json(&serde_json::json!({
            "orders": orders.len(), "added": added, "already_known": known, "rejected": lines,
        }))?;
    } else {
        for Rejected { line, reason } in &rejected {
            eprintln!("line {line}: {reason}");
        }
        let what = if dry_run { "orders could be read" } else { "orders read" };
        let left_out = rejected.len();
        println!(
            "{} {what}, {added} added, {known} known before, {left_out} lines left out",
            orders.len()
        );
    }
    Ok(ExitCode::from(u8::from(!rejected.is_empty())))
}

fn read(file: &Path) -> anyhow::Result<Imported> {
    let now = Timestamp::now();
    if file == Path::new("-") {
        return Ok(intake::read(std::io::stdin().lock(), Format::JsonLines, now)?);
    }
    let format = Format::of_path(file).with_context(|| {
        format!("{}: the name has to end in .csv, .jsonl or .ndjson", file.display())
    })?;
    let input: Box<dyn BufRead> = Box::new(BufReader::new(
        File::open(file).with_context(|| format!("cannot open {}", file.display()))?,
    ));
    intake::read(input, format, now).with_context(|| file.display().to_string())
}

fn add(config: &Config, orders: Vec<Order>) -> anyhow::Result<Vec<OrderAdded>> {
    match office::ask(config, Request::AddOrders { orders })? {
        Response::Added(outcomes) => Ok(outcomes),
        _ => bail!(UNEXPECTED),
    }
}

fn conflict(id: &str) -> String {
    format!("order {id} is known with other content; that one stays")
}

fn print(order: &Order) {
    let when = order.placed.strftime("%F %R");
    println!("{}  {when}  {}", order.id, order.currency.display(order.total));
    for line in &order.lines {
        let each = order.currency.display(line.unit_price);
        println!("    {} x {} ({}), {each} each", line.quantity, line.name, line.sku);
    }
}
