//! Commands that customers send from the page.
//!
//! The page can send only commands about a customer whom it shows, and the commands that offer an
//! enrolment and agree to it. Pages of other sites cannot send commands. The server rejects a request whose
//! `Origin` header names another site; a browser adds this header. The server also rejects a body
//! without the content type of JSON, which a form cannot set.
//!
//! Behind a proxy, `Host` may be the address of this server. The `Origin` is then compared with
//! `X-Forwarded-Host`. A page of another site can set neither this header nor `Sec-Fetch-Site`: a browser
//! sends a request with an additional header only after a preflight request, which is rejected.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use instored_domain::{
    BuyerRef, Command, CommandFailure, CommandFailureCode, CommandResponse, CustomerId,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

use super::state::{DisplayState, PageUse};

/// Command for the box, with the channel for the response.
#[derive(Debug)]
pub struct CommandRequest {
    /// The command.
    pub command: Command,
    /// Channel for the response of the box.
    pub response_sender: oneshot::Sender<Result<CommandResponse, CommandFailure>>,
}

/// The display's state and the channel to the box, for the command route.
#[derive(Clone)]
pub(super) struct CommandGateway {
    pub state: watch::Receiver<DisplayState>,
    pub commands: mpsc::Sender<CommandRequest>,
    pub uses: mpsc::Sender<PageUse>,
}

/// Body of the request by which the page reports a touch.
#[derive(Deserialize)]
pub(super) struct Touch {
    customer: CustomerId,
}

/// Maximum size of a request body, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024;

/// Condition under which the page may send a command.
enum Permission {
    /// The page shows the customer.
    CustomerIsShown(CustomerId),
    /// No condition.
    Always,
    /// The page may not send the command.
    Never,
}

fn required_permission(command: &Command) -> Permission {
    match command {
        Command::Forget { customer, .. }
        | Command::NotMe { customer }
        | Command::Rename { customer, .. }
        | Command::Preferences { customer, .. }
        | Command::History { customer, .. }
        | Command::List { buyer: BuyerRef::Customer(customer), .. } => {
            Permission::CustomerIsShown(*customer)
        }
        // The box checks the code.
        Command::Enrol { .. } | Command::Agree { .. } => Permission::Always,
        _ => Permission::Never,
    }
}

/// Sends the command in the request body to the box and returns the response of the box.
pub(super) async fn send_command(
    State(gateway): State<CommandGateway>,
    headers: HeaderMap,
    body: Result<Json<Command>, JsonRejection>,
) -> Response {
    if !has_same_origin(&headers) {
        let message = "the request comes from a page of another site";
        return error_response(StatusCode::FORBIDDEN, CommandFailureCode::Malformed, message);
    }
    let command = match body {
        Ok(Json(command)) => command,
        Err(error) => {
            return error_response(
                error.status(),
                CommandFailureCode::Malformed,
                &error.body_text(),
            );
        }
    };
    let is_allowed = match required_permission(&command) {
        Permission::CustomerIsShown(customer) => {
            gateway.state.borrow().is_shown(customer, Timestamp::now())
        }
        Permission::Always => true,
        Permission::Never => false,
    };
    if !is_allowed {
        let message = "the page may not send this command, or does not show its customer";
        return error_response(StatusCode::FORBIDDEN, CommandFailureCode::NotFound, message);
    }
    if let Command::NotMe { customer } | Command::Forget { customer, .. } = &command {
        // Without this, the customer would be shown as long as they use the page.
        let _ = gateway.uses.try_send(PageUse::Ended(*customer));
    }
    let (response_sender, response) = oneshot::channel();
    if gateway.commands.try_send(CommandRequest { command, response_sender }).is_err() {
        let message = "too many commands at once; try again later";
        return error_response(StatusCode::TOO_MANY_REQUESTS, CommandFailureCode::TooMany, message);
    }
    match response.await {
        Ok(Ok(response)) => Json(response).into_response(),
        Ok(Err(CommandFailure { code, message })) => {
            error_response(StatusCode::CONFLICT, code, &message)
        }
        Err(_) => {
            let message = "the box did not respond";
            error_response(StatusCode::BAD_GATEWAY, CommandFailureCode::Internal, message)
        }
    }
}

/// Records that a customer uses the page.
pub(super) async fn record_touch(
    State(gateway): State<CommandGateway>,
    headers: HeaderMap,
    Json(Touch { customer }): Json<Touch>,
) -> StatusCode {
    if !has_same_origin(&headers) {
        return StatusCode::FORBIDDEN;
    }
    match gateway.uses.try_send(PageUse::Touched(customer)) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::TOO_MANY_REQUESTS,
    }
}

/// Returns true if the request comes from this page, or has no `Origin` header and therefore comes
/// from a program other than a browser.
fn has_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if header("sec-fetch-site") == Some("same-origin") {
        return true;
    }
    let origin = origin.to_str().unwrap_or_default().split_once("://").map(|(_, host)| host);
    // Each proxy of a chain appends its host; the first one is the browser's.
    let forwarded_host = header("x-forwarded-host").and_then(|hosts| hosts.split(',').next());
    let hosts = [header(HOST.as_str()), forwarded_host.map(str::trim)];
    origin.is_some() && hosts.contains(&origin)
}

fn error_response(status: StatusCode, code: CommandFailureCode, message: &str) -> Response {
    (status, Json(json!({ "error": CommandFailure::new(code, message) }))).into_response()
}
