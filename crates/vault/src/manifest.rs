//! Manifest: the number of changes and a hash over all records, signed in the commit of each
//! change.
//!
//! The hash is `MSet-Add-Hash` of Clarke, Devadas, van Dijk, Gassend and Suh ("Incremental Multiset
//! Hash Functions and Their Application to Memory Integrity Checking", ASIACRYPT 2003): the sum
//! modulo 2^256 of a MAC of each element. A change costs one subtraction and one addition,
//! independent of the vault's size. Without the MAC key, nobody can find other elements with the
//! same sum. The paper hides the sum with a nonce; here the encryption of the manifest hides it.

use coset::CborSerializable;
use instored_domain::{BoxId, CustomerId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{TransactionError, VaultError};
use crate::record::{Signers, cbor};
use crate::record_error::RecordError;
use crate::record_index::Tag;
use crate::record_key::customer_key;
use crate::schema::{MANIFEST_KEY, META, Rows};
use crate::symmetric_key::SymmetricKey;

/// Incremental hash of a multiset of MACs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct MultisetHash([u64; 4]);

impl MultisetHash {
    pub(crate) fn add(&mut self, element: [u8; 32]) {
        let mut carry = false;
        for (limb, summand) in self.0.iter_mut().zip(limbs(element)) {
            (*limb, carry) = limb.carrying_add(summand, carry);
        }
    }

    pub(crate) fn remove(&mut self, element: [u8; 32]) {
        let mut borrow = false;
        for (limb, subtrahend) in self.0.iter_mut().zip(limbs(element)) {
            (*limb, borrow) = limb.borrowing_sub(subtrahend, borrow);
        }
    }
}

/// Returns the four 64-bit limbs of an element, least significant first.
fn limbs(element: [u8; 32]) -> [u64; 4] {
    let (limbs, _) = element.as_chunks::<8>();
    std::array::from_fn(|i| u64::from_le_bytes(limbs[i]))
}

/// Signed state of the vault.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    #[serde(rename = "box")]
    pub(crate) box_id: BoxId,
    /// Number of changes since the vault was created. Every commit increments it.
    pub(crate) changes: u64,
    /// Time of the signature.
    pub(crate) at: Timestamp,
    /// Hash over the record indexes of all customers and the tombstones.
    #[serde(rename = "sum")]
    pub(crate) hash: MultisetHash,
    /// Number of accounts.
    pub(crate) customers: u64,
    #[serde(rename = "wrap")]
    pub(crate) key_encryption_key_number: u64,
    /// Number of the next entry of the audit log.
    pub(crate) audit_next: u64,
    /// Digest of the newest entry of the audit log.
    pub(crate) audit_head: [u8; 32],
}

impl Manifest {
    /// Decrypts the manifest. Its signature is not verified, because opening the vault verified it.
    pub(crate) fn read(rows: &impl Rows, key: &SymmetricKey) -> Result<Self, TransactionError> {
        let signed = key.open(&aad(), &row(rows)?).map_err(|error| manifest_error(&error))?;
        let payload = coset::CoseSign1::from_slice(&signed).ok().and_then(|signed| signed.payload);
        payload
            .and_then(|payload| ciborium::from_reader(payload.as_slice()).ok())
            .ok_or_else(|| manifest_error(&RecordError::Malformed).into())
    }

    /// Verifies the signature of the manifest.
    pub(crate) fn verify(
        rows: &impl Rows,
        key: &SymmetricKey,
        signers: &Signers,
    ) -> Result<(), TransactionError> {
        key.open(&aad(), &row(rows)?)
            .and_then(|signed| signers.trusted.verify_payload(&aad(), &signed))
            .map_err(|error| manifest_error(&error))?;
        Ok(())
    }

    /// Signs and encrypts the manifest as its row of `meta`.
    pub(crate) fn seal(
        &self,
        key: &SymmetricKey,
        signers: &Signers,
    ) -> Result<Vec<u8>, VaultError> {
        key.seal(&aad(), &signers.sign_payload(&aad(), &cbor(self)?)?)
    }
}

fn row(rows: &impl Rows) -> Result<Vec<u8>, TransactionError> {
    let row = rows.row(META, MANIFEST_KEY)?;
    row.ok_or_else(|| manifest_error(&RecordError::Missing).into())
}

fn aad() -> Vec<u8> {
    crate::schema::aad(META, MANIFEST_KEY)
}

fn manifest_error(error: &RecordError) -> VaultError {
    VaultError::Manifest { detail: error.to_string() }
}

/// Returns the element for a customer's record index in the hash. `tag` is the tag of the index's row,
/// which authenticates the whole row under the customer's key.
pub(crate) fn index_element(key: &SymmetricKey, id: CustomerId, tag: &Tag) -> [u8; 32] {
    key.mac(&[b"index", &customer_key(id), tag])
}

/// Returns the element for a customer's record index in a vault of format 2.
pub(crate) fn index_element_of_format_2(
    key: &SymmetricKey,
    id: CustomerId,
    index: &[u8],
) -> [u8; 32] {
    key.mac(&[b"roll", &customer_key(id), index])
}

/// Returns the element for a tombstone in the hash.
pub(crate) fn tombstone_element(key: &SymmetricKey, tombstone: &[u8]) -> [u8; 32] {
    key.mac(&[b"tombstone", tombstone])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_independent_of_order_and_reversible() {
        let elements: Vec<[u8; 32]> =
            (0..50u8).map(|n| SymmetricKey::from_bytes(&[n; 32]).mac(&[])).collect();
        let (mut forward, mut backward) = (MultisetHash::default(), MultisetHash::default());
        elements.iter().for_each(|e| forward.add(*e));
        elements.iter().rev().for_each(|e| backward.add(*e));
        assert_eq!(forward, backward);
        backward.remove(elements[7]);
        assert_ne!(forward, backward);
        backward.add(elements[7]);
        assert_eq!(forward, backward);
        elements.iter().for_each(|e| backward.remove(*e));
        assert_eq!(backward, MultisetHash::default());
    }

    #[test]
    fn subtraction_borrows_from_all_limbs() {
        let mut hash = MultisetHash::default();
        let mut one = [0; 32];
        one[0] = 1;
        hash.remove(one);
        assert_eq!(hash, MultisetHash([u64::MAX; 4]));
    }
}
