//! The box's two keys and where they lie: the signing key, which vouches for what the box kept and
//! says, and the vault key, without which the vault does not open.
//!
//! A key is a systemd credential, or else a file in the state folder. A rotation brings a second
//! pair, which takes the first one's place when the vault has been written anew under it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::box_key::BoxKey;
use super::error::VaultError;
use super::files::{beside, remove_if_there, sync_folder};
use super::secret::{KEY_LENGTH, Secret};

/// Where keys are looked for.
#[derive(Clone, Debug)]
pub struct KeyFolders {
    /// Files of 32 bytes, mode 0600: `signing.key` and `vault.key`, in a rotation `signing.key.next`
    /// and `vault.key.next` too.
    pub state: PathBuf,
    /// systemd's `$CREDENTIALS_DIRECTORY`: `instored.signing` and `instored.vault`, for a rotation
    /// `instored.signing.next` and `instored.vault.next` too. They come before files.
    pub credentials: Option<PathBuf>,
}

/// One signing key and one vault key.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) signing: BoxKey,
    pub(super) vault: Secret,
}

/// The keys of a box. They do not print.
#[derive(Debug)]
pub struct Keys {
    folders: KeyFolders,
    pub(super) current: Pair,
    /// Those of a rotation that has not ended.
    pub(super) next: Option<Pair>,
}

/// The two kinds of key.
#[derive(Clone, Copy)]
enum Which {
    Signing,
    Vault,
}

impl Which {
    fn file(self) -> &'static str {
        match self {
            Self::Signing => "signing.key",
            Self::Vault => "vault.key",
        }
    }

    fn credential(self) -> &'static str {
        match self {
            Self::Signing => "instored.signing",
            Self::Vault => "instored.vault",
        }
    }
}

const NEXT: &str = ".next";

impl Keys {
    /// Reads the keys of a box that has some. `None`: at least one is not there.
    ///
    /// # Errors
    /// When a file can be read by its group or by others, has another length, or the disk fails.
    pub fn load(folders: &KeyFolders) -> Result<Option<Self>, VaultError> {
        let Some(signing) = load(folders, Which::Signing, "")? else { return Ok(None) };
        let Some(vault) = load(folders, Which::Vault, "")? else { return Ok(None) };
        let current = Pair { signing: BoxKey::from_seed(signing.bytes()), vault };
        let next = load_next(folders, &current)?;
        Ok(Some(Self { folders: folders.clone(), current, next }))
    }

    /// Reads the keys of a box; makes those that are not there, as files (mode 0600, whole or not
    /// at all) in the state folder, unless `vault` is there already, which new keys could not open.
    /// The paths are those of the files that were made now.
    ///
    /// # Errors
    /// As [`Keys::load`]; and when a key of an existing vault is missing.
    pub fn load_or_create(
        folders: &KeyFolders,
        vault: &Path,
    ) -> Result<(Self, Vec<PathBuf>), VaultError> {
        let mut made = Vec::new();
        for which in [Which::Signing, Which::Vault] {
            if load(folders, which, "")?.is_some() {
                continue;
            }
            let path = folders.state.join(which.file());
            if fs::metadata(vault).is_ok_and(|vault| vault.len() > 0) {
                return Err(VaultError::KeyMissing { path, vault: vault.to_owned() });
            }
            write_whole(&path, Secret::random().bytes())?;
            made.push(path);
        }
        let keys = Self::load(folders)?
            .ok_or_else(|| key_file("read", &folders.state, io::ErrorKind::NotFound.into()))?;
        Ok((keys, made))
    }

    /// The key with which the box signs.
    pub fn signing(&self) -> &BoxKey {
        &self.current.signing
    }

    /// The key that seals the root and the wrapping key.
    pub(super) fn vault(&self) -> &Secret {
        &self.current.vault
    }

    /// The pair of the rotation under way; makes it as files when there is none.
    pub(super) fn begin_rotation(&mut self) -> Result<Pair, VaultError> {
        for which in [Which::Signing, Which::Vault] {
            if load(&self.folders, which, NEXT)?.is_some() {
                continue;
            }
            if credential(&self.folders, which, "").is_some() {
                let name = which.credential();
                return Err(VaultError::RotateCredential { name });
            }
            let path = self.folders.state.join(format!("{}{NEXT}", which.file()));
            write_whole(&path, Secret::random().bytes())?;
        }
        let next = load_next(&self.folders, &self.current)?
            .ok_or_else(|| key_file("read", &self.folders.state, io::ErrorKind::NotFound.into()))?;
        self.next = Some(next.clone());
        Ok(next)
    }

    /// Puts the next pair in the place of the current one. The names of the credentials that
    /// somebody has to replace by hand are given back; until then both are needed.
    pub(super) fn end_rotation(&mut self) -> Result<Vec<String>, VaultError> {
        let Some(next) = self.next.take() else { return Ok(Vec::new()) };
        self.current = next;
        let mut by_hand = Vec::new();
        for which in [Which::Signing, Which::Vault] {
            let path = self.folders.state.join(which.file());
            let next = self.folders.state.join(format!("{}{NEXT}", which.file()));
            if credential(&self.folders, which, NEXT).is_some() {
                by_hand.push(which.credential().to_owned());
            } else if next.exists() {
                wipe(&path)
                    .and_then(|()| fs::rename(&next, &path))
                    .and_then(|()| sync_folder(&path))
                    .map_err(|source| key_file("replace", &path, source))?;
            }
        }
        Ok(by_hand)
    }
}

/// The pair of a rotation under way, when at least one of it is there: the other has then taken
/// its place already, or was not made yet.
fn load_next(folders: &KeyFolders, current: &Pair) -> Result<Option<Pair>, VaultError> {
    let signing = load(folders, Which::Signing, NEXT)?;
    let vault = load(folders, Which::Vault, NEXT)?;
    if signing.is_none() && vault.is_none() {
        return Ok(None);
    }
    let signing = signing.map(|seed| BoxKey::from_seed(seed.bytes()));
    Ok(Some(Pair {
        signing: signing.unwrap_or_else(|| current.signing.clone()),
        vault: vault.unwrap_or_else(|| current.vault.clone()),
    }))
}

fn load(folders: &KeyFolders, which: Which, suffix: &str) -> Result<Option<Secret>, VaultError> {
    if let Some(path) = credential(folders, which, suffix) {
        // systemd lets the service's user read it through an access list, which shows in the
        // mode as if the group could: the folder is what keeps others out.
        return read(&path, 0o007);
    }
    read(&folders.state.join(format!("{}{suffix}", which.file())), 0o077)
}

fn credential(folders: &KeyFolders, which: Which, suffix: &str) -> Option<PathBuf> {
    let path = folders.credentials.as_ref()?.join(format!("{}{suffix}", which.credential()));
    path.exists().then_some(path)
}

/// Reads a key of which nobody of `others` may know.
fn read(path: &Path, others: u32) -> Result<Option<Secret>, VaultError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(key_file("open", path, source)),
    };
    let meta = file.metadata().map_err(|source| key_file("read", path, source))?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & others != 0 {
        return Err(VaultError::KeyMode { path: path.to_owned(), mode });
    }
    if meta.len() != KEY_LENGTH as u64 {
        return Err(VaultError::KeyLength { path: path.to_owned() });
    }
    let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
    file.read_exact(bytes.as_mut_slice()).map_err(|source| key_file("read", path, source))?;
    Ok(Some(Secret::from_bytes(&bytes)))
}

/// Writes the file beside its place and moves it there, so that a crash leaves all of it or
/// nothing, and no moment at which others could read it.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let beside = beside(path);
    let write = || {
        remove_if_there(&beside)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_folder(path)
    };
    write().map_err(|source| key_file("write", path, source))
}

/// Overwrites a key in place before its file goes: a rename alone would leave it in a free block.
/// The next pair opens the vault by now, so a crash loses nothing.
fn wipe(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    file.write_all(&[0; KEY_LENGTH])?;
    file.sync_all()
}

fn key_file(doing: &'static str, path: &Path, source: io::Error) -> VaultError {
    VaultError::KeyFile { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house() -> (tempfile::TempDir, KeyFolders, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let folders = KeyFolders { state: dir.path().to_owned(), credentials: None };
        let vault = dir.path().join("vault.redb");
        (dir, folders, vault)
    }

    fn make(folders: &KeyFolders, vault: &Path) -> Keys {
        Keys::load_or_create(folders, vault).unwrap().0
    }

    #[test]
    fn keys_are_made_once_and_found_again() {
        let (dir, folders, vault) = house();
        assert!(Keys::load(&folders).unwrap().is_none());
        let (keys, made) = Keys::load_or_create(&folders, &vault).unwrap();
        assert_eq!(made.len(), 2);
        for path in &made {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let (again, made) = Keys::load_or_create(&folders, &vault).unwrap();
        assert!(made.is_empty());
        assert_eq!(again.signing().public(), keys.signing().public());
        assert_eq!(again.current.vault.bytes(), keys.current.vault.bytes());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside them");
    }

    #[test]
    fn a_half_written_key_of_a_crash_is_replaced() {
        let (dir, folders, vault) = house();
        fs::write(dir.path().join("signing.key.new"), [1; 5]).unwrap();
        assert_eq!(Keys::load_or_create(&folders, &vault).unwrap().1.len(), 2);
    }

    #[test]
    fn a_key_that_an_existing_vault_needs_is_not_made_anew() {
        let (dir, folders, vault) = house();
        make(&folders, &vault);
        fs::write(&vault, b"something").unwrap();
        fs::remove_file(dir.path().join("vault.key")).unwrap();
        let error = Keys::load_or_create(&folders, &vault).unwrap_err();
        assert!(
            matches!(&error, VaultError::KeyMissing { path, .. } if path.ends_with("vault.key"))
        );
        assert!(!dir.path().join("vault.key").exists());
    }

    #[test]
    fn credentials_come_before_files_and_are_not_replaced() {
        let (dir, mut folders, vault) = house();
        make(&folders, &vault);
        let credentials = dir.path().join("credentials");
        fs::create_dir(&credentials).unwrap();
        for (name, byte) in [("instored.signing", 3), ("instored.vault", 4)] {
            fs::write(credentials.join(name), [byte; 32]).unwrap();
            let mode = fs::Permissions::from_mode(0o440);
            fs::set_permissions(credentials.join(name), mode).unwrap();
        }
        folders.credentials = Some(credentials);
        let mut keys = make(&folders, &vault);
        assert_eq!(keys.signing().public(), BoxKey::from_seed(&[3; 32]).public());
        assert_eq!(keys.current.vault.bytes(), &[4; 32]);
        let error = keys.begin_rotation().unwrap_err();
        assert!(error.to_string().contains("instored.signing.next"), "{error}");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        let (dir, folders, vault) = house();
        make(&folders, &vault);
        let path = dir.path().join("vault.key");
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Keys::load_or_create(&folders, &vault).unwrap_err();
            assert!(matches!(&error, VaultError::KeyMode { mode: m, .. } if *m == mode));
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_file_of_another_length_is_no_key_and_is_left_alone() {
        let (dir, folders, vault) = house();
        let path = dir.path().join("signing.key");
        for length in [0, 31, 33] {
            fs::write(&path, vec![0; length]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let error = Keys::load_or_create(&folders, &vault).unwrap_err();
            assert!(matches!(error, VaultError::KeyLength { .. }));
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
    }
}
