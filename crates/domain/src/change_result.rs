//! Results of changes of the stored data.

use serde::{Deserialize, Serialize};

/// Outcome of adding an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddOrderOutcome {
    /// The order was stored.
    Added,
    /// The same order is already stored, or another order has replaced it.
    AlreadyKnown,
    /// Another order has this id and is kept.
    Conflict,
    /// The customer is not enrolled; the order was not stored.
    NoSuchCustomer,
    /// The customer does not have the order to replace; the order was not stored.
    #[serde(rename = "nothing_to_replace")]
    ReplacedOrderNotFound,
}

/// Numbers of deleted records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ForgetSummary {
    /// Number of templates.
    pub templates: u64,
    /// Number of orders.
    pub orders: u64,
}
