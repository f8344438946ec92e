//! The vault: customers, their consents and templates, their orders, in one redb file.
//!
//! What is biometric or decides about a person is signed with the box's key and verified on every
//! load; a record that does not verify is refused by itself and the others are served. One event
//! is one durable commit. The format is written down in `docs/vault.md`.

mod box_key;
mod claims;
mod customers;
mod error;
mod export;
mod files;
mod forget;
mod loaded;
mod orders;
mod record;
mod schema;
mod storage;
mod templates;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::domain::BoxId;

pub use box_key::BoxKey;
pub use customers::NewEnrolment;
pub use error::VaultError;
pub use export::{Export, ExportedClaim, ExportedTemplate};
pub use forget::Forgotten;
pub use loaded::{Loaded, Refused};
pub use orders::OrderAdded;

use record::Seal;
use storage::Storage;

/// What the shop keeps of its customers. Shared between threads; every method is one transaction.
///
/// Methods fail with [`VaultError::Storage`] when the disk does, and with [`VaultError::Damaged`]
/// when the file's structure is broken.
#[derive(Debug)]
pub struct Vault {
    storage: Storage,
    seal: Seal,
}

impl Vault {
    /// Opens the vault at `path`, and creates it (mode 0600) when there is none; its folder has to
    /// be there. What a crash kept from being rewritten after a
    /// deletion is rewritten first.
    ///
    /// # Errors
    /// When another process has it open, when it belongs to another box or key, when the file is
    /// damaged or was written by a newer version, or when the disk fails.
    pub fn open(path: &Path, key: BoxKey, box_id: BoxId) -> Result<Self, VaultError> {
        let storage = Storage::open(path)?;
        let identity = schema::Identity { box_id: box_id.clone(), key_id: key.key_id() };
        let known = storage.read(schema::read_identity)?;
        match known {
            None => storage.write(|txn| schema::create(txn, &identity))?,
            Some(stored) => stored.check(&identity, path)?,
        }
        if storage.read(schema::rewrite_due)? {
            storage.rewrite()?;
        }
        Ok(Self { storage, seal: Seal::new(key, box_id) })
    }

    /// The box's key, which also signs what the box says.
    pub fn key(&self) -> &BoxKey {
        self.seal.key()
    }
}
