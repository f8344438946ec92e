//! The redb database: opening, transactions, repair and compaction.

use std::any::Any;
use std::cell::RefCell;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageError, WriteTransaction,
};

use tempfile::TempPath;

use crate::error::{TransactionError, VaultError};
use crate::files::{create_temporary, quarantine_path, remove_if_present, replace, temporary_path};
use crate::schema::{Bytes, COMPACTION_DUE_KEY, META, Rows, TABLES, Visit};

/// Cache of redb. Its default is 1 GiB; a visit reads and writes a few hundred kilobytes.
const CACHE_BYTES: usize = 8 << 20;

/// Function that opens a database: redb's own file, or the simulated disk of a test.
pub(crate) type Opener = Box<dyn Fn(&Path) -> Result<Database, DatabaseError> + Send + Sync>;

/// Open database.
///
/// redb may panic on a damaged file: every call into it is caught and becomes
/// [`VaultError::Damaged`]. After a disk error redb rejects every transaction until the database is
/// reopened, which the next transaction does.
pub(crate) struct Storage {
    path: PathBuf,
    open: Opener,
    /// Serialises writers. Locked before `database`.
    journal: Mutex<Journal>,
    /// Locked for writing only to replace the database; empty if reopening failed.
    database: RwLock<Option<Database>>,
    has_failed: AtomicBool,
    was_salvaged: bool,
}

/// Rows that were changed, by table and key.
type ChangedRows = Vec<(Bytes, Vec<u8>)>;

/// Rows changed since a compaction started; `None` while none is running.
#[derive(Default)]
struct Journal(Option<ChangedRows>);

/// Write transaction that records the changed rows.
pub(crate) struct Tx {
    txn: WriteTransaction,
    changed: RefCell<ChangedRows>,
}

impl Tx {
    pub(crate) fn put(
        &self,
        table: Bytes,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), TransactionError> {
        self.changed.borrow_mut().push((table, key.to_vec()));
        self.txn.open_table(table)?.insert(key, value)?;
        Ok(())
    }

    /// Removes a row and returns true if it existed.
    pub(crate) fn remove(&self, table: Bytes, key: &[u8]) -> Result<bool, TransactionError> {
        self.changed.borrow_mut().push((table, key.to_vec()));
        Ok(self.txn.open_table(table)?.remove(key)?.is_some())
    }

    /// Returns the redb transaction, for creating tables.
    pub(crate) fn raw(&self) -> &WriteTransaction {
        &self.txn
    }
}

impl Rows for Tx {
    fn row(&self, table: Bytes, key: &[u8]) -> Result<Option<Vec<u8>>, TransactionError> {
        self.txn.row(table, key)
    }

    fn rows(
        &self,
        table: Bytes,
        from: &[u8],
        to: Option<&[u8]>,
        visit: Visit<'_>,
    ) -> Result<(), TransactionError> {
        self.txn.rows(table, from, to, visit)
    }

    fn count(&self, table: Bytes) -> Result<u64, TransactionError> {
        self.txn.count(table)
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Storage").field(&self.path).finish()
    }
}

/// Returns the opener of redb's own file, which redb locks.
///
/// Opening checks the checksum of every page. That costs one reading of the file and keeps redb from
/// panicking later on a damaged page.
pub(crate) fn on_disk() -> Opener {
    Box::new(|path| {
        Database::builder()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create(path)
    })
}

/// Creates a database whose first transaction is `body`, under the temporary name of `path`.
pub(crate) fn create_database(
    path: &Path,
    open: &Opener,
    body: impl FnOnce(&Tx) -> Result<(), TransactionError>,
) -> Result<TempPath, VaultError> {
    let file = create_temporary(path)
        .map_err(|source| VaultError::Open { path: path.to_owned(), source })?;
    let database = open_database(open, &temporary_path(path))?;
    write(&database, |tx| {
        body(tx)?;
        Ok(((), Commit::Yes))
    })
    .map_err(|error| error.at(path))?;
    close(Some(database));
    Ok(file)
}

impl Storage {
    /// Opens the database at `path`, which must exist.
    pub(crate) fn open(path: &Path, open: Opener) -> Result<Self, VaultError> {
        let (database, was_salvaged) = match open_database(&open, path) {
            Err(damage @ VaultError::Damaged { .. }) => {
                (salvage(path, &open).map_err(|_| damage)?, true)
            }
            opened => (opened?, false),
        };
        Ok(Self {
            path: path.to_owned(),
            open,
            journal: Mutex::default(),
            database: RwLock::new(Some(database)),
            has_failed: AtomicBool::new(false),
            was_salvaged,
        })
    }

    /// Returns true if the file was damaged when it was opened and its readable rows were copied
    /// into a new file. The damaged file is kept until the next rewrite.
    pub(crate) fn was_salvaged(&self) -> bool {
        self.was_salvaged
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `body` on one consistent state of the database.
    pub(crate) fn read<T>(
        &self,
        body: impl FnOnce(&ReadTransaction) -> Result<T, TransactionError>,
    ) -> Result<T, VaultError> {
        self.reopen_after_failure()?;
        self.catch(|| body(&self.snapshot()?))
    }

    /// Runs `body` in a write transaction. With [`Commit::Yes`] its changes are durable when this
    /// returns, otherwise they are discarded.
    pub(crate) fn write<T>(
        &self,
        body: impl FnOnce(&Tx) -> Result<(T, Commit), TransactionError>,
    ) -> Result<T, VaultError> {
        let mut journal = self.lock_journal();
        self.reopen_after_failure()?;
        let (done, changed) = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            self.catch(|| write(opened(&database)?, body))?
        };
        if let Some(recorded) = &mut journal.0 {
            recorded.extend(changed);
        }
        Ok(done)
    }

    /// Copies every live row into a new file and puts it in place of the old one, which still
    /// contains deleted data.
    ///
    /// redb's own compaction is not sufficient: it keeps keys as separators inside its trees. Other
    /// threads read and write meanwhile; their changes are copied at the end while writers wait.
    /// Time and disk space grow with the vault.
    pub(crate) fn rewrite(&self) -> Result<(), VaultError> {
        let temporary = temporary_path(&self.path);
        let file_error = |source| VaultError::Open { path: temporary.clone(), source };
        let live = {
            let mut journal = self.lock_journal();
            self.reopen_after_failure()?;
            journal.0 = Some(Vec::new());
            self.catch(|| self.snapshot())?
        };
        let copied = (|| {
            let file = create_temporary(&self.path).map_err(file_error)?;
            let new = open_database(&self.open, &temporary)?;
            self.catch(|| write(&new, |to| Ok((copy(&live, to)?, Commit::Yes))))?;
            Ok((file, new))
        })();
        drop(live);

        let mut journal = self.lock_journal();
        let changed = journal.0.take().unwrap_or_default();
        let (file, new) = copied?;
        self.catch(|| {
            let live = self.snapshot()?;
            write(&new, |to| Ok((copy_changes(&live, to, &changed)?, Commit::Yes)))
        })?;
        // redb locked the new file when it was created, so no other process can open it in between.
        replace(file, &self.path).map_err(file_error)?;
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        close(database.replace(new));
        remove_if_present(&quarantine_path(&self.path)).map_err(file_error)
    }

    fn lock_journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> Result<ReadTransaction, TransactionError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        Ok(opened(&database)?.begin_read()?)
    }

    fn reopen_after_failure(&self) -> Result<(), VaultError> {
        if !self.has_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The failed database still holds the lock on the file.
        close(database.take());
        *database = Some(open_database(&self.open, &self.path)?);
        self.has_failed.store(false, Ordering::Release);
        Ok(())
    }

    fn catch<T>(
        &self,
        body: impl FnOnce() -> Result<T, TransactionError>,
    ) -> Result<T, VaultError> {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                if error.requires_reopening() {
                    self.has_failed.store(true, Ordering::Release);
                }
                Err(error.at(&self.path))
            }
            Err(panic) => {
                self.has_failed.store(true, Ordering::Release);
                Err(damaged(&self.path, panic.as_ref()))
            }
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        close(self.database.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Closes a database. redb may panic even here if the file is damaged.
fn close(database: Option<Database>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
}

/// Decision at the end of a write transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    Yes,
    No,
}

fn write<T>(
    database: &Database,
    body: impl FnOnce(&Tx) -> Result<(T, Commit), TransactionError>,
) -> Result<(T, ChangedRows), TransactionError> {
    let mut txn = database.begin_write()?;
    // Quick repair implies two-phase commit. After a crash the file opens in milliseconds, without a
    // scan.
    txn.set_quick_repair(true);
    let tx = Tx { txn, changed: RefCell::default() };
    let (done, commit) = body(&tx)?;
    let Tx { txn, changed } = tx;
    match commit {
        Commit::Yes => txn.commit()?,
        Commit::No => txn.abort()?,
    }
    Ok((done, changed.into_inner()))
}

fn opened(database: &Option<Database>) -> Result<&Database, TransactionError> {
    database.as_ref().ok_or(TransactionError::Storage(redb::Error::PreviousIo))
}

/// Copies every row into an empty database, which then contains nothing that was deleted.
fn copy(from: &ReadTransaction, to: &Tx) -> Result<(), TransactionError> {
    for table in TABLES {
        let mut copy = to.txn.open_table(table)?;
        from.rows(table, &[], None, &mut |key, value| {
            copy.insert(key, value)?;
            Ok(())
        })?;
    }
    to.txn.open_table(META)?.remove(COMPACTION_DUE_KEY)?;
    Ok(())
}

/// Copies the rows that changed while the copy was made. If something was deleted meanwhile, the row
/// that demands a compaction is among them.
fn copy_changes(
    from: &ReadTransaction,
    to: &Tx,
    changed: &ChangedRows,
) -> Result<(), TransactionError> {
    for (table, key) in changed {
        match from.row(*table, key)? {
            Some(value) => to.put(*table, key, &value)?,
            None => drop(to.remove(*table, key)?),
        }
    }
    Ok(())
}

/// Copies the readable rows of a damaged file into a new file, puts that in place, and quarantines
/// the damaged file.
///
/// Every row is still verified when it is read, and the manifest reveals the lost ones.
fn salvage(path: &Path, open: &Opener) -> Result<Database, VaultError> {
    let temporary = temporary_path(path);
    let file_error = |source| VaultError::Open { path: temporary.clone(), source };
    let salvaged = catch_unwind(AssertUnwindSafe(|| {
        let damaged = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .open_read_only(path)
            .map_err(|error| open_error(path, error))?;
        let live = damaged.begin_read().map_err(|error| TransactionError::from(error).at(path))?;
        let file = create_temporary(path).map_err(file_error)?;
        let new = open_database(open, &temporary)?;
        write(&new, |to| {
            TABLES.iter().try_for_each(|table| salvage_table(&live, *table, to))?;
            Ok(((), Commit::Yes))
        })
        .map_err(|error| error.at(path))?;
        Ok((file, new))
    }));
    let (file, new) = salvaged.map_err(|panic| damaged(path, panic.as_ref()))??;
    quarantine(path).and_then(|()| replace(file, path)).map_err(file_error)?;
    Ok(new)
}

/// Gives a damaged file a second name. The first one stays until the salvaged file replaces it, so
/// that a crash never leaves the folder without a vault.
fn quarantine(path: &Path) -> io::Result<()> {
    let quarantine = quarantine_path(path);
    remove_if_present(&quarantine)?;
    fs::hard_link(path, quarantine)
}

/// Copies rows from the first until one cannot be read, then from the last.
fn salvage_table(from: &ReadTransaction, table: Bytes, to: &Tx) -> Result<(), TransactionError> {
    let mut copy = to.txn.open_table(table)?;
    for is_backward in [false, true] {
        let mut rows = Vec::new();
        let read = catch_unwind(AssertUnwindSafe(|| -> Result<(), TransactionError> {
            let mut range = from.open_table(table)?.range::<&[u8]>(..)?;
            let mut next = || if is_backward { range.next_back() } else { range.next() };
            while let Some(entry) = next() {
                let (key, value) = entry?;
                rows.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(())
        }));
        for (key, value) in &rows {
            copy.insert(key.as_slice(), value.as_slice())?;
        }
        if matches!(read, Ok(Ok(()))) {
            break;
        }
    }
    Ok(())
}

fn open_database(open: &Opener, path: &Path) -> Result<Database, VaultError> {
    catch_unwind(AssertUnwindSafe(|| open(path)))
        .map_err(|panic| damaged(path, panic.as_ref()))?
        .map_err(|error| open_error(path, error))
}

fn open_error(path: &Path, error: DatabaseError) -> VaultError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen => VaultError::InUse { path },
        DatabaseError::Storage(StorageError::Io(source))
            if source.kind() == io::ErrorKind::StorageFull =>
        {
            VaultError::Full { path }
        }
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
        .unwrap_or_else(|| "its structure is invalid".into());
    VaultError::Damaged { path: path.to_owned(), detail }
}
