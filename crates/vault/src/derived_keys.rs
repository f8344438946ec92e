//! Signers of one open vault, and the keys that are derived from its root.
//!
//! The root is 32 random bytes that the vault stores encrypted under the vault key.

use instored_domain::{ClaimCode, ConsentReceipt, OrderId};

use crate::error::VaultError;
use crate::record::Signers;
use crate::record_key::{NAME_LENGTH, RecordName};
use crate::schema::{META, ROOT_KEY, aad};
use crate::symmetric_key::SymmetricKey;

/// Signers, root and derived keys.
#[derive(Clone, Debug)]
pub(crate) struct DerivedKeys {
    pub(crate) signers: Signers,
    root: SymmetricKey,
    tags: SymmetricKey,
    /// Key of the MACs in the manifest's multiset hash.
    pub(crate) multiset_hash: SymmetricKey,
    pub(crate) audit: SymmetricKey,
    pub(crate) manifest: SymmetricKey,
    pub(crate) catalogue: SymmetricKey,
    /// Encrypts outgoing messages about customers who were deleted.
    pub(crate) outbox: SymmetricKey,
}

impl DerivedKeys {
    pub(crate) fn new(signers: Signers, root: SymmetricKey) -> Self {
        Self {
            signers,
            tags: root.derive("instored tags"),
            multiset_hash: root.derive("instored sums"),
            audit: root.derive("instored audit"),
            manifest: root.derive("instored manifest"),
            catalogue: root.derive("instored catalogue"),
            outbox: root.derive("instored outbox"),
            root,
        }
    }

    /// Returns the same keys with other signers.
    pub(crate) fn with_signers(&self, signers: Signers) -> Self {
        Self { signers, ..self.clone() }
    }

    /// Encrypts the root under the vault key.
    pub(crate) fn seal_root(&self, vault_key: &SymmetricKey) -> Result<Vec<u8>, VaultError> {
        vault_key.seal(&aad(META, ROOT_KEY), self.root.bytes())
    }

    /// Decrypts the root, or returns `None` if `vault_key` is another key.
    pub(crate) fn open_root(vault_key: &SymmetricKey, encrypted: &[u8]) -> Option<SymmetricKey> {
        vault_key.open_key(&aad(META, ROOT_KEY), encrypted).ok()
    }

    /// Returns the tag that replaces an order id in row keys. An attacker can guess order ids, but
    /// not their tags.
    pub(crate) fn order_tag(&self, id: &OrderId) -> RecordName {
        self.tag(b"order", id.0.as_bytes())
    }

    /// Returns the tag that replaces a claim code in row keys.
    pub(crate) fn claim_tag(&self, code: &ClaimCode) -> RecordName {
        self.tag(b"claim", code.as_bytes())
    }

    /// Returns the tag that replaces a receipt in row keys.
    pub(crate) fn receipt_tag(&self, receipt: &ConsentReceipt) -> RecordName {
        self.tag(b"receipt", receipt.0.as_bytes())
    }

    fn tag(&self, domain: &[u8], value: &[u8]) -> RecordName {
        let mut tag = [0; NAME_LENGTH];
        tag.copy_from_slice(&self.tags.mac(&[domain, value])[..NAME_LENGTH]);
        tag
    }
}
