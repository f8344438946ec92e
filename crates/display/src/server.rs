//! HTTP server: routes, event stream, and the files of the page.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, FromRef, Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use futures_util::StreamExt as _;
use instored_domain::Currency;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_stream::wrappers::WatchStream;

use super::api::{self, CommandGateway, CommandRequest};
use super::auth::{self, AccessPolicy};
use super::i18n::Translations;
use super::state::{DisplayState, PageSettings, PageUse};
use super::{DisplayError, DisplayEvent, Settings, consent_qr, security_headers};

/// Maximum time until a shutdown closes the open connections.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time between two checks for expired data. If the clock is set forward
/// during a sleep, expired data remains for at most this time.
const EXPIRY_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Interval of the events that keep an idle event stream open. The page detects a silent connection by
/// their absence.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Maximum number of touches that wait to be applied. Further ones are dropped.
const USE_QUEUE_LENGTH: usize = 16;
/// Tells nginx to pass events on without delay.
const NO_PROXY_BUFFERING: [(HeaderName, HeaderValue); 1] =
    [(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))];

/// Files of the page. A release build contains them; a debug build reads them from the source folder.
#[derive(rust_embed::Embed)]
#[folder = "src/page"]
pub(super) struct PageFiles;

/// Data that the request handlers share.
#[derive(Clone)]
pub(super) struct SharedData {
    pub settings: Arc<PageSettings>,
    pub translations: Arc<Translations>,
    pub gateway: CommandGateway,
}

impl FromRef<SharedData> for CommandGateway {
    fn from_ref(shared: &SharedData) -> Self {
        shared.gateway.clone()
    }
}

/// Serves the page until `shutdown` completes, then closes open connections within two seconds.
/// Applies `events` to the page, and sends the customers' commands to `commands`.
///
/// # Errors
/// If the token file or a translation file cannot be used, or if the server fails.
pub async fn serve(
    listener: TcpListener,
    settings: &Settings,
    events: mpsc::Receiver<DisplayEvent>,
    commands: mpsc::Sender<CommandRequest>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), DisplayError> {
    let (state, watched_state) = watch::channel(DisplayState::default());
    let (use_sender, uses) = mpsc::channel(USE_QUEUE_LENGTH);
    let policy = AccessPolicy::load(settings.token_file.as_deref())?;
    let translations = Translations::load(settings.languages_dir.as_deref())?;
    let Settings { title, language, curtain, .. } = settings.clone();
    let shared = SharedData {
        settings: Arc::new(PageSettings {
            title: title.unwrap_or_default(),
            language,
            is_private: curtain,
            version: page_version(),
        }),
        translations: Arc::new(translations),
        gateway: CommandGateway { state: watched_state, commands, uses: use_sender },
    };
    let (stop, mut stopped) = watch::channel(());
    let server = axum::serve(listener, router(shared, policy)).with_graceful_shutdown(async move {
        // Dropping `stop` is the signal: `changed` then returns an error.
        let _ = stopped.changed().await;
    });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        // `update_state` never returns. When another branch completes, `update_state` is dropped
        // together with `state`, which ends the event streams.
        () = update_state(state, events, uses) => {}
        result = &mut server => return Ok(result.map_err(std::io::Error::other)??),
        () = shutdown => {}
    }
    drop(stop);
    match tokio::time::timeout(SHUTDOWN_TIMEOUT, &mut server).await {
        Ok(result) => Ok(result.map_err(std::io::Error::other)??),
        Err(_) => {
            server.abort();
            Ok(())
        }
    }
}

/// Returns the version of the program with a digest of the page's files.
fn page_version() -> String {
    let mut digest = Sha256::new();
    for name in PageFiles::iter() {
        digest.update(name.as_bytes());
        digest.update(PageFiles::get(&name).map(|file| file.data).unwrap_or_default());
    }
    let digest = digest.finalize();
    format!("{}-{:02x}{:02x}{:02x}", env!("CARGO_PKG_VERSION"), digest[0], digest[1], digest[2])
}

/// Applies events and removes expired data. Never returns.
async fn update_state(
    state: watch::Sender<DisplayState>,
    mut events: mpsc::Receiver<DisplayEvent>,
    mut uses: mpsc::Receiver<PageUse>,
) {
    let mut is_channel_open = true;
    loop {
        let next_expiry = state.borrow().next_expiry();
        tokio::select! {
            event = events.recv(), if is_channel_open => {
                // A closed channel is shown as a lost broker connection. The shown data remains
                // until it expires.
                is_channel_open = event.is_some();
                let event = event.unwrap_or(DisplayEvent::BrokerConnection(false));
                state.send_modify(|state| state.apply(event, Timestamp::now()));
            }
            Some(page_use) = uses.recv() => {
                state.send_modify(|state| state.apply_use(page_use, Timestamp::now()));
            }
            () = sleep_until(next_expiry) => {
                let now = Timestamp::now();
                state.send_if_modified(|state| {
                    let is_due = state.next_expiry().is_some_and(|at| at <= now);
                    state.remove_expired(now);
                    is_due
                });
            }
        }
    }
}

/// Sleeps until `time`, but at most for [`EXPIRY_CHECK_INTERVAL`]. Never returns if `time` is `None`.
async fn sleep_until(time: Option<Timestamp>) {
    match time.map(|time| Duration::try_from(time.duration_since(Timestamp::now()))) {
        Some(Ok(remaining)) => sleep(remaining.min(EXPIRY_CHECK_INTERVAL)).await,
        // The time has passed.
        Some(Err(_)) => {}
        None => std::future::pending().await,
    }
}

pub(super) fn router(shared: SharedData, policy: AccessPolicy) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/{file}", get(page_file))
        .route("/languages", get(languages))
        .route("/languages/{tag}", get(texts))
        .route("/receipt/{code}", get(consent_qr::render))
        .route("/currencies", get(currencies))
        .route("/events", get(events))
        .route("/touch", post(api::record_touch).layer(DefaultBodyLimit::max(api::BODY_BYTES_MAX)))
        .route("/ask", post(api::send_command).layer(DefaultBodyLimit::max(api::BODY_BYTES_MAX)))
        .with_state(shared)
        .layer(middleware::from_fn_with_state(policy, auth::require_access))
        .layer(middleware::from_fn(security_headers::add_security_headers))
}

async fn index() -> Response {
    page_file(Path("index.html".to_owned())).await
}

async fn page_file(Path(name): Path<String>) -> Response {
    match PageFiles::get(&name) {
        Some(file) => {
            let content_type = file.metadata.mimetype().to_owned();
            ([(CONTENT_TYPE, content_type)], file.data).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn languages(State(shared): State<SharedData>) -> Response {
    Json(shared.translations.languages()).into_response()
}

async fn texts(State(shared): State<SharedData>, Path(tag): Path<String>) -> Response {
    match shared.translations.texts(&tag) {
        Some(texts) => Json(texts).into_response(),
        None => (StatusCode::NOT_FOUND, "unknown language").into_response(),
    }
}

/// Returns the number of decimals of each currency.
async fn currencies() -> Response {
    let exponents = Currency::all().map(|currency| (currency.to_string(), currency.exponent()));
    Json(exponents.collect::<BTreeMap<_, _>>()).into_response()
}

/// Streams snapshots: the current one, and another after each change of the state.
async fn events(State(shared): State<SharedData>) -> impl IntoResponse {
    let settings = shared.settings;
    let events = WatchStream::new(shared.gateway.state).filter_map(move |state| {
        let event = Event::default()
            .event("situation")
            .json_data(state.snapshot(&settings, Timestamp::now()))
            .inspect_err(|error| tracing::error!("cannot encode a snapshot as JSON: {error}"));
        std::future::ready(event.ok().map(Ok::<_, Infallible>))
    });
    let alive = Event::default().event("alive").data("alive");
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE_INTERVAL).event(alive);
    (NO_PROXY_BUFFERING, Sse::new(events).keep_alive(keep_alive))
}
