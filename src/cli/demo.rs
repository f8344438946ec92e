//! `instored demo`: the whole system without any hardware.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::run::{runtime, stop_signal};
use crate::config::Config;
use crate::demo::{self, Options};
use crate::output;

/// Arguments of the demo.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Run once at full speed, without the web page, and fail if an expected event is missing
    #[arg(long)]
    once: bool,
    /// Print every MQTT message as one line of JSON
    #[arg(long)]
    json: bool,
    /// Address of the web page [default: display.listen of the configuration]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// Runs `instored demo`.
pub(super) fn run(arguments: &Arguments, mut config: Config) -> anyhow::Result<ExitCode> {
    if let Some(listen) = arguments.listen {
        config.display.listen = listen;
    }
    let options = Options { is_single_run: arguments.once, is_json: arguments.json };
    runtime()?.block_on(async {
        let stop_signal = stop_signal()?;
        let stop = async {
            tokio::select! {
                () = stop_signal => {}
                () = output::closed() => {}
            }
        };
        demo::run(options, config, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}
