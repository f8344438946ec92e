//! Encrypted, signed storage of customers, consents, templates, orders and the catalogue on redb.
//!
//! | area | modules |
//! |---|---|
//! | API of [`Vault`] | `vault`, `open`, `customers`, `codes`, `templates`, `orders`, `catalogue`, `forget`, `outbox`, `start_number`, `export`, `backup`, `restore`, `rotation`, `verification`, `audit` |
//! | transactions | `storage` (redb file), `schema` (tables), `account` (reads), `write_transaction` (writes) |
//! | records | `record` (signatures), `record_key`, `record_index`, `record_error`, `verified` |
//! | integrity of the whole vault | `manifest`, `rollback_guard` |
//! | keys | `keys` (key files and credentials), `signing_key`, `key_endorsement`, `symmetric_key`, `derived_keys`, `key_encryption_key` |
//! | files | `files`, `encrypted_file`, `reserve` |
//!
//! Rules:
//! 1. Every record is signed with the box's signing key and encrypted under its customer's key.
//! 2. A signed manifest covers all records: a changed, moved, removed or outdated record is
//!    detected.
//! 3. An invalid record is rejected; all valid records are still returned.
//! 4. One operation is one durable commit.
//! 5. Templates are stored only together with a consent.
//!
//! `docs/vault-format.md` specifies the stored format, `docs/security.md` the threat model.

#![forbid(unsafe_code)]

mod account;
mod audit;
mod backup;
mod catalogue;
mod codes;
mod consent_texts;
mod customers;
mod derived_keys;
mod encrypted_file;
mod error;
mod export;
mod files;
mod forget;
#[cfg(fuzzing)]
pub mod fuzzing;
mod key_encryption_key;
mod key_endorsement;
mod keys;
mod manifest;
mod migration;
mod open;
mod orders;
mod outbox;
mod record;
mod record_error;
mod record_index;
mod record_key;
mod reserve;
mod restore;
mod rollback_guard;
mod rotation;
mod schema;
mod signing_key;
mod start_number;
mod storage;
mod symmetric_key;
mod templates;
#[cfg(test)]
mod tests;
mod vault;
mod verification;
mod verified;
mod write_transaction;

pub use audit::{Actor, AuditAction, AuditContext, AuditEntry};
pub use backup::BackupSummary;
pub use customers::NewEnrolment;
pub use encrypted_file::Passphrase;
pub use error::VaultError;
pub use export::{Export, ExportedClaim, ExportedTemplate};
pub use key_endorsement::KeyEndorsement;
pub use keys::{KeyLocations, KeyStore};
pub use outbox::OutboxEntry;
pub use restore::{RestoreSummary, check_backup};
pub use rotation::RotationSummary;
pub use signing_key::SigningKey;
pub use start_number::lowest_start_number;
pub use vault::Vault;
pub use verification::VerificationReport;
pub use verified::{Rejected, Verified};
