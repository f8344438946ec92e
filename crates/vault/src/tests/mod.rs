//! Tests of the vault's API, and of its files under attacks and failures.

mod backup;
mod consent_texts;
mod crash;
mod forgetting;
mod format;
mod full_disk;
mod load;
mod moving;
mod outbox;
mod rotation;
mod storing;
mod tampering;

use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use instored_domain::{
    AddOrderOutcome, BoxId, CatalogueChange, ClaimCode, Consent, ConsentMethod, ConsentReceipt,
    ConsentTextHash, Customer, CustomerId, Embedding, ForgetSummary, LineItem, ModelId, Order,
    OrderId, Unit, parse_order_time,
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::schema::META;
use crate::storage::{Commit, Opener};
use crate::*;

/// State folder with keys and a vault.
struct Fixture {
    dir: tempfile::TempDir,
    path: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.redb");
        Self { dir, path }
    }

    fn keys(&self) -> KeyStore {
        keys(self.dir.path(), &self.path).unwrap()
    }

    fn open(&self) -> Vault {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Vault, VaultError> {
        Vault::open(&self.path, keys(self.dir.path(), &self.path)?, box_id(), second(0))
    }

    fn open_with(&self, opener: Opener) -> Result<Vault, VaultError> {
        Vault::open_with(&self.path, self.keys(), box_id(), second(0), opener)
    }

    /// Returns the bytes of the database file.
    fn database_bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    /// Returns path and content of every file in the folder.
    fn copy(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

fn keys(folder: &Path, vault: &Path) -> Result<KeyStore, VaultError> {
    let locations = KeyLocations { state: folder.to_owned(), credentials: None };
    Ok(KeyStore::load_or_create(&locations, vault)?.0)
}

fn box_id() -> BoxId {
    "entrance".parse().unwrap()
}

/// Returns the id of test customer `n`.
fn customer(n: u128) -> CustomerId {
    CustomerId(Uuid::from_u128(0xC0FF_EE00_0000_0000_0000_0000_0000_0000 | n))
}

/// Returns the time `n` seconds after a fixed start.
fn second(n: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + n).unwrap()
}

/// Returns the context of an operator's action at `second(n)`.
fn context(n: i64) -> AuditContext {
    AuditContext { at: second(n), actor: Actor::Operator }
}

fn code(n: u32) -> ClaimCode {
    let [a, b, c, d] = n.to_be_bytes();
    ClaimCode::from_random([a >> 3, a, b >> 3, b, c >> 5, c, d >> 5, d])
}

fn receipt(n: u32) -> ConsentReceipt {
    ConsentReceipt(code(n ^ 0x0080_0000))
}

/// Returns a different embedding for each customer and view.
fn embedding(n: u128, view: u32) -> Embedding {
    let seed = f64::from(u32::try_from(n).unwrap()) * 31.7 + f64::from(view);
    let values = (1..=128).map(|i| (seed + f64::from(i) * 1.7).sin() as f32).collect();
    Embedding::normalised(values).unwrap()
}

/// Encodes an embedding as the vault stores it.
fn bytes(embedding: &Embedding) -> Vec<u8> {
    embedding.values().iter().flat_map(|v| v.to_le_bytes()).collect()
}

const CONSENT_TEXT: &str = "We recognise you when you come again.";

fn consent(n: u128) -> Consent {
    Consent {
        customer: customer(n),
        given: second(0),
        method: ConsentMethod::Button,
        box_id: box_id(),
        text_version: "2026-01".into(),
        language: "en".into(),
        text_hash: Some(ConsentTextHash::of(CONSENT_TEXT)),
        receipt: receipt(u32::try_from(n).unwrap()),
    }
}

fn try_enrol(vault: &Vault, n: u32) -> Result<Customer, VaultError> {
    let id = u128::from(n);
    vault.enrol(&NewEnrolment {
        consent: &consent(id),
        consent_text: CONSENT_TEXT,
        model: &ModelId("sface".into()),
        embeddings: &[embedding(id, 0), embedding(id, 1), embedding(id, 2)],
        claim: code(n),
        claim_expires: second(600),
        announcement: b"",
        is_clock_confirmed: true,
    })
}

fn enrol(vault: &Vault, n: u32) -> Customer {
    try_enrol(vault, n).unwrap()
}

fn order(n: u128, name: &str, hour: u8) -> Order {
    let lines = vec![LineItem {
        sku: format!("sku-{name}"),
        name: format!("Product {name}"),
        quantity: "0.345".parse().unwrap(),
        unit: Unit::Piece,
        unit_price: 299,
        is_void: false,
    }];
    Order {
        id: OrderId(name.into()),
        customer: customer(n),
        placed: parse_order_time(&format!("2026-03-29T{hour:02}:15:00+02:00[Europe/Berlin]"))
            .unwrap(),
        currency: "EUR".parse().unwrap(),
        total: lines.iter().map(LineItem::amount).sum(),
        lines,
        till: Some("till 1".into()),
        replaces: None,
    }
}

/// Adds customers 1 to `count`, each with three templates, a name and four orders.
fn add_customers(vault: &Vault, count: u32) {
    for n in 1..=count {
        let id = enrol(vault, n).id;
        let n = u128::from(n);
        vault.rename(id, Some(name(n).parse().unwrap()), context(1)).unwrap();
        let orders: Vec<_> = (0..4).map(|i| order(n, &format!("T{n}-{i}-"), 6 + i)).collect();
        vault.add_orders(&orders, context(2)).unwrap();
    }
}

fn name(n: u128) -> String {
    format!("Zacharias {n} of the Mill")
}

/// Returns the number of changes since the vault was created.
fn change_count(vault: &Vault) -> u64 {
    vault.read(|reader| Ok(reader.manifest.changes)).unwrap()
}

/// Asserts that the whole vault verifies.
#[track_caller]
fn assert_valid(vault: &Vault) {
    assert_eq!(vault.verify().unwrap().faults, Vec::<String>::new());
}
