//! A customer's roll: the list of all their records, each with the tag of its seal. A record that
//! is not on it was planted, one that differs from it is not the last, one that it lists and is not
//! there is missing. The roll is sealed under the customer's key; the manifest stands for it.
//!
//! The seal's tag, a row's last 16 bytes, is a MAC over all of the row under the customer's key: two
//! rows that open and have the same tag are the same row. So the roll needs no hash of its own.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::fault::RecordFault;
use super::slot::{NAME_LENGTH, Name, Slot};

/// A row's last 16 bytes.
type Tag = [u8; TAG_LENGTH];

const TAG_LENGTH: usize = 16;
const VERSION: u8 = 1;
const ENTRY_LENGTH: usize = 1 + NAME_LENGTH + TAG_LENGTH;

/// What a customer has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Roll(BTreeMap<(Slot, Name), Tag>);

impl Roll {
    pub(super) fn set(&mut self, slot: Slot, name: Name, row: &[u8]) {
        self.0.insert((slot, name), tag(row).unwrap_or_default());
    }

    pub(super) fn remove(&mut self, slot: Slot, name: &Name) {
        self.0.remove(&(slot, *name));
    }

    pub(super) fn has(&self, slot: Slot, name: &Name) -> bool {
        self.0.contains_key(&(slot, *name))
    }

    /// Whether `row` is what was written last under this name.
    pub(super) fn check(&self, slot: Slot, name: &Name, row: &[u8]) -> Result<(), RecordFault> {
        match self.0.get(&(slot, *name)) {
            None => Err(RecordFault::Planted),
            Some(listed) if Some(*listed) != tag(row) => Err(RecordFault::Stale),
            Some(_) => Ok(()),
        }
    }

    /// The names of a kind, in the order of the keys.
    pub(super) fn names(&self, slot: Slot) -> impl Iterator<Item = Name> {
        self.0.range((slot, [0; NAME_LENGTH])..=(slot, [0xFF; NAME_LENGTH])).map(|((_, n), _)| *n)
    }

    /// Everything on it.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Slot, Name)> {
        self.0.keys().copied()
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + self.0.len() * ENTRY_LENGTH));
        bytes.push(VERSION);
        for ((slot, name), tag) in &self.0 {
            bytes.push(*slot as u8);
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(tag);
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, RecordFault> {
        let entries = match bytes.split_first() {
            Some((&VERSION, entries)) => entries,
            Some((&other, _)) => return Err(RecordFault::Format(other)),
            None => return Err(RecordFault::Malformed),
        };
        let (entries, []) = entries.as_chunks::<ENTRY_LENGTH>() else {
            return Err(RecordFault::Malformed);
        };
        entries
            .iter()
            .map(|entry| {
                let slot = Slot::from_byte(entry[0])?;
                let (name, tag) = entry[1..].split_at(NAME_LENGTH);
                Some(((slot, name.try_into().ok()?), tag.try_into().ok()?))
            })
            .collect::<Option<_>>()
            .map(Self)
            .ok_or(RecordFault::Malformed)
    }
}

/// A row that is too short for one has the tag of none.
fn tag(row: &[u8]) -> Option<Tag> {
    row.last_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::numbered;

    #[test]
    fn a_roll_knows_its_records_and_comes_back_from_bytes() {
        let mut roll = Roll::default();
        roll.set(Slot::Template, numbered(1), b"a face, then its tag");
        roll.set(Slot::Order, [7; 16], b"a basket and its tag");
        assert_eq!(Roll::from_bytes(&roll.to_bytes()).unwrap(), roll);
        assert_eq!(roll.check(Slot::Template, &numbered(1), b"a face, then its tag"), Ok(()));
        assert_eq!(
            roll.check(Slot::Template, &numbered(1), b"a fake, then its tug"),
            Err(RecordFault::Stale)
        );
        assert_eq!(
            roll.check(Slot::Template, &numbered(2), b"a face, then its tag"),
            Err(RecordFault::Planted)
        );
        assert_eq!(roll.names(Slot::Template).collect::<Vec<_>>(), [numbered(1)]);
        assert_eq!(Roll::from_bytes(&[VERSION, 1, 2]), Err(RecordFault::Malformed));
        assert_eq!(Roll::from_bytes(&[9]), Err(RecordFault::Format(9)));
    }
}
