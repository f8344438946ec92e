//! The page that people look at: who is greeted, how an enrolment goes on, and a clock for the
//! time between.
//!
//! The server keeps the situation (`board`) and pushes it whole, with each change, as a
//! server-sent event; a page that is opened late, or comes back, begins with the same. What has
//! expired leaves the server and the page by itself. The page is three files inside the program
//! and loads nothing from anywhere else.
//!
//! It shows names and baskets, so it listens on loopback only and answers only requests that were
//! addressed to loopback: a web site that points its own name at this machine learns nothing.

mod board;
mod receipt;
mod server;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use serde::Serialize;
use tokio::net::TcpListener;

use crate::domain::{BoxState, EnrolmentEvent, VisitEvent};

pub use server::serve;

/// The web page for the screen at the entrance.
#[derive(Debug, Clone, confique::Config, Serialize)]
pub struct Settings {
    /// Address and port of the page. Loopback only: the screen is at this machine.
    #[config(default = "127.0.0.1:8080", env = "INSTORED_DISPLAY_LISTEN")]
    pub listen: SocketAddr,

    /// What the page says while nobody is there: the shop's name, or a word of welcome.
    #[config(default = "Welcome", env = "INSTORED_DISPLAY_TITLE")]
    pub title: String,
}

/// Something that changes what is shown.
#[derive(Clone, PartialEq, Debug)]
pub enum Shown {
    /// A customer came or went.
    Visit(VisitEvent),
    /// An enrolment goes on.
    Enrolment(EnrolmentEvent),
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
        "[display] listen = {0} would show names and baskets to the network: use 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
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
/// When the address is not loopback, or the port is taken.
pub async fn bind(settings: &Settings) -> Result<TcpListener, DisplayError> {
    let address = settings.listen;
    if !address.ip().is_loopback() {
        return Err(DisplayError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|source| DisplayError::Listen { address, source })
}
