//! Access control: browsers on this machine, or browsers with the token.
//!
//! A browser sends the token once, as `?token=` in the page's address. The server then stores it in a
//! cookie that scripts cannot read and that is not sent with requests of other sites.

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

const TOKEN_LENGTH_MIN: usize = 16;
const COOKIE_SECONDS: u32 = 365 * 24 * 3600;

/// Condition for access to the page.
#[derive(Clone)]
pub(super) enum AccessPolicy {
    /// The `Host` header is a loopback name. This rejects DNS rebinding: a site whose name resolves to
    /// this machine has another name.
    Loopback,
    /// The request has the token with this SHA-256 digest.
    Token([u8; 32]),
}

impl AccessPolicy {
    /// Reads the token file; without one, the policy is [`Self::Loopback`].
    pub fn load(token_file: Option<&Path>) -> Result<Self, DisplayError> {
        let Some(path) = token_file else { return Ok(Self::Loopback) };
        let text = fs::read_to_string(path)
            .map_err(|source| DisplayError::UnreadableToken { path: path.to_owned(), source })?;
        let token = text.trim();
        let is_valid =
            token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if token.len() < TOKEN_LENGTH_MIN || !is_valid {
            return Err(DisplayError::InvalidToken(path.to_owned()));
        }
        Ok(Self::Token(digest(token)))
    }

    /// Returns true if the token is valid. It compares digests, so that the duration reveals nothing
    /// about the token.
    fn accepts(&self, token: &str) -> bool {
        matches!(self, Self::Token(valid) if *valid == digest(token))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Passes a request on, or rejects it with advice.
pub(super) async fn require_access(
    State(policy): State<AccessPolicy>,
    request: Request,
    next: Next,
) -> Response {
    let rejected = |advice: &'static str| (StatusCode::FORBIDDEN, advice).into_response();
    if matches!(policy, AccessPolicy::Loopback) {
        return if has_loopback_host(request.headers()) {
            next.run(request).await
        } else {
            rejected("This page is available on this machine only: open it as http://127.0.0.1")
        };
    }
    if let Some(token) = request.uri().query().and_then(|query| query.strip_prefix("token=")) {
        if !policy.accepts(token) {
            return rejected("The token is not valid for this page");
        }
        // The redirect removes the token from the address, and so from the browser's history.
        let cookie =
            format!("token={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={COOKIE_SECONDS}");
        let headers = [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)];
        return (StatusCode::SEE_OTHER, headers).into_response();
    }
    if token_cookies(request.headers()).any(|token| policy.accepts(token)) {
        next.run(request).await
    } else {
        rejected("Open this page once with ?token= and its token behind the address")
    }
}

fn token_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let headers = headers.get_all(COOKIE).into_iter().filter_map(|cookies| cookies.to_str().ok());
    headers
        .flat_map(|cookies| cookies.split("; "))
        .filter_map(|cookie| cookie.strip_prefix("token="))
}

fn has_loopback_host(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.is_some_and(|host| matches!(host.host(), "localhost" | "127.0.0.1" | "[::1]"))
}
