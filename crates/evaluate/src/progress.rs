//! Progress bar of a long measurement.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Interval at which the bar is redrawn.
const REDRAW_INTERVAL: Duration = Duration::from_millis(500);

/// Progress bar on standard error. The bar is drawn only on a terminal, and is removed when this value
/// is dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// Returns a bar with `total` steps.
    pub fn new(label: &'static str, total: usize) -> Self {
        let bar = ProgressBar::new(total as u64).with_message(label);
        let template = "{msg} {wide_bar} {pos}/{len}, {eta} left";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.enable_steady_tick(REDRAW_INTERVAL);
        Self(bar)
    }

    /// Adds one step.
    pub fn advance(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
