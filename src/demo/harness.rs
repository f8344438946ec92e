//! Box of the demonstration. Daemon, broker and vault are real. A rendered scene replaces the camera,
//! and the scenario presses a simulated button.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context;
use instored_camera::{Camera, CameraError, Pacing};
use instored_domain::{CameraState, Command, CommandResponse};
use instored_mqtt::{BoxEvent, Broker, CommandClient, CommandError, Trust};
use instored_simulation::panel::{self, PanelHandle};
use instored_simulation::{SceneCamera, SceneController};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};
use crate::daemon::{self, DaemonError, Delivery, Parts};
use crate::hardware;

/// Width of the scene in pixels.
const SCENE_WIDTH: u32 = 640;
/// Height of the scene in pixels.
const SCENE_HEIGHT: u32 = 480;
/// Frames per second of the scene.
const SCENE_FPS: u32 = 10;
/// Seed of the pseudo-random goods and movements in the scene.
const SCENE_SEED: u64 = 7;
/// Lifetime of a greeting in seconds, longer than the scenario.
const GREETING_SECONDS: u32 = 3600;
/// Maximum time for the box to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum time for a response to a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Running box with its simulated entrance.
pub(super) struct Harness {
    /// People in front of the camera.
    pub scene: SceneController,
    pub button: PanelHandle,
    pub config: Config,
    events: mpsc::Receiver<BoxEvent>,
    client: CommandClient,
    daemon: JoinHandle<Result<(), DaemonError>>,
    mqtt_task: JoinHandle<()>,
    /// Stops daemon and MQTT client, in this order.
    stop: [oneshot::Sender<()>; 2],
    // The daemon uses broker and folder, so they are dropped last.
    _broker: Broker,
    _folder: TempDir,
}

impl Harness {
    /// Starts a broker on a free port, a box in a temporary folder, and an MQTT client. `config`
    /// supplies the models and the recognition settings.
    pub async fn start(mut config: Config, pacing: Pacing) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("instored-demo-")
            .tempdir()
            .context("cannot create a temporary folder for the demonstration")?;
        let broker = Broker::start()?;
        config.box_name = "demo".parse()?;
        config.state_dir = folder.path().join("state");
        config.runtime_dir = folder.path().join("run");
        config.shop.greeting_seconds = GREETING_SECONDS;
        // The demonstration deletes nobody for inactivity, so it needs no warning about the clock.
        config.shop.trust_clock = true;
        config.mqtt.host = Ipv4Addr::LOCALHOST.to_string();
        config.mqtt.port = broker.port();
        config.mqtt.tls = false;

        let (events, client, connection) =
            instored_mqtt::subscribe(&config.mqtt, Some(&config.box_name), Trust::FirstUse)?;
        let (stop_client, client_stopped) = oneshot::channel();
        let mqtt_task = tokio::spawn(connection.run(completed(client_stopped)));

        let (camera, scene) =
            SceneCamera::new(SCENE_WIDTH, SCENE_HEIGHT, SCENE_FPS, pacing, SCENE_SEED);
        let (clock, delivery) = match pacing {
            Pacing::RealTime => (panel::Clock::real(), Delivery::Newest),
            Pacing::Unlimited => (panel::Clock::stepped(), Delivery::EveryFrame),
        };
        let (panel, button) = hardware::simulated_panel(clock);
        let parts = Parts {
            open_camera: open_once(camera),
            delivery,
            panel,
            simulated_panel: Some(button.clone()),
            shop_updates: mpsc::unbounded_channel().1,
        };
        let (stop_daemon, daemon_stopped) = oneshot::channel();
        let daemon = tokio::spawn({
            let config = config.clone();
            async move { daemon::run(&config, parts, completed(daemon_stopped)).await }
        });
        let mut harness = Self {
            scene,
            button,
            config,
            events,
            client,
            daemon,
            mqtt_task,
            stop: [stop_daemon, stop_client],
            _broker: broker,
            _folder: folder,
        };
        harness.wait_until_streaming().await?;
        Ok(harness)
    }

    /// Waits until the box publishes that its camera is streaming.
    async fn wait_until_streaming(&mut self) -> anyhow::Result<()> {
        let streaming = async {
            while let Some(event) = self.events.recv().await {
                if let BoxEvent::State(_, state) = &event
                    && state.camera == CameraState::Streaming
                {
                    return true;
                }
            }
            false
        };
        tokio::select! {
            ended = &mut self.daemon => {
                ended.context("the daemon panicked")??;
                anyhow::bail!("the daemon ended before the scenario started")
            }
            result = tokio::time::timeout(START_TIMEOUT, streaming) => {
                anyhow::ensure!(result == Ok(true), "the box has not started within {START_TIMEOUT:?}");
                Ok(())
            }
        }
    }

    /// Returns the next event of the box, or `None` if there is none within `timeout`.
    pub async fn next_event(&mut self, timeout: Duration) -> Option<BoxEvent> {
        tokio::time::timeout(timeout, self.events.recv()).await.ok().flatten()
    }

    /// Sends an MQTT command and returns the response.
    pub async fn send_command(&self, command: &Command) -> Result<CommandResponse, CommandError> {
        self.client.send(&self.config.box_name, command, COMMAND_TIMEOUT).await
    }

    /// Sends an admin request and returns the response.
    pub fn send_admin_request(&self, request: &Request) -> Result<Response, String> {
        daemon::send_admin_request(&self.config.socket_path(), request)
            .map_err(|error| error.to_string())?
            .ok_or_else(|| "no daemon is running".to_owned())?
            .map_err(|failure| failure.to_string())
    }

    /// Stops the daemon, then the MQTT client.
    pub async fn stop(self) -> anyhow::Result<()> {
        for stop in self.stop {
            // Fails if the part has stopped already.
            let _ = stop.send(());
        }
        self.daemon.await.context("the daemon panicked")??;
        self.mqtt_task.await.context("the MQTT client panicked")?;
        Ok(())
    }
}

/// Waits until the sender sends or is dropped.
async fn completed(stop: oneshot::Receiver<()>) {
    let _ = stop.await;
}

/// Returns a function that opens the camera once. A rendered scene is never reopened.
fn open_once(camera: SceneCamera) -> daemon::OpenCamera {
    let mut camera = Some(Box::new(camera) as Box<dyn Camera>);
    Box::new(move || camera.take().ok_or(CameraError::Ended))
}
