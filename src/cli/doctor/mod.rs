//! `instored doctor`: checks of the installation, each with a remedy if it fails.

mod camera;
mod exposure;
mod machine;

use std::process::ExitCode;
use std::time::Duration;

use instored_controller::retention_status_text;
use instored_domain::RetentionStatus;
use instored_mqtt::{BoxEvent, Statistics, Trust};
use instored_recognition::Recogniser;
use instored_vault::Vault;
use serde::Serialize;

use super::exit;
use super::run::runtime;
use super::vault_client::{self, UNEXPECTED_RESPONSE};
use crate::config::Config;
use crate::daemon::admin_api::{Request, Response};
use crate::daemon::send_admin_request;
use crate::output::{error_text, print_json, print_line};

/// Arguments of the checks.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Result of one check.
#[derive(Serialize)]
struct Finding {
    /// Name of the check.
    #[serde(rename = "what")]
    check: &'static str,
    /// True if nothing has to be fixed.
    #[serde(rename = "good")]
    is_good: bool,
    /// Observation, with the remedy if something has to be fixed.
    #[serde(rename = "says")]
    message: String,
}

/// Maximum time for the connection to the broker.
const BROKER_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum age of a message in the daemon's send queue, in seconds.
const QUEUED_SECONDS_MAX: u64 = 60;

/// Runs all checks, and prints one line for each.
pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let is_running = send_admin_request(&config.socket_path(), &Request::Customers)
        .is_ok_and(|response| response.is_some());
    let findings = [
        finding("models", models(config)),
        finding("vault", vault(config)),
        finding("retention", retention(config)),
        finding("camera", camera(config, is_running)),
        finding("panel", instored_panel::check(&config.panel, is_running).map_err(Into::into)),
        finding("broker", broker(config)),
        finding("disk", machine::disk(&config.state_dir)),
        finding("memory", machine::memory()),
        finding("clock", machine::clock(config.shop.trust_clock)),
        finding("power", machine::power()),
    ];
    if arguments.json {
        print_json(&findings)?;
    } else {
        for Finding { check, is_good, message } in &findings {
            let verdict = if *is_good { "good" } else { "fix this" };
            print_line(format_args!("{check:9} {verdict:8}  {message}"))?;
        }
    }
    Ok(exit::success_if(findings.iter().all(|finding| finding.is_good)))
}

/// Converts the result of a check.
fn finding(check: &'static str, result: anyhow::Result<String>) -> Finding {
    match result {
        Ok(message) => Finding { check, is_good: true, message },
        Err(error) => Finding { check, is_good: false, message: error_text(&error) },
    }
}

/// Loads the models.
fn models(config: &Config) -> anyhow::Result<String> {
    let recogniser = Recogniser::new(&config.vision, &config.recognition)?;
    Ok(format!("{} is loaded", recogniser.model()))
}

/// Reads the customers in the vault.
fn vault(config: &Config) -> anyhow::Result<String> {
    if !Vault::exists(&config.vault_path()) {
        return Ok(format!(
            "not created yet; `instored run` creates {}",
            config.vault_path().display()
        ));
    }
    let response = vault_client::send(config, Request::Customers)?;
    let Response::Customers { customers, rejected } = response else {
        anyhow::bail!(UNEXPECTED_RESPONSE);
    };
    anyhow::ensure!(rejected.is_empty(), "{}", rejected.join("; "));
    Ok(format!("{} customers", customers.len()))
}

/// Reports the deletion of inactive customers by the running daemon.
fn retention(config: &Config) -> anyhow::Result<String> {
    match send_admin_request(&config.socket_path(), &Request::Retention)? {
        Some(Ok(Response::Retention { status: RetentionStatus::TooManyDue, .. })) => {
            anyhow::bail!(retention_status_text(RetentionStatus::TooManyDue))
        }
        Some(Ok(Response::Retention { status, due })) => {
            Ok(format!("{}; {due} customers are marked", retention_status_text(status)))
        }
        Some(_) => anyhow::bail!(UNEXPECTED_RESPONSE),
        None => Ok("the daemon is not running".to_owned()),
    }
}

/// Checks the camera, unless the daemon uses it.
fn camera(config: &Config, is_running: bool) -> anyhow::Result<String> {
    if is_running {
        return Ok("in use by the running daemon, which publishes its state".to_owned());
    }
    camera::check(config)
}

/// Connects to the broker.
fn broker(config: &Config) -> anyhow::Result<String> {
    let address = format!("{}:{}", config.mqtt.host, config.mqtt.port);
    let is_connected = runtime()?.block_on(async {
        let (mut events, _client, connection) =
            instored_mqtt::subscribe(&config.mqtt, Some(&config.box_name), Trust::FirstUse)?;
        let connected = async {
            while !matches!(events.recv().await, Some(BoxEvent::BrokerConnection(true)) | None) {}
        };
        let is_connected = tokio::select! {
            () = connection.run(std::future::pending()) => false,
            result = tokio::time::timeout(BROKER_TIMEOUT, connected) => result.is_ok(),
        };
        anyhow::Ok(is_connected)
    })?;
    anyhow::ensure!(
        is_connected,
        "no connection to {address} within {} seconds; the log above contains the reason: start the \
         broker, or correct host, port, username and tls in [mqtt]",
        BROKER_TIMEOUT.as_secs()
    );
    let statistics = send_admin_request(&config.socket_path(), &Request::MqttStatistics);
    // Without a running daemon, or with one of another version, there are no statistics.
    match statistics {
        Ok(Some(Ok(Response::MqttStatistics(statistics)))) => send_queue(&address, &statistics),
        _ => Ok(format!("connected to {address}")),
    }
}

/// Checks the age of the oldest message of the daemon that the broker has not acknowledged.
fn send_queue(address: &str, statistics: &Statistics) -> anyhow::Result<String> {
    let Statistics { queued, oldest_queued_seconds: seconds, .. } = statistics;
    anyhow::ensure!(
        *seconds <= QUEUED_SECONDS_MAX,
        "connected to {address}, but messages of the daemon have waited for {seconds} s \
         (number: {queued}): search the daemon's log for \"MQTT broker\" to find the cause"
    );
    Ok(format!(
        "connected to {address}; the oldest unacknowledged message has waited for {seconds} s"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broker_check_fails_if_message_waits_over_a_minute() {
        let finding = |oldest_queued_seconds| {
            send_queue(
                "broker:1883",
                &Statistics { oldest_queued_seconds, ..Statistics::default() },
            )
        };
        assert!(finding(60).unwrap().contains("60 s"));
        let error = finding(61).unwrap_err().to_string();
        assert!(error.contains("61 s") && error.contains("log"), "{error}");
    }
}
