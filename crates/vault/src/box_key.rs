//! The box's signing key.

use std::fmt::{self, Write as _};

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::secret::KEY_LENGTH;

/// The ed25519 key with which the box signs what it keeps and what it says. Zeroed when dropped;
/// does not print.
#[derive(Clone)]
pub struct BoxKey(SigningKey);

impl BoxKey {
    /// The key of a seed.
    pub fn from_seed(seed: &[u8; KEY_LENGTH]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The signature over `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The key's name: the first 8 bytes of the SHA-256 of the public key, in hex.
    pub fn key_id(&self) -> String {
        hex(&self.key_id_bytes())
    }

    pub(super) fn key_id_bytes(&self) -> [u8; 8] {
        key_id(&self.public())
    }

    /// With which what this key signed is verified.
    pub(super) fn verifying(&self) -> VerifyingKey {
        self.0.verifying_key()
    }
}

impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxKey([redacted])")
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The name of a public key.
pub(super) fn key_id(public: &[u8; 32]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(public).into();
    [a, b, c, d, e, f, g, h]
}
