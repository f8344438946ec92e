//! `instored config`: the configuration in force, and generated examples and references.

use std::process::ExitCode;

use crate::config::{Config, ConfigError, reference};
use crate::output::{print, print_line};

/// Actions on the configuration.
#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// Print the values in force, after the file and the environment variables
    Show,
    /// Print a commented configuration file with every key and its default
    Example,
    /// Print a reference of every key as Markdown (docs/configuration.md)
    Reference,
    /// Print the MQTT interface as an AsyncAPI 3 document with JSON Schemas
    Asyncapi,
}

/// Runs `instored config`; only `show` loads the configuration.
pub(super) fn run(
    action: &Action,
    load: impl Fn() -> Result<Config, ConfigError>,
) -> anyhow::Result<ExitCode> {
    match action {
        Action::Show => print(load()?.to_toml()?)?,
        Action::Example => print(Config::example())?,
        Action::Reference => print(reference::markdown())?,
        Action::Asyncapi => print_line(serde_json::to_string_pretty(&instored_mqtt::asyncapi())?)?,
    }
    Ok(ExitCode::SUCCESS)
}
