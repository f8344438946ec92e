//! What can go wrong with the vault.

use std::io;
use std::path::{Path, PathBuf};

use instored_domain::CustomerId;

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
    #[error(
        "the vault {vault} is there and its key {path} is not: put the key file back; a new key \
         cannot open the old vault"
    )]
    KeyMissing { path: PathBuf, vault: PathBuf },
    #[error(
        "the key comes from the credential {name}: give the service a credential {name}.next too, \
         restart it, and rotate then"
    )]
    RotateCredential { name: &'static str },
    #[error("the vault {path} is in use by another instored; stop it, or let it do the work")]
    InUse { path: PathBuf },
    #[error("cannot open the vault {path}: {source}; check that its folder exists and is yours")]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot read or write {path}, which belongs to the vault: {source}; check the disk")]
    Sidecar { path: PathBuf, source: io::Error },
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
    #[error(
        "the vault {path} does not open with this box's vault key: put the right key file back, or \
         move the vault away to start empty"
    )]
    OtherVaultKey { path: PathBuf },
    #[error(
        "the vault {path} is a copy from before somebody was forgotten, and the key it needs was \
         destroyed then: move it away, start, and restore a backup"
    )]
    Unwrappable { path: PathBuf },
    #[error(
        "the vault's manifest cannot be used ({0}): nothing in it can be trusted; move the vault \
         away, start, and restore a backup"
    )]
    Manifest(String),
    #[error("the disk of {path} is full: nothing was stored; make room and ask again")]
    Full { path: PathBuf },
    #[error("the vault {path} could not be read or written: {source}; check the disk")]
    Storage { path: PathBuf, source: Box<redb::Error> },
    #[error("{0}")]
    Refused(Refused),
    #[error("an enrolment of customer {0} without a template: nothing was stored")]
    NoTemplates(CustomerId),
    #[error("customer {0} is enrolled already: forget them first, or use another id")]
    AlreadyEnrolled(CustomerId),
    #[error("the claim code or the receipt is in use: draw another one")]
    CodeTaken,
    #[error("a record could not be written as CBOR: {0}")]
    Encode(String),
    #[error("cannot {doing} the backup: {source}")]
    BackupFile { doing: &'static str, source: io::Error },
    #[error("this is no backup of instored, or one of a newer version")]
    NoBackup,
    #[error("a backup's passphrase has at least {0} characters")]
    Passphrase(usize),
    #[error(
        "the backup does not open: the passphrase is not the one it was made with, or the file's \
         beginning is damaged"
    )]
    BackupLocked,
    #[error("the backup is damaged or cut short: nothing was restored; take another copy of it")]
    BackupDamaged,
    #[error(
        "the backup was signed with the key {0}, which is not this box's: if you trust it, name \
         the key when you restore"
    )]
    BackupSigner(String),
}

/// A failure inside a transaction, before it is known on which file.
pub(super) enum Fault {
    /// redb said so.
    Storage(redb::Error),
    /// The vault said so.
    Vault(VaultError),
}

impl Fault {
    /// Whether the disk failed, after which redb has to be opened anew.
    pub(super) fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::Storage(redb::Error::Io(_) | redb::Error::PreviousIo))
    }

    /// The failure as callers see it.
    pub(super) fn at(self, path: &Path) -> VaultError {
        let path = path.to_owned();
        match self {
            Self::Vault(error) => error,
            Self::Storage(redb::Error::Corrupted(detail)) => VaultError::Damaged { path, detail },
            Self::Storage(redb::Error::Io(e)) if e.kind() == io::ErrorKind::StorageFull => {
                VaultError::Full { path }
            }
            Self::Storage(source) => VaultError::Storage { path, source: Box::new(source) },
        }
    }
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Vault(VaultError::Refused(refused))
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
