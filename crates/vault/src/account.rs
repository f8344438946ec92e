//! A customer's key and record index, and reading of the customer's records.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use instored_domain::CustomerId;
use zeroize::Zeroizing;

use crate::derived_keys::DerivedKeys;
use crate::error::{TransactionError, VaultError};
use crate::manifest::{Manifest, MultisetHash, index_element, tombstone_element};
use crate::record::{SignedMessage, SignedRecord};
use crate::record_error::RecordError;
use crate::record_index::{RecordIndex, Tag, row_tag};
use crate::record_key::{
    ID_LENGTH, RecordKind, RecordName, customer_key, leading_customer, numbered_name, record_key,
};
use crate::schema::{ACCOUNTS, RECORDS, Rows, TOMBSTONES, aad};
use crate::symmetric_key::SymmetricKey;
use crate::verified::Rejected;

/// Customer with decrypted key and record index.
pub(crate) struct Account {
    pub(crate) id: CustomerId,
    /// The customer's key, which is destroyed when the customer is forgotten.
    pub(crate) key: SymmetricKey,
    /// Key that encrypts the customer's records. It is derived from `key`.
    record_encryption_key: SymmetricKey,
    pub(crate) index: RecordIndex,
    /// Tag of the row from which the index was read; zeros if it was not stored yet.
    pub(crate) index_tag: Tag,
}

impl Account {
    pub(crate) fn new(id: CustomerId, key: SymmetricKey, index: RecordIndex) -> Self {
        let record_encryption_key = key.derive("instored records");
        Self { id, key, record_encryption_key, index, index_tag: Tag::default() }
    }

    /// Returns the customer's pseudonym in the audit log.
    pub(crate) fn audit_tag(&self) -> String {
        HEXLOWER.encode(&self.key.mac(&[b"audit"])[..8])
    }

    /// Encrypts signed bytes as the row `key` of `records`.
    pub(crate) fn seal(&self, key: &[u8], signed: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.record_encryption_key.seal(&aad(RECORDS, key), signed)
    }

    /// Decrypts the row `key` of `records`.
    pub(crate) fn open(&self, key: &[u8], row: &[u8]) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        self.record_encryption_key.open(&aad(RECORDS, key), row)
    }

    /// Encrypts the customer's key as a row of `accounts`.
    pub(crate) fn seal_key(
        &self,
        key_encryption_key: &SymmetricKey,
    ) -> Result<Vec<u8>, VaultError> {
        seal_key(key_encryption_key, self.id, &self.key)
    }

    /// Decrypts the `COSE_Sign1` in a row. Rejects a row that is not the last version of the
    /// record.
    pub(crate) fn unseal(
        &self,
        kind: RecordKind,
        name: &RecordName,
        row: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        self.index.check(kind, name, row)?;
        let key = record_key(self.id, kind, name);
        self.open(&key, row)
    }

    /// Decrypts and decodes the `COSE_Sign1` in a row without verifying its signature.
    pub(crate) fn signed_message(
        &self,
        keys: &DerivedKeys,
        kind: RecordKind,
        name: &RecordName,
        row: &[u8],
    ) -> Result<SignedMessage, RecordError> {
        let aad = aad(RECORDS, &record_key(self.id, kind, name));
        keys.signers.trusted.parse(&aad, &self.unseal(kind, name, row)?)
    }

    /// Decrypts, verifies and decodes the record in a row.
    pub(crate) fn record<R: SignedRecord>(
        &self,
        keys: &DerivedKeys,
        kind: RecordKind,
        name: &RecordName,
        row: &[u8],
    ) -> Result<R, Rejected> {
        let read = || {
            let signed = self.signed_message(keys, kind, name, row)?;
            signed.verify()?;
            keys.signers.trusted.decode(self.id, &signed)
        };
        read().map_err(|error| Rejected::record(self.id, kind, name, &error))
    }
}

/// Encrypts a customer's key as a row of `accounts`.
pub(crate) fn seal_key(
    key_encryption_key: &SymmetricKey,
    id: CustomerId,
    key: &SymmetricKey,
) -> Result<Vec<u8>, VaultError> {
    key_encryption_key.seal(&aad(ACCOUNTS, &customer_key(id)), key.bytes())
}

/// Decrypts the customer's key in a row of `accounts`.
pub(crate) fn open_key(
    key_encryption_key: &SymmetricKey,
    id: CustomerId,
    row: &[u8],
) -> Result<SymmetricKey, RecordError> {
    key_encryption_key.open_key(&aad(ACCOUNTS, &customer_key(id)), row)
}

/// One state of the vault, with the keys that decrypt it.
pub(crate) struct Reader<'t, R> {
    pub(crate) rows: &'t R,
    pub(crate) derived_keys: Arc<DerivedKeys>,
    pub(crate) manifest: Manifest,
    pub(crate) key_encryption_key: SymmetricKey,
}

impl<R: Rows> Reader<'_, R> {
    /// Returns a customer, or `None` if no customer has this id.
    pub(crate) fn account(&self, id: CustomerId) -> Result<Option<Account>, TransactionError> {
        let Some(row) = self.rows.row(ACCOUNTS, &customer_key(id))? else { return Ok(None) };
        Ok(Some(self.open_account(id, &row)??))
    }

    /// Decrypts a customer's key in a row of `accounts`, and the customer's record index.
    pub(crate) fn open_account(
        &self,
        id: CustomerId,
        row: &[u8],
    ) -> Result<Result<Account, Rejected>, TransactionError> {
        let index_key = record_key(id, RecordKind::Index, &numbered_name(0));
        let index = self.rows.row(RECORDS, &index_key)?;
        let open = || {
            let key = open_key(&self.key_encryption_key, id, row)?;
            let mut account = Account::new(id, key, RecordIndex::default());
            let index = index.ok_or(RecordError::Missing)?;
            account.index_tag = row_tag(&index);
            account.index = RecordIndex::from_bytes(&account.open(&index_key, &index)?)?;
            Ok(account)
        };
        Ok(open().map_err(|error| Rejected::account(id, &error)))
    }

    /// Visits every customer. `visit` receives a rejection for a customer who cannot be opened.
    pub(crate) fn accounts(
        &self,
        mut visit: impl FnMut(Result<Account, Rejected>) -> Result<(), TransactionError>,
    ) -> Result<(), TransactionError> {
        self.rows.rows(ACCOUNTS, &[], None, &mut |key, row| match leading_customer(key)
            .filter(|_| key.len() == ID_LENGTH)
        {
            Some(id) => visit(self.open_account(id, row)?),
            None => visit(Err(Rejected::vault(
                "a row of the table accounts",
                "its key is not a customer id",
            ))),
        })
    }

    /// Returns the hash over all tombstones and all record indexes that can be opened, and the
    /// number of accounts.
    pub(crate) fn hash(&self) -> Result<(MultisetHash, u64), TransactionError> {
        let mut hash = MultisetHash::default();
        self.accounts(|account| {
            if let Ok(account) = account {
                hash.add(self.index_element(&account));
            }
            Ok(())
        })?;
        self.add_tombstones(&mut hash)?;
        Ok((hash, self.rows.count(ACCOUNTS)?))
    }

    /// Returns the element of a customer's record index in the manifest's hash.
    pub(crate) fn index_element(&self, account: &Account) -> [u8; 32] {
        index_element(&self.derived_keys.multiset_hash, account.id, &account.index_tag)
    }

    pub(crate) fn add_tombstones(&self, hash: &mut MultisetHash) -> Result<(), TransactionError> {
        self.rows.rows(TOMBSTONES, &[], None, &mut |tombstone, _| {
            hash.add(tombstone_element(&self.derived_keys.multiset_hash, tombstone));
            Ok(())
        })
    }

    /// Returns a record of a customer, or `None` if the record index does not list it.
    pub(crate) fn record<S: SignedRecord>(
        &self,
        account: &Account,
        kind: RecordKind,
        name: &RecordName,
    ) -> Result<Result<Option<S>, Rejected>, TransactionError> {
        let row = self.rows.row(RECORDS, &record_key(account.id, kind, name))?;
        Ok(match (row, account.index.contains(kind, name)) {
            (None, false) => Ok(None),
            (None, true) => Err(Rejected::record(account.id, kind, name, &RecordError::Missing)),
            (Some(row), _) => account.record(&self.derived_keys, kind, name, &row).map(Some),
        })
    }

    /// Visits a customer's records of one kind in key order.
    pub(crate) fn records<S: SignedRecord>(
        &self,
        account: &Account,
        kind: RecordKind,
        mut visit: impl FnMut(Result<S, Rejected>),
    ) -> Result<(), TransactionError> {
        for name in account.index.names(kind) {
            if let Some(read) = self.record(account, kind, &name)?.transpose() {
                visit(read);
            }
        }
        Ok(())
    }
}
