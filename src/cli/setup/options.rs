//! Values of the configuration that the set-up needs.

use anyhow::{bail, ensure};
use instored_setup::{AccessPolicy, Request};

use super::Arguments;
use crate::config::Config;

/// Returns the request for the set-up of this box.
///
/// # Errors
/// The configuration names another broker, or an account of its own.
pub(super) fn request(arguments: &Arguments, config: &Config) -> anyhow::Result<Request> {
    let mqtt = &config.mqtt;
    let broker_address = match mqtt.host.as_str() {
        "127.0.0.1" | "localhost" => "127.0.0.1",
        "::1" => "::1",
        host => bail!(
            "mqtt.host = {host:?} is not this machine, and `instored setup` sets up the broker of this machine: \
             remove the key, or give the box an account at your broker as docs/integration.md describes"
        ),
    };
    let keys = [
        ("tls", mqtt.tls),
        ("username", mqtt.username.is_some()),
        ("password_file", mqtt.password_file.is_some()),
        ("ca_file", mqtt.ca_file.is_some()),
        ("client_cert", mqtt.client_cert.is_some()),
        ("client_key", mqtt.client_key.is_some()),
    ];
    let set: Vec<_> = keys.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| key).collect();
    ensure!(
        set.is_empty(),
        "mqtt.{} is set: `instored setup` creates the account of the box; remove the key from the \
         configuration and the environment, and run `instored setup` again",
        set.join(", mqtt.")
    );
    Ok(Request {
        policy: access_policy(config),
        broker_address: broker_address.to_owned(),
        broker_port: mqtt.port,
        tls_port: arguments.tls_port,
        displays: arguments.displays.unwrap_or(1),
        tills: arguments.tills.unwrap_or(1),
        remote: arguments.remote.clone(),
        has_box_key: config.display.box_key.is_none(),
        box_key: None,
        has_page_token: config.display.token_file.is_none(),
    })
}

/// Returns the access policy of the configuration.
pub(in crate::cli) fn access_policy(config: &Config) -> AccessPolicy {
    AccessPolicy {
        box_id: config.box_name.clone(),
        home_assistant_prefix: config.mqtt.home_assistant_prefix.clone(),
        has_home_assistant_button: config.mqtt.home_assistant_button,
    }
}
