//! Rollback guard: the number of the newest change, in a small signed file beside the vault.
//!
//! A vault with fewer changes than its guard is an older copy. The guard is written after each
//! commit, so its number is never higher than that of the vault. Only the first write is synced:
//! after a power cut the guard may contain an older number, but it still exists.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::VaultError;
use crate::files::{open_or_create, sync_folder};
use crate::record::Signers;

/// Length of the file in bytes. It is shorter than a disk sector, so a write is never partial.
const LENGTH: usize = 256;

/// Content of the guard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GuardedCount {
    /// Last number of changes that this box signed.
    Known(u64),
    /// The file is empty or was missing.
    Missing,
    /// This box did not sign the content.
    Invalid,
}

/// Open file of the guard.
pub(crate) struct RollbackGuard {
    path: PathBuf,
    file: File,
}

impl RollbackGuard {
    /// Opens and reads the guard at `path`, or creates an empty one (mode 0600).
    pub(crate) fn open(path: &Path, signers: &Signers) -> Result<(Self, GuardedCount), VaultError> {
        let open = || {
            let mut file = open_or_create(path)?;
            let mut bytes = Vec::with_capacity(LENGTH);
            Read::by_ref(&mut file).take(LENGTH as u64).read_to_end(&mut bytes)?;
            Ok((file, bytes))
        };
        let (file, bytes) =
            open().map_err(|source| VaultError::Sidecar { path: path.to_owned(), source })?;
        let count = if bytes.is_empty() {
            GuardedCount::Missing
        } else {
            decode(&bytes, signers).map_or(GuardedCount::Invalid, GuardedCount::Known)
        };
        Ok((Self { path: path.to_owned(), file }, count))
    }

    /// Signs and writes the number of changes.
    pub(crate) fn write(&self, changes: u64, signers: &Signers) -> Result<(), VaultError> {
        let signed = signers.sign_payload(&aad(signers), &changes.to_be_bytes())?;
        let mut block = [0; LENGTH];
        block[0] = u8::try_from(signed.len()).expect("a signed number has about 90 bytes");
        block[1..=signed.len()].copy_from_slice(&signed);
        self.write_block(&block)
            .map_err(|source| VaultError::Sidecar { path: self.path.clone(), source })
    }

    fn write_block(&self, block: &[u8; LENGTH]) -> io::Result<()> {
        let is_first = self.file.metadata()?.len() == 0;
        self.file.write_all_at(block, 0)?;
        if is_first {
            self.file.sync_all()?;
            sync_folder(&self.path)?;
        }
        Ok(())
    }
}

fn decode(bytes: &[u8], signers: &Signers) -> Option<u64> {
    let (length, rest) = bytes.split_first()?;
    let signed = rest.get(..usize::from(*length))?;
    let payload = signers.trusted.verify_payload(&aad(signers), signed).ok()?;
    Some(u64::from_be_bytes(payload.as_slice().try_into().ok()?))
}

fn aad(signers: &Signers) -> Vec<u8> {
    [b"seen\0", signers.trusted.box_id.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing_key::SigningKey;

    #[test]
    fn guard_of_other_key_or_with_changed_byte_is_invalid() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seen");
        let signers = |seed| {
            Signers::new("entrance".parse().unwrap(), SigningKey::from_seed(&[seed; 32]), None)
        };
        let read = |signers: &Signers| RollbackGuard::open(&path, signers).unwrap().1;
        let (guard, count) = RollbackGuard::open(&path, &signers(1)).unwrap();
        assert_eq!(count, GuardedCount::Missing);
        guard.write(41, &signers(1)).unwrap();
        guard.write(42, &signers(1)).unwrap();
        assert_eq!(read(&signers(1)), GuardedCount::Known(42));
        assert_eq!(read(&signers(2)), GuardedCount::Invalid);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[50] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read(&signers(1)), GuardedCount::Invalid);
    }
}
