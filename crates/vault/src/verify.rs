//! Looking at everything in the vault, and naming each thing that is not as the box left it.

use std::collections::BTreeSet;

use instored_domain::{Consent, Customer, CustomerId, Order, Template};
use serde::{Deserialize, Serialize};

use super::Vault;
use super::account::{Account, Reader};
use super::audit;
use super::catalogue::check_out;
use super::error::{Fault, VaultError};
use super::fault::RecordFault;
use super::loaded::Refused;
use super::manifest::{Manifest, Sum, roll_element};
use super::record::{Batch, Claim, ReplacedOrder, Signed};
use super::schema::{ACCOUNTS, CODES, ORDER_IDS, PRODUCTS, RECORDS, Rows, TOMBSTONES};
use super::slot::{Name, Slot, customer_key, leading_customer, record_parts, record_range};
use super::templates::check_sum;

/// What the vault holds, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Verified {
    /// Changes since the vault was made. An older copy has fewer.
    pub changes: u64,
    /// Customers.
    pub customers: u64,
    /// Consents that hold.
    pub consents: u64,
    /// Templates that hold.
    pub templates: u64,
    /// Orders that hold.
    pub orders: u64,
    /// Claim codes that hold.
    pub claim_codes: u64,
    /// Products that hold.
    pub products: u64,
    /// Customers who were forgotten.
    pub forgotten: u64,
    /// Entries of the audit log.
    pub audit_entries: u64,
    /// What does not hold, a sentence each, with what to do.
    pub faults: Vec<String>,
}

impl Verified {
    fn fault(&mut self, fault: Refused) {
        self.faults.push(fault.to_string());
    }
}

impl Vault {
    /// Reads everything and checks all of it: each record's seal, signature and place, the rolls
    /// against what is there, the manifest against the rolls, the indexes against the records, the
    /// catalogue's checksums, the chain of the audit log.
    ///
    /// # Errors
    /// When the vault cannot be read at all.
    pub fn verify(&self) -> Result<Verified, VaultError> {
        let mut verified = self.read(verify)?;
        let noticed = self.notices.iter().map(ToString::to_string);
        verified.faults.splice(0..0, noticed);
        Ok(verified)
    }
}

/// The same for one state of the vault.
pub(super) fn verify(reader: &Reader<'_, impl Rows>) -> Result<Verified, Fault> {
    let mut found = Verified {
        changes: reader.manifest.changes,
        forgotten: reader.rows.count(TOMBSTONES)?,
        ..Verified::default()
    };
    if let Err(Fault::Vault(error)) =
        Manifest::verify(reader.rows, &reader.ring.manifest, &reader.ring.signers)
    {
        found.fault(Refused::vault("the manifest", error.to_string()));
    }
    customers(reader, &mut found)?;
    without_account(reader, &mut found)?;
    reader.rows.rows(PRODUCTS, &[], None, &mut |key, row| {
        match check_out(&reader.ring.catalogue, key, row) {
            Ok(_) => found.products += 1,
            Err(fault) => found.fault(fault),
        }
        Ok(())
    })?;
    let entries = &mut found.audit_entries;
    let faults = audit::read(reader.rows, &reader.ring.audit, &reader.manifest, |_| *entries += 1)?;
    for fault in faults {
        found.fault(Refused::vault("the audit log", fault));
    }
    Ok(found)
}

fn customers(reader: &Reader<'_, impl Rows>, found: &mut Verified) -> Result<(), Fault> {
    let mut sum = Sum::default();
    let mut unreadable = false;
    let mut checked = Checked { batch: Batch::new(), found };
    let mut expected = [(CODES, BTreeSet::new()), (ORDER_IDS, BTreeSet::new())];
    reader.accounts(|account| {
        checked.found.customers += 1;
        let account = match account {
            Ok(account) => account,
            Err(fault) => {
                unreadable = true;
                checked.found.fault(fault);
                return Ok(());
            }
        };
        sum.add(roll_element(&reader.ring.sums, account.id, &account.roll.to_bytes()));
        for (slot, name) in account.roll.entries() {
            let index = match slot {
                Slot::Claim | Slot::Consent => 0,
                Slot::Order | Slot::Replaced => 1,
                _ => continue,
            };
            expected[index].1.insert((name, account.id));
        }
        checked.account(reader, &account)
    })?;
    checked.finish();
    if let Some(fault) = check_sum(reader, sum, unreadable)? {
        found.fault(fault);
    }
    for (table, mut expected) in expected {
        let mut strange = 0u64;
        reader.rows.rows(table, &[], None, &mut |key, row| {
            let pointed = <Name>::try_from(key).ok().zip(leading_customer(row));
            strange += u64::from(!pointed.is_some_and(|entry| expected.remove(&entry)));
            Ok(())
        })?;
        if !unreadable && (strange > 0 || !expected.is_empty()) {
            found.fault(Refused::vault(
                "an index of the vault",
                format!("{} of its entries are gone and {strange} are wrong", expected.len()),
            ));
        }
    }
    Ok(())
}

/// Records on their way through the batches.
struct Checked<'f> {
    batch: Batch<(CustomerId, Slot, Name)>,
    found: &'f mut Verified,
}

impl Checked<'_> {
    fn account(&mut self, reader: &Reader<'_, impl Rows>, account: &Account) -> Result<(), Fault> {
        let mut missing: BTreeSet<_> = account.roll.entries().collect();
        let (from, to) = record_range(account.id, Slot::Customer, Slot::Replaced);
        reader.rows.rows(RECORDS, &from, Some(&to), &mut |key, row| {
            let Some((slot, name)) = record_parts(key) else {
                let what = format!("a row of customer {}", account.id);
                self.found.fault(Refused::vault(what, "it is no record of any kind"));
                return Ok(());
            };
            missing.remove(&(slot, name));
            let read = account
                .signed(&reader.ring, (slot, &name), row)
                .and_then(|signed| readable(reader, account, slot, &signed).map(|()| signed));
            match read {
                Ok(signed) => {
                    let found = &mut *self.found;
                    self.batch.push(signed, (account.id, slot, name), &mut |holds, what| {
                        count(found, holds, what);
                    });
                }
                Err(f) => self.found.fault(Refused::record(account.id, slot, &name, &f)),
            }
            Ok(())
        })?;
        for (slot, name) in missing {
            self.found.fault(Refused::record(account.id, slot, &name, &RecordFault::Missing));
        }
        Ok(())
    }

    fn finish(mut self) {
        let found = &mut *self.found;
        self.batch.finish(&mut |holds, what| count(found, holds, what));
    }
}

fn count(
    found: &mut Verified,
    holds: Result<(), RecordFault>,
    (id, slot, name): (CustomerId, Slot, Name),
) {
    if let Err(fault) = holds {
        found.fault(Refused::record(id, slot, &name, &fault));
        return;
    }
    match slot {
        Slot::Consent => found.consents += 1,
        Slot::Template => found.templates += 1,
        Slot::Order => found.orders += 1,
        Slot::Claim => found.claim_codes += 1,
        Slot::Roll | Slot::Customer | Slot::Replaced => {}
    }
}

/// Whether the payload is a record of its slot's kind.
fn readable(
    reader: &Reader<'_, impl Rows>,
    account: &Account,
    slot: Slot,
    signed: &Signed,
) -> Result<(), RecordFault> {
    let trust = &reader.ring.signers.trust;
    match slot {
        Slot::Roll => Err(RecordFault::Planted),
        Slot::Customer => trust.read::<Customer>(account.id, signed).map(drop),
        Slot::Consent => trust.read::<Consent>(account.id, signed).map(drop),
        Slot::Template => trust.read::<Template>(account.id, signed).map(drop),
        Slot::Claim => trust.read::<Claim>(account.id, signed).map(drop),
        Slot::Order => trust.read::<Order>(account.id, signed).map(drop),
        Slot::Replaced => trust.read::<ReplacedOrder>(account.id, signed).map(drop),
    }
}

/// Records of customers who have no key.
fn without_account(reader: &Reader<'_, impl Rows>, found: &mut Verified) -> Result<(), Fault> {
    let mut current = None;
    reader.rows.rows(RECORDS, &[], None, &mut |key, _| {
        let id = leading_customer(key);
        if id == current {
            return Ok(());
        }
        current = id;
        match id {
            Some(id) if reader.rows.row(ACCOUNTS, &customer_key(id))?.is_some() => {}
            Some(id) => found.fault(Refused::account(id, &RecordFault::Missing)),
            None => found.fault(Refused::vault("a row of the records", "it is nobody's")),
        }
        Ok(())
    })
}
