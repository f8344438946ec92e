//! Who may see the page: a browser on this machine; elsewhere, one that was given the token.
//!
//! The token comes once, behind `?token=` in the page's address, and from then on in a cookie that
//! scripts cannot read and other sites' pages do not send.

use std::fs;
use std::path::Path;

use axum::extract::{Request, State};
use axum::http::header::{COOKIE, HOST, LOCATION, SET_COOKIE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::DisplayError;

/// A token that can be guessed is none. In characters.
const SHORTEST: usize = 16;

/// Who is let in.
#[derive(Clone)]
pub(super) enum Access {
    /// Requests that were addressed to this machine by its own name: a web site that points its
    /// name here is none.
    Loopback,
    /// Requests with the token; its digest is kept.
    Token([u8; 32]),
}

impl Access {
    /// By the token in a file; without one, only this machine.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no token.
    pub fn of(token_file: Option<&Path>) -> Result<Self, DisplayError> {
        let Some(path) = token_file else { return Ok(Self::Loopback) };
        let text = fs::read_to_string(path)
            .map_err(|source| DisplayError::Token { path: path.to_owned(), source })?;
        let token = text.trim();
        let plain = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if token.len() < SHORTEST || !plain {
            return Err(DisplayError::WeakToken(path.to_owned()));
        }
        Ok(Self::Token(digest(token)))
    }

    // Digests are compared: how long that takes tells nothing of the token.
    fn knows(&self, token: &str) -> bool {
        matches!(self, Self::Token(known) if *known == digest(token))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Lets a request pass, or refuses it with what to do.
pub(super) async fn admit(State(access): State<Access>, request: Request, next: Next) -> Response {
    let refused = |words: &'static str| (StatusCode::FORBIDDEN, words).into_response();
    if matches!(access, Access::Loopback) {
        return if addressed_to_loopback(request.headers()) {
            next.run(request).await
        } else {
            refused("This page is for the screen at this machine: open it as http://127.0.0.1")
        };
    }
    if let Some(token) = request.uri().query().and_then(|query| query.strip_prefix("token=")) {
        if !access.knows(token) {
            return refused("This is not the token of this page");
        }
        // The token leaves the address, and with it the browser's history.
        let cookie = format!("token={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age=31536000");
        let home = [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)];
        return (StatusCode::SEE_OTHER, home).into_response();
    }
    if cookies(request.headers()).any(|token| access.knows(token)) {
        next.run(request).await
    } else {
        refused("Open this page once with ?token= and its token behind the address")
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|cookies| cookies.to_str().ok());
    all.flat_map(|cookies| cookies.split("; ")).filter_map(|cookie| cookie.strip_prefix("token="))
}

fn addressed_to_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.is_some_and(|host| matches!(host.host(), "localhost" | "127.0.0.1" | "[::1]"))
}
