//! Forgetting a customer: deleting their rows and destroying their key.

use std::sync::{MutexGuard, PoisonError};

use instored_domain::{CustomerId, ForgetSummary};

use crate::account::{open_key, seal_key};
use crate::audit::{AuditAction, AuditContext};
use crate::error::{TransactionError, VaultError};
use crate::record_key::{RecordKind, customer_key, leading_customer, record_range};
use crate::schema::{ACCOUNTS, RECORDS, Rows};
use crate::symmetric_key::SymmetricKey;
use crate::vault::Vault;
use crate::write_transaction::WriteTransaction;

impl Vault {
    /// Deletes every record of a customer and destroys the customer's key. Returns `None` if the
    /// customer has no record.
    ///
    /// When this function returns, no data of the customer can be decrypted. Free pages of the file
    /// still contain the customer's key, but its key-encryption key was overwritten.
    /// [`Vault::compact`] removes these pages. A customer with damaged records can also be
    /// forgotten.
    ///
    /// The same commit encrypts every other customer's key under the new key-encryption key. This
    /// takes about 5 µs and writes 150 bytes per customer.
    ///
    /// # Errors
    /// If the vault cannot be written. Another call then completes the operation.
    pub fn forget(
        &self,
        id: CustomerId,
        context: AuditContext,
    ) -> Result<Option<ForgetSummary>, VaultError> {
        self.forget_and_announce(id, context, &[])
    }

    /// Forgets a customer like [`Vault::forget`]. The same commit stores `announcement` in the outbox,
    /// unless it is empty; see [`Vault::outbox`].
    ///
    /// # Errors
    /// Returns the errors of [`Vault::forget`].
    pub fn forget_and_announce(
        &self,
        id: CustomerId,
        context: AuditContext,
        announcement: &[u8],
    ) -> Result<Option<ForgetSummary>, VaultError> {
        if !self.storage.read(|txn| has_records(txn, id))? {
            return Ok(None);
        }
        let _lock = self.lock_key_encryption_key();
        let vault_key = self.sidecars().keys.current.vault.clone();
        let forget = || {
            self.write_with_new_key_encryption_key(context, &vault_key, |transaction| {
                let erased = transaction.erase(id)?;
                if let Some((templates, orders)) = erased {
                    transaction.queue(announcement)?;
                    transaction.audit(AuditAction::Forgotten, 1 + templates + orders, None);
                }
                Ok(erased.map(|(templates, orders)| ForgetSummary { templates, orders }))
            })
        };
        let forgotten = match forget() {
            Err(VaultError::Full { .. }) if self.release_space() => forget(),
            forgotten => forgotten,
        };
        // The manifest states the valid key, no matter if the commit succeeded.
        if let Err(error) = self.overwrite_old_key_encryption_keys_under(&vault_key) {
            tracing::error!(
                "a replaced key-encryption key could not be overwritten, so data that was deleted may \
                 still be decrypted; the next compaction retries: {error}"
            );
        }
        forgotten
    }

    /// Runs `body` as one change that also replaces the key-encryption key. The caller holds
    /// [`Vault::lock_key_encryption_key`] and overwrites the old key afterwards.
    pub(crate) fn write_with_new_key_encryption_key<T>(
        &self,
        context: AuditContext,
        vault_key: &SymmetricKey,
        body: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, TransactionError>,
    ) -> Result<T, VaultError> {
        self.write(context, |transaction| {
            let number = transaction.reader.manifest.key_encryption_key_number;
            let new = self.sidecars().key_encryption_keys.stage_next(number, vault_key)?;
            // `body` runs before the other customers' keys are encrypted again, because the key of
            // a forgotten customer must never be encrypted under the new key-encryption key, even
            // in a page that the same commit frees.
            let outcome = body(transaction)?;
            let old = std::mem::replace(&mut transaction.reader.key_encryption_key, new.clone());
            transaction.reader.manifest.key_encryption_key_number = number + 1;
            reencrypt_customer_keys(transaction, &old, &new)?;
            Ok(outcome)
        })
    }

    /// Overwrites every key-encryption key but the valid one, which the manifest states.
    pub(crate) fn overwrite_old_key_encryption_keys(&self) -> Result<(), VaultError> {
        let _lock = self.lock_key_encryption_key();
        let vault_key = self.sidecars().keys.current.vault.clone();
        self.overwrite_old_key_encryption_keys_under(&vault_key)
    }

    /// Does the same as [`Vault::overwrite_old_key_encryption_keys`], for a caller that holds the lock.
    pub(crate) fn overwrite_old_key_encryption_keys_under(
        &self,
        vault_key: &SymmetricKey,
    ) -> Result<(), VaultError> {
        let number = self.read(|reader| Ok(reader.manifest.key_encryption_key_number))?;
        self.sidecars().key_encryption_keys.overwrite_others(number, vault_key)
    }

    /// Locks the key-encryption key for its replacement.
    pub(crate) fn lock_key_encryption_key(&self) -> MutexGuard<'_, ()> {
        self.key_encryption_key_lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_records(rows: &impl Rows, id: CustomerId) -> Result<bool, TransactionError> {
    if rows.row(ACCOUNTS, &customer_key(id))?.is_some() {
        return Ok(true);
    }
    let (from, to) = record_range(id, RecordKind::Index, RecordKind::Outgoing);
    let mut has_records = false;
    rows.rows(RECORDS, &from, Some(&to), &mut |_, _| {
        has_records = true;
        Ok(())
    })?;
    Ok(has_records)
}

/// Encrypts every customer's key under the key-encryption key `new` instead of `old`. A key that
/// cannot be decrypted is already lost; its row is kept, so that [`Vault::verify`] reports it.
fn reencrypt_customer_keys(
    transaction: &mut WriteTransaction<'_>,
    old: &SymmetricKey,
    new: &SymmetricKey,
) -> Result<(), TransactionError> {
    let mut rows = Vec::new();
    transaction.tx().rows(ACCOUNTS, &[], None, &mut |key, row| {
        if let Some(id) = leading_customer(key)
            && let Ok(account_key) = open_key(old, id, row)
        {
            rows.push((key.to_vec(), seal_key(new, id, &account_key)?));
        }
        Ok(())
    })?;
    for (key, row) in rows {
        transaction.tx().put(ACCOUNTS, &key, &row)?;
    }
    transaction.mark_changed();
    Ok(())
}
