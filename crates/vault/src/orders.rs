//! Orders: each id once, read newest first, corrected by replacing.

use instored_domain::{CustomerId, Order};
use serde::{Deserialize, Serialize};

use super::Vault;
use super::account::{Account, Reader};
use super::audit::{Act, Done};
use super::change::Change;
use super::error::{Fault, VaultError};
use super::loaded::{Loaded, Refused};
use super::record::ReplacedOrder;
use super::schema::{ORDER_IDS, Rows};
use super::slot::{Slot, customer_key, leading_customer};

/// What became of an order that was added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderAdded {
    /// It is in the vault now.
    Added,
    /// It was there already, or another one took its place since.
    AlreadyKnown,
    /// Another order has this id; that one stays.
    Conflict,
    /// Its customer is not enrolled; it was not stored.
    NoSuchCustomer,
    /// It says that it replaces an order that the customer does not have; it was not stored.
    NothingToReplace,
}

impl Vault {
    /// Stores an order that [`Order::check`] has passed. One that replaces another takes its place
    /// in the same commit; the replaced id stays known.
    ///
    /// # Errors
    /// When the vault cannot be written.
    pub fn add_order(&self, order: &Order, act: Act) -> Result<OrderAdded, VaultError> {
        let added = self.add_orders(std::slice::from_ref(order), act)?;
        Ok(added.first().copied().unwrap_or(OrderAdded::NoSuchCustomer))
    }

    /// Stores orders in one commit; the answers are in their order.
    ///
    /// # Errors
    /// When the vault cannot be written, or the records of a customer cannot be read; then none is
    /// stored.
    pub fn add_orders(&self, orders: &[Order], act: Act) -> Result<Vec<OrderAdded>, VaultError> {
        self.change(act, |change| {
            let answers: Vec<_> =
                orders.iter().map(|order| add(change, order)).collect::<Result<_, _>>()?;
            let added = answers.iter().filter(|a| **a == OrderAdded::Added).count() as u64;
            if added > 0 {
                let first = orders.first().map(|order| order.customer);
                let one = first.filter(|id| orders.iter().all(|order| order.customer == *id));
                change.note(Done::Orders, added, one);
            }
            Ok(answers)
        })
    }

    /// The newest `limit` orders of a customer, newest first; neither what was replaced nor what
    /// makes an order void.
    ///
    /// # Errors
    /// When the vault cannot be read; a damaged order is refused by itself.
    pub fn orders(&self, id: CustomerId, limit: usize) -> Result<Loaded<Order>, VaultError> {
        self.read(|reader| {
            let Some(account) = reader.account(id)? else { return Ok(Loaded::default()) };
            let mut loaded = bought(reader, &account)?;
            loaded.good.truncate(limit);
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
        self.read(|reader| {
            let mut refused = Vec::new();
            reader.accounts(|account| {
                match account {
                    Err(fault) => refused.push(fault),
                    Ok(account) => {
                        let loaded = bought(reader, &account)?;
                        refused.extend(loaded.refused);
                        if !loaded.good.is_empty() {
                            visit(account.id, &loaded.good);
                        }
                    }
                }
                Ok(())
            })?;
            Ok(refused)
        })
    }
}

/// What a customer bought, newest first.
fn bought(reader: &Reader<'_, impl Rows>, account: &Account) -> Result<Loaded<Order>, Fault> {
    let mut loaded = all_of(reader, account)?;
    loaded.good.retain(|order| !order.lines.is_empty());
    Ok(loaded)
}

/// Every order of a customer, voids included, newest first.
pub(super) fn all_of(
    reader: &Reader<'_, impl Rows>,
    account: &Account,
) -> Result<Loaded<Order>, Fault> {
    let mut loaded = Loaded::default();
    reader.records(account, Slot::Order, |_, read: Result<Order, _>| loaded.push(read))?;
    // Orders of the same moment stay in an order that does not change: that of their ids.
    loaded.good.sort_by(|a, b| {
        let key = |order: &Order| order.placed.timestamp();
        key(b).cmp(&key(a)).then_with(|| b.id.cmp(&a.id))
    });
    Ok(loaded)
}

pub(super) fn add(change: &mut Change<'_>, order: &Order) -> Result<OrderAdded, Fault> {
    let id = order.customer;
    if change.account(id)?.is_none() {
        return Ok(OrderAdded::NoSuchCustomer);
    }
    let ring = std::sync::Arc::clone(&change.reader.ring);
    let tag = ring.order_tag(&order.id);
    if let Some(holder) = change.tx().row(ORDER_IDS, &tag)? {
        if leading_customer(&holder) != Some(id) {
            return Ok(OrderAdded::Conflict);
        }
        let replaced = change.account(id)?.is_some_and(|a| a.roll.has(Slot::Replaced, &tag));
        match change.get::<Order>(id, Slot::Order, &tag) {
            _ if replaced => return Ok(OrderAdded::AlreadyKnown),
            Ok(Some(stored)) if stored == *order => return Ok(OrderAdded::AlreadyKnown),
            Ok(Some(_)) => return Ok(OrderAdded::Conflict),
            // The stored order is damaged or gone, and this one mends that.
            Ok(None) | Err(Fault::Vault(VaultError::Refused(_))) => {}
            Err(fault) => return Err(fault),
        }
    }
    if let Some(replaces) = &order.replaces {
        let old = ring.order_tag(replaces);
        if !change.account(id)?.is_some_and(|a| a.roll.has(Slot::Order, &old)) {
            return Ok(OrderAdded::NothingToReplace);
        }
        change.remove(id, Slot::Order, &old)?;
        change.put(id, Slot::Replaced, &old, &ReplacedOrder(replaces.clone()))?;
    }
    change.tx().put(ORDER_IDS, &tag, &customer_key(id))?;
    change.put(id, Slot::Order, &tag, order)?;
    Ok(OrderAdded::Added)
}
