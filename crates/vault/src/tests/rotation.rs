//! Tests of key rotation while the vault is in use.

use super::*;

#[test]
fn rotated_vault_opens_only_with_new_keys() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 4);
    let old_files = fixture.copy();
    let old = vault.signing_key().key_id();
    let rotated = vault.rotate_keys(context(5)).unwrap();
    assert_eq!(rotated, RotationSummary { customers: 4, replace_credentials: vec![] });
    assert!(!vault.is_rotation_pending());
    assert_ne!(vault.signing_key().key_id(), old);
    assert_valid(&vault);
    enrol(&vault, 5);
    drop(vault);
    let vault = fixture.open();
    assert_eq!(vault.templates().unwrap().records.len(), 15);
    assert_valid(&vault);
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
    assert_valid(&fixture.open());
}

#[test]
fn rotation_stores_endorsement_by_old_key() {
    use ed25519_dalek::{Signature, VerifyingKey};
    let fixture = Fixture::new();
    let vault = fixture.open();
    assert_eq!(vault.key_endorsements().unwrap(), []);
    let mut keys = vec![vault.signing_key().public()];
    for n in 0..2 {
        vault.rotate_keys(context(n)).unwrap();
        keys.push(vault.signing_key().public());
    }
    drop(vault);
    let vault = fixture.open();
    let endorsements = vault.key_endorsements().unwrap();
    assert_eq!(endorsements.len(), 2);
    for (endorsement, keys) in endorsements.iter().zip(keys.windows(2)) {
        assert_eq!([endorsement.old, endorsement.new], keys);
        let message = instored_domain::key_endorsement_message(&box_id(), &keys[0], &keys[1]);
        let old = VerifyingKey::from_bytes(&keys[0]).unwrap();
        old.verify_strict(&message, &Signature::from_bytes(&endorsement.signature)).unwrap();
    }
    for n in 2..40 {
        vault.rotate_keys(context(n)).unwrap();
    }
    let endorsements = vault.key_endorsements().unwrap();
    assert_eq!(endorsements.len(), 32, "the oldest ones are removed");
    assert_eq!(endorsements.last().unwrap().new, vault.signing_key().public());
}

#[test]
fn vault_stays_usable_during_rotation() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 30);
    std::thread::scope(|scope| {
        let rotation =
            scope.spawn(|| (0..5).for_each(|n| drop(vault.rotate_keys(context(n)).unwrap())));
        for n in 31..60 {
            enrol(&vault, n);
            let enrolled = customer(u128::from(n - 30));
            assert!(vault.record_visit(enrolled, second(9)).unwrap().is_some());
            assert_eq!(vault.orders(enrolled, 9).unwrap().records.len(), 4);
            assert_eq!(vault.templates().unwrap().rejected, []);
        }
        vault.forget(customer(1), context(9)).unwrap();
        rotation.join().unwrap();
    });
    assert_valid(&vault);
    assert_eq!(vault.customers().unwrap().records.len(), 58);
    drop(vault);
    assert_valid(&fixture.open());
}

#[test]
fn reads_during_key_replacement_succeed() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 60);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..5000 {
                    assert!(vault.customer(customer(60)).unwrap().is_some());
                }
            });
        }
        for n in 1..40 {
            vault.forget(customer(n), context(9)).unwrap();
            if n % 4 == 0 {
                vault.rotate_keys(context(9)).unwrap();
            }
        }
    });
    assert_valid(&vault);
}

#[test]
fn rotation_keeps_damaged_record_rejected() {
    use crate::record_key::{RecordKind, numbered_name, record_key};
    use crate::schema::RECORDS;
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 3);
    let key = record_key(customer(2), RecordKind::Template, &numbered_name(1));
    vault
        .storage
        .write(|tx| {
            tx.put(RECORDS, &key, b"not a record")?;
            Ok(((), Commit::Yes))
        })
        .unwrap();
    vault.rotate_keys(context(5)).unwrap();
    let loaded = vault.templates().unwrap();
    assert_eq!((loaded.records.len(), loaded.rejected.len()), (8, 1));
    assert_eq!(vault.verify().unwrap().faults.len(), 1);
}

#[test]
fn rotation_of_credentials_needs_next_credentials() {
    let fixture = Fixture::new();
    let credentials = fixture.dir.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    let locations = KeyLocations {
        state: fixture.dir.path().to_owned(),
        credentials: Some(credentials.clone()),
    };
    let write = |name: &str, byte| fs::write(credentials.join(name), [byte; 32]).unwrap();
    let open = || {
        let (keys, created) = KeyStore::load_or_create(&locations, &fixture.path).unwrap();
        assert!(created.is_empty());
        Vault::open(&fixture.path, keys, box_id(), second(0))
    };
    let make_private = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(credentials.join(name), fs::Permissions::from_mode(0o440)).unwrap();
    };
    for (name, byte) in [("instored.signing", 1), ("instored.vault", 2)] {
        write(name, byte);
        make_private(name);
    }
    let vault = open().unwrap();
    add_customers(&vault, 2);
    let error = vault.rotate_keys(context(5)).unwrap_err();
    assert!(error.to_string().contains("instored.signing.next"), "{error}");
    drop(vault);
    for (name, byte) in [("instored.signing.next", 3), ("instored.vault.next", 4)] {
        write(name, byte);
        make_private(name);
    }
    let vault = open().unwrap();
    let rotated = vault.rotate_keys(context(6)).unwrap();
    assert_eq!(rotated.replace_credentials, ["instored.signing", "instored.vault"]);
    drop(vault);
    assert_valid(&open().unwrap());
    for name in ["instored.signing", "instored.vault"] {
        fs::rename(credentials.join(format!("{name}.next")), credentials.join(name)).unwrap();
    }
    assert_valid(&open().unwrap());
}

#[test]
fn customer_is_forgotten_while_rotation_runs() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    add_customers(&vault, 600);
    std::thread::scope(|scope| {
        let rotation = scope.spawn(|| vault.rotate_keys(context(5)).unwrap());
        while !vault.is_rotation_pending() {
            std::thread::yield_now();
        }
        for n in [1, 300, 600] {
            vault.forget(customer(n), context(6)).unwrap().unwrap();
        }
        assert!(vault.is_rotation_pending(), "forgetting waited for the end of the rotation");
        rotation.join().unwrap();
    });
    for _ in 0..2 {
        assert_eq!(vault.customers().unwrap().records.len(), 597);
        assert_valid(&vault);
    }
    vault.forget(customer(2), context(7)).unwrap().unwrap();
    drop(vault);
    assert_valid(&fixture.open());
}
