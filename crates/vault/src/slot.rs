//! Where a record lies: its customer, what it is, and which of them. A customer is forgotten by these
//! keys alone, whatever the records say.

use instored_domain::CustomerId;
use uuid::Uuid;

/// Bytes of a customer's pseudonym.
pub(super) const ID_LENGTH: usize = 16;
/// Bytes of a record's name among those of its kind.
pub(super) const NAME_LENGTH: usize = 16;
/// Bytes of a key in `records`.
pub(super) const RECORD_KEY_LENGTH: usize = ID_LENGTH + 1 + NAME_LENGTH;

/// A record's name among those of its kind: zero, a number, or a tag.
pub(super) type Name = [u8; NAME_LENGTH];

/// What a row of `records` is. The order is that of the keys: what recognition needs comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(super) enum Slot {
    /// The list of the customer's other rows.
    Roll = 0,
    Customer = 1,
    Consent = 2,
    Template = 3,
    Claim = 4,
    Order = 5,
    /// An order id that another order took the place of; nothing but the name.
    Replaced = 6,
}

impl Slot {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Roll,
            Self::Customer,
            Self::Consent,
            Self::Template,
            Self::Claim,
            Self::Order,
            Self::Replaced,
        ]
        .into_iter()
        .find(|slot| *slot as u8 == byte)
    }

    /// What people call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Roll => "list of records",
            Self::Customer => "record",
            Self::Consent => "consent",
            Self::Template => "template",
            Self::Claim => "claim code",
            Self::Order => "order",
            Self::Replaced => "replaced order",
        }
    }
}

/// The name of the only one, or of the `n`th.
pub(super) fn numbered(n: u32) -> Name {
    let mut name = [0; NAME_LENGTH];
    name[NAME_LENGTH - 4..].copy_from_slice(&n.to_be_bytes());
    name
}

pub(super) fn customer_key(id: CustomerId) -> [u8; ID_LENGTH] {
    id.0.into_bytes()
}

/// The customer that leads a key or is a value.
pub(super) fn leading_customer(key: &[u8]) -> Option<CustomerId> {
    key.first_chunk().map(|id| CustomerId(Uuid::from_bytes(*id)))
}

pub(super) fn record_key(id: CustomerId, slot: Slot, name: &Name) -> [u8; RECORD_KEY_LENGTH] {
    let mut key = [0; RECORD_KEY_LENGTH];
    key[..ID_LENGTH].copy_from_slice(&customer_key(id));
    key[ID_LENGTH] = slot as u8;
    key[ID_LENGTH + 1..].copy_from_slice(name);
    key
}

/// Slot and name of a key in `records`.
pub(super) fn record_parts(key: &[u8]) -> Option<(Slot, Name)> {
    let (slot, name) = key.get(ID_LENGTH..)?.split_first()?;
    Some((Slot::from_byte(*slot)?, name.try_into().ok()?))
}

/// From the first to behind the last key of a customer's rows in `slots`.
pub(super) fn record_range(id: CustomerId, first: Slot, last: Slot) -> (Vec<u8>, Vec<u8>) {
    let start = [customer_key(id).as_slice(), &[first as u8]].concat();
    let end = [customer_key(id).as_slice(), &[last as u8 + 1]].concat();
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_key_gives_back_its_parts_and_lies_in_its_range() {
        let id = CustomerId(Uuid::from_u128(7));
        let key = record_key(id, Slot::Template, &numbered(3));
        assert_eq!(leading_customer(&key), Some(id));
        assert_eq!(record_parts(&key), Some((Slot::Template, numbered(3))));
        let (start, end) = record_range(id, Slot::Roll, Slot::Template);
        assert!(start.as_slice() <= key.as_slice() && key.as_slice() < end.as_slice());
        assert!(record_key(id, Slot::Claim, &numbered(0)).as_slice() >= end.as_slice());
        assert_eq!(record_parts(b"short"), None);
    }
}
