//! Long run of the released program with many visits, with samples of its resources.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::operation::Operation;
use crate::resources::Resources;
use crate::walk::Walk;
use crate::{box_permit, film, setting};

/// Default duration, in seconds.
const DEFAULT_SECONDS: u64 = 3600;
const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);
const CHECK_INTERVAL: Duration = Duration::from_secs(300);
/// Time between two actions.
const ACTION_INTERVAL: Duration = Duration::from_millis(1500);
/// Portraits of the customers who come and go.
const PORTRAITS: [&str; 2] = ["person_a_1.jpg", "person_b_1.jpg"];
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum growth of the resident memory in the second half of a run of an hour, in kB.
const MEMORY_GROWTH_MAX_KB: f64 = 10_000.0;
/// Actions between two rotations, backups, compactions and deletions.
const ROTATION_INTERVAL: u64 = 120;
const BACKUP_INTERVAL: u64 = 90;
const COMPACTION_INTERVAL: u64 = 200;
const DELETION_INTERVAL: u64 = 400;

/// Counts of the actions.
#[derive(Default, Debug)]
struct Actions {
    orders: u64,
    lists: u64,
    histories: u64,
    deletions: u64,
    rotations: u64,
    backups: u64,
    presses: u64,
}

/// Runs for `INSTORED_SOAK_SECONDS`.
#[test]
#[ignore = "takes an hour; docs/reliability.md names the command"]
fn resources_of_a_busy_box_do_not_grow() {
    let _permit = box_permit::acquire();
    let seconds = setting("INSTORED_SOAK_SECONDS", DEFAULT_SECONDS);
    run(Duration::from_secs(seconds)).unwrap_or_else(|error| panic!("{error:#}"));
}

fn run(duration: Duration) -> Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let pictures = folder.join("soak-film");
    film::render(&pictures, &PORTRAITS)?;
    let mut walk = Walk::start(0, &folder.join("walk-soak.log"))?;
    walk.test_box.set("INSTORED_CAMERA_DEVICE", format!("replay:{}?loop", pictures.display()));
    walk.test_box.set("INSTORED_RECOGNITION_LEAVE_SECONDS", "0.5");
    walk.test_box.stop()?;
    walk.start_daemon()?;
    let vault = walk.test_box.state_dir().join("vault.redb");
    let mut resources = Resources::new(walk.test_box.daemon_id()?, vault);
    let mut actions = Actions::default();
    let end = Instant::now() + duration;
    let (mut next_sample, mut next_check) = (Instant::now(), Instant::now() + CHECK_INTERVAL);
    let mut number = 0;
    while Instant::now() < end {
        if next_sample <= Instant::now() {
            next_sample += SAMPLE_INTERVAL;
            resources.sample(walk.subscriber.received().arrivals)?;
        }
        if next_check <= Instant::now() {
            next_check += CHECK_INTERVAL;
            walk.check()?;
        }
        number += 1;
        act(&mut walk, &mut actions, number)?;
        thread::sleep(ACTION_INTERVAL);
    }
    resources.sample(walk.subscriber.received().arrivals)?;
    walk.finish()?;
    report(&walk, &actions, &resources, &folder.join("../soak.csv"))?;
    std::fs::remove_dir_all(pictures)?;
    // A growth of descriptors or threads is a leak, however short the run is.
    for (name, value) in [
        ("descriptors", (|s| s.descriptors) as fn(&crate::resources::Sample) -> u64),
        ("threads", |s| s.threads),
    ] {
        let first = &resources.samples[..resources.samples.len().div_ceil(2)];
        let most = |samples: &[_]| samples.iter().map(value).max().unwrap_or_default();
        let (before, after) = (most(first), most(resources.second_half()));
        ensure!(after <= before + 1, "the number of {name} grew from {before} to {after}");
    }
    let growth = resources.memory_growth_per_hour() / 2.0;
    ensure!(
        duration < Duration::from_secs(DEFAULT_SECONDS) || growth < MEMORY_GROWTH_MAX_KB,
        "the memory grew by {growth:.0} kB in the second half of an hour"
    );
    Ok(())
}

/// Performs one action.
fn act(walk: &mut Walk, actions: &mut Actions, number: u64) -> Result<()> {
    let customers = walk.listed()?;
    walk.add_announced_customers()?;
    if customers.len() < PORTRAITS.len() {
        // Without an effect while an enrolment runs; an enrolled person in view ends it.
        walk.press_twice()?;
        actions.presses += 1;
    }
    let Some(customer) = customers.into_keys().find(|id| walk.customers.contains_key(id)) else {
        return Ok(());
    };
    if number.is_multiple_of(DELETION_INTERVAL) {
        actions.deletions += 1;
        return walk.perform(&Operation::ForgetByCommand { customer: number as usize });
    }
    if number.is_multiple_of(ROTATION_INTERVAL) {
        actions.rotations += 1;
        return walk.perform(&Operation::Rotate);
    }
    if number.is_multiple_of(BACKUP_INTERVAL) {
        actions.backups += 1;
        return walk.perform(&Operation::Backup);
    }
    if number.is_multiple_of(COMPACTION_INTERVAL) {
        return walk.perform(&Operation::Compact);
    }
    match number % 3 {
        0 => {
            actions.orders += 1;
            let by_claim_code = number.is_multiple_of(2);
            walk.perform(&Operation::Order { customer: number as usize, by_claim_code })?;
        }
        1 => {
            actions.lists += 1;
            // A product of a past order, or none.
            let add: &[&str] =
                if walk.customers[&customer].orders.is_empty() { &[] } else { &["4002"] };
            request(walk, "list", json!({ "customer": customer, "add": add }))?;
        }
        _ => {
            actions.histories += 1;
            request(walk, "history", json!({ "customer": customer, "by": "product" }))?;
        }
    }
    Ok(())
}

/// Sends a command that must succeed.
fn request(walk: &mut Walk, verb: &str, payload: serde_json::Value) -> Result<()> {
    let response = walk.till.send(verb, &payload.to_string(), RESPONSE_TIMEOUT)?;
    let is_success = response.as_ref().is_some_and(|response| response["error"].is_null());
    ensure!(is_success, "cmd/{verb} {payload}: {response:?}");
    Ok(())
}

/// Prints the counts, and writes samples and curves.
fn report(walk: &Walk, actions: &Actions, resources: &Resources, csv: &Path) -> Result<()> {
    resources.write(csv)?;
    let visits = walk.subscriber.received().arrivals;
    println!("{visits} visits; {actions:?}; {}", walk.summary());
    let (first, last) = (resources.samples.first(), resources.samples.last());
    println!("first sample {first:?}\nlast sample {last:?}");
    println!(
        "growth of the memory in the second half: {:.0} kB/hour; {} samples in {}",
        resources.memory_growth_per_hour(),
        resources.samples.len(),
        csv.display()
    );
    Ok(())
}
