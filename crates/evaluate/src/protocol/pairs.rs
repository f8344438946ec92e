//! Verification: pairs of pictures, of one person or of two. Columns `image_a`, `image_b`, `same`
//! (1 or 0) and, if there are folds, `fold`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Pictures, rows, yes_or_no};
use crate::EvaluateError;

/// Pairs to compare.
#[derive(Debug)]
pub struct Pairs {
    /// Every picture that occurs, once.
    pub pictures: Vec<PathBuf>,
    /// The pairs, in the order of the file.
    pub pairs: Vec<Pair>,
}

/// Two pictures.
#[derive(Debug)]
pub struct Pair {
    /// Which part of a cross-validation it belongs to, by name.
    pub fold: Option<String>,
    /// Places among the pictures.
    pub pictures: [usize; 2],
    /// Whether both show one person.
    pub same: bool,
}

#[derive(Deserialize)]
struct Row {
    fold: Option<String>,
    image_a: PathBuf,
    image_b: PathBuf,
    #[serde(deserialize_with = "yes_or_no")]
    same: bool,
}

impl Pairs {
    /// Reads the pairs.
    ///
    /// # Errors
    /// When the file cannot be read or a line is wrong; the message names the line.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let mut pictures = Pictures::default();
        let pairs = rows::<Row>(path)?
            .into_iter()
            .map(|(_, Row { fold, image_a, image_b, same })| Pair {
                fold,
                pictures: [pictures.place(image_a), pictures.place(image_b)],
                same,
            })
            .collect();
        Ok(Self { pictures: pictures.paths, pairs })
    }

    /// Whose each picture is: people are told apart by the folders that their pictures lie in.
    ///
    /// # Errors
    /// When a picture lies in no folder.
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
