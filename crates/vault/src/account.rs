//! One customer's key and roll, and how their records are read with them.

use std::sync::Arc;

use instored_domain::CustomerId;
use zeroize::Zeroizing;

use super::box_key::hex;
use super::error::{Fault, VaultError};
use super::fault::RecordFault;
use super::loaded::Refused;
use super::manifest::{Manifest, Sum, roll_element, tombstone_element};
use super::record::{Kind, Signed};
use super::ring::Ring;
use super::roll::Roll;
use super::schema::{ACCOUNTS, RECORDS, Rows, TOMBSTONES, place};
use super::secret::{KEY_LENGTH, Secret};
use super::slot::{ID_LENGTH, Name, Slot, customer_key, leading_customer, numbered, record_key};

/// A customer whose key could be opened.
pub(super) struct Account {
    pub(super) id: CustomerId,
    /// Destroyed when they are forgotten.
    pub(super) key: Secret,
    /// Seals their records.
    seal: Secret,
    pub(super) roll: Roll,
}

impl Account {
    pub(super) fn new(id: CustomerId, key: Secret, roll: Roll) -> Self {
        let seal = key.derive("instored records");
        Self { id, key, seal, roll }
    }

    /// The word for them in the audit log.
    pub(super) fn word(&self) -> String {
        hex(&self.key.mac(&[b"audit"])[..8])
    }

    /// Seals what was signed, as a row of theirs.
    pub(super) fn seal(&self, key: &[u8], signed: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.seal.seal(&place(RECORDS, key), signed)
    }

    /// The row of their key.
    pub(super) fn seal_key(&self, wrapping: &Secret) -> Result<Vec<u8>, VaultError> {
        seal_key(wrapping, self.id, &self.key)
    }

    /// The `COSE_Sign1` in a row that is the last one written under this name.
    pub(super) fn unsealed(
        &self,
        (slot, name): (Slot, &Name),
        row: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RecordFault> {
        self.roll.check(slot, name, row)?;
        self.seal.open(&place(RECORDS, &record_key(self.id, slot, name)), row)
    }

    /// The same, taken apart.
    pub(super) fn signed(
        &self,
        ring: &Ring,
        (slot, name): (Slot, &Name),
        row: &[u8],
    ) -> Result<Signed, RecordFault> {
        let place = place(RECORDS, &record_key(self.id, slot, name));
        ring.signers.trust.parse(&place, &self.unsealed((slot, name), row)?)
    }

    /// The record in such a row, verified.
    pub(super) fn record<K: Kind>(
        &self,
        ring: &Ring,
        (slot, name): (Slot, &Name),
        row: &[u8],
    ) -> Result<K, Refused> {
        let read = || {
            let signed = self.signed(ring, (slot, name), row)?;
            signed.verify()?;
            ring.signers.trust.read(self.id, &signed)
        };
        read().map_err(|fault| Refused::record(self.id, slot, name, &fault))
    }
}

/// The row of a customer's key.
pub(super) fn seal_key(
    wrapping: &Secret,
    id: CustomerId,
    key: &Secret,
) -> Result<Vec<u8>, VaultError> {
    wrapping.seal(&place(ACCOUNTS, &customer_key(id)), key.bytes())
}

/// The key in a row of `accounts`.
pub(super) fn open_key(
    wrapping: &Secret,
    id: CustomerId,
    row: &[u8],
) -> Result<Secret, RecordFault> {
    let key = wrapping.open(&place(ACCOUNTS, &customer_key(id)), row)?;
    let key: &[u8; KEY_LENGTH] = key.as_slice().try_into().map_err(|_| RecordFault::Malformed)?;
    Ok(Secret::from_bytes(key))
}

/// One state of the vault, with the keys to read it.
pub(super) struct Reader<'t, R> {
    pub(super) rows: &'t R,
    pub(super) ring: Arc<Ring>,
    pub(super) manifest: Manifest,
    pub(super) wrapping: Secret,
}

impl<R: Rows> Reader<'_, R> {
    /// A customer; `None` when nobody is enrolled by this id.
    pub(super) fn account(&self, id: CustomerId) -> Result<Option<Account>, Fault> {
        let Some(row) = self.rows.row(ACCOUNTS, &customer_key(id))? else { return Ok(None) };
        Ok(Some(self.open_account(id, &row)??))
    }

    /// A customer, from their row in `accounts`.
    pub(super) fn open_account(
        &self,
        id: CustomerId,
        row: &[u8],
    ) -> Result<Result<Account, Refused>, Fault> {
        let roll = self.rows.row(RECORDS, &record_key(id, Slot::Roll, &numbered(0)))?;
        let open = || {
            let key = open_key(&self.wrapping, id, row)?;
            let mut account = Account::new(id, key, Roll::default());
            let place = place(RECORDS, &record_key(id, Slot::Roll, &numbered(0)));
            let roll = roll.ok_or(RecordFault::Missing)?;
            account.roll = Roll::from_bytes(&account.seal.open(&place, &roll)?)?;
            Ok(account)
        };
        Ok(open().map_err(|fault| Refused::account(id, &fault)))
    }

    /// Shows every customer that can be opened, and everyone else's refusal.
    pub(super) fn accounts(
        &self,
        mut visit: impl FnMut(Result<Account, Refused>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.rows.rows(ACCOUNTS, &[], None, &mut |key, row| match leading_customer(key)
            .filter(|_| key.len() == ID_LENGTH)
        {
            Some(id) => visit(self.open_account(id, row)?),
            None => visit(Err(Refused::vault("a row of the accounts", "it names nobody"))),
        })
    }

    /// The sum over all rolls that can be opened and all tombstones, and the number of accounts.
    pub(super) fn sum(&self) -> Result<(Sum, u64), Fault> {
        let mut sum = Sum::default();
        self.accounts(|account| {
            if let Ok(account) = account {
                sum.add(roll_element(&self.ring.sums, account.id, &account.roll.to_bytes()));
            }
            Ok(())
        })?;
        self.add_tombstones(&mut sum)?;
        Ok((sum, self.rows.count(ACCOUNTS)?))
    }

    pub(super) fn add_tombstones(&self, sum: &mut Sum) -> Result<(), Fault> {
        self.rows.rows(TOMBSTONES, &[], None, &mut |tombstone, _| {
            sum.add(tombstone_element(&self.ring.sums, tombstone));
            Ok(())
        })
    }

    /// A record of a customer; `None` when their roll has none of this name.
    pub(super) fn record<K: Kind>(
        &self,
        account: &Account,
        slot: Slot,
        name: &Name,
    ) -> Result<Result<Option<K>, Refused>, Fault> {
        let row = self.rows.row(RECORDS, &record_key(account.id, slot, name))?;
        Ok(match (row, account.roll.has(slot, name)) {
            (None, false) => Ok(None),
            (None, true) => Err(Refused::record(account.id, slot, name, &RecordFault::Missing)),
            (Some(row), _) => account.record(&self.ring, (slot, name), &row).map(Some),
        })
    }

    /// Every record of a kind that a customer has, in the order of the keys.
    pub(super) fn records<K: Kind>(
        &self,
        account: &Account,
        slot: Slot,
        mut visit: impl FnMut(Name, Result<K, Refused>),
    ) -> Result<(), Fault> {
        for name in account.roll.names(slot) {
            if let Some(read) = self.record(account, slot, &name)?.transpose() {
                visit(name, read);
            }
        }
        Ok(())
    }
}
