//! What a backup brings back, and what it does not.

use super::*;

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery".into()).unwrap()
}

fn backed_up(vault: &Vault) -> Vec<u8> {
    let mut file = Vec::new();
    let made = vault.backup(&mut file, &passphrase(), act(50)).unwrap();
    assert_eq!(made.bytes, file.len() as u64);
    assert_eq!(made.left_out, Vec::<String>::new());
    file
}

fn restore(vault: &Vault, file: &[u8], trusted: Option<&str>) -> Result<RestoreSummary, VaultError> {
    vault.restore(file, &passphrase(), trusted, act(60))
}

fn emptied(vault: &Vault, export: crate::Export) -> serde_json::Value {
    let mut json = serde_json::to_value(export).unwrap();
    assert!(vault.customer(customer(1)).unwrap().is_some());
    json["orders"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
    json
}

#[test]
fn who_was_forgotten_after_the_backup_stays_forgotten() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 3);
    let file = backed_up(&vault);
    vault.forget(customer(2), act(51)).unwrap();
    vault.rename(customer(3), Some("Later".parse().unwrap()), act(52)).unwrap();
    enrol(&vault, 4);
    let restored = restore(&vault, &file, None).unwrap();
    assert_eq!(restored, RestoreSummary { present: 2, forgotten: 1, ..RestoreSummary::default() });
    assert_eq!(vault.customer(customer(2)).unwrap(), None);
    let third = vault.customer(customer(3)).unwrap().unwrap();
    assert_eq!(third.name.unwrap().as_str(), "Later", "who is here stays as they are");
    assert_eq!(vault.customers().unwrap().records.len(), 3);
    sound(&vault);
}

#[test]
fn a_lost_vault_comes_back_whole() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 3);
    let right = Order { replaces: Some(OrderId("T1-0-".into())), ..order(1, "R", 12) };
    vault.add_order(&right, act(6)).unwrap();
    vault.forget(customer(3), act(7)).unwrap();
    let product = serde_json::from_str(r#"{"sku":"1","name":"Milk"}"#).unwrap();
    vault.put_products(&[product], act(3)).unwrap();
    let before = emptied(&vault, vault.export(customer(1)).unwrap().unwrap());
    let file = backed_up(&vault);
    drop(vault);
    for name in ["vault.redb", "vault.redb.wrap", "vault.redb.seen"] {
        fs::remove_file(fixture.dir.path().join(name)).unwrap();
    }
    let vault = fixture.open();
    let restored = restore(&vault, &file, None).unwrap();
    let whole = RestoreSummary { customers: 2, orders: 8, products: 1, ..RestoreSummary::default() };
    assert_eq!(restored, whole);
    assert_eq!(emptied(&vault, vault.export(customer(1)).unwrap().unwrap()), before);
    assert_eq!(vault.add_order(&order(1, "T1-0-", 6), act(61)).unwrap(), AddOrderOutcome::AlreadyKnown);
    assert_eq!(vault.customer_by_receipt(&receipt(2)).unwrap(), Some(customer(2)));
    assert_eq!(vault.customer_by_claim_code(&code(2), second(1)).unwrap(), Some(customer(2)));
    assert_eq!(vault.verify().unwrap().forgotten, 1, "who was forgotten before is known again");
    sound(&vault);
    assert_eq!(restore(&vault, &file, None).unwrap().present, 2);
}

#[test]
fn another_boxs_backup_is_believed_only_when_its_key_is_named() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 2);
    let file = backed_up(&vault);
    let other = Fixture::new();
    let new = other.open();
    let error = restore(&new, &file, None).unwrap_err();
    let id = vault.signing_key().key_id();
    assert!(matches!(&error, VaultError::BackupSigner(signer) if *signer == id), "{error:?}");
    assert!(restore(&new, &file, Some("0000000000000000")).is_err());
    assert!(new.customers().unwrap().records.is_empty());
    assert_eq!(restore(&new, &file, Some(&id)).unwrap().customers, 2);
    assert_eq!(new.templates().unwrap().records.len(), 6);
    sound(&new);
}

#[test]
fn a_backup_opens_with_its_passphrase_alone_and_shows_nothing() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 2);
    let file = backed_up(&vault);
    let wrong = Passphrase::new("correct fixture battery".into()).unwrap();
    let error = vault.restore(file.as_slice(), &wrong, None, act(60)).unwrap_err();
    assert!(matches!(error, VaultError::BackupLocked), "{error:?}");
    for secret in [bytes(&embedding(1, 0)), name(1).into_bytes(), b"Product T1-0-".to_vec()] {
        assert!(!file.windows(secret.len()).any(|window| window == secret));
    }
}

#[test]
fn a_backup_that_was_cut_short_or_changed_restores_nothing() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 30);
    let file = backed_up(&vault);
    let empty = Fixture::new();
    let empty = empty.open();
    let trusted = vault.signing_key().key_id();
    let mut dice = Dice(3);
    for round in 0..12 {
        let mut bad = file.clone();
        if round % 2 == 0 {
            bad.truncate(dice.below(bad.len()));
        } else {
            let at = dice.below(bad.len());
            bad[at] ^= 1 << dice.below(8);
        }
        let error = restore(&empty, &bad, Some(&trusted)).unwrap_err();
        assert!(
            matches!(
                error,
                VaultError::BackupDamaged
                    | VaultError::BackupLocked
                    | VaultError::NoBackup
                    | VaultError::BackupSigner(_)
            ),
            "{error:?}"
        );
        assert!(empty.customers().unwrap().records.is_empty());
    }
    assert_eq!(restore(&empty, &file, Some(&trusted)).unwrap().customers, 30);
}

/// Whoever knows the passphrase can open a backup, but not write one that is believed.
#[test]
fn a_backup_that_somebody_else_put_together_is_refused() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 1);
    let forger = Fixture::new();
    let forger = forger.open();
    shop(&forger, 2);
    // The forger names our key as the signer, and signs with their own.
    let ours = vault.derived_keys().signers.trust.clone();
    let theirs = forger.derived_keys();
    let mut signers = theirs.signers.clone();
    signers.trust = ours;
    *forger.derived_keys.write().unwrap() = Arc::new(theirs.with_signers(signers));
    let mut file = Vec::new();
    forger.backup(&mut file, &passphrase(), act(50)).unwrap();
    let error = restore(&vault, &file, None).unwrap_err();
    assert!(matches!(error, VaultError::BackupDamaged), "{error:?}");
    assert_eq!(vault.customers().unwrap().records.len(), 1);
}

#[test]
fn a_backup_goes_on_while_the_vault_is_written() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 5);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| (6..30).for_each(|n| drop(enrol(&vault, n))));
        let file = backed_up(&vault);
        writing.join().unwrap();
        let other = Fixture::new();
        let other = other.open();
        let restored = restore(&other, &file, Some(&vault.signing_key().key_id())).unwrap();
        assert!(restored.customers >= 5);
        sound(&other);
    });
    sound(&vault);
}
