//! `instored config`: what is in force, and what there is to set.

use std::io::Write;
use std::process::ExitCode;

use crate::config::Config;

/// What to do.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Print what is in force, after file and environment
    Show,
    /// Print what is said over MQTT, and asked, as an AsyncAPI 3 document with JSON Schemas
    Asyncapi,
    /// Print a commented file with every key and its default
    Example,
}

pub(super) fn show(config: &Config) -> anyhow::Result<ExitCode> {
    print!("{}", config.to_toml()?);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn asyncapi() -> anyhow::Result<ExitCode> {
    let document = serde_json::to_string_pretty(&instored_mqtt::asyncapi())?;
    writeln!(std::io::stdout(), "{document}")?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn example() -> anyhow::Result<ExitCode> {
    print!("{}", Config::example());
    Ok(ExitCode::SUCCESS)
}
