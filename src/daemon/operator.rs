//! What the shop's operator asks of the vault by the command line, and what they are told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{Customer, CustomerId, CustomerName, Order, Refusal, RefusalCode};
use crate::vault::{OrderAdded, Vault, VaultError};

/// A request of the operator.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Request {
    Customers,
    Customer { customer: CustomerId },
    Rename { customer: CustomerId, name: Option<CustomerName> },
    Forget { customer: CustomerId },
    Export { customer: CustomerId },
    Orders { customer: CustomerId, limit: usize },
    AddOrders { orders: Vec<Order> },
}

/// The answer to a [`Request`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Response {
    /// Everyone enrolled, and a sentence for each record that was refused.
    Customers {
        customers: Vec<Customer>,
        refused: Vec<String>,
    },
    Customer(Customer),
    Forgotten {
        templates: u64,
        orders: u64,
    },
    /// Everything held about the customer.
    Export(serde_json::Value),
    Orders {
        orders: Vec<Order>,
        refused: Vec<String>,
    },
    /// One for each given order, in their order.
    Added(Vec<OrderAdded>),
}

/// Carries out a request on the vault.
///
/// # Errors
/// When there is no such customer, an order is none, or the vault cannot do it.
pub fn answer(vault: &Vault, request: Request, now: Timestamp) -> Result<Response, Refusal> {
    Ok(match request {
        Request::Customers => {
            let loaded = vault.customers().map_err(internal)?;
            let refused = loaded.refused.iter().map(ToString::to_string).collect();
            Response::Customers { customers: loaded.good, refused }
        }
        Request::Customer { customer } => {
            Response::Customer(found(customer, vault.customer(customer))?)
        }
        Request::Rename { customer, name } => {
            Response::Customer(found(customer, vault.rename(customer, name))?)
        }
        Request::Forget { customer } => {
            let forgotten = found(customer, vault.forget(customer))?;
            Response::Forgotten { templates: forgotten.templates, orders: forgotten.orders }
        }
        Request::Export { customer } => {
            let export = found(customer, vault.export(customer))?;
            Response::Export(serde_json::to_value(export).map_err(internal)?)
        }
        Request::Orders { customer, limit } => {
            found(customer, vault.customer(customer))?;
            let loaded = vault.orders(customer, limit).map_err(internal)?;
            let refused = loaded.refused.iter().map(ToString::to_string).collect();
            Response::Orders { orders: loaded.good, refused }
        }
        Request::AddOrders { orders } => {
            for order in &orders {
                order.check(now).map_err(|e| {
                    Refusal::new(RefusalCode::Malformed, format!("order {}: {e}", order.id))
                })?;
            }
            Response::Added(vault.add_orders(&orders).map_err(internal)?)
        }
    })
}

/// The customer's part, or the refusal that there is no such customer.
pub(super) fn found<T>(
    customer: CustomerId,
    result: Result<Option<T>, VaultError>,
) -> Result<T, Refusal> {
    result.map_err(internal)?.ok_or_else(|| {
        Refusal::new(RefusalCode::NotFound, format!("no customer {customer} is enrolled"))
    })
}

/// The refusal of a box that could not do it.
pub(super) fn internal(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalCode::Internal, error.to_string())
}
