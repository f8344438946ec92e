//! Faces and their five landmarks, by YuNet (Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face
//! Detector", 2023). The decoding is the one that OpenCV's `FaceDetectorYN` uses, but for the landmarks,
//! which are steadier here.

use instored_imaging::{Picture, Scaler};

use super::network::Network;
use super::{Model, VisionError};

/// Number of landmarks: right eye, left eye, nose tip, right and left corner of the mouth, as the
/// person has them; the right eye is the first from the left in the picture.
pub const LANDMARK_COUNT: usize = 5;

/// The network looks at the picture in steps of this many pixels.
const STRIDES: [u32; 3] = [8, 16, 32];

/// Overlap (intersection over union) from which two boxes are the same face; OpenCV's default.
const SAME_FACE_OVERLAP: f32 = 0.3;

/// Overlap from which two boxes are so much the same that their landmarks are averaged. Measured:
/// anything from 0.3 to 0.7 does as well.
const SAME_BOX_OVERLAP: f32 = 0.5;

/// A box in pixels; may reach beyond the picture.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width, above 0.
    pub width: f32,
    /// Height, above 0.
    pub height: f32,
}

impl Rect {
    /// Intersection over union, 0 to 1.
    pub fn iou(&self, other: &Self) -> f32 {
        let side = |a: f32, a_length: f32, b: f32, b_length: f32| {
            ((a + a_length).min(b + b_length) - a.max(b)).max(0.0)
        };
        let shared = side(self.x, self.width, other.x, other.width)
            * side(self.y, self.height, other.y, other.height);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// Square pixels.
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// The middle.
    pub fn centre(&self) -> [f32; 2] {
        [self.x + self.width / 2.0, self.y + self.height / 2.0]
    }
}

/// A face as it was found, in pixels of the picture.
#[derive(Clone, PartialEq, Debug)]
pub struct Face {
    /// Where.
    pub bounds: Rect,
    /// Its landmarks, (x, y) each.
    pub landmarks: [[f32; 2]; LANDMARK_COUNT],
    /// How sure the detector is, 0 to 1. Says nothing about who it is.
    pub score: f32,
}

/// Finds faces.
pub struct Detector {
    network: Network,
    width: u32,
    height: u32,
    threshold: f32,
    /// Per stride: the places of `cls`, `obj`, `bbox` and `kps` among the outputs.
    outputs: [[usize; 4]; STRIDES.len()],
    scaler: Scaler,
}

impl Detector {
    /// Prepares a detector that scales pictures down to fit `width` x `height`.
    ///
    /// # Errors
    /// When a side is no multiple of 32 in 32 to 2048, or the model is not of YuNet's form.
    pub fn new(model: &Model, width: u32, height: u32) -> Result<Self, VisionError> {
        let good = |side: u32| side.is_multiple_of(32) && (32..=2048).contains(&side);
        if !good(width) || !good(height) {
            return Err(VisionError::DetectorSize { width, height });
        }
        let network = Network::new(model, width, height)?;
        let mut outputs = [[0; 4]; STRIDES.len()];
        for (places, stride) in outputs.iter_mut().zip(STRIDES) {
            for (place, name) in places.iter_mut().zip(["cls", "obj", "bbox", "kps"]) {
                *place = network.output(&format!("{name}_{stride}"))?;
            }
        }
        let threshold = model.threshold()?;
        Ok(Self { network, width, height, threshold, outputs, scaler: Scaler::default() })
    }

    /// All faces in the picture, the surest first.
    ///
    /// # Errors
    /// When the network fails.
    pub fn detect(&mut self, picture: &Picture) -> Result<Vec<Face>, VisionError> {
        if (picture.width(), picture.height()) == (self.width, self.height) {
            return self.decode(&self.network.run(picture)?, 1.0);
        }
        let (fitted, scale) = self.fit(picture);
        self.decode(&self.network.run(&fitted)?, 1.0 / scale)
    }

    /// The picture scaled down to fit, in the upper left corner of a black one of the network's size.
    fn fit(&mut self, picture: &Picture) -> (Picture, f32) {
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

    fn decode(&self, outputs: &[Vec<f32>], scale: f32) -> Result<Vec<Face>, VisionError> {
        let mut faces = Vec::new();
        for (places, stride) in self.outputs.iter().zip(STRIDES) {
            let [class, object, bounds, landmarks] = places.map(|place| &outputs[place]);
            let columns = (self.width / stride) as usize;
            let cells = columns * (self.height / stride) as usize;
            let shapes = [(class, 1), (object, 1), (bounds, 4), (landmarks, 2 * LANDMARK_COUNT)];
            if shapes.iter().any(|(values, each)| values.len() != cells * each) {
                return Err(self.network.broken("its outputs do not have YuNet's shapes"));
            }
            let stride = stride as f32;
            for cell in 0..cells {
                let sure = |values: &[f32]| values[cell].clamp(0.0, 1.0);
                let score = (sure(class) * sure(object)).sqrt();
                // NaN is no face either.
                if score.is_nan() || score < self.threshold {
                    continue;
                }
                let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
                let [dx, dy, dw, dh] = [0, 1, 2, 3].map(|i| bounds[cell * 4 + i]);
                let (width, height) = (dw.exp() * stride, dh.exp() * stride);
                let point = |i: usize| {
                    let at = cell * 2 * LANDMARK_COUNT + 2 * i;
                    [(landmarks[at] + column) * stride, (landmarks[at + 1] + row) * stride]
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
        Ok(one_box_a_face(faces))
    }
}

impl Face {
    fn is_finite(&self) -> bool {
        let Rect { x, y, width, height } = self.bounds;
        [x, y, width, height].iter().chain(self.landmarks.as_flattened()).all(|v| v.is_finite())
    }
}

/// Greedy non-maximum suppression. The box is the surest one; the landmarks are the mean of those of
/// every box that is much the same, which halves their error: each cell of the network guesses them
/// for itself.
fn one_box_a_face(mut found: Vec<Face>) -> Vec<Face> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut faces: Vec<Face> = Vec::new();
    for face in &found {
        if faces.iter().all(|kept| kept.bounds.iou(&face.bounds) <= SAME_FACE_OVERLAP) {
            faces.push(face.clone());
        }
    }
    for face in &mut faces {
        let same = found.iter().filter(|other| face.bounds.iou(&other.bounds) >= SAME_BOX_OVERLAP);
        let (mut sum, mut count) = ([[0f32; 2]; LANDMARK_COUNT], 0f32);
        for other in same {
            count += 1.0;
            for (sum, point) in
                sum.as_flattened_mut().iter_mut().zip(other.landmarks.as_flattened())
            {
                *sum += point;
            }
        }
        // A box overlaps itself.
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
    fn overlapping_boxes_are_one_face_and_the_surest_stays() {
        let kept = one_box_a_face(vec![face(0.0, 0.8), face(2.0, 0.9), face(30.0, 0.7)]);
        assert_eq!(kept.iter().map(|f| f.bounds.x).collect::<Vec<_>>(), [2.0, 30.0]);
    }

    #[test]
    fn landmarks_are_the_mean_of_boxes_that_are_much_the_same() {
        let found = [(0.0, 0.9, 4.0), (1.0, 0.8, 6.0), (5.0, 0.85, 90.0), (30.0, 0.7, 50.0)];
        let faces = found.map(|(x, score, at)| Face {
            landmarks: [[at, 2.0 * at]; LANDMARK_COUNT],
            ..face(x, score)
        });
        let landmarks: Vec<_> =
            one_box_a_face(faces.to_vec()).iter().map(|f| f.landmarks[3]).collect();
        assert_eq!(landmarks, [[5.0, 10.0], [50.0, 100.0]]);
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        let a = face(0.0, 1.0).bounds;
        assert!((a.iou(&face(5.0, 1.0).bounds) - 1.0 / 3.0).abs() < 1e-6);
        assert!(a.iou(&face(20.0, 1.0).bounds).abs() < 1e-6);
    }
}
