//! Attempts to connect to the broker.

use std::time::Duration;

use instored_domain::BoxId;
use instored_mqtt::{BoxEvent, Settings, Trust};
use tracing::subscriber::NoSubscriber;

use super::run::runtime;

/// Maximum time for a connection without an account.
const ANONYMOUS_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns true if the broker accepts a connection with these settings within `timeout`. Failed attempts are
/// logged and repeated.
///
/// # Errors
/// A setting is invalid, or a file named by a setting cannot be read.
pub(super) fn connects(
    settings: &Settings,
    box_id: &BoxId,
    timeout: Duration,
) -> anyhow::Result<bool> {
    first_outcome(settings, box_id, timeout, |is_connected| is_connected)
}

/// Returns true if the broker accepts a connection without user name, password and certificate. Nothing is
/// logged.
///
/// # Errors
/// A setting is invalid, or a file named by a setting cannot be read.
pub(super) fn accepts_anonymous(settings: &Settings, box_id: &BoxId) -> anyhow::Result<bool> {
    let anonymous = Settings {
        username: None,
        password_file: None,
        client_cert: None,
        client_key: None,
        ..settings.clone()
    };
    tracing::subscriber::with_default(NoSubscriber::default(), || {
        first_outcome(&anonymous, box_id, ANONYMOUS_TIMEOUT, |_| true)
    })
}

/// Connects until `is_final` accepts an outcome, at most for `timeout`. Returns true if it is a connection.
fn first_outcome(
    settings: &Settings,
    box_id: &BoxId,
    timeout: Duration,
    is_final: impl Fn(bool) -> bool,
) -> anyhow::Result<bool> {
    runtime()?.block_on(async {
        let (mut events, _client, connection) =
            instored_mqtt::subscribe(settings, Some(box_id), Trust::FirstUse)?;
        let outcome = async {
            while let Some(event) = events.recv().await {
                match event {
                    BoxEvent::BrokerConnection(is_connected) if is_final(is_connected) => {
                        return is_connected;
                    }
                    _ => {}
                }
            }
            false
        };
        Ok(tokio::select! {
            () = connection.run(std::future::pending()) => false,
            result = tokio::time::timeout(timeout, outcome) => result.unwrap_or(false),
        })
    })
}
