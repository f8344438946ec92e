//! Verification of the whole vault.

use std::collections::BTreeSet;

use instored_domain::{Consent, ConsentTextHash, Customer, CustomerId, Order, Template};
use redb::TableHandle;
use serde::{Deserialize, Serialize};

use crate::account::{Account, Reader};
use crate::audit;
use crate::catalogue;
use crate::error::{TransactionError, VaultError};
use crate::manifest::{Manifest, MultisetHash};
use crate::outbox::OutgoingMessage;
use crate::record::{BatchVerifier, Claim, ReplacedOrder, SignedMessage};
use crate::record_error::RecordError;
use crate::record_key::{
    RecordKind, RecordName, customer_key, leading_customer, record_parts, record_range,
};
use crate::schema::{
    ACCOUNTS, CODES, CONSENT_TEXTS, ORDER_IDS, PRODUCTS, RECORDS, Rows, TOMBSTONES,
};
use crate::templates::check_hash;
use crate::vault::Vault;
use crate::verified::Rejected;

/// Numbers of valid records, and all faults of the vault.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VerificationReport {
    /// Number of changes since the vault was created. An older copy has fewer changes.
    pub changes: u64,
    /// Number of customers.
    pub customers: u64,
    /// Number of valid consents.
    pub consents: u64,
    /// Number of valid templates.
    pub templates: u64,
    /// Number of valid orders.
    pub orders: u64,
    /// Number of valid claim codes.
    pub claim_codes: u64,
    /// Number of valid products.
    pub products: u64,
    /// Number of customers who were forgotten.
    pub forgotten: u64,
    /// Number of entries of the audit log.
    pub audit_entries: u64,
    /// A message with a remedy for each fault.
    pub faults: Vec<String>,
}

impl VerificationReport {
    fn reject(&mut self, rejected: Rejected) {
        self.faults.push(rejected.to_string());
    }

    /// Counts a valid record, or reports an invalid record.
    fn count(
        &mut self,
        result: Result<(), RecordError>,
        (id, kind, name): (CustomerId, RecordKind, RecordName),
    ) {
        if let Err(error) = result {
            self.reject(Rejected::record(id, kind, &name, &error));
            return;
        }
        match kind {
            RecordKind::Consent => self.consents += 1,
            RecordKind::Template => self.templates += 1,
            RecordKind::Order => self.orders += 1,
            RecordKind::Claim => self.claim_codes += 1,
            RecordKind::Index
            | RecordKind::Customer
            | RecordKind::Replaced
            | RecordKind::Outgoing => {}
        }
    }
}

impl Vault {
    /// Verifies the whole vault:
    ///
    /// - encryption, signature and row of each record,
    /// - the record indexes and the lookup tables against the records,
    /// - the manifest against the record indexes,
    /// - the consent texts against their hashes and the consents,
    /// - the MACs of the catalogue and the chain of the audit log.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn verify(&self) -> Result<VerificationReport, VaultError> {
        let mut report = self.read(verify)?;
        report.faults.splice(0..0, self.warnings.iter().map(ToString::to_string));
        Ok(report)
    }
}

/// Verifies one state of the vault.
pub(crate) fn verify(
    reader: &Reader<'_, impl Rows>,
) -> Result<VerificationReport, TransactionError> {
    let mut report = VerificationReport {
        changes: reader.manifest.changes,
        forgotten: reader.rows.count(TOMBSTONES)?,
        ..VerificationReport::default()
    };
    let keys = &reader.derived_keys;
    if let Err(TransactionError::Vault(error)) =
        Manifest::verify(reader.rows, &keys.manifest, &keys.signers)
    {
        report.reject(Rejected::vault("the manifest", error.to_string()));
    }
    verify_customers(reader, &mut report)?;
    report_orphans(reader, &mut report)?;
    reader.rows.rows(PRODUCTS, &[], None, &mut |key, row| {
        match catalogue::decode(&keys.catalogue, key, row) {
            Ok(_) => report.products += 1,
            Err(rejected) => report.reject(rejected),
        }
        Ok(())
    })?;
    let entries = &mut report.audit_entries;
    let faults = audit::read(reader.rows, &keys.audit, &reader.manifest, |_| *entries += 1)?;
    for fault in faults {
        report.reject(Rejected::vault("the audit log", fault));
    }
    Ok(report)
}

fn verify_customers(
    reader: &Reader<'_, impl Rows>,
    report: &mut VerificationReport,
) -> Result<(), TransactionError> {
    let mut hash = MultisetHash::default();
    let mut has_unreadable = false;
    let mut verifier =
        RecordVerifier { batch: BatchVerifier::new(), text_hashes: BTreeSet::new(), report };
    let mut codes = BTreeSet::new();
    let mut order_ids = BTreeSet::new();
    reader.accounts(|account| {
        verifier.report.customers += 1;
        let account = match account {
            Ok(account) => account,
            Err(rejected) => {
                has_unreadable = true;
                verifier.report.reject(rejected);
                return Ok(());
            }
        };
        hash.add(reader.index_element(&account));
        for (kind, name) in account.index.entries() {
            match kind {
                RecordKind::Claim | RecordKind::Consent => codes.insert((name, account.id)),
                RecordKind::Order | RecordKind::Replaced => order_ids.insert((name, account.id)),
                _ => continue,
            };
        }
        verifier.verify(reader, &account)
    })?;
    let text_hashes = verifier.verify_pending();
    verify_consent_texts(reader, text_hashes, report)?;
    if let Some(rejected) = check_hash(reader, hash, has_unreadable)? {
        report.reject(rejected);
    }
    for (table, mut missing) in [(CODES, codes), (ORDER_IDS, order_ids)] {
        let mut invalid = 0u64;
        reader.rows.rows(table, &[], None, &mut |key, row| {
            let entry = <RecordName>::try_from(key).ok().zip(leading_customer(row));
            let is_expected = entry.is_some_and(|entry| missing.remove(&entry));
            invalid += u64::from(!is_expected);
            Ok(())
        })?;
        if !has_unreadable && (invalid > 0 || !missing.is_empty()) {
            report.reject(Rejected::vault(
                format!("the lookup table {}", table.name()),
                format!("{} of its entries are missing and {invalid} are invalid", missing.len()),
            ));
        }
    }
    Ok(())
}

/// Verifier of customers' records in batches.
struct RecordVerifier<'r> {
    batch: BatchVerifier<(CustomerId, RecordKind, RecordName)>,
    /// Hashes of the texts of all consents.
    text_hashes: BTreeSet<ConsentTextHash>,
    report: &'r mut VerificationReport,
}

impl RecordVerifier<'_> {
    fn verify(
        &mut self,
        reader: &Reader<'_, impl Rows>,
        account: &Account,
    ) -> Result<(), TransactionError> {
        let mut missing: BTreeSet<_> = account.index.entries().collect();
        let (from, to) = record_range(account.id, RecordKind::Customer, RecordKind::Outgoing);
        reader.rows.rows(RECORDS, &from, Some(&to), &mut |key, row| {
            let report = &mut *self.report;
            let Some((kind, name)) = record_parts(key) else {
                let subject = format!("a row of customer {}", account.id);
                report.reject(Rejected::vault(subject, "its key is malformed"));
                return Ok(());
            };
            missing.remove(&(kind, name));
            let read = account
                .signed_message(&reader.derived_keys, kind, &name, row)
                .and_then(|signed| check_body(reader, account, kind, &signed).map(|()| signed));
            match read {
                Ok(signed) => {
                    if kind == RecordKind::Consent {
                        let trusted = &reader.derived_keys.signers.trusted;
                        let consent = trusted.decode::<Consent>(account.id, &signed);
                        self.text_hashes.extend(consent.ok().and_then(|c| c.text_hash));
                    }
                    self.batch.push(signed, (account.id, kind, name), &mut |result, record| {
                        report.count(result, record);
                    });
                }
                Err(error) => report.reject(Rejected::record(account.id, kind, &name, &error)),
            }
            Ok(())
        })?;
        for (kind, name) in missing {
            self.report.reject(Rejected::record(account.id, kind, &name, &RecordError::Missing));
        }
        Ok(())
    }

    /// Verifies the rest of the records, and returns the hashes of the texts of all consents.
    fn verify_pending(mut self) -> BTreeSet<ConsentTextHash> {
        let report = &mut *self.report;
        self.batch.verify_pending(&mut |result, record| report.count(result, record));
        self.text_hashes
    }
}

/// Checks each stored text against its hash, and that the text of each consent is stored.
fn verify_consent_texts(
    reader: &Reader<'_, impl Rows>,
    mut missing: BTreeSet<ConsentTextHash>,
    report: &mut VerificationReport,
) -> Result<(), TransactionError> {
    let mut invalid = 0u64;
    reader.rows.rows(CONSENT_TEXTS, &[], None, &mut |key, row| {
        let hash = str::from_utf8(row).ok().map(ConsentTextHash::of);
        match hash.filter(|hash| hash.as_bytes() == key) {
            Some(hash) => drop(missing.remove(&hash)),
            None => invalid += 1,
        }
        Ok(())
    })?;
    if invalid > 0 || !missing.is_empty() {
        report.reject(Rejected::vault(
            "the consent texts",
            format!("{} of them are missing and {invalid} are invalid", missing.len()),
        ));
    }
    Ok(())
}

/// Checks that the payload is a record of its kind.
fn check_body(
    reader: &Reader<'_, impl Rows>,
    account: &Account,
    kind: RecordKind,
    signed: &SignedMessage,
) -> Result<(), RecordError> {
    let trusted = &reader.derived_keys.signers.trusted;
    match kind {
        RecordKind::Index => Err(RecordError::Unlisted),
        RecordKind::Customer => trusted.decode::<Customer>(account.id, signed).map(drop),
        RecordKind::Consent => trusted.decode::<Consent>(account.id, signed).map(drop),
        RecordKind::Template => trusted.decode::<Template>(account.id, signed).map(drop),
        RecordKind::Claim => trusted.decode::<Claim>(account.id, signed).map(drop),
        RecordKind::Order => trusted.decode::<Order>(account.id, signed).map(drop),
        RecordKind::Replaced => trusted.decode::<ReplacedOrder>(account.id, signed).map(drop),
        RecordKind::Outgoing => trusted.decode::<OutgoingMessage>(account.id, signed).map(drop),
    }
}

/// Reports records whose customer has no row in `accounts`.
fn report_orphans(
    reader: &Reader<'_, impl Rows>,
    report: &mut VerificationReport,
) -> Result<(), TransactionError> {
    let mut current = None;
    reader.rows.rows(RECORDS, &[], None, &mut |key, _| {
        let id = leading_customer(key);
        if id == current {
            return Ok(());
        }
        current = id;
        match id {
            Some(id) if reader.rows.row(ACCOUNTS, &customer_key(id))?.is_some() => {}
            Some(id) => report.reject(Rejected::account(id, &RecordError::Missing)),
            None => {
                report.reject(Rejected::vault(
                    "a row of the table records",
                    "its key contains no customer id",
                ));
            }
        }
        Ok(())
    })
}
