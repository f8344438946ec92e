//! The box's signing key and the file it lies in.

use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ed25519_dalek::{Signature, Signer, SigningKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::error::VaultError;
use super::files::{beside, remove_if_there, sync_folder};

const SEED_LENGTH: usize = 32;

/// The ed25519 key with which the box signs what it keeps and what it says. Zeroed when dropped;
/// does not print.
#[derive(Clone)]
pub struct BoxKey(SigningKey);

impl BoxKey {
    /// Reads the key's 32-byte seed from `path`, or makes the file (mode 0600, whole or not at
    /// all) from `entropy` when there is none. The flag says whether it was made now.
    ///
    /// # Errors
    /// When the file can be read by its group or by others, has another length, or the disk fails.
    pub fn load_or_create(
        path: &Path,
        entropy: impl FnOnce() -> [u8; SEED_LENGTH],
    ) -> Result<(Self, bool), VaultError> {
        if let Some(key) = Self::load(path)? {
            return Ok((key, false));
        }
        let seed = Zeroizing::new(entropy());
        write_whole(path, seed.as_slice()).map_err(|source| key_file("write", path, source))?;
        Ok((Self::from_seed(&seed), true))
    }

    /// Reads the key's 32-byte seed from `path`. `None`: there is no such file.
    ///
    /// # Errors
    /// When the file can be read by its group or by others, has another length, or the disk fails.
    pub fn load(path: &Path) -> Result<Option<Self>, VaultError> {
        match File::open(path) {
            Ok(file) => Self::read(path, file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(key_file("open", path, source)),
        }
    }

    /// The key of a seed.
    pub fn from_seed(seed: &[u8; SEED_LENGTH]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    fn read(path: &Path, file: File) -> Result<Self, VaultError> {
        let meta = file.metadata().map_err(|source| key_file("read", path, source))?;
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(VaultError::KeyMode { path: path.to_owned(), mode });
        }
        let mut seed = Zeroizing::new([0; SEED_LENGTH]);
        let wrong = || VaultError::KeyLength { path: path.to_owned() };
        if meta.len() != SEED_LENGTH as u64 {
            return Err(wrong());
        }
        let mut file = file;
        file.read_exact(seed.as_mut_slice()).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => wrong(),
            _ => key_file("read", path, source),
        })?;
        Ok(Self::from_seed(&seed))
    }

    /// The signature over `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The key's name: the first 8 bytes of the SHA-256 of the public key, in hex.
    pub fn key_id(&self) -> String {
        hex(&self.key_id_bytes())
    }

    pub(super) fn key_id_bytes(&self) -> [u8; 8] {
        let digest: [u8; 32] = Sha256::digest(self.public()).into();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        id
    }

    /// Whether `signature` is this key's over `message`; malleable signatures are not.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| {
            self.0.verifying_key().verify_strict(message, &signature).is_ok()
        })
    }
}

impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxKey([redacted])")
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn key_file(doing: &'static str, path: &Path, source: io::Error) -> VaultError {
    VaultError::KeyFile { doing, path: path.to_owned(), source }
}

/// Writes the file beside its place and moves it there, so that a crash leaves all of it or
/// nothing, and no moment at which others could read it.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    remove_if_there(&beside)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_folder(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box.key");
        let (key, created) = BoxKey::load_or_create(&path, || [7; 32]).unwrap();
        assert!(created);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (again, created) = BoxKey::load_or_create(&path, || unreachable!()).unwrap();
        assert!(!created);
        assert_eq!(again.public(), key.public());
        assert_eq!(key.key_id().len(), 16);
        assert!(key.verifies(b"hello", &again.sign(b"hello")));
        assert!(!key.verifies(b"hello!", &again.sign(b"hello")));
        assert_eq!(format!("{key:?}"), "BoxKey([redacted])");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside the key");
    }

    #[test]
    fn a_half_written_key_of_a_crash_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box.key");
        fs::write(dir.path().join("box.key.new"), [1; 5]).unwrap();
        assert!(BoxKey::load_or_create(&path, || [7; 32]).unwrap().1);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box.key");
        BoxKey::load_or_create(&path, || [7; 32]).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = BoxKey::load_or_create(&path, || [8; 32]).unwrap_err();
            assert!(matches!(&error, VaultError::KeyMode { mode: m, .. } if *m == mode));
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_file_of_another_length_is_no_key_and_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("box.key");
        for length in [0, 31, 33] {
            fs::write(&path, vec![0; length]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = BoxKey::load_or_create(&path, || [8; 32]).unwrap_err();
            assert!(matches!(error, VaultError::KeyLength { .. }));
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
    }
}
