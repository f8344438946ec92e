//! Tables of the database, and the header rows in `meta`.

use std::collections::BTreeSet;
use std::path::Path;

use instored_domain::BoxId;
use redb::{
    ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, TableError,
    TableHandle, WriteTransaction,
};

use crate::error::{TransactionError, VaultError};

/// Table from bytes to bytes.
pub(crate) type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Customer → the customer's key, encrypted under the key-encryption key.
pub(crate) const ACCOUNTS: Bytes = TableDefinition::new("accounts");
/// Customer, kind, name → record, encrypted under the customer's key.
pub(crate) const RECORDS: Bytes = TableDefinition::new("records");
/// Tag of a claim code or receipt → customer.
pub(crate) const CODES: Bytes = TableDefinition::new("codes");
/// Tag of an order id → customer.
pub(crate) const ORDER_IDS: Bytes = TableDefinition::new("order_ids");
/// SKU → product with a MAC.
pub(crate) const PRODUCTS: Bytes = TableDefinition::new("products");
/// Digest of a forgotten customer's id → empty value.
pub(crate) const TOMBSTONES: Bytes = TableDefinition::new("tombstones");
/// Number → encrypted entry of the audit log.
pub(crate) const AUDIT: Bytes = TableDefinition::new("audit");
/// Number → customer whose records contain an outgoing message, or an encrypted message.
pub(crate) const OUTBOX: Bytes = TableDefinition::new("outbox");
/// SHA-256 of a consent text → the text.
pub(crate) const CONSENT_TEXTS: Bytes = TableDefinition::new("consent_texts");
/// Field name → header, root or manifest.
pub(crate) const META: Bytes = TableDefinition::new("meta");

pub(crate) const TABLES: [Bytes; 10] =
    [ACCOUNTS, RECORDS, CODES, ORDER_IDS, PRODUCTS, TOMBSTONES, AUDIT, OUTBOX, CONSENT_TEXTS, META];

/// Format that this version writes. `migration` brings a vault of [`FORMAT_2`] to it.
const FORMAT: u8 = 3;
pub(crate) const FORMAT_2: u8 = 2;
const FORMAT_KEY: &[u8] = b"format";
const BOX_KEY: &[u8] = b"box";
/// Row with the id of the active signing key.
pub(crate) const SIGNER_KEY: &[u8] = b"signer";
/// Row with the id of the next signing key; present only during a rotation.
pub(crate) const NEXT_SIGNER_KEY: &[u8] = b"next_signer";
/// Row with the endorsements of signing keys; absent before the first rotation.
pub(crate) const KEY_ENDORSEMENTS_KEY: &[u8] = b"key_endorsements";
/// Row with the root of the derived keys, encrypted under the vault key.
pub(crate) const ROOT_KEY: &[u8] = b"root";
/// Row with the signed, encrypted manifest.
pub(crate) const MANIFEST_KEY: &[u8] = b"manifest";
/// Row with the number of the next outgoing message (u64).
pub(crate) const OUTBOX_NEXT_KEY: &[u8] = b"outbox_next";
/// Row with the number of the last start of the box (u32).
pub(crate) const START_NUMBER_KEY: &[u8] = b"start_number";
/// Row that is present while free pages may contain deleted data.
pub(crate) const COMPACTION_DUE_KEY: &[u8] = b"sweep_due";

/// Returns the AAD that binds an encrypted value to its row: table name, zero byte, key.
pub(crate) fn aad(table: Bytes, key: &[u8]) -> Vec<u8> {
    [table.name().as_bytes(), &[0], key].concat()
}

/// Callback for the key and value of a row.
pub(crate) type RowVisitor<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), TransactionError>;

/// Read access to rows in a read or write transaction.
pub(crate) trait Rows {
    fn row(&self, table: Bytes, key: &[u8]) -> Result<Option<Vec<u8>>, TransactionError>;

    /// Visits the rows from `from` (inclusive) to `to` (exclusive) in key order. In a write
    /// transaction, `visit` must not access `table`.
    fn rows(
        &self,
        table: Bytes,
        from: &[u8],
        to: Option<&[u8]>,
        visit: RowVisitor<'_>,
    ) -> Result<(), TransactionError>;

    fn count(&self, table: Bytes) -> Result<u64, TransactionError>;
}

macro_rules! rows {
    ($transaction:ty) => {
        impl Rows for $transaction {
            fn row(&self, table: Bytes, key: &[u8]) -> Result<Option<Vec<u8>>, TransactionError> {
                Ok(self.open_table(table)?.get(key)?.map(|value| value.value().to_vec()))
            }

            fn rows(
                &self,
                table: Bytes,
                from: &[u8],
                to: Option<&[u8]>,
                visit: RowVisitor<'_>,
            ) -> Result<(), TransactionError> {
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

            fn count(&self, table: Bytes) -> Result<u64, TransactionError> {
                Ok(self.open_table(table)?.len()?)
            }
        }
    };
}
rows!(ReadTransaction);
rows!(WriteTransaction);

/// Header of the file: format, box and signers.
pub(crate) struct Identity {
    pub(crate) format: u8,
    box_id: String,
    /// Id of the active signing key.
    pub(crate) signer: Vec<u8>,
    /// Id of the next signing key during a rotation.
    pub(crate) next_signer: Option<Vec<u8>>,
}

impl Identity {
    /// Reads the header, or returns `None` if the file is new.
    pub(crate) fn read(txn: &ReadTransaction) -> Result<Option<Self>, TransactionError> {
        match txn.open_table(META) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            // Format 1 had text keys in this table.
            Err(TableError::TableTypeMismatch { .. }) => return Ok(Some(Self::of_format(1))),
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        let format = txn.row(META, FORMAT_KEY)?.and_then(|v| v.first().copied()).unwrap_or(0);
        if ![FORMAT_2, FORMAT].contains(&format) {
            return Ok(Some(Self::of_format(format)));
        }
        let box_id = txn.row(META, BOX_KEY)?.unwrap_or_default();
        Ok(Some(Self {
            format,
            box_id: String::from_utf8_lossy(&box_id).into_owned(),
            signer: txn.row(META, SIGNER_KEY)?.unwrap_or_default(),
            next_signer: txn.row(META, NEXT_SIGNER_KEY)?,
        }))
    }

    fn of_format(format: u8) -> Self {
        Self { format, box_id: String::new(), signer: Vec::new(), next_signer: None }
    }

    /// Checks that this version supports the format and that the vault belongs to this box.
    pub(crate) fn check(&self, expected: &BoxId, path: &Path) -> Result<(), VaultError> {
        let path = path.to_owned();
        if ![FORMAT_2, FORMAT].contains(&self.format) {
            return Err(VaultError::Format { path, found: self.format });
        }
        if self.box_id != expected.as_str() {
            let (found, expected) = (self.box_id.clone(), expected.to_string());
            return Err(VaultError::OtherBox { path, found, expected });
        }
        Ok(())
    }
}

/// Returns true if all tables exist. Early vaults of format 3 lack `consent_texts`.
pub(crate) fn has_all_tables(txn: &ReadTransaction) -> Result<bool, TransactionError> {
    let names: BTreeSet<_> = txn.list_tables()?.map(|table| table.name().to_owned()).collect();
    Ok(TABLES.iter().all(|table| names.contains(table.name())))
}

/// Sets the format of a vault to the one that this version writes, and creates the tables that older
/// vaults lack.
pub(crate) fn upgrade(txn: &WriteTransaction) -> Result<(), TransactionError> {
    for table in TABLES {
        txn.open_table(table)?;
    }
    txn.open_table(META)?.insert(FORMAT_KEY, [FORMAT].as_slice())?;
    Ok(())
}

/// Creates the tables and the header of an empty database.
pub(crate) fn create(
    txn: &WriteTransaction,
    box_id: &BoxId,
    signer: &[u8],
    root: &[u8],
) -> Result<(), TransactionError> {
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
