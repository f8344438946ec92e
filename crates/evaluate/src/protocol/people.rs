//! People and their pictures for a calibration.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Pictures, read_rows};
use crate::EvaluateError;

/// People and their pictures.
#[derive(Debug)]
pub struct People {
    /// All pictures, each once.
    pub pictures: Vec<PathBuf>,
    /// Indices of each person's pictures, in the order of the file.
    pub people: Vec<Vec<usize>>,
}

/// Line of the file, which may be a file of another protocol.
#[derive(Deserialize)]
struct Row {
    person: String,
    image: PathBuf,
    role: Option<String>,
    live: Option<String>,
}

impl Row {
    /// Returns true if the picture shows an attack instead of a real face.
    fn is_attack(&self) -> bool {
        self.role.as_deref() == Some("probe_spoof") || self.live.as_deref() == Some("0")
    }
}

impl People {
    /// Reads the people. Attacks are skipped; a picture that occurs twice counts once.
    ///
    /// # Errors
    /// If the file cannot be read or a line is invalid; the message names the line.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let mut pictures = Pictures::default();
        let mut people: Vec<Vec<usize>> = Vec::new();
        let mut indices = HashMap::new();
        let rows = read_rows::<Row>(path)?.into_iter().map(|(_, row)| row);
        for row in rows.filter(|row| !row.is_attack()) {
            let picture = pictures.index_of(row.image);
            let person = *indices.entry(row.person).or_insert_with(|| {
                people.push(Vec::new());
                people.len() - 1
            });
            if !people[person].contains(&picture) {
                people[person].push(picture);
            }
        }
        Ok(Self { pictures: pictures.paths, people })
    }
}
