//! The redb database: opening, transactions, repair and compaction.

use std::any::Any;
use std::cell::RefCell;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageError, WriteTransaction,
};

use tempfile::TempPath;

use crate::error::{TransactionError, VaultError};
use crate::files::{create_temporary, quarantine_path, remove_if_present, replace, temporary_path};
use crate::schema::{Bytes, COMPACTION_DUE_KEY, META, RowVisitor, Rows, TABLES};

/// Size of redb's cache in bytes. redb's default is 1 GiB, but a visit needs a few hundred kB only.
const CACHE_BYTES: usize = 8 << 20;

/// Time for which a database in use is tried again.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Function that opens a database: a file, or the simulated disk of a test.
pub(crate) type Opener = Box<dyn Fn(&Path) -> Result<Database, DatabaseError> + Send + Sync>;

/// Open database.
///
/// redb may panic on a damaged file. Every panic is caught and becomes [`VaultError::Damaged`].
/// After a disk error redb rejects every transaction until the database is reopened. The next
/// transaction reopens the database.
pub(crate) struct Storage {
    path: PathBuf,
    open: Opener,
    /// A thread holds this lock during a rewrite, because rewrites share the temporary file and the
    /// journal. It is locked before `journal`.
    rewrite_lock: Mutex<()>,
    /// Serialises writers. This lock is taken before the lock of `database`.
    journal: Mutex<Journal>,
    /// The write lock is taken only to replace the database. `None` if reopening failed.
    database: RwLock<Option<Database>>,
    has_failed: AtomicBool,
    was_salvaged: bool,
}

/// Table and key of each changed row.
type ChangedRows = Vec<(Bytes, Vec<u8>)>;

/// Rows that changed since the compaction started; `None` while no compaction is running.
#[derive(Default)]
struct Journal(Option<ChangedRows>);

/// Write transaction of redb that also records the changed rows.
pub(crate) struct JournaledTransaction {
    txn: WriteTransaction,
    changed: RefCell<ChangedRows>,
}

impl JournaledTransaction {
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

    /// Returns the redb transaction, which can create tables.
    pub(crate) fn redb(&self) -> &WriteTransaction {
        &self.txn
    }
}

impl Rows for JournaledTransaction {
    fn row(&self, table: Bytes, key: &[u8]) -> Result<Option<Vec<u8>>, TransactionError> {
        self.txn.row(table, key)
    }

    fn rows(
        &self,
        table: Bytes,
        from: &[u8],
        to: Option<&[u8]>,
        visit: RowVisitor<'_>,
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

/// Returns the opener of database files. redb locks the file.
///
/// Opening reads the whole file and verifies the checksum of every page, so that redb does not
/// panic on a damaged page later.
pub(crate) fn file_opener() -> Opener {
    Box::new(|path| {
        Database::builder()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create(path)
    })
}

/// Creates a database at the temporary path of `path`, and runs `body` in its first transaction.
pub(crate) fn create_database(
    path: &Path,
    open: &Opener,
    body: impl FnOnce(&JournaledTransaction) -> Result<(), TransactionError>,
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
            rewrite_lock: Mutex::default(),
            database: RwLock::new(Some(database)),
            has_failed: AtomicBool::new(false),
            was_salvaged,
        })
    }

    /// Returns true if the file was damaged when it was opened and its readable rows were copied
    /// into a new file. The damaged file is kept until the next [`Storage::rewrite`].
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
        self.catch_panic(|| body(&self.snapshot()?))
    }

    /// Runs `body` in a write transaction. With [`Commit::Yes`] the changes are durable when this
    /// function returns. With [`Commit::No`] they are discarded.
    pub(crate) fn write<T>(
        &self,
        body: impl FnOnce(&JournaledTransaction) -> Result<(T, Commit), TransactionError>,
    ) -> Result<T, VaultError> {
        let mut journal = self.lock_journal();
        self.reopen_after_failure()?;
        let (output, changed) = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            self.catch_panic(|| write(require_open(&database)?, body))?
        };
        if let Some(recorded) = &mut journal.0 {
            recorded.extend(changed);
        }
        Ok(output)
    }

    /// Copies every row into a new file, which then replaces the old file. Free pages of the old
    /// file contain deleted data.
    ///
    /// redb's own compaction is not sufficient, because it keeps deleted keys as separators inside
    /// its trees. Other threads can read and write meanwhile. Their changes are copied at the end,
    /// while writers wait. Time and disk space are proportional to the size of the vault.
    pub(crate) fn rewrite(&self) -> Result<(), VaultError> {
        let _rewrite = self.rewrite_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let temporary = temporary_path(&self.path);
        let file_error = |source| VaultError::Open { path: temporary.clone(), source };
        let snapshot = {
            let mut journal = self.lock_journal();
            self.reopen_after_failure()?;
            journal.0 = Some(Vec::new());
            self.catch_panic(|| self.snapshot())?
        };
        let copied = (|| {
            let file = create_temporary(&self.path).map_err(file_error)?;
            let new = open_database(&self.open, &temporary)?;
            self.catch_panic(|| write(&new, |to| Ok((copy(&snapshot, to)?, Commit::Yes))))?;
            Ok((file, new))
        })();
        drop(snapshot);

        let mut journal = self.lock_journal();
        let changed = journal.0.take().unwrap_or_default();
        let (file, new) = copied?;
        self.catch_panic(|| {
            let latest = self.snapshot()?;
            write(&new, |to| Ok((copy_changes(&latest, to, &changed)?, Commit::Yes)))
        })?;
        // redb locked the new file when it was created, so no other process can open it now.
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
        Ok(require_open(&database)?.begin_read()?)
    }

    fn reopen_after_failure(&self) -> Result<(), VaultError> {
        if !self.has_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The failed database still holds the lock on the file, so it is closed first.
        close(database.take());
        *database = Some(open_database(&self.open, &self.path)?);
        self.has_failed.store(false, Ordering::Release);
        Ok(())
    }

    /// Runs `body` and converts a panic into an error. After a panic or disk error, the next
    /// transaction reopens the database.
    fn catch_panic<T>(
        &self,
        body: impl FnOnce() -> Result<T, TransactionError>,
    ) -> Result<T, VaultError> {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => {
                if error.requires_reopening() {
                    self.has_failed.store(true, Ordering::Release);
                }
                Err(error.at(&self.path))
            }
            Err(panic) => {
                self.has_failed.store(true, Ordering::Release);
                Err(panic_error(&self.path, panic.as_ref()))
            }
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        close(self.database.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Closes a database and ignores the panic that a damaged file may cause.
fn close(database: Option<Database>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
}

/// Decision of a write transaction to keep its changes or to discard them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    Yes,
    No,
}

fn write<T>(
    database: &Database,
    body: impl FnOnce(&JournaledTransaction) -> Result<(T, Commit), TransactionError>,
) -> Result<(T, ChangedRows), TransactionError> {
    let mut txn = database.begin_write()?;
    // With quick repair, which includes two-phase commit, the file opens in milliseconds after a
    // crash, without a scan.
    txn.set_quick_repair(true);
    let tx = JournaledTransaction { txn, changed: RefCell::default() };
    let (output, commit) = body(&tx)?;
    let JournaledTransaction { txn, changed } = tx;
    match commit {
        Commit::Yes => txn.commit()?,
        Commit::No => txn.abort()?,
    }
    Ok((output, changed.into_inner()))
}

/// Returns the database, or an error if reopening it failed.
fn require_open(database: &Option<Database>) -> Result<&Database, TransactionError> {
    database.as_ref().ok_or(TransactionError::Storage(redb::Error::PreviousIo))
}

/// Copies every row into an empty database.
fn copy(from: &ReadTransaction, to: &JournaledTransaction) -> Result<(), TransactionError> {
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

/// Copies the rows that changed while [`copy`] ran. If a customer was forgotten meanwhile, these rows
/// include [`COMPACTION_DUE_KEY`], so another compaction follows.
fn copy_changes(
    from: &ReadTransaction,
    to: &JournaledTransaction,
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

/// Copies the readable rows of a damaged file into a new file, which then replaces the damaged
/// file. The damaged file is kept at [`quarantine_path`].
///
/// Every copied row is verified when it is read. The manifest detects lost rows.
fn salvage(path: &Path, open: &Opener) -> Result<Database, VaultError> {
    let temporary = temporary_path(path);
    let file_error = |source| VaultError::Open { path: temporary.clone(), source };
    let salvaged = catch_unwind(AssertUnwindSafe(|| {
        let damaged = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .open_read_only(path)
            .map_err(|error| open_error(path, error))?;
        let snapshot =
            damaged.begin_read().map_err(|error| TransactionError::from(error).at(path))?;
        let file = create_temporary(path).map_err(file_error)?;
        let new = open_database(open, &temporary)?;
        write(&new, |to| {
            TABLES.iter().try_for_each(|table| salvage_table(&snapshot, *table, to))?;
            Ok(((), Commit::Yes))
        })
        .map_err(|error| error.at(path))?;
        Ok((file, new))
    }));
    let (file, new) = salvaged.map_err(|panic| panic_error(path, panic.as_ref()))??;
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

/// Copies the rows in key order until one cannot be read, then in reverse order from the last row.
fn salvage_table(
    from: &ReadTransaction,
    table: Bytes,
    to: &JournaledTransaction,
) -> Result<(), TransactionError> {
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

/// Opens the database. Tries again for a moment if it is in use: a program that the last daemon was
/// starting when it was killed keeps the lock until the program runs.
fn open_database(open: &Opener, path: &Path) -> Result<Database, VaultError> {
    let start = Instant::now();
    loop {
        match try_to_open_database(open, path) {
            Err(VaultError::InUse { .. }) if start.elapsed() < LOCK_TIMEOUT => {
                thread::sleep(LOCK_POLL_INTERVAL);
            }
            opened => return opened,
        }
    }
}

fn try_to_open_database(open: &Opener, path: &Path) -> Result<Database, VaultError> {
    catch_unwind(AssertUnwindSafe(|| open(path)))
        .map_err(|panic| panic_error(path, panic.as_ref()))?
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

/// Returns the error for a panic of redb.
fn panic_error(path: &Path, panic: &(dyn Any + Send)) -> VaultError {
    let detail = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "its structure is invalid".into());
    VaultError::Damaged { path: path.to_owned(), detail }
}
