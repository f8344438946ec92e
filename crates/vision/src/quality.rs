//! Is this view of a face good enough to say anything about whose it is?

use instored_imaging::Picture;

use super::{Face, LANDMARK_COUNT};

/// How the head is held, from the landmarks alone.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pose {
    /// Turned left or right: the nose's way off the middle of the eyes, in eye distances; 0 is
    /// straight ahead, beyond ±0.35 one cheek is hidden.
    pub yaw: f32,
    /// Up or down: where the nose is between eyes (0) and mouth (1); about 0.55 straight ahead.
    pub pitch: f32,
    /// Tilted towards a shoulder, in degrees.
    pub roll: f32,
}

/// What can be said of a view.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quality {
    /// Pixels between the eyes.
    pub eye_distance: f32,
    /// Variance of the Laplacian of the aligned face's luma; blur brings it down.
    pub sharpness: f32,
    /// Mean luma of the aligned face, 0 to 255.
    pub brightness: f32,
    /// How the head is held.
    pub pose: Pose,
    /// Whether all landmarks are inside the picture, with a margin of a third eye distance.
    pub inside: bool,
}

/// From where a view is good enough.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct QualityLimits {
    /// At least so many pixels between the eyes.
    pub eye_distance: f32,
    /// At least this variance of the Laplacian.
    pub sharpness: f32,
    /// Between these means of luma.
    pub brightness: (f32, f32),
    /// At most this far to a side, in eye distances.
    pub yaw: f32,
    /// Between these places of the nose.
    pub pitch: (f32, f32),
    /// At most this tilt, in degrees.
    pub roll: f32,
}

/// Why a view is not good enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum QualityIssue {
    TooSmall,
    CutOff,
    TooDark,
    TooBright,
    Blurred,
    TurnedAway,
}

impl Pose {
    /// The pose that the landmarks show.
    pub fn from_landmarks(landmarks: &[[f32; 2]; LANDMARK_COUNT]) -> Self {
        let [right_eye, left_eye, nose, right_mouth, left_mouth] = *landmarks;
        let middle = |a: [f32; 2], b: [f32; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
        let (dx, dy) = (left_eye[0] - right_eye[0], left_eye[1] - right_eye[1]);
        let distance = dx.hypot(dy).max(f32::EPSILON);
        // Along and across the line of the eyes, so that a tilt does not look like a turn.
        let (along, down) = ([dx / distance, dy / distance], [-dy / distance, dx / distance]);
        let eyes = middle(right_eye, left_eye);
        let mouth = middle(right_mouth, left_mouth);
        let from_eyes =
            |p: [f32; 2], axis: [f32; 2]| (p[0] - eyes[0]) * axis[0] + (p[1] - eyes[1]) * axis[1];
        Self {
            yaw: from_eyes(nose, along) / distance,
            pitch: from_eyes(nose, down) / from_eyes(mouth, down).max(f32::EPSILON),
            roll: dy.atan2(dx).to_degrees(),
        }
    }

    /// Whether two poses are different enough to teach something new: a twentieth of an eye
    /// distance, a fifteenth of the nose's way, or four degrees.
    pub fn differs_from(&self, other: &Self) -> bool {
        (self.yaw - other.yaw).abs() > 0.05
            || (self.pitch - other.pitch).abs() > 0.066
            || (self.roll - other.roll).abs() > 4.0
    }
}

impl Quality {
    /// Measures a view: the face as found in `picture`, and as cut out of it.
    pub fn measure(face: &Face, picture: &Picture, aligned: &Picture) -> Self {
        let [right_eye, left_eye, ..] = face.landmarks;
        let eye_distance = (left_eye[0] - right_eye[0]).hypot(left_eye[1] - right_eye[1]);
        let margin = eye_distance / 3.0;
        let within = |v: f32, length: u32| v >= margin && v <= length as f32 - margin;
        let inside = face
            .landmarks
            .iter()
            .all(|[x, y]| within(*x, picture.width()) && within(*y, picture.height()));
        let luma = luma(aligned);
        Self {
            eye_distance,
            sharpness: laplacian_variance(&luma, aligned.width() as usize),
            brightness: luma.iter().sum::<f32>() / luma.len() as f32,
            pose: Pose::from_landmarks(&face.landmarks),
            inside,
        }
    }

    /// The first thing that is wrong with the view, if any.
    pub fn issue(&self, limits: &QualityLimits) -> Option<QualityIssue> {
        let Pose { yaw, pitch, roll } = self.pose;
        let outside = |v: f32, (low, high): (f32, f32)| v < low || v > high;
        [
            (self.eye_distance < limits.eye_distance, QualityIssue::TooSmall),
            (!self.inside, QualityIssue::CutOff),
            (
                yaw.abs() > limits.yaw || outside(pitch, limits.pitch) || roll.abs() > limits.roll,
                QualityIssue::TurnedAway,
            ),
            (self.brightness < limits.brightness.0, QualityIssue::TooDark),
            (self.brightness > limits.brightness.1, QualityIssue::TooBright),
            (self.sharpness < limits.sharpness, QualityIssue::Blurred),
        ]
        .into_iter()
        .find_map(|(wrong, shortcoming)| wrong.then_some(shortcoming))
    }
}

impl Default for QualityLimits {
    fn default() -> Self {
        Self {
            eye_distance: 24.0,
            sharpness: 12.0,
            brightness: (40.0, 225.0),
            yaw: 0.35,
            pitch: (0.25, 0.85),
            roll: 30.0,
        }
    }
}

/// BT.601 luma, 0 to 255.
fn luma(picture: &Picture) -> Vec<f32> {
    let weigh =
        |p: &[u8]| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
    picture.rgb().chunks_exact(3).map(weigh).collect()
}

/// Variance of the four-neighbour Laplacian (Pech-Pacheco et al., "Diatom autofocusing in
/// brightfield microscopy", 2000).
fn laplacian_variance(luma: &[f32], width: usize) -> f32 {
    let rows: Vec<&[f32]> = luma.chunks_exact(width).collect();
    let (mut count, mut sum, mut squares) = (0u32, 0f64, 0f64);
    for rows in rows.windows(3) {
        let [above, row, below] = [rows[0], rows[1], rows[2]];
        for x in 1..width.saturating_sub(1) {
            let value = f64::from(above[x] + below[x] + row[x - 1] + row[x + 1] - 4.0 * row[x]);
            count += 1;
            sum += value;
            squares += value * value;
        }
    }
    let count = f64::from(count.max(1));
    (squares / count - (sum / count).powi(2)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rect;

    const STRAIGHT: [[f32; 2]; LANDMARK_COUNT] =
        [[80.0, 80.0], [120.0, 80.0], [100.0, 102.0], [84.0, 120.0], [116.0, 120.0]];

    fn quality(landmarks: [[f32; 2]; LANDMARK_COUNT], aligned: &Picture) -> Quality {
        let face = Face { bounds: Rect::default(), landmarks, score: 0.9 };
        Quality::measure(&face, &Picture::filled(200, 200, [0; 3]), aligned)
    }

    fn chequered(dark: u8, bright: u8) -> Picture {
        let pixels = (0..112 * 112).flat_map(|i| {
            let value = if (i % 112 / 4 + i / 112 / 4) % 2 == 0 { dark } else { bright };
            [value; 3]
        });
        Picture::new(112, 112, pixels.collect()).unwrap()
    }

    #[test]
    fn a_straight_sharp_lit_face_is_good() {
        let quality = quality(STRAIGHT, &chequered(90, 150));
        assert_eq!(quality.issue(&QualityLimits::default()), None, "{quality:?}");
        assert!(quality.pose.yaw.abs() < 1e-6 && quality.pose.roll.abs() < 1e-6);
    }

    #[test]
    fn each_shortcoming_is_named() {
        let limits = QualityLimits::default();
        let good = chequered(90, 150);
        let small = STRAIGHT.map(|p| p.map(|v| v / 2.0 + 40.0));
        let at_edge = STRAIGHT.map(|[x, y]| [x - 75.0, y]);
        let mut turned = STRAIGHT;
        turned[2][0] += 16.0;
        for (landmarks, aligned, wanted) in [
            (small, &good, QualityIssue::TooSmall),
            (at_edge, &good, QualityIssue::CutOff),
            (turned, &good, QualityIssue::TurnedAway),
            (STRAIGHT, &chequered(0, 30), QualityIssue::TooDark),
            (STRAIGHT, &chequered(230, 255), QualityIssue::TooBright),
            (STRAIGHT, &Picture::filled(112, 112, [120; 3]), QualityIssue::Blurred),
        ] {
            assert_eq!(quality(landmarks, aligned).issue(&limits), Some(wanted));
        }
    }

    #[test]
    fn a_tilted_head_is_not_a_turned_one() {
        let (sin, cos) = 0.4f32.sin_cos();
        let tilted = STRAIGHT.map(|[x, y]| {
            let (x, y) = (x - 100.0, y - 100.0);
            [cos * x - sin * y + 100.0, sin * x + cos * y + 100.0]
        });
        let pose = Pose::from_landmarks(&tilted);
        assert!(pose.yaw.abs() < 1e-5 && (pose.roll - 22.918).abs() < 0.01, "{pose:?}");
    }
}
