//! HTTP server and web page of the customer display.
//!
//! The server keeps the state of the display. It sends the whole state as a server-sent event when a
//! page opens and after each change. The page needs no build step: its files (`page/`) are part of the
//! program.
//!
//! | module | contents |
//! |---|---|
//! | `state` | present customers, enrolment and connection, without I/O |
//! | `server` | routes, event stream, page files |
//! | `api` | commands that customers send from the page |
//! | `auth` | access by loopback or token |
//! | `security_headers` | HTTP headers of every response |
//! | `i18n` | translations: shipped files and files of the shop |
//! | `consent_qr` | consent receipt as a QR code |
//!
//! Rules:
//! 1. Without a token, the server listens on loopback only and accepts only requests whose `Host` is
//!    loopback.
//! 2. Expired data is never sent. The server also removes it from open pages without a further event.
//! 3. Personal data disappears after the connection to the box is lost, because a departure would not be
//!    received.
//! 4. The page can send only commands about a customer whom it shows, and the command that starts an
//!    enrolment.
//! 5. The page loads nothing from other servers.

#![forbid(unsafe_code)]

mod api;
mod auth;
mod consent_qr;
#[cfg(fuzzing)]
pub mod fuzzing;
mod i18n;
mod security_headers;
mod server;
mod state;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;

use instored_domain::{BoxState, EnrolmentEvent, ListEvent, VisitEvent};
use serde::Serialize;
use tokio::net::TcpListener;

pub use api::CommandRequest;
pub use i18n::TranslationError;
pub use server::serve;

/// Web page of the customer display.
#[derive(Debug, Clone, confique::Config, Serialize)]
pub struct Settings {
    /// Address and port of the page. An address other than loopback needs `token_file`.
    #[config(default = "127.0.0.1:8080", env = "INSTORED_DISPLAY_LISTEN")]
    pub listen: SocketAddr,

    /// Title that the page shows while no customer is present, such as the name of the shop. Default: a
    /// welcome in the language of the page.
    #[config(env = "INSTORED_DISPLAY_TITLE")]
    pub title: Option<String>,

    /// Language of the page until a customer selects another, a BCP 47 tag. Default: the language of
    /// the browser.
    #[config(env = "INSTORED_DISPLAY_LANGUAGE")]
    pub language: Option<String>,

    /// Folder with translation files of the shop, such as `it.json`. A file for a shipped language
    /// replaces only the texts that it contains.
    #[config(env = "INSTORED_DISPLAY_LANGUAGES_DIR")]
    pub languages_dir: Option<PathBuf>,

    /// True to show only the first name in a greeting until the customer touches the greeting.
    #[config(default = false, env = "INSTORED_DISPLAY_CURTAIN")]
    pub curtain: bool,

    /// Public key of the box, as `instored keys show` prints it. The display then trusts only this key and keys
    /// that it endorses. Without it, the display trusts the first key that the box announces.
    #[config(env = "INSTORED_DISPLAY_BOX_KEY")]
    pub box_key: Option<String>,

    /// File in which the display stores the trusted key of the box and the sequence numbers of the messages that
    /// it received, so that a restarted display trusts no other key and ignores repeated messages. The packaged
    /// unit sets it. Without it, a restarted display trusts the first key again.
    #[config(env = "INSTORED_DISPLAY_TRUST_FILE")]
    pub trust_file: Option<PathBuf>,

    /// File with an access token: at least 16 characters of letters, digits, - and _. A browser has
    /// access after it has opened the page's address once with `?token=` and the token appended.
    #[config(env = "INSTORED_DISPLAY_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

/// Event that changes the display.
#[derive(Clone, PartialEq, Debug)]
pub enum DisplayEvent {
    /// A visit started, changed or ended.
    Visit(VisitEvent),
    /// An enrolment or a withdrawal reached a step.
    Enrolment(EnrolmentEvent),
    /// A shopping list changed.
    List(ListEvent),
    /// The state of the box changed.
    State(BoxState),
    /// The box went online (true) or offline (false).
    Availability(bool),
    /// This display connected to the broker (true) or lost the connection (false).
    BrokerConnection(bool),
    /// The broker has not responded for so long that nothing personal may be shown.
    BrokerSilent,
}

/// Error of the display server.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    /// The address is not loopback, and there is no token.
    #[error(
        "[display] listen = {0} would show names and orders to the network: use 127.0.0.1 or [::1], \
         or set token_file"
    )]
    NotLoopback(SocketAddr),
    /// The token file cannot be read.
    #[error("[display] token_file: cannot read {}: {source}", path.display())]
    UnreadableToken {
        /// Path of the token file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The token file contains no valid token.
    #[error(
        "[display] token_file: {} contains no valid token: use at least 16 characters of letters, \
         digits, - and _; create a token with `openssl rand -hex 16`",
        .0.display()
    )]
    InvalidToken(PathBuf),
    /// A translation file is invalid.
    #[error(transparent)]
    Translation(#[from] TranslationError),
    /// The server cannot listen on the address.
    #[error("[display] cannot listen on {address}: {source}")]
    Listen {
        /// Address and port.
        address: SocketAddr,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The running server failed.
    #[error("the display server failed: {0}")]
    Server(#[from] std::io::Error),
}

/// Opens the socket on which the page is served.
///
/// # Errors
/// If the address is not loopback and no token file is set, or if the socket cannot be opened.
pub async fn bind(settings: &Settings) -> Result<TcpListener, DisplayError> {
    let address = settings.listen;
    if !address.ip().is_loopback() && settings.token_file.is_none() {
        return Err(DisplayError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|source| DisplayError::Listen { address, source })
}
