//! Measurements of time, memory and writes:
//! `cargo test --release -p instored-vault load:: -- --ignored --nocapture --test-threads 1`

use std::process::Command;
use std::time::{Duration, Instant};

use instored_domain::Template;

use super::*;
use crate::codes;
use crate::record::Claim;
use crate::record_key::{RecordKind, numbered_name};

/// Adds customers with `views` random templates of `length` values each, 1,000 customers per
/// commit.
fn write_customers(vault: &Vault, customers: u32, views: u32, length: usize) {
    write_customers_of_model(vault, "mobilefacenet", customers, views, length);
}

/// Writes customers with templates of a model.
fn write_customers_of_model(vault: &Vault, model: &str, customers: u32, views: u32, length: usize) {
    let mut rng = Rng::with_seed(9);
    let ids: Vec<_> = (1..=customers).collect();
    for batch in ids.chunks(1000) {
        vault
            .write(context(0), |transaction| {
                for n in batch {
                    let id = customer(u128::from(*n));
                    transaction.create_account(id)?;
                    let record = Customer {
                        id,
                        name: None,
                        enrolled: second(0),
                        visits: 0,
                        last_visit: None,
                        deletion_due: None,
                        has_unconfirmed_time: false,
                        preferences: Default::default(),
                    };
                    transaction.put(id, RecordKind::Customer, &numbered_name(0), &record)?;
                    codes::put_receipt(transaction, &consent(u128::from(*n)))?;
                    let claim = Claim { code: code(*n), expires: second(600) };
                    codes::put_claim(transaction, id, &claim, second(0))?;
                    for sequence in 0..views {
                        let values =
                            (0..length).map(|_| rng.usize(..2001) as f32 - 1000.0).collect();
                        let template = Template {
                            customer: id,
                            model: ModelId(model.into()),
                            sequence,
                            created: second(0),
                            embedding: Embedding::normalised(values).unwrap(),
                        };
                        transaction.put(
                            id,
                            RecordKind::Template,
                            &numbered_name(sequence),
                            &template,
                        )?;
                    }
                }
                Ok(())
            })
            .unwrap();
    }
}

/// Returns a memory field of `/proc/self/status` in kB.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Returns the number of bytes that the process passed to the kernel.
fn written_bytes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find(|line| line.starts_with("wchar:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Returns the CPU time of this thread, which is independent of the load of the machine.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split_whitespace().next().unwrap().parse().unwrap())
}

const FOLDER: &str = "INSTORED_TEST_LOAD_FOLDER";
const LENGTH: &str = "INSTORED_TEST_LOAD_LENGTH";

/// Loads the vault and measures memory and time. Runs in a child process, so that the memory of
/// other tests is not measured. Does nothing unless [`measure_load`] started the process.
#[test]
fn child_process_loads_vault() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let length: usize = std::env::var(LENGTH).unwrap().parse().unwrap();
    let path = PathBuf::from(&folder).join("vault.redb");
    let keys = keys(folder.as_ref(), &path).unwrap();
    let before = memory("VmRSS:");
    let start = cpu_time();
    let vault = Vault::open(&path, keys, box_id(), second(0)).unwrap();
    let opened = cpu_time() - start;
    let mut values: Vec<f32> = Vec::with_capacity(TEMPLATES * length);
    let rejected =
        vault.for_each_template(|t| values.extend_from_slice(t.embedding.values())).unwrap();
    let loaded = cpu_time() - start;
    assert_eq!((rejected.len(), values.len()), (0, TEMPLATES * length));
    let peak = memory("VmHWM:") - before;
    let size = (TEMPLATES * length * 4 / 1024) as u64;
    eprintln!(
        "{TEMPLATES} templates of {length}: opened {opened:.2?}, loaded {loaded:.2?}; templates \
         {size} kB, peak {peak} kB ({:.2} times the templates); file {} MB",
        peak as f64 / size as f64,
        fs::metadata(&path).unwrap().len() >> 20
    );
    assert!(peak as f64 <= 1.3 * size as f64);
}

const TEMPLATES: usize = 100_000;

fn measure_load(length: usize) {
    let fixture = Fixture::new();
    write_customers(&fixture.open(), 20_000, 5, length);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::load::child_process_loads_vault", "--nocapture"])
        .env(FOLDER, fixture.dir.path())
        .env(LENGTH, length.to_string())
        .status();
    assert!(child.unwrap().success());
}

#[test]
#[ignore = "takes a minute"]
fn loading_512_value_templates_needs_little_memory() {
    measure_load(512);
}

#[test]
#[ignore = "takes a minute"]
fn loading_128_value_templates_needs_little_memory() {
    measure_load(128);
}

#[test]
#[ignore = "takes a minute"]
fn measure_operations() {
    for customers in [100u32, 1000, 10_000] {
        let fixture = Fixture::new();
        let vault = fixture.open();
        write_customers(&vault, customers, 5, 128);
        let measure = |operation: &str, times: u32, mut run: Box<dyn FnMut(u32) + '_>| {
            let (start, bytes) = (Instant::now(), written_bytes());
            (0..times).for_each(&mut run);
            eprintln!(
                "{customers} customers, {operation}: {:.2?}, {} bytes written",
                start.elapsed() / times,
                (written_bytes() - bytes) / u64::from(times)
            );
        };
        measure(
            "a visit",
            100,
            Box::new(|n| {
                vault.record_visit(customer(u128::from(n + 1)), second(700)).unwrap();
            }),
        );
        measure(
            "an order",
            100,
            Box::new(|n| {
                let order = order(u128::from(n % 50 + 1), &format!("T{n}"), 9);
                vault.add_order(&order, context(1)).unwrap();
            }),
        );
        measure("an enrolment", 20, Box::new(|n| drop(enrol(&vault, 20_001 + n))));
        measure(
            "forgetting a customer",
            10,
            Box::new(|n| {
                vault.forget(customer(u128::from(n + 60)), context(1)).unwrap().unwrap();
            }),
        );
        measure("compaction", 1, Box::new(|_| vault.compact().unwrap()));
        measure("verification", 1, Box::new(|_| assert_valid(&vault)));
        measure("key rotation", 1, Box::new(|_| drop(vault.rotate_keys(context(3)).unwrap())));
    }
}

const LARGE_VAULT_FOLDER: &str = "INSTORED_LARGE_VAULT";
const LARGE_VAULT_CUSTOMERS: u32 = 100_000;
const LARGE_VAULT_ORDERS: i64 = 10;
/// Model and length of the templates of the shipped embedder.
const SHIPPED_MODEL: (&str, usize) = ("sface-mobilefacenet-w8", 642);

/// Writes a vault with 100,000 customers, five templates and ten orders each, into the folder that
/// `INSTORED_LARGE_VAULT` names. `measure_box_with_large_vault` of `instored-faults` uses it.
#[test]
#[ignore = "writes a file of some GB; docs/reliability.md names the command"]
fn write_large_vault() {
    let folder = std::env::var_os(LARGE_VAULT_FOLDER).expect("INSTORED_LARGE_VAULT is set");
    let folder = PathBuf::from(folder);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("vault.redb");
    let keys = keys(&folder, &path).unwrap();
    let vault = Vault::open(&path, keys, box_id(), second(0)).unwrap();
    let (model, length) = SHIPPED_MODEL;
    write_customers_of_model(&vault, model, LARGE_VAULT_CUSTOMERS, 5, length);
    let customers: Vec<_> = (1..=u128::from(LARGE_VAULT_CUSTOMERS)).collect();
    for some in customers.chunks(1000) {
        let orders: Vec<_> = some
            .iter()
            .flat_map(|n| {
                (0..LARGE_VAULT_ORDERS).map(move |at| {
                    let order = order(*n, &format!("T{n}-{at}"), 9);
                    Order { placed: &order.placed + jiff::Span::new().days(at), ..order }
                })
            })
            .collect();
        vault.add_orders(&orders, context(1)).unwrap();
    }
    eprintln!("{} MB in {}", fs::metadata(&path).unwrap().len() >> 20, path.display());
}

#[test]
#[ignore = "measures CPU time; docs/reliability.md names the command"]
fn greeting_of_customer_with_5000_orders_costs_like_one_with_10() {
    const GREETINGS: u32 = 50;
    let fixture = Fixture::new();
    let vault = fixture.open();
    for (n, count) in [(1, 10), (2, 5000)] {
        enrol(&vault, n);
        let orders: Vec<_> = (0..count)
            .map(|at| {
                let order = order(u128::from(n), &format!("T{n}-{at}"), 9);
                Order { placed: &order.placed + jiff::Span::new().minutes(at), ..order }
            })
            .collect();
        for some in orders.chunks(500) {
            vault.add_orders(some, context(1)).unwrap();
        }
    }
    let cost = |n: u32| {
        let id = customer(u128::from(n));
        let start = cpu_time();
        for _ in 0..GREETINGS {
            let visit = vault.record_visit_and_read_orders(id, second(5), true, |_| 5);
            assert_eq!(visit.unwrap().unwrap().1.records.len(), 5);
        }
        (cpu_time() - start) / GREETINGS
    };
    // Caches and other processes only add to the cost.
    let (mut few, mut many) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        (few, many) = (few.min(cost(1)), many.min(cost(2)));
    }
    let ratio = many.as_secs_f64() / few.as_secs_f64();
    eprintln!(
        "CPU of visit and greeting: 10 orders {} µs, 5,000 orders {} µs, ratio {ratio:.2}",
        few.as_micros(),
        many.as_micros()
    );
}
