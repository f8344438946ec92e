//! Entry points of the fuzz targets in `fuzz/`: every decoder of bytes that an attacker may write.
//!
//! A decoder must neither panic nor accept bytes that the box did not write.

use std::sync::OnceLock;

use instored_domain::{
    ClaimCode, Consent, ConsentMethod, ConsentReceipt, Customer, CustomerId, Embedding, ModelId,
    Order, OrderId, Product, Template,
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::account::{Account, open_key};
use crate::backup::{FORMAT, Header, Item, length_prefixed};
use crate::catalogue;
use crate::encrypted_file::EncryptingWriter;
use crate::record::{Claim, ReplacedOrder, SignedRecord, Signers, cbor as to_cbor};
use crate::record_index::RecordIndex;
use crate::record_key::{RecordKind, numbered_name};
use crate::symmetric_key::SymmetricKey;
use crate::{Actor, AuditContext, KeyLocations, KeyStore, Passphrase, SigningKey, Vault};

fn signers() -> &'static Signers {
    static SIGNERS: OnceLock<Signers> = OnceLock::new();
    SIGNERS.get_or_init(|| {
        let box_id = "entrance".parse().expect("a name");
        Signers::new(box_id, SigningKey::from_seed(&[1; 32]), None)
    })
}

fn customer() -> CustomerId {
    CustomerId(Uuid::from_u128(7))
}

/// Decodes a row of any table: encrypted, signed, listed in a record index, or with a MAC.
pub fn record(data: &[u8]) {
    let key = SymmetricKey::from_bytes(&[2; 32]);
    assert!(key.open(b"aad", data).is_err());
    assert!(open_key(&key, customer(), data).is_err());
    assert!(catalogue::decode(&key, b"sku", data).is_err());
    let mut index = RecordIndex::from_bytes(data).unwrap_or_default();
    assert_eq!(RecordIndex::from_bytes(&index.to_bytes()), Ok(index.clone()));
    index.insert(RecordKind::Template, numbered_name(0), data, 0);
    let account = Account::new(customer(), key, index);
    assert!(account.unseal(RecordKind::Template, &numbered_name(0), data).is_err());
    if let Ok(signed) = signers().trusted.parse(b"aad", data) {
        assert!(signed.verify().is_err());
    }
}

/// Decodes a payload that the box signed, such as one from a faulty older version.
pub fn cbor(data: &[u8]) {
    let Ok(bytes) = signers().sign_payload(b"aad", data) else { return };
    let trusted = &signers().trusted;
    let Ok(signed) = trusted.parse(b"aad", &bytes) else { return };
    assert!(signed.verify().is_ok());
    let _ = trusted.decode::<Customer>(customer(), &signed);
    let _ = trusted.decode::<Consent>(customer(), &signed);
    let _ = trusted.decode::<Claim>(customer(), &signed);
    let _ = trusted.decode::<Order>(customer(), &signed);
    let _ = trusted.decode::<ReplacedOrder>(customer(), &signed);
    if let Ok(template) = trusted.decode::<Template>(customer(), &signed) {
        assert!(template.embedding.values().iter().all(|value| value.is_finite()));
    }
    let _ = ciborium::from_reader::<Product, _>(data);
    if let Ok(item) = ciborium::from_reader::<Item, _>(data) {
        assert!(to_cbor(&item).is_ok());
    }
}

/// Restores a backup with a valid passphrase and header, followed by `data`.
pub fn backup(data: &[u8]) {
    static VAULT: OnceLock<(tempfile::TempDir, Vault)> = OnceLock::new();
    let now = AuditContext { at: Timestamp::UNIX_EPOCH, actor: Actor::Operator };
    let (_, vault) = VAULT.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a folder");
        let locations = KeyLocations { state: dir.path().to_owned(), credentials: None };
        let path = dir.path().join("vault.redb");
        let (keys, _) = KeyStore::load_or_create(&locations, &path).expect("keys");
        let box_id = "entrance".parse().expect("a name");
        let vault = Vault::open(&path, keys, box_id, now.at).expect("a vault");
        (dir, vault)
    });
    let passphrase = Passphrase::new("correct horse battery".into()).expect("long enough");
    let header = Item::Header(Header {
        format: FORMAT,
        box_id: "entrance".parse().expect("a name"),
        signers: vec![vault.signing_key().public()],
        at: now.at,
        changes: 1,
    });
    let mut file = Vec::new();
    let mut writer = EncryptingWriter::cheap(&mut file, &passphrase).expect("memory");
    writer.write(&length_prefixed(&header).expect("a header")).expect("memory");
    writer.write(data).expect("memory");
    writer.write_last_segment().expect("memory");
    assert!(vault.restore(file.as_slice(), &passphrase, None, now).is_err());
}

/// Returns seed inputs with the names of their targets: one of each kind of record, row and backup
/// item.
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let id = customer();
    let at = Timestamp::UNIX_EPOCH;
    let code: ClaimCode = "2345-6789".parse().expect("a code");
    let order: Order = serde_json::from_value(serde_json::json!({
        "id": "T1", "customer": id, "placed": "2026-05-01T09:30:00+02:00[Europe/Berlin]",
        "currency": "EUR", "total": 258, "till": "2",
        "lines": [{"sku": "11", "name": "Oat milk", "quantity": "2", "unit_price": 129}],
    }))
    .expect("an order");
    let product: Product = serde_json::from_value(serde_json::json!({
        "sku": "11", "name": "Oat milk", "category": "drinks", "allergens": ["gluten"],
    }))
    .expect("a product");
    let record = Customer {
        id,
        name: Some("Zoë".parse().expect("a name")),
        enrolled: at,
        visits: 3,
        last_visit: Some(at),
        preferences: Default::default(),
    };
    let consent = Consent {
        customer: id,
        given: at,
        method: ConsentMethod::Button,
        box_id: "entrance".parse().expect("a name"),
        text_version: "1".into(),
        language: "en".into(),
        receipt: ConsentReceipt(code),
    };
    let template = Template {
        customer: id,
        model: ModelId("mobilefacenet".into()),
        sequence: 0,
        created: at,
        embedding: Embedding::normalised(vec![0.5; 8]).expect("finite"),
    };
    let signed = [
        payload(&record),
        payload(&consent),
        payload(&template),
        payload(&Claim { code, expires: at }),
        payload(&order),
        payload(&ReplacedOrder(OrderId("T0".into()))),
    ];

    let mut seeds: Vec<_> = signed.iter().map(|payload| ("cbor", payload.clone())).collect();
    let other_signers =
        Signers::new("entrance".parse().expect("a name"), SigningKey::from_seed(&[9; 32]), None);
    let mut index = RecordIndex::default();
    let mut backup = Vec::new();
    let mut items =
        vec![Item::Tombstone(numbered_name(1)), Item::Product(product), Item::Customer(id)];
    for (number, payload) in signed.iter().enumerate() {
        let signed = other_signers.sign_payload(b"aad", payload).expect("a signed record");
        let sealed =
            SymmetricKey::from_bytes(&[8; 32]).seal(b"aad", &signed).expect("an encrypted record");
        index.insert(RecordKind::Template, numbered_name(number as u32), &sealed, 0);
        seeds.extend([("record", signed.to_vec()), ("record", sealed)]);
        items.push(Item::Record {
            kind: number as u8,
            name: numbered_name(0),
            signed: ciborium::Value::Bytes(signed.to_vec()),
        });
    }
    seeds.push(("record", index.to_bytes().to_vec()));
    items.push(Item::End(ciborium::Value::Bytes(vec![0; 100])));
    for item in &items {
        seeds.push(("cbor", to_cbor(item).expect("an item").to_vec()));
        backup.extend_from_slice(&length_prefixed(item).expect("an item"));
        seeds.push(("backup", backup.clone()));
    }
    seeds
}

fn payload<R: SignedRecord>(record: &R) -> Vec<u8> {
    let signed = signers().sign(b"aad", customer(), record, Timestamp::UNIX_EPOCH);
    let signed = signers().trusted.parse(b"aad", &signed.expect("a signed record"));
    signed.expect("a signed record").payload().to_vec()
}
