//! Conversion of kernel time stamps to a clock of this process.
//!
//! The kernel's time stamps count on a clock that safe code cannot read. An edge is read after its
//! time stamp, so the smallest difference between both times is the best estimate of the clocks'
//! offset.

use std::time::{Duration, Instant};

/// Clock that starts at zero, and converts kernel time stamps.
pub(super) struct EdgeClock {
    started: Instant,
    /// Smallest `now - stamp` so far, in nanoseconds.
    offset: Option<i128>,
    /// Latest time returned for an edge.
    latest: Duration,
}

impl EdgeClock {
    /// Starts the clock.
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), offset: None, latest: Duration::ZERO }
    }

    /// Returns the time since the start.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Converts the kernel's time stamp of an edge that was just read.
    pub(super) fn convert(&mut self, stamp: Duration) -> Duration {
        let now = self.now();
        self.convert_at(stamp, now)
    }

    /// Converts the kernel's time stamp of an edge that was read at `now`.
    fn convert_at(&mut self, stamp: Duration, now: Duration) -> Duration {
        let stamp = nanoseconds(stamp);
        let difference = nanoseconds(now) - stamp;
        let offset = self.offset.map_or(difference, |known| known.min(difference));
        self.offset = Some(offset);
        let at = u64::try_from(stamp + offset).map_or(Duration::ZERO, Duration::from_nanos);
        self.latest = self.latest.max(at);
        self.latest
    }
}

/// Returns the duration in nanoseconds, a number below 2^94.
fn nanoseconds(duration: Duration) -> i128 {
    duration.as_nanos() as i128
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn late_read_edges_keep_their_interval() {
        let mut clock = EdgeClock::start();
        assert_eq!(clock.convert_at(ms(90_100), ms(100)), ms(100));
        // The next two edges stay in the kernel's queue until 9 s.
        assert_eq!(clock.convert_at(ms(91_000), ms(9_000)), ms(1_000));
        assert_eq!(clock.convert_at(ms(91_300), ms(9_000)), ms(1_300));
    }

    #[test]
    fn edges_are_in_order_and_never_in_the_future() {
        let mut clock = EdgeClock::start();
        assert_eq!(clock.convert_at(ms(1_000), ms(500)), ms(500));
        assert_eq!(clock.convert_at(ms(1_200), ms(600)), ms(600));
        assert_eq!(clock.convert_at(ms(1_150), ms(700)), ms(600));
    }
}
