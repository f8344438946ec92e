//! Notifications to systemd: readiness, watchdog and stop.

use std::cell::Cell;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Minimum time between two watchdog notifications.
const WATCHDOG_INTERVAL: Duration = Duration::from_secs(1);

/// Sends a notification. Does nothing if systemd has not started this process.
pub(super) fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("cannot notify systemd: {error}");
    }
}

/// Returns a function that notifies the watchdog, at most once per [`WATCHDOG_INTERVAL`].
pub(super) fn watchdog() -> impl Fn() + Send + 'static {
    let last = Cell::new(None::<Instant>);
    move || {
        if last.get().is_none_or(|at| at.elapsed() >= WATCHDOG_INTERVAL) {
            last.set(Some(Instant::now()));
            notify(NotifyState::Watchdog);
        }
    }
}
