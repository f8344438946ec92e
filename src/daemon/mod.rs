//! The daemon: starts all parts of the box, runs the main loop, and stops them.
//!
//! | module | content |
//! |---|---|
//! | `startup` | opens vault, gallery and connections |
//! | `effects` | performs the effects of the controller |
//! | `store_worker`, `store_operations` | thread that executes operations on the vault |
//! | `capture_thread`, `vision_worker`, `frame_slot` | threads of camera and recognition |
//! | `panel_threads`, `simulated_button` | threads of button and status LED |
//! | `admin_api`, `admin_socket`, `admin_requests` | requests of the command line |
//! | `compaction` | background compaction of the vault's file |
//! | `clock` | confirmation of the system clock |
//! | `metrics`, `systemd` | monitoring |
//! | `display_bridge` | display server of `instored display` |
//!
//! The crate `instored_controller` makes the decisions. The daemon passes events to its [`Controller`]
//! and performs the effects.
//!
//! Threads: `capture` reads the camera, `vision` processes the newest frame, `store` executes operations
//! on the vault, `button` and `led` drive the panel, `compaction` and `training` run when needed.
//! All other work runs on tokio.
//!
//! Rules:
//! 1. Only the main loop calls the controller, with one event at a time. It never waits for the disk.
//! 2. A failure after the start is logged and retried; only the end of a replay, or a panic of the vision
//!    thread or the store thread, ends the daemon.
//! 3. No log line at the level info or above contains a customer's id, name or purchase. Errors about
//!    a damaged or missing record are the exception: they contain the id of its customer.
//! 4. Queues of frames, recognition events, button presses, commands and admin requests are bounded.
//!    Queues that the main loop fills are unbounded, because it must not wait, and so are those of results.

pub mod admin_api;
mod admin_requests;
mod admin_socket;
mod capture_thread;
pub mod clock;
mod compaction;
pub mod display_bridge;
mod effects;
mod frame_slot;
mod metrics;
mod panel_threads;
mod simulated_button;
mod startup;
mod store_operations;
mod store_worker;
mod systemd;
mod vision_worker;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use instored_consent::ConsentTextError;
use instored_controller::{
    ClientId, Controller, Counters, Event, Readings, Settings, StoreResponse,
};
use instored_domain::BoxId;
use instored_mqtt::{MqttError, Publisher, ReceivedCommand};
use instored_panel::{ButtonEvent, Panel};
use instored_simulation::panel::PanelHandle;
use instored_vault::{Vault, VaultError};
use instored_vision::VisionError;
use jiff::Zoned;
use sd_notify::NotifyState;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout_at;

pub use admin_socket::send_admin_request;
pub use capture_thread::OpenCamera;
pub use frame_slot::Delivery;
pub use startup::open_vault;

use crate::config::Config;
use admin_requests::BackgroundResult;
use admin_socket::{AdminResult, AdminSocket, PendingRequest};
use compaction::Compaction;
use metrics::Metrics;
use panel_threads::LedHandle;
use simulated_button::SimulatedButton;
use store_worker::StoreWorker;
use systemd::{SupervisedPart, Watchdog};
use vision_worker::{VisionEvent, VisionWorker};

/// Maximum time from the signal to the end: half of it for operations on the vault, the rest for threads
/// and MQTT.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1900);
/// Interval of [`Event::Tick`].
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(60);

/// Parts that differ between a shop's box, the demonstration and the tests.
pub struct Parts {
    /// Opens the camera.
    pub open_camera: OpenCamera,
    /// Treatment of frames that arrive faster than recognition processes them.
    pub delivery: Delivery,
    /// Button and status LED.
    pub panel: Panel,
    /// Handle with which `instored button` presses the button, if `panel.driver` is `simulated`.
    pub simulated_panel: Option<PanelHandle>,
    /// Changed `[shop]` settings.
    pub shop_updates: mpsc::UnboundedReceiver<Settings>,
}

/// Error that prevents the daemon from starting or ends it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message describes it")]
pub enum DaemonError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    ConsentText(#[from] ConsentTextError),
    #[error(transparent)]
    Vision(#[from] VisionError),
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    #[error("cannot create the folder {path}: {source}; check the owner of its parent folder")]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot open the admin socket {path}: {source}; check the owner of runtime_dir")]
    Socket { path: PathBuf, source: io::Error },
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    #[error("the {0} thread panicked; the log above contains the reason")]
    ThreadPanicked(&'static str),
}

/// Sources of events for the main loop.
struct Inputs {
    vision: mpsc::Receiver<VisionEvent>,
    button: mpsc::Receiver<ButtonEvent>,
    commands: mpsc::Receiver<ReceivedCommand>,
    /// Numbers of the messages of the outbox that the broker has acknowledged.
    delivered: mpsc::UnboundedReceiver<u64>,
    admin: mpsc::Receiver<PendingRequest>,
    /// Results of operations on the vault.
    stored: mpsc::UnboundedReceiver<StoreResponse>,
    /// Results of background tasks.
    results: mpsc::UnboundedReceiver<TaskResult>,
    shop: mpsc::UnboundedReceiver<Settings>,
    maintenance: tokio::time::Interval,
    /// Interval of the reports to the watchdog.
    heartbeat: tokio::time::Interval,
}

/// Result of a background task.
#[allow(clippy::large_enum_variant, reason = "few results wait at a time")]
enum TaskResult {
    /// Event for the controller.
    Event(Event),
    /// Result of a long-running admin request.
    Request(BackgroundResult),
}

/// Running daemon.
struct Daemon {
    controller: Controller,
    started: Instant,
    vault: Arc<Vault>,
    box_id: BoxId,
    publisher: Publisher,
    vision: VisionWorker,
    led: LedHandle,
    /// Button that `instored button` presses, if the panel is simulated.
    simulated_button: SimulatedButton,
    compaction: Compaction,
    store: StoreWorker,
    /// Number of operations on the vault whose result was not handled yet.
    pending_operations: usize,
    /// True from a command to its response. The next command waits meanwhile.
    is_command_in_progress: bool,
    /// Clients whose request the controller executes.
    clients: HashMap<ClientId, oneshot::Sender<AdminResult>>,
    last_client: u64,
    /// Sender for the results of background tasks.
    results: mpsc::UnboundedSender<TaskResult>,
    inputs: Inputs,
    watchdog: Watchdog,
    metrics: Metrics,
    admin_socket: AdminSocket,
    vision_thread: JoinHandle<()>,
    store_thread: JoinHandle<()>,
    mqtt_task: tokio::task::JoinHandle<()>,
    /// Stops the MQTT connection when it is dropped.
    stop_mqtt: oneshot::Sender<()>,
}

/// Runs the box until `shutdown` completes or a replay ends.
///
/// # Errors
/// Returns an error if a part cannot start, or if the vision thread or the store thread panics. Other
/// failures after the start are logged and retried.
pub async fn run(
    config: &Config,
    parts: Parts,
    shutdown: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let mut daemon = startup::start(config, parts).await?;
    let result = daemon.process_events(shutdown).await;
    daemon.stop().await;
    result
}

impl Daemon {
    /// Runs the main loop, which passes each event to the controller, one at a time.
    ///
    /// Returns when `shutdown` completes, a replay ends, or a thread panics.
    async fn process_events(
        &mut self,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), DaemonError> {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                event = self.inputs.vision.recv() => match event {
                    Some(VisionEvent::CameraEnded) | None => return Ok(()),
                    Some(VisionEvent::Crashed) => return Err(DaemonError::ThreadPanicked("vision")),
                    Some(event) => self.handle_vision_event(event),
                },
                response = self.inputs.stored.recv() => match response {
                    Some(response) => self.handle_stored(response),
                    None => return Err(DaemonError::ThreadPanicked("store")),
                },
                Some(event) = self.inputs.button.recv() => self.handle(Event::Button(event)),
                Some(command) = self.inputs.commands.recv(), if !self.is_command_in_progress => {
                    self.is_command_in_progress = true;
                    let ReceivedCommand { command, response_address: address } = command;
                    self.handle(Event::Command { command, address });
                }
                Some(number) = self.inputs.delivered.recv() => self.handle(Event::Delivered(number)),
                Some(request) = self.inputs.admin.recv() => self.handle_admin_request(request),
                Some(result) = self.inputs.results.recv() => match result {
                    TaskResult::Event(event) => self.handle(event),
                    TaskResult::Request(result) => self.complete_background_request(result),
                },
                Some(settings) = self.inputs.shop.recv() => {
                    self.handle(Event::SettingsChanged(settings));
                }
                _ = self.inputs.heartbeat.tick() => self.watchdog.report(SupervisedPart::MainLoop),
                _ = self.inputs.maintenance.tick() => {
                    self.compaction.continue_pending(&self.vault);
                    self.handle(Event::Tick);
                }
            }
        }
    }

    /// Passes an event to the controller and performs its effects.
    fn handle(&mut self, event: Event) {
        let readings = Readings {
            now: Zoned::now(),
            uptime: self.started.elapsed(),
            counters: Counters {
                embeddings: self.vision.embedding_count(),
                faces: self.vision.face_count(),
                rejected_commands: self.publisher.statistics().rejected_commands,
            },
        };
        let effects = self.controller.handle(event, readings);
        self.perform(effects);
    }

    fn handle_stored(&mut self, response: StoreResponse) {
        self.pending_operations -= 1;
        self.handle(Event::Stored(response));
    }

    fn handle_vision_event(&mut self, event: VisionEvent) {
        match event {
            VisionEvent::Recognition(event, delivered) => {
                self.metrics.count_decision(&event);
                let delivered = delivered.saturating_duration_since(self.started);
                self.handle(Event::Recognition { event, delivered });
            }
            VisionEvent::CameraStateChanged(state) => self.handle(Event::CameraStateChanged(state)),
            VisionEvent::FaceInViewChanged(has_face) => {
                self.handle(Event::FaceInViewChanged(has_face));
            }
            VisionEvent::PresentCustomersChanged(customers) => {
                self.handle(Event::PresentCustomersChanged(customers));
            }
            // The main loop ends after these events.
            VisionEvent::CameraEnded | VisionEvent::Crashed => {}
        }
    }

    /// Executes the waiting operations on the vault, publishes the last state and stops all parts,
    /// within [`SHUTDOWN_TIMEOUT`].
    async fn stop(mut self) {
        let embeddings = self.vision.embedding_count();
        tracing::info!(
            enrolment = embeddings.enrolment,
            recognition = embeddings.recognition,
            "stopping; embeddings computed since the start, by purpose"
        );
        systemd::notify(NotifyState::Stopping);
        let deadline = Instant::now() + SHUTDOWN_TIMEOUT;
        self.vision.stop();
        // The vision thread may wait for a place in the queue.
        self.inputs.vision.close();
        let operations_deadline = deadline - SHUTDOWN_TIMEOUT / 2;
        if timeout_at(operations_deadline.into(), self.complete_operations()).await.is_err() {
            tracing::warn!("not all results of the vault were handled before the end");
        }
        self.handle(Event::Stopping);
        drop((self.admin_socket, self.stop_mqtt, self.store));
        let threads = [self.vision_thread, self.store_thread];
        let threads = tokio::task::spawn_blocking(|| threads.map(JoinHandle::join));
        let parts = async { tokio::join!(self.mqtt_task, threads) };
        if timeout_at(deadline.into(), parts).await.is_err() {
            tracing::warn!("not all parts have stopped within {SHUTDOWN_TIMEOUT:?}");
        }
    }

    /// Handles the results of the waiting operations on the vault.
    async fn complete_operations(&mut self) {
        while self.pending_operations > 0
            && let Some(response) = self.inputs.stored.recv().await
        {
            self.handle_stored(response);
        }
    }
}
