//! The vault: customers, their consents and templates, their orders, in one redb file.
//!
//! Every record is signed with the box's key and sealed under a key of its customer's own. A signed
//! manifest answers for all of them, so that nothing can be changed, moved, dropped or set back
//! without it showing; what does not hold is refused by itself and the rest is served. One event is
//! one durable commit. The format is written down in `docs/vault-format.md`, what it protects against in
//! `docs/security.md`.

#![forbid(unsafe_code)]

mod account;
mod audit;
mod backup;
mod box_key;
mod catalogue;
mod change;
mod codes;
mod customers;
mod error;
mod export;
mod fault;
mod files;
mod forget;
#[cfg(fuzzing)]
pub mod fuzzing;
mod keys;
mod loaded;
mod manifest;
mod orders;
mod passphrase_stream;
mod record;
mod restore;
mod retention;
mod ring;
mod roll;
mod rotate;
mod schema;
mod secret;
mod seen;
mod slot;
mod storage;
mod templates;
#[cfg(test)]
mod tests;
mod verify;
mod wrap;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use instored_domain::BoxId;
use jiff::Timestamp;
use redb::ReadTransaction;

pub use audit::{Act, AuditEntry, Done, Means};
pub use backup::BackedUp;
pub use box_key::BoxKey;
pub use catalogue::ProductsPut;
pub use customers::NewEnrolment;
pub use error::VaultError;
pub use export::{Export, ExportedClaim, ExportedTemplate};
pub use forget::Forgotten;
pub use keys::{KeyFolders, Keys};
pub use loaded::{Loaded, Refused};
pub use orders::OrderAdded;
pub use passphrase_stream::Passphrase;
pub use restore::Restored;
pub use rotate::Rotated;
pub use verify::Verified;

use account::Reader;
use box_key::hex;
use change::Change;
use error::Fault;
use manifest::{Manifest, Sum};
use record::Signers;
use ring::Ring;
use schema::{Identity, MANIFEST_KEY, META, ROOT_KEY, Rows, SWEEP_DUE_KEY};
use secret::Secret;
use seen::{Seen, SeenFile};
use storage::{Commit, Opener, Storage, on_disk};
use wrap::WrapFile;

/// What the shop keeps of its customers. Shared between threads; every method is one transaction.
///
/// Methods fail with [`VaultError::Storage`] when the disk does, with [`VaultError::Full`] when it
/// is full, and with [`VaultError::Damaged`] when the file's structure is broken.
#[derive(Debug)]
pub struct Vault {
    storage: Storage,
    beside: Mutex<Beside>,
    ring: RwLock<Arc<Ring>>,
    /// Held while the wrapping key is replaced, from before the change until it is settled.
    wrapping: Mutex<()>,
    notices: Vec<Refused>,
}

/// What belongs to the vault and lies beside its file.
struct Beside {
    keys: Keys,
    wrap: WrapFile,
    seen: SeenFile,
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Beside")
    }
}

impl Vault {
    /// Opens the vault at `path`, and creates it (mode 0600) when there is none; its folder has to
    /// be there, and takes two more files, `path` with `.wrap` and `.seen` behind it. What a crash
    /// left half done is settled.
    ///
    /// # Errors
    /// When another process has it open, when it belongs to another box or other keys, when it was
    /// put back from before somebody was forgotten, when the file is damaged or was written by a
    /// newer version, or when the disk fails.
    pub fn open(
        path: &Path,
        keys: Keys,
        box_id: BoxId,
        now: Timestamp,
    ) -> Result<Self, VaultError> {
        Self::open_on(path, keys, box_id, now, on_disk())
    }

    /// Where its file lies.
    pub fn path(&self) -> &Path {
        self.storage.path()
    }

    fn open_on(
        path: &Path,
        mut keys: Keys,
        box_id: BoxId,
        now: Timestamp,
        opener: Opener,
    ) -> Result<Self, VaultError> {
        let storage = Storage::open(path, opener)?;
        let identity = storage.read(Identity::read)?;
        let vault_keys: Vec<_> = [Some(&keys.current), keys.next.as_ref()]
            .into_iter()
            .flatten()
            .map(|p| &p.vault)
            .collect();
        let mut wrap = WrapFile::open(&with_suffix(path, ".wrap"), &vault_keys)?;

        let ring = match &identity {
            None => {
                let signers = Signers::new(box_id, keys.current.signing.clone(), None);
                create(&storage, &mut wrap, signers, &keys.current.vault, now)?
            }
            Some(identity) => {
                identity.check(&box_id, path)?;
                let sealed = storage.read(|txn| txn.row(META, ROOT_KEY))?.unwrap_or_default();
                let root = vault_keys
                    .iter()
                    .find_map(|key| Ring::open_root(key, &sealed))
                    .ok_or_else(|| VaultError::OtherVaultKey { path: path.to_owned() })?;
                let signers = signers(identity, &keys, box_id, path)?;
                Ring::new(signers, root)
            }
        };
        let rotated = keys.next.as_ref().is_some_and(|next| {
            let id = next.signing.key_id_bytes();
            identity.as_ref().is_some_and(|identity| identity.signer == id)
        });
        if rotated {
            keys.end_rotation()?;
        }

        let manifest = storage.read(|txn| {
            Manifest::verify(txn, &ring.manifest, &ring.signers)?;
            Manifest::read(txn, &ring.manifest)
        })?;
        if wrap.key(manifest.wrap).is_none() {
            return Err(VaultError::Unwrappable { path: path.to_owned() });
        }
        wrap.settle(manifest.wrap, &keys.current.vault)?;
        let (seen, mark) = SeenFile::open(&with_suffix(path, ".seen"), &ring.signers)?;
        let mut notices = notices(identity.is_none(), mark, manifest.changes);
        if storage.was_salvaged() {
            notices.push(Refused::vault(
                "a part of the vault's file",
                "the disk spoiled it; the rest was copied into a new file, and the old one lies \
                 beside it, named .damaged, until somebody is forgotten",
            ));
        }
        let vault = Self {
            storage,
            beside: Mutex::new(Beside { keys, wrap, seen }),
            ring: RwLock::new(Arc::new(ring)),
            wrapping: Mutex::default(),
            notices,
        };
        vault.go_on_from(mark, manifest.changes, now)?;
        Ok(vault)
    }

    /// What was found when the vault was opened: whether it, or what lies beside it, is older than
    /// this box has seen it. [`Vault::for_each_template`] and [`Vault::verify`] find the rest.
    pub fn notices(&self) -> &[Refused] {
        &self.notices
    }

    /// The box's key, which also signs what the box says. A rotation changes it.
    pub fn key(&self) -> BoxKey {
        self.ring().signers.active.clone()
    }

    /// How often the vault was changed since it was made. Never less than it was before, unless an
    /// older copy was put in its place.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn changes(&self) -> Result<u64, VaultError> {
        self.read(|reader| Ok(reader.manifest.changes))
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn beside(&self) -> MutexGuard<'_, Beside> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `body` on one state of the vault. When keys were replaced between the look at the state
    /// and the look at the keys, it looks at both again.
    fn read<T>(
        &self,
        body: impl FnOnce(&Reader<'_, ReadTransaction>) -> Result<T, Fault>,
    ) -> Result<T, VaultError> {
        let mut body = Some(body);
        loop {
            let (ring, turns) = (self.ring(), self.beside().wrap.turns());
            let done = self.storage.read(|txn| {
                let reader = self.reader(txn);
                let same = Arc::ptr_eq(&ring, &self.ring()) && turns == self.beside().wrap.turns();
                match body.take_if(|_| same) {
                    Some(body) => body(&reader?).map(Some),
                    None => Ok(None),
                }
            })?;
            if let Some(done) = done {
                return Ok(done);
            }
        }
    }

    /// Runs `body` as one change, durable when this returns.
    fn change<T>(
        &self,
        act: Act,
        body: impl FnOnce(&mut Change<'_>) -> Result<T, Fault>,
    ) -> Result<T, VaultError> {
        let (done, changes) = self.storage.write(|tx| {
            let mut change = Change::new(self.reader(tx)?, act);
            let done = body(&mut change)?;
            let changes = change.finish()?;
            let commit = if changes.is_some() { Commit::Yes } else { Commit::No };
            Ok(((done, changes), commit))
        })?;
        if let Some(changes) = changes {
            self.beside().seen.write(changes, &self.ring().signers)?;
        }
        Ok(done)
    }

    fn reader<'t, R: Rows>(&self, rows: &'t R) -> Result<Reader<'t, R>, Fault> {
        let ring = self.ring();
        let manifest = Manifest::read(rows, &ring.manifest)?;
        let wrapping = self
            .beside()
            .wrap
            .key(manifest.wrap)
            .cloned()
            .ok_or_else(|| VaultError::Unwrappable { path: self.storage.path().to_owned() })?;
        Ok(Reader { rows, ring, manifest, wrapping })
    }

    /// Lets the count of changes go on from the mark when that is ahead, and notes in the audit log
    /// that it was.
    fn go_on_from(&self, mark: Seen, changes: u64, now: Timestamp) -> Result<(), VaultError> {
        match mark {
            Seen::Changes(seen) if seen > changes => {
                self.change(Act { at: now, by: Means::Operator }, |change| {
                    change.reader.manifest.changes = seen;
                    change.note(Done::FoundOlder, seen - changes, None);
                    Ok(())
                })
            }
            _ => self.beside().seen.write(changes, &self.ring().signers),
        }
    }

    /// Whether deleted data may still lie in the file's free pages, sealed under keys that are
    /// gone: [`Vault::sweep`] takes it out.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn sweep_due(&self) -> Result<bool, VaultError> {
        self.storage.read(|txn| Ok(txn.row(META, SWEEP_DUE_KEY)?.is_some()))
    }

    /// Writes the vault's file anew, without what was deleted. Takes about a second per 100 MB, and
    /// the file's size once more in free space; others read and write meanwhile.
    ///
    /// # Errors
    /// When the disk fails or is full; the old file stays then.
    pub fn sweep(&self) -> Result<(), VaultError> {
        self.storage.rewrite()
    }
}

/// Who signs in an existing vault. A rotation that was begun goes on: its key is the one that signs.
fn signers(
    identity: &Identity,
    keys: &Keys,
    box_id: BoxId,
    path: &Path,
) -> Result<Signers, VaultError> {
    let named = |id: &[u8]| {
        [Some(&keys.current), keys.next.as_ref()]
            .into_iter()
            .flatten()
            .map(|pair| &pair.signing)
            .find(|key| key.key_id_bytes() == id)
    };
    let other_key = |theirs: &[u8]| VaultError::OtherKey {
        path: path.to_owned(),
        theirs: hex(theirs),
        ours: keys.current.signing.key_id(),
    };
    let signer = named(&identity.signer).ok_or_else(|| other_key(&identity.signer))?;
    let Some(next) = &identity.next_signer else {
        return Ok(Signers::new(box_id, signer.clone(), None));
    };
    let next = named(next).ok_or_else(|| other_key(next))?;
    Ok(Signers::new(box_id, next.clone(), Some(signer)))
}

fn create(
    storage: &Storage,
    wrap: &mut WrapFile,
    signers: Signers,
    vault: &Secret,
    now: Timestamp,
) -> Result<Ring, VaultError> {
    let ring = Ring::new(signers, Secret::random());
    // A crash before the commit leaves a wrapping key that nothing needs.
    wrap.prepare(0, vault)?;
    wrap.settle(1, vault)?;
    storage.write(|tx| {
        let signer = ring.signers.active.key_id_bytes();
        schema::create(tx.raw(), &ring.signers.trust.box_id, &signer, &ring.seal_root(vault)?)?;
        let mut manifest = Manifest {
            box_id: ring.signers.trust.box_id.clone(),
            changes: 0,
            at: now,
            sum: Sum::default(),
            customers: 0,
            wrap: 1,
            audit_next: 0,
            audit_head: [0; 32],
        };
        let act = Act { at: now, by: Means::Operator };
        audit::append(tx, &ring.audit, &mut manifest, (act, Done::Made, 0, None))?;
        tx.put(META, MANIFEST_KEY, &manifest.seal(&ring.manifest, &ring.signers)?)?;
        Ok(((), Commit::Yes))
    })?;
    Ok(ring)
}

fn notices(new: bool, mark: Seen, changes: u64) -> Vec<Refused> {
    let mut notices = Vec::new();
    match mark {
        Seen::Changes(seen) if seen > changes => notices.push(Refused::vault(
            "the state of the vault",
            format!("this box has seen {seen} changes of it, and it knows of {changes}: an older copy was put in its place"),
        )),
        Seen::Changes(_) => {}
        Seen::Missing if new || changes == 0 => {}
        Seen::Missing => notices.push(Refused::vault(
            "the mark beside the vault",
            "it is gone, so nobody can tell whether an older vault was put in place",
        )),
        Seen::Broken => notices.push(Refused::vault(
            "the mark beside the vault",
            "this box did not sign it, so nobody can tell whether an older vault was put in place",
        )),
    }
    notices
}

fn with_suffix(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
