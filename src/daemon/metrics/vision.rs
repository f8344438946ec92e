//! What the vision thread counts.

use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

/// Counters that are shared with whoever shows them.
#[derive(Clone, Debug)]
pub(in super::super) struct VisionMetrics {
    pub looks: Histogram,
    pub searched: Counter,
    pub with_faces: Counter,
}

impl VisionMetrics {
    /// Looks at a frame, and counts it with the time that it took.
    pub fn time<T>(&self, look: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let seen = look();
        self.looks.observe(begun.elapsed().as_secs_f64());
        seen
    }

    /// In how many frames faces were looked for so far, and whether the latest showed one.
    pub fn frame(&self, searched: u64, face: bool) {
        self.searched.inc_by(searched.saturating_sub(self.searched.get()));
        self.with_faces.inc_by(u64::from(face));
    }
}
