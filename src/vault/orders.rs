//! Orders: each id once, read newest first.

use redb::{ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::domain::{CustomerId, Order};

use super::Vault;
use super::customers::whose;
use super::error::{Fault, VaultError};
use super::loaded::{Loaded, Refused};
use super::record;
use super::schema::{
    CUSTOMERS, ORDER_IDS, ORDERS, customer_key, leading_customer, order_id, order_key, order_place,
    with_prefix,
};

/// What became of an order that was added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderAdded {
    /// It is in the vault now.
    Added,
    /// It was there already.
    AlreadyKnown,
    /// Another order has this id; that one stays.
    Conflict,
    /// Its customer is not enrolled; it was not stored.
    NoSuchCustomer,
}

impl Vault {
    /// Stores an order that [`Order::check`] has passed.
    ///
    /// # Errors
    /// When the vault cannot be written.
    pub fn add_order(&self, order: &Order) -> Result<OrderAdded, VaultError> {
        self.storage.write(|txn| add(txn, order))
    }

    /// Stores orders in one commit; the answers are in their order.
    ///
    /// # Errors
    /// When the vault cannot be written; then none is stored.
    pub fn add_orders(&self, orders: &[Order]) -> Result<Vec<OrderAdded>, VaultError> {
        self.storage.write(|txn| orders.iter().map(|order| add(txn, order)).collect())
    }

    /// The newest `limit` orders of a customer, newest first.
    ///
    /// # Errors
    /// When the vault cannot be read; a damaged order is refused by itself.
    pub fn orders(&self, id: CustomerId, limit: usize) -> Result<Loaded<Order>, VaultError> {
        self.storage.read(|txn| {
            let table = txn.open_table(ORDERS)?;
            let mut loaded = Loaded::default();
            for entry in with_prefix(&table, &customer_key(id))?.rev().take(limit) {
                let (key, value) = entry?;
                loaded.push(read_order(key.value(), value.value()));
            }
            Ok(loaded)
        })
    }

    /// Shows every customer's orders, newest first, one customer after the other, and gives back
    /// what was refused. `visit` runs inside the transaction: it must not call the vault.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn all_orders(
        &self,
        mut visit: impl FnMut(CustomerId, &[Order]),
    ) -> Result<Vec<Refused>, VaultError> {
        self.storage.read(|txn| {
            let mut refused = Vec::new();
            let mut orders: Vec<Order> = Vec::new();
            let mut current = None;
            for entry in txn.open_table(ORDERS)?.iter()?.rev() {
                let (key, value) = entry?;
                let customer = leading_customer(key.value());
                if customer != current {
                    if let Some(id) = current.filter(|_| !orders.is_empty()) {
                        visit(id, &orders);
                    }
                    orders.clear();
                    current = customer;
                }
                match read_order(key.value(), value.value()) {
                    Ok(order) => orders.push(order),
                    Err(fault) => refused.push(fault),
                }
            }
            if let Some(id) = current.filter(|_| !orders.is_empty()) {
                visit(id, &orders);
            }
            Ok(refused)
        })
    }
}

fn add(txn: &WriteTransaction, order: &Order) -> Result<OrderAdded, Fault> {
    if txn.open_table(CUSTOMERS)?.get(customer_key(order.customer).as_slice())?.is_none() {
        return Ok(OrderAdded::NoSuchCustomer);
    }
    let mut ids = txn.open_table(ORDER_IDS)?;
    let mut table = txn.open_table(ORDERS)?;
    let place = order_place(order);
    let key = order_key(&place, &order.id);
    let name = order.id.0.as_bytes();
    if let Some(known) = ids.get(name)? {
        if known.value() != place {
            return Ok(OrderAdded::Conflict);
        }
        if let Some(stored) = table.get(key.as_slice())?
            && let Ok(stored) = record::check_out(&key, stored.value())
        {
            let same = stored == *order;
            return Ok(if same { OrderAdded::AlreadyKnown } else { OrderAdded::Conflict });
        }
        // The stored order is damaged, and this one lies in the same place: it mends the damage.
    }
    ids.insert(name, place.as_slice())?;
    table.insert(key.as_slice(), record::check_in(&key, order)?.as_slice())?;
    Ok(OrderAdded::Added)
}

pub(super) fn read_order(key: &[u8], value: &[u8]) -> Result<Order, Refused> {
    record::check_out(key, value).map_err(|fault| {
        let which = order_id(key).map_or_else(String::new, |id| format!(" {id}"));
        Refused::order(format!("order{which} of {}", whose(key)), &fault)
    })
}
