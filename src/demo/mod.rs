//! The demonstration: the main job from a press to a greeting, with everything real but camera and
//! button, told in plain words and shown on a page.

mod fixtures;
mod harness;
mod output;
mod scenario;

use std::time::Duration;

use instored_camera::Pacing;
use instored_mqtt::Trust;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::config::Config;
use crate::daemon::display_bridge::{self, DisplayBridgeError};
use harness::Harness;
use output::Output;
use scenario::{Scenario, ScenarioError};

/// How the demonstration is played.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// As fast as it can be, once, without the page.
    pub once: bool,
    /// Prints every message of the bus as a line of JSON instead of words.
    pub json: bool,
}

/// How long a greeting may be read when somebody watches, and when nobody does.
const READING: Duration = Duration::from_secs(8);
const GLANCE: Duration = Duration::from_secs(1);

/// Plays the story. With a page, it stays open until `stop`.
///
/// # Errors
/// When something cannot start, or the story does not end as it must.
pub async fn run(
    options: Options,
    config: Config,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let narrator = if options.json { Output::Json } else { Output::Words };
    if options.once {
        let mut theatre = Harness::open(config, Pacing::Unlimited).await?;
        let mut story = Scenario { theatre: &mut theatre, narrator, reading: GLANCE };
        let told = tokio::select! {
            told = story.tell() => told,
            () = stop => Ok(()),
        };
        theatre.close().await?;
        return Ok(told?);
    }

    let listener = instored_display::bind(&config.display).await?;
    let address = listener.local_addr()?;
    let mut theatre = Harness::open(config, Pacing::RealTime).await?;
    let page = Page::open(listener, &theatre.config);
    narrator.say(format_args!("Watch it on http://{address}/ and end it with Ctrl-C."));
    narrator.say(format_args!(
        "Listen with: mosquitto_sub -V 5 -p {} -t 'instored/#' -v",
        theatre.config.mqtt.port
    ));
    let mut story = Scenario { theatre: &mut theatre, narrator, reading: READING };
    let played = async {
        story.tell().await?;
        story.encore().await?;
        std::future::pending().await
    };
    let told: Result<(), ScenarioError> = tokio::select! {
        told = played => told,
        () = stop => Ok(()),
    };
    page.close().await?;
    theatre.close().await?;
    Ok(told?)
}

/// The page, served beside the story.
struct Page {
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<Result<(), DisplayBridgeError>>,
}

impl Page {
    fn open(listener: TcpListener, config: &Config) -> Self {
        let (stop, stopped) = oneshot::channel();
        let config = config.clone();
        let server = tokio::spawn(async move {
            let Config { display, mqtt, box_name, .. } = &config;
            let shutdown = async {
                let _ = stopped.await;
            };
            display_bridge::serve(listener, display, mqtt, box_name, Trust::FirstUse, shutdown)
                .await
        });
        Self { stop, server }
    }

    async fn close(self) -> anyhow::Result<()> {
        let _ = self.stop.send(());
        Ok(self.server.await??)
    }
}
