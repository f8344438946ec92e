//! The box's Ed25519 signing key.

use std::fmt;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::symmetric_key::KEY_LENGTH;

/// Ed25519 key that signs the box's records and messages. Zeroed on drop; `Debug` redacts it.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Creates the key from its seed, the private key of RFC 8032.
    pub(crate) fn from_seed(seed: &[u8; KEY_LENGTH]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// Returns the public key.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Returns the key id in lowercase hexadecimal digits: the first 8 bytes of the SHA-256 of the
    /// public key.
    pub fn key_id(&self) -> String {
        HEXLOWER.encode(&self.id())
    }

    pub(crate) fn id(&self) -> [u8; 8] {
        key_id(&self.public())
    }

    pub(crate) fn verifying_key(&self) -> VerifyingKey {
        self.0.verifying_key()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey([redacted])")
    }
}

/// Returns the id of a public key: the first 8 bytes of its SHA-256.
pub(crate) fn key_id(public: &[u8; 32]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(public).into();
    [a, b, c, d, e, f, g, h]
}
