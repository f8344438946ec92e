//! Forgetting a customer: by keys, whatever the records say, and out of the raw file too.

use redb::WriteTransaction;

use crate::domain::CustomerId;

use super::Vault;
use super::error::{Fault, VaultError};
use super::schema::{
    self, Bytes, CLAIMS, CONSENTS, CUSTOMERS, ORDER_IDS, ORDERS, TEMPLATES, after, customer_key,
};

/// How much was forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forgotten {
    /// Templates.
    pub templates: u64,
    /// Orders.
    pub orders: u64,
}

impl Vault {
    /// Deletes everything of a customer in one commit, then rewrites the file, so that it no longer
    /// holds their data in freed pages; writers wait for that. Damaged records do not stand in the
    /// way. `None`: nothing of such a customer was there.
    ///
    /// # Errors
    /// [`VaultError::TracesRemain`] when the customer is forgotten and the file could not be
    /// rewritten; that is tried again when the vault is opened next.
    pub fn forget(&self, id: CustomerId) -> Result<Option<Forgotten>, VaultError> {
        let forgotten = self.storage.write(|txn| erase(txn, id))?;
        if forgotten.is_some() {
            self.storage.rewrite().map_err(|source| VaultError::TracesRemain {
                path: self.storage.path().to_owned(),
                source: Box::new(source),
            })?;
        }
        Ok(forgotten)
    }
}

/// The commit of [`Vault::forget`]. The note that a rewrite is due is part of it, so that a crash
/// in between is made good at the next start.
pub(super) fn erase(txn: &WriteTransaction, id: CustomerId) -> Result<Option<Forgotten>, Fault> {
    let customers = delete_leading(txn, CUSTOMERS, id)?;
    let consents = delete_leading(txn, CONSENTS, id)?;
    let templates = delete_leading(txn, TEMPLATES, id)?;
    let orders = delete_leading(txn, ORDERS, id)?;
    let claims = delete(txn, CLAIMS, |key, _| key.ends_with(&customer_key(id)))?;
    let names = delete(txn, ORDER_IDS, |_, place| place.starts_with(&customer_key(id)))?;
    if customers + consents + templates + orders + claims + names == 0 {
        return Ok(None);
    }
    schema::set_rewrite_due(txn)?;
    Ok(Some(Forgotten { templates, orders }))
}

fn delete_leading(txn: &WriteTransaction, table: Bytes, id: CustomerId) -> Result<u64, Fault> {
    let mut table = txn.open_table(table)?;
    let (start, end) = (customer_key(id), after(&customer_key(id)));
    let mut deleted = 0;
    table.retain_in::<&[u8], _>(start.as_slice()..end.as_slice(), |_, _| {
        deleted += 1;
        false
    })?;
    Ok(deleted)
}

fn delete(
    txn: &WriteTransaction,
    table: Bytes,
    mut goes: impl FnMut(&[u8], &[u8]) -> bool,
) -> Result<u64, Fault> {
    let mut deleted = 0;
    txn.open_table(table)?.retain(|key, value| {
        let goes = goes(key, value);
        deleted += u64::from(goes);
        !goes
    })?;
    Ok(deleted)
}
