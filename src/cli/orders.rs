//! `instored orders`: what customers bought.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use instored_domain::{CustomerId, History, HistoryEntries, HistoryView, Order, OrderId, Page};
use instored_orders::{OrderRules, RejectedLine};
use instored_vault::AddOrderOutcome;
use jiff::Timestamp;

use super::customers::UNEXPECTED;
use super::files::{self, LeftOut};
use super::receipt::{self, Table};
use super::{office, print_json};
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response, order_rejection};

/// What to do.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Take in a file of orders; bad lines are named and left out, known orders change nothing
    ///
    /// CSV has a line a product and the columns customer, order, placed, currency, sku, name,
    /// quantity, unit_price (in minor units) and, if known, unit, void, total, till, replaces. JSON
    /// lines have an order a line.
    Import {
        /// A .csv, .jsonl or .ndjson file, or - for JSON lines from standard input
        file: PathBuf,
        /// Read and check the file only
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
    /// Make an order void, as if it had never been placed
    Void {
        /// The customer's id
        customer: CustomerId,
        /// The order's id
        order: OrderId,
    },
    /// Look back on what a customer bought
    List {
        /// The customer's id
        customer: CustomerId,
        /// Orders by time, products by what was spent, or what is bought again and again
        #[arg(long, value_enum, default_value_t = By::Time)]
        by: By,
        /// Which page, from 1
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        page: u32,
        /// Entries a page
        #[arg(long, default_value_t = 20,
              value_parser = clap::value_parser!(u32).range(1..=i64::from(Page::MAX_LIMIT)))]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// How to look back.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum By {
    /// Order by order, the newest first
    Time,
    /// Product by product, the one most was spent on first
    Product,
    /// What was bought more than once, the most frequent first
    Again,
}

impl From<By> for HistoryView {
    fn from(by: By) -> Self {
        match by {
            By::Time => Self::Time,
            By::Product => Self::Product,
            By::Again => Self::Repeats,
        }
    }
}

pub(super) fn run(action: Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Import { file, dry_run, json } => import(config, &file, dry_run, json),
        Action::Add { order } => {
            let order: Order = serde_json::from_str(&order).context("this is no order")?;
            match send(config, Request::AddOrders { orders: vec![order.clone()] })?[..] {
                [AddOrderOutcome::Added] => println!("order {} added", order.id),
                [AddOrderOutcome::AlreadyKnown] => println!("order {} was known", order.id),
                [outcome] => bail!(order_rejection(&order, outcome)),
                _ => bail!(UNEXPECTED),
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Void { customer, order } => {
            let void = Request::VoidOrder { customer, order: order.clone() };
            match send(config, void)?[..] {
                [AddOrderOutcome::Added] => println!("order {order} is void"),
                _ => bail!("order {order} changed meanwhile, or has been made void before"),
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::List { customer, by, page, limit, json } => {
            let (by, page) = (by.into(), Page { page, limit });
            let Response::History { history, rejected } =
                office::ask(config, Request::History { customer, view: by, page })?
            else {
                bail!(UNEXPECTED);
            };
            if json {
                list_as_json(history)?
            } else {
                print(&history)
            }
            for rejected in &rejected {
                eprintln!("instored: {rejected}");
            }
            Ok(ExitCode::from(u8::from(!rejected.is_empty())))
        }
    }
}

/// What an import comes to.
#[derive(Default)]
struct Report {
    orders: u64,
    added: u64,
    known: u64,
    left_out: LeftOut,
}

fn import(config: &Config, file: &Path, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    let rules = OrderRules { now: Timestamp::now(), currency: config.shop.currency };
    if files::is_table(file) && !dry_run {
        // An order whose lines stand too far apart is found out before half of it is stored.
        let read = |input, format| instored_orders::read_orders(input, format, rules);
        files::in_batches(file, "checking", read, |_, _| Ok(()))?;
    }
    let doing = if dry_run { "checking" } else { "taking in" };
    let mut report = Report::default();
    let read = |input, format| instored_orders::read_orders(input, format, rules);
    files::in_batches(file, doing, read, |batch, bar| {
        let mut rejected = batch.rejected;
        report.orders += batch.good.len() as u64;
        if !dry_run && !batch.good.is_empty() {
            let (orders, lines): (Vec<_>, Vec<_>) = batch.good.into_iter().unzip();
            let outcomes = send(config, Request::AddOrders { orders: orders.clone() })?;
            for ((order, lines), outcome) in orders.iter().zip(lines).zip(outcomes) {
                match outcome {
                    AddOrderOutcome::Added => report.added += 1,
                    AddOrderOutcome::AlreadyKnown => report.known += 1,
                    outcome => {
                        let reason = order_rejection(order, outcome);
                        let line = |line| RejectedLine { line, reason: reason.clone() };
                        rejected.extend(lines.into_iter().map(line));
                    }
                }
            }
        }
        report.left_out.add(rejected, bar, json);
        Ok(())
    })?;
    let Report { orders, added, known, left_out } = report;
    if json {
        print_json(&serde_json::json!({
            "orders": orders, "added": added, "already_known": known,
            "left_out": left_out.count, "rejected": left_out.as_json(),
        }))?;
    } else {
        let what = if dry_run { "that could be read" } else { "read" };
        let left_out = left_out.count;
        println!(
            "orders {what}: {orders}, {added} added, {known} known before, {left_out} lines left out"
        );
    }
    Ok(ExitCode::from(u8::from(left_out.count > 0)))
}

fn send(config: &Config, request: Request) -> anyhow::Result<Vec<AddOrderOutcome>> {
    match office::ask(config, request)? {
        Response::Added(outcomes) => Ok(outcomes),
        _ => bail!(UNEXPECTED),
    }
}

/// The entries alone, as a list.
fn list_as_json(history: History) -> anyhow::Result<()> {
    match history.entries {
        HistoryEntries::Orders(orders) => {
            let of = |order: instored_domain::TillOrder| order.with_customer(history.customer);
            print_json(&orders.into_iter().map(of).collect::<Vec<_>>())
        }
        HistoryEntries::Products(products) => print_json(&products),
        HistoryEntries::Repeats(products) => print_json(&products),
    }
}

fn print(history: &History) {
    match &history.entries {
        HistoryEntries::Orders(orders) => orders.iter().for_each(receipt::print),
        HistoryEntries::Products(products) => {
            let mut table = Table::new(["product", "sku", ">bought", ">orders", ">spent", "last"]);
            for p in products {
                table.row([
                    p.name.clone(),
                    p.sku.clone(),
                    receipt::quantity(p.quantity, p.unit),
                    p.orders.to_string(),
                    p.currency.display(p.spent).to_string(),
                    p.last.strftime("%F").to_string(),
                ]);
            }
            print!("{table}");
        }
        HistoryEntries::Repeats(products) => {
            let mut table =
                Table::new(["product", "sku", ">usually", ">orders", ">every", ">days ago"]);
            for p in products {
                table.row([
                    p.name.clone(),
                    p.sku.clone(),
                    receipt::quantity(p.quantity, p.unit),
                    p.orders.to_string(),
                    p.every_days.map_or("-".to_owned(), |days| format!("{days} days")),
                    p.days_since.to_string(),
                ]);
            }
            print!("{table}");
        }
    }
    let History { page, pages, entry_count, .. } = history;
    println!("page {page} of {pages}, {entry_count} in all");
}
