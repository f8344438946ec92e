//! The daemon: starts all parts of the box, runs the main loop, and stops them.
//!
//! | module | content |
//! |---|---|
//! | `startup` | opens vault, gallery and connections |
//! | `controller`, `visits`, `enrolment_flow`, `commands`, `purchases`, `admin_requests`, `outbox`, `maintenance` | state of the box and its event handlers |
//! | `capture_thread`, `vision_worker`, `frame_slot` | threads of camera and recognition |
//! | `panel_threads`, `simulated_button` | threads of button and status LED |
//! | `admin_api`, `admin_socket` | requests of the command line |
//! | `daily_visits`, `recommendations`, `retention`, `compaction` | data that the controller keeps |
//! | `clock` | confirmation of the system clock |
//! | `metrics`, `systemd` | monitoring |
//! | `display_bridge` | display server of `instored display` |
//!
//! Threads: `capture` reads the camera, `vision` processes the newest frame, `button` and `led`
//! drive the panel, `compaction` and `training` run when needed. Everything else is tokio.
//!
//! Rules:
//! 1. Only the main loop changes the controller, one event at a time.
//! 2. A failure after the start is logged and retried; only a panic of the vision thread ends the
//!    daemon.
//! 3. No log line at the level info or above contains a customer's id, name or purchase. Errors about
//!    a damaged or missing record are the exception: they contain the id of its customer.

pub mod admin_api;
mod admin_requests;
mod admin_socket;
mod capture_thread;
pub mod clock;
mod commands;
mod compaction;
mod controller;
mod daily_visits;
pub mod display_bridge;
mod enrolment_flow;
mod frame_slot;
mod maintenance;
mod metrics;
mod outbox;
mod panel_threads;
mod purchases;
mod recommendations;
pub mod retention;
mod simulated_button;
mod startup;
mod systemd;
mod vision_worker;
mod visits;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use instored_domain::Currency;
use instored_mqtt::{MqttError, ReceivedCommand};
use instored_panel::{ButtonEvent, Panel};
use instored_simulation::panel::PanelHandle;
use instored_vault::{Actor, VaultError};
use instored_vision::VisionError;
use sd_notify::NotifyState;
use tokio::sync::{mpsc, oneshot};
use tokio::task::block_in_place;

pub use admin_socket::send_admin_request;
pub use capture_thread::OpenCamera;
pub use frame_slot::Delivery;
pub use startup::open_vault;

use crate::config::{Config, Shop};
use admin_api::{Request, Response};
use admin_socket::{AdminResult, AdminSocket, PendingRequest};
use commands::audit_context;
use controller::Controller;
use metrics::Metrics;
use systemd::{SupervisedPart, Watchdog};
use vision_worker::VisionEvent;

/// Maximum time for the parts to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(1900);
/// Time between two runs of [`Controller::run_maintenance`].
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
    pub shop_updates: mpsc::UnboundedReceiver<Shop>,
}

/// Error that prevents the daemon from starting or ends it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message describes it")]
pub enum DaemonError {
    #[error(transparent)]
    Vault(#[from] VaultError),
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
    vision: mpsc::UnboundedReceiver<VisionEvent>,
    button: mpsc::UnboundedReceiver<ButtonEvent>,
    commands: mpsc::Receiver<ReceivedCommand>,
    /// Numbers of the messages of the outbox that the broker has acknowledged.
    delivered: mpsc::UnboundedReceiver<u64>,
    admin: mpsc::Receiver<PendingRequest>,
    /// Results of long-running admin requests.
    background: mpsc::UnboundedReceiver<BackgroundResult>,
    shop: mpsc::UnboundedReceiver<Shop>,
    maintenance: tokio::time::Interval,
    /// Interval of the reports to the watchdog.
    heartbeat: tokio::time::Interval,
}

/// Result of a long-running admin request, with the sender that passes it to the client.
struct BackgroundResult {
    result: AdminResult,
    responder: oneshot::Sender<AdminResult>,
}

/// Running daemon.
struct Daemon {
    controller: Controller,
    inputs: Inputs,
    watchdog: Watchdog,
    metrics: Metrics,
    /// Currency of the configuration at the start.
    currency: Option<Currency>,
    background: mpsc::UnboundedSender<BackgroundResult>,
    admin_socket: AdminSocket,
    vision_thread: JoinHandle<()>,
    mqtt_task: tokio::task::JoinHandle<()>,
    /// Stops the MQTT connection when it is dropped.
    stop_mqtt: oneshot::Sender<()>,
}

/// Runs the box until `shutdown` completes or a replay ends.
///
/// # Errors
/// Returns an error if a part cannot start, or if the vision thread panics. Other failures after the
/// start are logged and retried.
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
    /// Runs the main loop, which passes each event to its handler, one at a time.
    ///
    /// Returns when `shutdown` completes, a replay ends, or the vision thread panics.
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
                Some(event) = self.inputs.button.recv() => {
                    block_in_place(|| self.controller.handle_button_event(event));
                }
                Some(command) = self.inputs.commands.recv() => self.handle_command(command),
                Some(number) = self.inputs.delivered.recv() => {
                    block_in_place(|| self.controller.remove_delivered(number));
                }
                Some(request) = self.inputs.admin.recv() => self.handle_admin_request(request),
                Some(result) = self.inputs.background.recv() => {
                    self.complete_background_request(result);
                }
                Some(shop) = self.inputs.shop.recv() => self.controller.reload(shop),
                _ = self.inputs.heartbeat.tick() => self.watchdog.report(SupervisedPart::MainLoop),
                _ = self.inputs.maintenance.tick() => {
                    block_in_place(|| self.controller.run_maintenance());
                }
            }
        }
    }

    fn handle_vision_event(&mut self, event: VisionEvent) {
        let delivered = match &event {
            VisionEvent::Recognition(recognised, delivered) => {
                self.metrics.count_decision(recognised);
                Some(*delivered)
            }
            _ => None,
        };
        block_in_place(|| self.controller.handle_vision_event(event));
        if let Some(delivered) = delivered {
            self.metrics.observe_event_latency(delivered);
        }
    }

    fn handle_command(&mut self, received: ReceivedCommand) {
        let ReceivedCommand { command, response_address } = received;
        let response =
            block_in_place(|| self.controller.handle_command(command, response_address.as_ref()));
        self.metrics.count_command(response.is_ok());
        if let (Some(response), Some(response_address)) = (response.transpose(), response_address) {
            self.controller.publisher.respond(response_address, &response);
        }
    }

    fn handle_admin_request(&mut self, pending: PendingRequest) {
        let PendingRequest { request, responder } = pending;
        if request.is_long_running() {
            self.start_background_request(request, responder);
        } else {
            let result = block_in_place(|| self.controller.handle_admin_request(request));
            // Fails if the client has disconnected.
            let _ = responder.send(result);
        }
    }

    /// Executes a long-running request on a separate thread.
    fn start_background_request(&self, request: Request, responder: oneshot::Sender<AdminResult>) {
        let vault = Arc::clone(&self.controller.vault);
        let box_id = self.controller.box_id.clone();
        let (results, currency) = (self.background.clone(), self.currency);
        tokio::task::spawn_blocking(move || {
            let context = audit_context(Actor::Operator);
            let result = admin_api::execute(&vault, &box_id, request, context, currency);
            // Fails if the daemon has stopped.
            let _ = results.send(BackgroundResult { result, responder });
        });
    }

    /// Sends the response to a long-running request. After a key rotation, events are signed with the
    /// new key.
    fn complete_background_request(&mut self, completed: BackgroundResult) {
        let BackgroundResult { result, responder } = completed;
        if let Ok(Response::Rotated(_)) = result {
            match startup::signer(&self.controller.vault) {
                Ok(signer) => self.controller.publisher.rotate_key(signer),
                Err(error) => tracing::error!(
                    "events are signed with the old key until a restart: cannot read the vault: \
                     {error}"
                ),
            }
        }
        if let Err(Ok(Response::BackedUp { file, .. })) = responder.send(result) {
            // The client has disconnected.
            if let Err(error) = std::fs::remove_file(&file) {
                tracing::warn!("cannot delete the abandoned backup {}: {error}", file.display());
            }
        }
    }

    /// Publishes the last state and stops all parts, within [`SHUTDOWN_TIMEOUT`].
    async fn stop(mut self) {
        let embeddings = self.controller.vision.embedding_count();
        tracing::info!(
            enrolment = embeddings.enrolment,
            recognition = embeddings.recognition,
            "stopping; embeddings computed since the start, by purpose"
        );
        self.controller.publish_state();
        systemd::notify(NotifyState::Stopping);
        drop(self.admin_socket);
        self.controller.vision.stop();
        drop(self.stop_mqtt);
        let vision_thread = self.vision_thread;
        let vision = tokio::task::spawn_blocking(move || vision_thread.join());
        let parts = async { tokio::join!(self.mqtt_task, vision) };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, parts).await.is_err() {
            tracing::warn!("not all parts have stopped within {SHUTDOWN_TIMEOUT:?}");
        }
    }
}
