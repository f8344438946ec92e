//! Times of frames: pacing of replayed frames, and a limit on the rate of live ones.

use std::thread;
use std::time::{Duration, Instant};

/// Pacing of a source that could deliver frames faster than a camera. The time stamps of the frames do
/// not depend on the pacing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pacing {
    /// Each frame is delivered at its time.
    RealTime,
    /// Each frame is delivered as soon as it is requested.
    Unlimited,
}

/// Clock that returns the times of frames at a constant rate.
#[derive(Debug)]
pub struct FrameClock {
    pacing: Pacing,
    fps: u32,
    frames: u64,
    started: Option<Instant>,
}

impl FrameClock {
    /// Creates a clock for `fps` frames per second; 0 counts as 1.
    pub fn new(fps: u32, pacing: Pacing) -> Self {
        Self { pacing, fps: fps.max(1), frames: 0, started: None }
    }

    /// Returns the frames per second.
    pub fn fps(&self) -> u32 {
        self.fps
    }

    /// Returns the time between two frames.
    pub fn period(&self) -> Duration {
        Duration::from_secs(1) / self.fps
    }

    /// Returns the number of calls of [`Self::next_frame_time`] so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Returns the time of the next frame, relative to the first frame. With [`Pacing::RealTime`],
    /// sleeps until that time.
    pub fn next_frame_time(&mut self) -> Duration {
        // The time is computed from the count, because the rounding errors of a sum would add up.
        let at = Duration::from_secs_f64(self.frames as f64 / f64::from(self.fps));
        self.frames += 1;
        if self.pacing == Pacing::RealTime {
            let started = *self.started.get_or_insert_with(Instant::now);
            thread::sleep(at.saturating_sub(started.elapsed()));
        }
        at
    }
}

/// Filter that drops frames of a device that is faster than the configured rate.
#[derive(Debug)]
pub(super) struct FrameRateLimiter {
    period: Duration,
    /// Time at which the next frame is due.
    due: Duration,
}

impl FrameRateLimiter {
    /// Creates a filter for `fps` frames per second; 0 counts as 1.
    pub(super) fn new(fps: u32) -> Self {
        Self { period: Duration::from_secs(1) / fps.max(1), due: Duration::ZERO }
    }

    /// Returns true if a frame with the time stamp `at` is kept.
    pub(super) fn accepts(&mut self, at: Duration) -> bool {
        let slack = self.period / 2;
        let is_due = at + slack >= self.due;
        if is_due {
            self.due = (self.due + self.period).max(at + slack);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of frames that are kept in ten seconds.
    fn kept_count(device_fps: u32, configured_fps: u32) -> usize {
        let mut limiter = FrameRateLimiter::new(configured_fps);
        let times = (0..device_fps * 10).map(|i| Duration::from_secs(1) * i / device_fps);
        times.filter(|at| limiter.accepts(*at)).count()
    }

    #[test]
    fn fast_device_is_limited_to_the_configured_rate() {
        for device_fps in [10, 12, 15, 24, 25, 30, 60] {
            assert!(kept_count(device_fps, 10).abs_diff(100) <= 1, "{device_fps}");
        }
    }

    #[test]
    fn slow_or_unsteady_device_loses_no_frame() {
        assert_eq!(kept_count(5, 10), 50);
        let mut limiter = FrameRateLimiter::new(10);
        for (i, late) in [0, 30, 5, 40, 0, 20].into_iter().enumerate() {
            assert!(limiter.accepts(Duration::from_millis(i as u64 * 100 + late)));
        }
    }

    #[test]
    fn pause_is_not_followed_by_a_burst() {
        let mut limiter = FrameRateLimiter::new(10);
        assert!(limiter.accepts(Duration::ZERO));
        let burst = (0..30).filter(|i| limiter.accepts(Duration::from_millis(60_000 + i * 33)));
        assert!(burst.count() <= 11);
    }

    #[test]
    fn frame_times_are_even_and_do_not_drift() {
        let mut clock = FrameClock::new(30, Pacing::Unlimited);
        let times: Vec<_> = (0..=900).map(|_| clock.next_frame_time()).collect();
        assert_eq!(times[0], Duration::ZERO);
        assert_eq!(times[900], Duration::from_secs(30));
    }

    #[test]
    fn real_time_frame_is_not_early() {
        let started = Instant::now();
        let mut clock = FrameClock::new(1000, Pacing::RealTime);
        for _ in 0..5 {
            let at = clock.next_frame_time();
            assert!(started.elapsed() >= at);
        }
    }
}
