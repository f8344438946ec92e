//! The manifest: how often the vault was changed, and a hash over everything that it holds, signed
//! anew in the same commit as each change.
//!
//! The hash is `MSet-Add-Hash` of Clarke, Devadas, van Dijk, Gassend and Suh ("Incremental Multiset
//! Hash Functions and Their Application to Memory Integrity Checking", ASIACRYPT 2003): the sum
//! modulo 2^256 of a MAC of each element, so that a change costs one subtraction and one addition,
//! however much the vault holds. Without the key nobody can find other elements with the same sum.
//! The manifest is sealed, which keeps the sums from an observer as the paper's nonce does.

use instored_domain::{BoxId, CustomerId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::{Fault, VaultError};
use super::fault::RecordFault;
use super::record::{Signers, cbor};
use super::schema::{MANIFEST_KEY, META, Rows, place};
use super::secret::Secret;
use super::slot::customer_key;

/// The sum over a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sum([u64; 4]);

impl Sum {
    pub(super) fn add(&mut self, element: [u8; 32]) {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(limbs(element)) {
            (*limb, carry) = limb.carrying_add(other, carry);
        }
    }

    pub(super) fn remove(&mut self, element: [u8; 32]) {
        let mut borrow = false;
        for (limb, other) in self.0.iter_mut().zip(limbs(element)) {
            (*limb, borrow) = limb.borrowing_sub(other, borrow);
        }
    }
}

/// Least significant limb first.
fn limbs(element: [u8; 32]) -> [u64; 4] {
    let (limbs, _) = element.as_chunks::<8>();
    std::array::from_fn(|i| u64::from_le_bytes(limbs[i]))
}

/// What the vault is, as the box last signed it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    #[serde(rename = "box")]
    pub(super) box_id: BoxId,
    /// Changes since the vault was made; every commit counts one.
    pub(super) changes: u64,
    /// When it was signed.
    pub(super) at: Timestamp,
    /// Over the customers' rolls and the tombstones.
    pub(super) sum: Sum,
    /// Accounts.
    pub(super) customers: u64,
    /// Number of the wrapping key.
    pub(super) wrap: u64,
    /// Number of the next entry of the audit log.
    pub(super) audit_next: u64,
    /// Digest of its newest entry.
    pub(super) audit_head: [u8; 32],
}

impl Manifest {
    /// The manifest in the vault, opened but not verified: for a transaction that trusts the
    /// check at the start.
    pub(super) fn read(rows: &impl Rows, secret: &Secret) -> Result<Self, Fault> {
        let sealed = rows.row(META, MANIFEST_KEY)?.ok_or_else(|| broken(&RecordFault::Missing))?;
        let signed = secret.open(&at(), &sealed).map_err(|fault| broken(&fault))?;
        let payload = unverified_payload(&signed).map_err(|fault| broken(&fault))?;
        Ok(ciborium::from_reader(payload.as_slice())
            .map_err(|_| broken(&RecordFault::Malformed))?)
    }

    /// Whether the box signed the manifest in the vault.
    pub(super) fn verify(
        rows: &impl Rows,
        secret: &Secret,
        signers: &Signers,
    ) -> Result<(), Fault> {
        let sealed = rows.row(META, MANIFEST_KEY)?.ok_or_else(|| broken(&RecordFault::Missing))?;
        secret
            .open(&at(), &sealed)
            .and_then(|signed| signers.trust.verify_payload(&at(), &signed))
            .map_err(|fault| broken(&fault))?;
        Ok(())
    }

    /// The row of this manifest.
    pub(super) fn seal(&self, secret: &Secret, signers: &Signers) -> Result<Vec<u8>, VaultError> {
        secret.seal(&at(), &signers.sign_payload(&at(), &cbor(self)?)?)
    }
}

fn unverified_payload(signed: &[u8]) -> Result<Vec<u8>, RecordFault> {
    use coset::CborSerializable;
    coset::CoseSign1::from_slice(signed)
        .ok()
        .and_then(|signed| signed.payload)
        .ok_or(RecordFault::Malformed)
}

fn at() -> Vec<u8> {
    place(META, MANIFEST_KEY)
}

fn broken(fault: &RecordFault) -> VaultError {
    VaultError::Manifest(fault.to_string())
}

/// What a customer's roll adds to the sum.
pub(super) fn roll_element(secret: &Secret, id: CustomerId, roll: &[u8]) -> [u8; 32] {
    secret.mac(&[b"roll", &customer_key(id), roll])
}

/// What a tombstone adds to the sum.
pub(super) fn tombstone_element(secret: &Secret, tombstone: &[u8]) -> [u8; 32] {
    secret.mac(&[b"tombstone", tombstone])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_does_not_depend_on_the_order_and_gives_back_what_was_added() {
        let elements: Vec<[u8; 32]> =
            (0..50u8).map(|n| Secret::from_bytes(&[n; 32]).mac(&[])).collect();
        let (mut forth, mut back) = (Sum::default(), Sum::default());
        elements.iter().for_each(|e| forth.add(*e));
        elements.iter().rev().for_each(|e| back.add(*e));
        assert_eq!(forth, back);
        back.remove(elements[7]);
        assert_ne!(forth, back);
        back.add(elements[7]);
        assert_eq!(forth, back);
        elements.iter().for_each(|e| back.remove(*e));
        assert_eq!(back, Sum::default());
    }

    #[test]
    fn carries_run_through_all_limbs() {
        let mut sum = Sum::default();
        let mut one = [0; 32];
        one[0] = 1;
        sum.remove(one);
        assert_eq!(sum, Sum([u64::MAX; 4]));
    }
}
