//! Opening and creating a vault, and detection of an older copy.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use data_encoding::HEXLOWER;
use instored_domain::BoxId;
use jiff::Timestamp;

use crate::account::open_key;
use crate::audit::{self, Actor, AuditAction, AuditContext};
use crate::derived_keys::DerivedKeys;
use crate::error::{TransactionError, VaultError};
use crate::files::{
    key_encryption_key_path, overwrite, remove_if_present, replace, rollback_guard_path,
    sync_folder,
};
use crate::key_encryption_key::KeyEncryptionKeyFile;
use crate::keys::KeyStore;
use crate::manifest::{Manifest, MultisetHash};
use crate::migration::migrate;
use crate::record::Signers;
use crate::record_key::leading_customer;
use crate::rollback_guard::{GuardedCount, RollbackGuard};
use crate::schema::{self, ACCOUNTS, FORMAT_2, Identity, MANIFEST_KEY, META, ROOT_KEY, Rows};
use crate::storage::{Commit, Opener, Storage, create_database, file_opener};
use crate::symmetric_key::SymmetricKey;
use crate::vault::{Sidecars, Vault};
use crate::verified::Rejected;

/// Maximum number of customer keys that are decrypted to detect the key-encryption key of another
/// vault.
const EXAMINED_ACCOUNTS_MAX: u32 = 8;

impl Vault {
    /// Opens the vault at `path`, or creates it (mode 0600) if neither the vault nor one of its other
    /// files exists. If a crash interrupted the replacement of a key, this completes or reverts the
    /// replacement.
    ///
    /// The folder must exist. Two more files lie beside the vault, with the suffixes `.wrap`
    /// (key-encryption keys) and `.seen` (rollback guard).
    ///
    /// # Errors
    /// - The vault's file is missing, and one of its other files exists.
    /// - Another process has opened the vault.
    /// - The vault belongs to another box or to other keys.
    /// - The file is a copy from before a customer was forgotten.
    /// - The file is damaged or has an unsupported format.
    /// - The disk fails.
    pub fn open(
        path: &Path,
        keys: KeyStore,
        box_id: BoxId,
        now: Timestamp,
    ) -> Result<Self, VaultError> {
        Self::open_with(path, keys, box_id, now, file_opener())
    }

    /// Opens the vault like [`Vault::open`], on a database that `opener` provides.
    pub(crate) fn open_with(
        path: &Path,
        mut keys: KeyStore,
        box_id: BoxId,
        now: Timestamp,
        opener: Opener,
    ) -> Result<Self, VaultError> {
        let is_missing = !path
            .try_exists()
            .map_err(|source| VaultError::Open { path: path.to_owned(), source })?;
        if is_missing {
            match find_sidecar(path) {
                None => create(path, &opener, &keys, box_id.clone(), now)?,
                Some(sidecar) => {
                    return Err(VaultError::Missing { path: path.to_owned(), sidecar });
                }
            }
        }
        let storage = Storage::open(path, opener)?;
        let identity = storage.read(Identity::read)?.ok_or_else(|| VaultError::Damaged {
            path: path.to_owned(),
            detail: "the file is empty".into(),
        })?;
        identity.check(&box_id, path)?;
        let vault_keys: Vec<_> = keys.pairs().map(|pair| &pair.vault).collect();
        let encrypted = storage.read(|txn| txn.row(META, ROOT_KEY))?.unwrap_or_default();
        let root = vault_keys
            .iter()
            .find_map(|key| DerivedKeys::open_root(key, &encrypted))
            .ok_or_else(|| VaultError::OtherVaultKey { path: path.to_owned() })?;
        let derived_keys = DerivedKeys::new(signers(&identity, &keys, box_id, path)?, root);
        let file = key_encryption_key_path(path);
        let mut key_encryption_keys = KeyEncryptionKeyFile::open(&file, &vault_keys)?;
        if keys.next.as_ref().is_some_and(|next| next.signing.id() == *identity.signer) {
            // The last run crashed after the last commit of a rotation and before it replaced the key
            // files.
            keys.end_rotation()?;
        }

        let manifest = storage.read(|txn| {
            Manifest::verify(txn, &derived_keys.manifest, &derived_keys.signers)?;
            Manifest::read(txn, &derived_keys.manifest)
        })?;
        let number = manifest.key_encryption_key_number;
        let Some(key) = key_encryption_keys.key(number) else {
            let path = path.to_owned();
            return Err(match key_encryption_keys.newest() {
                Some(newest) if newest > number => VaultError::OlderCopy { path },
                _ => VaultError::OtherKeyEncryptionKey { path, file },
            });
        };
        if !storage.read(|txn| opens_accounts(txn, key))? {
            return Err(VaultError::OtherKeyEncryptionKey { path: path.to_owned(), file });
        }
        if identity.format == FORMAT_2 {
            migrate(&storage, &derived_keys, key)?;
        }
        if !storage.read(schema::has_all_tables)? {
            storage.write(|tx| {
                schema::upgrade(tx.redb())?;
                Ok(((), Commit::Yes))
            })?;
        }
        let manifest = storage.read(|txn| Manifest::read(txn, &derived_keys.manifest))?;
        key_encryption_keys.overwrite_others(number, &keys.current.vault)?;

        let (rollback_guard, guarded) =
            RollbackGuard::open(&rollback_guard_path(path), &derived_keys.signers)?;
        let mut warnings: Vec<_> =
            rollback_warning(guarded, manifest.changes).into_iter().collect();
        if storage.was_salvaged() {
            warnings.push(Rejected::vault(
                "part of the vault's file",
                "it is damaged; the readable rows were copied into a new file, and the damaged \
                 file is kept with the suffix .damaged until the next compaction",
            ));
        }
        let vault = Self {
            storage,
            sidecars: Mutex::new(Sidecars { keys, key_encryption_keys, rollback_guard }),
            derived_keys: RwLock::new(Arc::new(derived_keys)),
            key_encryption_key_lock: Mutex::default(),
            rotation_lock: Mutex::default(),
            warnings,
        };
        vault.align_change_counts(guarded, manifest.changes, now)?;
        vault.reserve_space();
        Ok(vault)
    }

    /// Returns true if there is a vault at `path`, or one of the other files of a vault.
    pub fn exists(path: &Path) -> bool {
        path.try_exists().unwrap_or(true) || find_sidecar(path).is_some()
    }

    /// Deletes the other files of a vault whose own file is missing: the key-encryption keys, which are
    /// overwritten first, and the rollback guard. No copy of that vault can be opened without these
    /// keys. [`Vault::open`] then creates a new vault.
    ///
    /// # Errors
    /// If there is a vault at `path`, or a file cannot be deleted.
    pub fn discard_missing(path: &Path) -> Result<(), VaultError> {
        if path.try_exists().unwrap_or(true) {
            return Err(VaultError::Exists { path: path.to_owned() });
        }
        let key_encryption_keys = key_encryption_key_path(path);
        overwrite(&key_encryption_keys)
            .and_then(|()| remove_if_present(&key_encryption_keys))
            .and_then(|()| remove_if_present(&rollback_guard_path(path)))
            .and_then(|()| sync_folder(path))
            .map_err(|source| VaultError::Sidecar { path: key_encryption_keys, source })
    }

    /// Makes the counts of changes in the vault and in the rollback guard equal.
    ///
    /// If the guard's count is higher, the vault continues from that count and adds an entry to the
    /// audit log. Otherwise the guard receives the vault's count.
    fn align_change_counts(
        &self,
        guarded: GuardedCount,
        changes: u64,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        match guarded {
            GuardedCount::Known(guarded) if guarded > changes => {
                self.write(AuditContext { at: now, actor: Actor::Operator }, |transaction| {
                    transaction.reader.manifest.changes = guarded;
                    transaction.audit(AuditAction::FoundOlder, guarded - changes, None);
                    Ok(())
                })
            }
            _ => {
                self.update_rollback_guard(changes);
                Ok(())
            }
        }
    }
}

/// Returns the signers of an existing vault. During a rotation the new key signs, and the old key
/// is still trusted.
fn signers(
    identity: &Identity,
    keys: &KeyStore,
    box_id: BoxId,
    path: &Path,
) -> Result<Signers, VaultError> {
    let signing_key = |id: &[u8]| {
        let mut signing_keys = keys.pairs().map(|pair| &pair.signing);
        signing_keys.find(|key| key.id() == id).ok_or_else(|| VaultError::OtherSigningKey {
            path: path.to_owned(),
            found: HEXLOWER.encode(id),
            expected: keys.current.signing.key_id(),
        })
    };
    let signer = signing_key(&identity.signer)?;
    Ok(match &identity.next_signer {
        None => Signers::new(box_id, signer.clone(), None),
        Some(next) => Signers::new(box_id, signing_key(next)?.clone(), Some(signer)),
    })
}

/// Returns the path of an existing key-encryption key file or rollback guard of the vault at `path`.
pub(crate) fn find_sidecar(path: &Path) -> Option<PathBuf> {
    // A file that cannot be examined counts as existing.
    [key_encryption_key_path(path), rollback_guard_path(path)]
        .into_iter()
        .find(|file| file.try_exists().unwrap_or(true))
}

/// Returns false if the key-encryption key belongs to another vault. This is so if it decrypts the key
/// of none of the first customers, and there are at least two. If there is only one, the customer's key
/// may be damaged; then only this customer is rejected.
fn opens_accounts(
    rows: &impl Rows,
    key_encryption_key: &SymmetricKey,
) -> Result<bool, TransactionError> {
    let (mut examined, mut opened) = (0, 0);
    rows.rows(ACCOUNTS, &[], None, &mut |key, row| {
        if examined < EXAMINED_ACCOUNTS_MAX
            && let Some(id) = leading_customer(key)
        {
            examined += 1;
            opened += u32::from(open_key(key_encryption_key, id, row).is_ok());
        }
        Ok(())
    })?;
    Ok(examined < 2 || opened > 0)
}

/// Creates an empty vault.
///
/// The vault's file appears before the file of the key-encryption keys. After a crash in between,
/// [`KeyEncryptionKeyFile::open`] renames the temporary key file. If the key file appeared first, a
/// crash would leave a key file whose vault is missing.
fn create(
    path: &Path,
    opener: &Opener,
    keys: &KeyStore,
    box_id: BoxId,
    now: Timestamp,
) -> Result<(), VaultError> {
    let vault_key = &keys.current.vault;
    let signers = Signers::new(box_id, keys.current.signing.clone(), None);
    let keys = DerivedKeys::new(signers, SymmetricKey::random());
    let database = create_database(path, opener, |tx| {
        let box_id = &keys.signers.trusted.box_id;
        schema::create(tx.redb(), box_id, &keys.signers.active.id(), &keys.seal_root(vault_key)?)?;
        let mut manifest = Manifest {
            box_id: box_id.clone(),
            changes: 0,
            at: now,
            hash: MultisetHash::default(),
            customers: 0,
            key_encryption_key_number: 1,
            audit_next: 0,
            audit_head: [0; 32],
        };
        let context = AuditContext { at: now, actor: Actor::Operator };
        audit::append(tx, &keys.audit, &mut manifest, context, (AuditAction::Created, 0, None))?;
        tx.put(META, MANIFEST_KEY, &manifest.seal(&keys.manifest, &keys.signers)?)?;
        Ok(())
    })?;
    let file = key_encryption_key_path(path);
    let key_encryption_keys = KeyEncryptionKeyFile::create(&file, vault_key)?;
    replace(database, path).map_err(|source| VaultError::Open { path: path.to_owned(), source })?;
    replace(key_encryption_keys, &file).map_err(|source| VaultError::Sidecar { path: file, source })
}

fn rollback_warning(guarded: GuardedCount, changes: u64) -> Option<Rejected> {
    match guarded {
        GuardedCount::Known(guarded) if guarded > changes => Some(Rejected::vault(
            "the state of the vault",
            format!(
                "this box counted {guarded} changes and the vault contains {changes}: an older \
                 copy was put in its place"
            ),
        )),
        GuardedCount::Known(_) => None,
        GuardedCount::Missing if changes == 0 => None,
        GuardedCount::Missing => Some(Rejected::vault(
            "the rollback guard of the vault",
            "it is missing, so an older copy of the vault cannot be detected",
        )),
        GuardedCount::Invalid => Some(Rejected::vault(
            "the rollback guard of the vault",
            "this box did not sign it, so an older copy of the vault cannot be detected",
        )),
    }
}
