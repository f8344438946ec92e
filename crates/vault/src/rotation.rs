//! Rotation of all keys while the vault is in use.
//!
//! A rotation replaces the signing key, the vault key, the key-encryption key and each customer's
//! key, and signs and encrypts every record again:
//!
//! 1. The first commit makes the new signing key the active one and stores the old key's
//!    endorsement. From then on, both keys are trusted.
//! 2. The customers' records are signed and encrypted again in small batches. Other threads can
//!    write between two batches.
//! 3. The last commit encrypts the root under the new vault key. From then on, the old signing key
//!    is not trusted.
//!
//! After a crash at any time, the key files contain all keys that the vault needs, and the next
//! rotation continues the interrupted one.

use std::sync::{Arc, PoisonError};

use serde::{Deserialize, Serialize};

use crate::audit::{AuditAction, AuditContext};
use crate::error::VaultError;
use crate::key_endorsement::KeyEndorsement;
use crate::record::Signers;
use crate::record_key::leading_customer;
use crate::schema::{
    ACCOUNTS, COMPACTION_DUE_KEY, KEY_ENDORSEMENTS_KEY, META, NEXT_SIGNER_KEY, ROOT_KEY, Rows,
    SIGNER_KEY,
};
use crate::vault::Vault;

/// Number of customers in a batch: about 10,000 signatures, which take a few tenths of a second.
const BATCH_SIZE: usize = 100;

/// Outcome of a rotation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RotationSummary {
    /// Number of customers whose records were signed and encrypted again.
    pub customers: u64,
    /// Credentials that the operator must replace by the credentials with the suffix `.next`.
    pub replace_credentials: Vec<String>,
}

impl Vault {
    /// Returns true if a rotation is running or was interrupted. [`Vault::rotate_keys`] continues
    /// an interrupted rotation.
    pub fn is_rotation_pending(&self) -> bool {
        self.derived_keys().signers.is_rotating()
    }

    /// Replaces every key. This takes about 60 µs per record; other threads can read and write
    /// meanwhile. After the first commit, [`Vault::signing_key`] returns the new key.
    ///
    /// # Errors
    /// If a key is a credential and the credential with the suffix `.next` is missing, or the disk
    /// fails. Old and new keys are then still needed, and another call continues the rotation.
    pub fn rotate_keys(&self, context: AuditContext) -> Result<RotationSummary, VaultError> {
        let _rotation = self.rotation_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.sidecars().keys.begin_rotation()?;
        let next_id = next.signing.id();

        let old = self.derived_keys();
        let box_id = old.signers.trusted.box_id.clone();
        if !old.signers.is_rotating() {
            let signers =
                Signers::new(box_id.clone(), next.signing.clone(), Some(&old.signers.active));
            let endorsement = KeyEndorsement::sign(&box_id, &old.signers.active, &next.signing);
            let rotating = Arc::new(old.with_signers(signers));
            let first_commit = self.write(context, |transaction| {
                transaction.reader.derived_keys = Arc::clone(&rotating);
                transaction.tx().put(META, NEXT_SIGNER_KEY, &next_id)?;
                let list = transaction.tx().row(META, KEY_ENDORSEMENTS_KEY)?.unwrap_or_default();
                let list = endorsement.append_to(list);
                transaction.tx().put(META, KEY_ENDORSEMENTS_KEY, &list)?;
                transaction.audit(AuditAction::RotationBegun, 0, None);
                // The keys are set before other threads can write. A record that another thread
                // signs with the old key after this commit would not be signed again.
                self.set_derived_keys(rotating);
                Ok(())
            });
            if let Err(error) = first_commit {
                self.set_derived_keys(old);
                return Err(error);
            }
        }

        let mut customers = Vec::new();
        self.read(|reader| {
            reader.rows.rows(ACCOUNTS, &[], None, &mut |key, _| {
                customers.extend(leading_customer(key));
                Ok(())
            })
        })?;
        for batch in customers.chunks(BATCH_SIZE) {
            self.write(context, |transaction| {
                batch.iter().try_for_each(|id| transaction.reencrypt_customer(*id))
            })?;
        }

        let signers = Signers::new(box_id, next.signing, None);
        let keys = Arc::new(self.derived_keys().with_signers(signers));
        // From here on, a customer could be forgotten under the wrong vault key.
        let _key_encryption_key = self.lock_key_encryption_key();
        self.write_with_new_key_encryption_key(context, &next.vault, |transaction| {
            transaction.reader.derived_keys = Arc::clone(&keys);
            transaction.tx().put(META, SIGNER_KEY, &next_id)?;
            transaction.tx().remove(META, NEXT_SIGNER_KEY)?;
            transaction.tx().put(META, ROOT_KEY, &keys.seal_root(&next.vault)?)?;
            transaction.tx().put(META, COMPACTION_DUE_KEY, &[1])?;
            transaction.audit(AuditAction::RotationEnded, customers.len() as u64, None);
            Ok(())
        })?;
        self.overwrite_old_key_encryption_keys_under(&next.vault)?;
        let replace_credentials = self.sidecars().keys.end_rotation()?;
        self.set_derived_keys(keys);
        Ok(RotationSummary { customers: customers.len() as u64, replace_credentials })
    }
}
