//! The receipt of a consent as a QR code, for the customer to take along with a telephone.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use instored_domain::Receipt;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// Draws the receipt that the path names. What is no receipt is not drawn.
pub(super) async fn draw(Path(code): Path<String>) -> Response {
    let Ok(receipt) = code.parse::<Receipt>() else {
        return (StatusCode::NOT_FOUND, "this is no receipt").into_response();
    };
    let text = format!("instored receipt {receipt}");
    match QrCode::with_error_correction_level(text, EcLevel::M) {
        Ok(code) => {
            let drawing = code.render::<svg::Color>().min_dimensions(240, 240).build();
            ([(CONTENT_TYPE, "image/svg+xml")], drawing).into_response()
        }
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_receipt_is_drawn_and_nothing_else_is() {
        assert_eq!(draw(Path("K7QM-3DXV".into())).await.status(), StatusCode::OK);
        for other in ["", "K7QM", "https://example.org"] {
            assert_eq!(draw(Path(other.into())).await.status(), StatusCode::NOT_FOUND);
        }
    }
}
