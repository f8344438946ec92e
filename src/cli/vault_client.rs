//! Access to the vault: through the running daemon, else directly.

use anyhow::{Context, bail};
use instored_vault::{Actor, AuditContext, Vault};
use jiff::Timestamp;

use crate::config::Config;
use crate::daemon::admin_api::{self, Request, Response};
use crate::daemon::{open_vault, send_admin_request};

/// Error for a response of the wrong kind. The daemon and the command line are one program, so only
/// two different versions cause it.
pub(super) const UNEXPECTED_RESPONSE: &str =
    "the daemon sent an unexpected response because it runs another version: restart it";

/// Carries out a request, in the daemon if one runs.
///
/// # Errors
/// If the request is rejected, or neither the daemon nor the vault can be reached.
pub(super) fn send(config: &Config, request: Request) -> anyhow::Result<Response> {
    let socket = config.socket_path();
    let response = send_admin_request(&socket, &request).with_context(|| {
        format!(
            "the daemon at {} does not answer: run this command as its user or as root",
            socket.display()
        )
    })?;
    match response {
        Some(response) => Ok(response?),
        None => {
            let vault = existing_vault(config)?;
            Ok(admin_api::execute(&vault, request, operator_context(), config.shop.currency)?)
        }
    }
}

/// Opens the vault that a daemon created before.
///
/// # Errors
/// If there is no vault, or it cannot be opened.
pub(super) fn existing_vault(config: &Config) -> anyhow::Result<Vault> {
    let path = config.vault_path();
    if !Vault::exists(&path) {
        bail!(
            "there is no vault at {}: check state_dir, or create a vault with `instored run`",
            path.display()
        );
    }
    Ok(open_vault(config)?)
}

/// Returns the audit context of a change that the operator makes now.
pub(super) fn operator_context() -> AuditContext {
    AuditContext { at: Timestamp::now(), actor: Actor::Operator }
}
