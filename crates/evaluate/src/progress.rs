//! How far a long measurement has come: a bar on a terminal, silence anywhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error while it exists.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar that is full at `total`. Drawn only when standard error is a terminal.
    pub fn new(what: &'static str, total: usize) -> Self {
        // The bar draws nothing by itself where standard error is no terminal.
        let bar = ProgressBar::new(total as u64).with_message(what);
        let style = "{msg} {wide_bar} {pos}/{len}, {eta} left";
        bar.set_style(
            ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.enable_steady_tick(Duration::from_millis(500));
        Self(bar)
    }

    /// One more is done.
    pub fn advance(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
