//! The codes by which a customer can be named: for a while after the enrolment the claim code, and
//! the receipt as long as they are enrolled.

use instored_domain::{ClaimCode, Consent, ConsentReceipt, CustomerId};
use jiff::Timestamp;

use super::Vault;
use super::change::Change;
use super::error::{Fault, VaultError};
use super::record::Claim;
use super::schema::{CODES, Rows};
use super::slot::{Name, Slot, customer_key, leading_customer};

impl Vault {
    /// Whose claim code this is; `None` when nobody's, or no longer at `now`. A code may be used
    /// more than once until it expires.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the record does not verify.
    pub fn claim(
        &self,
        code: &ClaimCode,
        now: Timestamp,
    ) -> Result<Option<CustomerId>, VaultError> {
        self.read(|reader| {
            let tag = reader.ring.claim_tag(code);
            let Some(id) = reader.rows.row(CODES, &tag)?.and_then(|v| leading_customer(&v)) else {
                return Ok(None);
            };
            let Some(account) = reader.account(id)? else { return Ok(None) };
            let claim: Option<Claim> = reader.record(&account, Slot::Claim, &tag)??;
            Ok(claim.filter(|c| c.code == *code && c.expires > now).map(|_| id))
        })
    }

    /// Whose receipt this is.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the record does not verify.
    pub fn receipt(&self, receipt: &ConsentReceipt) -> Result<Option<CustomerId>, VaultError> {
        self.read(|reader| {
            let tag = reader.ring.receipt_tag(receipt);
            let Some(id) = reader.rows.row(CODES, &tag)?.and_then(|v| leading_customer(&v)) else {
                return Ok(None);
            };
            let Some(account) = reader.account(id)? else { return Ok(None) };
            let consent: Option<Consent> = reader.record(&account, Slot::Consent, &tag)??;
            Ok(consent.filter(|c| c.receipt == *receipt).map(|_| id))
        })
    }
}

/// Stores a consent under its receipt.
pub(super) fn put_receipt(change: &mut Change<'_>, consent: &Consent) -> Result<(), Fault> {
    let tag = change.reader.ring.receipt_tag(&consent.receipt);
    if change.tx().row(CODES, &tag)?.is_some() {
        return Err(VaultError::CodeTaken.into());
    }
    change.tx().put(CODES, &tag, &customer_key(consent.customer))?;
    change.put(consent.customer, Slot::Consent, &tag, consent)
}

/// Stores a claim code; one that had expired at `now` is taken from whoever held it. A record that
/// does not verify keeps its code out of use.
pub(super) fn put_claim(
    change: &mut Change<'_>,
    id: CustomerId,
    claim: &Claim,
    now: Timestamp,
) -> Result<(), Fault> {
    let tag: Name = change.reader.ring.claim_tag(&claim.code);
    if let Some(row) = change.tx().row(CODES, &tag)? {
        let holder = leading_customer(&row).ok_or(VaultError::CodeTaken)?;
        let held = match change.account(holder) {
            Ok(Some(_)) => change.get::<Claim>(holder, Slot::Claim, &tag),
            Ok(None) => Ok(None),
            Err(fault) => Err(fault),
        };
        match held {
            Ok(Some(held)) if held.expires <= now => change.remove(holder, Slot::Claim, &tag)?,
            Ok(_) | Err(Fault::Vault(_)) => return Err(VaultError::CodeTaken.into()),
            Err(fault) => return Err(fault),
        }
    }
    change.tx().put(CODES, &tag, &customer_key(id))?;
    change.put(id, Slot::Claim, &tag, claim)
}

/// Throws out the claim codes of a customer that had expired at `now`. One that does not verify
/// stays, and keeps its code out of use.
pub(super) fn drop_expired(
    change: &mut Change<'_>,
    id: CustomerId,
    now: Timestamp,
) -> Result<(), Fault> {
    let Some(account) = change.account(id)? else { return Ok(()) };
    for tag in account.roll.names(Slot::Claim).collect::<Vec<_>>() {
        match change.get::<Claim>(id, Slot::Claim, &tag) {
            Ok(Some(claim)) if claim.expires <= now => {
                change.remove(id, Slot::Claim, &tag)?;
                change.tx().remove(CODES, &tag)?;
            }
            Ok(_) | Err(Fault::Vault(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}
