//! Counter of the inputs that get past the first check of a target.

use std::cell::Cell;

thread_local! {
    static COUNTER: Counter = const { Counter(Cell::new(0)) };
}

/// Counter that prints its value when the target ends without a fault.
struct Counter(Cell<u64>);

impl Drop for Counter {
    fn drop(&mut self) {
        eprintln!("inputs past the first check: {}", self.0.get());
    }
}

/// Counts an input.
pub fn count(is_past_first_check: bool) {
    COUNTER.with(|Counter(count)| count.set(count.get() + u64::from(is_past_first_check)));
}
