//! Open vault: its state and its transactions.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use redb::ReadTransaction;

use crate::account::Reader;
use crate::audit::AuditContext;
use crate::derived_keys::DerivedKeys;
use crate::error::{TransactionError, VaultError};
use crate::key_encryption_key::KeyEncryptionKeyFile;
use crate::keys::KeyStore;
use crate::manifest::Manifest;
use crate::rollback_guard::RollbackGuard;
use crate::schema::{COMPACTION_DUE_KEY, META, Rows};
use crate::signing_key::SigningKey;
use crate::storage::{Commit, Storage};
use crate::verified::Rejected;
use crate::write_transaction::WriteTransaction;

/// Encrypted storage of the shop's customers. Threads can share it. Every method is one
/// transaction.
///
/// Every method can return [`VaultError::Storage`] if the disk fails, [`VaultError::Full`] if the
/// disk is full, and [`VaultError::Damaged`] if the structure of the database file is invalid.
#[derive(Debug)]
pub struct Vault {
    pub(crate) storage: Storage,
    pub(crate) sidecars: Mutex<Sidecars>,
    pub(crate) derived_keys: RwLock<Arc<DerivedKeys>>,
    /// A thread holds this lock from the creation of a new key-encryption key until the old one is
    /// overwritten.
    pub(crate) key_encryption_key_lock: Mutex<()>,
    /// A thread holds this lock during a rotation. It is locked before `key_encryption_key_lock`.
    pub(crate) rotation_lock: Mutex<()>,
    /// Faults that were found when the vault was opened.
    pub(crate) warnings: Vec<Rejected>,
}

/// Keys and files of the vault outside the database.
pub(crate) struct Sidecars {
    pub(crate) keys: KeyStore,
    pub(crate) key_encryption_keys: KeyEncryptionKeyFile,
    pub(crate) rollback_guard: RollbackGuard,
}

impl fmt::Debug for Sidecars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sidecars([redacted])")
    }
}

impl Vault {
    /// Returns the path of the database file.
    pub fn path(&self) -> &Path {
        self.storage.path()
    }

    /// Returns the faults that were found when the vault was opened: an older copy of the vault, a
    /// missing or invalid rollback guard, a damaged file. [`Vault::for_each_template`] and
    /// [`Vault::verify`] find all other faults.
    pub fn warnings(&self) -> &[Rejected] {
        &self.warnings
    }

    /// Returns the active signing key, which also signs the box's messages. A rotation replaces it.
    pub fn signing_key(&self) -> SigningKey {
        self.derived_keys().signers.active.clone()
    }

    /// Returns true if free pages of the file may still contain deleted data, encrypted under
    /// destroyed keys. [`Vault::compact`] removes this data.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn is_compaction_due(&self) -> Result<bool, VaultError> {
        self.storage.read(|txn| Ok(txn.row(META, COMPACTION_DUE_KEY)?.is_some()))
    }

    /// Overwrites keys that a failed [`Vault::forget`] left, and rewrites the file without deleted
    /// data. Other threads can read and write meanwhile.
    ///
    /// This takes about 1 second per 100 MB and needs free disk space of the size of the file.
    ///
    /// # Errors
    /// If the disk fails or is full; the old file then stays in use.
    pub fn compact(&self) -> Result<(), VaultError> {
        self.overwrite_old_key_encryption_keys()?;
        self.storage.rewrite()?;
        self.reserve_space();
        Ok(())
    }

    pub(crate) fn derived_keys(&self) -> Arc<DerivedKeys> {
        Arc::clone(&self.derived_keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_derived_keys(&self, keys: Arc<DerivedKeys>) {
        *self.derived_keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub(crate) fn sidecars(&self) -> MutexGuard<'_, Sidecars> {
        self.sidecars.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `body` on one consistent state of the vault.
    ///
    /// The keys are read before the rows. If a key is replaced in between, both are read again.
    pub(crate) fn read<T>(
        &self,
        body: impl FnOnce(&Reader<'_, ReadTransaction>) -> Result<T, TransactionError>,
    ) -> Result<T, VaultError> {
        let mut body = Some(body);
        loop {
            let (keys, generation) = (self.derived_keys(), self.key_generation());
            let output = self.storage.read(|txn| {
                let reader = self.reader(txn);
                let is_consistent =
                    Arc::ptr_eq(&keys, &self.derived_keys()) && generation == self.key_generation();
                match body.take_if(|_| is_consistent) {
                    Some(body) => body(&reader?).map(Some),
                    None => Ok(None),
                }
            })?;
            if let Some(output) = output {
                return Ok(output);
            }
        }
    }

    /// Runs `body` as one change. The change is durable when this function returns.
    pub(crate) fn write<T>(
        &self,
        context: AuditContext,
        body: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, TransactionError>,
    ) -> Result<T, VaultError> {
        let (output, changes) = self.storage.write(|tx| {
            let mut transaction = WriteTransaction::new(self.reader(tx)?, context);
            let output = body(&mut transaction)?;
            let changes = transaction.prepare_commit()?;
            let commit = if changes.is_some() { Commit::Yes } else { Commit::No };
            Ok(((output, changes), commit))
        })?;
        if let Some(changes) = changes {
            self.update_rollback_guard(changes);
        }
        Ok(output)
    }

    /// Writes the rollback guard. The change that it counts is durable already, so a failure is no
    /// failure of the change; the next one writes the guard again.
    pub(crate) fn update_rollback_guard(&self, changes: u64) {
        let written = self.sidecars().rollback_guard.write(changes, &self.derived_keys().signers);
        if let Err(error) = written {
            tracing::warn!(
                "the change is stored, but an older copy of the vault could not be detected until \
                 the next change: {error}"
            );
        }
    }

    /// Returns a reader of `rows` with the keys that decrypt them.
    pub(crate) fn reader<'t, R: Rows>(
        &self,
        rows: &'t R,
    ) -> Result<Reader<'t, R>, TransactionError> {
        let derived_keys = self.derived_keys();
        let manifest = Manifest::read(rows, &derived_keys.manifest)?;
        let key_encryption_key = self
            .sidecars()
            .key_encryption_keys
            .key(manifest.key_encryption_key_number)
            .cloned()
            .ok_or_else(|| VaultError::OlderCopy { path: self.path().to_owned() })?;
        Ok(Reader { rows, derived_keys, manifest, key_encryption_key })
    }

    fn key_generation(&self) -> u64 {
        self.sidecars().key_encryption_keys.generation()
    }
}
