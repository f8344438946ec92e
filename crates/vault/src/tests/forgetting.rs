//! Tests of forgetting against an attacker who has every file of the box and every remaining key.

use std::collections::{BTreeSet, HashMap, HashSet};

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};

use super::*;
use crate::account::open_key;
use crate::schema::{ROOT_KEY, aad};
use crate::symmetric_key::{KEY_LENGTH, SymmetricKey};

/// Returns the data of a customer that the attacker searches for: embeddings, name, line items.
fn needles(n: u32) -> Vec<Vec<u8>> {
    let id = u128::from(n);
    let mut needles: Vec<_> = (0..3).map(|view| bytes(&embedding(id, view))).collect();
    needles.push(name(id).into_bytes());
    needles.extend((0..4).flat_map(|i| {
        [format!("Product T{id}-{i}-").into_bytes(), format!("sku-T{id}-{i}-").into_bytes()]
    }));
    needles
}

/// Attacker who reads every file of the state folder.
struct Attacker {
    files: Vec<Vec<u8>>,
    /// Nonce and ciphertext of every encrypted value in live and free pages.
    encrypted: HashSet<([u8; 12], Vec<u8>)>,
    /// Every sequence of 32 bytes in the files other than the database; each may be a key.
    windows: HashSet<[u8; KEY_LENGTH]>,
    /// Number and encrypted key at every position in `vault.redb.wrap` that can be a slot.
    slots: Vec<([u8; 8], Vec<u8>)>,
}

impl Attacker {
    fn new(fixture: &Fixture) -> Self {
        let copy = fixture.copy();
        let windows = copy
            .iter()
            .filter(|(path, _)| !path.ends_with("vault.redb"))
            .flat_map(|(_, bytes)| bytes.windows(KEY_LENGTH))
            .map(|window| window.try_into().unwrap())
            .collect();
        let (_, wrap) = copy.iter().find(|(path, _)| path.ends_with("vault.redb.wrap")).unwrap();
        let slots = (0..wrap.len() - 10)
            .filter(|at| wrap[at + 10] == 2)
            .map(|at| {
                let length = usize::from(u16::from_be_bytes([wrap[at + 8], wrap[at + 9]]));
                let encrypted = wrap[at + 10..].iter().take(length).copied().collect();
                (wrap[at..at + 8].try_into().unwrap(), encrypted)
            })
            .collect();
        let files: Vec<_> = copy.into_iter().map(|(_, bytes)| bytes).collect();
        let encrypted = files.iter().flat_map(|file| encrypted_values(file)).collect();
        Self { files, encrypted, windows, slots }
    }

    /// Returns every key that the attacker can obtain: all windows, the key-encryption keys that a
    /// window decrypts, and the customers' keys that a key-encryption key decrypts.
    fn keys(&self) -> HashSet<[u8; KEY_LENGTH]> {
        let mut keys = HashSet::new();
        // An encrypted key has 32 bytes and a tag of 16 bytes.
        let key_sized: Vec<_> =
            self.encrypted.iter().filter(|(_, c)| c.len() == KEY_LENGTH + 16).collect();
        let mut decrypted = HashSet::new();
        for key in self.windows.iter().map(SymmetricKey::from_bytes) {
            for (nonce, ciphertext) in &key_sized {
                decrypted.extend(open_key_bytes(
                    &key,
                    &aad(META, ROOT_KEY),
                    &cose(nonce, ciphertext),
                ));
            }
            // A slot contains the number of its key before the encrypted key.
            for (number, encrypted) in &self.slots {
                let aad = [b"wrap\0".as_slice(), number].concat();
                decrypted.extend(open_key_bytes(&key, &aad, encrypted));
            }
        }
        for key_encryption_key in &decrypted {
            let key_encryption_key = SymmetricKey::from_bytes(key_encryption_key);
            for (nonce, ciphertext) in &key_sized {
                for n in 1..=CUSTOMERS {
                    let row = cose(nonce, ciphertext);
                    if let Ok(key) = open_key(&key_encryption_key, customer(u128::from(n)), &row) {
                        keys.insert(*key.bytes());
                    }
                }
            }
        }
        keys.extend(decrypted);
        keys.extend(&self.windows);
        keys
    }

    /// Returns the customers whose data can be read without a key or with one of `keys`.
    fn readable_customers(&self, keys: &HashSet<[u8; KEY_LENGTH]>) -> BTreeSet<u32> {
        let needles = Needles::new();
        let mut found = BTreeSet::new();
        self.files.iter().for_each(|file| needles.find(file, &mut found));
        for key in keys {
            // Most windows are not customers' keys. They decrypt to random bytes.
            let key = SymmetricKey::from_bytes(key).derive("instored records");
            for (nonce, ciphertext) in &self.encrypted {
                let start = decrypt(&key, nonce, &ciphertext[..ciphertext.len().min(2)]);
                // A COSE_Sign1 is a CBOR array of four elements; the first one is a byte string.
                if start.len() == 2 && start[0] == 0x84 && start[1] >> 5 == 2 {
                    needles.find(&decrypt(&key, nonce, ciphertext), &mut found);
                }
            }
        }
        found
    }
}

const CUSTOMERS: u32 = 200;

/// Start of an encrypted value, before its nonce: format byte 2, array of three, protected header
/// of ChaCha20-Poly1305, map with a nonce of 12 bytes.
const PREFIX: [u8; 10] = [0x02, 0x83, 0x44, 0xA1, 0x01, 0x18, 0x18, 0xA1, 0x05, 0x4C];

/// Returns nonce and ciphertext of every byte sequence that is encoded like an encrypted value.
fn encrypted_values(file: &[u8]) -> Vec<([u8; 12], Vec<u8>)> {
    let mut values = Vec::new();
    for at in 0..file.len().saturating_sub(PREFIX.len() + 16) {
        if !file[at..].starts_with(&PREFIX) {
            continue;
        }
        let rest = &file[at + PREFIX.len()..];
        let (nonce, rest) = rest.split_at(12);
        let (length, rest) = match rest {
            [0x58, a, rest @ ..] => (usize::from(*a), rest),
            [0x59, a, b, rest @ ..] => (usize::from(u16::from_be_bytes([*a, *b])), rest),
            _ => continue,
        };
        let ciphertext = rest[..length.min(rest.len())].to_vec();
        values.push((nonce.try_into().unwrap(), ciphertext));
    }
    values
}

/// Encodes an encrypted value as the vault stores it.
fn cose(nonce: &[u8; 12], ciphertext: &[u8]) -> Vec<u8> {
    [&PREFIX[..], nonce, &[0x58, u8::try_from(ciphertext.len()).unwrap()], ciphertext].concat()
}

fn open_key_bytes(key: &SymmetricKey, aad: &[u8], encrypted: &[u8]) -> Option<[u8; KEY_LENGTH]> {
    key.open(aad, encrypted).ok()?.as_slice().try_into().ok()
}

/// Decrypts the ciphertext without checking its tag. The encryption of zeros is the key stream.
fn decrypt(key: &SymmetricKey, nonce: &[u8; 12], ciphertext: &[u8]) -> Vec<u8> {
    let zeros = vec![0; ciphertext.len()];
    let stream = ChaCha20Poly1305::new(key.bytes().into())
        .encrypt(&Nonce::from(*nonce), zeros.as_slice())
        .unwrap();
    ciphertext.iter().zip(stream).map(|(a, b)| a ^ b).collect()
}

/// Data of all customers that the attacker searches for, by its first eight bytes.
struct Needles(HashMap<[u8; 8], Vec<(u32, Vec<u8>)>>);

impl Needles {
    fn new() -> Self {
        let mut by_prefix: HashMap<_, Vec<_>> = HashMap::new();
        for n in 1..=CUSTOMERS {
            for needle in needles(n) {
                by_prefix.entry(*needle.first_chunk().unwrap()).or_default().push((n, needle));
            }
        }
        Self(by_prefix)
    }

    fn find(&self, bytes: &[u8], found: &mut BTreeSet<u32>) {
        for (at, window) in bytes.windows(8).enumerate() {
            for (n, needle) in self.0.get(window).into_iter().flatten() {
                if bytes[at..].starts_with(needle) {
                    found.insert(*n);
                }
            }
        }
    }
}

fn key_bytes(vault: &Vault, n: u32) -> [u8; KEY_LENGTH] {
    vault.read(|reader| Ok(*reader.account(customer(u128::from(n)))?.unwrap().key.bytes())).unwrap()
}

#[test]
fn forgotten_customers_are_unreadable_in_every_file() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, CUSTOMERS);
    let everyone: BTreeSet<_> = (1..=CUSTOMERS).collect();
    let (forgotten, remaining): (BTreeSet<_>, BTreeSet<_>) =
        everyone.iter().partition(|n| **n % 2 == 0);
    let forgotten_keys: Vec<_> = forgotten.iter().map(|n| key_bytes(&vault, *n)).collect();

    // The attacker finds every enrolled customer.
    let before = Attacker::new(&fixture);
    let keys = before.keys();
    assert!(forgotten_keys.iter().all(|key| keys.contains(key)), "the attacker finds the keys");
    assert_eq!(before.readable_customers(&keys), everyone);

    for n in &forgotten {
        vault.forget(customer(u128::from(*n)), context(9)).unwrap().unwrap();
    }
    // Before the compaction, free pages still contain the rows, but the keys no longer exist.
    let after = Attacker::new(&fixture);
    let keys = after.keys();
    for key in &forgotten_keys {
        assert!(!keys.contains(key));
        assert!(!after.files.iter().any(|file| file.windows(KEY_LENGTH).any(|w| w == key)));
    }
    assert_eq!(after.readable_customers(&keys), remaining);
    let count_before_compaction = after.encrypted.len();

    assert!(vault.is_compaction_due().unwrap());
    vault.compact().unwrap();
    assert!(!vault.is_compaction_due().unwrap());
    let compacted = Attacker::new(&fixture);
    assert!(compacted.encrypted.len() < count_before_compaction);
    assert_eq!(compacted.readable_customers(&compacted.keys()), remaining);
    for n in &forgotten {
        let id = customer(u128::from(*n));
        assert!(
            !compacted.files.iter().any(|f| f.windows(16).any(|w| w == id.0.as_bytes())),
            "{id}"
        );
    }
    assert_valid(&vault);
    assert_eq!(vault.customers().unwrap().records.len(), remaining.len());
}

#[test]
fn forgetting_deletes_records_and_frees_codes() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 8);
    let summary = vault.forget(customer(7), context(9)).unwrap();
    assert_eq!(summary, Some(ForgetSummary { templates: 3, orders: 4 }));
    assert_eq!(vault.forget(customer(7), context(9)).unwrap(), None);
    assert_eq!(vault.customer(customer(7)).unwrap(), None);
    assert_eq!(vault.customers().unwrap().records.len(), 7);
    assert_eq!(vault.orders(customer(8), 99).unwrap().records.len(), 4);
    // Order ids, the claim code and the receipt can be used again.
    enrol(&vault, 7);
    assert_eq!(
        vault.add_order(&order(7, "T7-0-", 6), context(10)).unwrap(),
        AddOrderOutcome::Added
    );
    assert_valid(&vault);
}

#[test]
fn compaction_stays_due_after_reopening() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 4);
    vault.forget(customer(2), context(9)).unwrap();
    drop(vault);
    let vault = fixture.open();
    assert!(vault.is_compaction_due().unwrap());
    vault.compact().unwrap();
    drop(vault);
    let vault = fixture.open();
    assert!(!vault.is_compaction_due().unwrap());
    assert_valid(&vault);
}

#[test]
fn compaction_keeps_concurrent_changes() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 20);
    std::thread::scope(|scope| {
        let compaction = scope.spawn(|| (0..10).for_each(|_| vault.compact().unwrap()));
        for n in 21..60 {
            enrol(&vault, n);
            vault.record_visit(customer(u128::from(n)), second(9)).unwrap();
            vault.forget(customer(u128::from(n - 20)), context(9)).unwrap();
        }
        compaction.join().unwrap();
    });
    assert_eq!(vault.customers().unwrap().records.len(), 20);
    assert_valid(&vault);
    vault.compact().unwrap();
    assert!(!vault.is_compaction_due().unwrap());
    assert!(fixture.try_open().is_err(), "the new file is locked too");
    drop(vault);
    assert_valid(&fixture.open());
    assert!(!fixture.dir.path().join("vault.redb.new").exists());
}
