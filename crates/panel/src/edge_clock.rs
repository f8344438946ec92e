//! One clock for edges and for waiting.
//!
//! The kernel stamps edges on a clock that safe code cannot read. An edge is never read before it
//! happened, so the smallest distance seen between both clocks is the best guess of their offset.

use std::time::{Duration, Instant};

/// Places kernel time stamps on the clock of this process.
pub(super) struct EdgeClock {
    started: Instant,
    /// Smallest `now - stamp` so far, in nanoseconds.
    offset: Option<i128>,
    last: Duration,
}

impl EdgeClock {
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), offset: None, last: Duration::ZERO }
    }

    /// Time since the start.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// When an edge with the kernel's `stamp`, read just now, happened.
    pub(super) fn place(&mut self, stamp: Duration) -> Duration {
        let now = self.now();
        self.place_at(stamp, now)
    }

    fn place_at(&mut self, stamp: Duration, now: Duration) -> Duration {
        let stamp = nanos(stamp);
        let distance = nanos(now) - stamp;
        let offset = self.offset.map_or(distance, |known| known.min(distance));
        self.offset = Some(offset);
        let at = u64::try_from(stamp + offset).map_or(Duration::ZERO, Duration::from_nanos);
        self.last = self.last.max(at);
        self.last
    }
}

fn nanos(duration: Duration) -> i128 {
    // A duration has fewer than 2^94 nanoseconds.
    duration.as_nanos() as i128
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn edges_read_late_keep_their_distance() {
        let mut clock = EdgeClock::start();
        assert_eq!(clock.place_at(ms(90_100), ms(100)), ms(100));
        // Both of these waited in the kernel's queue until 9 s.
        assert_eq!(clock.place_at(ms(91_000), ms(9_000)), ms(1_000));
        assert_eq!(clock.place_at(ms(91_300), ms(9_000)), ms(1_300));
    }

    #[test]
    fn no_edge_lies_in_the_future_or_before_another() {
        let mut clock = EdgeClock::start();
        assert_eq!(clock.place_at(ms(1_000), ms(500)), ms(500));
        assert_eq!(clock.place_at(ms(1_200), ms(600)), ms(600));
        assert_eq!(clock.place_at(ms(1_150), ms(700)), ms(600));
    }
}
