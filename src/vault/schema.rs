//! What lies where: the tables, their keys, and what the file says of itself. A customer is
//! forgotten by these keys alone, whatever the records say.

use std::path::Path;

use redb::{
    ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, TableError,
    WriteTransaction,
};
use uuid::Uuid;

use crate::domain::{BoxId, CustomerId};

use super::error::{Fault, VaultError};

/// A table from bytes to bytes.
pub(super) type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// customer → their key, sealed under the wrapping key.
pub(super) const ACCOUNTS: Bytes = TableDefinition::new("accounts");
/// customer, kind, name → a record, sealed under its customer's key.
pub(super) const RECORDS: Bytes = TableDefinition::new("records");
/// tag of a claim code or receipt → customer.
pub(super) const CODES: Bytes = TableDefinition::new("codes");
/// tag of an order id → customer.
pub(super) const ORDER_IDS: Bytes = TableDefinition::new("order_ids");
/// sku → product, with a MAC.
pub(super) const PRODUCTS: Bytes = TableDefinition::new("products");
/// digest of a forgotten customer's id → nothing.
pub(super) const TOMBSTONES: Bytes = TableDefinition::new("tombstones");
/// number → what happened.
pub(super) const AUDIT: Bytes = TableDefinition::new("audit");
/// What the file is.
pub(super) const META: Bytes = TableDefinition::new("meta");

pub(super) const TABLES: [Bytes; 8] =
    [ACCOUNTS, RECORDS, CODES, ORDER_IDS, PRODUCTS, TOMBSTONES, AUDIT, META];

const FORMAT: u8 = 2;
const FORMAT_KEY: &[u8] = b"format";
const BOX_KEY: &[u8] = b"box";
const SIGNER_KEY: &[u8] = b"signer";
const NEXT_SIGNER_KEY: &[u8] = b"next_signer";
/// The root of the keys that are not a customer's, sealed under the vault key.
pub(super) const ROOT_KEY: &[u8] = b"root";
/// The signed, sealed manifest.
pub(super) const MANIFEST_KEY: &[u8] = b"manifest";
/// There when deleted data may still lie in free pages.
pub(super) const SWEEP_DUE_KEY: &[u8] = b"sweep_due";

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

/// What a value is bound to: its table's name, a zero byte, its key.
pub(super) fn place(table: Bytes, key: &[u8]) -> Vec<u8> {
    use redb::TableHandle;
    [table.name().as_bytes(), &[0], key].concat()
}

/// What is shown a key and a row.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), Fault>;

/// Rows, in a transaction that reads or one that writes.
pub(super) trait Rows {
    fn row(&self, table: Bytes, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// Rows from `from` on and before `to`, in the order of their keys. In a transaction that
    /// writes, `visit` must not touch `table`.
    fn rows(
        &self,
        table: Bytes,
        from: &[u8],
        to: Option<&[u8]>,
        visit: Visit<'_>,
    ) -> Result<(), Fault>;

    fn count(&self, table: Bytes) -> Result<u64, Fault>;
}

macro_rules! rows {
    ($transaction:ty) => {
        impl Rows for $transaction {
            fn row(&self, table: Bytes, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
                Ok(self.open_table(table)?.get(key)?.map(|value| value.value().to_vec()))
            }

            fn rows(
                &self,
                table: Bytes,
                from: &[u8],
                to: Option<&[u8]>,
                visit: Visit<'_>,
            ) -> Result<(), Fault> {
                let table = self.open_table(table)?;
                let range = match to {
                    Some(to) => table.range::<&[u8]>(from..to)?,
                    None => table.range::<&[u8]>(from..)?,
                };
                for entry in range {
                    let (key, value) = entry?;
                    visit(key.value(), value.value())?;
                }
                Ok(())
            }

            fn count(&self, table: Bytes) -> Result<u64, Fault> {
                Ok(self.open_table(table)?.len()?)
            }
        }
    };
}
rows!(ReadTransaction);
rows!(WriteTransaction);

/// Whose vault the file says it is.
pub(super) struct Identity {
    format: u8,
    box_id: String,
    /// Id of the key that signs.
    pub(super) signer: Vec<u8>,
    /// Id of the key that a rotation brings.
    pub(super) next_signer: Option<Vec<u8>>,
}

impl Identity {
    /// What the file says it is; `None` when it is new.
    pub(super) fn read(txn: &ReadTransaction) -> Result<Option<Self>, Fault> {
        match txn.open_table(META) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            // The first format kept its meta data under text.
            Err(TableError::TableTypeMismatch { .. }) => return Ok(Some(Self::of_format(1))),
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        let format = txn.row(META, FORMAT_KEY)?.and_then(|v| v.first().copied()).unwrap_or(0);
        if format != FORMAT {
            return Ok(Some(Self::of_format(format)));
        }
        let name = txn.row(META, BOX_KEY)?.unwrap_or_default();
        Ok(Some(Self {
            format,
            box_id: String::from_utf8_lossy(&name).into_owned(),
            signer: txn.row(META, SIGNER_KEY)?.unwrap_or_default(),
            next_signer: txn.row(META, NEXT_SIGNER_KEY)?,
        }))
    }

    fn of_format(format: u8) -> Self {
        Self { format, box_id: String::new(), signer: Vec::new(), next_signer: None }
    }

    pub(super) fn check(&self, ours: &BoxId, path: &Path) -> Result<(), VaultError> {
        let path = path.to_owned();
        if self.format != FORMAT {
            return Err(VaultError::Format { path, found: self.format });
        }
        if self.box_id != ours.as_str() {
            let (theirs, ours) = (self.box_id.clone(), ours.to_string());
            return Err(VaultError::OtherBox { path, theirs, ours });
        }
        Ok(())
    }
}

/// Makes every table of an empty file.
pub(super) fn create(
    txn: &WriteTransaction,
    box_id: &BoxId,
    signer: &[u8],
    root: &[u8],
) -> Result<(), Fault> {
    for table in TABLES {
        txn.open_table(table)?;
    }
    let mut meta = txn.open_table(META)?;
    meta.insert(FORMAT_KEY, [FORMAT].as_slice())?;
    meta.insert(BOX_KEY, box_id.as_str().as_bytes())?;
    meta.insert(SIGNER_KEY, signer)?;
    meta.insert(ROOT_KEY, root)?;
    Ok(())
}

/// The rows of `meta` that say who signs.
pub(super) const SIGNER_ROWS: (&[u8], &[u8]) = (SIGNER_KEY, NEXT_SIGNER_KEY);

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
