//! JSON lines: one order or product per line.

use std::io::BufRead;

use instored_domain::OrderError;
use serde::de::DeserializeOwned;

use super::record_reader::RecordReader;
use super::{NextEntry, to_entry};

/// Maximum length of the parser's message about a line, in characters.
const MAX_ERROR_CHARACTERS: usize = 300;

/// Returns a function that reads the next entry and validates it with `check`.
pub(super) fn read<T: DeserializeOwned>(
    input: impl BufRead,
    check: impl Fn(&T) -> Result<(), OrderError>,
) -> impl FnMut() -> NextEntry<T> {
    let mut reader = RecordReader::new(input);
    move || {
        let Some(line) = reader.next_filled_line()? else { return Ok(None) };
        let value = line.text().and_then(parse).and_then(|value: T| {
            check(&value).map_err(|e| e.to_string())?;
            Ok(value)
        });
        Ok(Some(to_entry(value, line.number)))
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| {
        // The message ends with a line number within `text`, which is always 1.
        let error = e.to_string();
        let error = error.split(" at line ").next().unwrap_or_default();
        // The message may quote any text of the file.
        let error = error.chars().take(MAX_ERROR_CHARACTERS);
        let error: String = error.map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("is not valid: {error}, at column {}", e.column())
    })
}
