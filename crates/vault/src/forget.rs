//! Forgetting a customer: their rows deleted and their key destroyed in one step, the traces in
//! freed pages swept out afterwards.

use std::sync::{MutexGuard, PoisonError};

use instored_domain::CustomerId;

use super::Vault;
use super::account::{open_key, seal_key};
use super::audit::{Act, Done};
use super::change::Change;
use super::error::{Fault, VaultError};
use super::schema::{ACCOUNTS, RECORDS, Rows};
use super::secret::Secret;
use super::slot::{Slot, customer_key, leading_customer, record_range};

/// How much was forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forgotten {
    /// Templates.
    pub templates: u64,
    /// Orders.
    pub orders: u64,
}

impl Vault {
    /// Deletes everything of a customer and destroys their key. When this returns, nothing of them
    /// can be read any more: what the file's free pages still hold is sealed under a key that was
    /// sealed under a wrapping key that was overwritten. [`Vault::sweep`] then takes even that out.
    /// Damaged records do not stand in the way. `None`: nothing of such a customer was there.
    ///
    /// Every other customer's key is sealed under the new wrapping key in the same commit, which
    /// takes time with their number: about 5 µs each, and the writing of some 150 bytes.
    ///
    /// # Errors
    /// When the vault cannot be written. Whether the customer is forgotten then can be asked by
    /// [`Vault::customer`]; asking again finishes what was begun.
    pub fn forget(&self, id: CustomerId, act: Act) -> Result<Option<Forgotten>, VaultError> {
        if self.storage.read(|txn| nothing_of(txn, id))? {
            return Ok(None);
        }
        let _one_at_a_time = self.wrapping_turn();
        let vault = self.beside().keys.vault().clone();
        self.with_new_wrapping_key(act, &vault, |change| {
            let erased = change.erase(id)?;
            if let Some((templates, orders)) = erased {
                change.note(Done::Forgotten, 1 + templates + orders, None);
            }
            Ok(erased.map(|(templates, orders)| Forgotten { templates, orders }))
        })
    }

    /// Runs a change that also puts another wrapping key in the place of the present one, which is
    /// destroyed when this returns. The caller holds [`Vault::wrapping_turn`].
    pub(super) fn with_new_wrapping_key<T>(
        &self,
        act: Act,
        vault: &Secret,
        body: impl FnOnce(&mut Change<'_>) -> Result<T, Fault>,
    ) -> Result<T, VaultError> {
        let done = self.change(act, |change| {
            let number = change.reader.manifest.wrap;
            let new = self.beside().wrap.prepare(number, vault)?;
            // Before the others' keys are sealed anew: whoever goes must never be sealed under the
            // wrapping key that stays, not even in a page that the same commit frees.
            let outcome = body(change)?;
            let old = std::mem::replace(&mut change.reader.wrapping, new.clone());
            change.reader.manifest.wrap = number + 1;
            rewrap(change, &old, &new)?;
            Ok(outcome)
        });
        // Whether or not the commit came through, the vault says which key holds.
        match self.read(|reader| Ok(reader.manifest.wrap)) {
            Ok(number) => self.beside().wrap.settle(number, vault)?,
            Err(error) => return done.and(Err(error)),
        }
        done
    }

    /// Whoever holds this may replace the wrapping key.
    pub(super) fn wrapping_turn(&self) -> MutexGuard<'_, ()> {
        self.wrapping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nothing_of(rows: &impl Rows, id: CustomerId) -> Result<bool, Fault> {
    if rows.row(ACCOUNTS, &customer_key(id))?.is_some() {
        return Ok(false);
    }
    let (from, to) = record_range(id, Slot::Roll, Slot::Replaced);
    let mut nothing = true;
    rows.rows(RECORDS, &from, Some(&to), &mut |_, _| {
        nothing = false;
        Ok(())
    })?;
    Ok(nothing)
}

/// Seals every customer's key under the new wrapping key. One that the old one does not open is
/// lost already, and left to be named.
fn rewrap(change: &mut Change<'_>, old: &Secret, new: &Secret) -> Result<(), Fault> {
    let mut sealed = Vec::new();
    change.tx().rows(ACCOUNTS, &[], None, &mut |key, row| {
        if let Some(id) = leading_customer(key)
            && let Ok(customer) = open_key(old, id, row)
        {
            sealed.push((key.to_vec(), seal_key(new, id, &customer)?));
        }
        Ok(())
    })?;
    for (key, row) in sealed {
        change.tx().put(ACCOUNTS, &key, &row)?;
    }
    change.mark();
    Ok(())
}
