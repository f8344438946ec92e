//! Counters of the vision thread.

use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

/// Counters that the vision thread updates and `/metrics` reports.
#[derive(Clone, Debug)]
pub(in super::super) struct VisionMetrics {
    pub frame_seconds: Histogram,
    pub searched_frames: Counter,
    pub frames_with_faces: Counter,
}

impl VisionMetrics {
    /// Runs `process` and records its duration.
    pub fn time<T>(&self, process: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = process();
        self.frame_seconds.observe(start.elapsed().as_secs_f64());
        result
    }

    /// Counts a frame. `detection_count` is the number of detector runs since the start.
    pub fn count_frame(&self, detection_count: u64, has_face_in_view: bool) {
        let new_detections = detection_count.saturating_sub(self.searched_frames.get());
        self.searched_frames.inc_by(new_detections);
        self.frames_with_faces.inc_by(u64::from(has_face_in_view));
    }
}
