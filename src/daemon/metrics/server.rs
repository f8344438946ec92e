//! `/metrics`: the figures, as Prometheus reads them, on loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves the figures for as long as the program runs. A box without them is a box all the same:
/// where the port is taken, the log says so.
pub(in super::super) async fn serve(listen: SocketAddr, figures: Registry) {
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(error) => {
            return tracing::error!("[metrics] no figures are served on {listen}: {error}");
        }
    };
    let router = Router::new().route("/metrics", get(look)).with_state(Arc::new(figures));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("the figures are no longer served: {error}");
        }
    });
}

async fn look(State(figures): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &figures) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
