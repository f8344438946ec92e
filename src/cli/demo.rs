//! `instored demo`: the whole story without any hardware.

use std::net::SocketAddr;
use std::process::ExitCode;

use super::run::{runtime, stop_signal};
use crate::config::Config;
use crate::demo::{self, Options};

/// How to play it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Play it once, as fast as it goes, without the page; fail if anything is missing
    #[arg(long)]
    once: bool,
    /// Print every message of the bus as a line of JSON
    #[arg(long)]
    json: bool,
    /// Where the page is served [default: display.listen of the configuration]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

pub(super) fn run(arguments: &Arguments, mut config: Config) -> anyhow::Result<ExitCode> {
    if let Some(listen) = arguments.listen {
        config.display.listen = listen;
    }
    let options = Options { once: arguments.once, json: arguments.json };
    runtime()?.block_on(async {
        demo::run(options, config, stop_signal()?).await?;
        Ok(ExitCode::SUCCESS)
    })
}
