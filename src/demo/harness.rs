//! The box of the demonstration: the real daemon, broker and vault, with a played scene for a
//! camera and a button that the story presses.

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

/// Everything that the story plays with.
pub(super) struct Harness {
    /// Sends people in and out.
    pub director: SceneController,
    /// Presses the button.
    pub hand: PanelHandle,
    /// The box's configuration.
    pub config: Config,
    heard: mpsc::Receiver<BoxEvent>,
    caller: CommandClient,
    daemon: JoinHandle<Result<(), DaemonError>>,
    stop: Vec<oneshot::Sender<()>>,
    listener: JoinHandle<()>,
    // Dropped last: what the box kept goes with them.
    _broker: Broker,
    _state: TempDir,
}

/// What the scene looks like.
const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
const FPS: u32 = 10;
const SEED: u64 = 7;
/// A greeting stays on the page for as long as somebody may want to look at it.
const GREETING_SECONDS: u32 = 3600;
/// How long the box may take to come up.
const START: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(30);

impl Harness {
    /// Opens the theatre: a broker on a free port, a box in a folder of its own, and an ear on the
    /// bus. Models and recognition are those of `config`.
    pub async fn open(mut config: Config, pace: Pacing) -> anyhow::Result<Self> {
        let state = tempfile::Builder::new()
            .prefix("instored-demo-")
            .tempdir()
            .context("cannot make a folder for the demonstration")?;
        let broker = Broker::start()?;
        config.box_name = "demo".parse()?;
        config.state_dir = state.path().join("state");
        config.runtime_dir = state.path().join("run");
        config.shop.greeting_seconds = GREETING_SECONDS;
        config.mqtt.host = Ipv4Addr::LOCALHOST.to_string();
        config.mqtt.port = broker.port();
        config.mqtt.tls = false;

        let trust = Trust::FirstUse;
        let (heard, caller, connection) =
            instored_mqtt::subscribe(&config.mqtt, Some(&config.box_name), trust)?;
        let (stop_listener, listener_stops) = oneshot::channel();
        let listener = tokio::spawn(connection.run(ended(listener_stops)));

        let (stage, director) = SceneCamera::new(WIDTH, HEIGHT, FPS, pace, SEED);
        let (clock, delivery) = match pace {
            Pacing::RealTime => (panel::Clock::real(), Delivery::Newest),
            Pacing::Unlimited => (panel::Clock::stepped(), Delivery::EveryFrame),
        };
        let (panel, hand) = hardware::simulated_panel(clock);
        let parts = Parts {
            open_camera: only(stage),
            delivery,
            panel,
            simulated_panel: None,
            shop_updates: mpsc::unbounded_channel().1,
        };
        let (stop_daemon, daemon_stops) = oneshot::channel();
        let daemon = tokio::spawn({
            let config = config.clone();
            async move { daemon::run(&config, parts, ended(daemon_stops)).await }
        });
        let stop = vec![stop_daemon, stop_listener];
        let mut theatre = Self {
            director,
            hand,
            config,
            heard,
            caller,
            daemon,
            stop,
            listener,
            _broker: broker,
            _state: state,
        };
        theatre.wait_for_the_box().await?;
        Ok(theatre)
    }

    async fn wait_for_the_box(&mut self) -> anyhow::Result<()> {
        let streaming = async {
            while let Some(heard) = self.heard.recv().await {
                if matches!(&heard, BoxEvent::State(_, s) if s.camera == CameraState::Streaming) {
                    return true;
                }
            }
            false
        };
        tokio::select! {
            ended = &mut self.daemon => {
                ended.context("the daemon broke down")??;
                anyhow::bail!("the daemon ended before the story began")
            }
            up = tokio::time::timeout(START, streaming) => {
                anyhow::ensure!(up == Ok(true), "the box was not heard of within {START:?}");
                Ok(())
            }
        }
    }

    /// What is heard next, if anything is within `patience`.
    pub async fn heard_within(&mut self, patience: Duration) -> Option<BoxEvent> {
        tokio::time::timeout(patience, self.heard.recv()).await.ok().flatten()
    }

    /// Asks the box over the bus.
    pub async fn ask(&self, command: &Command) -> Result<CommandResponse, CommandError> {
        self.caller.send(&self.config.box_name, command, ANSWER).await
    }

    /// Asks the box as the shop's operator does.
    pub fn operator(&self, request: &Request) -> Result<Response, String> {
        daemon::send_admin_request(&self.config.socket_path(), request)
            .map_err(|e| e.to_string())?
            .ok_or_else(|| "the daemon does not run".to_owned())?
            .map_err(|refusal| refusal.to_string())
    }

    /// Ends the box, then the ear.
    pub async fn close(self) -> anyhow::Result<()> {
        for stop in self.stop {
            // What has ended already need not be stopped.
            let _ = stop.send(());
        }
        self.daemon.await.context("the daemon broke down")??;
        self.listener.await.context("the listener broke down")?;
        Ok(())
    }
}

async fn ended(stop: oneshot::Receiver<()>) {
    // A theatre that was dropped has ended too.
    let _ = stop.await;
}

/// A camera that can be opened once: a stage is never lost.
fn only(stage: SceneCamera) -> daemon::OpenCamera {
    let mut stage = Some(Box::new(stage) as Box<dyn Camera>);
    Box::new(move || stage.take().ok_or(CameraError::Ended))
}
