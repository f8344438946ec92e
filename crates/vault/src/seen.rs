//! The mark of the newest change that this box has seen, in a small signed file beside the vault:
//! a vault that is older than its mark was put back.
//!
//! It is written after each commit. Only the first time it is forced to the disk, so that a power cut
//! may set it back by what the disk had not taken yet, but never takes it away; it never runs ahead of
//! the vault.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::VaultError;
use super::files::sync_folder;
use super::record::Signers;

/// Less than a sector, so that it is written whole or not at all.
const LENGTH: usize = 256;

/// What the mark says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// So many changes.
    Changes(u64),
    /// There is no mark.
    Missing,
    /// The mark is not this box's.
    Broken,
}

pub(super) struct SeenFile {
    path: PathBuf,
    file: File,
}

impl SeenFile {
    /// Opens the mark at `path`, or makes an empty one (mode 0600), and reads it.
    pub(super) fn open(path: &Path, signers: &Signers) -> Result<(Self, Seen), VaultError> {
        let open = || {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)?;
            let mut bytes = Vec::with_capacity(LENGTH);
            Read::by_ref(&mut file).take(LENGTH as u64).read_to_end(&mut bytes)?;
            Ok((file, bytes))
        };
        let (file, bytes) =
            open().map_err(|source| VaultError::Sidecar { path: path.to_owned(), source })?;
        let seen = if bytes.is_empty() {
            Seen::Missing
        } else {
            decode(&bytes, signers).map_or(Seen::Broken, Seen::Changes)
        };
        Ok((Self { path: path.to_owned(), file }, seen))
    }

    pub(super) fn write(&self, changes: u64, signers: &Signers) -> Result<(), VaultError> {
        let signed = signers.sign_payload(&place(signers), &changes.to_be_bytes())?;
        let mut block = [0; LENGTH];
        let length = u8::try_from(signed.len()).expect("a signed number is about 90 bytes");
        block[0] = length;
        block[1..=signed.len()].copy_from_slice(&signed);
        self.put(&block).map_err(|source| VaultError::Sidecar { path: self.path.clone(), source })
    }

    fn put(&self, block: &[u8; LENGTH]) -> io::Result<()> {
        let first = self.file.metadata()?.len() == 0;
        self.file.write_all_at(block, 0)?;
        if first {
            self.file.sync_all()?;
            sync_folder(&self.path)?;
        }
        Ok(())
    }
}

fn decode(bytes: &[u8], signers: &Signers) -> Option<u64> {
    let (length, rest) = bytes.split_first()?;
    let signed = rest.get(..usize::from(*length))?;
    let payload = signers.trust.verify_payload(&place(signers), signed).ok()?;
    Some(u64::from_be_bytes(payload.as_slice().try_into().ok()?))
}

fn place(signers: &Signers) -> Vec<u8> {
    [b"seen\0", signers.trust.box_id.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::box_key::BoxKey;

    #[test]
    fn the_mark_is_believed_only_as_this_box_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seen");
        let signers =
            |seed| Signers::new("entrance".parse().unwrap(), BoxKey::from_seed(&[seed; 32]), None);
        let read = |signers: &Signers| SeenFile::open(&path, signers).unwrap().1;
        let (file, seen) = SeenFile::open(&path, &signers(1)).unwrap();
        assert_eq!(seen, Seen::Missing);
        file.write(41, &signers(1)).unwrap();
        file.write(42, &signers(1)).unwrap();
        assert_eq!(read(&signers(1)), Seen::Changes(42));
        assert_eq!(read(&signers(2)), Seen::Broken);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[50] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read(&signers(1)), Seen::Broken);
    }
}
