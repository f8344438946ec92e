//! `instored doctor`: is everything there, and what is to be mended?

mod camera;
mod machine;
mod picture;

use std::process::ExitCode;
use std::time::Duration;

use instored_mqtt::{BoxEvent, Trust};
use instored_recognition::Recogniser;
use serde::Serialize;

use super::run::runtime;
use super::{office, print_json};
use crate::config::Config;
use crate::daemon::admin_api::Request;
use crate::daemon::send_admin_request;

/// How to say it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    good: bool,
    /// What was found, or what to mend.
    says: String,
}

/// How long the broker may take to let us in.
const BROKER_PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<ExitCode> {
    let running =
        send_admin_request(&config.socket_path(), &Request::Customers).is_ok_and(|a| a.is_some());
    let held = || Ok("in use by the running daemon; its state says how it is".to_owned());
    let findings = [
        finding("models", models(config)),
        finding("vault", vault(config)),
        finding("camera", if running { held() } else { camera::look(config) }),
        finding("panel", instored_panel::check(&config.panel, running).map_err(Into::into)),
        finding("broker", broker(config)),
        finding("disk", machine::disk(&config.state_dir)),
        finding("memory", machine::memory()),
        finding("clock", machine::clock()),
        finding("power", machine::power()),
    ];
    if arguments.json {
        print_json(&findings)?;
    } else {
        for Finding { what, good, says } in &findings {
            println!("{what:8} {}  {says}", if *good { "good    " } else { "fix this" });
        }
    }
    Ok(ExitCode::from(u8::from(findings.iter().any(|f| !f.good))))
}

fn finding(what: &'static str, found: anyhow::Result<String>) -> Finding {
    match found {
        Ok(says) => Finding { what, good: true, says },
        Err(error) => Finding { what, good: false, says: format!("{error:#}") },
    }
}

fn models(config: &Config) -> anyhow::Result<String> {
    let recogniser = Recogniser::new(&config.vision, &config.recognition)?;
    Ok(format!("{} is loaded", recogniser.model()))
}

fn vault(config: &Config) -> anyhow::Result<String> {
    if !config.vault_path().try_exists()? {
        return Ok(format!("none yet; the first start makes {}", config.vault_path().display()));
    }
    let answer = office::ask(config, Request::Customers)?;
    let crate::daemon::admin_api::Response::Customers { customers, rejected } = answer else {
        anyhow::bail!(super::customers::UNEXPECTED);
    };
    anyhow::ensure!(rejected.is_empty(), "{}", rejected.join("; "));
    Ok(format!("{} customers", customers.len()))
}

fn broker(config: &Config) -> anyhow::Result<String> {
    let address = format!("{}:{}", config.mqtt.host, config.mqtt.port);
    let linked = runtime()?.block_on(async {
        let (mut heard, _caller, connection) =
            instored_mqtt::subscribe(&config.mqtt, Some(&config.box_name), Trust::FirstUse)?;
        let link = async {
            while !matches!(heard.recv().await, Some(BoxEvent::BrokerConnection(true)) | None) {}
        };
        let linked = tokio::select! {
            () = connection.run(std::future::pending()) => false,
            up = tokio::time::timeout(BROKER_PATIENCE, link) => up.is_ok(),
        };
        anyhow::Ok(linked)
    })?;
    anyhow::ensure!(
        linked,
        "no connection to {address} within {BROKER_PATIENCE:?}: does the broker run, and are [mqtt] \
         host, port, username and tls right? The log above says what it answered"
    );
    Ok(format!("{address} lets this box in"))
}
