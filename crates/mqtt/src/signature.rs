//! Event signatures (ed25519), which let a display detect events that are not from the box.
//!
//! The signature covers the bytes of [`signed_bytes`]. They include the topic, so that an event of one
//! box is not valid for another box, and a sequence number, so that a subscriber detects a repeated message.
//! The number rises with each signed message, over restarts of the box too. The MQTT 5 user properties `sig`,
//! `key` and `seq` contain the signature, the id of the key and the sequence number. The payload remains plain
//! JSON.
//!
//! During a key rotation, the old key signs an endorsement of the new key. The announcement contains
//! the endorsements of past rotations. A display that trusts any earlier key can therefore verify the
//! current key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use instored_domain::{BoxId, key_endorsement_message};
use serde::{Deserialize, Serialize};

/// Prefix for domain separation: the signature of an event is not valid for any other data.
const DOMAIN: &[u8] = b"instored-event-v2\0";

/// Maximum number of endorsements that a display verifies.
const ENDORSEMENTS_MAX: usize = 64;

/// User property with the signature, base64url without padding.
pub(super) const SIGNATURE_PROPERTY: &str = "sig";
/// User property with the id of the key.
pub(super) const KEY_PROPERTY: &str = "key";
/// User property with the sequence number, decimal.
pub(super) const SEQUENCE_PROPERTY: &str = "seq";

/// Function that signs bytes with ed25519.
pub(super) type SignFn = dyn Fn(&[u8]) -> [u8; 64] + Send + Sync;

/// Signer of events. The private key stays inside its signing function.
#[derive(Clone)]
pub struct Signer {
    announcement: PublicKeyAnnouncement,
    sign: Arc<SignFn>,
}

/// Public key of a box.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey(VerifyingKey);

/// Payload of the topic `key`.
#[derive(Clone, PartialEq, Eq, Debug, schemars::JsonSchema, Serialize, Deserialize)]
#[schemars(rename = "KeyNote")]
pub struct PublicKeyAnnouncement {
    /// The key's id, as in the user property `key` of events.
    pub key_id: String,
    /// The key, base64url without padding.
    #[schemars(with = "String")]
    pub ed25519: PublicKey,
    /// Endorsements of past rotations, oldest first. The last one endorses this key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endorsements: Vec<KeyEndorsement>,
}

/// Signature of a box's key for the key that replaced it.
#[derive(Clone, PartialEq, Eq, Debug, schemars::JsonSchema, Serialize, Deserialize)]
pub struct KeyEndorsement {
    /// The new key, base64url without padding.
    #[schemars(with = "String")]
    pub ed25519: PublicKey,
    /// The old key, which created `sig`, base64url without padding.
    #[schemars(with = "String")]
    pub by: PublicKey,
    /// Signature of the old key, base64url without padding.
    pub sig: String,
}

/// Reason why a signature or a public key is invalid.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The text is not a public key.
    #[error(
        "not an ed25519 public key: expected 32 bytes as base64url, as `instored keys show` prints"
    )]
    InvalidPublicKey,
    /// The user property `sig` or `seq` is missing, or `seq` is not a number.
    #[error("the event is not signed; install the same version on box and display")]
    Missing,
    /// The signature is not 64 bytes as base64url.
    #[error("the signature is not 64 bytes as base64url")]
    Malformed,
    /// The event was changed, sent on another topic, or signed with another key.
    #[error(
        "the signature does not match the box's key, the topic, the sequence number and the payload"
    )]
    Mismatch,
}

/// Returns the signed bytes of an event: `instored-event-v2`, a zero byte, the topic's length (32 bits,
/// big endian), the topic, the sequence number (64 bits, big endian), the payload.
pub(super) fn signed_bytes(topic: &str, sequence: u64, payload: &[u8]) -> Vec<u8> {
    // An MQTT topic has at most 65,535 bytes.
    let length = u32::try_from(topic.len()).unwrap_or(u32::MAX).to_be_bytes();
    [DOMAIN, &length, topic.as_bytes(), &sequence.to_be_bytes(), payload].concat()
}

/// Verifies the signature (base64url) of a topic, a sequence number and a payload.
pub(super) fn verify(
    key: &PublicKey,
    topic: &str,
    sequence: u64,
    payload: &[u8],
    signature: &str,
) -> Result<(), SignatureError> {
    verify_bytes(key, &signed_bytes(topic, sequence, payload), signature)
}

fn verify_bytes(key: &PublicKey, bytes: &[u8], signature: &str) -> Result<(), SignatureError> {
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SignatureError::Malformed)?;
    let signature = Signature::from_slice(&signature).map_err(|_| SignatureError::Malformed)?;
    key.0.verify_strict(bytes, &signature).map_err(|_| SignatureError::Mismatch)
}

impl PublicKeyAnnouncement {
    /// Returns true if `trusted` is the announced key, or if a chain of valid endorsements for the box
    /// leads from `trusted` to the announced key.
    pub(super) fn is_trusted(&self, box_id: &BoxId, trusted: PublicKey) -> bool {
        let mut current = trusted;
        for endorsement in self.endorsements.iter().take(ENDORSEMENTS_MAX) {
            if current == self.ed25519 {
                break;
            }
            if endorsement.by == current && endorsement.is_valid(box_id) {
                current = endorsement.ed25519;
            }
        }
        current == self.ed25519
    }
}

impl KeyEndorsement {
    /// Creates an endorsement from the signature of the old key.
    pub fn new(by: PublicKey, ed25519: PublicKey, signature: &[u8; 64]) -> Self {
        Self { ed25519, by, sig: URL_SAFE_NO_PAD.encode(signature) }
    }

    fn is_valid(&self, box_id: &BoxId) -> bool {
        let (old, new) = (self.by.0.as_bytes(), self.ed25519.0.as_bytes());
        verify_bytes(&self.by, &key_endorsement_message(box_id, old, new), &self.sig).is_ok()
    }
}

impl Signer {
    /// Creates a signer for the announced key. `sign` creates ed25519 signatures with this key, even
    /// after a rotation.
    pub fn new(announcement: PublicKeyAnnouncement, sign: Arc<SignFn>) -> Self {
        Self { announcement, sign }
    }

    /// Returns the user properties of an event: signature, key id and sequence number.
    pub(super) fn properties(
        &self,
        topic: &str,
        sequence: u64,
        payload: &[u8],
    ) -> Vec<(String, String)> {
        let signature = (self.sign)(&signed_bytes(topic, sequence, payload));
        vec![
            (SIGNATURE_PROPERTY.to_owned(), URL_SAFE_NO_PAD.encode(signature)),
            (KEY_PROPERTY.to_owned(), self.announcement.key_id.clone()),
            (SEQUENCE_PROPERTY.to_owned(), sequence.to_string()),
        ]
    }

    /// Returns the payload of the topic `key`.
    pub(super) fn announcement(&self) -> &PublicKeyAnnouncement {
        &self.announcement
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("key_id", &self.announcement.key_id).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Decodes a public key.
    ///
    /// # Errors
    /// [`SignatureError::InvalidPublicKey`] if the bytes are not a point of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, SignatureError> {
        VerifyingKey::from_bytes(bytes).map(Self).map_err(|_| SignatureError::InvalidPublicKey)
    }
}

impl FromStr for PublicKey {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| SignatureError::InvalidPublicKey)?;
        Self::from_bytes(&bytes.try_into().map_err(|_| SignatureError::InvalidPublicKey)?)
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
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    #[test]
    fn signature_is_valid_for_its_topic_payload_and_key_only() {
        let private_key = SigningKey::from_bytes(&[7; 32]);
        let key = PublicKey(private_key.verifying_key());
        let other_key = PublicKey(SigningKey::from_bytes(&[8; 32]).verifying_key());
        let announcement =
            PublicKeyAnnouncement { key_id: "k1".into(), ed25519: key, endorsements: vec![] };
        let signer =
            Signer::new(announcement, Arc::new(move |bytes| private_key.sign(bytes).to_bytes()));
        let properties = signer.properties("instored/a/visit", 7, b"{}");
        assert_eq!(properties[1], ("key".into(), "k1".into()));
        assert_eq!(properties[2], ("seq".into(), "7".into()));
        let signature = properties[0].1.as_str();

        let topic = "instored/a/visit";
        for (key, topic, sequence, payload, signature, result) in [
            (&key, topic, 7, &b"{}"[..], signature, Ok(())),
            (&key, "instored/b/visit", 7, b"{}", signature, Err(SignatureError::Mismatch)),
            (&key, topic, 8, b"{}", signature, Err(SignatureError::Mismatch)),
            (&key, topic, 7, b"{ }", signature, Err(SignatureError::Mismatch)),
            (&other_key, topic, 7, b"{}", signature, Err(SignatureError::Mismatch)),
            (&key, topic, 7, b"{}", "AAAA", Err(SignatureError::Malformed)),
            (&key, topic, 7, b"{}", "!", Err(SignatureError::Malformed)),
        ] {
            assert_eq!(
                verify(key, topic, sequence, payload, signature),
                result,
                "{topic} {sequence} {signature}"
            );
        }
    }

    #[test]
    fn signed_bytes_separate_topic_and_payload() {
        assert_ne!(signed_bytes("ab", 1, b"c"), signed_bytes("a", 1, b"bc"));
        assert_eq!(
            signed_bytes("t", 2, b"p"),
            b"instored-event-v2\0\0\0\0\x01t\0\0\0\0\0\0\0\x02p"
        );
    }

    #[test]
    fn printing_and_parsing_preserves_public_key() {
        let key = PublicKey(SigningKey::from_bytes(&[7; 32]).verifying_key());
        assert_eq!(key.to_string().parse(), Ok(key));
        assert!("".parse::<PublicKey>().is_err() && "AAAA".parse::<PublicKey>().is_err());
    }
}
