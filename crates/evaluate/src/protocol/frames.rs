//! Frames of bona fide and attack presentations.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Pictures, bool_from_digit, read_rows};
use crate::EvaluateError;

/// Frames of bona fide and attack presentations.
#[derive(Debug)]
pub struct Frames {
    /// All pictures, each once.
    pub pictures: Vec<PathBuf>,
    /// Frames in the order of the file.
    pub frames: Vec<LabelledFrame>,
}

/// Frame with its label (live or attack).
#[derive(Debug)]
pub struct LabelledFrame {
    /// Index of the picture.
    pub picture: usize,
    /// True for a live face, false for an attack.
    pub is_live: bool,
    /// Person in the frame, or the person that the attack shows.
    pub person: Option<String>,
    /// Recording session.
    pub session: Option<String>,
}

/// Line of the file.
#[derive(Deserialize)]
struct Row {
    image: PathBuf,
    #[serde(deserialize_with = "bool_from_digit")]
    live: bool,
    person: Option<String>,
    session: Option<String>,
}

impl Frames {
    /// Reads the frames.
    ///
    /// # Errors
    /// If the file cannot be read or a line is invalid; the message names the line.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let mut pictures = Pictures::default();
        let frames = read_rows::<Row>(path)?
            .into_iter()
            .map(|(_, Row { image, live, person, session })| LabelledFrame {
                picture: pictures.index_of(image),
                is_live: live,
                person,
                session,
            })
            .collect();
        Ok(Self { pictures: pictures.paths, frames })
    }

    /// Returns tracks of `length` frames, each of one person, session and label, in the order of the
    /// file. The remaining frames form a shorter track if they are at least half of `length`.
    pub fn tracks(&self, length: usize) -> Vec<Vec<&LabelledFrame>> {
        let mut groups: Vec<Vec<&LabelledFrame>> = Vec::new();
        let mut indices = HashMap::new();
        for frame in &self.frames {
            let key = (frame.is_live, &frame.person, &frame.session);
            let index = *indices.entry(key).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[index].push(frame);
        }
        let is_long_enough = |track: &&[&LabelledFrame]| track.len() * 2 >= length;
        groups
            .iter()
            .flat_map(|group| group.chunks(length.max(1)))
            .filter(is_long_enough)
            .map(<[_]>::to_vec)
            .collect()
    }
}
