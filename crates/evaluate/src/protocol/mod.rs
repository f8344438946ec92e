//! What is compared with what: the CSV files that describe a measurement. Columns go by the names in
//! the header, in any order; further columns are ignored. Pictures are named relative to a folder
//! that is given apart.

mod frames;
mod pairs;
mod people;
mod split;

pub use frames::{Frames, LiveFrame};
pub use pairs::{Pair, Pairs};
pub use people::People;
pub use split::{Enrolled, Split, Trial};

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, Trim};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use super::EvaluateError;

/// The rows of a CSV file, each with the number of its line.
fn rows<R: DeserializeOwned>(path: &Path) -> Result<Vec<(u64, R)>, EvaluateError> {
    let file =
        File::open(path).map_err(|source| EvaluateError::Read { path: path.to_owned(), source })?;
    let wrong = |reason: String| EvaluateError::Protocol { path: path.to_owned(), reason };
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
    let headers = reader.headers().map_err(|e| wrong(e.to_string()))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| wrong(e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = record.deserialize(Some(&headers)).map_err(|e| {
            let reason = match e.kind() {
                csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
                _ => e.to_string(),
            };
            wrong(format!("line {line}: {reason}"))
        })?;
        rows.push((line, row));
    }
    if rows.is_empty() {
        return Err(wrong("there is no line below the header".into()));
    }
    Ok(rows)
}

/// A column that says yes or no as 1 or 0.
fn yes_or_no<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "1" => Ok(true),
        "0" => Ok(false),
        other => Err(D::Error::custom(format!("expected 1 or 0, not `{other}`"))),
    }
}

/// Every picture once, however often it is named.
#[derive(Default)]
struct Pictures {
    paths: Vec<PathBuf>,
    places: HashMap<PathBuf, usize>,
}

impl Pictures {
    fn place(&mut self, path: PathBuf) -> usize {
        *self.places.entry(path).or_insert_with_key(|path| {
            self.paths.push(path.clone());
            self.paths.len() - 1
        })
    }
}

#[cfg(test)]
mod tests;
