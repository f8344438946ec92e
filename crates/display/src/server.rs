//! The page's HTTP server.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRef, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt as _};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_stream::wrappers::WatchStream;

use super::access::{self, Access};
use super::actions::{self, Asked, Wishes};
use super::board::{Board, Shop};
use super::languages::Languages;
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

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The page: where, of which kind, what.
pub(super) const FILES: [(&str, &str, &str); 16] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/style.css", STYLE, include_str!("page/style.css")),
    ("/guests.css", STYLE, include_str!("page/guests.css")),
    ("/sheet.css", STYLE, include_str!("page/sheet.css")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("/app.js", SCRIPT, include_str!("page/app.js")),
    ("/box.js", SCRIPT, include_str!("page/box.js")),
    ("/customer.js", SCRIPT, include_str!("page/customer.js")),
    ("/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/enrolment.js", SCRIPT, include_str!("page/enrolment.js")),
    ("/format.js", SCRIPT, include_str!("page/format.js")),
    ("/guests.js", SCRIPT, include_str!("page/guests.js")),
    ("/history.js", SCRIPT, include_str!("page/history.js")),
    ("/keyboard.js", SCRIPT, include_str!("page/keyboard.js")),
    ("/sheet.js", SCRIPT, include_str!("page/sheet.js")),
    ("/words.js", SCRIPT, include_str!("page/words.js")),
];

/// What the requests are answered from.
#[derive(Clone)]
pub(super) struct Page {
    shop: Arc<Shop>,
    languages: Arc<Languages>,
    wishes: Wishes,
}

impl FromRef<Page> for Wishes {
    fn from_ref(page: &Page) -> Self {
        page.wishes.clone()
    }
}

/// Serves the page until `shutdown` is there, showing what comes in through `shown` and asking
/// through `asks` what customers want done. Open pages are closed then, within two seconds.
///
/// # Errors
/// When a file that the settings name cannot be used, or the socket fails.
pub async fn serve(
    listener: TcpListener,
    settings: &Settings,
    shown: mpsc::Receiver<Shown>,
    asks: mpsc::Sender<Asked>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), DisplayError> {
    let (board, watched) = watch::channel(Board::default());
    let access = Access::of(settings.token_file.as_deref())?;
    let languages = Languages::load(settings.languages_dir.as_deref())?;
    let Settings { title, language, curtain, .. } = settings.clone();
    let page = Page {
        shop: Arc::new(Shop { title, language, curtain }),
        languages: Arc::new(languages),
        wishes: Wishes { board: watched, asks },
    };
    let (stop, stopped) = watch::channel(());
    let mut closing = stopped.clone();
    let server = axum::serve(listener, router(page, access)).with_graceful_shutdown(async move {
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

fn router(page: Page, access: Access) -> Router {
    let mut router = Router::new();
    for (path, kind, text) in FILES {
        router = router.route(path, get(move || async move { ([(CONTENT_TYPE, kind)], text) }));
    }
    router
        .route("/languages", get(choices))
        .route("/languages/{tag}", get(words))
        .route("/receipt/{code}", get(receipt::draw))
        .route("/events", get(events))
        .route("/ask", post(actions::ask).layer(DefaultBodyLimit::max(actions::LONGEST)))
        .with_state(page)
        .layer(middleware::from_fn_with_state(access, access::admit))
        .layer(middleware::from_fn(dress))
}

/// Dresses every response.
async fn dress(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().extend(HEADERS);
    response
}

async fn choices(State(page): State<Page>) -> Response {
    Json(page.languages.choices()).into_response()
}

async fn words(State(page): State<Page>, Path(tag): Path<String>) -> Response {
    match page.languages.words(&tag) {
        Some(words) => Json(words).into_response(),
        None => (StatusCode::NOT_FOUND, "this language is not there").into_response(),
    }
}

/// The situation now, and again with each change.
async fn events(State(page): State<Page>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let shop = page.shop;
    let events = WatchStream::new(page.wishes.board).filter_map(move |board| {
        let event = Event::default()
            .event("situation")
            .json_data(board.situation(&shop, Timestamp::now()))
            .inspect_err(|error| tracing::error!("the situation is no JSON: {error}"));
        std::future::ready(event.ok().map(Ok))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}
