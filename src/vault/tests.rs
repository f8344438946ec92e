//! The vault as its users and its enemies see it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use crate::domain::{
    BoxId, ClaimCode, Consent, ConsentMethod, Customer, CustomerId, Embedding, ModelId, Order,
    OrderId, OrderLine, Template, parse_order_time,
};

use super::record::{Claim, RecordFault, Seal, check_in, check_out};
use super::schema::{TEMPLATES, template_key};
use super::*;

struct House {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.redb");
        Self { _dir: dir, path }
    }

    fn open(&self) -> Vault {
        Vault::open(&self.path, key(1), box_id()).unwrap()
    }

    fn raw(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    /// Flips a bit in the middle of every occurrence of `needle` in the closed file.
    fn damage(&self, needle: &[u8]) {
        let mut raw = self.raw();
        let found = positions(&raw, needle);
        assert!(!found.is_empty(), "the file holds what is to be damaged");
        for at in found {
            raw[at + needle.len() / 2] ^= 1;
        }
        fs::write(&self.path, raw).unwrap();
    }
}

fn positions(hay: &[u8], needle: &[u8]) -> Vec<usize> {
    (0..hay.len().saturating_sub(needle.len() - 1))
        .filter(|at| hay[*at..].starts_with(needle))
        .collect()
}

fn holds(path: &Path, needle: &[u8]) -> bool {
    !positions(&fs::read(path).unwrap(), needle).is_empty()
}

fn key(n: u8) -> BoxKey {
    BoxKey::from_seed(&[n; 32])
}

fn box_id() -> BoxId {
    "entrance".parse().unwrap()
}

fn customer(n: u128) -> CustomerId {
    CustomerId(Uuid::from_u128(0xC0FF_EE00_0000_0000_0000_0000_0000_0000 | n))
}

fn second(n: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + n).unwrap()
}

fn code(n: u8) -> ClaimCode {
    ClaimCode::from_random([n, 0, 0, 0, 0, 0, n / 32, 7])
}

/// A face that no other call gives.
fn embedding(n: u128, view: u32) -> Embedding {
    let seed = f64::from(u32::try_from(n).unwrap() * 31 + view);
    let values = (1..=128).map(|i| (seed + f64::from(i) * 1.7).sin() as f32).collect();
    Embedding::normalised(values).unwrap()
}

fn bytes(embedding: &Embedding) -> Vec<u8> {
    embedding.values().iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn consent(n: u128) -> Consent {
    Consent {
        customer: customer(n),
        given: second(0),
        how: ConsentMethod::Button,
        box_id: box_id(),
        text_version: "2026-01".into(),
        language: "en".into(),
    }
}

fn enrol(vault: &Vault, n: u8) -> Customer {
    let id = u128::from(n);
    vault
        .enrol(&NewEnrolment {
            consent: &consent(id),
            model: &ModelId("sface".into()),
            embeddings: &[embedding(id, 0), embedding(id, 1), embedding(id, 2)],
            claim: code(n),
            claim_expires: second(600),
        })
        .unwrap()
}

fn order(n: u128, name: &str, hour: u8) -> Order {
    let lines = vec![OrderLine {
        sku: format!("sku-{name}"),
        name: format!("Product {name}"),
        quantity: "0.345".parse().unwrap(),
        unit_price: 299,
    }];
    Order {
        id: OrderId(name.into()),
        customer: customer(n),
        placed: parse_order_time(&format!("2026-03-29T{hour:02}:15:00+02:00[Europe/Berlin]"))
            .unwrap(),
        currency: "EUR".parse().unwrap(),
        total: lines.iter().map(OrderLine::amount).sum(),
        lines,
        till: Some("till 1".into()),
    }
}

#[test]
fn what_is_enrolled_is_there_after_a_restart() {
    let house = House::new();
    let made = enrol(&house.open(), 1);
    let vault = house.open();
    assert_eq!(vault.customers().unwrap().good, std::slice::from_ref(&made));
    assert_eq!(vault.customer(made.id).unwrap(), Some(made));
    let templates = vault.templates().unwrap();
    assert!(templates.refused.is_empty());
    for (view, template) in (0..).zip(&templates.good) {
        assert_eq!((template.sequence, template.created), (view, second(0)));
        assert_eq!(template.model, ModelId("sface".into()));
        assert!((template.embedding.cosine(&embedding(1, view)) - 1.0).abs() < 1e-6);
    }
    assert_eq!(templates.good.len(), 3);
    assert_eq!(vault.customer(customer(2)).unwrap(), None);
}

#[test]
fn the_file_is_private() {
    let house = House::new();
    house.open();
    assert_eq!(fs::metadata(&house.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_enrolment_that_cannot_be_whole_leaves_nothing() {
    let house = House::new();
    let vault = house.open();
    enrol(&vault, 1);
    let (model, faces) = (ModelId("sface".into()), [embedding(2, 0)]);
    let taken = NewEnrolment {
        consent: &consent(2),
        model: &model,
        embeddings: &faces,
        claim: code(1),
        claim_expires: second(600),
    };
    assert!(matches!(vault.enrol(&taken), Err(VaultError::ClaimTaken)));
    let faceless = NewEnrolment { embeddings: &[], claim: code(2), ..taken };
    assert!(matches!(vault.enrol(&faceless), Err(VaultError::NoTemplates(_))));
    let twice = NewEnrolment { consent: &consent(1), embeddings: &faces, ..faceless };
    assert!(matches!(vault.enrol(&twice), Err(VaultError::AlreadyEnrolled(_))));
    assert_eq!(vault.customers().unwrap().good.len(), 1);
    assert_eq!(vault.templates().unwrap().good.len(), 3);
    assert!(vault.export(customer(2)).unwrap().is_none());
}

#[test]
fn customers_are_renamed_and_their_visits_counted() {
    let house = House::new();
    let vault = house.open();
    let id = enrol(&vault, 1).id;
    let named = vault.rename(id, Some("Zoë".parse().unwrap())).unwrap().unwrap();
    assert_eq!(named.name.unwrap().as_str(), "Zoë");
    let seen = vault.record_visit(id, second(60)).unwrap().unwrap();
    assert_eq!((seen.visits, seen.last_visit), (1, Some(second(60))));
    assert_eq!(vault.customer(id).unwrap().unwrap(), seen);
    assert_eq!(vault.rename(id, None).unwrap().unwrap().name, None);
    assert!(vault.rename(customer(9), None).unwrap().is_none());
    assert!(vault.record_visit(customer(9), second(0)).unwrap().is_none());
}

#[test]
fn a_claim_code_names_its_customer_until_it_expires() {
    let house = House::new();
    let vault = house.open();
    let id = enrol(&vault, 1).id;
    for _ in 0..2 {
        assert_eq!(vault.claim(&code(1), second(599)).unwrap(), Some(id));
    }
    assert_eq!(vault.claim(&code(1), second(600)).unwrap(), None);
    assert_eq!(vault.claim(&code(2), second(0)).unwrap(), None);
}

#[test]
fn an_expired_claim_code_can_be_given_again() {
    let house = House::new();
    let vault = house.open();
    enrol(&vault, 1);
    let later = Consent { given: second(601), ..consent(2) };
    vault
        .enrol(&NewEnrolment {
            consent: &later,
            model: &ModelId("sface".into()),
            embeddings: &[embedding(2, 0)],
            claim: code(1),
            claim_expires: second(900),
        })
        .unwrap();
    assert_eq!(vault.claim(&code(1), second(700)).unwrap(), Some(customer(2)));
}

#[test]
fn an_order_id_counts_once() {
    let house = House::new();
    let vault = house.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    let first = order(1, "A-1", 9);
    assert_eq!(vault.add_order(&first).unwrap(), OrderAdded::Added);
    assert_eq!(vault.add_order(&first).unwrap(), OrderAdded::AlreadyKnown);
    let dearer = Order { total: 104, ..first.clone() };
    let later = order(1, "A-1", 10);
    let elsewhere = order(2, "A-1", 9);
    let strange = order(9, "A-2", 9);
    let batch = [dearer, later, elsewhere, strange, order(2, "B-1", 9), order(2, "B-1", 9)];
    assert_eq!(
        vault.add_orders(&batch).unwrap(),
        [
            OrderAdded::Conflict,
            OrderAdded::Conflict,
            OrderAdded::Conflict,
            OrderAdded::NoSuchCustomer,
            OrderAdded::Added,
            OrderAdded::AlreadyKnown
        ]
    );
    assert_eq!(vault.orders(customer(1), 10).unwrap().good, [first]);
}

#[test]
fn orders_come_back_newest_first_after_a_restart() {
    let house = House::new();
    let vault = house.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    let (old, middle, new) = (order(1, "Z", 8), order(1, "Y", 9), order(1, "X", 10));
    let other = order(2, "W", 9);
    for order in [&middle, &new, &other, &old] {
        vault.add_order(order).unwrap();
    }
    drop(vault);
    let vault = house.open();
    assert_eq!(vault.orders(customer(1), 2).unwrap().good, [new.clone(), middle.clone()]);
    let mut seen = Vec::new();
    let refused = vault.all_orders(|id, orders| seen.push((id, orders.to_vec()))).unwrap();
    assert!(refused.is_empty());
    assert_eq!(seen, [(customer(2), vec![other]), (customer(1), vec![new, middle, old])]);
}

#[test]
fn a_damaged_order_is_refused_alone_and_mended_by_the_same_order() {
    let house = House::new();
    let vault = house.open();
    enrol(&vault, 1);
    let (first, second) = (order(1, "A-1", 9), order(1, "A-2", 10));
    vault.add_orders(&[first.clone(), second.clone()]).unwrap();
    drop(vault);
    house.damage(b"Product A-1");
    let vault = house.open();
    let loaded = vault.orders(customer(1), 10).unwrap();
    assert_eq!(loaded.good, [second]);
    assert!(loaded.refused[0].to_string().contains("order A-1 of customer c0ffee00"));
    assert_eq!(vault.add_order(&first).unwrap(), OrderAdded::Added);
    assert_eq!(vault.orders(customer(1), 10).unwrap().good.len(), 2);
}

#[test]
fn a_flipped_bit_in_a_stored_face_refuses_that_template_and_no_other() {
    let house = House::new();
    let vault = house.open();
    for n in 1..=5 {
        enrol(&vault, n);
    }
    drop(vault);
    house.damage(&bytes(&embedding(3, 1)));
    let vault = house.open();
    let loaded = vault.templates().unwrap();
    assert_eq!(loaded.good.len(), 14);
    assert!(!loaded.good.iter().any(|t| t.customer == customer(3) && t.sequence == 1));
    let [refused] = loaded.refused.as_slice() else { panic!("{:?}", loaded.refused) };
    assert_eq!(
        refused.to_string(),
        format!(
            "the template 1 of customer {} is refused: its signature does not hold; have the \
             customer enrol again, or forget them",
            customer(3)
        )
    );
    let export = vault.export(customer(3)).unwrap().unwrap();
    assert_eq!((export.templates.len(), export.unreadable.len()), (2, 1));
    // Damaged records can be forgotten like others.
    let gone = vault.forget(customer(3)).unwrap().unwrap();
    assert_eq!(gone, Forgotten { templates: 3, orders: 0 });
    assert_eq!(vault.templates().unwrap().good.len(), 12);
}

/// Puts a record where its signer did not.
fn plant(vault: &Vault, key: &[u8], record: &[u8]) {
    vault
        .storage
        .write(|txn| {
            txn.open_table(TEMPLATES)?.insert(key, record)?;
            Ok(())
        })
        .unwrap();
}

fn template(n: u128, sequence: u32) -> Template {
    Template {
        customer: customer(n),
        model: ModelId("sface".into()),
        sequence,
        created: second(0),
        embedding: embedding(n, sequence),
    }
}

#[test]
fn a_face_that_was_moved_to_another_customer_is_refused() {
    let house = House::new();
    let vault = house.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    let (mine, theirs) = (template(1, 0), template(2, 0));
    let record = vault.seal.sign(&template_key(&mine), &mine).unwrap();
    plant(&vault, &template_key(&theirs), &record);
    let loaded = vault.templates().unwrap();
    assert_eq!((loaded.good.len(), loaded.refused.len()), (5, 1));
    assert_eq!(loaded.refused[0].record, format!("template 0 of customer {}", customer(2)));
}

#[test]
fn a_face_signed_by_another_key_or_for_another_box_is_refused() {
    let house = House::new();
    let vault = house.open();
    enrol(&vault, 1);
    let forged = template(1, 3);
    let at = template_key(&forged);
    for (seal, reason) in [
        (
            Seal::new(key(2), box_id()),
            format!("it is signed with another key ({})", key(2).key_id()),
        ),
        (Seal::new(key(1), "exit".parse().unwrap()), "it is no record of its kind".into()),
    ] {
        plant(&vault, &at, &seal.sign(&at, &forged).unwrap());
        let loaded = vault.templates().unwrap();
        assert_eq!(loaded.good.len(), 3);
        assert_eq!(loaded.refused[0].reason, reason);
    }
}

#[test]
fn a_record_of_one_kind_is_none_of_another() {
    let seal = Seal::new(key(1), box_id());
    let claim = Claim { customer: customer(1), expires: second(0) };
    let bytes = seal.sign(b"key", &claim).unwrap();
    assert_eq!(seal.verify::<Claim>(b"key", &bytes), Ok(claim));
    assert_eq!(seal.verify::<Consent>(b"key", &bytes), Err(RecordFault::Signature));
    assert_eq!(seal.verify::<Claim>(b"kez", &bytes), Err(RecordFault::Signature));
}

#[test]
fn the_format_has_not_changed_unnoticed() {
    use sha2::{Digest, Sha256};
    let seal = Seal::new(key(1), box_id());
    let digest = |bytes: &[u8]| box_key::hex(&Sha256::digest(bytes)[..8]);
    let t = template(1, 2);
    let at = template_key(&t);
    let o = order(1, "A-1", 9);
    let records = [
        digest(&seal.sign(b"k", &consent(1)).unwrap()),
        digest(&seal.sign(&at, &t).unwrap()),
        digest(&check_in(b"k", &o).unwrap()),
    ];
    assert_eq!(records, ["250c44d7d084fa46", "50eeea9e9127ae84", "5892c89ed211f88d"]);
}

#[test]
fn forgetting_leaves_nothing_in_the_raw_file() {
    let house = House::new();
    let vault = house.open();
    for n in 1..=20 {
        enrol(&vault, n);
        let n = u128::from(n);
        let orders: Vec<_> = (0..8).map(|i| order(n, &format!("T{n}-{i}-"), 6 + i)).collect();
        vault.add_orders(&orders).unwrap();
        vault.record_visit(customer(n), second(1)).unwrap();
    }
    let of_seven = [
        bytes(&embedding(7, 0)),
        bytes(&embedding(7, 1)),
        bytes(&embedding(7, 2)),
        b"Product T7-0-".to_vec(),
        b"sku-T7-7-".to_vec(),
        customer(7).0.as_bytes().to_vec(),
        code(7).as_bytes().to_vec(),
    ];
    for needle in &of_seven {
        assert!(holds(&house.path, needle));
    }
    let gone = vault.forget(customer(7)).unwrap();
    assert_eq!(gone, Some(Forgotten { templates: 3, orders: 8 }));
    for needle in &of_seven {
        assert!(!holds(&house.path, needle));
    }
    assert!(Vault::open(&house.path, key(1), box_id()).is_err(), "the new file is locked too");
    assert_eq!(fs::metadata(&house.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(vault.forget(customer(7)).unwrap(), None);
    assert_eq!(vault.customer(customer(7)).unwrap(), None);
    assert_eq!(vault.customers().unwrap().good.len(), 19);
    assert_eq!(vault.orders(customer(8), 99).unwrap().good.len(), 8);
    // The till's names are free again.
    enrol(&vault, 7);
    assert_eq!(vault.add_order(&order(7, "T7-0-", 6)).unwrap(), OrderAdded::Added);
}

#[test]
fn a_crash_between_forgetting_and_rewriting_is_made_good_at_the_next_start() {
    let house = House::new();
    let vault = house.open();
    for n in 1..=20 {
        enrol(&vault, n);
    }
    vault.storage.write(|txn| forget::erase(txn, customer(7))).unwrap();
    drop(vault);
    assert!(holds(&house.path, &bytes(&embedding(7, 0))), "the test needs traces to remove");
    house.open();
    assert!(!holds(&house.path, &bytes(&embedding(7, 0))));
}

#[test]
fn an_export_holds_all_there_is_of_a_customer_and_nothing_of_another() {
    let house = House::new();
    let vault = house.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    vault.add_orders(&[order(1, "A-1", 9), order(1, "A-2", 10), order(2, "B-1", 9)]).unwrap();
    let export = vault.export(customer(1)).unwrap().unwrap();
    assert_eq!(export.consents, [consent(1)]);
    assert_eq!(export.orders, [order(1, "A-2", 10), order(1, "A-1", 9)]);
    assert_eq!(export.claim_codes.len(), 1);
    let json = serde_json::to_value(&export).unwrap();
    assert_eq!(json["templates"][2]["embedding"].as_array().unwrap().len(), 128);
    assert_eq!(json["claim_codes"][0]["code"], code(1).to_string());
    assert!(export.unreadable.is_empty());
    assert!(vault.export(customer(3)).unwrap().is_none());
}

#[test]
fn a_second_opener_gets_a_sentence() {
    let house = House::new();
    let _vault = house.open();
    let error = Vault::open(&house.path, key(1), box_id()).unwrap_err();
    assert!(matches!(error, VaultError::InUse { .. }));
    assert!(error.to_string().contains("in use by another instored; stop it"), "{error}");
}

#[test]
fn a_vault_opens_only_with_its_own_key_and_box() {
    let house = House::new();
    house.open();
    let error = Vault::open(&house.path, key(2), box_id()).unwrap_err();
    assert!(matches!(&error, VaultError::OtherKey { theirs, .. } if *theirs == key(1).key_id()));
    let error = Vault::open(&house.path, key(1), "exit".parse().unwrap()).unwrap_err();
    assert!(matches!(error, VaultError::OtherBox { .. }));
    house.open();
}

#[test]
fn files_that_are_no_vault_are_named_and_left_alone() {
    let house = House::new();
    for garbage in [b"short".to_vec(), vec![0xA5; 100_000], b"redb\x1A\x0A\xA9\x0D\x0A".repeat(999)]
    {
        fs::write(&house.path, &garbage).unwrap();
        let error = Vault::open(&house.path, key(1), box_id()).unwrap_err();
        assert!(matches!(error, VaultError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("vault.redb is damaged"), "{error}");
        assert_eq!(house.raw(), garbage);
    }
    let nowhere = house.path.join("no/folder");
    let error = Vault::open(&nowhere, key(1), box_id()).unwrap_err();
    assert!(matches!(error, VaultError::Open { .. }));
}

#[test]
fn a_vault_cut_short_or_scribbled_over_never_panics_nor_lies() {
    let house = House::new();
    let vault = house.open();
    for n in 1..=5 {
        enrol(&vault, n);
    }
    let sound = vault.templates().unwrap().good;
    drop(vault);
    let whole = house.raw();
    for step in 0..40 {
        let mut raw = whole.clone();
        if step % 2 == 0 {
            raw.truncate(raw.len() / 40 * step);
        } else {
            let at = raw.len() / 40 * step;
            raw[at..at + 200].fill(0xA5);
        }
        fs::write(&house.path, raw).unwrap();
        let loaded = Vault::open(&house.path, key(1), box_id()).and_then(|v| v.templates());
        if let Ok(loaded) = loaded {
            assert!(loaded.good.iter().all(|t| sound.contains(t)));
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..400), format in 0..4u8, key in any::<[u8; 20]>()
    ) {
        let seal = Seal::new(BoxKey::from_seed(&[1; 32]), box_id());
        if let Some(first) = bytes.first_mut() {
            *first = format;
        }
        prop_assert!(seal.verify::<Template>(&key, &bytes).is_err());
        prop_assert!(seal.verify::<Customer>(&key, &bytes).is_err());
        prop_assert!(seal.verify::<Claim>(&key, &bytes).is_err());
        prop_assert!(check_out(&key, &bytes).is_err());
    }

    #[test]
    fn no_change_of_a_signed_record_goes_unnoticed(at in 0..1000usize, bit in 0..8u8, cut in any::<bool>()) {
        let seal = Seal::new(BoxKey::from_seed(&[1; 32]), box_id());
        let t = template(1, 0);
        let key = template_key(&t);
        let mut bytes = seal.sign(&key, &t).unwrap().to_vec();
        let at = at % bytes.len();
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << bit;
        }
        prop_assert!(seal.verify::<Template>(&key, &bytes).is_err());
    }

    #[test]
    fn records_come_back_as_they_were(values in proptest::collection::vec(-1.0f32..1.0, 64..512), sequence: u32) {
        prop_assume!(values.iter().any(|v| v.abs() > 0.01));
        let seal = Seal::new(BoxKey::from_seed(&[1; 32]), box_id());
        let t = Template { embedding: Embedding::normalised(values).unwrap(), ..template(1, sequence) };
        let key = template_key(&t);
        prop_assert_eq!(seal.verify::<Template>(&key, &seal.sign(&key, &t).unwrap()), Ok(t));
    }
}
