//! Tests of the stored consent texts.

use super::*;
use crate::schema::CONSENT_TEXTS;

fn hash() -> ConsentTextHash {
    ConsentTextHash::of(CONSENT_TEXT)
}

/// Changes the rows of the database file, or removes the table.
fn change(fixture: &Fixture, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = redb::Database::open(fixture.dir.path().join("vault.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn text_of_a_consent_is_stored_once_and_outlives_the_customer() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    assert_eq!(vault.consent_text(&hash()).unwrap(), None);
    enrol(&vault, 1);
    enrol(&vault, 2);
    let consent = vault.export(customer(1)).unwrap().unwrap().consents.remove(0);
    assert_eq!(consent.text_hash, Some(hash()));
    vault.forget(customer(1), context(5)).unwrap();
    drop(vault);
    change(&fixture, |transaction| {
        let table = transaction.open_table(CONSENT_TEXTS).unwrap();
        assert_eq!(redb::ReadableTableMetadata::len(&table).unwrap(), 1);
    });
    let vault = fixture.open();
    vault.compact().unwrap();
    assert_eq!(vault.consent_text(&hash()).unwrap().as_deref(), Some(CONSENT_TEXT));
}

#[test]
fn changed_text_is_rejected_and_replaced_at_the_next_enrolment() {
    let fixture = Fixture::new();
    enrol(&fixture.open(), 1);
    change(&fixture, |transaction| {
        let mut table = transaction.open_table(CONSENT_TEXTS).unwrap();
        table.insert(hash().as_bytes().as_slice(), b"We do what we like.".as_slice()).unwrap();
    });
    let vault = fixture.open();
    assert_eq!(vault.consent_text(&hash()).unwrap(), None);
    enrol(&vault, 2);
    assert_eq!(vault.consent_text(&hash()).unwrap().as_deref(), Some(CONSENT_TEXT));
}

#[test]
fn vault_without_the_table_receives_it() {
    let fixture = Fixture::new();
    enrol(&fixture.open(), 1);
    change(&fixture, |transaction| {
        assert!(transaction.delete_table(CONSENT_TEXTS).unwrap());
    });
    let vault = fixture.open();
    assert_eq!(vault.consent_text(&hash()).unwrap(), None);
    enrol(&vault, 2);
    assert_eq!(vault.consent_text(&hash()).unwrap().as_deref(), Some(CONSENT_TEXT));
    assert_valid(&vault);
}
