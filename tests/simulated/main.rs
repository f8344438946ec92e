//! Random walk through the state machines of the box: controller, outbox and MQTT session run with a
//! simulated clock, vault, broker, camera, button and till. No operation takes real time, so a walk executes
//! thousands per second.
//!
//! | module | contents |
//! |---|---|
//! | `operation` | operations and faults, and their random choice |
//! | `world` | box with its simulated parts, the walk, and the execution of the operations |
//! | `counts` | counters, and faults since the last check |
//! | `process` | a running daemon: controller, connection and queues |
//! | `vault` | simulated vault with its outbox |
//! | `broker` | simulated broker, and a subscriber that records everything |
//! | `camera` | people, and the events of their recognition |
//! | `checks` | invariants |
//!
//! | variable | meaning |
//! |---|---|
//! | `INSTORED_SIMULATION_SEEDS` | number of walks, 20 by default |
//! | `INSTORED_SIMULATION_FIRST_SEED` | seed of the first walk, 1 by default |
//! | `INSTORED_SIMULATION_OPERATIONS` | operations of a walk, 2000 by default |

#![forbid(unsafe_code)]

mod broker;
mod camera;
mod checks;
mod counts;
mod operation;
mod process;
mod vault;
mod world;

use std::fmt::Display;
use std::str::FromStr;

use world::World;

/// Returns the value of an environment variable, or the default if it is not set.
fn setting<T: FromStr<Err: Display>>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|e| panic!("{name}: {e} in {text:?}")),
        Err(_) => default,
    }
}

/// Walks through `operations` random operations. If an invariant is broken, panics with the replay command.
fn walk(seed: u64, operations: usize) -> World {
    let mut world = World::new(seed);
    if let Err(error) = world.walk(operations) {
        panic!(
            "broken invariant: {error:#}\nlast operations:\n{}\nreplay: \
             INSTORED_SIMULATION_FIRST_SEED={seed} INSTORED_SIMULATION_SEEDS=1 \
             INSTORED_SIMULATION_OPERATIONS={operations} cargo test --release --locked \
             -p instored-simulated invariants",
            world.last_operations()
        );
    }
    world
}

#[test]
fn invariants_hold_through_random_faults() {
    let seeds: u64 = setting("INSTORED_SIMULATION_SEEDS", 20);
    let first = setting("INSTORED_SIMULATION_FIRST_SEED", 1);
    let operations = setting("INSTORED_SIMULATION_OPERATIONS", 2000);
    let mut total = counts::Counts::default();
    for seed in first..first + seeds {
        total.add(&walk(seed, operations).counts);
    }
    println!("{seeds} seeds: {total}");
    assert!(
        total.faults > 0 && total.enrolments > 0 && total.deletions > 0 && total.visits > 0,
        "{total}"
    );
}

#[test]
fn seed_determines_the_walk() {
    let traces = [7, 7, 8].map(|seed| walk(seed, 500).trace());
    assert_eq!(traces[0], traces[1]);
    assert_ne!(traces[0], traces[2]);
}
