//! When faces may be recognised at all.

use std::time::Duration;

use instored_vision::Purpose;

/// While it exists, faces are recognised: the only thing in this room, enrolments apart, that can
/// give a reason to make an embedding.
#[derive(Debug)]
pub(super) struct RecognitionWindow {
    until: Option<Duration>,
}

impl RecognitionWindow {
    /// A window that is never closed.
    pub fn open() -> Self {
        Self { until: None }
    }

    /// A window that somebody asked for.
    pub fn until(until: Duration) -> Self {
        Self { until: Some(until) }
    }

    /// Whether its time is over.
    pub fn is_over(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// Whether it is open for who asked alone.
    pub fn was_asked_for(&self) -> bool {
        self.until.is_some()
    }

    /// The reason to make embeddings as long as this window is open.
    pub fn purpose(&self) -> Purpose<'_> {
        Purpose::recognition(self)
    }
}
