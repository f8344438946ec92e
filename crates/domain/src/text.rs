//! Validation of short texts, and their quotation in error messages.

use super::OrderError;

/// Maximum number of quoted characters in an error message.
const MAX_EXCERPT_CHARACTERS: usize = 40;

/// Returns the beginning of an invalid text for an error message, on one line.
pub fn excerpt(text: &str) -> String {
    let start = text.chars().take(MAX_EXCERPT_CHARACTERS);
    start.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Rejects a text that is blank, longer than `limit` characters or has control characters. The
/// error message calls the text `name`.
pub(super) fn check_text(name: &'static str, text: &str, limit: usize) -> Result<(), OrderError> {
    let is_valid = !text.trim().is_empty()
        && text.chars().count() <= limit
        && !text.chars().any(char::is_control);
    if is_valid { Ok(()) } else { Err(OrderError::Text { name, limit }) }
}
