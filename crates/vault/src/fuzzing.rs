//! Entry points of the fuzz targets in `fuzz/`: every decoder of bytes that an attacker may write.
//!
//! A decoder must neither panic nor accept bytes that the box did not write.

use std::sync::OnceLock;

use instored_domain::{Consent, Customer, CustomerId, Order, Product, Template};
use jiff::Timestamp;
use uuid::Uuid;

use crate::account::{Account, open_key};
use crate::backup::{FORMAT, Header, Item, length_prefixed};
use crate::catalogue;
use crate::encrypted_file::EncryptingWriter;
use crate::record::{Claim, ReplacedOrder, Signers, cbor as to_cbor};
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

/// Decodes a row of any table: encrypted, signed, listed in a record index, or with a MAC. Returns true if
/// the data has the form of a signed record or of a record index.
pub fn record(data: &[u8]) -> bool {
    let key = SymmetricKey::from_bytes(&[2; 32]);
    assert!(key.open(b"aad", data).is_err());
    assert!(open_key(&key, customer(), data).is_err());
    assert!(catalogue::decode(&key, b"sku", data).is_err());
    let index = RecordIndex::from_bytes(data);
    let has_index_form = index.is_ok();
    let mut index = index.unwrap_or_default();
    assert_eq!(RecordIndex::from_bytes(&index.to_bytes()), Ok(index.clone()));
    index.insert(RecordKind::Template, numbered_name(0), data, 0);
    let account = Account::new(customer(), key, index);
    assert!(account.unseal(RecordKind::Template, &numbered_name(0), data).is_err());
    let signed = signers().trusted.parse(b"aad", data);
    if let Ok(signed) = &signed {
        assert!(signed.verify().is_err());
    }
    has_index_form || signed.is_ok()
}

/// Decodes a payload that the box signed, such as one from a faulty older version. Returns true if the
/// payload is one of a record, a product or a backup item.
pub fn cbor(data: &[u8]) -> bool {
    let Ok(bytes) = signers().sign_payload(b"aad", data) else { return false };
    let trusted = &signers().trusted;
    let Ok(signed) = trusted.parse(b"aad", &bytes) else { return false };
    assert!(signed.verify().is_ok());
    let template = trusted.decode::<Template>(customer(), &signed);
    if let Ok(template) = &template {
        assert!(template.embedding.values().iter().all(|value| value.is_finite()));
    }
    let item = ciborium::from_reader::<Item, _>(data);
    if let Ok(item) = &item {
        assert!(to_cbor(item).is_ok());
    }
    [
        template.is_ok(),
        item.is_ok(),
        trusted.decode::<Customer>(customer(), &signed).is_ok(),
        trusted.decode::<Consent>(customer(), &signed).is_ok(),
        trusted.decode::<Claim>(customer(), &signed).is_ok(),
        trusted.decode::<Order>(customer(), &signed).is_ok(),
        trusted.decode::<ReplacedOrder>(customer(), &signed).is_ok(),
        ciborium::from_reader::<Product, _>(data).is_ok(),
    ]
    .contains(&true)
}

/// Restores a backup with a valid passphrase and header, followed by `data`. Returns true if the data
/// begins with an item.
pub fn backup(data: &[u8]) -> bool {
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
    data.split_first_chunk().is_some_and(|(length, item)| {
        let item = item.get(..u32::from_be_bytes(*length) as usize);
        item.is_some_and(|item| ciborium::from_reader::<Item, _>(item).is_ok())
    })
}
