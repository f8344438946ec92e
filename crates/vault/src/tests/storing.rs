//! Tests of writing and reading customers, codes, orders, products and the audit log.

use std::os::unix::fs::PermissionsExt;

use instored_domain::{Allergen, Preferences, Product};

use super::*;
use crate::record::Signers;
use crate::record::TrustedSigners;

#[test]
fn enrolled_customer_is_read_after_restart() {
    let fixture = Fixture::new();
    let enrolled = enrol(&fixture.open(), 1);
    let vault = fixture.open();
    assert!(vault.warnings().is_empty(), "{:?}", vault.warnings());
    assert_eq!(vault.customers().unwrap().records, std::slice::from_ref(&enrolled));
    assert_eq!(vault.customer(enrolled.id).unwrap(), Some(enrolled));
    let templates = vault.templates().unwrap();
    assert!(templates.rejected.is_empty());
    for (view, template) in (0..).zip(&templates.records) {
        assert_eq!((template.sequence, template.created), (view, second(0)));
        assert_eq!(template.model, ModelId("sface".into()));
        assert!((template.embedding.cosine(&embedding(1, view)) - 1.0).abs() < 1e-6);
    }
    assert_eq!(templates.records.len(), 3);
    assert_eq!(vault.customer(customer(2)).unwrap(), None);
    assert_valid(&vault);
}

#[test]
fn start_number_rises_with_each_start_and_any_clock() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    assert_eq!(vault.next_start_number(second(1000)).unwrap(), lowest_start_number(second(1000)));
    let ahead = second(1_000_000);
    assert_eq!(vault.next_start_number(ahead).unwrap(), lowest_start_number(ahead));
    drop(vault);
    let vault = fixture.open();
    assert_eq!(vault.next_start_number(second(0)).unwrap(), lowest_start_number(ahead) + 1);
    assert_valid(&vault);
    assert_eq!(lowest_start_number(Timestamp::MIN), 0);
    assert_eq!(lowest_start_number(Timestamp::MAX), u32::MAX);
}

#[test]
fn every_file_has_mode_0600() {
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
fn failed_enrolment_stores_nothing() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    let (model, embeddings) = (ModelId("sface".into()), [embedding(2, 0)]);
    let taken_code = NewEnrolment {
        consent: &consent(2),
        consent_text: CONSENT_TEXT,
        model: &model,
        embeddings: &embeddings,
        claim: code(1),
        claim_expires: second(600),
        announcement: b"",
        is_clock_confirmed: true,
    };
    assert!(matches!(vault.enrol(&taken_code), Err(VaultError::CodeTaken)));
    let same_receipt = Consent { receipt: receipt(1), ..consent(2) };
    let taken_receipt = NewEnrolment { consent: &same_receipt, claim: code(2), ..taken_code };
    assert!(matches!(vault.enrol(&taken_receipt), Err(VaultError::CodeTaken)));
    let without_template = NewEnrolment { consent: &consent(2), embeddings: &[], ..taken_receipt };
    assert!(matches!(vault.enrol(&without_template), Err(VaultError::NoTemplates(_))));
    let repeated =
        NewEnrolment { consent: &consent(1), embeddings: &embeddings, ..without_template };
    assert!(matches!(vault.enrol(&repeated), Err(VaultError::AlreadyEnrolled(_))));
    assert_eq!(vault.customers().unwrap().records.len(), 1);
    assert_eq!(vault.templates().unwrap().records.len(), 3);
    assert!(vault.export(customer(2)).unwrap().is_none());
    assert_valid(&vault);
}

#[test]
fn name_visits_and_preferences_are_stored() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let id = enrol(&vault, 1).id;
    let named = vault.rename(id, Some("Zoë".parse().unwrap()), context(1)).unwrap().unwrap();
    assert_eq!(named.name.unwrap().as_str(), "Zoë");
    let visited = vault.record_visit(id, second(60)).unwrap().unwrap();
    assert_eq!((visited.visits, visited.last_visit), (1, Some(second(60))));
    assert_eq!(vault.customer(id).unwrap().unwrap(), visited);
    let preferences = Preferences {
        can_show_history: false,
        allergens: [Allergen::Nuts].into(),
        ..Preferences::default()
    };
    let changed = vault.set_preferences(id, preferences.clone(), context(2)).unwrap().unwrap();
    assert_eq!(changed.preferences, preferences);
    assert_eq!(vault.rename(id, None, context(3)).unwrap().unwrap().name, None);
    assert_eq!(vault.customer(id).unwrap().unwrap().preferences, preferences);
    assert!(vault.rename(customer(9), None, context(4)).unwrap().is_none());
    assert!(vault.set_preferences(customer(9), preferences, context(4)).unwrap().is_none());
    assert!(vault.record_visit(customer(9), second(0)).unwrap().is_none());
}

#[test]
fn operation_without_effect_counts_no_change() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    vault.add_order(&order(1, "A-1", 9), context(1)).unwrap();
    let before = change_count(&vault);
    vault.add_order(&order(1, "A-1", 9), context(1)).unwrap();
    vault.rename(customer(9), None, context(4)).unwrap();
    vault.forget(customer(9), context(4)).unwrap();
    vault.change_products(&[], &["none".into()], context(4)).unwrap();
    assert_eq!(change_count(&vault), before);
    vault.rename(customer(1), None, context(4)).unwrap();
    assert_eq!(change_count(&vault), before + 1);
}

#[test]
fn claim_code_identifies_customer_until_expiry() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let id = enrol(&vault, 1).id;
    for _ in 0..2 {
        assert_eq!(vault.customer_by_claim_code(&code(1), second(599)).unwrap(), Some(id));
    }
    assert_eq!(vault.customer_by_claim_code(&code(1), second(600)).unwrap(), None);
    assert_eq!(vault.customer_by_claim_code(&code(2), second(0)).unwrap(), None);
    // A visit while the clock is wrong does not delete the code.
    vault.record_visit(id, second(90_000_000)).unwrap();
    assert_eq!(vault.customer_by_claim_code(&code(1), second(599)).unwrap(), Some(id));
    assert_valid(&vault);
}

#[test]
fn expired_claim_code_can_be_reused() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    let later = Consent { given: second(601), ..consent(2) };
    vault
        .enrol(&NewEnrolment {
            consent: &later,
            consent_text: CONSENT_TEXT,
            model: &ModelId("sface".into()),
            embeddings: &[embedding(2, 0)],
            claim: code(1),
            claim_expires: second(900),
            announcement: b"",
            is_clock_confirmed: true,
        })
        .unwrap();
    assert_eq!(vault.customer_by_claim_code(&code(1), second(700)).unwrap(), Some(customer(2)));
    assert_valid(&vault);
}

#[test]
fn receipt_identifies_customer_while_enrolled() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let id = enrol(&vault, 1).id;
    assert_eq!(vault.customer_by_receipt(&receipt(1)).unwrap(), Some(id));
    assert_eq!(
        vault.customer_by_receipt(&ConsentReceipt(code(1))).unwrap(),
        None,
        "a claim code is no receipt"
    );
    assert_eq!(
        vault.customer_by_claim_code(&receipt(1).0, second(0)).unwrap(),
        None,
        "a receipt is no claim code"
    );
    vault.forget(id, context(1)).unwrap();
    assert_eq!(vault.customer_by_receipt(&receipt(1)).unwrap(), None);
}

#[test]
fn order_id_is_stored_once() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    let first = order(1, "A-1", 9);
    assert_eq!(vault.add_order(&first, context(1)).unwrap(), AddOrderOutcome::Added);
    assert_eq!(vault.add_order(&first, context(1)).unwrap(), AddOrderOutcome::AlreadyKnown);
    let other_total = Order { total: 104, ..first.clone() };
    let other_time = order(1, "A-1", 10);
    let other_customer = order(2, "A-1", 9);
    let unknown_customer = order(9, "A-2", 9);
    let batch = [
        other_total,
        other_time,
        other_customer,
        unknown_customer,
        order(2, "B-1", 9),
        order(2, "B-1", 9),
    ];
    assert_eq!(
        vault.add_orders(&batch, context(2)).unwrap(),
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
fn corrected_order_replaces_wrong_one_permanently() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    let wrong = order(1, "A-1", 9);
    let right = Order { replaces: Some(wrong.id.clone()), ..order(1, "A-2", 9) };
    assert_eq!(
        vault.add_order(&right, context(1)).unwrap(),
        AddOrderOutcome::ReplacedOrderNotFound
    );
    vault.add_order(&wrong, context(1)).unwrap();
    let other_customer = Order { replaces: Some(wrong.id.clone()), ..order(2, "B-1", 9) };
    assert_eq!(
        vault.add_order(&other_customer, context(1)).unwrap(),
        AddOrderOutcome::ReplacedOrderNotFound
    );
    assert_eq!(vault.add_order(&right, context(1)).unwrap(), AddOrderOutcome::Added);
    assert_eq!(vault.orders(customer(1), 10).unwrap().records, std::slice::from_ref(&right));
    assert_eq!(vault.add_order(&wrong, context(1)).unwrap(), AddOrderOutcome::AlreadyKnown);
    assert_eq!(vault.add_order(&right, context(1)).unwrap(), AddOrderOutcome::AlreadyKnown);
    let void =
        Order { lines: vec![], total: 0, replaces: Some(right.id.clone()), ..order(1, "A-3", 10) };
    assert_eq!(vault.add_order(&void, context(1)).unwrap(), AddOrderOutcome::Added);
    drop(vault);
    let vault = fixture.open();
    assert_eq!(vault.orders(customer(1), 10).unwrap().records, []);
    assert_eq!(vault.add_order(&right, context(1)).unwrap(), AddOrderOutcome::AlreadyKnown);
    let export = vault.export(customer(1)).unwrap().unwrap();
    assert_eq!(export.orders, [void]);
    assert_eq!(export.replaced_orders.len(), 2);
    assert_valid(&vault);
}

#[test]
fn orders_are_read_newest_first_after_restart() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    let (old, middle, new) = (order(1, "Z", 8), order(1, "Y", 9), order(1, "X", 10));
    let other = order(2, "W", 9);
    for order in [&middle, &new, &other, &old] {
        vault.add_order(order, context(1)).unwrap();
    }
    drop(vault);
    let vault = fixture.open();
    assert_eq!(vault.orders(customer(1), 2).unwrap().records, [new.clone(), middle.clone()]);
    let mut visited = Vec::new();
    let rejected =
        vault.for_each_order_history(|id, orders| visited.push((id, orders.to_vec()))).unwrap();
    assert!(rejected.is_empty());
    assert_eq!(visited, [(customer(1), vec![new, middle, old]), (customer(2), vec![other])]);
}

fn product(sku: &str, name: &str) -> Product {
    serde_json::from_value(serde_json::json!({ "sku": sku, "name": name })).unwrap()
}

#[test]
fn catalogue_adds_changes_and_removes_products() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let first = [product("1", "Milk"), product("2", "Rye")];
    let put = vault.change_products(&first, &[], context(1)).unwrap();
    assert_eq!(put, CatalogueChange { added: 2, ..CatalogueChange::default() });
    let put = vault
        .change_products(&[product("1", "Oat milk"), product("2", "Rye")], &[], context(1))
        .unwrap();
    assert_eq!(put, CatalogueChange { changed: 1, unchanged: 1, ..CatalogueChange::default() });
    let changed = [product("4", "Jam")];
    let put = vault.change_products(&changed, &["2".into(), "3".into()], context(1)).unwrap();
    assert_eq!(put, CatalogueChange { added: 1, removed: 1, ..CatalogueChange::default() });
    vault.change_products(&[], &["4".into()], context(1)).unwrap();
    drop(vault);
    assert_eq!(fixture.open().products().unwrap().records, [product("1", "Oat milk")]);
}

#[test]
fn export_contains_all_data_of_one_customer() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 3);
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
fn audit_log_lists_actions_without_customer_ids() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 2);
    vault.record_visit(customer(1), second(9)).unwrap();
    let retention = AuditContext { at: second(10), actor: Actor::Retention };
    vault.forget(customer(2), retention).unwrap();
    let log = vault.audit_log(100).unwrap();
    let actions: Vec<_> = log.iter().map(|entry| entry.action).collect();
    let of_customer = [AuditAction::Enrolled, AuditAction::Renamed, AuditAction::Orders];
    assert_eq!(
        actions,
        [&[AuditAction::Created], &of_customer[..], &of_customer[..], &[AuditAction::Forgotten]]
            .concat()
    );
    assert_eq!(log[7].context, retention);
    assert_eq!(log[7].customer_tag, None);
    assert_eq!(log[1].customer_tag, log[2].customer_tag, "one tag per customer");
    assert_ne!(log[1].customer_tag, log[4].customer_tag);
    assert_eq!(vault.audit_log(2).unwrap(), log[6..]);
    let text = format!("{log:?}");
    assert!(!text.contains("Zacharias") && !text.contains("c0ffee"), "{text}");
}

#[test]
fn vault_in_use_is_rejected_with_remedy() {
    let fixture = Fixture::new();
    let _vault = fixture.open();
    let error = fixture.try_open().unwrap_err();
    assert!(matches!(error, VaultError::InUse { .. }));
    assert!(error.to_string().contains("in use by another instored: stop"), "{error}");
}

#[test]
fn vault_that_is_released_soon_opens() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            drop(vault);
        });
        enrol(&fixture.open(), 1);
    });
}

#[test]
fn vault_opens_only_with_its_keys_and_box() {
    let fixture = Fixture::new();
    fixture.open();
    let exit = "exit".parse().unwrap();
    let error = Vault::open(&fixture.path, fixture.keys(), exit, second(0)).unwrap_err();
    assert!(matches!(error, VaultError::OtherBox { .. }));
    let other_fixture = Fixture::new();
    other_fixture.open();
    for (file, error_name) in [("signing.key", "OtherSigningKey"), ("vault.key", "OtherVaultKey")] {
        let original = fs::read(fixture.dir.path().join(file)).unwrap();
        fs::copy(other_fixture.dir.path().join(file), fixture.dir.path().join(file)).unwrap();
        let error = fixture.try_open().unwrap_err();
        assert!(format!("{error:?}").starts_with(error_name), "{error:?}");
        fs::write(fixture.dir.path().join(file), original).unwrap();
    }
    fixture.open();
}

#[test]
fn file_that_is_no_vault_is_rejected_and_kept() {
    for garbage in [b"short".to_vec(), vec![0xA5; 100_000], b"redb\x1A\x0A\xA9\x0D\x0A".repeat(999)]
    {
        let fixture = Fixture::new();
        fixture.keys();
        fs::write(&fixture.path, &garbage).unwrap();
        let error = fixture.try_open().unwrap_err();
        assert!(matches!(error, VaultError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("vault.redb is damaged"), "{error}");
        assert_eq!(fixture.database_bytes(), garbage);
    }
    let fixture = Fixture::new();
    let missing_folder = fixture.path.join("no/folder");
    let error = Vault::open(&missing_folder, fixture.keys(), box_id(), second(0)).unwrap_err();
    assert!(matches!(error, VaultError::Open { .. }));
}

#[test]
fn vault_of_other_format_is_rejected() {
    let fixture = Fixture::new();
    fixture.keys();
    for (is_format_1, found) in [(true, 1), (false, 9)] {
        let database = redb::Database::create(&fixture.path).unwrap();
        let txn = database.begin_write().unwrap();
        if is_format_1 {
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
fn signed_record_has_stable_encoding() {
    use data_encoding::HEXLOWER;
    use sha2::{Digest, Sha256};
    let key = SigningKey::from_seed(&[1; 32]);
    let signers = Signers::new(box_id(), key, None);
    // A consent without the hash of its text has the encoding of earlier versions.
    for (text_hash, expected) in
        [(None, "036fd8a146b1b527"), (consent(1).text_hash, "87112d670521c53a")]
    {
        let consent = Consent { text_hash, ..consent(1) };
        let signed = signers.sign(b"place", customer(1), &consent, second(0)).unwrap();
        assert_eq!(HEXLOWER.encode(&Sha256::digest(&*signed)[..8]), expected);
    }
    let signed = signers.sign(b"place", customer(1), &consent(1), second(0)).unwrap();
    let trusted = TrustedSigners { box_id: box_id(), keys: signers.trusted.keys.clone() };
    let read: Consent =
        trusted.decode(customer(1), &trusted.parse(b"place", &signed).unwrap()).unwrap();
    assert_eq!(read, consent(1));
}

#[test]
fn last_visit_never_goes_back() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let id = enrol(&vault, 1).id;
    vault.record_visit(id, second(100)).unwrap();
    // The clock was set back, as after a start without network.
    let visited = vault.record_visit(id, Timestamp::UNIX_EPOCH).unwrap().unwrap();
    assert_eq!((visited.visits, visited.last_visit), (2, Some(second(100))));
}

#[test]
fn time_of_unconfirmed_visit_is_replaced_when_clock_is_confirmed() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let id = enrol(&vault, 1).id;
    let visit = |at, is_confirmed| {
        let visit = vault.record_visit_and_read_orders(id, second(at), is_confirmed, |_| 0);
        let (customer, _) = visit.unwrap().unwrap();
        (customer.last_visit, customer.has_unconfirmed_time)
    };
    assert_eq!(visit(100, true), (Some(second(100)), false));
    // The clock is ahead.
    assert_eq!(visit(90_000, false), (Some(second(90_000)), true));
    assert_eq!(visit(200, true), (Some(second(200)), false));
    // The clock is behind.
    assert_eq!(visit(1, false), (Some(second(200)), true));
    vault.confirm_times(&[id], second(300)).unwrap();
    let confirmed = vault.customer(id).unwrap().unwrap();
    assert_eq!(
        (confirmed.last_visit, confirmed.has_unconfirmed_time, confirmed.visits),
        (Some(second(300)), false, 4)
    );
    assert_valid(&vault);
}

#[test]
fn customer_deleted_by_retention_is_restored_from_backup() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 3);
    let passphrase = Passphrase::new("correct horse battery".into()).unwrap();
    let mut backup = Vec::new();
    vault.backup(&mut backup, &passphrase, context(3)).unwrap();
    let retention = AuditContext { at: second(4), actor: Actor::Retention };
    vault.forget(customer(1), retention).unwrap().unwrap();
    vault.forget(customer(2), context(4)).unwrap().unwrap();
    let restored = vault.restore(backup.as_slice(), &passphrase, None, context(5)).unwrap();
    // A customer who asked to be deleted stays deleted.
    assert_eq!((restored.customers, restored.forgotten, restored.present), (1, 1, 1));
    assert!(vault.customer(customer(1)).unwrap().is_some());
    assert_valid(&vault);
}

#[test]
fn due_customer_is_marked_until_the_next_visit() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let ids = [enrol(&vault, 1).id, enrol(&vault, 2).id];
    vault.set_deletion_due(&ids, Some(second(900)), context(1)).unwrap();
    vault.record_visit(ids[0], second(100)).unwrap();
    let due = |id| vault.customer(id).unwrap().unwrap().deletion_due;
    assert_eq!((due(ids[0]), due(ids[1])), (None, Some(second(900))));
    vault.set_deletion_due(&ids, None, context(2)).unwrap();
    assert_eq!(due(ids[1]), None);
    assert_valid(&vault);
}

#[test]
fn compactions_at_the_same_time_lose_no_change() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 20);
    for round in 0..6 {
        std::thread::scope(|scope| {
            let compactions = [0, 1].map(|_| scope.spawn(|| vault.compact()));
            for n in 1..=20 {
                vault.record_visit(customer(n), second(10)).unwrap();
            }
            for compaction in compactions {
                compaction.join().unwrap().unwrap();
            }
        });
        assert_valid(&vault);
        let customers = vault.customers().unwrap().records;
        assert!(customers.iter().all(|customer| customer.visits == round + 1));
    }
    drop(vault);
    assert_valid(&fixture.open());
}

#[test]
fn orders_are_removed_until_a_time() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    for (customer, name, hour) in [(1, "A", 8), (1, "B", 9), (1, "C", 10), (2, "D", 8)] {
        vault.add_order(&order(customer, name, hour), context(5)).unwrap();
    }
    let until = order(1, "B", 9).placed.timestamp();
    let (count, remaining) = vault.remove_orders_until(customer(1), until, context(6)).unwrap();
    let ids: Vec<_> = remaining.records.iter().map(|order| order.id.0.as_str()).collect();
    assert_eq!((count, ids), (2, vec!["C"]));
    assert_eq!(vault.orders(customer(2), 9).unwrap().records.len(), 1);
    assert_valid(&vault);
    // The ids are free again.
    let outcome = vault.add_order(&order(1, "A", 8), context(7)).unwrap();
    assert_eq!(outcome, AddOrderOutcome::Added);
    assert_eq!(vault.remove_orders_until(customer(9), until, context(8)).unwrap().0, 0);
}
