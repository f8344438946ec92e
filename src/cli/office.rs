//! The way to the vault: through the running daemon, else by its own hand.

use anyhow::{Context, bail};
use instored_vault::{Actor, AuditContext, Vault};
use jiff::Timestamp;

use crate::config::Config;
use crate::daemon::admin_api::{self, Request, Response};
use crate::daemon::{open_vault, send_admin_request};

/// Carries out a request, in the daemon if one runs.
///
/// # Errors
/// When it is refused, or neither daemon nor vault can be reached.
pub(super) fn ask(config: &Config, request: Request) -> anyhow::Result<Response> {
    let socket = config.socket_path();
    let answer = send_admin_request(&socket, &request).with_context(|| {
        format!("the daemon at {} does not answer; are you its user, or root?", socket.display())
    })?;
    match answer {
        Some(answer) => Ok(answer?),
        None => {
            let act = AuditContext { at: Timestamp::now(), actor: Actor::Operator };
            Ok(admin_api::execute(&existing_vault(config)?, request, act, config.shop.currency)?)
        }
    }
}

/// The vault that a daemon made before.
///
/// # Errors
/// When there is none, or it cannot be opened.
pub(super) fn existing_vault(config: &Config) -> anyhow::Result<Vault> {
    let path = config.vault_path();
    if !path.try_exists().unwrap_or(true) {
        bail!(
            "there is no vault at {}: `instored run` makes it; is state_dir right?",
            path.display()
        );
    }
    Ok(open_vault(config)?)
}
