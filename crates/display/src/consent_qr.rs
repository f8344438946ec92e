//! Consent receipt as a QR code that a customer can photograph.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use instored_domain::ConsentReceipt;
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// Minimum width and height of the image.
const MIN_SIZE_PIXELS: u32 = 240;

/// Renders the receipt in the path as SVG, or returns status 404 if the text is not a receipt.
pub(super) async fn render(Path(receipt): Path<String>) -> Response {
    let Ok(receipt) = receipt.parse::<ConsentReceipt>() else {
        return (StatusCode::NOT_FOUND, "not a receipt").into_response();
    };
    let text = format!("instored receipt {receipt}");
    match QrCode::with_error_correction_level(text, EcLevel::M) {
        Ok(code) => {
            let image = code
                .render::<svg::Color>()
                .min_dimensions(MIN_SIZE_PIXELS, MIN_SIZE_PIXELS)
                .build();
            ([(CONTENT_TYPE, "image/svg+xml")], image).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn receipt_is_rendered_and_other_text_is_not_found() {
        assert_eq!(render(Path("K7QM-3DXV".into())).await.status(), StatusCode::OK);
        for invalid in ["", "K7QM", "https://example.org"] {
            assert_eq!(render(Path(invalid.into())).await.status(), StatusCode::NOT_FOUND);
        }
    }
}
