//! The wrapping key, under which every customer's key is sealed, and the small file it lies in.
//!
//! Destroying a customer's key means replacing the wrapping key: their key stays behind in pages
//! that the database freed, sealed under a wrapping key that no longer exists. So the wrapping key
//! must lie where it can be overwritten, which a database that copies on write does not offer: a
//! file of two slots, a block each, written in place. The new key goes into the free slot before
//! the commit that uses it, and over the old one after it; a crash in between is settled at the
//! next start by the manifest, which says by number which key holds.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::VaultError;
use super::files::sync_folder;
use super::secret::{KEY_LENGTH, Secret};

/// A block of the file system, so that writing one slot never touches the other.
const SLOT_LENGTH: usize = 4096;
const NUMBER_LENGTH: usize = 8;

/// The wrapping keys in force: one, or two while one takes the other's place.
pub(super) struct WrapFile {
    path: PathBuf,
    file: File,
    slots: [Option<(u64, Secret)>; 2],
    turns: u64,
}

impl WrapFile {
    /// Opens the file at `path`, or makes it (mode 0600). Slots that none of `keys` opens are free.
    pub(super) fn open(path: &Path, keys: &[&Secret]) -> Result<Self, VaultError> {
        let open = || {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)?;
            if file.metadata()?.len() != 2 * SLOT_LENGTH as u64 {
                file.set_len(2 * SLOT_LENGTH as u64)?;
                file.sync_all()?;
                sync_folder(path)?;
            }
            let slots = [read(&file, 0, keys)?, read(&file, 1, keys)?];
            Ok(Self { path: path.to_owned(), file, slots, turns: 0 })
        };
        open().map_err(|source| failed(path, source))
    }

    /// How often a key was destroyed since the file was opened.
    pub(super) fn turns(&self) -> u64 {
        self.turns
    }

    /// The key of this number.
    pub(super) fn key(&self, number: u64) -> Option<&Secret> {
        self.slots.iter().flatten().find(|(n, _)| *n == number).map(|(_, key)| key)
    }

    /// Makes the key that is to take the place of `current`, and writes it beside it.
    pub(super) fn prepare(&mut self, current: u64, vault: &Secret) -> Result<Secret, VaultError> {
        let free = self.slots.iter().position(|s| s.as_ref().is_none_or(|(n, _)| *n != current));
        let next = Secret::random();
        self.write(free.unwrap_or(0), current + 1, &next, vault)?;
        Ok(next)
    }

    /// Leaves the key of this number alone in the file.
    pub(super) fn settle(&mut self, number: u64, vault: &Secret) -> Result<(), VaultError> {
        let Some(key) = self.key(number).cloned() else { return Ok(()) };
        self.turns += 1;
        for slot in 0..self.slots.len() {
            if self.slots[slot].as_ref().is_none_or(|(n, _)| *n != number) {
                self.write(slot, number, &key, vault)?;
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        slot: usize,
        number: u64,
        key: &Secret,
        vault: &Secret,
    ) -> Result<(), VaultError> {
        let sealed = vault.seal(&place(number), key.bytes())?;
        let mut block = vec![0; SLOT_LENGTH];
        let (head, rest) = block.split_at_mut(NUMBER_LENGTH + 2);
        head[..NUMBER_LENGTH].copy_from_slice(&number.to_be_bytes());
        let length = u16::try_from(sealed.len()).expect("a sealed key is about 70 bytes");
        head[NUMBER_LENGTH..].copy_from_slice(&length.to_be_bytes());
        rest[..sealed.len()].copy_from_slice(&sealed);
        self.file
            .write_all_at(&block, (slot * SLOT_LENGTH) as u64)
            .and_then(|()| self.file.sync_all())
            .map_err(|source| failed(&self.path, source))?;
        self.slots[slot] = Some((number, key.clone()));
        Ok(())
    }
}

fn read(file: &File, slot: usize, keys: &[&Secret]) -> io::Result<Option<(u64, Secret)>> {
    let mut block = vec![0; SLOT_LENGTH];
    file.read_exact_at(&mut block, (slot * SLOT_LENGTH) as u64)?;
    Ok(decode(&block, keys))
}

fn decode(block: &[u8], keys: &[&Secret]) -> Option<(u64, Secret)> {
    let (number, rest) = block.split_first_chunk::<NUMBER_LENGTH>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let number = u64::from_be_bytes(*number);
    let sealed = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    let key = keys.iter().find_map(|key| key.open(&place(number), sealed).ok())?;
    let key: &[u8; KEY_LENGTH] = key.as_slice().try_into().ok()?;
    Some((number, Secret::from_bytes(key)))
}

fn place(number: u64) -> Vec<u8> {
    [b"wrap\0".as_slice(), &number.to_be_bytes()].concat()
}

fn failed(path: &Path, source: io::Error) -> VaultError {
    VaultError::Sidecar { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_replaced_is_nowhere_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wrap");
        let vault = Secret::random();
        let mut file = WrapFile::open(&path, &[&vault]).unwrap();
        assert!(file.key(0).is_none());
        let first = file.prepare(0, &vault).unwrap();
        file.settle(1, &vault).unwrap();
        let second = file.prepare(1, &vault).unwrap();
        assert_eq!(file.key(1).unwrap().bytes(), first.bytes(), "both hold until it is settled");
        let crashed = WrapFile::open(&path, &[&vault]).unwrap();
        assert_eq!(crashed.key(1).unwrap().bytes(), first.bytes());
        assert_eq!(crashed.key(2).unwrap().bytes(), second.bytes());
        drop(crashed);
        file.settle(2, &vault).unwrap();
        let again = WrapFile::open(&path, &[&vault]).unwrap();
        assert!(again.key(1).is_none());
        assert_eq!(again.key(2).unwrap().bytes(), second.bytes());
        assert!(WrapFile::open(&path, &[&Secret::random()]).unwrap().key(2).is_none());
    }

    #[test]
    fn a_slot_that_was_torn_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wrap");
        let vault = Secret::random();
        let mut file = WrapFile::open(&path, &[&vault]).unwrap();
        let first = file.prepare(0, &vault).unwrap();
        file.settle(1, &vault).unwrap();
        for slot in 0..2 {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[slot * SLOT_LENGTH + 20] ^= 1;
            let torn = dir.path().join("torn");
            std::fs::write(&torn, bytes).unwrap();
            let file = WrapFile::open(&torn, &[&vault]).unwrap();
            assert_eq!(file.key(1).unwrap().bytes(), first.bytes());
        }
    }
}
