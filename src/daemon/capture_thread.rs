//! Capture thread: delivers the camera's frames and reopens a lost camera.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use instored_camera::{Camera, CameraError};
use instored_domain::CameraState;
use tokio::sync::mpsc;

use super::vision_worker::{VisionEvent, VisionWorker};

/// Function that opens the camera. It is called again after each loss of the camera.
pub type OpenCamera = Box<dyn FnMut() -> Result<Box<dyn Camera>, CameraError> + Send>;

/// Delay before the first attempt to reopen a lost camera.
const REOPEN_DELAY_MIN: Duration = Duration::from_millis(250);
/// Maximum delay between two attempts. A camera that is plugged in again streams within seconds.
const REOPEN_DELAY_MAX: Duration = Duration::from_secs(2);

/// State of the capture thread.
pub(super) struct CaptureThread {
    worker: VisionWorker,
    open_camera: OpenCamera,
    events: mpsc::Sender<VisionEvent>,
    /// Time stamp of the latest frame, and the time of its arrival. The time stamps of each opened
    /// camera start at 0, but the recogniser needs time stamps that never decrease.
    latest_frame: (Duration, Instant),
    reopen_delay: Duration,
    /// Last logged error. A repetition is not logged.
    last_error: String,
    /// Last logged transient error. A repetition is not logged.
    last_transient_error: String,
}

impl CaptureThread {
    /// Creates the state of a thread that has not opened its camera yet.
    pub fn new(
        worker: VisionWorker,
        open_camera: OpenCamera,
        events: mpsc::Sender<VisionEvent>,
    ) -> Self {
        Self {
            worker,
            open_camera,
            events,
            latest_frame: (Duration::ZERO, Instant::now()),
            reopen_delay: REOPEN_DELAY_MIN,
            last_error: String::new(),
            last_transient_error: String::new(),
        }
    }

    /// Runs until the worker stops or a replay ends.
    pub fn run(mut self) {
        while !self.worker.is_stopping() {
            // The v4l crate panics if a driver returns a value that the crate does not define.
            let result = catch_unwind(AssertUnwindSafe(|| self.stream()))
                .unwrap_or(Err(CameraError::ReaderPanicked));
            match result {
                Ok(()) => return,
                Err(error) if error.is_end() => return self.worker.slot.put_end(),
                Err(error) => self.wait_to_reopen(&error),
            }
        }
    }

    /// Opens the camera and delivers frames until the slot is closed.
    fn stream(&mut self) -> Result<(), CameraError> {
        let mut camera = (self.open_camera)()?;
        let start = self.latest_frame.0.saturating_add(self.latest_frame.1.elapsed());
        let mut is_streaming = false;
        loop {
            let mut frame = match camera.next_frame() {
                Ok(frame) => frame,
                Err(error) if error.is_transient() => {
                    self.log_transient(&error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            frame.captured_at = start.saturating_add(frame.captured_at);
            self.latest_frame = (frame.captured_at, Instant::now());
            if !is_streaming {
                is_streaming = true;
                self.report_streaming(&camera.describe());
            }
            if !self.worker.slot.put_frame(frame) {
                return Ok(());
            }
        }
    }

    /// Reports the first frame of a camera.
    fn report_streaming(&mut self, camera: &str) {
        self.reopen_delay = REOPEN_DELAY_MIN;
        self.last_error.clear();
        tracing::info!(camera, "the camera is streaming");
        self.send(VisionEvent::CameraStateChanged(CameraState::Streaming));
    }

    /// Reports a lost camera and waits for the next attempt.
    fn wait_to_reopen(&mut self, error: &CameraError) {
        let error = error.to_string();
        if error != self.last_error {
            tracing::error!("{error} (retrying)");
            self.last_error = error;
            self.send(VisionEvent::CameraStateChanged(CameraState::Unavailable));
        }
        self.worker.send_heartbeat();
        std::thread::sleep(self.reopen_delay);
        self.reopen_delay = (self.reopen_delay * 2).min(REOPEN_DELAY_MAX);
    }

    /// Logs a transient error of the camera.
    fn log_transient(&mut self, error: &CameraError) {
        let error = error.to_string();
        if error != self.last_transient_error {
            tracing::warn!("{error}");
            self.last_transient_error = error;
        }
    }

    /// Sends an event. It is dropped if the daemon has stopped.
    fn send(&self, event: VisionEvent) {
        let _ = self.events.blocking_send(event);
    }
}
