//! Backup and restore.

use std::sync::Arc;

use super::*;

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery".into()).unwrap()
}

fn backup(vault: &Vault) -> Vec<u8> {
    let mut file = Vec::new();
    let made = vault.backup(&mut file, &passphrase(), context(50)).unwrap();
    assert_eq!(made.bytes, file.len() as u64);
    assert_eq!(made.left_out, Vec::<String>::new());
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
    fill(&vault, 3);
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
    assert_sound(&vault);
}

#[test]
fn lost_vault_is_restored_completely() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    fill(&vault, 3);
    let right = Order { replaces: Some(OrderId("T1-0-".into())), ..order(1, "R", 12) };
    vault.add_order(&right, context(6)).unwrap();
    vault.forget(customer(3), context(7)).unwrap();
    let product = serde_json::from_str(r#"{"sku":"1","name":"Milk"}"#).unwrap();
    vault.put_products(&[product], context(3)).unwrap();
    let before = export(&vault);
    let file = backup(&vault);
    drop(vault);
    for name in ["vault.redb", "vault.redb.wrap", "vault.redb.seen"] {
        fs::remove_file(fixture.dir.path().join(name)).unwrap();
    }
    let vault = fixture.open();
    let restored = restore(&vault, &file, None).unwrap();
    let whole =
        RestoreSummary { customers: 2, orders: 8, products: 1, ..RestoreSummary::default() };
    assert_eq!(restored, whole);
    assert_eq!(export(&vault), before);
    assert_eq!(
        vault.add_order(&order(1, "T1-0-", 6), context(61)).unwrap(),
        AddOrderOutcome::AlreadyKnown
    );
    assert_eq!(vault.customer_by_receipt(&receipt(2)).unwrap(), Some(customer(2)));
    assert_eq!(vault.customer_by_claim_code(&code(2), second(1)).unwrap(), Some(customer(2)));
    assert_eq!(vault.verify().unwrap().forgotten, 1, "tombstones are restored");
    assert_sound(&vault);
    assert_eq!(restore(&vault, &file, None).unwrap().present, 2);
}

#[test]
fn backup_of_other_box_needs_its_key_id() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    fill(&vault, 2);
    let file = backup(&vault);
    let other = Fixture::new();
    let new = other.open();
    let error = restore(&new, &file, None).unwrap_err();
    let id = vault.signing_key().key_id();
    assert!(matches!(&error, VaultError::BackupSigner(signer) if *signer == id), "{error:?}");
    assert!(restore(&new, &file, Some("0000000000000000")).is_err());
    assert!(new.customers().unwrap().records.is_empty());
    assert_eq!(restore(&new, &file, Some(&id)).unwrap().customers, 2);
    assert_eq!(new.templates().unwrap().records.len(), 6);
    assert_sound(&new);
}

#[test]
fn backup_opens_only_with_passphrase_and_hides_contents() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    fill(&vault, 2);
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
    fill(&vault, 30);
    let file = backup(&vault);
    let empty = Fixture::new();
    let empty = empty.open();
    let trusted = vault.signing_key().key_id();
    let mut rng = Rng::with_seed(3);
    for round in 0..12 {
        let mut bad = file.clone();
        if round % 2 == 0 {
            bad.truncate(rng.usize(..bad.len()));
        } else {
            let at = rng.usize(..bad.len());
            bad[at] ^= 1 << rng.u8(..8);
        }
        let error = restore(&empty, &bad, Some(&trusted)).unwrap_err();
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

// Someone who knows the passphrase can open a backup but cannot write an accepted one.
#[test]
fn forged_backup_is_rejected() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    fill(&vault, 1);
    let forger = Fixture::new();
    let forger = forger.open();
    fill(&forger, 2);
    // The forger states our key as the signer and signs with another key.
    let ours = vault.derived_keys().signers.trusted.clone();
    let theirs = forger.derived_keys();
    let mut signers = theirs.signers.clone();
    signers.trusted = ours;
    *forger.derived_keys.write().unwrap() = Arc::new(theirs.with_signers(signers));
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
    fill(&vault, 5);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| (6..30).for_each(|n| drop(enrol(&vault, n))));
        let file = backup(&vault);
        writing.join().unwrap();
        let other = Fixture::new();
        let other = other.open();
        let restored = restore(&other, &file, Some(&vault.signing_key().key_id())).unwrap();
        assert!(restored.customers >= 5);
        assert_sound(&other);
    });
    assert_sound(&vault);
}
