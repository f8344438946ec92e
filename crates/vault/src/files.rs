//! Paths of the vault's files, and durable replacement of a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

/// Returns the path at which a file is written before it replaces `path`.
pub(crate) fn temporary_path(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

/// Returns the path to which a damaged file is moved.
pub(crate) fn quarantine_path(path: &Path) -> PathBuf {
    with_suffix(path, ".damaged")
}

/// Returns the path of the file with the key-encryption keys of the vault at `path`.
pub(crate) fn key_encryption_key_path(path: &Path) -> PathBuf {
    with_suffix(path, ".wrap")
}

/// Returns the path of the rollback guard of the vault at `path`.
pub(crate) fn rollback_guard_path(path: &Path) -> PathBuf {
    with_suffix(path, ".seen")
}

/// Returns the path of the file that reserves disk space for forgetting.
pub(crate) fn reserve_path(path: &Path) -> PathBuf {
    with_suffix(path, ".reserve")
}

/// Returns the path of the key that replaces the key at `path` at the end of a rotation.
pub(crate) fn next_key_path(path: &Path) -> PathBuf {
    with_suffix(path, ".next")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Creates an empty file (mode 0600) at [`temporary_path`] and deletes a file that a crash left
/// there. The new file is removed on drop unless [`replace`] moves it.
pub(crate) fn create_temporary(path: &Path) -> io::Result<TempPath> {
    let temporary = temporary_path(path);
    remove_if_present(&temporary)?;
    let file = tempfile::Builder::new()
        .prefix(temporary.file_name().unwrap_or_default())
        .rand_bytes(0)
        .tempfile_in(folder(path))?;
    give_to_owner_of_folder(file.as_file(), path)?;
    file.as_file().sync_all()?;
    sync_folder(path)?;
    Ok(file.into_temp_path())
}

/// Opens a file for reading and writing, or creates an empty one (mode 0600).
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = options.create_new(true).open(path)?;
            give_to_owner_of_folder(&file, path)?;
            Ok(file)
        }
        opened => opened,
    }
}

/// Gives a new file of root to the owner of its folder: the daemon, which runs as that owner, must be
/// able to open what a command of root created.
fn give_to_owner_of_folder(file: &File, path: &Path) -> io::Result<()> {
    let (file_owner, folder) = (file.metadata()?.uid(), fs::metadata(folder(path))?);
    if file_owner == 0 && folder.uid() != 0 {
        fchown(file, Some(folder.uid()), Some(folder.gid()))?;
    }
    Ok(())
}

/// Moves a synced temporary file to `path` durably.
pub(crate) fn replace(temporary: TempPath, path: &Path) -> io::Result<()> {
    temporary.persist(path)?;
    sync_folder(path)
}

/// Writes a private file (mode 0600). After a crash the file has the complete old or new content.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = create_temporary(path)?;
    let mut file = File::options().write(true).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    replace(temporary, path)
}

/// Removes a file if it exists.
pub(crate) fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Overwrites a file with keys in place, if it exists, before it is removed or replaced: the file
/// system would keep its content in a free block.
pub(crate) fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    file.write_all(&vec![0; length])?;
    file.sync_all()
}

/// Makes the directory entry of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
