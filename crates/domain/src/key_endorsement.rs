//! Endorsement of a signing key by its predecessor.

use crate::ids::BoxId;

/// Domain separation prefix: a signature of an endorsement is not valid for an event or a record.
const DOMAIN_PREFIX: &[u8] = b"instored-key-v1\0";

/// Returns the bytes that a signing key signs to endorse its successor: `instored-key-v1`, a zero
/// byte, the length of the box name (one byte), the box name, the old and the new public key.
pub fn key_endorsement_message(box_id: &BoxId, old: &[u8; 32], new: &[u8; 32]) -> Vec<u8> {
    let name = box_id.as_str().as_bytes();
    // The conversion succeeds, because a box name has at most 32 bytes.
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    [DOMAIN_PREFIX, &[length], name, old, new].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_depends_on_box_and_both_keys() {
        let (a, b): (BoxId, BoxId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let message = key_endorsement_message(&a, &[1; 32], &[2; 32]);
        assert_ne!(message, key_endorsement_message(&b, &[1; 32], &[2; 32]));
        assert_ne!(message, key_endorsement_message(&a, &[2; 32], &[1; 32]));
        assert!(message.starts_with(b"instored-key-v1\0\x01a\x01\x01"));
    }
}
