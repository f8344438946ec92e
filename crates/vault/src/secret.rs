//! Secret keys: deriving, naming by MAC, and sealing.
//!
//! What is sealed is a `COSE_Encrypt0` (RFC 9052) with ChaCha20-Poly1305 and a random nonce of 96
//! bits. A key seals far fewer than the 2^32 values up to which random nonces are safe: a
//! customer's key seals that customer's records, and a new one takes its place at each rotation.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use coset::{CborSerializable, CoseEncrypt0, CoseEncrypt0Builder, HeaderBuilder, iana};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::error::VaultError;
use super::fault::RecordFault;

/// Bytes in a key.
pub(super) const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;
/// The first byte of everything that is sealed.
const SEALED: u8 = 2;

/// 32 secret bytes. Zeroed when dropped; does not print.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Secret([u8; KEY_LENGTH]);

impl Secret {
    /// A new key.
    pub(super) fn random() -> Self {
        Self(random())
    }

    /// The key of 32 random bytes.
    pub fn from_bytes(bytes: &[u8; KEY_LENGTH]) -> Self {
        Self(*bytes)
    }

    /// The bytes, to be sealed under another key or written to its file.
    pub(super) fn bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }

    /// The key for one use of this one: HKDF-SHA256 (RFC 5869) without a salt.
    pub(super) fn derive(&self, purpose: &str) -> Self {
        let mut key = [0; KEY_LENGTH];
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(purpose.as_bytes(), &mut key)
            .expect("HKDF-SHA256 gives up to 8,160 bytes");
        Self(key)
    }

    /// HMAC-SHA256 of `parts`, each behind its length.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Seals `plain` for `place`, where alone it opens again.
    pub(super) fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let nonce = random::<NONCE_LENGTH>();
        let protected = HeaderBuilder::new().algorithm(iana::Algorithm::ChaCha20Poly1305).build();
        let sealed = CoseEncrypt0Builder::new()
            .protected(protected)
            .unprotected(HeaderBuilder::new().iv(nonce.to_vec()).build())
            .try_create_ciphertext(plain, place, |msg, aad| {
                ChaCha20Poly1305::new(&self.0.into())
                    .encrypt(&Nonce::from(nonce), Payload { msg, aad })
                    .map_err(|e| VaultError::Encode(e.to_string()))
            })?
            .build();
        let cose = sealed.to_vec().map_err(|e| VaultError::Encode(e.to_string()))?;
        let mut bytes = Vec::with_capacity(1 + cose.len());
        bytes.push(SEALED);
        bytes.extend_from_slice(&cose);
        Ok(bytes)
    }

    /// What was sealed under this key for `place`.
    pub(super) fn open(
        &self,
        place: &[u8],
        bytes: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RecordFault> {
        let cose = match bytes.split_first() {
            Some((&SEALED, cose)) => cose,
            Some((&other, _)) => return Err(RecordFault::Format(other)),
            None => return Err(RecordFault::Malformed),
        };
        let sealed = CoseEncrypt0::from_slice(cose).map_err(|_| RecordFault::Malformed)?;
        let expected = coset::Algorithm::Assigned(iana::Algorithm::ChaCha20Poly1305);
        let nonce = <[u8; NONCE_LENGTH]>::try_from(sealed.unprotected.iv.as_slice());
        let nonce = nonce.map_err(|_| RecordFault::Malformed)?;
        if sealed.protected.header.alg != Some(expected) {
            return Err(RecordFault::Malformed);
        }
        sealed
            .decrypt_ciphertext(
                place,
                || RecordFault::Malformed,
                |msg, aad| {
                    ChaCha20Poly1305::new(&self.0.into())
                        .decrypt(&Nonce::from(nonce), Payload { msg, aad })
                        .map_err(|_| RecordFault::Sealed)
                },
            )
            .map(Zeroizing::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("a kernel without randomness cannot run this program");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_in_its_place_and_under_its_key_alone() {
        let (key, other) = (Secret::random(), Secret::random());
        let sealed = key.seal(b"here", b"words").unwrap();
        assert_eq!(*key.open(b"here", &sealed).unwrap(), b"words");
        assert_eq!(key.open(b"there", &sealed).unwrap_err(), RecordFault::Sealed);
        assert_eq!(other.open(b"here", &sealed).unwrap_err(), RecordFault::Sealed);
        assert_ne!(sealed, key.seal(b"here", b"words").unwrap(), "nonces are not used twice");
        assert_eq!(format!("{key:?}"), "Secret([redacted])");
    }

    #[test]
    fn no_change_of_a_single_bit_opens() {
        let key = Secret::random();
        let sealed = key.seal(b"here", b"words").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(b"here", &changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn derivation_and_mac_are_the_published_ones() {
        // Computed with Python's hmac module.
        let key = Secret::from_bytes(&[7; 32]);
        assert_eq!(super::super::box_key::hex(&key.mac(&[b"a", b"bc"])), MAC);
        assert_eq!(super::super::box_key::hex(key.derive("records").bytes()), DERIVED);
    }

    const MAC: &str = "430e46797a396e1f14f7243eb7cf5ecf52e33e21022b9fd7fd03663cbea8b9c6";
    const DERIVED: &str = "8519036c2ef51063b0d28f6e8ea21b7edfd84a864c027e0f9429eaed9d7a30b7";
}
