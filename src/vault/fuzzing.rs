//! What the fuzz targets of `fuzz/` call: every way by which bytes that others may have written are
//! read. Nothing may panic, and nothing that the box did not make may be believed.

use std::sync::OnceLock;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::{Consent, Customer, CustomerId, Order, Product, Template};

use super::account::{Account, open_key};
use super::backup::{FORMAT, Head, Item, framed};
use super::catalogue::check_out;
use super::passphrase_stream::{Passphrase, Sealing};
use super::record::{Claim, ReplacedOrder, cbor as to_cbor};
use super::roll::Roll;
use super::schema::{Slot, numbered};
use super::{Act, BoxKey, KeyFolders, Keys, Means, Secret, Signers, Vault};

fn signers() -> &'static Signers {
    static SIGNERS: OnceLock<Signers> = OnceLock::new();
    SIGNERS.get_or_init(|| {
        let box_id = "entrance".parse().expect("a name");
        Signers::new(box_id, BoxKey::from_seed(&[1; 32]), None)
    })
}

fn customer() -> CustomerId {
    CustomerId(Uuid::from_u128(7))
}

/// A row of any table: sealed, signed, listed, or checked.
pub fn record(data: &[u8]) {
    let key = Secret::from_bytes(&[2; 32]);
    assert!(key.open(b"place", data).is_err());
    assert!(open_key(&key, customer(), data).is_err());
    assert!(check_out(&key, b"sku", data).is_err());
    let mut roll = Roll::from_bytes(data).unwrap_or_default();
    assert_eq!(Roll::from_bytes(&roll.to_bytes()), Ok(roll.clone()));
    roll.set(Slot::Template, numbered(0), data);
    let account = Account::new(customer(), key, roll);
    assert!(account.unsealed((Slot::Template, &numbered(0)), data).is_err());
    if let Ok(signed) = signers().trust.parse(b"place", data) {
        assert!(signed.verify().is_err());
    }
}

/// The payload of a record that the box signed: what a mistake of an older version could have
/// written.
pub fn cbor(data: &[u8]) {
    let Ok(bytes) = signers().sign_payload(b"place", data) else { return };
    let trust = &signers().trust;
    let Ok(signed) = trust.parse(b"place", &bytes) else { return };
    assert!(signed.verify().is_ok());
    let _ = trust.read::<Customer>(customer(), &signed);
    let _ = trust.read::<Consent>(customer(), &signed);
    let _ = trust.read::<Claim>(customer(), &signed);
    let _ = trust.read::<Order>(customer(), &signed);
    let _ = trust.read::<ReplacedOrder>(customer(), &signed);
    if let Ok(template) = trust.read::<Template>(customer(), &signed) {
        assert!(template.embedding.values().iter().all(|value| value.is_finite()));
    }
    let _ = ciborium::from_reader::<Product, _>(data);
    if let Ok(item) = ciborium::from_reader::<Item, _>(data) {
        assert!(to_cbor(&item).is_ok());
    }
}

/// What follows the head of a backup that opens with the right passphrase.
pub fn backup(data: &[u8]) {
    static VAULT: OnceLock<(tempfile::TempDir, Vault)> = OnceLock::new();
    let now = Act { at: Timestamp::UNIX_EPOCH, by: Means::Operator };
    let (_, vault) = VAULT.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a folder");
        let folders = KeyFolders { state: dir.path().to_owned(), credentials: None };
        let path = dir.path().join("vault.redb");
        let (keys, _) = Keys::load_or_create(&folders, &path).expect("keys");
        let box_id = "entrance".parse().expect("a name");
        let vault = Vault::open(&path, keys, box_id, now.at).expect("a vault");
        (dir, vault)
    });
    let passphrase = Passphrase::new("correct horse battery".into()).expect("long enough");
    let head = Item::Head(Head {
        format: FORMAT,
        box_id: "entrance".parse().expect("a name"),
        signers: vec![vault.key().public()],
        at: now.at,
        changes: 1,
    });
    let mut file = Vec::new();
    let mut sealing = Sealing::cheap(&mut file, &passphrase).expect("memory");
    sealing.write(&framed(&head).expect("a head")).expect("memory");
    sealing.write(data).expect("memory");
    sealing.finish().expect("memory");
    assert!(vault.restore(file.as_slice(), &passphrase, None, now).is_err());
}
