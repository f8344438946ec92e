//! What can go wrong with the vault.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::CustomerId;

use super::loaded::Refused;

/// Why the vault could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum VaultError {
    #[error("cannot {doing} the key file {path}: {source}")]
    KeyFile { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "the key file {path} can be read by others (mode {mode:03o}): run `chmod 600 {path}`, and \
         consider the key known if others had access"
    )]
    KeyMode { path: PathBuf, mode: u32 },
    #[error(
        "the key file {path} is not a key of 32 bytes: put the right file back; a new key cannot \
         open the old vault"
    )]
    KeyLength { path: PathBuf },
    #[error("the vault {path} is in use by another instored; stop it, or let it do the work")]
    InUse { path: PathBuf },
    #[error("cannot open the vault {path}: {source}; check that its folder exists and is yours")]
    Open { path: PathBuf, source: io::Error },
    #[error(
        "the vault {path} is damaged ({detail}): put a backup in its place, or move it away to \
         start empty"
    )]
    Damaged { path: PathBuf, detail: String },
    #[error("the vault {path} has format {found}, which this version cannot read: update instored")]
    Format { path: PathBuf, found: u8 },
    #[error(
        "the vault {path} belongs to the box `{theirs}`, this is `{ours}`: set the box id back, \
         or move the vault away to start empty"
    )]
    OtherBox { path: PathBuf, theirs: String, ours: String },
    #[error(
        "the vault {path} was written with the key {theirs}, this box has {ours}: put the old key \
         file back, or move the vault away to start empty"
    )]
    OtherKey { path: PathBuf, theirs: String, ours: String },
    #[error("the vault {path} could not be read or written: {source}; check the disk")]
    Storage { path: PathBuf, source: Box<redb::Error> },
    #[error("{0}")]
    Refused(Refused),
    #[error("an enrolment of customer {0} without a template: nothing was stored")]
    NoTemplates(CustomerId),
    #[error("customer {0} is enrolled already: forget them first, or use another id")]
    AlreadyEnrolled(CustomerId),
    #[error("the claim code is in use: draw another one")]
    ClaimTaken,
    #[error("a record could not be written as CBOR: {0}")]
    Encode(String),
    #[error(
        "the customer is forgotten, but traces may remain in the file {path} until the vault is \
         opened again: {source}"
    )]
    TracesRemain { path: PathBuf, source: Box<VaultError> },
}

/// A failure inside a transaction, before it is known on which file.
pub(super) enum Fault {
    /// redb said so.
    Storage(redb::Error),
    /// The vault said so.
    Vault(VaultError),
}

impl Fault {
    /// The failure as callers see it.
    pub(super) fn at(self, path: &Path) -> VaultError {
        match self {
            Self::Vault(error) => error,
            Self::Storage(redb::Error::Corrupted(detail)) => {
                VaultError::Damaged { path: path.to_owned(), detail }
            }
            Self::Storage(source) => {
                VaultError::Storage { path: path.to_owned(), source: Box::new(source) }
            }
        }
    }
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Storage(error.into())
            }
        }
    )*};
}
from_redb!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError);
