//! Time in which faces may be recognised.

use std::time::Duration;

use instored_vision::Purpose;

/// Permission to recognise faces. An embedding requires a [`Purpose`], and only an enrolment or a
/// recognition window creates one.
#[derive(Debug)]
pub(super) struct RecognitionWindow {
    /// End of the window. A permanent window has none.
    until: Option<Duration>,
}

impl RecognitionWindow {
    /// Creates a window without an end.
    pub fn permanent() -> Self {
        Self { until: None }
    }

    /// Creates a window for one person who requested recognition.
    pub fn requested(until: Duration) -> Self {
        Self { until: Some(until) }
    }

    /// Returns true if the window has ended.
    pub fn is_expired(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// Returns true if the window is for one person who requested recognition.
    pub fn is_requested(&self) -> bool {
        self.until.is_some()
    }

    /// Returns the purpose of the embeddings that this window permits.
    pub fn purpose(&self) -> Purpose<'_> {
        Purpose::recognition(self)
    }
}
