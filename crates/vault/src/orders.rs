//! Orders of customers. Each order id is stored once. Another order corrects an order by replacing
//! it.

use std::cmp::Reverse;
use std::sync::Arc;

use instored_domain::{AddOrderOutcome, CustomerId, Order};
use jiff::Timestamp;

use crate::account::{Account, Reader};
use crate::audit::{AuditAction, AuditContext};
use crate::error::{TransactionError, VaultError};
use crate::record::ReplacedOrder;
use crate::record_key::{RecordKind, customer_key, leading_customer};
use crate::schema::{ORDER_IDS, Rows};
use crate::vault::Vault;
use crate::verified::{Rejected, Verified};
use crate::write_transaction::WriteTransaction;

impl Vault {
    /// Stores an order that [`Order::check`] accepted. If the order replaces an older order, the
    /// same commit removes the older order and keeps its id.
    ///
    /// # Errors
    /// If the vault cannot be written, or the customer's records cannot be read.
    pub fn add_order(
        &self,
        order: &Order,
        context: AuditContext,
    ) -> Result<AddOrderOutcome, VaultError> {
        self.add_order_and_confirm(order, context, &[])
    }

    /// Stores an order like [`Vault::add_order`]. If it is added, the same commit stores
    /// `confirmation` in the outbox, unless that is empty; see [`Vault::outbox`].
    ///
    /// # Errors
    /// If the vault cannot be written, or the customer's records cannot be read.
    pub fn add_order_and_confirm(
        &self,
        order: &Order,
        context: AuditContext,
        confirmation: &[u8],
    ) -> Result<AddOrderOutcome, VaultError> {
        self.write(context, |transaction| {
            let outcome = add(transaction, order)?;
            if outcome == AddOrderOutcome::Added {
                transaction.queue_about(order.customer, confirmation)?;
                transaction.audit(AuditAction::Orders, 1, Some(order.customer));
            }
            Ok(outcome)
        })
    }

    /// Stores orders in one commit and returns an outcome for each, in the same order.
    ///
    /// # Errors
    /// If the vault cannot be written, or the records of a customer cannot be read. Nothing is
    /// stored then.
    pub fn add_orders(
        &self,
        orders: &[Order],
        context: AuditContext,
    ) -> Result<Vec<AddOrderOutcome>, VaultError> {
        self.write(context, |transaction| {
            let outcomes: Vec<_> =
                orders.iter().map(|order| add(transaction, order)).collect::<Result<_, _>>()?;
            let added = outcomes.iter().filter(|o| **o == AddOrderOutcome::Added).count() as u64;
            if added > 0 {
                let first = orders.first().map(|order| order.customer);
                let customer = first.filter(|id| orders.iter().all(|o| o.customer == *id));
                transaction.audit(AuditAction::Orders, added, customer);
            }
            Ok(outcomes)
        })
    }

    /// Deletes a customer's orders and voids that were placed at `time` or before. Returns the number of
    /// deleted ones, and the remaining orders, newest first.
    ///
    /// # Errors
    /// If the vault cannot be written, or the customer's records cannot be read.
    pub fn remove_orders_until(
        &self,
        id: CustomerId,
        time: Timestamp,
        context: AuditContext,
    ) -> Result<(u64, Verified<Order>), VaultError> {
        self.write(context, |transaction| {
            let Some(account) = transaction.account(id)? else {
                return Ok((0, Verified::default()));
            };
            let expired: Vec<_> = account.index.orders_until(time.as_microsecond()).collect();
            for name in &expired {
                transaction.remove(id, RecordKind::Order, name)?;
                transaction.tx().remove(ORDER_IDS, name)?;
            }
            let count = expired.len() as u64;
            if count > 0 {
                transaction.audit(AuditAction::OrdersExpired, count, Some(id));
            }
            Ok((count, transaction.newest_orders(id, usize::MAX)?))
        })
    }

    /// Returns the newest `limit` orders of a customer, newest first, without replaced and voided
    /// orders. Decrypts and verifies no others.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn orders(&self, id: CustomerId, limit: usize) -> Result<Verified<Order>, VaultError> {
        self.read(|reader| {
            let Some(account) = reader.account(id)? else { return Ok(Verified::default()) };
            newest_orders(reader, &account, limit)
        })
    }

    /// Calls `visit` with each customer's orders, newest first, and returns the rejected records.
    /// `visit` runs inside the transaction and must not call the vault.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn for_each_order_history(
        &self,
        mut visit: impl FnMut(CustomerId, &[Order]),
    ) -> Result<Vec<Rejected>, VaultError> {
        self.read(|reader| {
            let mut rejected = Vec::new();
            reader.accounts(|account| {
                match account {
                    Err(rejection) => rejected.push(rejection),
                    Ok(account) => {
                        let orders = orders_without_voids(reader, &account)?;
                        rejected.extend(orders.rejected);
                        if !orders.records.is_empty() {
                            visit(account.id, &orders.records);
                        }
                    }
                }
                Ok(())
            })?;
            Ok(rejected)
        })
    }
}

impl WriteTransaction<'_> {
    /// Returns the newest `limit` orders of a customer who was opened, newest first, without voids.
    pub(crate) fn newest_orders(
        &self,
        id: CustomerId,
        limit: usize,
    ) -> Result<Verified<Order>, TransactionError> {
        match self.opened_account(id) {
            Some(account) => newest_orders(&self.reader, account, limit),
            None => Ok(Verified::default()),
        }
    }
}

/// Returns the newest `limit` orders of a customer, newest first, without voids. Reads no others.
fn newest_orders(
    reader: &Reader<'_, impl Rows>,
    account: &Account,
    limit: usize,
) -> Result<Verified<Order>, TransactionError> {
    let mut orders = Verified::default();
    if limit == 0 {
        return Ok(orders);
    }
    for name in account.index.newest_orders() {
        if orders.records.len() == limit {
            break;
        }
        if let Some(read) = reader.record(account, RecordKind::Order, &name)?.transpose() {
            orders.push(read);
            orders.records.pop_if(|order: &mut Order| order.lines.is_empty());
        }
    }
    sort_newest_first(&mut orders.records);
    Ok(orders)
}

/// Returns a customer's orders without voids, newest first.
fn orders_without_voids(
    reader: &Reader<'_, impl Rows>,
    account: &Account,
) -> Result<Verified<Order>, TransactionError> {
    let mut orders = orders_and_voids(reader, account)?;
    orders.records.retain(|order| !order.lines.is_empty());
    Ok(orders)
}

/// Returns a customer's orders and voids, newest first.
pub(crate) fn orders_and_voids(
    reader: &Reader<'_, impl Rows>,
    account: &Account,
) -> Result<Verified<Order>, TransactionError> {
    let mut orders = Verified::<Order>::default();
    reader.records(account, RecordKind::Order, |read| orders.push(read))?;
    sort_newest_first(&mut orders.records);
    Ok(orders)
}

/// Sorts orders. Those of the same time are sorted by id, so that their sequence is stable.
fn sort_newest_first(orders: &mut [Order]) {
    orders.sort_by(|a, b| {
        let key = |order: &Order| Reverse(order.placed.timestamp());
        key(a).cmp(&key(b)).then_with(|| b.id.cmp(&a.id))
    });
}

fn add(
    transaction: &mut WriteTransaction<'_>,
    order: &Order,
) -> Result<AddOrderOutcome, TransactionError> {
    let id = order.customer;
    if transaction.account(id)?.is_none() {
        return Ok(AddOrderOutcome::NoSuchCustomer);
    }
    let keys = Arc::clone(&transaction.reader.derived_keys);
    let tag = keys.order_tag(&order.id);
    if let Some(holder) = transaction.tx().row(ORDER_IDS, &tag)? {
        if leading_customer(&holder) != Some(id) {
            return Ok(AddOrderOutcome::Conflict);
        }
        let is_replaced =
            transaction.account(id)?.is_some_and(|a| a.index.contains(RecordKind::Replaced, &tag));
        match transaction.get::<Order>(id, RecordKind::Order, &tag) {
            _ if is_replaced => return Ok(AddOrderOutcome::AlreadyKnown),
            Ok(Some(stored)) if stored == *order => return Ok(AddOrderOutcome::AlreadyKnown),
            Ok(Some(_)) => return Ok(AddOrderOutcome::Conflict),
            // The stored order is damaged or missing. The new order replaces it.
            Ok(None) | Err(TransactionError::Vault(VaultError::Rejected(_))) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(replaces) = &order.replaces {
        let old = keys.order_tag(replaces);
        if !transaction.account(id)?.is_some_and(|a| a.index.contains(RecordKind::Order, &old)) {
            return Ok(AddOrderOutcome::ReplacedOrderNotFound);
        }
        transaction.remove(id, RecordKind::Order, &old)?;
        transaction.put(id, RecordKind::Replaced, &old, &ReplacedOrder(replaces.clone()))?;
    }
    transaction.tx().put(ORDER_IDS, &tag, &customer_key(id))?;
    transaction.put(id, RecordKind::Order, &tag, order)?;
    Ok(AddOrderOutcome::Added)
}
