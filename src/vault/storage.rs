//! The redb file: opening it, transactions over it, rewriting it.

use std::any::Any;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageError, WriteTransaction,
};

use super::error::{Fault, VaultError};
use super::files::{beside, remove_if_there, sync_folder};
use super::schema;

/// redb would take 1 GiB; a vault of a thousand customers is a few megabytes.
const CACHE_BYTES: usize = 16 << 20;

/// The open file.
///
/// redb may panic on a damaged file: every call into it is caught and becomes
/// [`VaultError::Damaged`].
pub(super) struct Storage {
    path: PathBuf,
    /// Held by whoever writes; taken before `database`.
    writing: Mutex<()>,
    /// Taken for writing only to put a rewritten file in the place of the old one.
    database: RwLock<Database>,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Storage").field(&self.path).finish()
    }
}

impl Storage {
    pub(super) fn open(path: &Path) -> Result<Self, VaultError> {
        create_private(path)
            .map_err(|source| VaultError::Open { path: path.to_owned(), source })?;
        let database = RwLock::new(open_database(path)?);
        Ok(Self { path: path.to_owned(), writing: Mutex::new(()), database })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `body` on one consistent state of the vault.
    pub(super) fn read<T>(
        &self,
        body: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, VaultError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        self.caught(|| body(&database.begin_read()?))
    }

    /// Runs `body` in a transaction that is durable when this returns; nothing of it stays when
    /// `body` fails.
    pub(super) fn write<T>(
        &self,
        body: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, VaultError> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        self.caught(|| write(&database, body))
    }

    /// Writes what is live into a new file that takes the old one's place, so that the file no
    /// longer holds what was deleted. redb's own compaction would leave keys behind, as separators
    /// inside its trees. Readers go on meanwhile, writers wait; time and space grow with the vault.
    pub(super) fn rewrite(&self) -> Result<(), VaultError> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let beside = beside(&self.path);
        let open_error = |source| VaultError::Open { path: beside.clone(), source };
        remove_if_there(&beside).map_err(open_error)?;
        create_private(&beside).map_err(open_error)?;
        let new = open_database(&beside)?;
        {
            let old = self.database.read().unwrap_or_else(PoisonError::into_inner);
            self.caught(|| {
                let live = old.begin_read()?;
                write(&new, |txn| schema::copy(&live, txn))
            })?;
        }
        // The new file is locked since it was made, so nobody can come between.
        fs::rename(&beside, &self.path)
            .and_then(|()| sync_folder(&self.path))
            .map_err(open_error)?;
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    fn caught<T>(&self, body: impl FnOnce() -> Result<T, Fault>) -> Result<T, VaultError> {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(done) => done.map_err(|fault| fault.at(&self.path)),
            Err(panic) => Err(damaged(&self.path, panic.as_ref())),
        }
    }
}

fn open_database(path: &Path) -> Result<Database, VaultError> {
    catch_unwind(|| Database::builder().set_cache_size(CACHE_BYTES).create(path))
        .map_err(|panic| damaged(path, panic.as_ref()))?
        .map_err(|error| open_error(path, error))
}

fn write<T>(
    database: &Database,
    body: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut txn = database.begin_write()?;
    // Implies two-phase commit; a crash costs milliseconds at the next start, not a scan.
    txn.set_quick_repair(true);
    let done = body(&txn)?;
    txn.commit()?;
    Ok(done)
}

/// redb would create the file readable for all; an empty file it takes for a new one.
fn create_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all()?;
            sync_folder(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn open_error(path: &Path, error: DatabaseError) -> VaultError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen => VaultError::InUse { path },
        DatabaseError::Storage(StorageError::Io(source))
            if source.kind() != io::ErrorKind::InvalidData
                && source.kind() != io::ErrorKind::UnexpectedEof =>
        {
            VaultError::Open { path, source }
        }
        other => VaultError::Damaged { path, detail: other.to_string() },
    }
}

fn damaged(path: &Path, panic: &(dyn Any + Send)) -> VaultError {
    let detail = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "its structure does not hold".into());
    VaultError::Damaged { path: path.to_owned(), detail }
}
