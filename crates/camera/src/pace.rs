//! When frames come: made up ones at their moments, and of a fast device's only as many as wanted.

use std::thread;
use std::time::{Duration, Instant};

/// Whether a camera that could be faster keeps to the clock on the wall. The frames' own times
/// advance alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pacing {
    /// A frame is given at its moment.
    RealTime,
    /// A frame is given when it is asked for.
    Unlimited,
}

/// Counts out the moments of frames.
#[derive(Debug)]
pub struct FrameClock {
    pace: Pacing,
    fps: u32,
    ticks: u64,
    started: Option<Instant>,
}

impl FrameClock {
    /// A ticker for `fps` frames a second; 0 counts as 1.
    pub fn new(fps: u32, pace: Pacing) -> Self {
        Self { pace, fps: fps.max(1), ticks: 0, started: None }
    }

    pub fn fps(&self) -> u32 {
        self.fps
    }

    /// The time between two frames.
    pub fn period(&self) -> Duration {
        Duration::from_secs(1) / self.fps
    }

    /// How many moments were counted out.
    pub fn ticked(&self) -> u64 {
        self.ticks
    }

    /// The next frame's moment, counted from the first; in real time it sleeps until then.
    pub fn tick(&mut self) -> Duration {
        // Of the count, not of a sum, so that rounding does not add up.
        let at = Duration::from_secs_f64(self.ticks as f64 / f64::from(self.fps));
        self.ticks += 1;
        if self.pace == Pacing::RealTime {
            let started = *self.started.get_or_insert_with(Instant::now);
            thread::sleep(at.saturating_sub(started.elapsed()));
        }
        at
    }
}

/// Leaves out frames of a device that is faster than wanted.
#[derive(Debug)]
pub(super) struct FrameRateLimiter {
    period: Duration,
    due: Duration,
}

impl FrameRateLimiter {
    pub(super) fn new(fps: u32) -> Self {
        Self { period: Duration::from_secs(1) / fps.max(1), due: Duration::ZERO }
    }

    /// Whether the frame that came at `at` is wanted.
    pub(super) fn keeps(&mut self, at: Duration) -> bool {
        let slack = self.period / 2;
        let keeps = at + slack >= self.due;
        if keeps {
            self.due = (self.due + self.period).max(at + slack);
        }
        keeps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of ten seconds' frames are kept.
    fn kept(device_fps: u32, wanted: u32) -> usize {
        let mut thinning = FrameRateLimiter::new(wanted);
        let moments = (0..device_fps * 10).map(|i| Duration::from_secs(1) * i / device_fps);
        moments.filter(|at| thinning.keeps(*at)).count()
    }

    #[test]
    fn a_fast_device_is_thinned_to_the_wanted_rate() {
        for device_fps in [10, 12, 15, 24, 25, 30, 60] {
            assert!(kept(device_fps, 10).abs_diff(100) <= 1, "{device_fps}");
        }
    }

    #[test]
    fn a_slow_or_unsteady_device_loses_nothing() {
        assert_eq!(kept(5, 10), 50);
        let mut thinning = FrameRateLimiter::new(10);
        for (i, late) in [0, 30, 5, 40, 0, 20].into_iter().enumerate() {
            assert!(thinning.keeps(Duration::from_millis(i as u64 * 100 + late)));
        }
    }

    #[test]
    fn after_a_pause_frames_do_not_come_in_a_burst() {
        let mut thinning = FrameRateLimiter::new(10);
        assert!(thinning.keeps(Duration::ZERO));
        let burst = (0..30).filter(|i| thinning.keeps(Duration::from_millis(60_000 + i * 33)));
        assert!(burst.count() <= 11);
    }

    #[test]
    fn moments_are_even_and_do_not_drift() {
        let mut ticker = FrameClock::new(30, Pacing::Unlimited);
        let moments: Vec<_> = (0..=900).map(|_| ticker.tick()).collect();
        assert_eq!(moments[0], Duration::ZERO);
        assert_eq!(moments[900], Duration::from_secs(30));
    }

    #[test]
    fn in_real_time_no_frame_comes_before_its_moment() {
        let started = Instant::now();
        let mut ticker = FrameClock::new(1000, Pacing::RealTime);
        for _ in 0..5 {
            let at = ticker.tick();
            assert!(started.elapsed() >= at);
        }
    }
}
