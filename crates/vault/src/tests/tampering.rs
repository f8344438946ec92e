//! Tests with ten thousand manipulations of a vault: each is detected, none causes a panic, and the
//! templates of all other customers stay valid.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use instored_domain::Template;
use redb::TableHandle;

use super::*;
use crate::record::Signers;
use crate::record_key::{RecordKind, customer_key, leading_customer, numbered_name, record_key};
use crate::schema::{
    ACCOUNTS, AUDIT, Bytes, CODES, ORDER_IDS, PRODUCTS, RECORDS, Rows, TABLES, TOMBSTONES,
};
use crate::storage::JournaledTransaction;
use crate::{templates, verification};

const CUSTOMERS: u32 = 4;

/// Index in [`TABLES`], key and value of a row.
type Row = (usize, Vec<u8>, Vec<u8>);

/// Records that recognition and greeting use.
#[derive(PartialEq, Debug)]
struct Contents {
    templates: Vec<Template>,
    customers: Vec<Customer>,
    orders: Vec<Order>,
}

fn contents(vault: &Vault) -> Contents {
    let mut orders = Vec::new();
    vault.for_each_order_history(|_, history| orders.extend_from_slice(history)).unwrap();
    Contents {
        templates: vault.templates().unwrap().records,
        customers: vault.customers().unwrap().records,
        orders,
    }
}

/// Returns a vault with rows in every table except `tombstones`, and older versions of its rows.
fn populated_vault(fixture: &Fixture) -> (Vault, Vec<Row>) {
    let vault = fixture.open();
    add_customers(&vault, CUSTOMERS + 1);
    let product = serde_json::from_str(r#"{"sku":"1","name":"Milk"}"#).unwrap();
    vault.change_products(&[product], &[], context(3)).unwrap();
    let rows_before = rows(&vault);
    for n in 1..=CUSTOMERS {
        let n = u128::from(n);
        vault.record_visit(customer(n), second(5)).unwrap();
        let correction =
            Order { replaces: Some(OrderId(format!("T{n}-0-"))), ..order(n, &format!("R{n}"), 12) };
        vault.add_order(&correction, context(6)).unwrap();
    }
    // No customer is forgotten here, because that would destroy the key-encryption key of older
    // rows.
    let older = rows_before.into_iter().filter(|row| !rows(&vault).contains(row)).collect();
    (vault, older)
}

fn rows(vault: &Vault) -> Vec<Row> {
    let mut rows = Vec::new();
    vault
        .storage
        .read(|txn| {
            for (index, table) in TABLES.into_iter().enumerate() {
                txn.rows(table, &[], None, &mut |key, value| {
                    rows.push((index, key.to_vec(), value.to_vec()));
                    Ok(())
                })?;
            }
            Ok(())
        })
        .unwrap();
    rows
}

/// Number of manipulations by class and outcome.
#[derive(Default)]
struct Tally(BTreeMap<&'static str, [u32; 3]>);

#[derive(Clone, Copy, PartialEq, Debug)]
enum Outcome {
    /// The vault did not open, or an operation failed.
    Rejected = 0,
    /// The vault opened and reported the fault.
    Reported = 1,
    /// The vault opened with the same contents and reported no fault, because only free pages were
    /// changed.
    Harmless = 2,
}

impl Tally {
    fn count(&mut self, class: &'static str, outcome: Outcome) {
        self.0.entry(class).or_default()[outcome as usize] += 1;
    }

    fn total(&self) -> u32 {
        self.0.values().flatten().sum()
    }

    fn print(&self) {
        eprintln!("{:28} {:>8} {:>8} {:>8}", "", "rejected", "reported", "harmless");
        for (class, [rejected, reported, harmless]) in &self.0 {
            eprintln!("{class:28} {rejected:>8} {reported:>8} {harmless:>8}");
        }
    }
}

/// Runs `manipulate` in a transaction, verifies the changed vault, and discards the changes.
fn tamper(
    vault: &Vault,
    before: &Contents,
    manipulate: impl FnOnce(&JournaledTransaction),
) -> Outcome {
    let output = vault.storage.write(|tx| {
        manipulate(tx);
        let found = vault.reader(tx).and_then(|reader| {
            let mut templates = Vec::new();
            let rejected =
                templates::visit_templates(&reader, &mut |template| templates.push(template))?;
            Ok((verification::verify(&reader)?.faults, rejected, templates))
        });
        Ok((found.map_err(|error| error.at(vault.storage.path())), Commit::No))
    });
    let (faults, rejected, templates) = match output.unwrap() {
        Ok(found) => found,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Outcome::Rejected;
        }
    };
    assert!(
        templates.iter().all(|t| before.templates.contains(t)),
        "a template that was never enrolled"
    );
    // One or two rows were changed: at most two customers can have lost a template.
    let lost = (1..=CUSTOMERS).filter(|n| {
        let is_theirs = |t: &&Template| t.customer == customer(u128::from(*n));
        let count = templates.iter().filter(is_theirs).count();
        count < before.templates.iter().filter(is_theirs).count()
    });
    assert!(lost.count() <= 2, "unaffected customers lost templates");
    assert!(rejected.is_empty() || !faults.is_empty());
    if faults.is_empty() { Outcome::Harmless } else { Outcome::Reported }
}

fn put(tx: &JournaledTransaction, table: Bytes, key: &[u8], value: &[u8]) {
    assert!(tx.put(table, key, value).is_ok());
}

// The attacker can write the file and has no key.
#[test]
fn every_manipulated_row_is_detected() {
    let fixture = Fixture::new();
    let (vault, older) = populated_vault(&fixture);
    let before = contents(&vault);
    assert_valid(&vault);
    // Rows of `meta` are verified when the vault is opened, which the test of the whole file
    // covers.
    let protected: Vec<_> =
        rows(&vault).into_iter().filter(|r| TABLES[r.0].name() != "meta").collect();
    let with_value: Vec<_> = protected.iter().filter(|row| !row.2.is_empty()).collect();
    let (mut rng, mut tally) = (Rng::with_seed(1), Tally::default());
    for round in 0..1800 {
        let (table, key, value) = with_value[rng.usize(..with_value.len())];
        let table = TABLES[*table];
        let (at, bit) = (rng.usize(..value.len()), rng.u8(..8));
        let outcome = tamper(&vault, &before, |tx| {
            let mut changed = value.clone();
            changed[at] ^= 1 << bit;
            put(tx, table, key, &changed);
        });
        tally.count("bit of a row flipped", outcome);
        let outcome = tamper(&vault, &before, |tx| put(tx, table, key, &value[..at]));
        tally.count("row truncated", outcome);

        // The removal of a product is not detected.
        let (removed_table, removed_key, _) = &protected[rng.usize(..protected.len())];
        if TABLES[*removed_table].name() != "products" {
            let outcome = tamper(&vault, &before, |tx| {
                assert!(tx.remove(TABLES[*removed_table], removed_key).is_ok());
            });
            tally.count("row removed", outcome);
        }

        let (first, second) = (rng.usize(..with_value.len()), rng.usize(..with_value.len()));
        let (first, second) = (with_value[first], with_value[second]);
        if first.0 == second.0 && first.2 != second.2 {
            let outcome = tamper(&vault, &before, |tx| {
                put(tx, TABLES[first.0], &first.1, &second.2);
                put(tx, TABLES[first.0], &second.1, &first.2);
            });
            tally.count("two rows swapped", outcome);
        }
        let other_customer = customer(1 + rng.usize(..CUSTOMERS as usize) as u128);
        if table.name() == "records" && leading_customer(key) != Some(other_customer) {
            let moved = [other_customer.0.as_bytes().as_slice(), &key[16..]].concat();
            let outcome = tamper(&vault, &before, |tx| put(tx, table, &moved, value));
            tally.count("row of another customer", outcome);
        }
        let (table, key, value) = &older[round % older.len()];
        if TABLES[*table].name() != "meta" {
            let outcome = tamper(&vault, &before, |tx| put(tx, TABLES[*table], key, value));
            tally.count("row replaced by older version", outcome);
        }
    }
    tally.print();
    assert!(tally.total() > 8_000, "{}", tally.total());
    for (class, [_, _, harmless]) in tally.0 {
        assert_eq!(harmless, 0, "{class}: accepted silently");
    }
}

// An attacker with the vault key encrypts a record that another key or box signed.
#[test]
fn record_of_other_signer_or_box_is_rejected() {
    let fixture = Fixture::new();
    let (vault, _) = populated_vault(&fixture);
    let keys = vault.derived_keys();
    let other_box = Signers::new("exit".parse().unwrap(), keys.signers.active.clone(), None);
    let other_signer = Signers::new(box_id(), SigningKey::from_seed(&[9; 32]), None);
    for (signers, reason) in [
        (other_box, "its content is malformed".to_owned()),
        (
            other_signer,
            format!(
                "it is signed with an unknown key ({})",
                SigningKey::from_seed(&[9; 32]).key_id()
            ),
        ),
    ] {
        let forged = Template {
            customer: customer(2),
            model: ModelId("sface".into()),
            sequence: 1,
            created: second(0),
            embedding: embedding(99, 0),
        };
        vault
            .write(context(9), |transaction| {
                transaction.account(customer(2))?;
                transaction.reader.derived_keys = Arc::new(keys.with_signers(signers));
                transaction.put(customer(2), RecordKind::Template, &numbered_name(1), &forged)?;
                transaction.reader.derived_keys = Arc::clone(&keys);
                Ok(())
            })
            .unwrap();
        let loaded = vault.templates().unwrap();
        assert!(!loaded.records.iter().any(|t| t.embedding == forged.embedding));
        assert_eq!(loaded.records.len(), 3 * CUSTOMERS as usize + 2);
        let [rejected] = loaded.rejected.as_slice() else { panic!("{:?}", loaded.rejected) };
        assert_eq!(rejected.reason, reason);
        let subject = format!("the template 1 of customer {}", customer(2));
        assert_eq!(rejected.subject, subject);
    }
}

// A batch must not accept a signature that single verification rejects.
#[test]
fn invalid_signature_in_batch_is_rejected() {
    use crate::record::BatchVerifier;
    use crate::record_error::RecordError;
    let signers = Signers::new(box_id(), SigningKey::from_seed(&[1; 32]), None);
    for invalid in [0usize, 255, 256, 599] {
        let mut batch = BatchVerifier::new();
        let mut rejected = Vec::new();
        let mut on_verified = |result: Result<(), RecordError>, n: usize| {
            if result.is_err() {
                rejected.push(n);
            }
        };
        for n in 0..600 {
            let signed = signers.sign_payload(b"place", &n.to_string().into_bytes()).unwrap();
            let aad: &[u8] = if n == invalid { b"elsewhere" } else { b"place" };
            batch.push(signers.trusted.parse(aad, &signed).unwrap(), n, &mut on_verified);
        }
        batch.verify_pending(&mut on_verified);
        assert_eq!(rejected, [invalid]);
    }
}

/// Opens the vault and asserts that its contents equal `before` if it reports no fault.
fn reopen(fixture: &Fixture, before: &Contents) -> Outcome {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let vault = fixture.try_open().ok()?;
        let faults = vault.verify().ok()?.faults;
        let loaded = vault.templates().ok()?;
        let new = loaded.records.iter().find(|t| !before.templates.contains(t));
        assert!(new.is_none(), "a template that was never enrolled");
        if !faults.is_empty() {
            return Some(Outcome::Reported);
        }
        assert_eq!(&contents(&vault), before, "accepted silently");
        Some(Outcome::Harmless)
    }));
    outcome.expect("no panic").unwrap_or(Outcome::Rejected)
}

#[test]
fn every_manipulated_file_is_detected() {
    let fixture = Fixture::new();
    let (vault, _) = populated_vault(&fixture);
    let before = contents(&vault);
    drop(vault);
    let files = fixture.copy();
    let file = |name: &str| files.iter().find(|(path, _)| path.ends_with(name)).unwrap().clone();
    let (mut rng, mut tally) = (Rng::with_seed(2), Tally::default());
    let (path, original) = file("vault.redb");
    let restore = || files.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    let non_zero: Vec<_> = (0..original.len()).filter(|at| original[*at] != 0).collect();
    for _ in 0..1200 {
        restore();
        let mut changed = original.clone();
        changed[non_zero[rng.usize(..non_zero.len())]] ^= 1 << rng.u8(..8);
        fs::write(&path, changed).unwrap();
        tally.count("bit of the file flipped", reopen(&fixture, &before));
    }
    for _ in 0..150 {
        restore();
        let mut changed = original.clone();
        let to = rng.usize(..original.len() - 512);
        let from = rng.usize(..original.len() - 512);
        changed.copy_within(from..from + 512, to);
        fs::write(&path, changed).unwrap();
        tally.count("sector of the file replaced", reopen(&fixture, &before));
        restore();
        fs::write(&path, &original[..rng.usize(..original.len())]).unwrap();
        tally.count("file truncated", reopen(&fixture, &before));
    }
    for (name, length) in [("vault.redb.wrap", 200), ("vault.redb.seen", 120)] {
        let (path, original) = file(name);
        for _ in 0..150 {
            restore();
            let mut changed = original.clone();
            changed[rng.usize(..length)] ^= 1 << rng.u8(..8);
            fs::write(&path, changed).unwrap();
            tally.count("bit of a sidecar file flipped", reopen(&fixture, &before));
        }
    }
    tally.print();
    let [rejected, reported, _] = tally.0["bit of the file flipped"];
    assert!(rejected + reported > 100, "most flips are in free pages");
    let [_, _, harmless] = tally.0["file truncated"];
    assert_eq!(harmless, 0);
    assert_eq!(tally.total(), 1_800);
}

#[test]
fn older_copy_is_detected() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    let mut copies = Vec::new();
    for n in 1..=40 {
        enrol(&vault, n);
        copies.push(fixture.copy());
    }
    drop(vault);
    let newest = fixture.copy();
    let restore = || newest.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    let put_back = |old: &[(PathBuf, Vec<u8>)], names: &[&str]| {
        restore();
        for (path, bytes) in old.iter().filter(|(path, _)| names.iter().any(|n| path.ends_with(n)))
        {
            fs::write(path, bytes).unwrap();
        }
    };
    for old in &copies[..39] {
        for names in [&["vault.redb"][..], &["vault.redb", "vault.redb.wrap"]] {
            put_back(old, names);
            let vault = fixture.open();
            assert_eq!(vault.warnings().len(), 1);
            let warning = vault.warnings()[0].to_string();
            assert!(warning.contains("an older copy was put in its place"), "{warning}");
            assert!(!vault.verify().unwrap().faults.is_empty());
            // The vault warns once, logs the fault in the audit log, and continues the count.
            let count = change_count(&vault);
            drop(vault);
            let vault = fixture.open();
            assert!(vault.warnings().is_empty());
            assert!(change_count(&vault) >= count);
            assert_eq!(vault.audit_log(1).unwrap()[0].action, AuditAction::FoundOlder);
        }
        put_back(old, &["vault.redb"]);
        fs::remove_file(fixture.dir.path().join("vault.redb.seen")).unwrap();
        let vault = fixture.open();
        assert!(
            vault.warnings()[0].to_string().contains("it is missing"),
            "{:?}",
            vault.warnings()
        );
    }
}

#[test]
fn copy_from_before_forgetting_does_not_open() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    enrol(&vault, 2);
    let old = fixture.database_bytes();
    vault.forget(customer(1), context(1)).unwrap();
    drop(vault);
    fs::write(&fixture.path, old).unwrap();
    let error = fixture.try_open().unwrap_err();
    assert!(matches!(error, VaultError::OlderCopy { .. }), "{error:?}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
}

#[test]
fn newest_orders_are_read_without_the_older_ones() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    let orders: Vec<_> = (3..=22).map(|hour| order(1, &format!("T{hour}"), hour)).collect();
    vault.add_orders(&orders, context(1)).unwrap();
    let void = Order {
        lines: vec![],
        total: 0,
        replaces: Some(OrderId("T22".into())),
        ..order(1, "T22/void", 23)
    };
    vault.add_order(&void, context(2)).unwrap();
    for old in &orders[..17] {
        let tag = vault.derived_keys().order_tag(&old.id);
        let key = record_key(customer(1), RecordKind::Order, &tag);
        damage(&vault, RECORDS, &key);
    }
    let newest = vault.orders(customer(1), 2).unwrap();
    assert!(newest.rejected.is_empty());
    assert_eq!(newest.records, [orders[18].clone(), orders[17].clone()]);
    assert_eq!(vault.orders(customer(1), 99).unwrap().rejected.len(), 17);
    assert!(vault.orders(customer(1), 0).unwrap().records.is_empty());
}

#[test]
fn damaged_order_is_rejected_and_repaired_by_import() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    enrol(&vault, 1);
    let (first, second) = (order(1, "A-1", 9), order(1, "A-2", 10));
    vault.add_orders(&[first.clone(), second.clone()], context(1)).unwrap();
    let tag = vault.derived_keys().order_tag(&first.id);
    damage(&vault, RECORDS, &record_key(customer(1), RecordKind::Order, &tag));
    let loaded = vault.orders(customer(1), 10).unwrap();
    assert_eq!(loaded.records, [second]);
    let rejected = loaded.rejected[0].to_string();
    assert!(rejected.starts_with("the order of customer c0ffee00"), "{rejected}");
    assert_eq!(vault.add_order(&first, context(2)).unwrap(), AddOrderOutcome::Added);
    assert_eq!(vault.orders(customer(1), 10).unwrap().records.len(), 2);
    assert_valid(&vault);
}

#[test]
fn damaged_customer_does_not_block_messages_of_others() {
    let fixture = Fixture::new();
    let vault = fixture.open();
    for n in 1..=3 {
        enrol(&vault, n);
        let order = order(u128::from(n), &format!("T{n}"), 9);
        vault.add_order_and_confirm(&order, context(1), b"stored").unwrap();
    }
    damage(&vault, ACCOUNTS, &customer_key(customer(2)));
    let outbox = vault.outbox(0).unwrap();
    let numbers: Vec<_> = outbox.records.iter().map(|entry| entry.number).collect();
    assert_eq!((numbers, outbox.rejected.len()), (vec![1, 3], 1));
}

#[test]
fn damaged_customer_can_be_forgotten() {
    let fixture = Fixture::new();
    let (vault, _) = populated_vault(&fixture);
    damage(&vault, RECORDS, &record_key(customer(2), RecordKind::Index, &numbered_name(0)));
    damage(&vault, RECORDS, &record_key(customer(3), RecordKind::Template, &numbered_name(1)));
    damage(&vault, ACCOUNTS, customer(4).0.as_bytes());
    let loaded = vault.templates().unwrap();
    assert_eq!(loaded.records.len(), 3 * (CUSTOMERS as usize + 1 - 2) - 1);
    assert_eq!(loaded.rejected.len(), 3);
    for n in [2, 3, 4] {
        let summary = vault.forget(customer(n), context(9)).unwrap().unwrap();
        assert_eq!(summary, ForgetSummary { templates: 3, orders: 4 });
    }
    assert_valid(&vault);
    assert_eq!(vault.customers().unwrap().records.len(), CUSTOMERS as usize + 1 - 3);
}

/// Flips a bit in the middle of a row.
fn damage(vault: &Vault, table: Bytes, key: &[u8]) {
    vault
        .storage
        .write(|tx| {
            let mut row = tx.row(table, key)?.expect("the row exists");
            let middle = row.len() / 2;
            row[middle] ^= 1;
            tx.put(table, key, &row)?;
            Ok(((), Commit::Yes))
        })
        .unwrap();
}

#[test]
fn populated_vault_has_rows_in_every_table() {
    let fixture = Fixture::new();
    let (vault, _) = populated_vault(&fixture);
    vault.forget(customer(u128::from(CUSTOMERS) + 1), context(9)).unwrap();
    for table in [ACCOUNTS, RECORDS, CODES, ORDER_IDS, PRODUCTS, TOMBSTONES, AUDIT, META] {
        let count = vault.storage.read(|txn| txn.count(table)).unwrap();
        assert!(count > 0, "{table}");
    }
}
