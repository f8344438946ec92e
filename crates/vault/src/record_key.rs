//! Keys of the table `records`: customer, kind of record, name among the records of that kind.
//!
//! Deleting a customer needs only these keys, so damaged records do not prevent it.

use instored_domain::CustomerId;
use uuid::Uuid;

/// Length of a customer id in bytes.
pub(crate) const ID_LENGTH: usize = 16;
/// Length of a record's name in bytes.
pub(crate) const NAME_LENGTH: usize = 16;
/// Length of a key of `records` in bytes.
pub(crate) const RECORD_KEY_LENGTH: usize = ID_LENGTH + 1 + NAME_LENGTH;

/// Name of a record, which is unique among a customer's records of one kind: a number or a tag.
pub(crate) type RecordName = [u8; NAME_LENGTH];

/// Kind of a record. A customer's rows are sorted by kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(crate) enum RecordKind {
    /// List of the customer's other records.
    Index = 0,
    Customer = 1,
    Consent = 2,
    Template = 3,
    Claim = 4,
    Order = 5,
    /// Id of an order that another order replaced.
    Replaced = 6,
    /// Message that has to reach its receivers.
    Outgoing = 7,
}

impl RecordKind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Index,
            Self::Customer,
            Self::Consent,
            Self::Template,
            Self::Claim,
            Self::Order,
            Self::Replaced,
            Self::Outgoing,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }

    /// Returns the name of the kind in messages.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Index => "list of records",
            Self::Customer => "record",
            Self::Consent => "consent",
            Self::Template => "template",
            Self::Claim => "claim code",
            Self::Order => "order",
            Self::Replaced => "replaced order",
            Self::Outgoing => "outgoing message",
        }
    }
}

/// Returns the name with number `n`. The only record of a kind has the number 0.
pub(crate) fn numbered_name(n: u32) -> RecordName {
    let mut name = [0; NAME_LENGTH];
    name[NAME_LENGTH - 4..].copy_from_slice(&n.to_be_bytes());
    name
}

/// Returns the number in a name that [`numbered_name`] created.
pub(crate) fn name_number(name: &RecordName) -> u32 {
    let [.., a, b, c, d] = *name;
    u32::from_be_bytes([a, b, c, d])
}

/// Returns the key of a customer in `accounts`. The customer's keys in `records` begin with it.
pub(crate) fn customer_key(id: CustomerId) -> [u8; ID_LENGTH] {
    id.0.into_bytes()
}

/// Returns the customer id at the beginning of a key or value.
pub(crate) fn leading_customer(bytes: &[u8]) -> Option<CustomerId> {
    bytes.first_chunk().map(|id| CustomerId(Uuid::from_bytes(*id)))
}

/// Returns the key of a record.
pub(crate) fn record_key(
    id: CustomerId,
    kind: RecordKind,
    name: &RecordName,
) -> [u8; RECORD_KEY_LENGTH] {
    let mut key = [0; RECORD_KEY_LENGTH];
    key[..ID_LENGTH].copy_from_slice(&customer_key(id));
    key[ID_LENGTH] = kind as u8;
    key[ID_LENGTH + 1..].copy_from_slice(name);
    key
}

/// Returns kind and name in a record's key, or `None` if the key is malformed.
pub(crate) fn record_parts(key: &[u8]) -> Option<(RecordKind, RecordName)> {
    let (kind, name) = key.get(ID_LENGTH..)?.split_first()?;
    Some((RecordKind::from_byte(*kind)?, name.try_into().ok()?))
}

/// Returns the half-open key range of a customer's records of the kinds `first` to `last`.
pub(crate) fn record_range(
    id: CustomerId,
    first: RecordKind,
    last: RecordKind,
) -> (Vec<u8>, Vec<u8>) {
    let start = [customer_key(id).as_slice(), &[first as u8]].concat();
    let end = [customer_key(id).as_slice(), &[last as u8 + 1]].concat();
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_key_returns_its_parts_and_lies_in_its_range() {
        let id = CustomerId(Uuid::from_u128(7));
        let key = record_key(id, RecordKind::Template, &numbered_name(3));
        assert_eq!(leading_customer(&key), Some(id));
        assert_eq!(record_parts(&key), Some((RecordKind::Template, numbered_name(3))));
        assert_eq!(name_number(&numbered_name(3)), 3);
        let (start, end) = record_range(id, RecordKind::Index, RecordKind::Template);
        assert!(start.as_slice() <= key.as_slice() && key.as_slice() < end.as_slice());
        let claim = record_key(id, RecordKind::Claim, &numbered_name(0));
        assert!(claim.as_slice() >= end.as_slice());
        assert_eq!(record_parts(b"short"), None);
    }
}
