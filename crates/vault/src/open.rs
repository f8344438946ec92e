//! Opening and creating a vault, and detection of an older copy.

use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use data_encoding::HEXLOWER;
use instored_domain::BoxId;
use jiff::Timestamp;

use crate::audit::{self, Actor, AuditAction, AuditContext};
use crate::derived_keys::DerivedKeys;
use crate::error::VaultError;
use crate::files::{key_encryption_key_path, rollback_guard_path};
use crate::key_encryption_key::KeyEncryptionKeyFile;
use crate::keys::KeyStore;
use crate::manifest::{Manifest, MultisetHash};
use crate::record::Signers;
use crate::rollback_guard::{GuardedCount, RollbackGuard};
use crate::schema::{self, Identity, MANIFEST_KEY, META, ROOT_KEY, Rows};
use crate::storage::{Commit, Opener, Storage, file_opener};
use crate::symmetric_key::SymmetricKey;
use crate::vault::{Sidecars, Vault};
use crate::verified::Rejected;

impl Vault {
    /// Opens the vault at `path`, or creates it (mode 0600) if it does not exist. If a crash
    /// interrupted the replacement of a key, this completes or reverts the replacement.
    ///
    /// The folder must exist. Two more files lie beside the vault, with the suffixes `.wrap`
    /// (key-encryption keys) and `.seen` (rollback guard).
    ///
    /// # Errors
    /// If another process has opened the vault, the vault belongs to another box or other keys, the
    /// file is a copy from before a customer was forgotten, it is damaged or has an unsupported
    /// format, or the disk fails.
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
        let storage = Storage::open(path, opener)?;
        let identity = storage.read(Identity::read)?;
        let vault_keys: Vec<_> = keys.pairs().map(|pair| &pair.vault).collect();
        let mut key_encryption_keys =
            KeyEncryptionKeyFile::open(&key_encryption_key_path(path), &vault_keys)?;

        let derived_keys = match &identity {
            None => {
                let signers = Signers::new(box_id, keys.current.signing.clone(), None);
                create(&storage, &mut key_encryption_keys, signers, &keys.current.vault, now)?
            }
            Some(identity) => {
                identity.check(&box_id, path)?;
                let encrypted = storage.read(|txn| txn.row(META, ROOT_KEY))?.unwrap_or_default();
                let root = vault_keys
                    .iter()
                    .find_map(|key| DerivedKeys::open_root(key, &encrypted))
                    .ok_or_else(|| VaultError::OtherVaultKey { path: path.to_owned() })?;
                DerivedKeys::new(signers(identity, &keys, box_id, path)?, root)
            }
        };
        if let Some(identity) = &identity
            && keys.next.as_ref().is_some_and(|next| next.signing.id() == *identity.signer)
        {
            // A crash followed the last commit of the rotation, before the key files were replaced.
            keys.end_rotation()?;
        }

        let manifest = storage.read(|txn| {
            Manifest::verify(txn, &derived_keys.manifest, &derived_keys.signers)?;
            Manifest::read(txn, &derived_keys.manifest)
        })?;
        let number = manifest.key_encryption_key_number;
        if key_encryption_keys.key(number).is_none() {
            return Err(VaultError::NoKeyEncryptionKey { path: path.to_owned() });
        }
        key_encryption_keys.overwrite_others(number, &keys.current.vault)?;

        let (rollback_guard, guarded) =
            RollbackGuard::open(&rollback_guard_path(path), &derived_keys.signers)?;
        let mut warnings: Vec<_> =
            rollback_warning(identity.is_none(), guarded, manifest.changes).into_iter().collect();
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
            warnings,
        };
        vault.continue_count(guarded, manifest.changes, now)?;
        Ok(vault)
    }

    /// Makes the counts of changes in the vault and in the rollback guard equal.
    ///
    /// If the guard's count is higher, the vault continues from that count and adds an entry to the
    /// audit log. Otherwise the guard receives the vault's count.
    fn continue_count(
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
            _ => self.sidecars().rollback_guard.write(changes, &self.derived_keys().signers),
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
    let key = |id: &[u8]| {
        let mut signing_keys = keys.pairs().map(|pair| &pair.signing);
        signing_keys.find(|key| key.id() == id).ok_or_else(|| VaultError::OtherSigningKey {
            path: path.to_owned(),
            found: HEXLOWER.encode(id),
            expected: keys.current.signing.key_id(),
        })
    };
    let signer = key(&identity.signer)?;
    Ok(match &identity.next_signer {
        None => Signers::new(box_id, signer.clone(), None),
        Some(next) => Signers::new(box_id, key(next)?.clone(), Some(signer)),
    })
}

fn create(
    storage: &Storage,
    key_encryption_keys: &mut KeyEncryptionKeyFile,
    signers: Signers,
    vault_key: &SymmetricKey,
    now: Timestamp,
) -> Result<DerivedKeys, VaultError> {
    let keys = DerivedKeys::new(signers, SymmetricKey::random());
    // A crash before the commit leaves a key-encryption key that no row uses.
    key_encryption_keys.stage_next(0, vault_key)?;
    key_encryption_keys.overwrite_others(1, vault_key)?;
    storage.write(|tx| {
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
        Ok(((), Commit::Yes))
    })?;
    Ok(keys)
}

fn rollback_warning(is_new: bool, guarded: GuardedCount, changes: u64) -> Option<Rejected> {
    match guarded {
        GuardedCount::Known(guarded) if guarded > changes => Some(Rejected::vault(
            "the state of the vault",
            format!(
                "this box counted {guarded} changes and the vault contains {changes}: an older \
                 copy was put in its place"
            ),
        )),
        GuardedCount::Known(_) => None,
        GuardedCount::Missing if is_new || changes == 0 => None,
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
