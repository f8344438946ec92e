//! Liveness: frames of live faces and of attacks. Columns `image`, `live` (1 or 0) and, to bring the
//! frames of one track together, `person` and `session`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Pictures, rows, yes_or_no};
use crate::EvaluateError;

/// Frames of live faces and of attacks.
#[derive(Debug)]
pub struct Frames {
    /// Every picture that occurs, once.
    pub pictures: Vec<PathBuf>,
    /// The frames, in the order of the file.
    pub frames: Vec<LiveFrame>,
}

/// One frame.
#[derive(Debug)]
pub struct LiveFrame {
    /// Its place among the pictures.
    pub picture: usize,
    /// A live face, or an attack.
    pub live: bool,
    /// Who is, or is shown, in it.
    pub person: Option<String>,
    /// When it was taken.
    pub session: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    image: PathBuf,
    #[serde(deserialize_with = "yes_or_no")]
    live: bool,
    person: Option<String>,
    session: Option<String>,
}

impl Frames {
    /// Reads the list.
    ///
    /// # Errors
    /// When the file cannot be read or a line is wrong; the message names the line.
    pub fn read(path: &Path) -> Result<Self, EvaluateError> {
        let mut pictures = Pictures::default();
        let frames = rows::<Row>(path)?
            .into_iter()
            .map(|(_, Row { image, live, person, session })| LiveFrame {
                picture: pictures.place(image),
                live,
                person,
                session,
            })
            .collect();
        Ok(Self { pictures: pictures.paths, frames })
    }

    /// The frames of one person, session and kind in the order of the file, cut into tracks of
    /// `length` frames; what is left over at an end is a track too if it is at least half as long.
    pub fn tracks(&self, length: usize) -> Vec<Vec<&LiveFrame>> {
        let mut shots: Vec<Vec<&LiveFrame>> = Vec::new();
        let mut places = HashMap::new();
        for frame in &self.frames {
            let place =
                *places.entry((frame.live, &frame.person, &frame.session)).or_insert_with(|| {
                    shots.push(Vec::new());
                    shots.len() - 1
                });
            shots[place].push(frame);
        }
        let whole = |track: &&[&LiveFrame]| track.len() * 2 >= length;
        shots
            .iter()
            .flat_map(|shot| shot.chunks(length.max(1)))
            .filter(whole)
            .map(<[_]>::to_vec)
            .collect()
    }
}
