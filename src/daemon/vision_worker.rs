//! Vision thread: runs recognition on the newest frame and handles commands between two frames.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use instored_controller::VisionCommand;
use instored_domain::{
    CameraState, CustomerId, EmbeddingCount, FaceCount, ModelId, RecognitionEvent,
};
use instored_imaging::Frame;
use instored_recognition::Recogniser;
use instored_vision::VisionError;
use tokio::sync::mpsc;

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
    /// The customers in view changed.
    PresentCustomersChanged(Vec<CustomerId>),
    /// A replay has ended.
    CameraEnded,
    /// The vision thread panicked; no event follows.
    Crashed,
}

/// Command to the vision thread, which handles it between two frames.
pub(super) enum WorkerCommand {
    /// Command of the controller.
    Controller(VisionCommand),
    /// Heartbeat of the capture thread while it reopens the camera. Faces in view are discarded.
    Heartbeat,
}

/// Maximum number of events that wait for the main loop. A frame causes few events; the vision thread
/// waits while the queue is full.
const EVENT_QUEUE_LENGTH: usize = 256;

/// Handle to the capture thread and the vision thread.
#[derive(Clone)]
pub(super) struct VisionWorker {
    pub(super) slot: Arc<FrameSlot<WorkerCommand>>,
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
    pub events: mpsc::Receiver<VisionEvent>,
    /// Vision thread, to be joined after [`VisionWorker::stop`].
    pub thread: JoinHandle<()>,
}

impl VisionWorker {
    /// Starts both threads and returns after `load_models` has succeeded.
    ///
    /// `report_alive` notifies the watchdog. The vision thread calls it after each processed frame and
    /// after each [`WorkerCommand::Heartbeat`], so that the notifications stop if either thread hangs.
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
        let (sender, events) = mpsc::channel(EVENT_QUEUE_LENGTH);
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
                    let _ = vision_sender.blocking_send(VisionEvent::Crashed);
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
        self.slot.send(WorkerCommand::Controller(command));
    }

    /// Reports that the capture thread runs although the camera delivers no frame.
    pub fn send_heartbeat(&self) {
        self.slot.send(WorkerCommand::Heartbeat);
    }

    /// Returns the number of embeddings computed since the start, by purpose.
    pub fn embedding_count(&self) -> EmbeddingCount {
        *self.embedding_count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the numbers of faces detected, attended and embedded since the start.
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
        events: &mpsc::Sender<VisionEvent>,
        report_alive: &dyn Fn(),
    ) {
        let mut view = View::default();
        loop {
            let mut recognised = Vec::new();
            match self.slot.take() {
                SlotItem::Closed => return,
                SlotItem::Ended => recognised.push(VisionEvent::CameraEnded),
                SlotItem::Command(WorkerCommand::Heartbeat) => {
                    recogniser.set_idle();
                    report_alive();
                }
                SlotItem::Command(WorkerCommand::Controller(command)) => {
                    handle_command(&mut recogniser, command);
                }
                SlotItem::Frame(frame, delivered) => match self.process(&mut recogniser, &frame) {
                    Ok(result) => {
                        report_alive();
                        let event = |event| VisionEvent::Recognition(event, delivered);
                        recognised.extend(result.into_iter().map(event));
                    }
                    Err(error) => {
                        tracing::error!("{error}");
                        continue;
                    }
                },
            }
            let changes = view.update(&recogniser);
            // Fails if the daemon has stopped.
            changes.chain(recognised).for_each(|event| drop(events.blocking_send(event)));
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

/// View of the camera, as it was reported last.
#[derive(Default)]
struct View {
    has_face: bool,
    customers: Vec<CustomerId>,
}

impl View {
    /// Returns the changes since the last call.
    fn update(&mut self, recogniser: &Recogniser) -> impl Iterator<Item = VisionEvent> {
        let (has_face, customers) = (recogniser.has_face_in_view(), recogniser.present_customers());
        let face_change =
            (has_face != self.has_face).then_some(VisionEvent::FaceInViewChanged(has_face));
        let customer_change = (customers != self.customers)
            .then(|| VisionEvent::PresentCustomersChanged(customers.clone()));
        *self = Self { has_face, customers };
        face_change.into_iter().chain(customer_change)
    }
}

fn handle_command(recogniser: &mut Recogniser, command: VisionCommand) {
    match command {
        // An open window stays open, and an enrolment in progress continues.
        VisionCommand::OpenRecognitionWindow => drop(recogniser.open_window()),
        VisionCommand::BeginEnrolment { is_another_person } => {
            recogniser.begin_enrolment(is_another_person);
        }
        VisionCommand::CancelEnrolment => recogniser.cancel_enrolment(),
        VisionCommand::AddCustomer { customer, templates, track } => {
            recogniser.add_customer(customer, &templates, track);
        }
        VisionCommand::RemoveCustomer(customer) => recogniser.remove_customer(customer),
        VisionCommand::DismissCustomer(customer) => recogniser.dismiss(customer),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc;
    use std::time::Duration;

    use confique::Config;
    use instored_camera::{Camera, CameraError};
    use instored_domain::TrackId;
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
        let StartedVision { worker, thread, mut events, .. } =
            VisionWorker::start(load, camera, Delivery::Newest, report_alive, metrics).unwrap();
        while attempts.recv_timeout(TIMEOUT).unwrap() < 3 {}
        // The third attempt hangs. The vision thread still works, which must not notify the watchdog.
        let customer = CustomerId(uuid::Uuid::from_u128(1));
        let track = Some(TrackId(1));
        worker.send(VisionCommand::AddCustomer { customer, templates: Vec::new(), track });
        while !matches!(events.blocking_recv(), Some(VisionEvent::PresentCustomersChanged(_))) {}
        assert_eq!(heartbeats.load(Ordering::SeqCst), 2);
        worker.stop();
        drop(release);
        thread.join().unwrap();
    }
}
