//! Files of the vault that are moved away, put back, missing, or of another vault.

use super::*;

/// Moves a file of the state folder out of it and returns its new path.
fn move_away(fixture: &Fixture, name: &str, to: &Path) -> PathBuf {
    let away = to.join(name);
    fs::rename(fixture.dir.path().join(name), &away).unwrap();
    away
}

#[test]
fn moved_vault_is_missed_and_opens_when_it_returns() {
    for forgets in [false, true] {
        let fixture = Fixture::new();
        let vault = fixture.open();
        add_customers(&vault, 3);
        if forgets {
            vault.forget(customer(3), context(3)).unwrap();
        }
        let before = vault.verify().unwrap();
        drop(vault);
        let elsewhere = tempfile::tempdir().unwrap();
        let away = move_away(&fixture, "vault.redb", elsewhere.path());
        // The second start finds what the first one left.
        for _ in 0..2 {
            let error = fixture.try_open().unwrap_err();
            assert!(matches!(error, VaultError::Missing { .. }), "{error:?}");
            for part in ["bring the vault's file back", "vault create --discard-old"] {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
        fs::rename(away, &fixture.path).unwrap();
        let vault = fixture.open();
        assert_eq!(vault.verify().unwrap(), before);
        assert_valid(&vault);
    }
}

#[test]
fn missing_vault_is_missed_by_each_of_its_files() {
    for (kept, removed) in
        [("vault.redb.wrap", "vault.redb.seen"), ("vault.redb.seen", "vault.redb.wrap")]
    {
        let fixture = Fixture::new();
        drop(fixture.open());
        fs::remove_file(&fixture.path).unwrap();
        fs::remove_file(fixture.dir.path().join(removed)).unwrap();
        let error = fixture.try_open().unwrap_err().to_string();
        assert!(error.contains(&format!("{kept} belongs to it")), "{error}");
    }
}

#[test]
fn keys_of_missing_vault_are_not_created_anew() {
    let fixture = Fixture::new();
    drop(fixture.open());
    fs::remove_file(&fixture.path).unwrap();
    fs::remove_file(fixture.dir.path().join("vault.key")).unwrap();
    let error = fixture.try_open().unwrap_err();
    assert!(matches!(error, VaultError::KeyMissing { .. }), "{error:?}");
    assert!(!fixture.dir.path().join("vault.key").exists());
}

#[test]
fn discarded_vault_makes_room_for_a_new_one() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 3);
    let error = Vault::discard_missing(&fixture.path).unwrap_err();
    assert!(matches!(error, VaultError::Exists { .. }), "{error:?}");
    drop(vault);
    let elsewhere = tempfile::tempdir().unwrap();
    let away = move_away(&fixture, "vault.redb", elsewhere.path());
    Vault::discard_missing(&fixture.path).unwrap();
    let vault = fixture.open();
    assert!(vault.warnings().is_empty() && vault.customers().unwrap().records.is_empty());
    enrol(&vault, 9);
    drop(vault);
    // The discarded vault's keys are gone, and the error states which file is wrong.
    fs::rename(away, &fixture.path).unwrap();
    let error = fixture.try_open().unwrap_err();
    assert!(matches!(error, VaultError::OtherKeyEncryptionKey { .. }), "{error:?}");
}

#[test]
fn missing_or_older_key_encryption_key_is_named_and_not_replaced() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 3);
    let older = fs::read(fixture.dir.path().join("vault.redb.wrap")).unwrap();
    vault.forget(customer(3), context(3)).unwrap();
    drop(vault);
    let elsewhere = tempfile::tempdir().unwrap();
    let away = move_away(&fixture, "vault.redb.wrap", elsewhere.path());
    let error = fixture.try_open().unwrap_err();
    assert!(matches!(error, VaultError::KeyEncryptionKeyMissing { .. }), "{error:?}");
    let path = fixture.dir.path().join("vault.redb.wrap");
    assert!(!path.exists());
    fs::write(&path, older).unwrap();
    let error = fixture.try_open().unwrap_err();
    assert!(matches!(error, VaultError::OtherKeyEncryptionKey { .. }), "{error:?}");
    fs::rename(away, &path).unwrap();
    assert_valid(&fixture.open());
}

#[test]
fn interrupted_creation_is_completed_or_repeated() {
    // The files under their temporary names are all that a crash can leave before the first rename.
    let fixture = Fixture::new();
    drop(fixture.open());
    let new = |name: &str| fixture.dir.path().join(format!("{name}.new"));
    let path = |name: &str| fixture.dir.path().join(name);
    fs::remove_file(path("vault.redb.seen")).unwrap();
    for name in ["vault.redb", "vault.redb.wrap"] {
        fs::rename(path(name), new(name)).unwrap();
    }
    let vault = fixture.open();
    enrol(&vault, 1);
    assert_valid(&vault);
    drop(vault);
    // Between the two renames.
    fs::rename(path("vault.redb.wrap"), new("vault.redb.wrap")).unwrap();
    let vault = fixture.open();
    assert_valid(&vault);
    assert!(!new("vault.redb.wrap").exists() && !new("vault.redb").exists());
}

#[test]
fn empty_file_is_no_vault() {
    let fixture = Fixture::new();
    drop(fixture.open());
    fs::write(&fixture.path, b"").unwrap();
    let error = fixture.try_open().unwrap_err();
    assert!(matches!(error, VaultError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("the file is empty"), "{error}");
}
