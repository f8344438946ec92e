//! Signed events: a display can tell the box from anyone else who may publish at the broker.
//!
//! What is signed (ed25519) are the bytes of [`signed_bytes`]: the topic is among them, so that an
//! event of one box is none of another. The signature travels in the MQTT 5 user property `sig`,
//! the id of the key in `key`; the payload stays plain JSON.
//!
//! A display knows the key because it was told ([`super::Trust::Pinned`]), or takes the first one
//! that the retained topic `key` shows it and stays with that while it runs
//! ([`super::Trust::FirstUse`]). The second keeps out whoever comes later, not whoever was at the
//! broker before.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};

const DOMAIN: &[u8] = b"instored-event-v1\0";

/// The user property with the signature, base64url without padding.
pub(super) const SIGNATURE_PROPERTY: &str = "sig";
/// The user property with the id of the key.
pub(super) const KEY_PROPERTY: &str = "key";

/// Signs bytes with a key that it keeps to itself.
pub type Sign = dyn Fn(&[u8]) -> [u8; 64] + Send + Sync;

/// Signs events without showing its key.
#[derive(Clone)]
pub struct Signer {
    key_id: String,
    public: PublicKey,
    sign: Arc<Sign>,
}

/// The public half of a box's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey(VerifyingKey);

/// The payload of the topic `key`.
#[derive(Clone, PartialEq, Eq, Debug, schemars::JsonSchema, Serialize, Deserialize)]
pub struct KeyNote {
    /// The id that the user property `key` of events bears.
    pub key_id: String,
    /// The key, base64url without padding.
    #[schemars(with = "String")]
    pub ed25519: PublicKey,
}

/// Why an event is not the box's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A text that is no public key.
    #[error(
        "this is no ed25519 public key: 32 bytes as base64url, such as `instored keys show` prints"
    )]
    Key,
    /// No user property `sig`.
    #[error("the event is not signed")]
    Missing,
    /// Not 64 bytes as base64url.
    #[error("the signature cannot be read")]
    Unreadable,
    /// The event was changed, moved to another topic, or signed by somebody else.
    #[error("the signature is not the box's")]
    Wrong,
}

/// The bytes that are signed for an event: `instored-event-v1`, a zero byte, the topic's length
/// (32 bits, big endian), the topic, the payload.
pub fn signed_bytes(topic: &str, payload: &[u8]) -> Vec<u8> {
    // MQTT topics are at most 65,535 bytes.
    let length = u32::try_from(topic.len()).unwrap_or(u32::MAX).to_be_bytes();
    [DOMAIN, &length, topic.as_bytes(), payload].concat()
}

/// Checks that `signature` (base64url) was made for this topic and payload with `key`'s other half.
///
/// # Errors
/// When it was not, or cannot be read.
pub fn verify(
    key: &PublicKey,
    topic: &str,
    payload: &[u8],
    signature: &str,
) -> Result<(), SignatureError> {
    let bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SignatureError::Unreadable)?;
    let signature = Signature::from_slice(&bytes).map_err(|_| SignatureError::Unreadable)?;
    key.0
        .verify_strict(&signed_bytes(topic, payload), &signature)
        .map_err(|_| SignatureError::Wrong)
}

impl Signer {
    /// A signer that hands the bytes to `sign`, and says which key that is.
    pub fn new(key_id: impl Into<String>, public: PublicKey, sign: Arc<Sign>) -> Self {
        Self { key_id: key_id.into(), public, sign }
    }

    /// The user properties of an event.
    pub(super) fn properties(&self, topic: &str, payload: &[u8]) -> Vec<(String, String)> {
        let signature = URL_SAFE_NO_PAD.encode((self.sign)(&signed_bytes(topic, payload)));
        vec![
            (SIGNATURE_PROPERTY.to_owned(), signature),
            (KEY_PROPERTY.to_owned(), self.key_id.clone()),
        ]
    }

    /// What the topic `key` shows.
    pub(super) fn note(&self) -> KeyNote {
        KeyNote { key_id: self.key_id.clone(), ed25519: self.public }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// The key of these bytes.
    ///
    /// # Errors
    /// When they are no point of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, SignatureError> {
        VerifyingKey::from_bytes(bytes).map(Self).map_err(|_| SignatureError::Key)
    }
}

impl FromStr for PublicKey {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SignatureError::Key)?;
        Self::from_bytes(&bytes.try_into().map_err(|_| SignatureError::Key)?)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    #[test]
    fn a_signature_holds_for_its_topic_its_payload_and_its_key_only() {
        let secret = SigningKey::from_bytes(&[7; 32]);
        let key = PublicKey(secret.verifying_key());
        let other = PublicKey(SigningKey::from_bytes(&[8; 32]).verifying_key());
        let signer = Signer::new("k1", key, Arc::new(move |b| secret.sign(b).to_bytes()));
        let properties = signer.properties("instored/a/visit", b"{}");
        assert_eq!(properties[1], ("key".into(), "k1".into()));
        let sig = properties[0].1.as_str();

        assert_eq!(verify(&key, "instored/a/visit", b"{}", sig), Ok(()));
        assert_eq!(verify(&key, "instored/b/visit", b"{}", sig), Err(SignatureError::Wrong));
        assert_eq!(verify(&key, "instored/a/visit", b"{ }", sig), Err(SignatureError::Wrong));
        assert_eq!(verify(&other, "instored/a/visit", b"{}", sig), Err(SignatureError::Wrong));
        assert_eq!(
            verify(&key, "instored/a/visit", b"{}", "AAAA"),
            Err(SignatureError::Unreadable)
        );
        assert_eq!(verify(&key, "instored/a/visit", b"{}", "!"), Err(SignatureError::Unreadable));
    }

    #[test]
    fn topic_and_payload_cannot_change_places() {
        assert_ne!(signed_bytes("ab", b"c"), signed_bytes("a", b"bc"));
        assert_eq!(signed_bytes("t", b"p"), b"instored-event-v1\0\0\0\0\x01tp");
    }

    #[test]
    fn a_public_key_is_read_as_it_is_written() {
        let key = PublicKey(SigningKey::from_bytes(&[7; 32]).verifying_key());
        assert_eq!(key.to_string().parse(), Ok(key));
        assert!("".parse::<PublicKey>().is_err() && "AAAA".parse::<PublicKey>().is_err());
    }
}
