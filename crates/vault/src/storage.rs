//! The redb file: opening it, transactions over it, and writing it anew.

use std::any::Any;
use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use redb::{
    Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageError, WriteTransaction,
};

use super::error::{Fault, VaultError};
use super::files::{beside, remove_if_there, sync_folder};
use super::schema::{Bytes, META, Rows, SWEEP_DUE_KEY, TABLES, Visit};

/// redb would take 1 GiB; what a visit touches is a few hundred kilobytes.
const CACHE_BYTES: usize = 8 << 20;

/// How a database is opened on a path: redb's own file, or what a test puts in its place.
pub(super) type Opener = Box<dyn Fn(&Path) -> Result<Database, DatabaseError> + Send + Sync>;

/// The open file.
///
/// redb may panic on a damaged file: every call into it is caught and becomes
/// [`VaultError::Damaged`]. After an error of the disk redb refuses everything until it is opened
/// anew: the next transaction does so.
pub(super) struct Storage {
    path: PathBuf,
    open: Opener,
    /// Held by whoever writes; taken before `database`.
    writing: Mutex<Journal>,
    /// Taken for writing only to put another in its place; empty when that failed.
    database: RwLock<Option<Database>>,
    failed: AtomicBool,
    salvaged: bool,
}

/// The rows that were changed since a copy of the vault was begun; nothing is noted otherwise.
#[derive(Default)]
struct Journal(Option<Vec<(Bytes, Vec<u8>)>>);

/// A transaction that writes.
pub(super) struct Tx {
    txn: WriteTransaction,
    changed: RefCell<Vec<(Bytes, Vec<u8>)>>,
}

impl Tx {
    pub(super) fn put(&self, table: Bytes, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.changed.borrow_mut().push((table, key.to_vec()));
        self.txn.open_table(table)?.insert(key, value)?;
        Ok(())
    }

    /// Whether there was something to remove.
    pub(super) fn remove(&self, table: Bytes, key: &[u8]) -> Result<bool, Fault> {
        self.changed.borrow_mut().push((table, key.to_vec()));
        Ok(self.txn.open_table(table)?.remove(key)?.is_some())
    }

    /// The transaction, to make tables in.
    pub(super) fn raw(&self) -> &WriteTransaction {
        &self.txn
    }
}

impl Rows for Tx {
    fn row(&self, table: Bytes, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.txn.row(table, key)
    }

    fn rows(
        &self,
        table: Bytes,
        from: &[u8],
        to: Option<&[u8]>,
        visit: Visit<'_>,
    ) -> Result<(), Fault> {
        self.txn.rows(table, from, to, visit)
    }

    fn count(&self, table: Bytes) -> Result<u64, Fault> {
        self.txn.count(table)
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Storage").field(&self.path).finish()
    }
}

/// redb's own file, which it locks. Checking every page's checksum costs a reading of the file, and
/// keeps redb from panicking later on a page that the disk spoiled.
pub(super) fn on_disk() -> Opener {
    Box::new(|path| {
        Database::builder()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create(path)
    })
}

impl Storage {
    pub(super) fn open(path: &Path, open: Opener) -> Result<Self, VaultError> {
        create_private(path)
            .map_err(|source| VaultError::Open { path: path.to_owned(), source })?;
        let (database, salvaged) = match open_database(&open, path) {
            Err(damage @ VaultError::Damaged { .. }) => {
                (salvage(path, &open).map_err(|_| damage)?, true)
            }
            opened => (opened?, false),
        };
        Ok(Self {
            path: path.to_owned(),
            open,
            writing: Mutex::default(),
            database: RwLock::new(Some(database)),
            failed: AtomicBool::new(false),
            salvaged,
        })
    }

    /// Whether the file was damaged when it was opened, and what could be read of it copied into a
    /// new one; the damaged one lies beside it until the next rewrite.
    pub(super) fn was_salvaged(&self) -> bool {
        self.salvaged
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `body` on one consistent state of the vault.
    pub(super) fn read<T>(
        &self,
        body: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, VaultError> {
        self.recover()?;
        self.caught(|| body(&self.snapshot()?))
    }

    /// Runs `body` in a transaction; when `body` says so it is durable when this returns, else
    /// nothing of it stays.
    pub(super) fn write<T>(
        &self,
        body: impl FnOnce(&Tx) -> Result<(T, Commit), Fault>,
    ) -> Result<T, VaultError> {
        let mut journal = self.turn();
        self.recover()?;
        let (done, changed) = {
            let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
            self.caught(|| write(present(&database)?, body))?
        };
        if let Some(noted) = &mut journal.0 {
            noted.extend(changed);
        }
        Ok(done)
    }

    /// Writes what is live into a new file that takes the old one's place, so that the file no
    /// longer holds what was deleted. redb's own compaction would leave keys behind, as separators
    /// inside its trees. Others read and write meanwhile; what they changed is copied at the end,
    /// while writers wait. Time, and space on the disk, grow with the vault.
    pub(super) fn rewrite(&self) -> Result<(), VaultError> {
        let beside = beside(&self.path);
        let open_error = |source| VaultError::Open { path: beside.clone(), source };
        let live = {
            let mut journal = self.turn();
            self.recover()?;
            journal.0 = Some(Vec::new());
            self.caught(|| self.snapshot())?
        };
        let copied = (|| {
            remove_if_there(&beside).map_err(open_error)?;
            create_private(&beside).map_err(open_error)?;
            let new = open_database(&self.open, &beside)?;
            self.caught(|| write(&new, |to| Ok((copy(&live, to)?, Commit::Yes))))?;
            Ok(new)
        })();
        drop(live);

        let mut journal = self.turn();
        let changed = journal.0.take().unwrap_or_default();
        let moved = copied.and_then(|new: Database| {
            self.caught(|| {
                let live = self.snapshot()?;
                write(&new, |to| Ok((catch_up(&live, to, &changed)?, Commit::Yes)))
            })?;
            // The new file is locked since it was made, so nobody can come between.
            fs::rename(&beside, &self.path)
                .and_then(|()| sync_folder(&self.path))
                .map_err(open_error)?;
            let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
            close(database.replace(new));
            remove_if_there(&aside(&self.path)).map_err(open_error)
        });
        if moved.is_err() {
            // What was copied so far is sealed like the vault itself; it is made anew next time.
            let _ = remove_if_there(&beside);
        }
        moved
    }

    fn turn(&self) -> MutexGuard<'_, Journal> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> Result<ReadTransaction, Fault> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        Ok(present(&database)?.begin_read()?)
    }

    /// Opens the file anew after an error of the disk.
    fn recover(&self) -> Result<(), VaultError> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // The old one holds the file's lock.
        close(database.take());
        *database = Some(open_database(&self.open, &self.path)?);
        self.failed.store(false, Ordering::Release);
        Ok(())
    }

    fn caught<T>(&self, body: impl FnOnce() -> Result<T, Fault>) -> Result<T, VaultError> {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(fault)) => {
                if fault.is_of_the_disk() {
                    self.failed.store(true, Ordering::Release);
                }
                Err(fault.at(&self.path))
            }
            Err(panic) => {
                self.failed.store(true, Ordering::Release);
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

/// Closes a database. Of a damaged file, redb may panic even then.
fn close(database: Option<Database>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
}

/// Whether a transaction is to be kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Commit {
    Yes,
    No,
}

type Changed = Vec<(Bytes, Vec<u8>)>;

fn write<T>(
    database: &Database,
    body: impl FnOnce(&Tx) -> Result<(T, Commit), Fault>,
) -> Result<(T, Changed), Fault> {
    let mut txn = database.begin_write()?;
    // Implies two-phase commit; a crash costs milliseconds at the next start, not a scan.
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

fn present(database: &Option<Database>) -> Result<&Database, Fault> {
    database.as_ref().ok_or(Fault::Storage(redb::Error::PreviousIo))
}

/// Copies every row into an empty file, which then holds nothing else.
fn copy(from: &ReadTransaction, to: &Tx) -> Result<(), Fault> {
    for table in TABLES {
        let mut copy = to.txn.open_table(table)?;
        from.rows(table, &[], None, &mut |key, value| {
            copy.insert(key, value)?;
            Ok(())
        })?;
    }
    to.txn.open_table(META)?.remove(SWEEP_DUE_KEY)?;
    Ok(())
}

/// Brings the copy up to what was changed while it was made. When something was deleted meanwhile,
/// the note that a sweep is due is among it.
fn catch_up(from: &ReadTransaction, to: &Tx, changed: &Changed) -> Result<(), Fault> {
    for (table, key) in changed {
        match from.row(*table, key)? {
            Some(value) => to.put(*table, key, &value)?,
            None => drop(to.remove(*table, key)?),
        }
    }
    Ok(())
}

/// Copies what can still be read of a damaged file into a new one, which takes its place; the
/// damaged one is moved aside. Every row answers for itself, so that none is believed for having
/// been copied, and each that is lost will be missed.
fn salvage(path: &Path, open: &Opener) -> Result<Database, VaultError> {
    let beside = beside(path);
    let open_error = |source| VaultError::Open { path: beside.clone(), source };
    let done = catch_unwind(AssertUnwindSafe(|| {
        let damaged = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .open_read_only(path)
            .map_err(|error| self::open_error(path, error))?;
        let live = damaged.begin_read().map_err(|error| Fault::from(error).at(path))?;
        remove_if_there(&beside).map_err(open_error)?;
        create_private(&beside).map_err(open_error)?;
        let new = open_database(open, &beside)?;
        write(&new, |to| {
            TABLES.iter().try_for_each(|table| salvage_table(&live, *table, to))?;
            Ok(((), Commit::Yes))
        })
        .map_err(|fault| fault.at(path))?;
        Ok(new)
    }));
    let new = done.map_err(|panic| damaged(path, panic.as_ref()))??;
    fs::rename(path, aside(path))
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| sync_folder(path))
        .map_err(open_error)?;
    Ok(new)
}

/// Copies rows from the front until one cannot be read, and then from the back.
fn salvage_table(from: &ReadTransaction, table: Bytes, to: &Tx) -> Result<(), Fault> {
    let mut copy = to.txn.open_table(table)?;
    for backwards in [false, true] {
        let mut rows = Vec::new();
        let whole = catch_unwind(AssertUnwindSafe(|| -> Result<(), Fault> {
            let mut range = from.open_table(table)?.range::<&[u8]>(..)?;
            let mut next = || if backwards { range.next_back() } else { range.next() };
            while let Some(entry) = next() {
                let (key, value) = entry?;
                rows.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(())
        }));
        for (key, value) in &rows {
            copy.insert(key.as_slice(), value.as_slice())?;
        }
        if matches!(whole, Ok(Ok(()))) {
            break;
        }
    }
    Ok(())
}

/// Where a damaged file is moved.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    name.into()
}

fn open_database(open: &Opener, path: &Path) -> Result<Database, VaultError> {
    catch_unwind(AssertUnwindSafe(|| open(path)))
        .map_err(|panic| damaged(path, panic.as_ref()))?
        .map_err(|error| open_error(path, error))
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
        .unwrap_or_else(|| "its structure does not hold".into());
    VaultError::Damaged { path: path.to_owned(), detail }
}
