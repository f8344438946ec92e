//! Errors of the vault.

use std::io;
use std::path::{Path, PathBuf};

use instored_domain::CustomerId;

use crate::verified::Rejected;

/// Remedy if a vault cannot be opened any more.
const START_ANEW: &str = "move the vault away, run `instored vault create --discard-old`, and restore \
                          a backup";

/// Error of an operation on the vault, its keys or its backups.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("cannot {action} the key file {path}: {source}")]
    KeyFile { action: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "other users can read the key file {path} (mode {mode:03o}): run `chmod 600 {path}`, and \
         rotate the keys if others had access"
    )]
    KeyMode { path: PathBuf, mode: u32 },
    #[error(
        "the key file {path} does not have 32 bytes: put the right file back; a new key cannot \
         open the existing vault"
    )]
    KeyLength { path: PathBuf },
    #[error(
        "the key {path} of the existing vault {vault} is missing: put the key file back; a new key \
         cannot open the vault"
    )]
    KeyMissing { path: PathBuf, vault: PathBuf },
    #[error(
        "cannot rotate the key of the credential {name}: the credential {name}.next is missing; \
         add it to the service, restart the service, and rotate again"
    )]
    RotateCredential { name: &'static str },
    #[error("the vault {path} is in use by another instored: stop that process")]
    InUse { path: PathBuf },
    #[error(
        "cannot open the vault {path}: {source}; check that its folder exists and that you may \
         write to it"
    )]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot read or write the vault's file {path}: {source}; check the disk")]
    Sidecar { path: PathBuf, source: io::Error },
    #[error(
        "the vault {path} is missing, and {sidecar} belongs to it: bring the vault's file back, or \
         give up its customers by `instored vault create --discard-old`"
    )]
    Missing { path: PathBuf, sidecar: PathBuf },
    #[error("there is a vault at {path}: move it away first, and keep it until it is not needed")]
    Exists { path: PathBuf },
    #[error("the vault {path} is damaged ({detail}): {}", START_ANEW)]
    Damaged { path: PathBuf, detail: String },
    #[error(
        "cannot open the vault {path}: this version does not support its format {found}; update \
         instored"
    )]
    Format { path: PathBuf, found: u8 },
    #[error(
        "the vault {path} belongs to the box `{found}`, and this box is `{expected}`: set the box id \
         back, or {}",
        START_ANEW
    )]
    OtherBox { path: PathBuf, found: String, expected: String },
    #[error(
        "the vault {path} is signed with the key {found}, and this box has the key {expected}: put \
         the old key file back, or {}",
        START_ANEW
    )]
    OtherSigningKey { path: PathBuf, found: String, expected: String },
    #[error(
        "this box's vault key does not open the vault {path}: put the right key file back, or {}",
        START_ANEW
    )]
    OtherVaultKey { path: PathBuf },
    #[error(
        "the vault {path} is a copy from before a customer was forgotten, and its key-encryption \
         key was destroyed: put the newest copy back, or {}",
        START_ANEW
    )]
    OlderCopy { path: PathBuf },
    #[error(
        "the file {path} with the key-encryption key of the vault is missing: put it back, or {}",
        START_ANEW
    )]
    KeyEncryptionKeyMissing { path: PathBuf },
    #[error(
        "the file {file} does not contain the key-encryption key of the vault {path}: it is an \
         older copy, damaged, or belongs to another vault; put the newest copy back, or {}",
        START_ANEW
    )]
    OtherKeyEncryptionKey { path: PathBuf, file: PathBuf },
    #[error(
        "the manifest of the vault is invalid ({detail}), so no record can be trusted: {}",
        START_ANEW
    )]
    Manifest { detail: String },
    #[error("the disk of {path} is full, and nothing was changed: free some space and retry")]
    Full { path: PathBuf },
    #[error("cannot read or write the vault {path}: {source}; check the disk")]
    Storage { path: PathBuf, source: Box<redb::Error> },
    #[error("{0}")]
    Rejected(Rejected),
    #[error("cannot enrol customer {0} without a template")]
    NoTemplates(CustomerId),
    #[error("customer {0} is already enrolled: forget the customer first, or use another id")]
    AlreadyEnrolled(CustomerId),
    #[error("the claim code or receipt is already in use: generate another one")]
    CodeTaken,
    #[error("cannot encode a record as CBOR: {0}")]
    Encode(String),
    #[error("cannot {action} the backup: {source}")]
    BackupFile { action: &'static str, source: io::Error },
    #[error("the file is not an instored backup, or a newer version wrote it")]
    NotABackup,
    #[error("the passphrase of a backup needs at least {0} characters")]
    PassphraseTooShort(usize),
    #[error(
        "cannot decrypt the backup: the passphrase is wrong, or the start of the file is damaged"
    )]
    WrongPassphrase,
    #[error(
        "the backup is damaged or incomplete, and nothing was restored: use another copy of it"
    )]
    BackupDamaged,
    #[error(
        "the backup is signed with the key {0}, which is not the key of this box: if you trust \
         that key, pass its id when you restore"
    )]
    BackupSigner(String),
}

/// Error inside a transaction, without the path of the database.
pub(crate) enum TransactionError {
    /// Error of redb or the disk.
    Storage(redb::Error),
    /// Any other error.
    Vault(VaultError),
}

impl TransactionError {
    /// Returns true for errors of the disk, after which redb must reopen the database.
    pub(crate) fn requires_reopening(&self) -> bool {
        matches!(self, Self::Storage(redb::Error::Io(_) | redb::Error::PreviousIo))
    }

    /// Adds the path of the database.
    pub(crate) fn at(self, path: &Path) -> VaultError {
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

impl From<VaultError> for TransactionError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<Rejected> for TransactionError {
    fn from(rejected: Rejected) -> Self {
        Self::Vault(VaultError::Rejected(rejected))
    }
}

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for TransactionError {
            fn from(error: $error) -> Self {
                Self::Storage(error.into())
            }
        }
    )*};
}
from_redb!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError);
