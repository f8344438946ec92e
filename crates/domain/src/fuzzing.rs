//! JSON for the fuzz targets in `fuzz/`. Most changes of a JSON text make it invalid as a whole. An object
//! that is built from lines stays valid.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Returns `data`. If `data` begins with a tab, returns a JSON object with a field for each line instead: the
/// first character of the line selects one of `keys`, and the rest is the value, as JSON or as plain text.
pub fn json<'a>(keys: &[&str], data: &'a [u8]) -> Cow<'a, [u8]> {
    let Some(lines) = data.strip_prefix(b"\t") else { return Cow::Borrowed(data) };
    let lines = String::from_utf8_lossy(lines);
    let field = |line: &str| {
        let mut value = line.chars();
        let key = keys[u32::from(value.next()?) as usize % keys.len()];
        let text = value.as_str();
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        Some((key.to_owned(), value))
    };
    let fields: Map<String, Value> = lines.lines().filter_map(field).collect();
    Cow::Owned(Value::Object(fields).to_string().into_bytes())
}
