//! Random operations and faults on the built program, with a check of all its promises.
//!
//! | module | contents |
//! |---|---|
//! | `operation` | operations and faults, and their random choice |
//! | `walk` | execution of the operations |
//! | `checker` | comparison of the promises with vault and broker |
//! | `journal` | promises of the box, and the verified messages that a subscriber received |
//! | `test_box` | folders, daemon and command line of the box |
//! | `full_disk` | small file system that can be filled |
//! | `proxy` | TCP proxy between box and broker that delays, drops and cuts |
//! | `subscriber` | subscriber that receives everything from the broker |
//! | `till` | till that sends commands |
//! | `outages` | outages of the broker and of the link to it |
//! | `soak` | long run with many visits |
//! | `load` | latency of a box with a large vault |
//! | `film` | frames of customer visits, for `soak` and `load` |
//! | `resources` | memory, descriptors, threads and vault size of the box, and their curves |
//!
//! | variable | meaning |
//! |---|---|
//! | `INSTORED_WALK_SECONDS` | duration of the walk, 60 by default, without the last check |
//! | `INSTORED_WALK_SEED` | seed of the operations, 1 by default |
//! | `INSTORED_WALK_LOG` | file with operations to execute instead of random ones, one in a line |
//! | `INSTORED_SOAK_SECONDS` | duration of the long run, 3600 by default |
//! | `INSTORED_LARGE_VAULT` | folder with a vault for `load` |
//! | `INSTORED_PROGRAM` | program under test, `target/release/instored` by default |
//! | `INSTORED_LOST_ACKNOWLEDGEMENTS` | acknowledgements that a test of `outages` drops, 10 by default |

#![forbid(unsafe_code)]

#[path = "../it/support/box_permit.rs"]
mod box_permit;
mod checker;
mod film;
mod full_disk;
mod journal;
mod load;
mod operation;
mod outages;
mod proxy;
mod resources;
mod soak;
mod subscriber;
mod test_box;
mod till;
mod walk;

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use fastrand::Rng;
use operation::Operation;
use walk::Walk;

/// Default duration of a walk, in seconds.
const DEFAULT_SECONDS: u64 = 60;
/// Default seed.
const DEFAULT_SEED: u64 = 1;

/// Returns the value of an environment variable, or the default if it is not set.
fn setting<T: FromStr<Err: Display>>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|e| panic!("{name}: {e} in {text:?}")),
        Err(_) => default,
    }
}

/// Reads the operations of a log.
fn read_log(path: &Path) -> Vec<Operation> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
        .collect()
}

#[test]
fn promises_are_kept_through_faults() {
    let seconds = setting("INSTORED_WALK_SECONDS", DEFAULT_SECONDS);
    let seed = setting("INSTORED_WALK_SEED", DEFAULT_SEED);
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("walk-{seed}.log"));
    let _permit = box_permit::acquire();
    let end = Instant::now() + Duration::from_secs(seconds);
    let operations: Box<dyn Iterator<Item = Operation>> =
        match std::env::var_os("INSTORED_WALK_LOG") {
            Some(path) => Box::new(read_log(Path::new(&path)).into_iter()),
            None => {
                let mut random = Rng::with_seed(seed);
                let next = std::iter::repeat_with(move || Operation::random(&mut random));
                Box::new(next.take_while(move |_| Instant::now() < end))
            }
        };
    let mut walk = Walk::start(seed, &log).expect("the box starts");
    let result =
        operations.into_iter().try_for_each(|o| walk.execute(&o)).and_then(|()| walk.finish());
    println!("seed {seed}: {}", walk.summary());
    if let Err(error) = result {
        let folder = walk.keep_files();
        panic!(
            "broken promise: {error:#}\n\
             replay: INSTORED_WALK_SEED={seed} INSTORED_WALK_SECONDS={seconds} \
             cargo test --release --locked -p instored-faults promises_are_kept\n\
             replay the same operations: INSTORED_WALK_LOG={} (remove lines to shorten it)\n\
             files of the box: {}",
            log.display(),
            folder.display()
        );
    }
}

/// Executes operations in a new box, and checks its promises.
fn check_operations(name: &str, operations: &[Operation]) {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("walk-{name}.log"));
    let _permit = box_permit::acquire();
    let mut walk = Walk::start(0, &log).expect("the box starts");
    let result = operations.iter().try_for_each(|operation| walk.execute(operation));
    let result = result.and_then(|()| walk.finish());
    println!("{}", walk.summary());
    result.unwrap_or_else(|error| panic!("{error:#}"));
    assert!(!walk.customers.is_empty(), "nobody enrolled");
}

/// Stops the broker until the clock is right again. Without `faketime`, the clock stays right.
#[test]
fn deletion_before_wrong_clock_is_announced_after_it() {
    let operations = [
        Operation::Enrol { ms: 30_000 },
        Operation::StopBroker { ms: 60_000 },
        Operation::Forget { customer: 0 },
        Operation::WrongClock { days: 400 },
    ];
    check_operations("clock", &operations);
}

/// Makes the customer look inactive. Without `faketime`, the clock stays right.
#[test]
fn wrong_clock_does_not_mark_customer_of_running_box() {
    let operations = [Operation::Enrol { ms: 30_000 }, Operation::WrongClock { days: 400 }];
    check_operations("inactive", &operations);
}

/// Deletes a customer when the vault's file cannot be compacted. Without root, the disk is not filled.
#[test]
fn customer_is_deleted_on_full_disk_without_daemon() {
    let operations = [
        Operation::Enrol { ms: 30_000 },
        Operation::FillDisk { ms: 60_000 },
        Operation::ForgetWhileStopped { customer: 0 },
    ];
    check_operations("full-disk", &operations);
}
