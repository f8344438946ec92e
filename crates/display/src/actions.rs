//! What customers do on the page: asked of the box on their behalf.
//!
//! The page may ask only what is a customer's own affair, and only about whoever is shown; the rest
//! of the box's commands are not reached from here. A page of another web site cannot ask at all:
//! its browser would have to say where the request comes from, and may not send JSON elsewhere.

use axum::Json;
use axum::extract::State;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use instored_domain::{Answer, Buyer, Command, CustomerId, Refusal, RefusalCode};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

use super::board::Board;

/// A customer's wish, with the place for the answer.
#[derive(Debug)]
pub struct Asked {
    /// What the box is to do.
    pub command: Command,
    /// What it says.
    pub answer: oneshot::Sender<Result<Answer, Refusal>>,
}

/// What wishes need: who is shown, and the way to the box.
#[derive(Clone)]
pub(super) struct Wishes {
    pub board: watch::Receiver<Board>,
    pub asks: mpsc::Sender<Asked>,
}

/// Longer than any wish. In bytes.
pub(super) const LONGEST: usize = 16 * 1024;

/// About whom a wish is.
enum About {
    /// Somebody who is shown.
    Guest(CustomerId),
    /// Whoever stands there and wants to enrol.
    Nobody,
    /// It is no wish of a customer.
    NotTheirs,
}

fn about(command: &Command) -> About {
    match command {
        Command::Forget { customer }
        | Command::NotMe { customer }
        | Command::Rename { customer, .. }
        | Command::Preferences { customer, .. }
        | Command::History { customer, .. }
        | Command::List { buyer: Buyer::Customer(customer), .. } => About::Guest(*customer),
        Command::Enrol { another_person: false, .. } => About::Nobody,
        _ => About::NotTheirs,
    }
}

/// Asks the box what the page's request says.
pub(super) async fn ask(
    State(wishes): State<Wishes>,
    headers: HeaderMap,
    body: Result<Json<Command>, axum::extract::rejection::JsonRejection>,
) -> Response {
    if !is_of_this_page(&headers) {
        return refused(StatusCode::FORBIDDEN, RefusalCode::Malformed, "asked by another page");
    }
    let command = match body {
        Ok(Json(command)) => command,
        Err(error) => return refused(error.status(), RefusalCode::Malformed, &error.body_text()),
    };
    let allowed = match about(&command) {
        About::Guest(customer) => wishes.board.borrow().shows(customer, Timestamp::now()),
        About::Nobody => true,
        About::NotTheirs => false,
    };
    if !allowed {
        let message = "this may be asked only about somebody who is shown";
        return refused(StatusCode::FORBIDDEN, RefusalCode::NotFound, message);
    }
    let (answer, told) = oneshot::channel();
    let asked = wishes.asks.try_send(Asked { command, answer }).is_ok();
    match told.await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(Refusal { code, message })) => refused(StatusCode::CONFLICT, code, &message),
        Err(_) if asked => {
            refused(StatusCode::BAD_GATEWAY, RefusalCode::Internal, "the box did not answer")
        }
        Err(_) => refused(StatusCode::TOO_MANY_REQUESTS, RefusalCode::TooMany, "too many at once"),
    }
}

/// A browser says where a request comes from that sends something; another program may not.
fn is_of_this_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let from = origin.to_str().unwrap_or_default().split_once("://").map(|(_, from)| from);
    from == Some(host)
}

fn refused(status: StatusCode, code: RefusalCode, message: &str) -> Response {
    (status, Json(json!({ "error": Refusal::new(code, message) }))).into_response()
}
