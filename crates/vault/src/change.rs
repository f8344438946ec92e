//! One change of the vault: records, the rolls and the manifest that answer for them, and the audit
//! log, in one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use instored_domain::CustomerId;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::account::{Account, Reader};
use super::audit::{self, Act, Done};
use super::error::{Fault, VaultError};
use super::manifest::{roll_element, tombstone_element};
use super::record::Kind;
use super::roll::Roll;
use super::schema::{
    ACCOUNTS, Bytes, CODES, MANIFEST_KEY, META, ORDER_IDS, RECORDS, Rows, SWEEP_DUE_KEY,
    TOMBSTONES, place,
};
use super::secret::Secret;
use super::slot::{
    NAME_LENGTH, Name, Slot, customer_key, leading_customer, numbered, record_key, record_parts,
    record_range,
};
use super::storage::Tx;

/// A change under way.
pub(super) struct Change<'t> {
    pub(super) reader: Reader<'t, Tx>,
    act: Act,
    /// Who is touched, with what their roll was worth before.
    touched: BTreeMap<CustomerId, (Account, Option<[u8; 32]>)>,
    audit: Vec<(Done, u64, Option<String>)>,
    changed: bool,
    /// The manifest's sum has to be taken over everything again.
    sum_anew: bool,
}

impl<'t> Change<'t> {
    pub(super) fn new(reader: Reader<'t, Tx>, act: Act) -> Self {
        Self {
            reader,
            act,
            touched: BTreeMap::new(),
            audit: Vec::new(),
            changed: false,
            sum_anew: false,
        }
    }

    pub(super) fn tx(&self) -> &'t Tx {
        self.reader.rows
    }

    /// When this is done.
    pub(super) fn at(&self) -> Timestamp {
        self.act.at
    }

    /// A customer; `None` when nobody is enrolled by this id.
    pub(super) fn account(&mut self, id: CustomerId) -> Result<Option<&Account>, Fault> {
        if !self.touched.contains_key(&id) {
            let Some(account) = self.reader.account(id)? else { return Ok(None) };
            let element = roll_element(&self.reader.ring.sums, id, &account.roll.to_bytes());
            self.touched.insert(id, (account, Some(element)));
        }
        Ok(self.touched.get(&id).map(|(account, _)| account))
    }

    /// A new customer with a key of their own.
    pub(super) fn open_account(&mut self, id: CustomerId) -> Result<(), Fault> {
        let account = Account::new(id, Secret::random(), Roll::default());
        let row = account.seal_key(&self.reader.wrapping)?;
        self.tx().put(ACCOUNTS, &customer_key(id), &row)?;
        self.reader.manifest.customers += 1;
        self.touched.insert(id, (account, None));
        Ok(())
    }

    /// Seals all that a customer has under a new key, signed anew. What does not verify stays as
    /// it is, refused as before; a customer of whom nothing can be read does too.
    pub(super) fn seal_anew(&mut self, id: CustomerId) -> Result<(), Fault> {
        match self.account(id) {
            Ok(Some(_)) => {}
            Ok(None) | Err(Fault::Vault(VaultError::Refused(_))) => return Ok(()),
            Err(fault) => return Err(fault),
        }
        let tx = self.tx();
        let ring = Arc::clone(&self.reader.ring);
        let Some((account, _)) = self.touched.get_mut(&id) else { return Ok(()) };
        let mut renewed = Account::new(id, Secret::random(), account.roll.clone());
        for (slot, name) in account.roll.entries() {
            let key = record_key(id, slot, &name);
            let Some(row) = tx.row(RECORDS, &key)? else { continue };
            let Ok(signed) = account.signed(&ring, (slot, &name), &row) else { continue };
            if signed.verify().is_err() {
                continue;
            }
            let signed = ring.signers.sign_payload(&place(RECORDS, &key), signed.payload())?;
            let row = renewed.seal(&key, &signed)?;
            tx.put(RECORDS, &key, &row)?;
            renewed.roll.set(slot, name, &row);
        }
        tx.put(ACCOUNTS, &customer_key(id), &renewed.seal_key(&self.reader.wrapping)?)?;
        *account = renewed;
        self.changed = true;
        Ok(())
    }

    /// A record of a customer that [`Change::account`] found.
    pub(super) fn get<K: Kind>(
        &self,
        id: CustomerId,
        slot: Slot,
        name: &Name,
    ) -> Result<Option<K>, Fault> {
        let Some((account, _)) = self.touched.get(&id) else { return Ok(None) };
        Ok(self.reader.record(account, slot, name)??)
    }

    /// Writes a record of a customer that was found or is new.
    pub(super) fn put<K: Kind>(
        &mut self,
        id: CustomerId,
        slot: Slot,
        name: &Name,
        record: &K,
    ) -> Result<(), Fault> {
        let tx = self.tx();
        let Some((account, _)) = self.touched.get_mut(&id) else { return Ok(()) };
        let key = record_key(id, slot, name);
        let place = place(RECORDS, &key);
        let signed = self.reader.ring.signers.sign(&place, id, record, self.act.at)?;
        let row = account.seal(&key, &signed)?;
        tx.put(RECORDS, &key, &row)?;
        account.roll.set(slot, *name, &row);
        self.changed = true;
        Ok(())
    }

    pub(super) fn remove(&mut self, id: CustomerId, slot: Slot, name: &Name) -> Result<(), Fault> {
        let tx = self.tx();
        let Some((account, _)) = self.touched.get_mut(&id) else { return Ok(()) };
        tx.remove(RECORDS, &record_key(id, slot, name))?;
        account.roll.remove(slot, name);
        self.changed = true;
        Ok(())
    }

    /// Deletes every row of a customer, by keys, and puts a tombstone in their place. Gives back
    /// how many templates and orders there were; `None` when there was nothing.
    pub(super) fn erase(&mut self, id: CustomerId) -> Result<Option<(u64, u64)>, Fault> {
        let tx = self.tx();
        let element = match self.account(id) {
            Ok(Some(_)) => self.touched.remove(&id).and_then(|(_, element)| element),
            Ok(None) | Err(Fault::Vault(_)) => None,
            Err(fault) => return Err(fault),
        };
        let mut keys = Vec::new();
        let (from, to) = record_range(id, Slot::Roll, Slot::Replaced);
        tx.rows(RECORDS, &from, Some(&to), &mut |key, _| {
            keys.push(key.to_vec());
            Ok(())
        })?;
        let had_key = tx.remove(ACCOUNTS, &customer_key(id))?;
        if !had_key && keys.is_empty() {
            return Ok(None);
        }
        let (mut templates, mut orders) = (0, 0);
        for key in keys {
            tx.remove(RECORDS, &key)?;
            let Some((slot, name)) = record_parts(&key) else { continue };
            match slot {
                Slot::Template => templates += 1,
                Slot::Order => {
                    orders += 1;
                    self.remove_index(ORDER_IDS, &name, id)?;
                }
                Slot::Replaced => self.remove_index(ORDER_IDS, &name, id)?,
                Slot::Claim | Slot::Consent => self.remove_index(CODES, &name, id)?,
                Slot::Roll | Slot::Customer => {}
            }
        }
        match element {
            Some(element) => {
                self.reader.manifest.sum.remove(element);
                self.reader.manifest.customers = self.reader.manifest.customers.saturating_sub(1);
            }
            // Nothing says what an unreadable roll was worth.
            None => self.sum_anew = true,
        }
        self.bury(&tombstone(id))?;
        tx.put(META, SWEEP_DUE_KEY, &[1])?;
        Ok(Some((templates, orders)))
    }

    /// Notes that a customer was forgotten.
    pub(super) fn bury(&mut self, tombstone: &[u8]) -> Result<(), Fault> {
        if self.tx().row(TOMBSTONES, tombstone)?.is_none() {
            self.tx().put(TOMBSTONES, tombstone, &[])?;
            let element = tombstone_element(&self.reader.ring.sums, tombstone);
            self.reader.manifest.sum.add(element);
            self.changed = true;
        }
        Ok(())
    }

    /// Removes an entry of an index if it points to this customer.
    fn remove_index(&self, table: Bytes, tag: &Name, id: CustomerId) -> Result<(), Fault> {
        let tx = self.tx();
        if tx.row(table, tag)?.is_some_and(|row| leading_customer(&row) == Some(id)) {
            tx.remove(table, tag)?;
        }
        Ok(())
    }

    /// Says that something other than a record was changed.
    pub(super) fn mark(&mut self) {
        self.changed = true;
    }

    /// Writes an entry into the audit log when the change ends.
    pub(super) fn note(&mut self, done: Done, records: u64, whose: Option<CustomerId>) {
        let word = whose.and_then(|id| self.touched.get(&id)).map(|(account, _)| account.word());
        self.audit.push((done, records, word));
        self.changed = true;
    }

    /// Writes rolls, audit log and manifest. `None`: nothing was changed, and nothing is to be
    /// committed. Else the number of this change.
    pub(super) fn finish(mut self) -> Result<Option<u64>, Fault> {
        if !self.changed {
            return Ok(None);
        }
        let tx = self.tx();
        let ring = Arc::clone(&self.reader.ring);
        let touched = std::mem::take(&mut self.touched);
        let manifest = &mut self.reader.manifest;
        for (id, (account, before)) in touched {
            let roll = account.roll.to_bytes();
            let element = roll_element(&ring.sums, id, &roll);
            if let Some(before) = before {
                manifest.sum.remove(before);
            }
            manifest.sum.add(element);
            let key = record_key(id, Slot::Roll, &numbered(0));
            tx.put(RECORDS, &key, &account.seal(&key, &roll)?)?;
        }
        if self.sum_anew {
            let (sum, customers) = self.reader.sum()?;
            (self.reader.manifest.sum, self.reader.manifest.customers) = (sum, customers);
        }
        let manifest = &mut self.reader.manifest;
        for (done, records, whose) in self.audit {
            audit::append(tx, &ring.audit, manifest, (self.act, done, records, whose))?;
        }
        manifest.changes += 1;
        manifest.at = self.act.at;
        tx.put(META, MANIFEST_KEY, &manifest.seal(&ring.manifest, &ring.signers)?)?;
        Ok(Some(manifest.changes))
    }
}

/// What is kept of a customer who was forgotten: a digest of their pseudonym, which is 122 random
/// bits that nobody can try out. Who has the pseudonym from elsewhere learns that it was forgotten.
pub(super) fn tombstone(id: CustomerId) -> Name {
    let digest = Sha256::new_with_prefix(b"instored tombstone").chain_update(customer_key(id));
    let digest: [u8; 32] = digest.finalize().into();
    let mut tombstone = [0; NAME_LENGTH];
    tombstone.copy_from_slice(&digest[..NAME_LENGTH]);
    tombstone
}
