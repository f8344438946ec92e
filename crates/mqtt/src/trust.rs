//! Trusted key and highest sequence numbers of each box, which a file preserves over restarts.
//!
//! A display gets the public key from its configuration ([`Trust::Pinned`]), or it uses the first key of the
//! retained topic `key` ([`Trust::FirstUse`]). `FirstUse` does not protect against an attacker who published a
//! key before the first start of the display. With a file, a later start trusts the stored key, and ignores
//! messages that were sent before the last one that it knows.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use instored_domain::BoxId;
use serde::{Deserialize, Serialize};

use super::topics;
use super::{MqttError, PublicKey};

/// Maximum number of boxes whose keys are stored. It limits the memory that a client of the broker can
/// occupy.
pub(super) const BOXES_MAX: usize = 64;
/// Minimum time between two writes that only a state causes. States are frequent, and each write wears the
/// memory card.
const STATE_SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// Source of the public keys that a subscriber trusts.
#[derive(Clone, Copy, Debug)]
pub enum Trust {
    /// The given key, and keys that it endorses directly or through other keys.
    Pinned(PublicKey),
    /// The first key that each box announces, and keys that it endorses.
    FirstUse,
}

/// Trusted keys and sequence numbers.
#[derive(Debug)]
pub struct TrustStore {
    trust: Trust,
    path: Option<PathBuf>,
    boxes: BTreeMap<BoxId, TrustedBox>,
    saved_at: Option<Instant>,
    is_saved: bool,
}

/// Trusted key and highest sequence numbers of a box.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct TrustedBox {
    /// Key that was configured when `key` was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pinned: Option<PublicKey>,
    key: PublicKey,
    /// Highest sequence number of each topic below the box.
    #[serde(default)]
    sequences: BTreeMap<String, u64>,
}

impl From<Trust> for TrustStore {
    /// Creates a store that is lost when the subscriber stops.
    fn from(trust: Trust) -> Self {
        Self { trust, path: None, boxes: BTreeMap::new(), saved_at: None, is_saved: true }
    }
}

impl TrustStore {
    /// Loads the keys and sequence numbers of an earlier run from a file, which this store then updates. A
    /// stored key is not used if another key is configured now. A file that cannot be parsed counts as empty.
    ///
    /// # Errors
    /// The file exists and cannot be read, or its folder cannot be written.
    pub fn load(trust: Trust, path: &Path) -> Result<Self, MqttError> {
        let unusable = |source| MqttError::TrustFile { path: path.to_owned(), source };
        let text = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => b"{}".to_vec(),
            result => result.map_err(unusable)?,
        };
        let mut boxes: BTreeMap<BoxId, TrustedBox> =
            serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(
                    "{} is damaged and will be replaced: the display trusts {} again ({error})",
                    path.display(),
                    match trust {
                        Trust::Pinned(_) => "the configured key",
                        Trust::FirstUse => "the first key that the box announces",
                    }
                );
                BTreeMap::new()
            });
        if let Trust::Pinned(pinned) = trust {
            boxes.retain(|_, stored| stored.pinned == Some(pinned) || stored.key == pinned);
        }
        let store =
            Self { trust, path: Some(path.to_owned()), boxes, saved_at: None, is_saved: true };
        store.write().map_err(unusable)?;
        Ok(store)
    }

    /// Returns the key that has to sign the events of a box.
    pub(super) fn key(&self, box_id: &BoxId) -> Option<PublicKey> {
        let stored = self.boxes.get(box_id).map(|trusted| trusted.key);
        match self.trust {
            Trust::Pinned(key) => Some(stored.unwrap_or(key)),
            Trust::FirstUse => stored,
        }
    }

    /// Returns true if no further box can be added.
    pub(super) fn is_full(&self) -> bool {
        self.boxes.len() >= BOXES_MAX
    }

    /// Trusts this key of a box from now on.
    pub(super) fn set_key(&mut self, box_id: &BoxId, key: PublicKey) {
        self.entry(box_id, key).key = key;
        self.save();
    }

    /// Records the sequence number of a verified message. Returns false if a later message of this topic is
    /// known already, or this one, unless it is a state: the broker repeats the retained state in each session.
    pub(super) fn advance(&mut self, box_id: &BoxId, leaf: &str, sequence: u64) -> bool {
        let Some(key) = self.key(box_id) else { return false };
        let is_state = leaf == topics::STATE;
        let known = self.boxes.get(box_id).and_then(|trusted| trusted.sequences.get(leaf).copied());
        match known {
            Some(known) if known == sequence => return is_state,
            Some(known) if known > sequence => return false,
            _ => {}
        }
        self.entry(box_id, key).sequences.insert(leaf.to_owned(), sequence);
        self.is_saved = false;
        if !is_state || self.saved_at.is_none_or(|at| at.elapsed() >= STATE_SAVE_INTERVAL) {
            self.save();
        }
        true
    }

    fn entry(&mut self, box_id: &BoxId, key: PublicKey) -> &mut TrustedBox {
        let pinned = match self.trust {
            Trust::Pinned(key) => Some(key),
            Trust::FirstUse => None,
        };
        self.boxes.entry(box_id.clone()).or_insert_with(|| TrustedBox {
            pinned,
            key,
            sequences: BTreeMap::new(),
        })
    }

    /// Writes the file. A failure is logged, and the next change tries again.
    fn save(&mut self) {
        self.saved_at = Some(Instant::now());
        match self.write() {
            Ok(()) => self.is_saved = true,
            Err(error) => tracing::warn!(
                "cannot write {}, so a restarted display may accept repeated messages: {error}",
                self.path.as_deref().unwrap_or(Path::new("")).display()
            ),
        }
    }

    /// Replaces the file as a whole, so that a power cut leaves the old or the new content.
    fn write(&self) -> std::io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(&serde_json::to_vec_pretty(&self.boxes)?)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }
}

impl Drop for TrustStore {
    fn drop(&mut self) {
        if !self.is_saved {
            self.save();
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;

    fn key(seed: u8) -> PublicKey {
        let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
        PublicKey::from_bytes(key.as_bytes()).unwrap()
    }

    fn box_id() -> BoxId {
        "door-1".parse().unwrap()
    }

    #[test]
    fn sequence_numbers_rise_for_each_topic() {
        let mut store = TrustStore::from(Trust::Pinned(key(1)));
        for (leaf, sequence, is_accepted) in [
            ("visit", 5, true),
            ("visit", 5, false),
            ("visit", 4, false),
            ("list", 4, true),
            ("visit", 6, true),
            ("state", 3, true),
            ("state", 3, true),
            ("state", 2, false),
        ] {
            assert_eq!(store.advance(&box_id(), leaf, sequence), is_accepted, "{leaf} {sequence}");
        }
        let mut unknown = TrustStore::from(Trust::FirstUse);
        assert!(!unknown.advance(&box_id(), "visit", 1));
    }

    #[test]
    fn file_preserves_keys_and_sequence_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.json");
        let mut store = TrustStore::load(Trust::FirstUse, &path).unwrap();
        store.set_key(&box_id(), key(1));
        assert!(store.advance(&box_id(), "visit", 7));
        assert!(store.advance(&box_id(), "state", 8));
        assert!(store.advance(&box_id(), "state", 9));
        drop(store);
        let mut store = TrustStore::load(Trust::FirstUse, &path).unwrap();
        assert_eq!(store.key(&box_id()), Some(key(1)));
        assert!(!store.advance(&box_id(), "visit", 7));
        assert!(!store.advance(&box_id(), "state", 8));
        assert!(store.advance(&box_id(), "visit", 8));
    }

    #[test]
    fn configured_key_replaces_stored_key_of_another_configured_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.json");
        let mut store = TrustStore::load(Trust::Pinned(key(1)), &path).unwrap();
        store.set_key(&box_id(), key(2));
        drop(store);
        // The rotated key remains trusted.
        let store = TrustStore::load(Trust::Pinned(key(1)), &path).unwrap();
        assert_eq!(store.key(&box_id()), Some(key(2)));
        let store = TrustStore::load(Trust::Pinned(key(3)), &path).unwrap();
        assert_eq!(store.key(&box_id()), Some(key(3)));
    }

    #[test]
    fn damaged_file_counts_as_empty_and_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.json");
        fs::write(&path, "{\"door-1\": {").unwrap();
        let store = TrustStore::load(Trust::Pinned(key(1)), &path).unwrap();
        assert_eq!(store.key(&box_id()), Some(key(1)));
        let error = TrustStore::load(Trust::FirstUse, &folder.path().join("none/trust.json"));
        assert!(error.unwrap_err().to_string().contains("none/trust.json"));
    }
}
