//! New keys in the place of old ones, while the vault is in use.

use super::*;

#[test]
fn after_a_rotation_the_old_keys_open_nothing_and_the_new_ones_everything() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 4);
    let old_files = fixture.copy();
    let old = vault.signing_key().key_id();
    let rotated = vault.rotate_keys(act(5)).unwrap();
    assert_eq!(rotated, RotationSummary { customers: 4, replace_credentials: vec![] });
    assert!(!vault.is_rotation_pending());
    assert_ne!(vault.signing_key().key_id(), old);
    sound(&vault);
    enrol(&vault, 5);
    drop(vault);
    let vault = fixture.open();
    assert_eq!(vault.templates().unwrap().records.len(), 15);
    sound(&vault);
    drop(vault);
    for name in ["signing.key", "vault.key"] {
        let new = fs::read(fixture.dir.path().join(name)).unwrap();
        let (path, old) = old_files.iter().find(|(path, _)| path.ends_with(name)).unwrap();
        assert_ne!(&new, old);
        fs::write(path, old).unwrap();
        assert!(fixture.try_open().is_err(), "{name}");
        fs::write(path, new).unwrap();
        assert!(!fixture.dir.path().join(format!("{name}.next")).exists());
    }
    sound(&fixture.open());
}

#[test]
fn the_vault_is_used_while_it_is_rotated() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 30);
    std::thread::scope(|scope| {
        let rotating = scope.spawn(|| (0..5).for_each(|n| drop(vault.rotate_keys(act(n)).unwrap())));
        for n in 31..60 {
            enrol(&vault, n);
            let early = customer(u128::from(n - 30));
            assert!(vault.record_visit(early, second(9)).unwrap().is_some());
            assert_eq!(vault.orders(early, 9).unwrap().records.len(), 4);
            assert_eq!(vault.templates().unwrap().rejected, []);
        }
        vault.forget(customer(1), act(9)).unwrap();
        rotating.join().unwrap();
    });
    sound(&vault);
    assert_eq!(vault.customers().unwrap().records.len(), 58);
    drop(vault);
    sound(&fixture.open());
}

#[test]
fn who_reads_never_meets_keys_that_are_just_being_replaced() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 60);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..5000 {
                    assert!(vault.customer(customer(60)).unwrap().is_some());
                }
            });
        }
        for n in 1..40 {
            vault.forget(customer(n), act(9)).unwrap();
            if n % 4 == 0 {
                vault.rotate_keys(act(9)).unwrap();
            }
        }
    });
    sound(&vault);
}

#[test]
fn a_damaged_record_stays_refused_and_does_not_stop_a_rotation() {
    use crate::schema::RECORDS;
    use crate::record_key::{RecordKind, numbered_name, record_key};
    let fixture = Fixture::new();
    let vault = fixture.open();
    shop(&vault, 3);
    let key = record_key(customer(2), RecordKind::Template, &numbered_name(1));
    vault
        .storage
        .write(|tx| {
            tx.put(RECORDS, &key, b"nothing of the kind")?;
            Ok(((), Commit::Yes))
        })
        .unwrap();
    vault.rotate_keys(act(5)).unwrap();
    let loaded = vault.templates().unwrap();
    assert_eq!((loaded.records.len(), loaded.rejected.len()), (8, 1));
    assert_eq!(vault.verify().unwrap().faults.len(), 1);
}

#[test]
fn credentials_are_rotated_by_credentials() {
    let fixture = Fixture::new();
    let credentials = fixture.dir.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    let folders =
        KeyLocations { state: fixture.dir.path().to_owned(), credentials: Some(credentials.clone()) };
    let give = |name: &str, byte| fs::write(credentials.join(name), [byte; 32]).unwrap();
    let open = || {
        let (keys, made) = KeyStore::load_or_create(&folders, &fixture.path).unwrap();
        assert!(made.is_empty());
        // Written by a test, and so readable for others.
        Vault::open(&fixture.path, keys, box_id(), second(0))
    };
    let private = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(credentials.join(name), fs::Permissions::from_mode(0o440)).unwrap();
    };
    for (name, byte) in [("instored.signing", 1), ("instored.vault", 2)] {
        give(name, byte);
        private(name);
    }
    let vault = open().unwrap();
    shop(&vault, 2);
    let error = vault.rotate_keys(act(5)).unwrap_err();
    assert!(error.to_string().contains("instored.signing.next"), "{error}");
    drop(vault);
    for (name, byte) in [("instored.signing.next", 3), ("instored.vault.next", 4)] {
        give(name, byte);
        private(name);
    }
    let vault = open().unwrap();
    let rotated = vault.rotate_keys(act(6)).unwrap();
    assert_eq!(rotated.replace_credentials, ["instored.signing", "instored.vault"]);
    drop(vault);
    sound(&open().unwrap());
    for name in ["instored.signing", "instored.vault"] {
        fs::rename(credentials.join(format!("{name}.next")), credentials.join(name)).unwrap();
    }
    sound(&open().unwrap());
}
