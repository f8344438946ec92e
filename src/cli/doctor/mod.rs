//! `instored doctor`: checks of the installation, each with a remedy if it fails.

mod access;
mod camera;
mod exposure;
mod machine;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use instored_controller::retention_status_text;
use instored_domain::RetentionStatus;
use instored_mqtt::Statistics;
use instored_recognition::Recogniser;
use instored_setup::Layout;
use instored_vault::Vault;
use serde::Serialize;

use super::vault_client::{self, UNEXPECTED_RESPONSE};
use super::{broker_probe, exit};
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
    /// Folder below which `instored setup` wrote its files
    #[arg(long, value_name = "FOLDER", hide = true)]
    prefix: Option<PathBuf>,
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
    /// True if something should be changed, although the box works.
    #[serde(rename = "warning", skip_serializing_if = "std::ops::Not::not")]
    is_warning: bool,
    /// Observation, with the remedy if something has to be fixed.
    #[serde(rename = "says")]
    message: String,
}

/// Result of a check that did not fail.
enum Assessment {
    /// Nothing has to be changed.
    Good(String),
    /// The box works, but something should be changed.
    Warning(String),
}

/// Maximum time for the connection to the broker.
const BROKER_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum age of a message in the daemon's send queue, in seconds.
const QUEUED_SECONDS_MAX: u64 = 60;

/// Runs all checks, and prints one line for each.
pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let is_running = send_admin_request(&config.socket_path(), &Request::Customers)
        .is_ok_and(|response| response.is_some());
    let layout = Layout::new(arguments.prefix.clone());
    let broker = finding("broker", broker(config, &layout, is_running));
    let access = access::check(config, &layout, broker.is_good);
    let findings = [
        finding("models", models(config)),
        finding("vault", vault(config)),
        finding("retention", retention(config)),
        finding("camera", camera(config, is_running)),
        finding("panel", instored_panel::check(&config.panel, is_running).map_err(Into::into)),
        broker,
        assessed_finding("access", access),
        finding("disk", machine::disk(&config.state_dir)),
        finding("memory", machine::memory()),
        finding("clock", machine::clock(config.shop.trust_clock)),
        finding("power", machine::power()),
    ];
    if arguments.json {
        print_json(&findings)?;
    } else {
        for Finding { check, is_good, is_warning, message } in &findings {
            let verdict = match (is_good, is_warning) {
                (true, false) => "good",
                (true, true) => "warning",
                (false, _) => "fix this",
            };
            print_line(format_args!("{check:9} {verdict:8}  {message}"))?;
        }
    }
    Ok(exit::success_if(findings.iter().all(|finding| finding.is_good)))
}

/// Converts the result of a check.
fn finding(check: &'static str, result: anyhow::Result<String>) -> Finding {
    assessed_finding(check, result.map(Assessment::Good))
}

/// Converts the result of a check that may warn.
fn assessed_finding(check: &'static str, result: anyhow::Result<Assessment>) -> Finding {
    let (is_good, is_warning, message) = match result {
        Ok(Assessment::Good(message)) => (true, false, message),
        Ok(Assessment::Warning(message)) => (true, true, message),
        Err(error) => (false, false, error_text(&error)),
    };
    Finding { check, is_good, is_warning, message }
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
fn broker(config: &Config, layout: &Layout, is_running: bool) -> anyhow::Result<String> {
    let address = format!("{}:{}", config.mqtt.host, config.mqtt.port);
    let settings = access::broker_settings(config, layout, is_running)?;
    let is_connected = broker_probe::connects(&settings, &config.box_name, BROKER_TIMEOUT)?;
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
