//! Templates and liveness probabilities of pictures, computed in the same way as on the box.

use std::io::Cursor;
use std::path::Path;

use image::ImageFormat;
use instored_domain::Embedding;
use instored_imaging::{Picture, read_picture};
use instored_vision::{
    Detector, Embedder, Face, Model, PadModel, Purpose, Role, Settings, VisionError, align,
};

use super::EvaluateError;

/// Loaded models of one thread.
pub struct Extractor {
    detector: Detector,
    embedder: Embedder,
    liveness: PadModel,
}

impl Extractor {
    /// Loads the models that `settings` name.
    ///
    /// # Errors
    /// If a model is missing, differs from its manifest, or cannot be executed.
    pub fn load(settings: &Settings) -> Result<Self, VisionError> {
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

    /// Returns the embedder.
    pub fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// Returns the least probability at which a face counts as live.
    pub fn liveness_threshold(&self) -> f32 {
        self.liveness.threshold()
    }

    /// Returns the template of the face in a picture, or `None` if no face is found.
    ///
    /// # Errors
    /// If the picture cannot be read or a network fails.
    pub fn template(&mut self, path: &Path) -> Result<Option<Embedding>, EvaluateError> {
        let Some((picture, face)) = self.subject(path)? else { return Ok(None) };
        let Some(aligned) = align(&picture, &face.landmarks) else { return Ok(None) };
        let purpose = Purpose::recognition(&self.detector);
        self.embedder.embed(&aligned, &purpose).map_err(extraction_error(path))
    }

    /// Returns the probability that the face is live, 0 to 1, or `None` if no face is found.
    ///
    /// # Errors
    /// Same as [`template`](Self::template).
    pub fn liveness(&mut self, path: &Path) -> Result<Option<f32>, EvaluateError> {
        let Some((picture, face)) = self.subject(path)? else { return Ok(None) };
        self.liveness
            .bona_fide_probability(&picture, &face.bounds)
            .map(Some)
            .map_err(extraction_error(path))
    }

    /// Reads a picture and detects its faces.
    ///
    /// # Errors
    /// Same as [`template`](Self::template).
    pub fn detect(&mut self, path: &Path) -> Result<(Picture, Vec<Face>), EvaluateError> {
        let picture = read_picture(path)
            .map_err(|e| EvaluateError::Picture { path: path.to_owned(), reason: e.to_string() })?;
        let faces = self.detector.detect(&picture).map_err(extraction_error(path))?;
        Ok((picture, faces))
    }

    /// Reads a picture and detects the face of its subject.
    fn subject(&mut self, path: &Path) -> Result<Option<(Picture, Face)>, EvaluateError> {
        let (picture, faces) = self.detect(path)?;
        Ok(subject_face(&picture, faces).map(|face| (picture, face)))
    }
}

/// Maximum width and height of a thumbnail in pixels.
const THUMBNAIL_SIZE: u32 = 112;

/// Returns a small JPEG of the picture, or `None` if it cannot be read.
pub fn thumbnail(path: &Path) -> Option<Vec<u8>> {
    let small = image::open(path).ok()?.thumbnail(THUMBNAIL_SIZE, THUMBNAIL_SIZE).into_rgb8();
    let mut jpeg = Vec::new();
    small.write_to(&mut Cursor::new(&mut jpeg), ImageFormat::Jpeg).ok()?;
    Some(jpeg)
}

/// Returns a function that adds the path of the picture to an error.
fn extraction_error(path: &Path) -> impl Fn(VisionError) -> EvaluateError + '_ {
    |source| EvaluateError::Extraction { path: path.to_owned(), source }
}

/// Least width of the subject's face relative to the widest face.
const SUBJECT_WIDTH_MIN: f32 = 0.5;

/// Returns the face of the subject: the large face that is nearest to the centre. Pictures of research
/// data sets also show bystanders.
fn subject_face(picture: &Picture, faces: Vec<Face>) -> Option<Face> {
    let widest = faces.iter().map(|f| f.bounds.width).fold(0.0, f32::max);
    let centre = [picture.width() as f32 / 2.0, picture.height() as f32 / 2.0];
    let distance = |face: &Face| {
        let [x, y] = face.bounds.centre();
        (x - centre[0]).hypot(y - centre[1])
    };
    faces
        .into_iter()
        .filter(|face| face.bounds.width > widest * SUBJECT_WIDTH_MIN)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

#[cfg(test)]
mod tests {
    use instored_vision::{LANDMARK_COUNT, Rect};

    use super::*;

    #[test]
    fn subject_is_large_central_face() {
        let face = |x, width| Face {
            bounds: Rect { x, y: 100.0 - width / 2.0, width, height: width },
            landmarks: [[0.0; 2]; LANDMARK_COUNT],
            score: 0.9,
        };
        let picture = Picture::filled(200, 200, [0; 3]);
        let faces = vec![face(0.0, 60.0), face(75.0, 50.0), face(95.0, 10.0)];
        assert_eq!(subject_face(&picture, faces).unwrap().bounds.x, 75.0);
        assert!(subject_face(&picture, vec![]).is_none());
    }
}
