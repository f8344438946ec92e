//! Reader of a running program's output, line by line.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::TIMEOUT;

/// Lines that a program has printed so far.
#[derive(Clone)]
pub struct OutputReader(Arc<Shared>);

#[derive(Default)]
struct Shared {
    output: Mutex<Output>,
    changed: Condvar,
}

#[derive(Default)]
struct Output {
    lines: Vec<String>,
    has_ended: bool,
}

impl OutputReader {
    /// Reads `source` to its end on a new thread.
    pub fn new(source: impl Read + Send + 'static) -> Self {
        let reader = Self(Arc::default());
        let shared = reader.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                shared.lock().lines.push(String::from_utf8_lossy(&line).into_owned());
                shared.0.changed.notify_all();
            }
            shared.lock().has_ended = true;
            shared.0.changed.notify_all();
        });
        reader
    }

    /// Waits for a line for which `check` returns a value, and starts at line `from`, counted from
    /// 0. Returns the number of the line and the value.
    pub fn find<T>(
        &self,
        from: usize,
        expected: &str,
        check: impl FnMut(&str) -> Option<T>,
    ) -> (usize, T) {
        self.find_within(TIMEOUT, from, expected, check)
    }

    /// Waits for a line as [`OutputReader::find`] does, but at most for `timeout`.
    pub fn find_within<T>(
        &self,
        timeout: Duration,
        from: usize,
        expected: &str,
        mut check: impl FnMut(&str) -> Option<T>,
    ) -> (usize, T) {
        let start = Instant::now();
        let mut next = from;
        let mut output = self.lock();
        loop {
            while let Some(line) = output.lines.get(next) {
                if let Some(found) = check(line) {
                    return (next, found);
                }
                next += 1;
            }
            let remaining = timeout.saturating_sub(start.elapsed());
            if remaining.is_zero() || output.has_ended {
                let lines = output.lines.join("\n");
                drop(output);
                panic!("{expected} is missing in:\n{lines}");
            }
            let waited = self.0.changed.wait_timeout(output, remaining);
            output = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for a line that contains `text` and returns it.
    pub fn wait_for(&self, text: &str) -> String {
        self.find(0, text, |line| line.contains(text).then(|| line.to_owned())).1
    }

    /// Returns the output so far.
    pub fn text_so_far(&self) -> String {
        self.lock().lines.join("\n")
    }

    /// Waits for the end of the output and returns all of it.
    pub fn complete_text(&self) -> String {
        let output = self.lock();
        let waited = self.0.changed.wait_timeout_while(output, TIMEOUT, |o| !o.has_ended);
        let (output, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "the output does not end:\n{}", output.lines.join("\n"));
        output.lines.join("\n")
    }

    /// Locks the output. Each change adds a whole line, so the output stays consistent after a
    /// panic.
    fn lock(&self) -> MutexGuard<'_, Output> {
        self.0.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
