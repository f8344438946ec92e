//! CSV files that define the comparisons of a measurement.
//!
//! The header names the columns, in any order; other columns are ignored. The paths of the pictures are
//! relative to a folder that is given separately.
//!
//! | Type | Measurement | Columns |
//! |---|---|---|
//! | [`Pairs`] | verification | image_a, image_b, same (1 or 0), optionally fold |
//! | [`Split`] | identification | role, person, image, optionally trial |
//! | [`Frames`] | liveness | image, live (1 or 0), optionally person and session |
//! | [`People`] | calibration | person, image |

mod frames;
mod pairs;
mod people;
mod split;

pub use frames::{Frames, LabelledFrame};
pub use pairs::{Pair, Pairs};
pub use people::People;
pub use split::{EnrolledPerson, Split, Trial};

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, Trim};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use super::EvaluateError;

/// Reads the rows of a CSV file, each with its line number.
fn read_rows<R: DeserializeOwned>(path: &Path) -> Result<Vec<(u64, R)>, EvaluateError> {
    let file =
        File::open(path).map_err(|source| EvaluateError::Read { path: path.to_owned(), source })?;
    let invalid = |reason: String| EvaluateError::Protocol { path: path.to_owned(), reason };
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
    let headers = reader.headers().map_err(|e| invalid(e.to_string()))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| invalid(e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let row = record.deserialize(Some(&headers)).map_err(|e| {
            let reason = match e.kind() {
                csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
                _ => e.to_string(),
            };
            invalid(format!("line {line}: {reason}"))
        })?;
        rows.push((line, row));
    }
    if rows.is_empty() {
        return Err(invalid("the file has no line below the header".into()));
    }
    Ok(rows)
}

/// Deserialises a boolean that is written as 1 or 0.
fn bool_from_digit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "1" => Ok(true),
        "0" => Ok(false),
        text => Err(D::Error::custom(format!("expected 1 or 0, not `{text}`"))),
    }
}

/// Paths of pictures, each once.
#[derive(Default)]
struct Pictures {
    paths: Vec<PathBuf>,
    indices: HashMap<PathBuf, usize>,
}

impl Pictures {
    /// Returns the index of a picture, which is added if it is new.
    fn index_of(&mut self, path: PathBuf) -> usize {
        *self.indices.entry(path).or_insert_with_key(|path| {
            self.paths.push(path.clone());
            self.paths.len() - 1
        })
    }
}

#[cfg(test)]
mod tests;
