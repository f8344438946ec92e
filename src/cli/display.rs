//! `instored display`: the page that people look at.

use std::net::SocketAddr;
use std::process::ExitCode;

use instored_domain::BoxId;
use instored_mqtt::{PublicKey, Trust};

use super::run::{runtime, stop_signal};
use crate::config::Config;
use crate::daemon::display_bridge;

/// What to show, and where.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where the page is served [default: display.listen of the configuration]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The box to show [default: box_name of the configuration]
    #[arg(long = "box", value_name = "NAME")]
    box_id: Option<BoxId>,
    /// The box's public key, as `instored keys show` prints it there; without it the first key that
    /// the box publishes is believed
    #[arg(long, value_name = "KEY")]
    key: Option<PublicKey>,
}

pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let mut settings = config.display.clone();
    settings.listen = arguments.listen.unwrap_or(settings.listen);
    let box_id = arguments.box_id.as_ref().unwrap_or(&config.box_name);
    let trust = arguments.key.map_or(Trust::FirstUse, Trust::Pinned);
    runtime()?.block_on(async {
        let listener = instored_display::bind(&settings).await?;
        tracing::info!("the page of `{box_id}` is at http://{}/", listener.local_addr()?);
        display_bridge::serve(listener, &settings, &config.mqtt, box_id, trust, stop_signal()?)
            .await?;
        Ok(ExitCode::SUCCESS)
    })
}
