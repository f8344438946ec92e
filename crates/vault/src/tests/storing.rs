//! What is kept comes back as it was.

use std::os::unix::fs::PermissionsExt;

use instored_domain::{Allergen, Preferences, Product};
use jiff::{Span, tz::TimeZone};

use crate::record::TrustedSigners;
use super::*;

#[test]
fn what_is_enrolled_is_there_after_a_restart() {
    let fixture = Fixture::new();
    let made = enrol(&fixture.open(), 1);
    let vault = fixture.open();
    assert!(vault.warnings().is_empty(), "{:?}", vault.warnings());
    assert_eq!(vault.customers().unwrap().records, std::slice::from_ref(&made));
    assert_eq!(vault.customer(made.id).unwrap(), Some(made));
    let templates = vault.templates().unwrap();
    assert!(templates.rejected.is_empty());
    for (view, template) in (0..).zip(&templates.records) {
        assert_eq!((template.sequence, template.created), (view, second(0)));
        assert_eq!(template.model, ModelId("sface".into()));
        assert!((template.embedding.cosine(&embedding(1, view)) - 1.0).abs() < 1e-6);
    }
    assert_eq!(templates.records.len(), 3);
    assert_eq!(vault.customer(customer(2)).unwrap(), None);
    sound(&vault);
}

#[test]
fn every_file_is_private() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    vault.compact().unwrap();
    for (path, _) in fixture.copy() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}

#[test]
fn an_enrolment_that_cannot_be_whole_leaves_nothing() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    let (model, faces) = (ModelId("sface".into()), [embedding(2, 0)]);
    let taken = NewEnrolment {
        consent: &consent(2),
        model: &model,
        embeddings: &faces,
        claim: code(1),
        claim_expires: second(600),
    };
    assert!(matches!(vault.enrol(&taken), Err(VaultError::CodeTaken)));
    let same_receipt = Consent { receipt: receipt(1), ..consent(2) };
    let taken = NewEnrolment { consent: &same_receipt, claim: code(2), ..taken };
    assert!(matches!(vault.enrol(&taken), Err(VaultError::CodeTaken)));
    let faceless = NewEnrolment { consent: &consent(2), embeddings: &[], ..taken };
    assert!(matches!(vault.enrol(&faceless), Err(VaultError::NoTemplates(_))));
    let twice = NewEnrolment { consent: &consent(1), embeddings: &faces, ..faceless };
    assert!(matches!(vault.enrol(&twice), Err(VaultError::AlreadyEnrolled(_))));
    assert_eq!(vault.customers().unwrap().records.len(), 1);
    assert_eq!(vault.templates().unwrap().records.len(), 3);
    assert!(vault.export(customer(2)).unwrap().is_none());
    sound(&vault);
}

#[test]
fn customers_are_renamed_their_visits_counted_and_their_wishes_kept() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let id = enrol(&vault, 1).id;
    let named = vault.rename(id, Some("Zoë".parse().unwrap()), act(1)).unwrap().unwrap();
    assert_eq!(named.name.unwrap().as_str(), "Zoë");
    let seen = vault.record_visit(id, second(60)).unwrap().unwrap();
    assert_eq!((seen.visits, seen.last_visit), (1, Some(second(60))));
    assert_eq!(vault.customer(id).unwrap().unwrap(), seen);
    let wish = Preferences {
        history: false,
        allergens: [Allergen::Nuts].into(),
        ..Preferences::default()
    };
    let changed = vault.set_preferences(id, wish.clone(), act(2)).unwrap().unwrap();
    assert_eq!(changed.preferences, wish);
    assert_eq!(vault.rename(id, None, act(3)).unwrap().unwrap().name, None);
    assert_eq!(vault.customer(id).unwrap().unwrap().preferences, wish);
    assert!(vault.rename(customer(9), None, act(4)).unwrap().is_none());
    assert!(vault.set_preferences(customer(9), wish, act(4)).unwrap().is_none());
    assert!(vault.record_visit(customer(9), second(0)).unwrap().is_none());
}

#[test]
fn what_changes_nothing_is_no_change() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    vault.add_order(&order(1, "A-1", 9), act(1)).unwrap();
    let before = vault.change_count().unwrap();
    vault.add_order(&order(1, "A-1", 9), act(1)).unwrap();
    vault.rename(customer(9), None, act(4)).unwrap();
    vault.forget(customer(9), act(4)).unwrap();
    vault.remove_products(&["none".into()], act(4)).unwrap();
    assert_eq!(vault.change_count().unwrap(), before);
    vault.rename(customer(1), None, act(4)).unwrap();
    assert_eq!(vault.change_count().unwrap(), before + 1);
}

#[test]
fn a_claim_code_names_its_customer_until_it_expires() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let id = enrol(&vault, 1).id;
    for _ in 0..2 {
        assert_eq!(vault.customer_by_claim_code(&code(1), second(599)).unwrap(), Some(id));
    }
    assert_eq!(vault.customer_by_claim_code(&code(1), second(600)).unwrap(), None);
    assert_eq!(vault.customer_by_claim_code(&code(2), second(0)).unwrap(), None);
    vault.record_visit(id, second(599)).unwrap();
    assert_eq!(vault.verify().unwrap().claim_codes, 1);
    vault.record_visit(id, second(600)).unwrap();
    assert_eq!(vault.verify().unwrap().claim_codes, 0, "expired codes are not kept");
    sound(&vault);
}

#[test]
fn an_expired_claim_code_can_be_given_again() {
    let fixture = Fixture::new();
    let vault = fixture.open();
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
    assert_eq!(vault.customer_by_claim_code(&code(1), second(700)).unwrap(), Some(customer(2)));
    sound(&vault);
}

#[test]
fn a_receipt_names_its_customer_as_long_as_they_are_enrolled() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let id = enrol(&vault, 1).id;
    assert_eq!(vault.customer_by_receipt(&receipt(1)).unwrap(), Some(id));
    assert_eq!(vault.customer_by_receipt(&Receipt(code(1))).unwrap(), None, "a claim code is no receipt");
    assert_eq!(vault.customer_by_claim_code(&receipt(1).0, second(0)).unwrap(), None, "a receipt buys nothing");
    vault.forget(id, act(1)).unwrap();
    assert_eq!(vault.customer_by_receipt(&receipt(1)).unwrap(), None);
}

#[test]
fn an_order_id_counts_once() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    let first = order(1, "A-1", 9);
    assert_eq!(vault.add_order(&first, act(1)).unwrap(), AddOrderOutcome::Added);
    assert_eq!(vault.add_order(&first, act(1)).unwrap(), AddOrderOutcome::AlreadyKnown);
    let dearer = Order { total: 104, ..first.clone() };
    let later = order(1, "A-1", 10);
    let elsewhere = order(2, "A-1", 9);
    let strange = order(9, "A-2", 9);
    let batch = [dearer, later, elsewhere, strange, order(2, "B-1", 9), order(2, "B-1", 9)];
    assert_eq!(
        vault.add_orders(&batch, act(2)).unwrap(),
        [
            AddOrderOutcome::Conflict,
            AddOrderOutcome::Conflict,
            AddOrderOutcome::Conflict,
            AddOrderOutcome::NoSuchCustomer,
            AddOrderOutcome::Added,
            AddOrderOutcome::AlreadyKnown
        ]
    );
    assert_eq!(vault.orders(customer(1), 10).unwrap().records, [first]);
}

#[test]
fn a_corrected_order_takes_the_place_of_the_wrong_one_for_good() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    let wrong = order(1, "A-1", 9);
    let right = Order { replaces: Some(wrong.id.clone()), ..order(1, "A-2", 9) };
    assert_eq!(vault.add_order(&right, act(1)).unwrap(), AddOrderOutcome::ReplacedOrderNotFound);
    vault.add_order(&wrong, act(1)).unwrap();
    let foreign = Order { replaces: Some(wrong.id.clone()), ..order(2, "B-1", 9) };
    assert_eq!(vault.add_order(&foreign, act(1)).unwrap(), AddOrderOutcome::ReplacedOrderNotFound);
    assert_eq!(vault.add_order(&right, act(1)).unwrap(), AddOrderOutcome::Added);
    assert_eq!(vault.orders(customer(1), 10).unwrap().records, std::slice::from_ref(&right));
    assert_eq!(vault.add_order(&wrong, act(1)).unwrap(), AddOrderOutcome::AlreadyKnown);
    assert_eq!(vault.add_order(&right, act(1)).unwrap(), AddOrderOutcome::AlreadyKnown);
    let void =
        Order { lines: vec![], total: 0, replaces: Some(right.id.clone()), ..order(1, "A-3", 10) };
    assert_eq!(vault.add_order(&void, act(1)).unwrap(), AddOrderOutcome::Added);
    drop(vault);
    let vault = fixture.open();
    assert_eq!(vault.orders(customer(1), 10).unwrap().records, []);
    assert_eq!(vault.add_order(&right, act(1)).unwrap(), AddOrderOutcome::AlreadyKnown);
    let export = vault.export(customer(1)).unwrap().unwrap();
    assert_eq!(export.orders, [void]);
    assert_eq!(export.replaced_orders.len(), 2);
    sound(&vault);
}

#[test]
fn orders_come_back_newest_first_after_a_restart() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    let (old, middle, new) = (order(1, "Z", 8), order(1, "Y", 9), order(1, "X", 10));
    let other = order(2, "W", 9);
    for order in [&middle, &new, &other, &old] {
        vault.add_order(order, act(1)).unwrap();
    }
    drop(vault);
    let vault = fixture.open();
    assert_eq!(vault.orders(customer(1), 2).unwrap().records, [new.clone(), middle.clone()]);
    let mut seen = Vec::new();
    let rejected = vault.for_each_order_history(|id, orders| seen.push((id, orders.to_vec()))).unwrap();
    assert!(rejected.is_empty());
    assert_eq!(seen, [(customer(1), vec![new, middle, old]), (customer(2), vec![other])]);
}

fn product(sku: &str, name: &str) -> Product {
    serde_json::from_value(serde_json::json!({ "sku": sku, "name": name })).unwrap()
}

#[test]
fn the_catalogue_is_kept_product_by_product() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let first = [product("1", "Milk"), product("2", "Rye")];
    let put = vault.put_products(&first, act(1)).unwrap();
    assert_eq!(put, CatalogueUpdate { added: 2, changed: 0, unchanged: 0 });
    let put = vault.put_products(&[product("1", "Oat milk"), product("2", "Rye")], act(1)).unwrap();
    assert_eq!(put, CatalogueUpdate { added: 0, changed: 1, unchanged: 1 });
    assert_eq!(vault.remove_products(&["2".into(), "3".into()], act(1)).unwrap(), 1);
    drop(vault);
    assert_eq!(fixture.open().products().unwrap().records, [product("1", "Oat milk")]);
}

#[test]
fn who_has_not_come_for_the_months_is_due() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    for n in 1..=3 {
        enrol(&vault, n);
    }
    let months = |n: i64| {
        let zoned = second(0).to_zoned(TimeZone::UTC);
        zoned.checked_add(Span::new().months(n)).unwrap().timestamp()
    };
    vault.record_visit(customer(1), months(5)).unwrap();
    vault.record_visit(customer(2), months(1)).unwrap();
    let due = |at, n| vault.inactive_customers(at, n).unwrap();
    assert_eq!(due(months(11), 12), []);
    assert_eq!(due(months(12), 12), [customer(3)]);
    assert_eq!(due(months(13), 12), [customer(2), customer(3)]);
    assert_eq!(due(months(40), 12).len(), 3);
    assert_eq!(due(months(40), u32::MAX), [], "a time before all time");
}

#[test]
fn an_export_holds_all_there_is_of_a_customer_and_nothing_of_another() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 3);
    let export = vault.export(customer(2)).unwrap().unwrap();
    assert_eq!(export.consents, [consent(2)]);
    let ids: Vec<_> = export.orders.iter().map(|order| order.id.0.as_str()).collect();
    assert_eq!(ids, ["T2-3-", "T2-2-", "T2-1-", "T2-0-"]);
    assert!(export.unreadable.is_empty());
    let json = serde_json::to_value(&export).unwrap();
    assert_eq!(json["templates"][2]["embedding"].as_array().unwrap().len(), 128);
    assert_eq!(json["claim_codes"][0]["code"], code(2).to_string());
    assert_eq!(json["consents"][0]["receipt"], receipt(2).to_string());
    assert_eq!(json["record"]["name"], name(2));
    assert_eq!(json["record"]["preferences"]["history"], true);
    let text = json.to_string();
    for n in [1, 3] {
        assert!(!text.contains(&customer(n).to_string()));
        assert!(!text.contains(&name(n)));
        assert!(!text.contains(&format!("Product T{n}-")));
        assert!(!text.contains(&code(u32::try_from(n).unwrap()).to_string()));
    }
    assert!(vault.export(customer(9)).unwrap().is_none());
}

#[test]
fn the_audit_log_tells_what_was_done_and_not_to_whom() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 2);
    vault.record_visit(customer(1), second(9)).unwrap();
    let retention = AuditContext { at: second(10), by: Actor::Retention };
    vault.forget(customer(2), retention).unwrap();
    let log = vault.audit_log(100).unwrap();
    let done: Vec<_> = log.iter().map(|entry| entry.done).collect();
    let of_one = [AuditAction::Enrolled, AuditAction::Renamed, AuditAction::Orders];
    assert_eq!(done, [&[AuditAction::Made], &of_one[..], &of_one[..], &[AuditAction::Forgotten]].concat());
    assert_eq!(log[7].act, retention);
    assert_eq!(log[7].whose, None);
    assert_eq!(log[1].whose, log[2].whose, "one customer, one word");
    assert_ne!(log[1].whose, log[4].whose);
    assert_eq!(vault.audit_log(2).unwrap(), log[6..]);
    let text = format!("{log:?}");
    assert!(!text.contains("Zacharias") && !text.contains("c0ffee"), "{text}");
}

#[test]
fn a_second_opener_gets_a_sentence() {
    let fixture = Fixture::new();
    let _vault = fixture.open();
    let error = fixture.try_open().unwrap_err();
    assert!(matches!(error, VaultError::InUse { .. }));
    assert!(error.to_string().contains("in use by another instored; stop it"), "{error}");
}

#[test]
fn a_vault_opens_only_with_its_own_keys_and_box() {
    let fixture = Fixture::new();
    fixture.open();
    let exit = "exit".parse().unwrap();
    let error = Vault::open(&fixture.path, fixture.keys(), exit, second(0)).unwrap_err();
    assert!(matches!(error, VaultError::OtherBox { .. }));
    let stranger = Fixture::new();
    stranger.open();
    for (file, wrong) in [("signing.key", "OtherKey"), ("vault.key", "OtherVaultKey")] {
        let ours = fs::read(fixture.dir.path().join(file)).unwrap();
        fs::copy(stranger.dir.path().join(file), fixture.dir.path().join(file)).unwrap();
        let error = fixture.try_open().unwrap_err();
        assert!(format!("{error:?}").starts_with(wrong), "{error:?}");
        fs::write(fixture.dir.path().join(file), ours).unwrap();
    }
    fixture.open();
}

#[test]
fn files_that_are_no_vault_are_named_and_left_alone() {
    for garbage in [b"short".to_vec(), vec![0xA5; 100_000], b"redb\x1A\x0A\xA9\x0D\x0A".repeat(999)]
    {
        let fixture = Fixture::new();
        fixture.keys();
        fs::write(&fixture.path, &garbage).unwrap();
        let error = fixture.try_open().unwrap_err();
        assert!(matches!(error, VaultError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("vault.redb is damaged"), "{error}");
        assert_eq!(fixture.raw(), garbage);
    }
    let fixture = Fixture::new();
    let nowhere = fixture.path.join("no/folder");
    let error = Vault::open(&nowhere, fixture.keys(), box_id(), second(0)).unwrap_err();
    assert!(matches!(error, VaultError::Open { .. }));
}

#[test]
fn a_vault_of_another_format_is_refused_with_a_sentence() {
    let fixture = Fixture::new();
    fixture.keys();
    for (first, found) in [(true, 1), (false, 9)] {
        let database = redb::Database::create(&fixture.path).unwrap();
        let txn = database.begin_write().unwrap();
        if first {
            let text: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("meta");
            txn.open_table(text).unwrap().insert("format", [1].as_slice()).unwrap();
        } else {
            txn.open_table(META).unwrap().insert(b"format".as_slice(), [9].as_slice()).unwrap();
        }
        txn.commit().unwrap();
        drop(database);
        let error = fixture.try_open().unwrap_err();
        assert!(matches!(error, VaultError::Format { found: f, .. } if f == found), "{error:?}");
        fs::remove_file(&fixture.path).unwrap();
    }
}

#[test]
fn a_signed_record_has_not_changed_its_form_unnoticed() {
    use sha2::{Digest, Sha256};
    let key = SigningKey::from_seed(&[1; 32]);
    let signers = Signers::new(box_id(), key, None);
    let signed = signers.sign(b"aad", customer(1), &consent(1), second(0)).unwrap();
    assert_eq!(box_key::hex(&Sha256::digest(&*signed)[..8]), "036fd8a146b1b527");
    let trust = TrustedSigners { box_id: box_id(), keys: signers.trust.keys.clone() };
    let read: Consent = trust.read(customer(1), &trust.parse(b"aad", &signed).unwrap()).unwrap();
    assert_eq!(read, consent(1));
}
