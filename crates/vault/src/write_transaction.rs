//! Write transaction of the vault: records, record indexes, manifest and audit log in one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use instored_domain::CustomerId;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::account::{Account, Reader};
use crate::audit::{self, Actor, AuditAction, AuditContext};
use crate::error::{TransactionError, VaultError};
use crate::manifest::{index_element, tombstone_element};
use crate::outbox::message_key;
use crate::record::SignedRecord;
use crate::record_index::{RecordIndex, row_tag};
use crate::record_key::{
    NAME_LENGTH, RecordKind, RecordName, customer_key, leading_customer, numbered_name, record_key,
    record_parts, record_range,
};
use crate::schema::{
    ACCOUNTS, Bytes, CODES, COMPACTION_DUE_KEY, MANIFEST_KEY, META, ORDER_IDS, OUTBOX, RECORDS,
    Rows, TOMBSTONES, aad,
};
use crate::storage::JournaledTransaction;
use crate::symmetric_key::SymmetricKey;

/// Write transaction with the customers that it has opened.
pub(crate) struct WriteTransaction<'t> {
    pub(crate) reader: Reader<'t, JournaledTransaction>,
    context: AuditContext,
    /// Opened customers, each with the element of the stored record index in the manifest's hash. A
    /// new customer has no element.
    opened: BTreeMap<CustomerId, (Account, Option<[u8; 32]>)>,
    audit: Vec<(AuditAction, u64, Option<String>)>,
    has_changes: bool,
    /// True if the manifest's hash must be computed from all rows.
    should_rehash: bool,
}

impl<'t> WriteTransaction<'t> {
    pub(crate) fn new(reader: Reader<'t, JournaledTransaction>, context: AuditContext) -> Self {
        Self {
            reader,
            context,
            opened: BTreeMap::new(),
            audit: Vec::new(),
            has_changes: false,
            should_rehash: false,
        }
    }

    pub(crate) fn tx(&self) -> &'t JournaledTransaction {
        self.reader.rows
    }

    /// Returns the time of the change.
    pub(crate) fn time(&self) -> Timestamp {
        self.context.at
    }

    /// Opens and returns a customer, or `None` if no customer has this id.
    pub(crate) fn account(&mut self, id: CustomerId) -> Result<Option<&Account>, TransactionError> {
        if !self.opened.contains_key(&id) {
            let Some(account) = self.reader.account(id)? else { return Ok(None) };
            let element = self.reader.index_element(&account);
            self.opened.insert(id, (account, Some(element)));
        }
        Ok(self.opened.get(&id).map(|(account, _)| account))
    }

    /// Returns true if a customer has this id, even if the customer's records cannot be read.
    pub(crate) fn has_account(&self, id: CustomerId) -> Result<bool, TransactionError> {
        Ok(self.tx().row(ACCOUNTS, &customer_key(id))?.is_some())
    }

    /// Creates a customer with a new key.
    pub(crate) fn create_account(&mut self, id: CustomerId) -> Result<(), TransactionError> {
        let account = Account::new(id, SymmetricKey::random(), RecordIndex::default());
        let row = account.seal_key(&self.reader.key_encryption_key)?;
        self.tx().put(ACCOUNTS, &customer_key(id), &row)?;
        self.reader.manifest.customers += 1;
        self.opened.insert(id, (account, None));
        Ok(())
    }

    /// Signs all records of a customer with the active key and encrypts them under a new customer
    /// key.
    ///
    /// A record that does not verify stays unchanged, and so stays rejected. A customer who cannot
    /// be opened also stays unchanged.
    pub(crate) fn reencrypt_customer(&mut self, id: CustomerId) -> Result<(), TransactionError> {
        match self.account(id) {
            Ok(Some(_)) => {}
            Ok(None) | Err(TransactionError::Vault(VaultError::Rejected(_))) => return Ok(()),
            Err(error) => return Err(error),
        }
        let tx = self.tx();
        let keys = Arc::clone(&self.reader.derived_keys);
        let Some((account, _)) = self.opened.get_mut(&id) else { return Ok(()) };
        let mut renewed = Account::new(id, SymmetricKey::random(), account.index.clone());
        for (kind, name) in account.index.entries() {
            let key = record_key(id, kind, &name);
            let Some(row) = tx.row(RECORDS, &key)? else { continue };
            let Ok(signed) = account.signed_message(&keys, kind, &name, &row) else { continue };
            if signed.verify().is_err() {
                continue;
            }
            let signed = keys.signers.sign_payload(&aad(RECORDS, &key), signed.payload())?;
            let row = renewed.seal(&key, &signed)?;
            tx.put(RECORDS, &key, &row)?;
            renewed.index.replace_tag(kind, &name, &row);
        }
        tx.put(ACCOUNTS, &customer_key(id), &renewed.seal_key(&self.reader.key_encryption_key)?)?;
        *account = renewed;
        self.has_changes = true;
        Ok(())
    }

    /// Returns a customer who was opened before.
    pub(crate) fn opened_account(&self, id: CustomerId) -> Option<&Account> {
        self.opened.get(&id).map(|(account, _)| account)
    }

    /// Reads a record of a customer that [`WriteTransaction::account`] opened.
    pub(crate) fn get<R: SignedRecord>(
        &self,
        id: CustomerId,
        kind: RecordKind,
        name: &RecordName,
    ) -> Result<Option<R>, TransactionError> {
        let Some((account, _)) = self.opened.get(&id) else { return Ok(None) };
        Ok(self.reader.record(account, kind, name)??)
    }

    /// Writes a record of a customer that was opened or created.
    pub(crate) fn put<R: SignedRecord>(
        &mut self,
        id: CustomerId,
        kind: RecordKind,
        name: &RecordName,
        record: &R,
    ) -> Result<(), TransactionError> {
        let tx = self.tx();
        let Some((account, _)) = self.opened.get_mut(&id) else { return Ok(()) };
        let key = record_key(id, kind, name);
        let signers = &self.reader.derived_keys.signers;
        let signed = signers.sign(&aad(RECORDS, &key), id, record, self.context.at)?;
        let row = account.seal(&key, &signed)?;
        tx.put(RECORDS, &key, &row)?;
        account.index.insert(kind, *name, &row, record.time());
        self.has_changes = true;
        Ok(())
    }

    /// Removes a record of a customer that was opened.
    pub(crate) fn remove(
        &mut self,
        id: CustomerId,
        kind: RecordKind,
        name: &RecordName,
    ) -> Result<(), TransactionError> {
        let tx = self.tx();
        let Some((account, _)) = self.opened.get_mut(&id) else { return Ok(()) };
        tx.remove(RECORDS, &record_key(id, kind, name))?;
        account.index.remove(kind, name);
        self.has_changes = true;
        Ok(())
    }

    /// Deletes every row of a customer, and inserts a tombstone unless the retention deletes. Returns the
    /// numbers of deleted templates and orders, or `None` if the customer has no rows.
    pub(crate) fn erase(&mut self, id: CustomerId) -> Result<Option<(u64, u64)>, TransactionError> {
        let tx = self.tx();
        let element = match self.account(id) {
            Ok(Some(_)) => self.opened.remove(&id).and_then(|(_, element)| element),
            Ok(None) | Err(TransactionError::Vault(_)) => None,
            Err(error) => return Err(error),
        };
        let mut keys = Vec::new();
        let (from, to) = record_range(id, RecordKind::Index, RecordKind::Outgoing);
        tx.rows(RECORDS, &from, Some(&to), &mut |key, _| {
            keys.push(key.to_vec());
            Ok(())
        })?;
        let had_account = tx.remove(ACCOUNTS, &customer_key(id))?;
        if !had_account && keys.is_empty() {
            return Ok(None);
        }
        let (mut templates, mut orders) = (0, 0);
        for key in keys {
            tx.remove(RECORDS, &key)?;
            let Some((kind, name)) = record_parts(&key) else { continue };
            match kind {
                RecordKind::Template => templates += 1,
                RecordKind::Order => {
                    orders += 1;
                    self.remove_lookup(ORDER_IDS, &name, id)?;
                }
                RecordKind::Replaced => self.remove_lookup(ORDER_IDS, &name, id)?,
                RecordKind::Claim | RecordKind::Consent => self.remove_lookup(CODES, &name, id)?,
                RecordKind::Outgoing => {
                    tx.remove(OUTBOX, &message_key(&name))?;
                }
                RecordKind::Index | RecordKind::Customer => {}
            }
        }
        match element {
            Some(element) => {
                let manifest = &mut self.reader.manifest;
                manifest.hash.remove(element);
                manifest.customers = manifest.customers.saturating_sub(1);
            }
            // The element of an unreadable index is unknown, so it cannot be subtracted.
            None => self.should_rehash = true,
        }
        // A customer who was deleted by the retention can be restored from a backup: the clock may have
        // been wrong.
        if self.context.actor != Actor::Retention {
            self.insert_tombstone(&tombstone(id))?;
        }
        self.has_changes = true;
        tx.put(META, COMPACTION_DUE_KEY, &[1])?;
        Ok(Some((templates, orders)))
    }

    /// Stores the tombstone of a forgotten customer.
    pub(crate) fn insert_tombstone(&mut self, tombstone: &[u8]) -> Result<(), TransactionError> {
        if self.tx().row(TOMBSTONES, tombstone)?.is_none() {
            self.tx().put(TOMBSTONES, tombstone, &[])?;
            let element = tombstone_element(&self.reader.derived_keys.multiset_hash, tombstone);
            self.reader.manifest.hash.add(element);
            self.has_changes = true;
        }
        Ok(())
    }

    /// Removes a row of a lookup table if the row refers to this customer.
    fn remove_lookup(
        &self,
        table: Bytes,
        tag: &RecordName,
        id: CustomerId,
    ) -> Result<(), TransactionError> {
        let tx = self.tx();
        if tx.row(table, tag)?.is_some_and(|row| leading_customer(&row) == Some(id)) {
            tx.remove(table, tag)?;
        }
        Ok(())
    }

    /// Marks the transaction as changed. Needed after writes to rows that are not records.
    pub(crate) fn mark_changed(&mut self) {
        self.has_changes = true;
    }

    /// Adds an entry to the audit log; [`WriteTransaction::prepare_commit`] writes it. `customer`
    /// must be opened.
    pub(crate) fn audit(
        &mut self,
        action: AuditAction,
        records: u64,
        customer: Option<CustomerId>,
    ) {
        let account = customer.and_then(|id| self.opened.get(&id));
        self.audit.push((action, records, account.map(|(account, _)| account.audit_tag())));
        self.has_changes = true;
    }

    /// Writes record indexes, audit log and manifest, and returns the number of the change. Returns
    /// `None` if nothing changed; the transaction then needs no commit.
    pub(crate) fn prepare_commit(mut self) -> Result<Option<u64>, TransactionError> {
        if !self.has_changes {
            return Ok(None);
        }
        let tx = self.tx();
        let keys = Arc::clone(&self.reader.derived_keys);
        let opened = std::mem::take(&mut self.opened);
        let manifest = &mut self.reader.manifest;
        for (id, (account, old_element)) in opened {
            let key = record_key(id, RecordKind::Index, &numbered_name(0));
            let row = account.seal(&key, &account.index.to_bytes())?;
            if let Some(old) = old_element {
                manifest.hash.remove(old);
            }
            manifest.hash.add(index_element(&keys.multiset_hash, id, &row_tag(&row)));
            tx.put(RECORDS, &key, &row)?;
        }
        if self.should_rehash {
            let (hash, customers) = self.reader.hash()?;
            (self.reader.manifest.hash, self.reader.manifest.customers) = (hash, customers);
        }
        let manifest = &mut self.reader.manifest;
        for entry in self.audit {
            audit::append(tx, &keys.audit, manifest, self.context, entry)?;
        }
        manifest.changes += 1;
        manifest.at = self.context.at;
        tx.put(META, MANIFEST_KEY, &manifest.seal(&keys.manifest, &keys.signers)?)?;
        Ok(Some(manifest.changes))
    }
}

/// Returns the tombstone of a customer: a digest of their id.
///
/// The id has 122 random bits and cannot be guessed. A person who knows the id can check that the
/// customer was forgotten.
pub(crate) fn tombstone(id: CustomerId) -> RecordName {
    let digest = Sha256::new_with_prefix(b"instored tombstone").chain_update(customer_key(id));
    let digest: [u8; 32] = digest.finalize().into();
    let mut tombstone = [0; NAME_LENGTH];
    tombstone.copy_from_slice(&digest[..NAME_LENGTH]);
    tombstone
}
