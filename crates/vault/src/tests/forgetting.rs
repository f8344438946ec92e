//! Forgetting, as somebody sees it who has every file of the box and every key that still exists.

use std::collections::{BTreeSet, HashMap, HashSet};

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};

use crate::account::open_key;
use crate::schema::{ROOT_KEY, aad};
use crate::symmetric_key::KEY_LENGTH;
use super::*;

/// What is looked for of a customer: faces, name, order lines.
fn planted(n: u32) -> Vec<Vec<u8>> {
    let id = u128::from(n);
    let mut planted: Vec<_> = (0..3).map(|view| bytes(&embedding(id, view))).collect();
    planted.push(name(id).into_bytes());
    planted.extend((0..4).flat_map(|i| {
        [format!("Product T{id}-{i}-").into_bytes(), format!("sku-T{id}-{i}-").into_bytes()]
    }));
    planted
}

/// Somebody who reads every file of the state folder, raw.
struct Thief {
    files: Vec<Vec<u8>>,
    /// Nonce and ciphertext of everything sealed that lies anywhere, in live pages or freed ones.
    sealed: Vec<([u8; 12], Vec<u8>)>,
    /// Every 32 bytes of the key files and of what lies beside the vault.
    windows: HashSet<[u8; KEY_LENGTH]>,
    /// Number and sealed key of everything that lies in the file of the wrapping key.
    slots: Vec<([u8; 8], Vec<u8>)>,
}

impl Thief {
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
                let sealed = wrap[at + 10..].iter().take(length).copied().collect();
                (wrap[at..at + 8].try_into().unwrap(), sealed)
            })
            .collect();
        let files: Vec<_> = copy.into_iter().map(|(_, bytes)| bytes).collect();
        let sealed = files.iter().flat_map(|file| sealed_values(file)).collect();
        Self { files, sealed, windows, slots }
    }

    /// Every key that can be had: windows as vault keys, what they open as wrapping keys, and what
    /// those open as customers' keys.
    fn keys(&self) -> HashSet<[u8; KEY_LENGTH]> {
        let mut keys = HashSet::new();
        let short: Vec<_> =
            self.sealed.iter().filter(|(_, c)| c.len() == KEY_LENGTH + 16).collect();
        let mut second = Vec::new();
        for key in self.windows.iter().map(SymmetricKey::from_bytes) {
            for (nonce, ciphertext) in &short {
                second.extend(opened(&key, &aad(META, ROOT_KEY), &cose(nonce, ciphertext)));
            }
            // A slot says the number of its key before the key itself.
            for (number, sealed) in &self.slots {
                let aad = [b"wrap\0".as_slice(), number].concat();
                second.extend(opened(&key, &aad, sealed));
            }
        }
        for wrapping in &second {
            let wrapping = SymmetricKey::from_bytes(wrapping);
            for (nonce, ciphertext) in &short {
                for n in 1..=CUSTOMERS {
                    let row = cose(nonce, ciphertext);
                    if let Ok(key) = open_key(&wrapping, customer(u128::from(n)), &row) {
                        keys.insert(*key.bytes());
                    }
                }
            }
        }
        keys.extend(second);
        keys.extend(&self.windows);
        keys
    }

    /// Whose faces, names or order lines can be read, in clear or under one of `keys`.
    fn finds(&self, keys: &HashSet<[u8; KEY_LENGTH]>) -> BTreeSet<u32> {
        let needles = Needles::new();
        let mut found = BTreeSet::new();
        self.files.iter().for_each(|file| needles.find(file, &mut found));
        for key in keys {
            // No window of a file is a customer's key; trying each costs nothing but time.
            let key = SymmetricKey::from_bytes(key).derive("instored records");
            for (nonce, ciphertext) in &self.sealed {
                let head = keystream(&key, nonce, &ciphertext[..ciphertext.len().min(2)]);
                // A COSE_Sign1 is a list of four that begins with a short byte string.
                if head.len() == 2 && head[0] == 0x84 && head[1] >> 5 == 2 {
                    needles.find(&keystream(&key, nonce, ciphertext), &mut found);
                }
            }
        }
        found
    }
}

const CUSTOMERS: u32 = 200;

/// Everything that looks like what the vault seals: the byte 2, a list of three, the header that
/// says ChaCha20-Poly1305, a map with a nonce of twelve bytes, a byte string.
fn sealed_values(file: &[u8]) -> Vec<([u8; 12], Vec<u8>)> {
    let head = [0x02, 0x83, 0x44, 0xA1, 0x01, 0x18, 0x18, 0xA1, 0x05, 0x4C];
    let mut values = Vec::new();
    for at in 0..file.len().saturating_sub(head.len() + 16) {
        if !file[at..].starts_with(&head) {
            continue;
        }
        let rest = &file[at + head.len()..];
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

fn cose(nonce: &[u8; 12], ciphertext: &[u8]) -> Vec<u8> {
    let head = [0x02, 0x83, 0x44, 0xA1, 0x01, 0x18, 0x18, 0xA1, 0x05, 0x4C];
    [&head[..], nonce, &[0x58, u8::try_from(ciphertext.len()).unwrap()], ciphertext].concat()
}

fn opened(key: &SymmetricKey, aad: &[u8], sealed: &[u8]) -> Option<[u8; KEY_LENGTH]> {
    key.open(aad, sealed).ok()?.as_slice().try_into().ok()
}

/// The ciphertext decrypted whether or not its tag holds: sealing zeros gives the key stream.
fn keystream(key: &SymmetricKey, nonce: &[u8; 12], ciphertext: &[u8]) -> Vec<u8> {
    let zeros = vec![0; ciphertext.len()];
    let stream = ChaCha20Poly1305::new(key.bytes().into())
        .encrypt(&Nonce::from(*nonce), zeros.as_slice())
        .unwrap();
    ciphertext.iter().zip(stream).map(|(a, b)| a ^ b).collect()
}

/// All that was planted, found by its first eight bytes.
struct Needles(HashMap<[u8; 8], Vec<(u32, Vec<u8>)>>);

impl Needles {
    fn new() -> Self {
        let mut needles: HashMap<_, Vec<_>> = HashMap::new();
        for n in 1..=CUSTOMERS {
            for needle in planted(n) {
                needles.entry(*needle.first_chunk().unwrap()).or_default().push((n, needle));
            }
        }
        Self(needles)
    }

    fn find(&self, hay: &[u8], found: &mut BTreeSet<u32>) {
        for (at, window) in hay.windows(8).enumerate() {
            for (n, needle) in self.0.get(window).into_iter().flatten() {
                if hay[at..].starts_with(needle) {
                    found.insert(*n);
                }
            }
        }
    }
}

fn data_key(vault: &Vault, n: u32) -> [u8; KEY_LENGTH] {
    vault.read(|reader| Ok(*reader.account(customer(u128::from(n)))?.unwrap().key.bytes())).unwrap()
}

#[test]
fn of_a_hundred_who_were_forgotten_nothing_can_be_read_in_any_file_under_any_key() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, CUSTOMERS);
    let everyone: BTreeSet<_> = (1..=CUSTOMERS).collect();
    let (forgotten, staying): (BTreeSet<_>, BTreeSet<_>) =
        everyone.iter().partition(|n| **n % 2 == 0);
    let their_keys: Vec<_> = forgotten.iter().map(|n| data_key(&vault, *n)).collect();

    // The same search sees all of them while they are enrolled.
    let before = Thief::new(&fixture);
    let keys = before.keys();
    assert!(their_keys.iter().all(|key| keys.contains(key)), "the thief can find keys");
    assert_eq!(before.finds(&keys), everyone);

    for n in &forgotten {
        vault.forget(customer(u128::from(*n)), act(9)).unwrap().unwrap();
    }
    // Before anything is swept: the rows are still there, the keys are not.
    let after = Thief::new(&fixture);
    let keys = after.keys();
    for key in &their_keys {
        assert!(!keys.contains(key));
        assert!(!after.files.iter().any(|file| file.windows(KEY_LENGTH).any(|w| w == key)));
    }
    assert_eq!(after.finds(&keys), staying);
    let remnants = after.sealed.len();

    assert!(vault.is_compaction_due().unwrap());
    vault.compact().unwrap();
    assert!(!vault.is_compaction_due().unwrap());
    let swept = Thief::new(&fixture);
    assert!(swept.sealed.len() < remnants);
    assert_eq!(swept.finds(&swept.keys()), staying);
    for n in &forgotten {
        let id = customer(u128::from(*n));
        assert!(!swept.files.iter().any(|f| f.windows(16).any(|w| w == id.0.as_bytes())), "{id}");
    }
    sound(&vault);
    assert_eq!(vault.customers().unwrap().records.len(), staying.len());
}

#[test]
fn forgetting_takes_everything_and_frees_what_was_taken() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 8);
    let gone = vault.forget(customer(7), act(9)).unwrap();
    assert_eq!(gone, Some(ForgetSummary { templates: 3, orders: 4 }));
    assert_eq!(vault.forget(customer(7), act(9)).unwrap(), None);
    assert_eq!(vault.customer(customer(7)).unwrap(), None);
    assert_eq!(vault.customers().unwrap().records.len(), 7);
    assert_eq!(vault.orders(customer(8), 99).unwrap().records.len(), 4);
    // The till's names, the code and the receipt are free again.
    enrol(&vault, 7);
    assert_eq!(vault.add_order(&order(7, "T7-0-", 6), act(10)).unwrap(), AddOrderOutcome::Added);
    sound(&vault);
}

#[test]
fn a_crash_before_the_sweep_leaves_it_due() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 4);
    vault.forget(customer(2), act(9)).unwrap();
    drop(vault);
    let vault = fixture.open();
    assert!(vault.is_compaction_due().unwrap());
    vault.compact().unwrap();
    drop(vault);
    let vault = fixture.open();
    assert!(!vault.is_compaction_due().unwrap());
    sound(&vault);
}

#[test]
fn a_sweep_keeps_what_is_written_meanwhile_and_stays_due_for_who_is_forgotten_meanwhile() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 20);
    std::thread::scope(|scope| {
        let sweeping = scope.spawn(|| (0..10).for_each(|_| vault.compact().unwrap()));
        for n in 21..60 {
            enrol(&vault, n);
            vault.record_visit(customer(u128::from(n)), second(9)).unwrap();
            vault.forget(customer(u128::from(n - 20)), act(9)).unwrap();
        }
        sweeping.join().unwrap();
    });
    assert_eq!(vault.customers().unwrap().records.len(), 20);
    sound(&vault);
    vault.compact().unwrap();
    assert!(!vault.is_compaction_due().unwrap());
    assert!(fixture.try_open().is_err(), "the new file is locked too");
    drop(vault);
    sound(&fixture.open());
    assert!(!fixture.dir.path().join("vault.redb.new").exists());
}
