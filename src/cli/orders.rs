//! `instored orders`: orders of customers.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use instored_controller::order_rejection;
use instored_domain::{
    AddOrderOutcome, CustomerId, History, HistoryEntries, HistoryView, Order, OrderId, Page,
};
use instored_orders::{OrderRules, RejectedLine};
use jiff::Timestamp;

use super::import::{self, Batch, RejectedLines};
use super::table::{self, left, right, table};
use super::vault_client::{self, UNEXPECTED_RESPONSE};
use super::{exit, print_record_errors};
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};
use crate::output::{print, print_json, print_line};

/// Actions on orders.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Import a file of orders; invalid lines are reported and skipped, known orders stay unchanged
    ///
    /// A CSV file has one line per line item, with the columns customer, order, placed, currency,
    /// sku, name, quantity and unit_price (in minor units), and optionally unit, void, total, till
    /// and replaces. A JSON lines file has one order per line.
    Import {
        /// File in .csv, .jsonl or .ndjson, or - for JSON lines from standard input
        file: PathBuf,
        /// Only read and check the file
        #[arg(long)]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add one order, given as JSON
    Add {
        /// Order, such as {"id":"T2-77","customer":"…","placed":"2026-03-29T09:15:00+02:00",
        /// "currency":"EUR","lines":[{"sku":"4002","name":"Oat milk","quantity":2,"unit_price":199}],
        /// "total":398}
        order: String,
    },
    /// Void an order, as if it had never been placed
    Void {
        /// Customer id
        customer: CustomerId,
        /// Order id
        order: OrderId,
    },
    /// List the purchases of a customer
    List {
        /// Customer id
        customer: CustomerId,
        /// Grouping and sorting of the list
        #[arg(long, value_enum, default_value_t = Listing::Time)]
        by: Listing,
        /// Page number, from 1
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        page: u32,
        /// Entries per page
        #[arg(long, default_value_t = 20,
              value_parser = clap::value_parser!(u32).range(1..=i64::from(Page::MAX_LIMIT)))]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Grouping and sorting of purchases.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Listing {
    /// Orders, newest first
    Time,
    /// Products, highest spending first
    Product,
    /// Products bought more than once, most frequent first
    Again,
}

impl From<Listing> for HistoryView {
    fn from(by: Listing) -> Self {
        match by {
            Listing::Time => Self::Time,
            Listing::Product => Self::Product,
            Listing::Again => Self::Repeats,
        }
    }
}

/// Runs `instored orders`.
pub(super) fn run(action: Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::Import { file, dry_run, json } => import(config, &file, dry_run, json),
        Action::Add { order } => {
            let order: Order = serde_json::from_str(&order).context("this is not a valid order")?;
            match send(config, Request::AddOrders { orders: vec![order.clone()] })?[..] {
                [AddOrderOutcome::Added] => print_line(format_args!("order {} added", order.id))?,
                [AddOrderOutcome::AlreadyKnown] => {
                    print_line(format_args!("order {} is known already", order.id))?;
                }
                [outcome] => bail!(order_rejection(&order, outcome)),
                _ => bail!(UNEXPECTED_RESPONSE),
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Void { customer, order } => {
            let void = Request::VoidOrder { customer, order: order.clone() };
            match send(config, void)?[..] {
                [AddOrderOutcome::Added] => print_line(format_args!("order {order} is void"))?,
                _ => bail!("order {order} was changed at the same time, or is void already"),
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::List { customer, by, page, limit, json } => {
            let (view, page) = (by.into(), Page { page, limit });
            let Response::History { history, rejected } =
                vault_client::send(config, Request::History { customer, view, page })?
            else {
                bail!(UNEXPECTED_RESPONSE);
            };
            if json {
                print_entries_as_json(history)?
            } else {
                print(history_text(&history))?
            }
            print_record_errors(&rejected);
            Ok(exit::success_if(rejected.is_empty()))
        }
    }
}

/// Counts of an import.
#[derive(Default)]
struct Summary {
    orders: u64,
    added: u64,
    known: u64,
    rejected: RejectedLines,
}

/// Imports a file in batches, and prints a summary.
fn import(config: &Config, file: &Path, dry_run: bool, json: bool) -> anyhow::Result<ExitCode> {
    let rules = OrderRules { now: Timestamp::now(), currency: config.shop.currency };
    let read = |input, format| instored_orders::read_orders(input, format, rules);
    if import::is_csv(file) && !dry_run {
        // A first pass detects orders whose lines are too far apart. Without it, a part of such an
        // order would be stored.
        import::read_in_batches(file, "checking", read, |_, _| Ok(()))?;
    }
    let label = if dry_run { "checking" } else { "importing" };
    let mut summary = Summary::default();
    import::read_in_batches(file, label, read, |mut batch, bar| {
        let mut rejected = std::mem::take(&mut batch.rejected);
        summary.orders += batch.accepted.len() as u64;
        if !dry_run && !batch.accepted.is_empty() {
            add_batch(config, batch, &mut summary, &mut rejected)?;
        }
        summary.rejected.add(rejected, bar, json);
        Ok(())
    })?;
    let Summary { orders, added, known, rejected } = summary;
    let count = rejected.count;
    if json {
        print_json(&serde_json::json!({
            "orders": orders, "added": added, "already_known": known,
            "left_out": count, "rejected": rejected.to_json(),
        }))?;
    } else {
        print_line(format_args!(
            "orders read: {orders}, {added} added, {known} known already, {count} lines rejected"
        ))?;
    }
    Ok(exit::success_if(count == 0))
}

/// Adds a batch of orders to the vault, and collects the lines of the rejected orders.
fn add_batch(
    config: &Config,
    batch: Batch<Order>,
    summary: &mut Summary,
    rejected: &mut Vec<RejectedLine>,
) -> anyhow::Result<()> {
    let (orders, lines): (Vec<_>, Vec<_>) = batch.accepted.into_iter().unzip();
    let outcomes = send(config, Request::AddOrders { orders: orders.clone() })?;
    for ((order, lines), outcome) in orders.iter().zip(lines).zip(outcomes) {
        match outcome {
            AddOrderOutcome::Added => summary.added += 1,
            AddOrderOutcome::AlreadyKnown => summary.known += 1,
            outcome => {
                let reason = order_rejection(order, outcome);
                let line = |line| RejectedLine { line, reason: reason.to_string() };
                rejected.extend(lines.into_iter().map(line));
            }
        }
    }
    Ok(())
}

/// Sends a request that adds orders, and returns one outcome per order.
fn send(config: &Config, request: Request) -> anyhow::Result<Vec<AddOrderOutcome>> {
    match vault_client::send(config, request)? {
        Response::Added(outcomes) => Ok(outcomes),
        _ => bail!(UNEXPECTED_RESPONSE),
    }
}

/// Prints the entries of a page as a JSON list.
fn print_entries_as_json(history: History) -> anyhow::Result<()> {
    match history.entries {
        HistoryEntries::Orders(orders) => {
            let with_customer =
                |order: instored_domain::TillOrder| order.with_customer(history.customer);
            print_json(&orders.into_iter().map(with_customer).collect::<Vec<_>>())
        }
        HistoryEntries::Products(products) => print_json(&products),
        HistoryEntries::Repeats(products) => print_json(&products),
    }
}

/// Formats a page of purchases.
fn history_text(history: &History) -> String {
    let entries = match &history.entries {
        HistoryEntries::Orders(orders) => orders.iter().map(table::order).collect(),
        HistoryEntries::Products(products) => {
            let columns = [
                left("product"),
                left("sku"),
                right("bought"),
                right("orders"),
                right("spent"),
                left("last"),
            ];
            let rows = products.iter().map(|product| {
                [
                    product.name.clone(),
                    product.sku.clone(),
                    table::quantity(product.quantity, product.unit),
                    product.orders.to_string(),
                    product.currency.display(product.spent).to_string(),
                    product.last.strftime("%F").to_string(),
                ]
            });
            table(columns, rows)
        }
        HistoryEntries::Repeats(products) => {
            let columns = [
                left("product"),
                left("sku"),
                right("usual quantity"),
                right("orders"),
                right("interval"),
                right("days ago"),
            ];
            let rows = products.iter().map(|product| {
                [
                    product.name.clone(),
                    product.sku.clone(),
                    table::quantity(product.quantity, product.unit),
                    product.orders.to_string(),
                    product.every_days.map_or("-".to_owned(), |days| format!("{days} days")),
                    product.days_since.to_string(),
                ]
            });
            table(columns, rows)
        }
    };
    let History { page, pages, entry_count, .. } = history;
    format!("{entries}page {page} of {pages}, {entry_count} entries\n")
}
