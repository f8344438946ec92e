//! Pairs of pictures for verification.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Pictures, bool_from_digit, read_rows};
use crate::EvaluateError;

/// Pairs of pictures.
#[derive(Debug)]
pub struct Pairs {
    /// All pictures, each once.
    pub pictures: Vec<PathBuf>,
    /// Pairs in the order of the file.
    pub pairs: Vec<Pair>,
}

/// Pair of pictures with its label.
#[derive(Debug)]
pub struct Pair {
    /// Fold of a cross-validation.
    pub fold: Option<String>,
    /// Indices of the pictures.
    pub pictures: [usize; 2],
    /// True if both pictures show the same person.
    pub is_mated: bool,
}

/// Line of the file.
#[derive(Deserialize)]
struct Row {
    fold: Option<String>,
    image_a: PathBuf,
    image_b: PathBuf,
    #[serde(deserialize_with = "bool_from_digit")]
    same: bool,
}

impl Pairs {
    /// Reads the pairs.
    ///
    /// # Errors
    /// If the file cannot be read or a line is invalid; the message names the line.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let mut pictures = Pictures::default();
        let pairs = read_rows::<Row>(path)?
            .into_iter()
            .map(|(_, Row { fold, image_a, image_b, same })| Pair {
                fold,
                pictures: [pictures.index_of(image_a), pictures.index_of(image_b)],
                is_mated: same,
            })
            .collect();
        Ok(Self { pictures: pictures.paths, pairs })
    }

    /// Returns the person of each picture: the name of the picture's folder.
    ///
    /// # Errors
    /// If a picture is in no folder.
    pub fn people(&self) -> Result<Vec<&str>, EvaluateError> {
        self.pictures
            .iter()
            .map(|path| {
                path.parent()
                    .and_then(|folder| folder.file_name()?.to_str())
                    .ok_or_else(|| EvaluateError::NoFolder { path: path.clone() })
            })
            .collect()
    }
}
