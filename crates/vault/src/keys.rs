//! The box's two keys and their files: the signing key and the vault key.
//!
//! The signing key signs stored records and published messages. The vault key opens the vault. Each
//! is a systemd credential or a file in the state folder. A rotation introduces a second pair,
//! which replaces the first once the vault is encrypted under it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::files::{next_key_path, overwrite, sync_folder, write_atomically};
use crate::signing_key::SigningKey;
use crate::symmetric_key::{KEY_LENGTH, SymmetricKey};
use crate::vault::Vault;

/// Folders with the keys.
#[derive(Clone, Debug)]
pub struct KeyLocations {
    /// State folder with files of 32 bytes, mode 0600: `signing.key` and `vault.key`, and during a
    /// rotation `signing.key.next` and `vault.key.next`.
    pub state: PathBuf,
    /// systemd's `$CREDENTIALS_DIRECTORY` with `instored.signing` and `instored.vault`, and for a
    /// rotation `instored.signing.next` and `instored.vault.next`. A credential takes precedence
    /// over a file.
    pub credentials: Option<PathBuf>,
}

/// Signing key and vault key.
#[derive(Clone, Debug)]
pub(crate) struct KeyPair {
    pub(crate) signing: SigningKey,
    pub(crate) vault: SymmetricKey,
}

/// Keys of a box. `Debug` redacts them.
#[derive(Debug)]
pub struct KeyStore {
    locations: KeyLocations,
    pub(crate) current: KeyPair,
    /// Next keys, while a rotation has not ended.
    pub(crate) next: Option<KeyPair>,
}

/// Purpose of a key.
#[derive(Clone, Copy)]
enum KeyKind {
    Signing,
    Vault,
}

/// Generation of a key: the current key, or the next key, which a rotation introduces.
#[derive(Clone, Copy)]
enum Generation {
    Current,
    Next,
}

impl KeyKind {
    const ALL: [Self; 2] = [Self::Signing, Self::Vault];

    fn file_name(self) -> &'static str {
        match self {
            Self::Signing => "signing.key",
            Self::Vault => "vault.key",
        }
    }

    fn credential_name(self) -> &'static str {
        match self {
            Self::Signing => "instored.signing",
            Self::Vault => "instored.vault",
        }
    }
}

impl KeyLocations {
    fn file(&self, kind: KeyKind, generation: Generation) -> PathBuf {
        at_generation(self.state.join(kind.file_name()), generation)
    }

    /// Returns the path of a credential if the service has it.
    fn credential(&self, kind: KeyKind, generation: Generation) -> Option<PathBuf> {
        let path = self.credentials.as_ref()?.join(kind.credential_name());
        Some(at_generation(path, generation)).filter(|path| path.exists())
    }

    /// Reads a key, or returns `None` if it does not exist.
    fn load(
        &self,
        kind: KeyKind,
        generation: Generation,
    ) -> Result<Option<SymmetricKey>, VaultError> {
        if let Some(path) = self.credential(kind, generation) {
            // systemd grants access to the service's user by an ACL, and the mode then shows group
            // permissions. Other users have no access to the folder.
            return read(&path, 0o007);
        }
        read(&self.file(kind, generation), 0o077)
    }
}

fn at_generation(path: PathBuf, generation: Generation) -> PathBuf {
    match generation {
        Generation::Current => path,
        Generation::Next => next_key_path(&path),
    }
}

impl KeyStore {
    /// Reads the keys of a box, or returns `None` if one of them does not exist.
    fn load(locations: &KeyLocations) -> Result<Option<Self>, VaultError> {
        let load = |kind| locations.load(kind, Generation::Current);
        let Some(signing) = load(KeyKind::Signing)? else { return Ok(None) };
        let Some(vault) = load(KeyKind::Vault)? else { return Ok(None) };
        let current = KeyPair { signing: SigningKey::from_seed(signing.bytes()), vault };
        let next = load_next(locations, &current)?;
        Ok(Some(Self { locations: locations.clone(), current, next }))
    }

    /// Reads the keys of a box and creates the missing ones as files (mode 0600) in the state
    /// folder. Returns the paths of the files that were created.
    ///
    /// # Errors
    /// If other users can read a key file, its length is wrong, the disk fails, or a key is missing
    /// although the file `vault` exists. A new key could not open that file.
    pub fn load_or_create(
        locations: &KeyLocations,
        vault: &Path,
    ) -> Result<(Self, Vec<PathBuf>), VaultError> {
        let mut created = Vec::new();
        for kind in KeyKind::ALL {
            if locations.load(kind, Generation::Current)?.is_some() {
                continue;
            }
            let path = locations.file(kind, Generation::Current);
            if Vault::exists(vault) {
                return Err(VaultError::KeyMissing { path, vault: vault.to_owned() });
            }
            create(&path)?;
            created.push(path);
        }
        let keys = Self::load(locations)?.ok_or_else(|| missing_key_error(&locations.state))?;
        Ok((keys, created))
    }

    /// Returns the current keys and, during a rotation, the next keys.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = &KeyPair> {
        [Some(&self.current), self.next.as_ref()].into_iter().flatten()
    }

    /// Returns the next keys, and creates their files if they do not exist.
    pub(crate) fn begin_rotation(&mut self) -> Result<KeyPair, VaultError> {
        for kind in KeyKind::ALL {
            if self.locations.load(kind, Generation::Next)?.is_some() {
                continue;
            }
            if self.locations.credential(kind, Generation::Current).is_some() {
                return Err(VaultError::RotateCredential { name: kind.credential_name() });
            }
            create(&self.locations.file(kind, Generation::Next))?;
        }
        let next = load_next(&self.locations, &self.current)?
            .ok_or_else(|| missing_key_error(&self.locations.state))?;
        self.next = Some(next.clone());
        Ok(next)
    }

    /// Replaces the current keys by the next keys. Returns the names of the credentials that the
    /// operator has to replace. Until then, both generations of these credentials are needed.
    pub(crate) fn end_rotation(&mut self) -> Result<Vec<String>, VaultError> {
        let Some(next) = self.next.take() else { return Ok(Vec::new()) };
        self.current = next;
        let mut credentials = Vec::new();
        for kind in KeyKind::ALL {
            let path = self.locations.file(kind, Generation::Current);
            let next_path = self.locations.file(kind, Generation::Next);
            if self.locations.credential(kind, Generation::Next).is_some() {
                credentials.push(kind.credential_name().to_owned());
            } else if next_path.exists() {
                // A crash loses nothing: the next keys already open the vault.
                overwrite(&path)
                    .and_then(|()| fs::rename(&next_path, &path))
                    .and_then(|()| sync_folder(&path))
                    .map_err(|source| file_error("replace", &path, source))?;
            }
        }
        Ok(credentials)
    }
}

/// Reads the next keys, or returns `None` if neither exists. If only one exists, the other one was
/// not created yet or has already replaced the current key; the result then contains the current
/// key.
fn load_next(locations: &KeyLocations, current: &KeyPair) -> Result<Option<KeyPair>, VaultError> {
    let signing = locations.load(KeyKind::Signing, Generation::Next)?;
    let vault = locations.load(KeyKind::Vault, Generation::Next)?;
    if signing.is_none() && vault.is_none() {
        return Ok(None);
    }
    let signing = signing.map(|seed| SigningKey::from_seed(seed.bytes()));
    Ok(Some(KeyPair {
        signing: signing.unwrap_or_else(|| current.signing.clone()),
        vault: vault.unwrap_or_else(|| current.vault.clone()),
    }))
}

/// Reads a key file. Rejects it if its mode has one of the bits `forbidden_mode`.
fn read(path: &Path, forbidden_mode: u32) -> Result<Option<SymmetricKey>, VaultError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(file_error("open", path, source)),
    };
    let metadata = file.metadata().map_err(|source| file_error("read", path, source))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & forbidden_mode != 0 {
        return Err(VaultError::KeyMode { path: path.to_owned(), mode });
    }
    if metadata.len() != KEY_LENGTH as u64 {
        return Err(VaultError::KeyLength { path: path.to_owned() });
    }
    let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
    file.read_exact(bytes.as_mut_slice()).map_err(|source| file_error("read", path, source))?;
    Ok(Some(SymmetricKey::from_bytes(&bytes)))
}

fn create(path: &Path) -> Result<(), VaultError> {
    write_atomically(path, SymmetricKey::random().bytes())
        .map_err(|source| file_error("write", path, source))
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> VaultError {
    VaultError::KeyFile { action, path: path.to_owned(), source }
}

fn missing_key_error(path: &Path) -> VaultError {
    file_error("read", path, io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a state folder without keys and the path of its vault.
    fn empty_state() -> (tempfile::TempDir, KeyLocations, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let locations = KeyLocations { state: dir.path().to_owned(), credentials: None };
        let vault = dir.path().join("vault.redb");
        (dir, locations, vault)
    }

    fn load_or_create(locations: &KeyLocations, vault: &Path) -> KeyStore {
        KeyStore::load_or_create(locations, vault).unwrap().0
    }

    #[test]
    fn keys_are_created_once_and_loaded_afterwards() {
        let (dir, locations, vault) = empty_state();
        assert!(KeyStore::load(&locations).unwrap().is_none());
        let (keys, created) = KeyStore::load_or_create(&locations, &vault).unwrap();
        assert_eq!(created.len(), 2);
        for path in &created {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let (loaded, created) = KeyStore::load_or_create(&locations, &vault).unwrap();
        assert!(created.is_empty());
        assert_eq!(loaded.current.signing.public(), keys.current.signing.public());
        assert_eq!(loaded.current.vault.bytes(), keys.current.vault.bytes());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file remains");
    }

    #[test]
    fn temporary_key_file_of_crash_is_replaced() {
        let (dir, locations, vault) = empty_state();
        fs::write(dir.path().join("signing.key.new"), [1; 5]).unwrap();
        assert_eq!(KeyStore::load_or_create(&locations, &vault).unwrap().1.len(), 2);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn missing_key_of_existing_vault_is_not_created() {
        let (dir, locations, vault) = empty_state();
        load_or_create(&locations, &vault);
        fs::write(&vault, b"something").unwrap();
        fs::remove_file(dir.path().join("vault.key")).unwrap();
        let error = KeyStore::load_or_create(&locations, &vault).unwrap_err();
        assert!(
            matches!(&error, VaultError::KeyMissing { path, .. } if path.ends_with("vault.key"))
        );
        assert!(!dir.path().join("vault.key").exists());
    }

    #[test]
    fn credentials_take_precedence_and_are_not_replaced() {
        let (dir, mut locations, vault) = empty_state();
        load_or_create(&locations, &vault);
        let credentials = dir.path().join("credentials");
        fs::create_dir(&credentials).unwrap();
        for (name, byte) in [("instored.signing", 3), ("instored.vault", 4)] {
            fs::write(credentials.join(name), [byte; 32]).unwrap();
            let mode = fs::Permissions::from_mode(0o440);
            fs::set_permissions(credentials.join(name), mode).unwrap();
        }
        locations.credentials = Some(credentials);
        let mut keys = load_or_create(&locations, &vault);
        assert_eq!(keys.current.signing.public(), SigningKey::from_seed(&[3; 32]).public());
        assert_eq!(keys.current.vault.bytes(), &[4; 32]);
        let error = keys.begin_rotation().unwrap_err();
        assert!(error.to_string().contains("instored.signing.next"), "{error}");
    }

    #[test]
    fn key_file_readable_by_others_is_rejected_with_remedy() {
        let (dir, locations, vault) = empty_state();
        load_or_create(&locations, &vault);
        let path = dir.path().join("vault.key");
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = KeyStore::load_or_create(&locations, &vault).unwrap_err();
            assert!(matches!(&error, VaultError::KeyMode { mode: m, .. } if *m == mode));
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn key_file_of_wrong_length_is_rejected_and_kept() {
        let (dir, locations, vault) = empty_state();
        let path = dir.path().join("signing.key");
        for length in [0, 31, 33] {
            fs::write(&path, vec![0; length]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = KeyStore::load_or_create(&locations, &vault).unwrap_err();
            assert!(matches!(error, VaultError::KeyLength { .. }));
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
    }
}
