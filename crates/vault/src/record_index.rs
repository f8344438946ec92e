//! Record index: the list of a customer's records, each with the tag of its encryption and, for
//! orders, the time of the purchase.
//!
//! A record that is not listed was not written by the box. A record with another tag is outdated. A
//! listed record that does not exist was removed by an attacker. The index is encrypted under the
//! customer's key and covered by the manifest.
//!
//! The tag is the last 16 bytes of a row, the Poly1305 MAC over the whole row under the customer's
//! key. Two rows that decrypt and have the same tag are equal, so the index needs no other hash.

use std::collections::BinaryHeap;

use zeroize::Zeroizing;

use crate::record_error::RecordError;
use crate::record_key::{NAME_LENGTH, RecordKind, RecordName};

/// Last 16 bytes of a row.
pub(crate) type Tag = [u8; TAG_LENGTH];

const TAG_LENGTH: usize = 16;
const TIME_LENGTH: usize = 8;
const VERSION: u8 = 2;
const ENTRY_LENGTH: usize = ENTRY_LENGTH_1 + TIME_LENGTH;
/// Version 1, in vaults of format 2, has no times.
const VERSION_1: u8 = 1;
const ENTRY_LENGTH_1: usize = 1 + NAME_LENGTH + TAG_LENGTH;

/// Entry of the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    tag: Tag,
    /// Time of an order in microseconds since 1970; 0 for other records.
    time: i64,
}

/// Tags and times of a customer's records, sorted by kind and name. A sorted list is read and written
/// several times faster than a tree, and a customer may have thousands of orders.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct RecordIndex(Vec<((RecordKind, RecordName), Entry)>);

impl RecordIndex {
    /// Lists a record. `time` is the time of an order in microseconds since 1970.
    pub(crate) fn insert(&mut self, kind: RecordKind, name: RecordName, row: &[u8], time: i64) {
        let entry = Entry { tag: row_tag(row), time };
        match self.position(kind, &name) {
            Ok(at) => self.0[at].1 = entry,
            Err(at) => self.0.insert(at, ((kind, name), entry)),
        }
    }

    /// Replaces the tag of a listed record that was encrypted again.
    pub(crate) fn replace_tag(&mut self, kind: RecordKind, name: &RecordName, row: &[u8]) {
        if let Ok(at) = self.position(kind, name) {
            self.0[at].1.tag = row_tag(row);
        }
    }

    pub(crate) fn remove(&mut self, kind: RecordKind, name: &RecordName) {
        if let Ok(at) = self.position(kind, name) {
            self.0.remove(at);
        }
    }

    pub(crate) fn contains(&self, kind: RecordKind, name: &RecordName) -> bool {
        self.position(kind, name).is_ok()
    }

    /// Returns the position of a record, or the one at which it would be inserted.
    fn position(&self, kind: RecordKind, name: &RecordName) -> Result<usize, usize> {
        self.0.binary_search_by_key(&(kind, *name), |(key, _)| *key)
    }

    /// Checks that `row` is the last version of the record.
    pub(crate) fn check(
        &self,
        kind: RecordKind,
        name: &RecordName,
        row: &[u8],
    ) -> Result<(), RecordError> {
        match self.position(kind, name) {
            Err(_) => Err(RecordError::Unlisted),
            Ok(at) if self.0[at].1.tag != row_tag(row) => Err(RecordError::Stale),
            Ok(_) => Ok(()),
        }
    }

    /// Returns the names of the records of one kind in key order.
    pub(crate) fn names(&self, kind: RecordKind) -> impl Iterator<Item = RecordName> {
        self.of_kind(kind).map(|(name, _)| name)
    }

    /// Returns the names of the orders, newest first. A greeting reads a few of thousands, which a heap
    /// finds faster than a sort.
    pub(crate) fn newest_orders(&self) -> impl Iterator<Item = RecordName> {
        let orders = self.of_kind(RecordKind::Order).map(|(name, entry)| (entry.time, name));
        let mut orders: BinaryHeap<_> = orders.collect();
        std::iter::from_fn(move || orders.pop().map(|(_, name)| name))
    }

    /// Returns the names of the orders whose time is at most `time`, in microseconds since 1970.
    pub(crate) fn orders_until(&self, time: i64) -> impl Iterator<Item = RecordName> {
        let orders = self.of_kind(RecordKind::Order);
        orders.filter(move |(_, entry)| entry.time <= time).map(|(name, _)| name)
    }

    /// Returns every listed kind and name in key order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (RecordKind, RecordName)> {
        self.0.iter().map(|(key, _)| *key)
    }

    fn of_kind(&self, kind: RecordKind) -> impl Iterator<Item = (RecordName, Entry)> {
        let start = self.0.partition_point(|((other, _), _)| *other < kind);
        let end = self.0.partition_point(|((other, _), _)| *other <= kind);
        self.0[start..end].iter().map(|((_, name), entry)| (*name, *entry))
    }

    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + self.0.len() * ENTRY_LENGTH));
        bytes.push(VERSION);
        for ((kind, name), entry) in &self.0 {
            bytes.push(*kind as u8);
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(&entry.tag);
            bytes.extend_from_slice(&entry.time.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        Self::decode::<ENTRY_LENGTH>(bytes, VERSION)
    }

    /// Decodes the index of a vault of format 2. Its times are 0.
    pub(crate) fn from_bytes_of_format_2(bytes: &[u8]) -> Result<Self, RecordError> {
        Self::decode::<ENTRY_LENGTH_1>(bytes, VERSION_1)
    }

    fn decode<const LENGTH: usize>(bytes: &[u8], version: u8) -> Result<Self, RecordError> {
        let entries = match bytes.split_first() {
            Some((found, entries)) if *found == version => entries,
            Some((&other, _)) => return Err(RecordError::UnsupportedFormat(other)),
            None => return Err(RecordError::Malformed),
        };
        let (entries, []) = entries.as_chunks::<LENGTH>() else {
            return Err(RecordError::Malformed);
        };
        entries
            .iter()
            .map(|entry| {
                let (kind, rest) = entry.split_first()?;
                let (name, rest) = rest.split_first_chunk()?;
                let (tag, time) = rest.split_first_chunk()?;
                let time = time.first_chunk().map_or(0, |time| i64::from_be_bytes(*time));
                Some(((RecordKind::from_byte(*kind)?, *name), Entry { tag: *tag, time }))
            })
            .collect::<Option<Vec<_>>>()
            .filter(|entries| entries.is_sorted_by(|(a, _), (b, _)| a < b))
            .map(Self)
            .ok_or(RecordError::Malformed)
    }
}

/// Returns the tag of a row. A row that is shorter than a tag does not decrypt; its tag is zeros.
pub(crate) fn row_tag(row: &[u8]) -> Tag {
    row.last_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record_key::numbered_name;

    #[test]
    fn index_detects_outdated_and_unlisted_records() {
        let mut index = RecordIndex::default();
        index.insert(RecordKind::Template, numbered_name(1), b"a template and its tag", 0);
        index.insert(RecordKind::Order, [7; 16], b"an order and its tag", 5);
        let check = |number, row| index.check(RecordKind::Template, &numbered_name(number), row);
        assert_eq!(check(1, b"a template and its tag"), Ok(()));
        assert_eq!(check(1, b"a template and its tug"), Err(RecordError::Stale));
        assert_eq!(check(2, b"a template and its tag"), Err(RecordError::Unlisted));
        assert_eq!(index.names(RecordKind::Template).collect::<Vec<_>>(), [numbered_name(1)]);
    }

    #[test]
    fn encoded_index_decodes_to_same_entries() {
        let mut index = RecordIndex::default();
        index.insert(RecordKind::Template, numbered_name(1), b"a template and its tag", 0);
        index.insert(RecordKind::Order, [7; 16], b"an order and its tag", 5);
        assert_eq!(RecordIndex::from_bytes(&index.to_bytes()).unwrap(), index);
        index.insert(RecordKind::Order, [8; 16], b"a newer order and its tag", 6);
        index.insert(RecordKind::Order, [6; 16], b"an older order and its tag", -4);
        assert_eq!(index.newest_orders().collect::<Vec<_>>(), [[8; 16], [7; 16], [6; 16]]);
        assert_eq!(RecordIndex::from_bytes(&index.to_bytes()).unwrap(), index);
        assert_eq!(RecordIndex::from_bytes(&[VERSION, 1, 2]), Err(RecordError::Malformed));
        assert_eq!(RecordIndex::from_bytes(&[9]), Err(RecordError::UnsupportedFormat(9)));
    }
}
