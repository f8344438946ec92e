//! `instored customers`: who is enrolled.

use std::process::ExitCode;

use anyhow::bail;
use instored_domain::{ConsentReceipt, Customer, CustomerId, CustomerName};

use super::{office, print_json};
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};

/// What to do.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// List everyone who is enrolled
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one customer
    Show {
        /// The customer's id, or the receipt of their consent
        #[arg(value_parser = whom)]
        customer: Whom,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Call a customer by another name
    Rename {
        /// The customer's id
        customer: CustomerId,
        /// The name; leave it out to take it away
        name: Option<CustomerName>,
    },
    /// Print everything held about a customer, templates included, as JSON
    Export {
        /// The customer's id
        customer: CustomerId,
    },
    /// Forget a customer: templates, consents, orders, everything
    Forget {
        /// The customer's id
        customer: CustomerId,
    },
}

/// How a customer is named.
#[derive(Clone)]
pub(super) enum Whom {
    Id(CustomerId),
    Receipt(ConsentReceipt),
}

fn whom(text: &str) -> Result<Whom, String> {
    let id = text.parse().map(Whom::Id);
    id.or_else(|_| text.parse().map(Whom::Receipt))
        .map_err(|_| "neither an id nor a receipt such as K7QM-3DXV".to_owned())
}

pub(super) fn run(action: Action, config: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Action::List { json } => {
            let Response::Customers { customers, rejected } =
                office::ask(config, Request::Customers)?
            else {
                bail!(UNEXPECTED);
            };
            if json {
                print_json(&customers)?;
            } else {
                println!("{:36}  {:20}  {:>6}  last visit", "id", "name", "visits");
                customers.iter().for_each(print);
                println!("{} enrolled", customers.len());
            }
            for rejected in &rejected {
                eprintln!("instored: {rejected}");
            }
            return Ok(ExitCode::from(u8::from(!rejected.is_empty())));
        }
        Action::Show { customer, json } => {
            let request = match customer {
                Whom::Id(customer) => Request::Customer { customer },
                Whom::Receipt(receipt) => Request::CustomerByReceipt { receipt },
            };
            let Response::Customer(customer) = office::ask(config, request)? else {
                bail!(UNEXPECTED);
            };
            if json { print_json(&customer)? } else { print(&customer) }
        }
        Action::Rename { customer, name } => {
            let Response::Customer(customer) =
                office::ask(config, Request::Rename { customer, name })?
            else {
                bail!(UNEXPECTED);
            };
            print(&customer);
        }
        Action::Export { customer } => {
            let Response::Export(export) = office::ask(config, Request::Export { customer })?
            else {
                bail!(UNEXPECTED);
            };
            println!("{}", serde_json::to_string_pretty(&export)?);
        }
        Action::Forget { customer } => {
            let Response::Forgotten { templates, orders } =
                office::ask(config, Request::Forget { customer })?
            else {
                bail!(UNEXPECTED);
            };
            println!("forgotten: {templates} templates, {orders} orders");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Daemon and command line are one program: only a mix of versions gets here.
pub(super) const UNEXPECTED: &str =
    "the daemon answers something else; it runs another version: restart it";

fn print(customer: &Customer) {
    let name = customer.name.as_ref().map_or("-", CustomerName::as_str);
    let last = customer.last_visit.map_or("-".to_owned(), |t| t.strftime("%F %R").to_string());
    println!("{}  {name:20}  {:>6}  {last}", customer.id, customer.visits);
}
