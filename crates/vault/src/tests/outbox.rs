//! Messages that are stored with the fact that they report.

use super::*;

fn enrol_and_announce(vault: &Vault, n: u32, announcement: &[u8]) -> CustomerId {
    let id = u128::from(n);
    let enrolled = vault.enrol(&NewEnrolment {
        consent: &consent(id),
        consent_text: CONSENT_TEXT,
        model: &ModelId("sface".into()),
        embeddings: &[embedding(id, 0)],
        claim: code(n),
        claim_expires: second(600),
        announcement,
        is_clock_confirmed: true,
    });
    enrolled.unwrap().id
}

/// Returns the stored messages as text, oldest first.
fn messages(vault: &Vault) -> Vec<String> {
    let outbox = vault.outbox(0).unwrap();
    assert!(outbox.rejected.is_empty());
    outbox.records.into_iter().map(|entry| String::from_utf8(entry.message).unwrap()).collect()
}

#[test]
fn message_stays_in_order_until_it_is_removed() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let id = enrol_and_announce(&vault, 1, b"done 1");
    let first = order(1, "A", 9);
    vault.add_order_and_confirm(&first, context(1), b"stored A").unwrap();
    // An order that is known already was confirmed before.
    vault.add_order_and_confirm(&first, context(2), b"stored A again").unwrap();
    vault.rotate_keys(context(3)).unwrap();
    vault.compact().unwrap();
    drop(vault);
    let vault = fixture.open();
    assert_eq!(messages(&vault), ["done 1", "stored A"]);
    let numbers: Vec<_> = vault.outbox(0).unwrap().records.iter().map(|e| e.number).collect();
    vault.remove_from_outbox(&numbers[..1], context(4)).unwrap();
    assert_eq!(messages(&vault), ["stored A"]);
    vault.remove_from_outbox(&numbers, context(4)).unwrap();
    assert_eq!(messages(&vault), Vec::<String>::new());
    vault.add_order_and_confirm(&order(1, "B", 9), context(5), b"stored B").unwrap();
    assert!(vault.outbox(0).unwrap().records[0].number > numbers[1], "a number was used again");
    assert_eq!(vault.export(id).unwrap().unwrap().orders.len(), 2);
    assert_valid(&vault);
}

#[test]
fn forgotten_customer_leaves_only_the_message_of_the_deletion() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let id = enrol_and_announce(&vault, 1, b"done 1");
    enrol_and_announce(&vault, 2, b"done 2");
    vault.forget_and_announce(id, context(1), b"withdrawn 1").unwrap().unwrap();
    drop(vault);
    let vault = fixture.open();
    assert_eq!(messages(&vault), ["done 2", "withdrawn 1"]);
    assert_valid(&vault);
}

#[test]
fn failed_change_stores_no_message() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol_and_announce(&vault, 1, b"");
    let unknown = vault.forget_and_announce(customer(9), context(1), b"withdrawn 9").unwrap();
    assert_eq!(unknown, None);
    let outcome = vault.add_order_and_confirm(&order(9, "A", 9), context(1), b"stored A").unwrap();
    assert_eq!(outcome, AddOrderOutcome::NoSuchCustomer);
    assert_eq!(messages(&vault), Vec::<String>::new());
}

#[test]
fn backup_contains_no_messages() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol_and_announce(&vault, 1, b"done 1");
    let passphrase = Passphrase::new("correct horse battery".into()).unwrap();
    let mut backup = Vec::new();
    vault.backup(&mut backup, &passphrase, context(1)).unwrap();
    let key = vault.signing_key().key_id();
    let other = Fixture::new();
    let restored = other.open();
    restored.restore(backup.as_slice(), &passphrase, Some(&key), context(2)).unwrap();
    assert_eq!(restored.customers().unwrap().records.len(), 1);
    assert_eq!(messages(&restored), Vec::<String>::new());
    assert_valid(&restored);
}
