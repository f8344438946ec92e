//! The key-encryption key, under which every customer's key is encrypted, and its file.
//!
//! A deleted customer's key remains in free pages of the database. It becomes unreadable when the
//! key-encryption key is replaced and the old key-encryption key is overwritten. A copy-on-write
//! database cannot overwrite in place, so the key-encryption key has its own file with two slots of
//! one block each.
//!
//! The next key is written into the free slot before the commit that uses it. After the commit the
//! old key is overwritten. After a crash, the manifest contains the number of the valid key.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::error::VaultError;
use crate::files::{create_temporary, open_or_create, sync_folder, temporary_path};
use crate::symmetric_key::SymmetricKey;

/// Length of a slot in bytes: one block of the file system, so that a write never changes both
/// slots.
const SLOT_LENGTH: usize = 4096;
const NUMBER_LENGTH: usize = 8;

/// File with the current key-encryption key, and the next one during a replacement.
pub(crate) struct KeyEncryptionKeyFile {
    path: PathBuf,
    file: File,
    slots: [Option<(u64, SymmetricKey)>; 2],
    /// Number of times that a key was destroyed.
    generation: u64,
}

impl KeyEncryptionKeyFile {
    /// Writes a file with a first key, number 1, that becomes the file at `path` by [`crate::files::replace`].
    pub(crate) fn create(path: &Path, vault_key: &SymmetricKey) -> Result<TempPath, VaultError> {
        let create = || {
            let temporary = create_temporary(path)?;
            let file = open_or_create(&temporary)?;
            file.set_len(2 * SLOT_LENGTH as u64)?;
            Ok((temporary, file))
        };
        let (temporary, file) = create().map_err(|source| file_error(path, source))?;
        let mut new = Self { path: path.to_owned(), file, slots: [None, None], generation: 0 };
        let key = SymmetricKey::random();
        for slot in 0..new.slots.len() {
            new.write(slot, 1, &key, vault_key)?;
        }
        Ok(temporary)
    }

    /// Opens the file at `path`. A slot that none of `vault_keys` opens is free.
    ///
    /// If the file is missing, a complete file under its temporary name takes its place: creating a
    /// vault was interrupted between the last two renames.
    pub(crate) fn open(path: &Path, vault_keys: &[&SymmetricKey]) -> Result<Self, VaultError> {
        let open = || {
            let temporary = temporary_path(path);
            if !path.try_exists()? && temporary.try_exists()? {
                fs::rename(&temporary, path)?;
                sync_folder(path)?;
            }
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            if file.metadata()?.len() != 2 * SLOT_LENGTH as u64 {
                file.set_len(2 * SLOT_LENGTH as u64)?;
                file.sync_all()?;
            }
            let slots = [read(&file, 0, vault_keys)?, read(&file, 1, vault_keys)?];
            Ok(Self { path: path.to_owned(), file, slots, generation: 0 })
        };
        open().map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => {
                VaultError::KeyEncryptionKeyMissing { path: path.to_owned() }
            }
            _ => file_error(path, source),
        })
    }

    /// Returns the highest number of a key in the file, or `None` if no slot can be decrypted.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.slots.iter().flatten().map(|(number, _)| *number).max()
    }

    /// Returns a number that increases each time a key is destroyed.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the key with this number.
    pub(crate) fn key(&self, number: u64) -> Option<&SymmetricKey> {
        self.slots.iter().flatten().find(|(n, _)| *n == number).map(|(_, key)| key)
    }

    /// Creates the successor of the key with the number `current`, and writes it durably into the
    /// free slot.
    pub(crate) fn stage_next(
        &mut self,
        current: u64,
        vault_key: &SymmetricKey,
    ) -> Result<SymmetricKey, VaultError> {
        let free = self.slots.iter().position(|s| s.as_ref().is_none_or(|(n, _)| *n != current));
        let next = SymmetricKey::random();
        self.write(free.unwrap_or(0), current + 1, &next, vault_key)?;
        Ok(next)
    }

    /// Overwrites every other key with the key that has this number. Does nothing if there is no
    /// such key.
    pub(crate) fn overwrite_others(
        &mut self,
        number: u64,
        vault_key: &SymmetricKey,
    ) -> Result<(), VaultError> {
        let Some(key) = self.key(number).cloned() else { return Ok(()) };
        for slot in 0..self.slots.len() {
            if self.slots[slot].as_ref().is_none_or(|(n, _)| *n != number) {
                self.generation += 1;
                self.write(slot, number, &key, vault_key)?;
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        slot: usize,
        number: u64,
        key: &SymmetricKey,
        vault_key: &SymmetricKey,
    ) -> Result<(), VaultError> {
        let encrypted = vault_key.seal(&aad(number), key.bytes())?;
        let mut block = vec![0; SLOT_LENGTH];
        let (head, rest) = block.split_at_mut(NUMBER_LENGTH + 2);
        head[..NUMBER_LENGTH].copy_from_slice(&number.to_be_bytes());
        let length = u16::try_from(encrypted.len()).expect("an encrypted key has about 70 bytes");
        head[NUMBER_LENGTH..].copy_from_slice(&length.to_be_bytes());
        rest[..encrypted.len()].copy_from_slice(&encrypted);
        self.file
            .write_all_at(&block, (slot * SLOT_LENGTH) as u64)
            .and_then(|()| self.file.sync_all())
            .map_err(|source| file_error(&self.path, source))?;
        self.slots[slot] = Some((number, key.clone()));
        Ok(())
    }
}

fn read(
    file: &File,
    slot: usize,
    vault_keys: &[&SymmetricKey],
) -> io::Result<Option<(u64, SymmetricKey)>> {
    let mut block = vec![0; SLOT_LENGTH];
    file.read_exact_at(&mut block, (slot * SLOT_LENGTH) as u64)?;
    Ok(decode(&block, vault_keys))
}

fn decode(block: &[u8], vault_keys: &[&SymmetricKey]) -> Option<(u64, SymmetricKey)> {
    let (number, rest) = block.split_first_chunk::<NUMBER_LENGTH>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let number = u64::from_be_bytes(*number);
    let encrypted = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    let key = vault_keys.iter().find_map(|key| key.open_key(&aad(number), encrypted).ok())?;
    Some((number, key))
}

fn aad(number: u64) -> Vec<u8> {
    [b"wrap\0".as_slice(), &number.to_be_bytes()].concat()
}

fn file_error(path: &Path, source: io::Error) -> VaultError {
    VaultError::Sidecar { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::replace;

    fn new_file(path: &Path) -> (KeyEncryptionKeyFile, SymmetricKey) {
        let vault_key = SymmetricKey::random();
        replace(KeyEncryptionKeyFile::create(path, &vault_key).unwrap(), path).unwrap();
        (KeyEncryptionKeyFile::open(path, &[&vault_key]).unwrap(), vault_key)
    }

    #[test]
    fn replaced_key_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wrap");
        let (mut file, vault_key) = new_file(&path);
        let first = file.key(1).unwrap().clone();
        let second = file.stage_next(1, &vault_key).unwrap();
        assert_eq!(file.key(1).unwrap().bytes(), first.bytes(), "the old key is still readable");
        let crashed = KeyEncryptionKeyFile::open(&path, &[&vault_key]).unwrap();
        assert_eq!(crashed.key(1).unwrap().bytes(), first.bytes());
        assert_eq!(crashed.key(2).unwrap().bytes(), second.bytes());
        drop(crashed);
        file.overwrite_others(2, &vault_key).unwrap();
        let reopened = KeyEncryptionKeyFile::open(&path, &[&vault_key]).unwrap();
        assert!(reopened.key(1).is_none());
        assert_eq!(reopened.key(2).unwrap().bytes(), second.bytes());
        let other_vault_key = SymmetricKey::random();
        assert!(KeyEncryptionKeyFile::open(&path, &[&other_vault_key]).unwrap().key(2).is_none());
    }

    #[test]
    fn torn_slot_leaves_other_slot_readable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wrap");
        let (file, vault_key) = new_file(&path);
        let first = file.key(1).unwrap();
        for slot in 0..2 {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[slot * SLOT_LENGTH + 20] ^= 1;
            let torn = dir.path().join("torn");
            std::fs::write(&torn, bytes).unwrap();
            let file = KeyEncryptionKeyFile::open(&torn, &[&vault_key]).unwrap();
            assert_eq!(file.key(1).unwrap().bytes(), first.bytes());
        }
    }
}
