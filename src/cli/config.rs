//! `instored config`: the configuration in force, and generated examples and references.

use std::process::ExitCode;

use instored_setup::{BrokerListeners, Layout, broker_configuration};

use super::setup::{BROKER_TLS_PORT, access_policy};
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
    /// Print the access rules that `instored setup` gives to the broker
    Acl,
    /// Print the configuration that `instored setup` gives to the broker, with access for other machines
    Broker,
}

/// Runs `instored config`.
pub(super) fn run(
    action: &Action,
    load: impl Fn() -> Result<Config, ConfigError>,
) -> anyhow::Result<ExitCode> {
    match action {
        Action::Show => print(load()?.to_toml()?)?,
        Action::Example => print(Config::example())?,
        Action::Reference => print(reference::markdown())?,
        Action::Acl => print(instored_setup::sample_access_rules(&access_policy(&load()?)))?,
        Action::Broker => {
            let config = load()?;
            let listeners = BrokerListeners {
                address: "127.0.0.1".to_owned(),
                port: config.mqtt.port,
                tls_port: Some(BROKER_TLS_PORT),
            };
            print(broker_configuration(&Layout::default(), &config.box_name, &listeners))?;
        }
        Action::Asyncapi => print_line(serde_json::to_string_pretty(&instored_mqtt::asyncapi())?)?,
    }
    Ok(ExitCode::SUCCESS)
}
