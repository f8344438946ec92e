//! Disk space that is reserved for forgetting: a customer is deleted even if the disk is full.

use std::io::{self, Write};

use crate::error::VaultError;
use crate::files::{create_temporary, open_or_create, remove_if_present, replace, reserve_path};
use crate::schema::{ACCOUNTS, Rows};
use crate::vault::Vault;

/// Reserved bytes without customers: redb writes a few hundred pages of 4 KiB.
const BYTES_MIN: u64 = 4 << 20;
/// Reserved bytes for each customer, whose key is written again under the new key-encryption key.
const BYTES_PER_CUSTOMER: u64 = 512;

impl Vault {
    /// Creates or enlarges the reserve. Logs a failure, because only forgetting on a full disk needs the
    /// reserve.
    pub(crate) fn reserve_space(&self) {
        if let Err(error) = self.try_to_reserve_space() {
            tracing::warn!(
                "cannot reserve disk space, so no customer can be deleted if the disk is full: \
                 {error}"
            );
        }
    }

    /// Deletes the reserve, and returns true if there was one.
    pub(crate) fn release_space(&self) -> bool {
        let path = reserve_path(self.path());
        path.exists() && remove_if_present(&path).is_ok()
    }

    fn try_to_reserve_space(&self) -> Result<(), VaultError> {
        let customers = self.storage.read(|txn| txn.count(ACCOUNTS))?;
        let bytes = BYTES_MIN + BYTES_PER_CUSTOMER * customers;
        let path = reserve_path(self.path());
        if std::fs::metadata(&path).is_ok_and(|reserve| reserve.len() >= bytes) {
            return Ok(());
        }
        let reserve = || {
            let temporary = create_temporary(&path)?;
            let mut file = open_or_create(&temporary)?;
            io::copy(&mut io::Read::take(io::repeat(0), bytes), &mut file)?;
            file.flush()?;
            file.sync_all()?;
            replace(temporary, &path)
        };
        reserve().map_err(|source| VaultError::Sidecar { path: path.clone(), source })
    }
}
