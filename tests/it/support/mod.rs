//! What the tests share: the program under test, the servers around it, and patience.

pub mod browser;
pub mod entrance;
pub mod mosquitto;
pub mod output_reader;
pub mod process;
pub mod serial;
pub mod signed;
pub mod view;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a test waits for what has to come, on a machine that may be slow and busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at something that cannot be waited for.
const PAUSE: Duration = Duration::from_millis(20);

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Looks until there is something to see.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look)
}

/// Looks for so long until there is something to see.
pub fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < patience, "{what}: not within {patience:?}");
        std::thread::sleep(PAUSE);
    }
}

/// Asserts that a text holds each of these words or sentences.
#[track_caller]
pub fn assert_says(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "`{wanted}` is missing in:\n{text}");
    }
}
