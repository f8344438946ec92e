//! What a program prints, line by line, while it runs.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// The lines printed so far, and those to come.
#[derive(Clone)]
pub struct OutputReader(Arc<Shared>);

#[derive(Default)]
struct Shared {
    printed: Mutex<Printed>,
    changed: Condvar,
}

#[derive(Default)]
struct Printed {
    lines: Vec<String>,
    ended: bool,
}

impl OutputReader {
    /// Reads `source` to its end, on a thread of its own.
    pub fn of(source: impl Read + Send + 'static) -> Self {
        let lines = Self(Arc::default());
        let shared = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                shared.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                shared.0.changed.notify_all();
            }
            shared.lock().ended = true;
            shared.0.changed.notify_all();
        });
        lines
    }

    /// The first line from number `from` on for which `wanted` has an answer: its number, and the
    /// answer.
    pub fn find<T>(
        &self,
        from: usize,
        what: &str,
        wanted: impl FnMut(&str) -> Option<T>,
    ) -> (usize, T) {
        self.find_within(PATIENCE, from, what, wanted)
    }

    /// The same, for what takes its time.
    pub fn find_within<T>(
        &self,
        patience: Duration,
        from: usize,
        what: &str,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> (usize, T) {
        let begun = Instant::now();
        let mut next = from;
        let mut printed = self.lock();
        loop {
            while let Some(line) = printed.lines.get(next) {
                if let Some(found) = wanted(line) {
                    return (next, found);
                }
                next += 1;
            }
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() || printed.ended {
                let lines = printed.lines.join("\n");
                drop(printed);
                panic!("{what} did not come; instead:\n{lines}");
            }
            let waited = self.0.changed.wait_timeout(printed, left);
            printed = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for a line that holds `text`.
    pub fn expect(&self, text: &str) -> String {
        self.find(0, text, |line| line.contains(text).then(|| line.to_owned())).1
    }

    /// Everything printed so far.
    pub fn so_far(&self) -> String {
        self.lock().lines.join("\n")
    }

    /// Everything, when the program has ended.
    pub fn whole(&self) -> String {
        let printed = self.lock();
        let waited = self.0.changed.wait_timeout_while(printed, PATIENCE, |p| !p.ended);
        let (printed, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "the output does not end:\n{}", printed.lines.join("\n"));
        printed.lines.join("\n")
    }

    // A line is there or not; no panic leaves half of one.
    fn lock(&self) -> MutexGuard<'_, Printed> {
        self.0.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
