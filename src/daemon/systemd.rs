//! Notifications to systemd: readiness, watchdog and stop.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Minimum time between two watchdog notifications.
pub(super) const WATCHDOG_INTERVAL: Duration = Duration::from_secs(1);

/// Sends a notification. Does nothing if systemd has not started this process.
pub(super) fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("cannot notify systemd: {error}");
    }
}

/// Part of the daemon that the watchdog supervises.
#[derive(Clone, Copy)]
pub(super) enum SupervisedPart {
    MainLoop,
    Vision,
}

/// Supervision of the parts by systemd's watchdog: it is notified only after each part has reported that
/// it runs, so that a part that hangs ends in a restart.
#[derive(Clone)]
pub(super) struct Watchdog(Arc<Mutex<WatchdogState>>);

struct WatchdogState {
    notify: Box<dyn FnMut() + Send>,
    /// True for each part that has reported since the last notification.
    has_reported: [bool; 2],
    notified: Option<Instant>,
}

impl Watchdog {
    /// Returns the watchdog of systemd.
    pub fn systemd() -> Self {
        Self::new(|| notify(NotifyState::Watchdog))
    }

    fn new(notify: impl FnMut() + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(WatchdogState {
            notify: Box::new(notify),
            has_reported: [false; 2],
            notified: None,
        })))
    }

    /// Reports that a part runs. Notifies at most once per [`WATCHDOG_INTERVAL`].
    pub fn report(&self, part: SupervisedPart) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.has_reported[part as usize] = true;
        if state.has_reported == [true; 2]
            && state.notified.is_none_or(|at| at.elapsed() >= WATCHDOG_INTERVAL)
        {
            state.has_reported = [false; 2];
            state.notified = Some(Instant::now());
            (state.notify)();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn watchdog_is_notified_only_if_all_parts_report() {
        for (parts, expected) in [
            (&[SupervisedPart::Vision; 9][..], 0),
            (&[SupervisedPart::MainLoop; 9], 0),
            (&[SupervisedPart::MainLoop, SupervisedPart::Vision, SupervisedPart::Vision], 1),
        ] {
            let count = Arc::new(AtomicU32::new(0));
            let counter = Arc::clone(&count);
            let watchdog = Watchdog::new(move || {
                counter.fetch_add(1, Ordering::Relaxed);
            });
            parts.iter().for_each(|part| watchdog.report(*part));
            assert_eq!(count.load(Ordering::Relaxed), expected);
        }
    }
}
