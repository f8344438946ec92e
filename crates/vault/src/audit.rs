//! Audit log: actions on the vault with time, actor and number of records.
//!
//! Each entry contains the digest of the previous entry, and the manifest contains the digest of
//! the newest entry. An entry identifies a customer by a tag, which is computed with the customer's
//! key. After the key is destroyed, nobody can link the entry to the customer. Visits are not
//! logged, because the log must not reveal the movements of customers.

use std::collections::VecDeque;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{TransactionError, VaultError};
use crate::manifest::Manifest;
use crate::record::cbor;
use crate::record_error::RecordError;
use crate::schema::{AUDIT, Rows, aad};
use crate::storage::JournaledTransaction;
use crate::symmetric_key::SymmetricKey;
use crate::vault::Vault;

/// Maximum number of entries. The oldest entries are removed.
const ENTRIES_MAX: u64 = 50_000;

/// Time and actor of an action.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditContext {
    /// Time of the request.
    pub at: Timestamp,
    /// Actor that requested the action.
    #[serde(rename = "by")]
    pub actor: Actor,
}

/// Defines an enum whose variants have the same name when serialised and when displayed.
macro_rules! named_variants {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $text,)*
                })
            }
        }
    };
}

named_variants! {
    /// Origin of an action on the vault.
    Actor {
        /// Button at the entrance.
        Button = "button",
        /// MQTT command of a till, a display or home automation.
        Command = "command",
        /// Command line.
        Operator = "operator",
        /// Deletion at the end of the retention period.
        Retention = "retention",
        /// Camera that recognised a customer.
        Camera = "camera",
    }
}

named_variants! {
    /// Action on the vault.
    AuditAction {
        /// The vault was created.
        Created = "made",
        /// A customer was enrolled.
        Enrolled = "enrolled",
        /// A customer's name was changed.
        Renamed = "renamed",
        /// A customer's preferences were changed.
        Preferences = "preferences",
        /// Orders were added.
        Orders = "orders",
        /// Orders were deleted at the end of their storage period.
        OrdersExpired = "orders-expired",
        /// Products were added, changed or removed.
        Products = "products",
        /// A customer was forgotten.
        Forgotten = "forgotten",
        /// Customers who have not visited were marked for deletion.
        MarkedDue = "marked-due",
        /// A rotation of the keys started.
        RotationBegun = "rotation-begun",
        /// A rotation of the keys ended.
        RotationEnded = "rotation-ended",
        /// A backup was written.
        BackedUp = "backed-up",
        /// A backup was restored.
        Restored = "restored",
        /// The vault was older than its rollback guard.
        FoundOlder = "found-older",
    }
}

/// Entry of the audit log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// Number of the entry, from 0.
    pub number: u64,
    /// Time and actor.
    #[serde(flatten)]
    pub context: AuditContext,
    /// Action.
    #[serde(rename = "done")]
    pub action: AuditAction,
    /// Number of affected records.
    pub records: u64,
    /// Tag of the affected customer. Nobody can link the tag to the customer after the customer is
    /// forgotten. Absent if the action deleted the customer or did not affect exactly one customer.
    #[serde(rename = "whose", skip_serializing_if = "Option::is_none", default)]
    pub customer_tag: Option<String>,
}

/// Stored form of an entry, with the digest of the previous entry.
#[derive(Serialize, Deserialize)]
struct ChainedEntry {
    entry: AuditEntry,
    #[serde(rename = "before")]
    previous: [u8; 32],
}

/// Writes an entry and updates the manifest.
pub(crate) fn append(
    txn: &JournaledTransaction,
    key: &SymmetricKey,
    manifest: &mut Manifest,
    context: AuditContext,
    (action, records, customer_tag): (AuditAction, u64, Option<String>),
) -> Result<(), TransactionError> {
    let number = manifest.audit_next;
    let entry = AuditEntry { number, context, action, records, customer_tag };
    let chained = cbor(&ChainedEntry { entry, previous: manifest.audit_head })?;
    let row_key = number.to_be_bytes();
    txn.put(AUDIT, &row_key, &key.seal(&aad(AUDIT, &row_key), &chained)?)?;
    if let Some(old) = number.checked_sub(ENTRIES_MAX) {
        txn.remove(AUDIT, &old.to_be_bytes())?;
    }
    manifest.audit_head = Sha256::digest(&*chained).into();
    manifest.audit_next += 1;
    Ok(())
}

/// Visits the entries, oldest first, and returns a message for each entry that was changed or
/// removed.
pub(crate) fn read(
    rows: &impl Rows,
    key: &SymmetricKey,
    manifest: &Manifest,
    mut visit: impl FnMut(AuditEntry),
) -> Result<Vec<String>, TransactionError> {
    let mut faults = Vec::new();
    let mut expected = manifest.audit_next.saturating_sub(ENTRIES_MAX);
    let mut last_digest = None;
    rows.rows(AUDIT, &[], None, &mut |row_key, row| {
        let opened = key.open(&aad(AUDIT, row_key), row).and_then(|bytes| {
            let chained: ChainedEntry =
                ciborium::from_reader(bytes.as_slice()).map_err(|_| RecordError::Malformed)?;
            Ok((chained, Sha256::digest(&*bytes).into()))
        });
        let (chained, digest): (ChainedEntry, [u8; 32]) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                faults.push(format!("entry {expected}: {error}"));
                (expected, last_digest) = (expected + 1, None);
                return Ok(());
            }
        };
        let number = chained.entry.number;
        if number != expected || last_digest.is_some_and(|last| last != chained.previous) {
            faults.push(format!("entries before {number} were changed or removed"));
        }
        (expected, last_digest) = (number + 1, Some(digest));
        visit(chained.entry);
        Ok(())
    })?;
    let is_complete = expected == manifest.audit_next
        && (manifest.audit_next == 0 || last_digest.is_none_or(|last| last == manifest.audit_head));
    if !is_complete {
        faults.push("the newest entries were changed or removed".into());
    }
    Ok(faults)
}

impl Vault {
    /// Returns the newest `limit` entries of the audit log, oldest first.
    ///
    /// # Errors
    /// If the vault cannot be read.
    pub fn audit_log(&self, limit: usize) -> Result<Vec<AuditEntry>, VaultError> {
        self.read(|reader| {
            let mut entries = VecDeque::new();
            read(reader.rows, &reader.derived_keys.audit, &reader.manifest, |entry| {
                if entries.len() == limit {
                    entries.pop_front();
                }
                entries.push_back(entry);
            })?;
            Ok(entries.into())
        })
    }
}
