//! Demonstration: a scenario from the first press to greetings and a withdrawal.
//!
//! Only camera and button are simulated. Daemon, vault, MQTT broker and display are real.
//!
//! | module | content |
//! |---|---|
//! | `scenario` | steps of the demonstration and checks of their results |
//! | `harness` | daemon, broker and simulated entrance |
//! | `fixtures` | people, orders and products |
//! | `output` | text or JSON on standard output |

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

/// Options of the demonstration.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// True to run the scenario once at full speed, without the display.
    pub is_single_run: bool,
    /// True to print each MQTT message as a line of JSON, instead of sentences.
    pub is_json: bool,
}

/// Time for which a greeted person stays in view, if the display is shown.
const GREETING_DURATION: Duration = Duration::from_secs(8);
/// Time for which a greeted person stays in view, in a single run without the display.
const GREETING_DURATION_ONCE: Duration = Duration::from_secs(1);

/// Runs the scenario. Unless it is a single run, serves the display until `stop` completes.
///
/// # Errors
/// Returns an error if a part cannot start, or if a step has an unexpected result.
pub async fn run(
    options: Options,
    config: Config,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let output = if options.is_json { Output::Json } else { Output::Text };
    if options.is_single_run {
        run_once(config, output, stop).await
    } else {
        run_with_display(config, output, stop).await
    }
}

/// Runs the scenario at full speed.
async fn run_once(
    config: Config,
    output: Output,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut harness = Harness::start(config, Pacing::Unlimited).await?;
    let mut scenario =
        Scenario { harness: &mut harness, output, greeting_duration: GREETING_DURATION_ONCE };
    let result = tokio::select! {
        result = scenario.run() => result,
        () = stop => Ok(()),
    };
    harness.stop().await?;
    Ok(result?)
}

/// Runs the scenario in real time with the display.
async fn run_with_display(
    config: Config,
    output: Output,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let listener = instored_display::bind(&config.display).await?;
    let address = listener.local_addr()?;
    let mut harness = Harness::start(config, Pacing::RealTime).await?;
    let display = Display::start(listener, &harness.config);
    output.print_scene(format_args!("Open http://{address}/ in a browser. Press Ctrl-C to stop."));
    output.print_scene(format_args!(
        "Show the MQTT messages with: mosquitto_sub -V 5 -p {} -t 'instored/#' -v",
        harness.config.mqtt.port
    ));
    let mut scenario =
        Scenario { harness: &mut harness, output, greeting_duration: GREETING_DURATION };
    let steps = async {
        scenario.run().await?;
        scenario.show_last_visitor().await?;
        std::future::pending().await
    };
    let result: Result<(), ScenarioError> = tokio::select! {
        result = steps => result,
        () = stop => Ok(()),
    };
    display.stop().await?;
    harness.stop().await?;
    Ok(result?)
}

/// Running display server.
struct Display {
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<Result<(), DisplayBridgeError>>,
}

impl Display {
    /// Starts the server on `listener`.
    fn start(listener: TcpListener, config: &Config) -> Self {
        let (stop, stopped) = oneshot::channel();
        let config = config.clone();
        let server = tokio::spawn(async move {
            let Config { display, mqtt, box_name, .. } = &config;
            let shutdown = async {
                let _ = stopped.await;
            };
            display_bridge::serve(
                listener,
                display,
                mqtt,
                box_name,
                Trust::FirstUse.into(),
                shutdown,
            )
            .await
        });
        Self { stop, server }
    }

    /// Stops the server.
    async fn stop(self) -> anyhow::Result<()> {
        // Fails if the server has stopped already.
        let _ = self.stop.send(());
        Ok(self.server.await??)
    }
}
