//! `instored display`: web page of the customer display.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use instored_domain::BoxId;
use instored_mqtt::{PublicKey, Trust, TrustStore};

use super::run::{runtime, stop_signal};
use crate::config::Config;
use crate::daemon::display_bridge;

/// Arguments of the display.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Address of the web page [default: display.listen of the configuration]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Box whose customers are shown [default: box_name of the configuration]
    #[arg(long = "box", value_name = "NAME")]
    box_id: Option<BoxId>,
    /// Public key of the box, as `instored keys show` prints it [default: display.box_key of the
    /// configuration, else the first key that the box publishes]
    #[arg(long, value_name = "KEY")]
    key: Option<PublicKey>,
}

/// Runs `instored display`.
pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    super::memory::lock();
    let mut settings = config.display.clone();
    settings.listen = arguments.listen.unwrap_or(settings.listen);
    let box_id = arguments.box_id.as_ref().unwrap_or(&config.box_name);
    let configured = config.display.box_key.as_deref().map(str::parse::<PublicKey>).transpose();
    let configured = configured.context("[display] box_key")?;
    let trust = arguments.key.or(configured).map_or(Trust::FirstUse, Trust::Pinned);
    let trust = match &config.display.trust_file {
        Some(path) => TrustStore::load(trust, path)?,
        None => TrustStore::from(trust),
    };
    runtime()?.block_on(async {
        let listener = instored_display::bind(&settings).await?;
        tracing::info!("the page of `{box_id}` is at http://{}/", listener.local_addr()?);
        display_bridge::serve(listener, &settings, &config.mqtt, box_id, trust, stop_signal()?)
            .await?;
        Ok(ExitCode::SUCCESS)
    })
}
