//! Symmetric keys: derivation, message authentication and authenticated encryption.
//!
//! An encrypted value is a `COSE_Encrypt0` (RFC 9052) with ChaCha20-Poly1305 and a random nonce of
//! 96 bits. Random nonces are safe for up to 2^32 values per key. Each key encrypts far fewer
//! values: a customer's key encrypts only that customer's records.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use coset::{CborSerializable, CoseEncrypt0, CoseEncrypt0Builder, HeaderBuilder, iana};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::error::VaultError;
use crate::record_error::RecordError;

/// Length of a key in bytes.
pub(crate) const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;
/// First byte of every encrypted value.
const FORMAT: u8 = 2;

/// Key of 32 random bytes. Zeroed on drop; `Debug` redacts it.
#[derive(Clone, ZeroizeOnDrop)]
pub(crate) struct SymmetricKey([u8; KEY_LENGTH]);

impl SymmetricKey {
    /// Returns a new random key.
    pub(crate) fn random() -> Self {
        Self(random())
    }

    /// Creates a key from bytes, which must be random.
    pub(crate) fn from_bytes(bytes: &[u8; KEY_LENGTH]) -> Self {
        Self(*bytes)
    }

    /// Returns the key's bytes, for encryption under another key or for a key file.
    pub(crate) fn bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }

    /// Derives the key for one purpose: HKDF-SHA256 (RFC 5869) without a salt.
    pub(crate) fn derive(&self, purpose: &str) -> Self {
        let mut key = [0; KEY_LENGTH];
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(purpose.as_bytes(), &mut key)
            .expect("HKDF-SHA256 outputs up to 8,160 bytes");
        Self(key)
    }

    /// Returns the HMAC-SHA256 of `parts`, each prefixed with its length (u64, big-endian).
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC accepts keys of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Encrypts `plaintext` and binds it to the additional data `aad`.
    pub(crate) fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        let nonce = random::<NONCE_LENGTH>();
        let protected = HeaderBuilder::new().algorithm(iana::Algorithm::ChaCha20Poly1305).build();
        let encrypted = CoseEncrypt0Builder::new()
            .protected(protected)
            .unprotected(HeaderBuilder::new().iv(nonce.to_vec()).build())
            .try_create_ciphertext(plaintext, aad, |msg, aad| {
                ChaCha20Poly1305::new(&self.0.into())
                    .encrypt(&Nonce::from(nonce), Payload { msg, aad })
                    .map_err(|e| VaultError::Encode(e.to_string()))
            })?
            .build();
        let cose = encrypted.to_vec().map_err(|e| VaultError::Encode(e.to_string()))?;
        let mut bytes = Vec::with_capacity(1 + cose.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(&cose);
        Ok(bytes)
    }

    /// Decrypts a value that [`SymmetricKey::seal`] encrypted under this key with the same `aad`.
    pub(crate) fn open(&self, aad: &[u8], bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        let cose = match bytes.split_first() {
            Some((&FORMAT, cose)) => cose,
            Some((&other, _)) => return Err(RecordError::UnsupportedFormat(other)),
            None => return Err(RecordError::Malformed),
        };
        let encrypted = CoseEncrypt0::from_slice(cose).map_err(|_| RecordError::Malformed)?;
        let expected = coset::Algorithm::Assigned(iana::Algorithm::ChaCha20Poly1305);
        let nonce = <[u8; NONCE_LENGTH]>::try_from(encrypted.unprotected.iv.as_slice());
        let nonce = nonce.map_err(|_| RecordError::Malformed)?;
        if encrypted.protected.header.alg != Some(expected) {
            return Err(RecordError::Malformed);
        }
        encrypted
            .decrypt_ciphertext(
                aad,
                || RecordError::Malformed,
                |msg, aad| {
                    ChaCha20Poly1305::new(&self.0.into())
                        .decrypt(&Nonce::from(nonce), Payload { msg, aad })
                        .map_err(|_| RecordError::Decryption)
                },
            )
            .map(Zeroizing::new)
    }

    /// Decrypts a key that [`SymmetricKey::seal`] encrypted under this key with the same `aad`.
    pub(crate) fn open_key(&self, aad: &[u8], bytes: &[u8]) -> Result<Self, RecordError> {
        let key = self.open(aad, bytes)?;
        let key = key.as_slice().try_into().map_err(|_| RecordError::Malformed)?;
        Ok(Self::from_bytes(key))
    }
}

impl fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SymmetricKey([redacted])")
    }
}

/// Returns cryptographically secure random bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel provides random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    #[test]
    fn encrypted_value_opens_only_with_its_key_and_aad() {
        let (key, other_key) = (SymmetricKey::random(), SymmetricKey::random());
        let encrypted = key.seal(b"here", b"words").unwrap();
        assert_eq!(*key.open(b"here", &encrypted).unwrap(), b"words");
        assert_eq!(key.open(b"there", &encrypted).unwrap_err(), RecordError::Decryption);
        assert_eq!(other_key.open(b"here", &encrypted).unwrap_err(), RecordError::Decryption);
        assert_ne!(encrypted, key.seal(b"here", b"words").unwrap(), "each value has a new nonce");
        assert_eq!(format!("{key:?}"), "SymmetricKey([redacted])");
    }

    #[test]
    fn encrypted_value_with_flipped_bit_is_rejected() {
        let key = SymmetricKey::random();
        let encrypted = key.seal(b"here", b"words").unwrap();
        for bit in 0..encrypted.len() * 8 {
            let mut changed = encrypted.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(b"here", &changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn derivation_and_mac_match_reference_implementation() {
        // Python's hmac module computed the expected values.
        let key = SymmetricKey::from_bytes(&[7; 32]);
        assert_eq!(HEXLOWER.encode(&key.mac(&[b"a", b"bc"])), MAC);
        assert_eq!(HEXLOWER.encode(key.derive("records").bytes()), DERIVED);
    }

    const MAC: &str = "430e46797a396e1f14f7243eb7cf5ecf52e33e21022b9fd7fd03663cbea8b9c6";
    const DERIVED: &str = "8519036c2ef51063b0d28f6e8ea21b7edfd84a864c027e0f9429eaed9d7a30b7";
}
