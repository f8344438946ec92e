//! Commands that customers send from the page.
//!
//! The page can send only commands about a customer whom it shows, and the command that starts an
//! enrolment. A page of another site cannot send any: its browser sends the `Origin` header, and a form
//! cannot send JSON.
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

/// Command for the box, with the channel for its answer.
#[derive(Debug)]
pub struct CommandRequest {
    /// Command.
    pub command: Command,
    /// Channel for the answer of the box.
    pub answer: oneshot::Sender<Result<CommandResponse, CommandFailure>>,
}

/// Access of the command route to the display's state and to the box.
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

/// Permission that a command needs.
enum Permission {
    /// The customer is shown.
    ShownCustomer(CustomerId),
    /// Everyone at the display may send it.
    Everyone,
    /// The page may not send it.
    Nobody,
}

fn permission(command: &Command) -> Permission {
    match command {
        Command::Forget { customer }
        | Command::NotMe { customer }
        | Command::Rename { customer, .. }
        | Command::Preferences { customer, .. }
        | Command::History { customer, .. }
        | Command::List { buyer: BuyerRef::Customer(customer), .. } => {
            Permission::ShownCustomer(*customer)
        }
        Command::Enrol { is_another_person: false, .. } => Permission::Everyone,
        _ => Permission::Nobody,
    }
}

/// Sends the command in the request body to the box and returns its answer.
pub(super) async fn send_command(
    State(gateway): State<CommandGateway>,
    headers: HeaderMap,
    body: Result<Json<Command>, JsonRejection>,
) -> Response {
    if !has_same_origin(&headers) {
        let message = "the request comes from a page of another site";
        return refusal(StatusCode::FORBIDDEN, CommandFailureCode::Malformed, message);
    }
    let command = match body {
        Ok(Json(command)) => command,
        Err(error) => {
            return refusal(error.status(), CommandFailureCode::Malformed, &error.body_text());
        }
    };
    let is_allowed = match permission(&command) {
        Permission::ShownCustomer(customer) => {
            gateway.state.borrow().shows(customer, Timestamp::now())
        }
        Permission::Everyone => true,
        Permission::Nobody => false,
    };
    if !is_allowed {
        let message = "the page can send this command only about a customer whom it shows";
        return refusal(StatusCode::FORBIDDEN, CommandFailureCode::NotFound, message);
    }
    if let Command::NotMe { customer } | Command::Forget { customer } = &command {
        // Without this, the customer would be shown as long as they use the page.
        let _ = gateway.uses.try_send(PageUse::Ended(*customer));
    }
    let (sender, answer) = oneshot::channel();
    if gateway.commands.try_send(CommandRequest { command, answer: sender }).is_err() {
        let message = "too many commands at once; try again";
        return refusal(StatusCode::TOO_MANY_REQUESTS, CommandFailureCode::TooMany, message);
    }
    match answer.await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(CommandFailure { code, message })) => refusal(StatusCode::CONFLICT, code, &message),
        Err(_) => {
            let message = "the box did not answer";
            refusal(StatusCode::BAD_GATEWAY, CommandFailureCode::Internal, message)
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

/// Returns true if the request comes from this page, or from a program that is not a browser: only
/// browsers send `Origin`.
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

fn refusal(status: StatusCode, code: CommandFailureCode, message: &str) -> Response {
    (status, Json(json!({ "error": CommandFailure::new(code, message) }))).into_response()
}
