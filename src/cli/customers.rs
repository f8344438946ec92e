//! `instored customers`: enrolled customers.

use std::process::ExitCode;

use anyhow::bail;
use instored_controller::{retention_cutoff, retention_status_text};
use instored_domain::{
    ClaimCode, ConsentMethod, Customer, CustomerId, CustomerName, History, HistoryEntries,
    HistoryView, Page, RetentionStatus,
};
use jiff::Timestamp;

use super::table::{left, right, table};
use super::vault_client::{self, UNEXPECTED_RESPONSE};
use super::{exit, export_page, print_record_errors};
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response, StoredConsent};
use crate::output::{print, print_json, print_line};

/// Actions on customers.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// List all enrolled customers
    List {
        /// Only customers who have not visited for shop.retention_months, or who are marked for deletion
        #[arg(long)]
        due: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Permit the deletion of all inactive customers after the grace period
    ///
    /// Needed if unusually many fall due at once, which a wrong clock causes too. Check the date and
    /// `instored customers list --due` first.
    ConfirmDue,
    /// Show one customer
    Show {
        /// Customer id, or the customer's receipt or claim code (such as K7QM-3DXV)
        #[arg(value_parser = parse_selector)]
        customer: CustomerSelector,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change or remove the name of a customer
    Rename {
        /// Customer id, or the customer's receipt or claim code
        #[arg(value_parser = parse_selector)]
        customer: CustomerSelector,
        /// New name; omit it to remove the name
        name: Option<CustomerName>,
    },
    /// Find a customer who has neither receipt nor claim code, by name and last order
    ///
    /// Compare the last order and the last visit with what the person says before you show or delete
    /// anything.
    Find {
        /// Name, or a part of it
        name: String,
    },
    /// Print all data stored about a customer as JSON, including face templates
    Export {
        /// Customer id, or the customer's receipt or claim code
        #[arg(value_parser = parse_selector)]
        customer: CustomerSelector,
        /// Print a page (HTML) to read and to print, without the numbers of the templates
        #[arg(long)]
        page: bool,
    },
    /// Delete a customer with all data: templates, consents and orders
    Forget {
        /// Customer id, or the customer's receipt or claim code
        #[arg(value_parser = parse_selector)]
        customer: CustomerSelector,
    },
}

/// Customer with their consents, for `show --json`.
#[derive(serde::Serialize)]
struct CustomerWithConsents {
    #[serde(flatten)]
    customer: Customer,
    consents: Vec<StoredConsent>,
}

/// Returns a description of a consent, with its text.
fn consent_text(StoredConsent { consent, text }: &StoredConsent) -> String {
    let act = match consent.method {
        ConsentMethod::Button => "press of the button",
        ConsentMethod::Display => "touch of \"I agree\" on a display",
        ConsentMethod::Command => "MQTT command",
    };
    let hash = consent.text_hash.map_or("not stored".to_owned(), |hash| hash.to_string());
    let given = consent.given.strftime("%F %T UTC");
    let head = format!(
        "\nconsent of {given}: {act}\nlanguage of the text: {}\ntext: {hash}",
        consent.language
    );
    match text {
        Some(text) => format!("{head}\n\n{text}"),
        None => head,
    }
}

/// Argument that selects a customer.
#[derive(Clone)]
pub(super) enum CustomerSelector {
    /// Customer id.
    Id(CustomerId),
    /// Receipt of the customer's consent, or claim code.
    Code(ClaimCode),
}

impl CustomerSelector {
    /// Returns the customer's id.
    fn resolve(self, config: &Config) -> anyhow::Result<CustomerId> {
        match self {
            Self::Id(customer) => Ok(customer),
            Self::Code(code) => {
                let request = Request::CustomerByCode { code };
                let Response::Customer(customer) = vault_client::send(config, request)? else {
                    bail!(UNEXPECTED_RESPONSE);
                };
                Ok(customer.id)
            }
        }
    }
}

/// Parses a customer id, a receipt or a claim code.
fn parse_selector(text: &str) -> Result<CustomerSelector, String> {
    let id = text.parse().map(CustomerSelector::Id);
    id.or_else(|_| text.parse().map(CustomerSelector::Code)).map_err(|_| {
        "not a customer id and not a receipt or claim code; use an id of `instored customers list`, or \
         a code such as K7QM-3DXV"
            .to_owned()
    })
}

/// Runs `instored customers`.
pub(super) fn run(action: Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::List { due, json } => return list(config, due, json),
        Action::ConfirmDue => {
            let Response::Retention { status, due } =
                vault_client::send(config, Request::ConfirmDue)?
            else {
                bail!(UNEXPECTED_RESPONSE);
            };
            if status != RetentionStatus::Running {
                bail!("nobody was marked: {}", retention_status_text(status));
            }
            print_line(format_args!("{due} customers are marked for deletion"))?;
        }
        Action::Show { customer, json } => {
            let request = Request::Customer { customer: customer.resolve(config)? };
            let Response::Customer(customer) = vault_client::send(config, request)? else {
                bail!(UNEXPECTED_RESPONSE);
            };
            let request = Request::Consents { customer: customer.id };
            let Response::Consents(consents) = vault_client::send(config, request)? else {
                bail!(UNEXPECTED_RESPONSE);
            };
            if json {
                print_json(&CustomerWithConsents { customer, consents })?;
            } else {
                print(customer_table(&[customer]))?;
                for consent in &consents {
                    print_line(consent_text(consent))?;
                }
            }
        }
        Action::Rename { customer, name } => {
            let customer = customer.resolve(config)?;
            let Response::Customer(customer) =
                vault_client::send(config, Request::Rename { customer, name })?
            else {
                bail!(UNEXPECTED_RESPONSE);
            };
            print(customer_table(&[customer]))?;
        }
        Action::Find { name } => find(config, &name)?,
        Action::Export { customer, page } => {
            let customer = customer.resolve(config)?;
            let Response::Export(export) =
                vault_client::send(config, Request::Export { customer })?
            else {
                bail!(UNEXPECTED_RESPONSE);
            };
            if page {
                print_line(export_page::page(&export))?;
            } else {
                print_line(serde_json::to_string_pretty(&export)?)?;
            }
        }
        Action::Forget { customer } => {
            let customer = customer.resolve(config)?;
            let Response::Forgotten { templates, orders } =
                vault_client::send(config, Request::Forget { customer })?
            else {
                bail!(UNEXPECTED_RESPONSE);
            };
            print_line(format_args!(
                "customer deleted, with {templates} templates and {orders} orders"
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the customers whose name contains `name`, with their last order.
fn find(config: &Config, name: &str) -> anyhow::Result<()> {
    let Response::Customers { customers, .. } = vault_client::send(config, Request::Customers)?
    else {
        bail!(UNEXPECTED_RESPONSE);
    };
    let wanted = name.to_lowercase();
    let mut rows = Vec::new();
    for customer in customers {
        let Some(name) = &customer.name else { continue };
        if !name.as_str().to_lowercase().contains(&wanted) {
            continue;
        }
        let page = Page { page: 1, limit: 1 };
        let request = Request::History { customer: customer.id, view: HistoryView::Time, page };
        let Response::History { history, .. } = vault_client::send(config, request)? else {
            bail!(UNEXPECTED_RESPONSE);
        };
        let last_visit = customer.last_visit.map(|time| time.strftime("%F %R").to_string());
        rows.push([
            customer.id.to_string(),
            name.as_str().to_owned(),
            last_visit.unwrap_or_else(|| "-".to_owned()),
            last_order(&history),
        ]);
    }
    if rows.is_empty() {
        bail!("no customer has a name that contains {name:?}");
    }
    print(table([left("id"), left("name"), left("last visit"), left("last order")], rows))?;
    Ok(())
}

/// Returns date, total and products of the newest order, or a dash.
fn last_order(history: &History) -> String {
    match &history.entries {
        HistoryEntries::Orders(orders) => orders.first().map_or("-".to_owned(), |order| {
            let products: Vec<_> = order.lines.iter().map(|line| line.name.as_str()).collect();
            let (placed, total) =
                (order.placed.strftime("%F"), order.currency.display(order.total));
            format!("{placed}, {total}: {}", products.join(", "))
        }),
        _ => "-".to_owned(),
    }
}

/// Prints the customers, and the errors of rejected records.
fn list(config: &Config, is_due_only: bool, json: bool) -> anyhow::Result<ExitCode> {
    let Response::Customers { mut customers, rejected } =
        vault_client::send(config, Request::Customers)?
    else {
        bail!(UNEXPECTED_RESPONSE);
    };
    if is_due_only {
        let cutoff = match config.shop.retention_months {
            0 => Timestamp::MIN,
            months => retention_cutoff(Timestamp::now(), months),
        };
        customers.retain(|customer| {
            let last = customer.last_visit.unwrap_or(customer.enrolled);
            customer.deletion_due.is_some() || last <= cutoff
        });
    }
    if json {
        print_json(&customers)?;
    } else {
        print(customer_table(&customers))?;
        print_line(format_args!("{} enrolled", customers.len()))?;
    }
    print_record_errors(&rejected);
    Ok(exit::success_if(rejected.is_empty()))
}

/// Formats customers as a table.
fn customer_table(customers: &[Customer]) -> String {
    let rows = customers.iter().map(|customer| {
        let last_visit = customer.last_visit.map(|time| time.strftime("%F %R").to_string());
        [
            customer.id.to_string(),
            customer.name.as_ref().map_or("-", CustomerName::as_str).to_owned(),
            customer.visits.to_string(),
            last_visit.unwrap_or_else(|| "-".to_owned()),
        ]
    });
    table([left("id"), left("name"), right("visits"), left("last visit")], rows)
}
