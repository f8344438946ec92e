//! Claim codes: for a while after the enrolment, a till may name the customer by one.

use jiff::Timestamp;
use redb::{ReadableTable, Table};

use crate::domain::{ClaimCode, CustomerId};

use super::Vault;
use super::error::{Fault, VaultError};
use super::loaded::Refused;
use super::record::{Claim, Seal};
use super::schema::{CLAIMS, claim_parts, with_prefix};

impl Vault {
    /// Whose code this is; `None` when nobody's, or no longer at `now`. A code may be used more
    /// than once until it expires.
    ///
    /// # Errors
    /// [`VaultError::Refused`] when the record does not verify.
    pub fn claim(
        &self,
        code: &ClaimCode,
        now: Timestamp,
    ) -> Result<Option<CustomerId>, VaultError> {
        self.storage.read(|txn| {
            let table = txn.open_table(CLAIMS)?;
            let Some(entry) = with_prefix(&table, code.as_bytes())?.next() else { return Ok(None) };
            let (key, value) = entry?;
            let claim =
                read_claim(&self.seal, key.value(), value.value()).map_err(VaultError::Refused)?;
            Ok((claim.expires > now).then_some(claim.customer))
        })
    }
}

pub(super) fn read_claim(seal: &Seal, key: &[u8], value: &[u8]) -> Result<Claim, Refused> {
    seal.verify(key, value).map_err(|fault| {
        let whose = claim_parts(key)
            .map_or_else(|| "an unknown customer".into(), |(_, id)| format!("customer {id}"));
        Refused::person(format!("claim code of {whose}"), &fault)
    })
}

pub(super) fn is_taken(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    code: &ClaimCode,
) -> Result<bool, Fault> {
    Ok(with_prefix(table, code.as_bytes())?.next().transpose()?.is_some())
}

/// Throws out the codes that had expired at `now`. A record that does not verify stays, and keeps
/// its code out of use.
pub(super) fn drop_expired(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    seal: &Seal,
    now: Timestamp,
) -> Result<(), Fault> {
    Ok(table.retain(|key, value| {
        read_claim(seal, key, value).map_or(true, |claim| claim.expires > now)
    })?)
}
