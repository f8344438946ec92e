//! The page's HTTP server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{Stream, StreamExt as _};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_stream::wrappers::WatchStream;

use super::board::Board;
use super::{DisplayError, Settings, Shown, receipt};

/// How long open pages may take to close.
const CLOSING: Duration = Duration::from_secs(2);
/// The clock may be set while we sleep: look again at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// Only what this server sends, and text never becomes markup or script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

#[derive(Clone)]
struct Page {
    title: Arc<str>,
    board: watch::Receiver<Board>,
}

/// Serves the page until `shutdown` is there, showing what comes in through `shown`. Open pages
/// are closed then, within two seconds.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    listener: TcpListener,
    settings: &Settings,
    shown: mpsc::Receiver<Shown>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), DisplayError> {
    let (board, watched) = watch::channel(Board::default());
    let page = Page { title: settings.title.as_str().into(), board: watched };
    let (stop, stopped) = watch::channel(());
    let mut closing = stopped.clone();
    let server = axum::serve(listener, router(page)).with_graceful_shutdown(async move {
        // Fails when `stop` is dropped, which is the signal.
        let _ = closing.changed().await;
    });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        // The board ends with this function; then the pages' streams end, and the server can.
        () = keep(board, shown) => {}
        ended = &mut server => return Ok(ended.map_err(std::io::Error::other)??),
        () = shutdown => {}
    }
    drop(stop);
    match tokio::time::timeout(CLOSING, &mut server).await {
        Ok(ended) => Ok(ended.map_err(std::io::Error::other)??),
        Err(_) => {
            server.abort();
            Ok(())
        }
    }
}

/// Keeps the board up to date for ever.
async fn keep(board: watch::Sender<Board>, mut shown: mpsc::Receiver<Shown>) {
    let mut open = true;
    loop {
        let expiry = board.borrow().next_expiry();
        let expired = async {
            match expiry.map(|at| Duration::try_from(at.duration_since(Timestamp::now()))) {
                Some(Ok(rest)) => sleep(rest.min(LONGEST_SLEEP)).await,
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            next = shown.recv(), if open => match next {
                Some(shown) => board.send_modify(|board| board.apply(shown, Timestamp::now())),
                // Whoever told us is gone; what is shown expires by itself.
                None => {
                    open = false;
                    board.send_modify(|board| board.apply(Shown::Link(false), Timestamp::now()));
                }
            },
            () = expired => {
                let now = Timestamp::now();
                board.send_if_modified(|board| {
                    let due = board.next_expiry().is_some_and(|at| at <= now);
                    board.forget_expired(now);
                    due
                });
            }
        }
    }
}

fn router(page: Page) -> Router {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(CONTENT_TYPE, kind)], text) })
    };
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page/index.html")))
        .route("/style.css", file("text/css; charset=utf-8", include_str!("page/style.css")))
        .route("/app.js", file("text/javascript; charset=utf-8", include_str!("page/app.js")))
        .route("/icon.svg", file("image/svg+xml", include_str!("page/icon.svg")))
        .route("/receipt/{code}", get(receipt::draw))
        .route("/events", get(events))
        .with_state(page)
        .layer(middleware::from_fn(guard))
}

/// Refuses requests that were meant for another host, and dresses every response.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = if addressed_to_loopback(request.headers()) {
        next.run(request).await
    } else {
        let refusal = "This page is for the screen at this machine: open it as http://127.0.0.1";
        (StatusCode::FORBIDDEN, refusal).into_response()
    };
    response.headers_mut().extend(HEADERS);
    response
}

fn addressed_to_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.is_some_and(|host| matches!(host.host(), "localhost" | "127.0.0.1" | "[::1]"))
}

/// The situation now, and again with each change.
async fn events(State(page): State<Page>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let title = page.title;
    let events = WatchStream::new(page.board).filter_map(move |board| {
        let event = Event::default()
            .event("situation")
            .json_data(board.situation(&title, Timestamp::now()))
            .inspect_err(|error| tracing::error!("the situation is no JSON: {error}"));
        std::future::ready(event.ok().map(Ok))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}
