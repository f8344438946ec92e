//! The page that people look at: who is greeted, how an enrolment goes on, and a clock for the
//! time between.
//!
//! The server keeps the situation (`board`) and pushes it whole, with each change, as a
//! server-sent event; a page that is opened late, or comes back, begins with the same. What has
//! expired leaves the server and the page by itself. What a customer does on the page (`actions`)
//! is asked of the box. The page is a few files inside the program (`page/`), needs no build step,
//! and loads nothing from anywhere else; its words are in `page/words/` and in files of the shop's
//! (`languages`).
//!
//! It shows names and baskets, so it listens on loopback only and answers only requests that were
//! addressed to loopback; anything else needs a token (`access`).

#![forbid(unsafe_code)]

mod access;
mod actions;
mod board;
mod languages;
mod receipt;
mod server;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;

use instored_domain::{BoxState, EnrolmentEvent, ListEvent, VisitEvent};
use serde::Serialize;
use tokio::net::TcpListener;

pub use actions::Asked;
pub use languages::LanguageError;
pub use server::serve;

/// The web page for the screen at the entrance.
#[derive(Debug, Clone, confique::Config, Serialize)]
pub struct Settings {
    /// Address and port of the page. Another than loopback needs `token_file`.
    #[config(default = "127.0.0.1:8080", env = "INSTORED_DISPLAY_LISTEN")]
    pub listen: SocketAddr,

    /// What the page says while nobody is there: the shop's name, or a word of welcome.
    #[config(default = "Welcome", env = "INSTORED_DISPLAY_TITLE")]
    pub title: String,

    /// The page's language while nobody has chosen another, a BCP 47 tag; the browser's, when not
    /// set.
    #[config(env = "INSTORED_DISPLAY_LANGUAGE")]
    pub language: Option<String>,

    /// A folder with languages of the shop's own, such as `it.json`, which may also say in other
    /// words what the shipped ones say.
    #[config(env = "INSTORED_DISPLAY_LANGUAGES_DIR")]
    pub languages_dir: Option<PathBuf>,

    /// Whether a greeting shows the first name only, until it is touched.
    #[config(default = false, env = "INSTORED_DISPLAY_CURTAIN")]
    pub curtain: bool,

    /// A file with a token of 16 or more letters, digits, - and _. A browser that opens the page
    /// once with `?token=` and the token behind its address may see it from then on.
    #[config(env = "INSTORED_DISPLAY_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
}

/// Something that changes what is shown.
#[derive(Clone, PartialEq, Debug)]
pub enum Shown {
    /// A customer came or went.
    Visit(VisitEvent),
    /// An enrolment goes on.
    Enrolment(EnrolmentEvent),
    /// Somebody's list is another than before.
    List(ListEvent),
    /// What the box is doing.
    State(BoxState),
    /// Whether the box is there.
    Online(bool),
    /// Whether this display hears of it.
    Link(bool),
}

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    /// The address is for others to reach.
    #[error(
        "[display] listen = {0} would show names and baskets to the network: use 127.0.0.1 or \
         [::1], or set token_file"
    )]
    NotLoopback(SocketAddr),
    /// The token's file.
    #[error("[display] token_file: {} cannot be read: {source}", path.display())]
    Token {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No token.
    #[error(
        "[display] token_file: {} holds no token: 16 or more letters, digits, - and _, as `openssl \
         rand -hex 16` makes them",
        .0.display()
    )]
    WeakToken(PathBuf),
    /// A language of the shop's own.
    #[error(transparent)]
    Language(#[from] LanguageError),
    /// The port cannot be opened.
    #[error("[display] the page cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The server ended.
    #[error("the page's server ended: {0}")]
    Server(#[from] std::io::Error),
}

/// Opens the page's port.
///
/// # Errors
/// When the address is not loopback and there is no token, or the port is taken.
pub async fn bind(settings: &Settings) -> Result<TcpListener, DisplayError> {
    let address = settings.listen;
    if !address.ip().is_loopback() && settings.token_file.is_none() {
        return Err(DisplayError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|source| DisplayError::Listen { address, source })
}
