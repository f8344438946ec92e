//! Key endorsements: in a rotation, the old signing key signs the new signing key. A display that
//! trusts an old key can thus verify the chain of endorsements up to the current key.

use instored_domain::{BoxId, key_endorsement_message};

use crate::error::VaultError;
use crate::schema::{KEY_ENDORSEMENTS_KEY, META, Rows};
use crate::signing_key::SigningKey;
use crate::vault::Vault;

/// Maximum number of stored endorsements. The oldest ones are removed.
const ENDORSEMENTS_MAX: usize = 32;
/// Length of an encoded endorsement in bytes: old key (32), new key (32), signature (64).
const ENCODED_LENGTH: usize = 128;

/// Signature of a signing key for its successor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyEndorsement {
    /// Public key that signed.
    pub old: [u8; 32],
    /// Public key that replaced it.
    pub new: [u8; 32],
    /// Signature of [`key_endorsement_message`] by the old key.
    pub signature: [u8; 64],
}

impl KeyEndorsement {
    /// Signs the public key of `new` with `old`.
    pub(crate) fn sign(box_id: &BoxId, old: &SigningKey, new: &SigningKey) -> Self {
        let message = key_endorsement_message(box_id, &old.public(), &new.public());
        Self { old: old.public(), new: new.public(), signature: old.sign(&message) }
    }

    /// Appends the endorsement to a stored list.
    pub(crate) fn append_to(&self, mut list: Vec<u8>) -> Vec<u8> {
        list.extend([&self.old[..], &self.new, &self.signature].concat());
        let excess = list.len().saturating_sub(ENDORSEMENTS_MAX * ENCODED_LENGTH);
        list.drain(..excess);
        list
    }

    fn decode(bytes: &[u8; ENCODED_LENGTH]) -> Option<Self> {
        let (old, rest) = bytes.split_first_chunk()?;
        let (new, signature) = rest.split_first_chunk()?;
        Some(Self { old: *old, new: *new, signature: signature.try_into().ok()? })
    }
}

impl Vault {
    /// Returns the endorsements of past rotations, oldest first. Their signatures are not verified.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn key_endorsements(&self) -> Result<Vec<KeyEndorsement>, VaultError> {
        let list = self.storage.read(|txn| txn.row(META, KEY_ENDORSEMENTS_KEY))?;
        let list = list.unwrap_or_default();
        Ok(list.as_chunks().0.iter().filter_map(KeyEndorsement::decode).collect())
    }
}
