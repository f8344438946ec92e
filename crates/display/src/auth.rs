//! Access control. With a token file, only browsers with the token have access; without one, only
//! browsers on this machine have access.
//!
//! A browser sends the token once, as `?token=` in the page's address. The server then stores it in a
//! cookie. Scripts cannot read the cookie, and browsers do not send it with requests of other sites.

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

/// Minimum number of characters of a token.
const TOKEN_LENGTH_MIN: usize = 16;
/// Lifetime of the cookie: one year.
const COOKIE_LIFETIME_SECONDS: u32 = 365 * 24 * 3600;

/// Condition for access to the page.
#[derive(Clone)]
pub(super) enum AccessPolicy {
    /// The `Host` header is a loopback name. This prevents DNS rebinding: for a site whose name
    /// resolves to this machine, the header contains the name of the site.
    Loopback,
    /// The request has the token with this SHA-256 digest.
    Token([u8; 32]),
}

impl AccessPolicy {
    /// Reads the token file. Returns [`Self::Loopback`] if there is no file.
    pub fn load(token_file: Option<&Path>) -> Result<Self, DisplayError> {
        let Some(path) = token_file else { return Ok(Self::Loopback) };
        let text = fs::read_to_string(path)
            .map_err(|source| DisplayError::UnreadableToken { path: path.to_owned(), source })?;
        let token = text.trim();
        let has_valid_characters =
            token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if token.len() < TOKEN_LENGTH_MIN || !has_valid_characters {
            return Err(DisplayError::InvalidToken(path.to_owned()));
        }
        Ok(Self::Token(digest(token)))
    }

    /// Returns true if the token is valid. The comparison uses digests, so that its duration
    /// reveals nothing about the valid token.
    fn accepts(&self, token: &str) -> bool {
        matches!(self, Self::Token(valid) if *valid == digest(token))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Handles a request that has access. Rejects other requests with status 403 and a remedy.
pub(super) async fn require_access(
    State(policy): State<AccessPolicy>,
    request: Request,
    next: Next,
) -> Response {
    let forbidden = |remedy: &'static str| (StatusCode::FORBIDDEN, remedy).into_response();
    if matches!(policy, AccessPolicy::Loopback) {
        return if has_loopback_host(request.headers()) {
            next.run(request).await
        } else {
            forbidden("This page is available on this machine only: open it as http://127.0.0.1")
        };
    }
    if let Some(token) = request.uri().query().and_then(|query| query.strip_prefix("token=")) {
        if !policy.accepts(token) {
            return forbidden("The token is not valid for this page");
        }
        // The redirect removes the token from the address, and so from the browser's history.
        let cookie = format!(
            "token={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={COOKIE_LIFETIME_SECONDS}"
        );
        let headers = [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)];
        return (StatusCode::SEE_OTHER, headers).into_response();
    }
    if token_cookies(request.headers()).any(|token| policy.accepts(token)) {
        next.run(request).await
    } else {
        forbidden("This page needs a token: append ?token= and the token to the address once")
    }
}

fn token_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookie_headers =
        headers.get_all(COOKIE).into_iter().filter_map(|cookies| cookies.to_str().ok());
    cookie_headers
        .flat_map(|cookies| cookies.split("; "))
        .filter_map(|cookie| cookie.strip_prefix("token="))
}

fn has_loopback_host(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.is_some_and(|host| matches!(host.host(), "localhost" | "127.0.0.1" | "[::1]"))
}
