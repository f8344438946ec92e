//! Detection of faces and their five landmarks by YuNet (Wu, Peng and Yu, "YuNet: A Tiny
//! Millisecond-level Face Detector", 2023).
//!
//! The outputs are decoded as in OpenCV's `FaceDetectorYN`, except that landmarks are averaged over
//! overlapping boxes, which halves their error.

use instored_imaging::{Picture, Scaler};
use zeroize::Zeroizing;

use super::network::Network;
use super::{Model, Rect, VisionError};

/// Number of landmarks of a face: right eye, left eye, nose tip, right and left corner of the mouth.
/// Right and left are the person's own: the right eye has the smaller x.
pub const LANDMARK_COUNT: usize = 5;

/// Distances between neighbouring output cells of the network, in pixels of its input.
const STRIDES: [u32; 3] = [8, 16, 32];

/// Intersection over union above which two boxes are the same face; OpenCV's default.
const NMS_IOU: f32 = 0.3;

/// Intersection over union from which the landmarks of two boxes are averaged. Values from 0.3 to
/// 0.7 gave the same accuracy in measurements.
const AVERAGING_IOU: f32 = 0.5;

/// Detected face, in pixels of the picture.
#[derive(Clone, PartialEq, Debug)]
pub struct Face {
    /// Bounding box.
    pub bounds: Rect,
    /// Landmarks, (x, y) each.
    pub landmarks: [[f32; 2]; LANDMARK_COUNT],
    /// Detection score, 0 to 1.
    pub score: f32,
}

/// Face detector.
pub struct Detector {
    network: Network,
    width: u32,
    height: u32,
    threshold: f32,
    /// Indices of the outputs `cls`, `obj`, `bbox` and `kps` for each stride.
    outputs: [[usize; 4]; STRIDES.len()],
    scaler: Scaler,
}

impl Detector {
    /// Prepares a detector that scales pictures down to fit `width` × `height` pixels.
    ///
    /// # Errors
    /// If a side is not a multiple of 32 from 32 to 2048, or the model lacks an output of YuNet.
    pub fn new(model: &Model, width: u32, height: u32) -> Result<Self, VisionError> {
        let is_valid = |side: u32| side.is_multiple_of(32) && (32..=2048).contains(&side);
        if !is_valid(width) || !is_valid(height) {
            return Err(VisionError::DetectorSize { width, height });
        }
        let network = Network::new(model, width, height)?;
        let mut outputs = [[0; 4]; STRIDES.len()];
        for (indices, stride) in outputs.iter_mut().zip(STRIDES) {
            for (index, name) in indices.iter_mut().zip(["cls", "obj", "bbox", "kps"]) {
                *index = network.output_index(&format!("{name}_{stride}"))?;
            }
        }
        let threshold = model.threshold()?;
        Ok(Self { network, width, height, threshold, outputs, scaler: Scaler::default() })
    }

    /// Returns all faces in the picture, the highest score first.
    ///
    /// # Errors
    /// If the network fails.
    pub fn detect(&mut self, picture: &Picture) -> Result<Vec<Face>, VisionError> {
        if (picture.width(), picture.height()) == (self.width, self.height) {
            return self.decode(&self.network.run(picture)?, 1.0);
        }
        let (fitted, scale) = self.letterbox(picture);
        self.decode(&self.network.run(&fitted)?, 1.0 / scale)
    }

    /// Scales the picture down to fit the network's input and pads it with black at the right and
    /// at the bottom. Returns the padded picture and the scale.
    fn letterbox(&mut self, picture: &Picture) -> (Picture, f32) {
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let scale = (self.width as f32 / width).min(self.height as f32 / height).min(1.0);
        let side = |length: f32, limit: u32| ((length * scale).round() as u32).clamp(1, limit);
        let (width, height) = (side(width, self.width), side(height, self.height));
        let small = self.scaler.resize(picture, width, height);
        let mut fitted = Picture::filled(self.width, self.height, [0; 3]);
        let row = width as usize * 3;
        let rows = fitted.rgb_mut().chunks_exact_mut(self.width as usize * 3);
        for (into, from) in rows.zip(small.rgb().chunks_exact(row)) {
            into[..row].copy_from_slice(from);
        }
        (fitted, scale)
    }

    /// Converts the network's outputs to faces. `scale` is the number of picture pixels per input
    /// pixel.
    fn decode(
        &self,
        outputs: &[Zeroizing<Vec<f32>>],
        scale: f32,
    ) -> Result<Vec<Face>, VisionError> {
        let mut faces = Vec::new();
        for (indices, stride) in self.outputs.iter().zip(STRIDES) {
            let [class, object, bounds, landmarks] = indices.map(|index| &outputs[index]);
            let columns = (self.width / stride) as usize;
            let cells = columns * (self.height / stride) as usize;
            let shapes = [(class, 1), (object, 1), (bounds, 4), (landmarks, 2 * LANDMARK_COUNT)];
            if shapes.iter().any(|(values, each)| values.len() != cells * each) {
                return Err(self
                    .network
                    .inference_error("its outputs do not have the shapes of YuNet"));
            }
            let stride = stride as f32;
            for cell in 0..cells {
                let probability = |values: &[f32]| values[cell].clamp(0.0, 1.0);
                let score = (probability(class) * probability(object)).sqrt();
                if score.is_nan() || score < self.threshold {
                    continue;
                }
                let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
                let [dx, dy, dw, dh] = [0, 1, 2, 3].map(|i| bounds[cell * 4 + i]);
                let (width, height) = (dw.exp() * stride, dh.exp() * stride);
                let point = |i: usize| {
                    let x = cell * 2 * LANDMARK_COUNT + 2 * i;
                    [(landmarks[x] + column) * stride, (landmarks[x + 1] + row) * stride]
                };
                let face = Face {
                    bounds: Rect {
                        x: ((column + dx) * stride - width / 2.0) * scale,
                        y: ((row + dy) * stride - height / 2.0) * scale,
                        width: width * scale,
                        height: height * scale,
                    },
                    landmarks: [0, 1, 2, 3, 4].map(point).map(|p| p.map(|v| v * scale)),
                    score,
                };
                if face.is_finite() {
                    faces.push(face);
                }
            }
        }
        Ok(suppress_overlapping(faces))
    }
}

impl Face {
    /// Returns the distance between the eyes, in pixels.
    pub fn eye_distance(&self) -> f32 {
        let [right_eye, left_eye, ..] = self.landmarks;
        (left_eye[0] - right_eye[0]).hypot(left_eye[1] - right_eye[1])
    }

    fn is_finite(&self) -> bool {
        let Rect { x, y, width, height } = self.bounds;
        [x, y, width, height].iter().chain(self.landmarks.as_flattened()).all(|v| v.is_finite())
    }
}

/// Keeps the box with the highest score for each face (greedy non-maximum suppression). Its
/// landmarks become the mean over all boxes that overlap it by [`AVERAGING_IOU`], because each
/// output cell of the network estimates the landmarks independently.
fn suppress_overlapping(mut detected: Vec<Face>) -> Vec<Face> {
    detected.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut faces: Vec<Face> = Vec::new();
    for face in &detected {
        if faces.iter().all(|kept| kept.bounds.iou(&face.bounds) <= NMS_IOU) {
            faces.push(face.clone());
        }
    }
    for face in &mut faces {
        let similar =
            detected.iter().filter(|candidate| face.bounds.iou(&candidate.bounds) >= AVERAGING_IOU);
        let (mut sum, mut count) = ([[0f32; 2]; LANDMARK_COUNT], 0f32);
        for candidate in similar {
            count += 1.0;
            for (sum, point) in
                sum.as_flattened_mut().iter_mut().zip(candidate.landmarks.as_flattened())
            {
                *sum += point;
            }
        }
        // The count is at least 1: a box overlaps itself.
        face.landmarks = sum.map(|point| point.map(|v| v / count));
    }
    faces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, score: f32) -> Face {
        let bounds = Rect { x, y: 0.0, width: 10.0, height: 10.0 };
        Face { bounds, landmarks: [[0.0; 2]; LANDMARK_COUNT], score }
    }

    #[test]
    fn box_with_highest_score_is_kept() {
        let kept = suppress_overlapping(vec![face(0.0, 0.8), face(2.0, 0.9), face(30.0, 0.7)]);
        assert_eq!(kept.iter().map(|f| f.bounds.x).collect::<Vec<_>>(), [2.0, 30.0]);
    }

    #[test]
    fn landmarks_are_averaged_over_similar_boxes() {
        let boxes = [(0.0, 0.9, 4.0), (1.0, 0.8, 6.0), (5.0, 0.85, 90.0), (30.0, 0.7, 50.0)];
        let faces = boxes.map(|(x, score, landmark)| Face {
            landmarks: [[landmark, 2.0 * landmark]; LANDMARK_COUNT],
            ..face(x, score)
        });
        let landmarks: Vec<_> =
            suppress_overlapping(faces.to_vec()).iter().map(|f| f.landmarks[3]).collect();
        assert_eq!(landmarks, [[5.0, 10.0], [50.0, 100.0]]);
    }
}
