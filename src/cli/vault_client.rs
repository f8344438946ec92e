//! Access to the vault, through the daemon if it is running, and directly otherwise.

use anyhow::{Context, bail};
use instored_vault::{Actor, AuditContext, Vault};
use jiff::Timestamp;

use crate::config::Config;
use crate::daemon::admin_api::{self, Request, Response};
use crate::daemon::{open_vault, send_admin_request};

/// Error for a response of the wrong kind. The daemon and the command line are one program, so the
/// only cause is a difference in version.
pub(super) const UNEXPECTED_RESPONSE: &str =
    "the daemon sent an unexpected response because it runs another version: restart it";

/// Executes a request, in the daemon if it is running.
///
/// # Errors
/// Returns an error if the request fails, or if the daemon or the vault cannot be reached.
pub(super) fn send(config: &Config, request: Request) -> anyhow::Result<Response> {
    let socket = config.socket_path();
    let response = send_admin_request(&socket, &request).with_context(|| {
        format!(
            "the daemon at {} does not respond: run this command as its user or as root",
            socket.display()
        )
    })?;
    match response {
        Some(response) => Ok(response?),
        None => {
            let vault = existing_vault(config)?;
            let (context, currency) = (operator_context(), config.shop.currency);
            Ok(admin_api::execute(&vault, &config.box_name, request, context, currency)?)
        }
    }
}

/// Opens the vault that a daemon created before.
///
/// # Errors
/// Returns an error if the vault does not exist or cannot be opened.
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
