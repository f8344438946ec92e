//! The tables, and what the file says of itself.

use std::path::Path;

use instored_domain::BoxId;
use redb::{
    ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, TableError,
    WriteTransaction,
};

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
