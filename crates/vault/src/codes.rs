//! Claim codes and receipts, by which a customer is identified without a face.
//!
//! A claim code expires some time after the enrolment. A receipt is valid as long as the customer
//! is enrolled.

use instored_domain::{ClaimCode, Consent, ConsentReceipt, CustomerId};
use jiff::Timestamp;

use crate::account::{Account, Reader};
use crate::error::{TransactionError, VaultError};
use crate::record::Claim;
use crate::record_key::{RecordKind, RecordName, customer_key, leading_customer};
use crate::schema::{CODES, Rows};
use crate::vault::Vault;
use crate::write_transaction::WriteTransaction;

impl Vault {
    /// Returns the customer of a claim code, or `None` if the code is unknown or expired at `now`.
    /// A code can be used repeatedly until it expires.
    ///
    /// # Errors
    /// [`VaultError::Rejected`] if the record does not verify.
    pub fn customer_by_claim_code(
        &self,
        code: &ClaimCode,
        now: Timestamp,
    ) -> Result<Option<CustomerId>, VaultError> {
        self.read(|reader| {
            let tag = reader.derived_keys.claim_tag(code);
            let Some(account) = holder(reader, &tag)? else { return Ok(None) };
            let claim: Option<Claim> = reader.record(&account, RecordKind::Claim, &tag)??;
            Ok(claim.filter(|c| c.code == *code && c.expires > now).map(|_| account.id))
        })
    }

    /// Returns the customer of a receipt, or `None` if the receipt is unknown.
    ///
    /// # Errors
    /// [`VaultError::Rejected`] if the record does not verify.
    pub fn customer_by_receipt(
        &self,
        receipt: &ConsentReceipt,
    ) -> Result<Option<CustomerId>, VaultError> {
        self.read(|reader| {
            let tag = reader.derived_keys.receipt_tag(receipt);
            let Some(account) = holder(reader, &tag)? else { return Ok(None) };
            let consent: Option<Consent> = reader.record(&account, RecordKind::Consent, &tag)??;
            Ok(consent.filter(|c| c.receipt == *receipt).map(|_| account.id))
        })
    }
}

/// Returns the customer to whom the table `codes` assigns a tag.
fn holder(
    reader: &Reader<'_, impl Rows>,
    tag: &RecordName,
) -> Result<Option<Account>, TransactionError> {
    match reader.rows.row(CODES, tag)?.and_then(|row| leading_customer(&row)) {
        Some(id) => reader.account(id),
        None => Ok(None),
    }
}

/// Stores a consent under its receipt.
pub(crate) fn put_receipt(
    transaction: &mut WriteTransaction<'_>,
    consent: &Consent,
) -> Result<(), TransactionError> {
    let tag = transaction.reader.derived_keys.receipt_tag(&consent.receipt);
    if transaction.tx().row(CODES, &tag)?.is_some() {
        return Err(VaultError::CodeTaken.into());
    }
    transaction.tx().put(CODES, &tag, &customer_key(consent.customer))?;
    transaction.put(consent.customer, RecordKind::Consent, &tag, consent)
}

/// Stores a claim code. If another customer has the code and it has expired at `now`, that customer
/// loses it. A code whose record does not verify cannot be stored again.
pub(crate) fn put_claim(
    transaction: &mut WriteTransaction<'_>,
    id: CustomerId,
    claim: &Claim,
    now: Timestamp,
) -> Result<(), TransactionError> {
    let tag = transaction.reader.derived_keys.claim_tag(&claim.code);
    if let Some(row) = transaction.tx().row(CODES, &tag)? {
        let holder = leading_customer(&row).ok_or(VaultError::CodeTaken)?;
        let held_claim = match transaction.account(holder) {
            Ok(Some(_)) => transaction.get::<Claim>(holder, RecordKind::Claim, &tag),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        match held_claim {
            Ok(Some(claim)) if claim.expires <= now => {
                transaction.remove(holder, RecordKind::Claim, &tag)?;
            }
            Ok(_) | Err(TransactionError::Vault(_)) => return Err(VaultError::CodeTaken.into()),
            Err(error) => return Err(error),
        }
    }
    transaction.tx().put(CODES, &tag, &customer_key(id))?;
    transaction.put(id, RecordKind::Claim, &tag, claim)
}
