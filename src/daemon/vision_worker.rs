//! Vision thread: runs recognition on the newest frame and handles commands between two frames.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use instored_domain::{CameraState, CustomerId, Embedding, EmbeddingCount, FaceCount, ModelId};
use instored_imaging::Frame;
use instored_recognition::{Recogniser, RecognitionEvent};
use instored_vision::{TrackId, VisionError};
use tokio::sync::{mpsc, oneshot};

use super::DaemonError;
use super::capture_thread::{CaptureThread, OpenCamera};
use super::frame_slot::{Delivery, FrameSlot, SlotItem};
use super::metrics::VisionMetrics;

/// Event from the capture thread or the vision thread.
#[derive(Debug)]
pub(super) enum VisionEvent {
    /// Result of recognition, with the time at which its frame was delivered.
    Recognition(RecognitionEvent, Instant),
    /// The camera started to stream, or became unavailable.
    CameraStateChanged(CameraState),
    /// A first face is in view (true), or no face is in view any more (false).
    FaceInViewChanged(bool),
    /// A replay has ended.
    CameraEnded,
    /// The vision thread panicked; no event follows.
    Crashed,
}

/// Command to the vision thread, which handles it between two frames.
pub(super) enum VisionCommand {
    /// Opens the recognition window. The response is true if the window was closed.
    OpenRecognitionWindow(oneshot::Sender<bool>),
    /// Starts an enrolment. The response is true if no enrolment was in progress.
    BeginEnrolment {
        /// True if the person resembles a customer, but is another person.
        is_another_person: bool,
        responder: oneshot::Sender<bool>,
    },
    /// Cancels the enrolment in progress.
    CancelEnrolment,
    /// Adds a customer's templates to the gallery.
    AddCustomer {
        customer: CustomerId,
        templates: Vec<Embedding>,
        /// Track that shows the customer, if they are in view.
        track: Option<TrackId>,
    },
    /// Removes a customer from the gallery.
    RemoveCustomer(CustomerId),
    /// Ends the visit of a customer who was recognised wrongly.
    DismissCustomer(CustomerId),
    /// Requests the customers in view.
    ListPresent(oneshot::Sender<Vec<CustomerId>>),
    /// Heartbeat of the capture thread while it reopens the camera. Faces in view are discarded.
    Heartbeat,
}

/// Handle to the capture thread and the vision thread.
#[derive(Clone)]
pub(super) struct VisionWorker {
    pub(super) slot: Arc<FrameSlot<VisionCommand>>,
    is_stopping: Arc<AtomicBool>,
    embedding_count: Arc<Mutex<EmbeddingCount>>,
    face_count: Arc<Mutex<FaceCount>>,
    metrics: VisionMetrics,
}

/// Result of [`VisionWorker::start`].
pub(super) struct StartedVision {
    /// Handle to both threads.
    pub worker: VisionWorker,
    /// Id of the embedding model; only templates of this model can be compared.
    pub model: ModelId,
    /// Events of both threads.
    pub events: mpsc::UnboundedReceiver<VisionEvent>,
    /// Vision thread, to be joined after [`VisionWorker::stop`].
    pub thread: JoinHandle<()>,
}

impl VisionWorker {
    /// Starts both threads and returns after `load_models` has succeeded.
    ///
    /// `report_alive` notifies the watchdog. The vision thread calls it after each processed frame and
    /// after each [`VisionCommand::Heartbeat`], so that the notifications stop if either thread hangs.
    ///
    /// The vision thread loads the models, because it also runs them: the allocator keeps memory that
    /// is released after loading for the same thread, and the networks reuse this memory.
    pub fn start(
        load_models: impl FnOnce() -> Result<Recogniser, VisionError> + Send + 'static,
        open_camera: OpenCamera,
        delivery: Delivery,
        report_alive: impl Fn() + Send + 'static,
        metrics: VisionMetrics,
    ) -> Result<StartedVision, DaemonError> {
        // A bounded channel could cause a deadlock: the controller may wait for a response of the
        // vision thread while this thread sends. A frame causes few events.
        let (sender, events) = mpsc::unbounded_channel();
        let worker = Self {
            slot: Arc::new(FrameSlot::new(delivery)),
            is_stopping: Arc::new(AtomicBool::new(false)),
            embedding_count: Arc::default(),
            face_count: Arc::default(),
            metrics,
        };
        let (model_sender, model) = std::sync::mpsc::sync_channel(1);
        let (vision_worker, vision_sender) = (worker.clone(), sender.clone());
        let thread = spawn("vision", move || match load_models() {
            Ok(recogniser) => {
                // Cannot fail, because `start` waits for this message.
                let _ = model_sender.send(Ok(recogniser.model().clone()));
                let run = || vision_worker.run(recogniser, &vision_sender, &report_alive);
                if catch_unwind(AssertUnwindSafe(run)).is_err() {
                    // After this event the daemon ends, and systemd restarts it.
                    let _ = vision_sender.send(VisionEvent::Crashed);
                }
            }
            Err(error) => drop(model_sender.send(Err(error))),
        })?;
        let model = model.recv().map_err(|_| DaemonError::ThreadPanicked("vision"))??;
        let capture = CaptureThread::new(worker.clone(), open_camera, sender);
        spawn("capture", move || capture.run())?;
        Ok(StartedVision { worker, model, events, thread })
    }

    /// Sends a command to the vision thread.
    pub fn send(&self, command: VisionCommand) {
        self.slot.send(command);
    }

    /// Sends a command and waits for the response, which follows the current frame. Returns `None` if
    /// the vision thread has ended.
    pub fn request<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> VisionCommand,
    ) -> Option<T> {
        let (responder, response) = oneshot::channel();
        self.send(command(responder));
        response.blocking_recv().ok()
    }

    /// Returns the embeddings computed since the start, by purpose.
    pub fn embedding_count(&self) -> EmbeddingCount {
        *self.embedding_count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the faces seen, attending and embedded since the start.
    pub fn face_count(&self) -> FaceCount {
        *self.face_count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops both threads. The capture thread may be blocked by its camera, so it is not joined.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.slot.close();
    }

    /// Returns true after [`VisionWorker::stop`].
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Processes frames and commands until the slot is closed.
    fn run(
        &self,
        mut recogniser: Recogniser,
        events: &mpsc::UnboundedSender<VisionEvent>,
        report_alive: &dyn Fn(),
    ) {
        let mut has_face_in_view = false;
        loop {
            match self.slot.take() {
                SlotItem::Closed => return,
                SlotItem::Command(VisionCommand::Heartbeat) => {
                    recogniser.set_idle();
                    report_alive();
                    // Fails if the daemon has stopped.
                    if std::mem::take(&mut has_face_in_view) {
                        let _ = events.send(VisionEvent::FaceInViewChanged(false));
                    }
                }
                SlotItem::Command(command) => handle_command(&mut recogniser, command),
                SlotItem::Frame(frame, delivered) => match self.process(&mut recogniser, &frame) {
                    Ok(recognised) => {
                        report_alive();
                        let mut sent = Vec::new();
                        if recogniser.has_face_in_view() != has_face_in_view {
                            has_face_in_view = recogniser.has_face_in_view();
                            sent.push(VisionEvent::FaceInViewChanged(has_face_in_view));
                        }
                        sent.extend(
                            recognised
                                .into_iter()
                                .map(|event| VisionEvent::Recognition(event, delivered)),
                        );
                        // Fails if the daemon has stopped.
                        sent.into_iter().for_each(|event| drop(events.send(event)));
                    }
                    Err(error) => tracing::error!("{error}"),
                },
            }
        }
    }

    /// Runs recognition on a frame and updates the counters.
    fn process(
        &self,
        recogniser: &mut Recogniser,
        frame: &Frame,
    ) -> Result<Vec<RecognitionEvent>, VisionError> {
        let events = self.metrics.time(|| recogniser.process(frame))?;
        self.metrics.count_frame(recogniser.detection_count(), recogniser.has_face_in_view());
        *self.embedding_count.lock().unwrap_or_else(PoisonError::into_inner) =
            recogniser.embedding_count();
        *self.face_count.lock().unwrap_or_else(PoisonError::into_inner) = recogniser.face_count();
        Ok(events)
    }
}

/// Starts a named thread.
fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, DaemonError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(DaemonError::Thread)
}

/// Executes a command. Responses are discarded if the receiver has been dropped.
fn handle_command(recogniser: &mut Recogniser, command: VisionCommand) {
    match command {
        VisionCommand::OpenRecognitionWindow(responder) => {
            let _ = responder.send(recogniser.open_window());
        }
        VisionCommand::BeginEnrolment { is_another_person, responder } => {
            let _ = responder.send(recogniser.begin_enrolment(is_another_person));
        }
        VisionCommand::ListPresent(responder) => {
            let _ = responder.send(recogniser.present_customers());
        }
        VisionCommand::CancelEnrolment => recogniser.cancel_enrolment(),
        VisionCommand::AddCustomer { customer, templates, track } => {
            recogniser.add_customer(customer, &templates, track);
        }
        VisionCommand::RemoveCustomer(customer) => recogniser.remove_customer(customer),
        VisionCommand::DismissCustomer(customer) => recogniser.dismiss(customer),
        VisionCommand::Heartbeat => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc;
    use std::time::Duration;

    use confique::Config;
    use instored_camera::{Camera, CameraError};
    use instored_imaging::read_picture;

    use super::super::metrics::Metrics;
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    fn load() -> Result<Recogniser, VisionError> {
        let models = instored_vision::Settings::builder().load().unwrap();
        let rules = instored_recognition::Settings::builder().load().unwrap();
        Recogniser::new(&models, &rules)
    }

    /// Camera that is lost after one frame.
    struct LostCamera(Option<Frame>);

    impl Camera for LostCamera {
        fn next_frame(&mut self) -> Result<Frame, CameraError> {
            self.0.take().ok_or(CameraError::NotFound { device: "/dev/video-none".into() })
        }

        fn describe(&self) -> String {
            "a camera that is lost after one frame".to_owned()
        }
    }

    #[test]
    fn lost_camera_discards_face_in_view() {
        let portrait =
            concat!(env!("CARGO_MANIFEST_DIR"), "/crates/simulation/portraits/person_a_1.jpg");
        let picture = read_picture(portrait.as_ref()).unwrap();
        let mut frame = Some(Frame { picture, captured_at: Duration::ZERO });
        let camera: OpenCamera = Box::new(move || Ok(Box::new(LostCamera(frame.take()))));
        let metrics = Metrics::default().vision;
        let StartedVision { worker, thread, mut events, .. } =
            VisionWorker::start(load, camera, Delivery::EveryFrame, || {}, metrics).unwrap();
        let (sender, changes) = mpsc::channel();
        std::thread::spawn(move || {
            while let Some(event) = events.blocking_recv() {
                if let VisionEvent::FaceInViewChanged(is_in_view) = event {
                    let _ = sender.send(is_in_view);
                }
            }
        });
        assert_eq!(changes.recv_timeout(TIMEOUT), Ok(true));
        assert_eq!(changes.recv_timeout(TIMEOUT), Ok(false));
        worker.stop();
        thread.join().unwrap();
    }

    #[test]
    fn watchdog_is_notified_if_camera_is_lost_but_not_if_it_hangs() {
        let (attempted, attempts) = mpsc::channel();
        let (release, hang) = mpsc::channel::<()>();
        let mut attempt = 0;
        let camera: OpenCamera = Box::new(move || {
            attempt += 1;
            attempted.send(attempt).unwrap();
            if attempt == 3 {
                let _ = hang.recv();
            }
            Err(CameraError::NotFound { device: "/dev/video-none".into() })
        });
        let heartbeats = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&heartbeats);
        let report_alive = move || {
            counter.fetch_add(1, Ordering::SeqCst);
        };
        let metrics = Metrics::default().vision;
        let StartedVision { worker, thread, .. } =
            VisionWorker::start(load, camera, Delivery::Newest, report_alive, metrics).unwrap();
        while attempts.recv_timeout(TIMEOUT).unwrap() < 3 {}
        // The third attempt hangs. The vision thread still responds, which must not notify the
        // watchdog.
        for _ in 0..3 {
            assert!(worker.request(VisionCommand::ListPresent).unwrap().is_empty());
        }
        assert_eq!(heartbeats.load(Ordering::SeqCst), 2);
        worker.stop();
        drop(release);
        thread.join().unwrap();
    }
}
