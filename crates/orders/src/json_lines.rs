//! JSON lines: an order or a product a line.

use std::io::BufRead;

use instored_domain::OrderError;
use serde::de::DeserializeOwned;

use super::lines::{self, Lines};
use super::{Entry, ImportError, RejectedLine};

pub(super) fn read<T: DeserializeOwned>(
    input: impl BufRead,
    check: impl Fn(&T) -> Result<(), OrderError>,
) -> impl Iterator<Item = Result<Entry<T>, ImportError>> {
    let mut lines = Lines::new(input);
    lines::until_error(move || {
        let Some(line) = lines.next_filled()? else { return Ok(None) };
        let number = line.number;
        let parsed = line.text().and_then(parse).and_then(|value: T| {
            check(&value).map_err(|e| e.to_string())?;
            Ok(value)
        });
        Ok(Some(match parsed {
            Ok(value) => Entry::Accepted(value, vec![number]),
            Err(reason) => Entry::Rejected(RejectedLine { line: number, reason }),
        }))
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| {
        // serde_json counts lines within the text it is given, and a line has one.
        let reason = e.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        format!("cannot be taken: {reason}, at column {}", e.column())
    })
}
