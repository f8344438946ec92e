//! Tests of backup and restore.

use std::sync::Arc;

use super::*;

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery".into()).unwrap()
}

fn backup(vault: &Vault) -> Vec<u8> {
    let mut file = Vec::new();
    let summary = vault.backup(&mut file, &passphrase(), context(50)).unwrap();
    assert_eq!(summary.bytes, file.len() as u64);
    assert_eq!(summary.left_out, Vec::<String>::new());
    file
}

fn restore(
    vault: &Vault,
    file: &[u8],
    trusted: Option<&str>,
) -> Result<RestoreSummary, VaultError> {
    vault.restore(file, &passphrase(), trusted, context(60))
}

/// Returns the export of customer 1 as JSON, with sorted orders.
fn export(vault: &Vault) -> serde_json::Value {
    let export = vault.export(customer(1)).unwrap().unwrap();
    let mut json = serde_json::to_value(export).unwrap();
    json["orders"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    json
}

#[test]
fn customer_forgotten_after_backup_is_not_restored() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 3);
    let file = backup(&vault);
    vault.forget(customer(2), context(51)).unwrap();
    vault.rename(customer(3), Some("Later".parse().unwrap()), context(52)).unwrap();
    enrol(&vault, 4);
    let restored = restore(&vault, &file, None).unwrap();
    assert_eq!(restored, RestoreSummary { present: 2, forgotten: 1, ..RestoreSummary::default() });
    assert_eq!(vault.customer(customer(2)).unwrap(), None);
    let third = vault.customer(customer(3)).unwrap().unwrap();
    assert_eq!(third.name.unwrap().as_str(), "Later", "a present customer stays unchanged");
    assert_eq!(vault.customers().unwrap().records.len(), 3);
    assert_valid(&vault);
}

#[test]
fn lost_vault_is_restored_completely() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 3);
    let correction = Order { replaces: Some(OrderId("T1-0-".into())), ..order(1, "R", 12) };
    vault.add_order(&correction, context(6)).unwrap();
    vault.forget(customer(3), context(7)).unwrap();
    let product = serde_json::from_str(r#"{"sku":"1","name":"Milk"}"#).unwrap();
    vault.change_products(&[product], &[], context(3)).unwrap();
    let before = export(&vault);
    let file = backup(&vault);
    drop(vault);
    for name in ["vault.redb", "vault.redb.wrap", "vault.redb.seen"] {
        fs::remove_file(fixture.dir.path().join(name)).unwrap();
    }
    let vault = fixture.open();
    let restored = restore(&vault, &file, None).unwrap();
    let text = vault.consent_text(&ConsentTextHash::of(CONSENT_TEXT)).unwrap();
    assert_eq!(text.as_deref(), Some(CONSENT_TEXT));
    let expected =
        RestoreSummary { customers: 2, orders: 8, products: 1, ..RestoreSummary::default() };
    assert_eq!(restored, expected);
    assert_eq!(export(&vault), before);
    assert_eq!(
        vault.add_order(&order(1, "T1-0-", 6), context(61)).unwrap(),
        AddOrderOutcome::AlreadyKnown
    );
    assert_eq!(vault.customer_by_receipt(&receipt(2)).unwrap(), Some(customer(2)));
    assert_eq!(vault.customer_by_claim_code(&code(2), second(1)).unwrap(), Some(customer(2)));
    assert_eq!(vault.verify().unwrap().forgotten, 1, "tombstones are restored");
    assert_valid(&vault);
    assert_eq!(restore(&vault, &file, None).unwrap().present, 2);
}

#[test]
fn backup_of_other_box_needs_its_key_id() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 2);
    let file = backup(&vault);
    let other_fixture = Fixture::new();
    let other_vault = other_fixture.open();
    let error = restore(&other_vault, &file, None).unwrap_err();
    let id = vault.signing_key().key_id();
    assert!(matches!(&error, VaultError::BackupSigner(signer) if *signer == id), "{error:?}");
    assert!(restore(&other_vault, &file, Some("0000000000000000")).is_err());
    assert!(other_vault.customers().unwrap().records.is_empty());
    assert_eq!(restore(&other_vault, &file, Some(&id)).unwrap().customers, 2);
    assert_eq!(other_vault.templates().unwrap().records.len(), 6);
    assert_valid(&other_vault);
}

#[test]
fn backup_opens_only_with_passphrase_and_hides_contents() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 2);
    let file = backup(&vault);
    let wrong = Passphrase::new("correct house battery".into()).unwrap();
    let error = vault.restore(file.as_slice(), &wrong, None, context(60)).unwrap_err();
    assert!(matches!(error, VaultError::WrongPassphrase), "{error:?}");
    for secret in [bytes(&embedding(1, 0)), name(1).into_bytes(), b"Product T1-0-".to_vec()] {
        assert!(!file.windows(secret.len()).any(|window| window == secret));
    }
}

#[test]
fn truncated_or_changed_backup_restores_nothing() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 30);
    let file = backup(&vault);
    let empty_fixture = Fixture::new();
    let empty = empty_fixture.open();
    let trusted = vault.signing_key().key_id();
    let mut rng = Rng::with_seed(3);
    for round in 0..12 {
        let mut damaged = file.clone();
        if round % 2 == 0 {
            damaged.truncate(rng.usize(..damaged.len()));
        } else {
            let at = rng.usize(..damaged.len());
            damaged[at] ^= 1 << rng.u8(..8);
        }
        let error = restore(&empty, &damaged, Some(&trusted)).unwrap_err();
        assert!(
            matches!(
                error,
                VaultError::BackupDamaged
                    | VaultError::WrongPassphrase
                    | VaultError::NotABackup
                    | VaultError::BackupSigner(_)
            ),
            "{error:?}"
        );
        assert!(empty.customers().unwrap().records.is_empty());
    }
    assert_eq!(restore(&empty, &file, Some(&trusted)).unwrap().customers, 30);
}

// A person who knows the passphrase can decrypt a backup, but cannot create one that is accepted.
#[test]
fn forged_backup_is_rejected() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 1);
    let forger_fixture = Fixture::new();
    let forger = forger_fixture.open();
    add_customers(&forger, 2);
    // The header contains the key of `vault`, but another key signs.
    let trusted = vault.derived_keys().signers.trusted.clone();
    let forger_keys = forger.derived_keys();
    let mut signers = forger_keys.signers.clone();
    signers.trusted = trusted;
    *forger.derived_keys.write().unwrap() = Arc::new(forger_keys.with_signers(signers));
    let mut file = Vec::new();
    forger.backup(&mut file, &passphrase(), context(50)).unwrap();
    let error = restore(&vault, &file, None).unwrap_err();
    assert!(matches!(error, VaultError::BackupDamaged), "{error:?}");
    assert_eq!(vault.customers().unwrap().records.len(), 1);
}

#[test]
fn backup_during_writes_is_consistent() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 5);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (6..30).for_each(|n| drop(enrol(&vault, n))));
        let file = backup(&vault);
        writer.join().unwrap();
        let other_fixture = Fixture::new();
        let other = other_fixture.open();
        let restored = restore(&other, &file, Some(&vault.signing_key().key_id())).unwrap();
        assert!(restored.customers >= 5);
        assert_valid(&other);
    });
    assert_valid(&vault);
}
