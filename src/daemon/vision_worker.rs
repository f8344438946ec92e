//! The two threads that see: one takes frames from the camera, one looks at them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use instored_camera::{Camera, CameraError};
use instored_domain::{CameraState, CustomerId, Embedding, EmbeddingCount, ModelId};
use instored_recognition::{Recogniser, RecognitionEvent};
use instored_vision::{TrackId, VisionError};
use tokio::sync::{mpsc, oneshot};

use super::DaemonError;
use super::frame_slot::{Delivery, FrameSlot, SlotItem};
use super::metrics::VisionMetrics;

/// Opens the camera, again whenever it was lost.
pub type OpenCamera = Box<dyn FnMut() -> Result<Box<dyn Camera>, CameraError> + Send>;

/// What the seeing threads tell.
#[derive(Debug)]
pub(super) enum VisionEvent {
    /// Somebody came, went, or enrols; with the moment at which the frame was there that shows it.
    RecognitionEvent(RecognitionEvent, Instant),
    /// The camera came, or is in trouble.
    Camera(CameraState),
    /// Faces are being looked at, or no longer.
    Looking(bool),
    /// A replay is over.
    Ended,
    /// The vision thread broke down: nothing more will be seen.
    Crashed,
}

/// What the vision thread is asked to do between two frames.
pub(super) enum VisionCommand {
    /// Answers whether the window was closed before.
    OpenWindow(oneshot::Sender<bool>),
    /// Answers whether no enrolment was under way.
    BeginEnrolment {
        another_person: bool,
        reply: oneshot::Sender<bool>,
    },
    CancelEnrolment,
    Admit {
        customer: CustomerId,
        templates: Vec<Embedding>,
        track: Option<TrackId>,
    },
    Forget(CustomerId),
    Dismiss(CustomerId),
    ListPresent(oneshot::Sender<Vec<CustomerId>>),
    /// Nothing but a sign of life: there is no camera, and it is being tried again.
    Heartbeat,
}

/// A hold on the seeing threads.
#[derive(Clone)]
pub(super) struct VisionWorker {
    frame_slot: Arc<FrameSlot<VisionCommand>>,
    stopping: Arc<AtomicBool>,
    embeddings: Arc<Mutex<EmbeddingCount>>,
    seen: VisionMetrics,
}

/// The seeing threads, at work.
pub(super) struct Opened {
    pub eyes: VisionWorker,
    /// The embedder's id, which templates have to bear.
    pub model: ModelId,
    pub glimpses: mpsc::UnboundedReceiver<VisionEvent>,
    pub vision: JoinHandle<()>,
}

const FIRST_RETRY: Duration = Duration::from_millis(250);
/// A camera that is back is to be seen again within seconds.
const LAST_RETRY: Duration = Duration::from_secs(2);

impl VisionWorker {
    /// Starts both threads, once `load` has brought the models. `alive` is called by the vision
    /// thread whenever it has handled a frame, or heard from the capture thread why there is none:
    /// it is not called when either of them hangs.
    ///
    /// The models are loaded by the thread that runs them: the allocator keeps what loading leaves
    /// behind for that thread, and the networks' working memory finds room in it.
    pub fn open(
        load: impl FnOnce() -> Result<Recogniser, VisionError> + Send + 'static,
        camera: OpenCamera,
        delivery: Delivery,
        alive: impl Fn() + Send + 'static,
        seen: VisionMetrics,
    ) -> Result<Opened, DaemonError> {
        // Unbounded, since the desk may be waiting for the vision thread. A frame brings few.
        let (tell, glimpses) = mpsc::unbounded_channel();
        let eyes = Self {
            frame_slot: Arc::new(FrameSlot::new(delivery)),
            stopping: Arc::new(AtomicBool::new(false)),
            embeddings: Arc::default(),
            seen,
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let (loaded, model) = std::sync::mpsc::sync_channel(1);
        let (looking, vision_tell) = (eyes.clone(), tell.clone());
        let vision = thread("vision")
            .spawn(move || match load() {
                Ok(recogniser) => {
                    // `open` waits for the answer.
                    let _ = loaded.send(Ok(recogniser.model().clone()));
                    let look = || looking.look(recogniser, &vision_tell, &alive);
                    if catch_unwind(AssertUnwindSafe(look)).is_err() {
                        // The daemon ends with it, and is started anew.
                        let _ = vision_tell.send(VisionEvent::Crashed);
                    }
                }
                Err(error) => drop(loaded.send(Err(error))),
            })
            .map_err(DaemonError::Thread)?;
        let model = model.recv().map_err(|_| DaemonError::Broken("vision"))??;
        let capturing = eyes.clone();
        thread("capture")
            .spawn(move || capturing.capture(camera, &tell))
            .map_err(DaemonError::Thread)?;
        Ok(Opened { eyes, model, glimpses, vision })
    }

    /// Asks the vision thread; it answers between two frames.
    pub fn ask(&self, ask: VisionCommand) {
        self.frame_slot.order(ask);
    }

    /// Embeddings made so far, by purpose.
    pub fn embeddings(&self) -> EmbeddingCount {
        *self.embeddings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends both threads. The capture thread may be waiting for its camera, and is not waited for.
    pub fn close(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.frame_slot.close();
    }

    fn capture(&self, mut open: OpenCamera, tell: &mpsc::UnboundedSender<VisionEvent>) {
        let mut retry = FIRST_RETRY;
        // Each is logged once, not at every frame or try.
        let (mut last_trouble, mut last_glitch) = (String::new(), String::new());
        // Each camera counts its time from its own beginning; the recogniser's never goes back.
        let mut latest = (Duration::ZERO, Instant::now());
        while !self.stopping.load(Ordering::Relaxed) {
            let stream = || -> Result<(), CameraError> {
                let mut camera = open()?;
                let began = latest.0.saturating_add(latest.1.elapsed());
                let mut streaming = false;
                loop {
                    match camera.next_frame() {
                        Ok(mut frame) => {
                            frame.captured_at = began.saturating_add(frame.captured_at);
                            latest = (frame.captured_at, Instant::now());
                            if !streaming {
                                streaming = true;
                                retry = FIRST_RETRY;
                                last_trouble.clear();
                                tracing::info!(camera = camera.describe(), "the camera delivers");
                                let _ = tell.send(VisionEvent::Camera(CameraState::Streaming));
                            }
                            if !self.frame_slot.leave(frame) {
                                return Ok(());
                            }
                        }
                        Err(e) if e.is_transient() => {
                            let glitch = e.to_string();
                            if glitch != last_glitch {
                                tracing::warn!("{glitch}");
                                last_glitch = glitch;
                            }
                        }
                        Err(e) => return Err(e),
                    }
                }
            };
            // The v4l crate panics on what it does not know of a driver.
            let outcome = catch_unwind(AssertUnwindSafe(stream));
            match outcome.unwrap_or(Err(CameraError::DriverPanicked)) {
                Ok(()) => return,
                Err(e) if e.is_end() => {
                    let _ = tell.send(VisionEvent::Ended);
                    return;
                }
                Err(e) => {
                    let trouble = e.to_string();
                    if trouble != last_trouble {
                        tracing::error!("{trouble} (trying again)");
                        last_trouble = trouble;
                        let _ = tell.send(VisionEvent::Camera(CameraState::Unavailable));
                    }
                    self.frame_slot.order(VisionCommand::Heartbeat);
                    std::thread::sleep(retry);
                    retry = (retry * 2).min(LAST_RETRY);
                }
            }
        }
    }

    fn look(
        &self,
        mut recogniser: Recogniser,
        tell: &mpsc::UnboundedSender<VisionEvent>,
        alive: &dyn Fn(),
    ) {
        // A daemon that has ended does not listen any more.
        let say = |glimpse| drop(tell.send(glimpse));
        let mut looking = false;
        loop {
            match self.frame_slot.take() {
                SlotItem::Closed => return,
                SlotItem::Control(VisionCommand::Heartbeat) => alive(),
                SlotItem::Control(ask) => handle(&mut recogniser, ask),
                SlotItem::Frame(frame, taken) => {
                    match self.seen.time(|| recogniser.process(&frame)) {
                        Ok(sightings) => {
                            alive();
                            self.seen
                                .frame(recogniser.detection_count(), recogniser.has_face_in_view());
                            *self.embeddings.lock().unwrap_or_else(PoisonError::into_inner) =
                                recogniser.embedding_count();
                            if recogniser.has_face_in_view() != looking {
                                looking = !looking;
                                say(VisionEvent::Looking(looking));
                            }
                            for sighting in sightings {
                                say(VisionEvent::RecognitionEvent(sighting, taken));
                            }
                        }
                        Err(e) => tracing::error!("{e}"),
                    }
                }
            }
        }
    }
}

fn handle(recogniser: &mut Recogniser, ask: VisionCommand) {
    match ask {
        // Whoever asked and went away does not need the answer.
        VisionCommand::OpenWindow(reply) => drop(reply.send(recogniser.open_window())),
        VisionCommand::BeginEnrolment { another_person, reply } => {
            let _ = reply.send(recogniser.begin_enrolment(another_person));
        }
        VisionCommand::ListPresent(reply) => drop(reply.send(recogniser.present_customers())),
        VisionCommand::CancelEnrolment => recogniser.cancel_enrolment(),
        VisionCommand::Admit { customer, templates, track } => {
            recogniser.add_customer(customer, &templates, track)
        }
        VisionCommand::Forget(customer) => recogniser.remove_customer(customer),
        VisionCommand::Dismiss(customer) => recogniser.dismiss(customer),
        VisionCommand::Heartbeat => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc;

    use confique::Config;

    use super::super::metrics::Metrics;
    use super::*;

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn a_camera_that_is_lost_is_a_sign_of_life_and_one_that_hangs_is_none() {
        let load = || {
            let models = instored_vision::Settings::builder().load().unwrap();
            let rules = instored_recognition::Settings::builder().load().unwrap();
            Recogniser::new(&models, &rules)
        };
        let (tried, tries) = mpsc::channel();
        let (let_go, hang) = mpsc::channel::<()>();
        let mut attempt = 0;
        let camera: OpenCamera = Box::new(move || {
            attempt += 1;
            tried.send(attempt).unwrap();
            if attempt == 3 {
                let _ = hang.recv();
            }
            Err(CameraError::NotFound { device: "/dev/video-none".into() })
        });
        let signs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&signs);
        let alive = move || {
            counted.fetch_add(1, Ordering::SeqCst);
        };
        let Opened { eyes, vision, .. } =
            VisionWorker::open(load, camera, Delivery::Newest, alive, Metrics::default().seen)
                .unwrap();
        while tries.recv_timeout(SOON).unwrap() < 3 {}
        // The third attempt hangs. The vision thread goes on, which is no sign that frames do.
        for _ in 0..3 {
            let (reply, answer) = oneshot::channel();
            eyes.ask(VisionCommand::ListPresent(reply));
            assert!(answer.blocking_recv().unwrap().is_empty());
        }
        assert_eq!(signs.load(Ordering::SeqCst), 2);
        eyes.close();
        drop(let_go);
        vision.join().unwrap();
    }
}
