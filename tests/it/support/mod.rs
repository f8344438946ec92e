//! Program under test, servers, clients and browser, shared by the tests.

pub mod box_permit;
pub mod browser;
pub mod http;
pub mod memory;
pub mod mosquitto;
pub mod output_reader;
pub mod page;
pub mod process;
pub mod set_up;
pub mod signed_box;
pub mod tcp_proxy;
pub mod test_box;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Maximum time for an expected event, on a slow and busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Time between two checks of a polled condition.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Returns the path of a file of the repository.
pub fn repository_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Polls until `check` returns a value.
pub fn wait_until<T>(condition: &str, check: impl FnMut() -> Option<T>) -> T {
    wait_within(TIMEOUT, condition, check)
}

/// Polls until `check` returns a value, at most for `timeout`.
pub fn wait_within<T>(
    timeout: Duration,
    condition: &str,
    mut check: impl FnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(start.elapsed() < timeout, "{condition}: not within {timeout:?}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Asserts that a text contains each of these parts.
#[track_caller]
pub fn assert_contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
}
