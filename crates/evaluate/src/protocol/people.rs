//! Calibration: pictures of people, nothing more. Columns `person` and `image`, which the other
//! protocols of identification and liveness have too; a picture that is named twice counts once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Pictures, rows};
use crate::EvaluateError;

/// People and their pictures.
#[derive(Debug)]
pub struct People {
    /// Every picture that occurs, once.
    pub pictures: Vec<PathBuf>,
    /// The places of each person's pictures; people in the order of the file.
    pub people: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Row {
    person: String,
    image: PathBuf,
    /// An attack shows somebody, but nobody's face.
    role: Option<String>,
    live: Option<String>,
}

impl People {
    /// Reads the people. Attacks (role probe_spoof, or live 0) are left out.
    ///
    /// # Errors
    /// When the file cannot be read or a line is wrong; the message names the line.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let mut pictures = Pictures::default();
        let mut people: Vec<Vec<usize>> = Vec::new();
        let mut places = HashMap::new();
        for (_, Row { person, image, role, live }) in rows::<Row>(path)? {
            if role.as_deref() == Some("probe_spoof") || live.as_deref() == Some("0") {
                continue;
            }
            let picture = pictures.place(image);
            let place = *places.entry(person).or_insert_with(|| {
                people.push(Vec::new());
                people.len() - 1
            });
            if !people[place].contains(&picture) {
                people[place].push(picture);
            }
        }
        Ok(Self { pictures: pictures.paths, people })
    }
}
