//! The audit log: what was done to the vault, when and by what means, each entry holding the digest
//! of the one before, the newest held by the manifest.
//!
//! An entry names a customer by a word made with that customer's own key, which is gone when they
//! are: afterwards nobody can tell whom an entry was about. Visits are not in it; when customers
//! come and go is nobody's business.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{Fault, VaultError};
use super::fault::RecordFault;
use super::manifest::Manifest;
use super::record::cbor;
use super::schema::{AUDIT, Rows, place};
use super::secret::Secret;
use super::storage::Tx;

/// Entries that are kept; older ones go.
const KEPT: u64 = 50_000;

/// When something was asked for, and by what means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// By what means.
    pub by: Means,
}

/// Words that are the same in the log and on the screen.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum $name {
            $($(#[$what])* #[serde(rename = $word)] $variant,)*
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $word,)*
                })
            }
        }
    };
}

words! {
    /// The means by which something is done to the vault.
    Means {
        /// The button at the entrance.
        Button = "button",
        /// A command over MQTT: a till, a display, the home automation.
        Command = "command",
        /// The command line.
        Operator = "operator",
        /// The time after which customers are forgotten by themselves.
        Retention = "retention",
        /// The camera: somebody came in.
        Camera = "camera",
    }
}

words! {
    /// What was done.
    Done {
        Made = "made",
        Enrolled = "enrolled",
        Renamed = "renamed",
        Preferences = "preferences",
        Orders = "orders",
        Products = "products",
        Forgotten = "forgotten",
        RotationBegun = "rotation-begun",
        RotationEnded = "rotation-ended",
        BackedUp = "backed-up",
        Restored = "restored",
        /// The vault was found to be older than this box had seen it.
        FoundOlder = "found-older",
    }
}

/// An entry of the audit log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// Its number, from 0.
    pub number: u64,
    /// When, and by what means.
    #[serde(flatten)]
    pub act: Act,
    /// What was done.
    pub done: Done,
    /// To how many records.
    pub records: u64,
    /// Whose, as a word that ceases to mean anyone when they are forgotten; absent when nobody's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub whose: Option<String>,
}

/// An entry with the digest of the one before.
#[derive(Serialize, Deserialize)]
struct Link {
    entry: AuditEntry,
    before: [u8; 32],
}

/// Writes one entry; `manifest` then holds it.
pub(super) fn append(
    txn: &Tx,
    secret: &Secret,
    manifest: &mut Manifest,
    (act, done, records, whose): (Act, Done, u64, Option<String>),
) -> Result<(), Fault> {
    let number = manifest.audit_next;
    let entry = AuditEntry { number, act, done, records, whose };
    let link = cbor(&Link { entry, before: manifest.audit_head })?;
    let key = number.to_be_bytes();
    let sealed = secret.seal(&place(AUDIT, &key), &link)?;
    txn.put(AUDIT, &key, &sealed)?;
    if let Some(old) = number.checked_sub(KEPT) {
        txn.remove(AUDIT, &old.to_be_bytes())?;
    }
    manifest.audit_head = Sha256::digest(&*link).into();
    manifest.audit_next += 1;
    Ok(())
}

/// Shows the entries, oldest first, and gives back a sentence for each that is not as it was
/// written.
pub(super) fn read(
    rows: &impl Rows,
    secret: &Secret,
    manifest: &Manifest,
    mut visit: impl FnMut(AuditEntry),
) -> Result<Vec<String>, Fault> {
    let mut faults = Vec::new();
    let mut expected = manifest.audit_next.saturating_sub(KEPT);
    let mut head = None;
    rows.rows(AUDIT, &[], None, &mut |key, value| {
        let opened = secret.open(&place(AUDIT, key), value).and_then(|bytes| {
            let link: Link =
                ciborium::from_reader(bytes.as_slice()).map_err(|_| RecordFault::Malformed)?;
            Ok((link, Sha256::digest(&*bytes).into()))
        });
        let (link, digest): (Link, [u8; 32]) = match opened {
            Ok(opened) => opened,
            Err(fault) => {
                faults.push(format!("the entry {expected} of the audit log: {fault}"));
                (expected, head) = (expected + 1, None);
                return Ok(());
            }
        };
        let gap = link.entry.number != expected;
        if gap || head.is_some_and(|head| head != link.before) {
            let number = link.entry.number;
            faults
                .push(format!("entries of the audit log before {number} were changed or removed"));
        }
        (expected, head) = (link.entry.number + 1, Some(digest));
        visit(link.entry);
        Ok(())
    })?;
    let complete = expected == manifest.audit_next
        && (manifest.audit_next == 0 || head.is_none_or(|head| head == manifest.audit_head));
    if !complete {
        faults.push("the newest entries of the audit log were changed or removed".into());
    }
    Ok(faults)
}

impl super::Vault {
    /// The newest `limit` entries of the audit log, oldest first.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn audit_log(&self, limit: usize) -> Result<Vec<AuditEntry>, VaultError> {
        self.read(|reader| {
            let mut entries = std::collections::VecDeque::new();
            read(reader.rows, &reader.ring.audit, &reader.manifest, |entry| {
                if entries.len() == limit {
                    entries.pop_front();
                }
                entries.push_back(entry);
            })?;
            Ok(entries.into())
        })
    }
}
