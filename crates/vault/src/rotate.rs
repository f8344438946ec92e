//! Rotating the keys while the vault is in use: a new signing key, a new vault key, a new wrapping
//! key, and a new key for each customer, under which all they have is signed and sealed again.
//!
//! From the first commit on the new key signs and both are believed; customers follow in small
//! batches, between which others read and write; the last commit seals the root under the new vault
//! key and ends the belief in the old signing key. Whatever moment a crash takes, the key files
//! still hold what the vault needs, and rotating again goes on.

use std::sync::{Arc, PoisonError};

use instored_domain::CustomerId;
use serde::{Deserialize, Serialize};

use super::Vault;
use super::audit::{Act, Done};
use super::error::{Fault, VaultError};
use super::record::Signers;
use super::ring::Ring;
use super::schema::{ACCOUNTS, META, ROOT_KEY, Rows, SIGNER_ROWS, SWEEP_DUE_KEY};
use super::slot::leading_customer;

/// Customers in a batch: some ten thousand signatures, a few tenths of a second.
const BATCH: usize = 100;

/// What a rotation did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rotated {
    /// Customers whose records were signed and sealed again.
    pub customers: u64,
    /// Credentials that have to be replaced by those of the same name with `.next` behind it.
    pub replace_credentials: Vec<String>,
}

impl Vault {
    /// Whether a rotation was begun and did not end: [`Vault::rotate`] goes on with it.
    pub fn rotation_due(&self) -> bool {
        self.ring().signers.are_changing()
    }

    /// Replaces every key. Takes about 60 µs a record; reading and writing goes on meanwhile, and
    /// [`Vault::key`] is the new one from the start.
    ///
    /// # Errors
    /// When the keys are credentials and no next ones are given, or when the disk fails; then both
    /// old and new keys are still needed, and rotating again goes on.
    pub fn rotate(&self, act: Act) -> Result<Rotated, VaultError> {
        let _one_at_a_time = self.wrapping_turn();
        let next = self.beside().keys.begin_rotation()?;
        let (signer_row, next_row) = SIGNER_ROWS;
        let next_id = next.signing.key_id_bytes();

        let old = self.ring();
        if !old.signers.are_changing() {
            let box_id = old.signers.trust.box_id.clone();
            let both = Signers::new(box_id, next.signing.clone(), Some(&old.signers.active));
            let both = Arc::new(old.with_signers(both));
            let begun = self.change(act, |change| {
                change.reader.ring = Arc::clone(&both);
                change.tx().put(META, next_row, &next_id)?;
                change.note(Done::RotationBegun, 0, None);
                // Before others may write: what they sign with the old key now would stay so.
                self.set_ring(both);
                Ok(())
            });
            if let Err(error) = begun {
                self.set_ring(old);
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
        for batch in customers.chunks(BATCH) {
            self.seal_anew(batch, act)?;
        }

        let ring = self.ring();
        let box_id = ring.signers.trust.box_id.clone();
        let ring = Arc::new(ring.with_signers(Signers::new(box_id, next.signing, None)));
        self.with_new_wrapping_key(act, &next.vault, |change| {
            change.reader.ring = Arc::clone(&ring);
            change.tx().put(META, signer_row, &next_id)?;
            change.tx().remove(META, next_row)?;
            change.tx().put(META, ROOT_KEY, &ring.seal_root(&next.vault)?)?;
            change.tx().put(META, SWEEP_DUE_KEY, &[1])?;
            change.note(Done::RotationEnded, customers.len() as u64, None);
            Ok(())
        })?;
        let replace_credentials = self.beside().keys.end_rotation()?;
        self.set_ring(ring);
        Ok(Rotated { customers: customers.len() as u64, replace_credentials })
    }

    fn seal_anew(&self, customers: &[CustomerId], act: Act) -> Result<(), VaultError> {
        self.change(act, |change| {
            customers.iter().try_for_each(|id| -> Result<(), Fault> { change.seal_anew(*id) })
        })
    }

    fn set_ring(&self, ring: Arc<Ring>) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
    }
}
