//! The box's own way from a picture to a template, for measuring.

use std::io::Cursor;
use std::path::Path;

use image::ImageFormat;
use instored_domain::Embedding;
use instored_imaging::{Picture, read_picture};
use instored_vision::{
    Detector, Embedder, Face, Model, PadModel, Purpose, Role, Settings, VisionError, align,
};

use super::{EvaluateError, Extract};

/// Models of its own; one for each thread.
pub struct Eyes {
    detector: Detector,
    embedder: Embedder,
    liveness: PadModel,
}

impl Eyes {
    /// Loads the models that `settings` name.
    ///
    /// # Errors
    /// When a model is missing, not what its card says, or cannot be run.
    pub fn open(settings: &Settings) -> Result<Self, VisionError> {
        let load = |name: &str, role| Model::load(name, role);
        Ok(Self {
            detector: Detector::new(
                &load(&settings.detector, Role::Detector)?,
                settings.detect_width,
                settings.detect_height,
            )?,
            embedder: Embedder::load(&settings.embedder)?,
            liveness: PadModel::new(&load(&settings.liveness, Role::Pad)?)?,
        })
    }

    /// The embedder, whose card and calibration are measured.
    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// Probability from which a face counts as live.
    pub fn live_from(&self) -> f32 {
        self.liveness.threshold()
    }

    fn find(&mut self, path: &Path) -> Result<Option<(Picture, Face)>, EvaluateError> {
        let picture = read_picture(path)
            .map_err(|e| EvaluateError::Picture { path: path.to_owned(), reason: e.to_string() })?;
        let faces = self.detector.detect(&picture).map_err(looking_at(path))?;
        Ok(subject(&picture, faces).map(|face| (picture, face)))
    }
}

impl Extract for Eyes {
    fn template(&mut self, path: &Path) -> Result<Option<Embedding>, EvaluateError> {
        let Some((picture, face)) = self.find(path)? else { return Ok(None) };
        let Some(aligned) = align(&picture, &face.landmarks) else { return Ok(None) };
        let purpose = Purpose::recognition(&self.detector);
        self.embedder.embed(&aligned, &purpose).map_err(looking_at(path))
    }

    fn liveness(&mut self, path: &Path) -> Result<Option<f32>, EvaluateError> {
        let Some((picture, face)) = self.find(path)? else { return Ok(None) };
        self.liveness
            .bona_fide_probability(&picture, &face.bounds)
            .map(Some)
            .map_err(looking_at(path))
    }
}

/// Height and width of a thumbnail, in pixels, at most.
const THUMBNAIL: u32 = 112;

/// A small JPEG of the picture; `None` when it cannot be read.
pub fn thumbnail(path: &Path) -> Option<Vec<u8>> {
    let small = image::open(path).ok()?.thumbnail(THUMBNAIL, THUMBNAIL).into_rgb8();
    let mut jpeg = Vec::new();
    small.write_to(&mut Cursor::new(&mut jpeg), ImageFormat::Jpeg).ok()?;
    Some(jpeg)
}

fn looking_at(path: &Path) -> impl Fn(VisionError) -> EvaluateError + '_ {
    |source| EvaluateError::Looking { path: path.to_owned(), source }
}

/// Whom the picture is of: of the faces that are not much smaller than the largest, the one in the
/// middle. Research sets have bystanders.
fn subject(picture: &Picture, faces: Vec<Face>) -> Option<Face> {
    let widest = faces.iter().map(|f| f.bounds.width).fold(0.0, f32::max);
    let middle = [picture.width() as f32 / 2.0, picture.height() as f32 / 2.0];
    let off = |face: &Face| {
        let [x, y] = face.bounds.centre();
        (x - middle[0]).hypot(y - middle[1])
    };
    faces
        .into_iter()
        .filter(|face| face.bounds.width > widest * 0.5)
        .min_by(|a, b| off(a).total_cmp(&off(b)))
}

#[cfg(test)]
mod tests {
    use instored_vision::{LANDMARK_COUNT, Rect};

    use super::*;

    #[test]
    fn the_subject_is_in_the_middle_and_not_a_face_in_the_background() {
        let face = |x, width| Face {
            bounds: Rect { x, y: 100.0 - width / 2.0, width, height: width },
            landmarks: [[0.0; 2]; LANDMARK_COUNT],
            score: 0.9,
        };
        let picture = Picture::filled(200, 200, [0; 3]);
        let faces = vec![face(0.0, 60.0), face(75.0, 50.0), face(95.0, 10.0)];
        assert_eq!(subject(&picture, faces).unwrap().bounds.x, 75.0);
        assert!(subject(&picture, vec![]).is_none());
    }
}
