//! The keys of one open vault that are not a customer's, each derived from one random root that
//! lies in the vault, sealed under the vault key.

use instored_domain::{ClaimCode, ConsentReceipt, OrderId};

use super::record::Signers;
use super::schema::{META, ROOT_KEY, place};
use super::secret::{KEY_LENGTH, Secret};
use super::slot::{NAME_LENGTH, Name};

/// Who signs, and with what the vault names, sums and seals.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub(super) signers: Signers,
    root: Secret,
    tags: Secret,
    pub(super) sums: Secret,
    pub(super) audit: Secret,
    pub(super) manifest: Secret,
    pub(super) catalogue: Secret,
}

impl Ring {
    pub(super) fn new(signers: Signers, root: Secret) -> Self {
        Self {
            signers,
            tags: root.derive("instored tags"),
            sums: root.derive("instored sums"),
            audit: root.derive("instored audit"),
            manifest: root.derive("instored manifest"),
            catalogue: root.derive("instored catalogue"),
            root,
        }
    }

    /// The same with other signers.
    pub(super) fn with_signers(&self, signers: Signers) -> Self {
        Self { signers, ..self.clone() }
    }

    pub(super) fn seal_root(&self, vault: &Secret) -> Result<Vec<u8>, super::VaultError> {
        vault.seal(&place(META, ROOT_KEY), self.root.bytes())
    }

    pub(super) fn open_root(vault: &Secret, sealed: &[u8]) -> Option<Secret> {
        let root = vault.open(&place(META, ROOT_KEY), sealed).ok()?;
        let root: &[u8; KEY_LENGTH] = root.as_slice().try_into().ok()?;
        Some(Secret::from_bytes(root))
    }

    /// What stands for an order id in keys: ids can be guessed, their tags cannot.
    pub(super) fn order_tag(&self, id: &OrderId) -> Name {
        self.tag(b"order", id.0.as_bytes())
    }

    /// What stands for a claim code in keys.
    pub(super) fn claim_tag(&self, code: &ClaimCode) -> Name {
        self.tag(b"claim", code.as_bytes())
    }

    /// What stands for a receipt in keys.
    pub(super) fn receipt_tag(&self, receipt: &ConsentReceipt) -> Name {
        self.tag(b"receipt", receipt.0.as_bytes())
    }

    fn tag(&self, what: &[u8], value: &[u8]) -> Name {
        let mut tag = [0; NAME_LENGTH];
        tag.copy_from_slice(&self.tags.mac(&[what, value])[..NAME_LENGTH]);
        tag
    }
}
