//! Record index: the list of a customer's records, each with the tag of its encryption.
//!
//! A record that is not listed was not written by the box. A record with another tag is outdated. A
//! listed record that does not exist was removed by an attacker. The index is encrypted under the
//! customer's key and covered by the manifest.
//!
//! The tag is the last 16 bytes of a row, the Poly1305 MAC over the whole row under the customer's
//! key. Two rows that decrypt and have the same tag are equal, so the index needs no other hash.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::record_error::RecordError;
use crate::record_key::{NAME_LENGTH, RecordKind, RecordName};

/// Last 16 bytes of a row.
type Tag = [u8; TAG_LENGTH];

const TAG_LENGTH: usize = 16;
const VERSION: u8 = 1;
const ENTRY_LENGTH: usize = 1 + NAME_LENGTH + TAG_LENGTH;

/// Tags of a customer's records by kind and name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct RecordIndex(BTreeMap<(RecordKind, RecordName), Tag>);

impl RecordIndex {
    pub(crate) fn insert(&mut self, kind: RecordKind, name: RecordName, row: &[u8]) {
        self.0.insert((kind, name), tag(row).unwrap_or_default());
    }

    pub(crate) fn remove(&mut self, kind: RecordKind, name: &RecordName) {
        self.0.remove(&(kind, *name));
    }

    pub(crate) fn contains(&self, kind: RecordKind, name: &RecordName) -> bool {
        self.0.contains_key(&(kind, *name))
    }

    /// Checks that `row` is the last version of the record.
    pub(crate) fn check(
        &self,
        kind: RecordKind,
        name: &RecordName,
        row: &[u8],
    ) -> Result<(), RecordError> {
        match self.0.get(&(kind, *name)) {
            None => Err(RecordError::Unlisted),
            Some(listed) if Some(*listed) != tag(row) => Err(RecordError::Stale),
            Some(_) => Ok(()),
        }
    }

    /// Returns the names of the records of one kind in key order.
    pub(crate) fn names(&self, kind: RecordKind) -> impl Iterator<Item = RecordName> {
        self.0.range((kind, [0; NAME_LENGTH])..=(kind, [0xFF; NAME_LENGTH])).map(|((_, n), _)| *n)
    }

    /// Returns every listed kind and name in key order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (RecordKind, RecordName)> {
        self.0.keys().copied()
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + self.0.len() * ENTRY_LENGTH));
        bytes.push(VERSION);
        for ((kind, name), tag) in &self.0 {
            bytes.push(*kind as u8);
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(tag);
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let entries = match bytes.split_first() {
            Some((&VERSION, entries)) => entries,
            Some((&other, _)) => return Err(RecordError::UnsupportedFormat(other)),
            None => return Err(RecordError::Malformed),
        };
        let (entries, []) = entries.as_chunks::<ENTRY_LENGTH>() else {
            return Err(RecordError::Malformed);
        };
        entries
            .iter()
            .map(|entry| {
                let kind = RecordKind::from_byte(entry[0])?;
                let (name, tag) = entry[1..].split_at(NAME_LENGTH);
                Some(((kind, name.try_into().ok()?), tag.try_into().ok()?))
            })
            .collect::<Option<_>>()
            .map(Self)
            .ok_or(RecordError::Malformed)
    }
}

/// Returns the tag of a row, or `None` if the row is shorter than a tag.
fn tag(row: &[u8]) -> Option<Tag> {
    row.last_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record_key::numbered_name;

    #[test]
    fn index_detects_outdated_and_unlisted_records() {
        let mut index = RecordIndex::default();
        index.insert(RecordKind::Template, numbered_name(1), b"a template and its tag");
        index.insert(RecordKind::Order, [7; 16], b"an order and its tag");
        let check = |number, row| index.check(RecordKind::Template, &numbered_name(number), row);
        assert_eq!(check(1, b"a template and its tag"), Ok(()));
        assert_eq!(check(1, b"a template and its tug"), Err(RecordError::Stale));
        assert_eq!(check(2, b"a template and its tag"), Err(RecordError::Unlisted));
        assert_eq!(index.names(RecordKind::Template).collect::<Vec<_>>(), [numbered_name(1)]);
    }

    #[test]
    fn encoded_index_decodes_to_same_entries() {
        let mut index = RecordIndex::default();
        index.insert(RecordKind::Template, numbered_name(1), b"a template and its tag");
        index.insert(RecordKind::Order, [7; 16], b"an order and its tag");
        assert_eq!(RecordIndex::from_bytes(&index.to_bytes()).unwrap(), index);
        assert_eq!(RecordIndex::from_bytes(&[VERSION, 1, 2]), Err(RecordError::Malformed));
        assert_eq!(RecordIndex::from_bytes(&[9]), Err(RecordError::UnsupportedFormat(9)));
    }
}
