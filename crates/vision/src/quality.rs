//! Quality of a view of a face: pose, size, sharpness and brightness.

use instored_imaging::Picture;
use zeroize::Zeroizing;

use super::{Face, LANDMARK_COUNT};

/// Pose of the head, estimated from the landmarks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pose {
    /// Horizontal offset of the nose from the midpoint of the eyes, in eye distances. A frontal
    /// face has 0. Beyond ±0.35, one cheek is hidden.
    pub yaw: f32,
    /// Vertical position of the nose between eyes (0) and mouth (1). A frontal face has about 0.55.
    pub pitch: f32,
    /// Tilt towards a shoulder, in degrees.
    pub roll: f32,
}

/// Measured quality of a view.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quality {
    /// Distance between the eyes, in pixels.
    pub eye_distance: f32,
    /// Variance of the Laplacian of the aligned face's luma. Blur lowers it.
    pub sharpness: f32,
    /// Mean luma of the aligned face, 0 to 255.
    pub brightness: f32,
    /// Pose of the head.
    pub pose: Pose,
    /// True if all landmarks are inside the picture, with a margin of a third of the eye distance.
    pub is_inside: bool,
}

/// Limits of a usable view.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct QualityLimits {
    /// Minimum distance between the eyes, in pixels.
    pub eye_distance: f32,
    /// Minimum variance of the Laplacian.
    pub sharpness: f32,
    /// Minimum and maximum mean luma.
    pub brightness: (f32, f32),
    /// Maximum absolute yaw, in eye distances.
    pub yaw: f32,
    /// Minimum and maximum pitch.
    pub pitch: (f32, f32),
    /// Maximum absolute tilt, in degrees.
    pub roll: f32,
}

/// Reason why a view is not usable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QualityIssue {
    /// The eyes are too close together.
    TooSmall,
    /// A landmark is outside the picture or near its edge.
    CutOff,
    /// The mean luma is too low.
    TooDark,
    /// The mean luma is too high.
    TooBright,
    /// The picture is not sharp.
    Blurred,
    /// The head is turned or tilted too far.
    TurnedAway,
}

impl Pose {
    /// Estimates the pose from the landmarks.
    pub fn from_landmarks(landmarks: &[[f32; 2]; LANDMARK_COUNT]) -> Self {
        let [right_eye, left_eye, nose, right_mouth, left_mouth] = *landmarks;
        let middle = |a: [f32; 2], b: [f32; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
        let (dx, dy) = (left_eye[0] - right_eye[0], left_eye[1] - right_eye[1]);
        let distance = dx.hypot(dy).max(f32::EPSILON);
        // The axes are parallel and perpendicular to the line of the eyes, so that a tilt does not
        // change the yaw.
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

    /// Returns true if a view in this pose adds information to a view in the pose `other`: if they
    /// differ by more than 0.05 in yaw, 0.066 in pitch, or 4 degrees in roll.
    pub fn differs_from(&self, other: &Self) -> bool {
        (self.yaw - other.yaw).abs() > 0.05
            || (self.pitch - other.pitch).abs() > 0.066
            || (self.roll - other.roll).abs() > 4.0
    }
}

impl Quality {
    /// Measures the view of `face` in `picture`. `aligned` is the aligned face.
    pub fn measure(face: &Face, picture: &Picture, aligned: &Picture) -> Self {
        let eye_distance = face.eye_distance();
        let margin = eye_distance / 3.0;
        let within = |v: f32, length: u32| v >= margin && v <= length as f32 - margin;
        let is_inside = face
            .landmarks
            .iter()
            .all(|[x, y]| within(*x, picture.width()) && within(*y, picture.height()));
        let luma = luma(aligned);
        Self {
            eye_distance,
            sharpness: laplacian_variance(&luma, aligned.width() as usize),
            brightness: luma.iter().sum::<f32>() / luma.len() as f32,
            pose: Pose::from_landmarks(&face.landmarks),
            is_inside,
        }
    }

    /// Returns the first issue of the view, or `None` if it is usable.
    pub fn issue(&self, limits: &QualityLimits) -> Option<QualityIssue> {
        let Pose { yaw, pitch, roll } = self.pose;
        let outside = |v: f32, (low, high): (f32, f32)| v < low || v > high;
        [
            (self.eye_distance < limits.eye_distance, QualityIssue::TooSmall),
            (!self.is_inside, QualityIssue::CutOff),
            (
                yaw.abs() > limits.yaw || outside(pitch, limits.pitch) || roll.abs() > limits.roll,
                QualityIssue::TurnedAway,
            ),
            (self.brightness < limits.brightness.0, QualityIssue::TooDark),
            (self.brightness > limits.brightness.1, QualityIssue::TooBright),
            (self.sharpness < limits.sharpness, QualityIssue::Blurred),
        ]
        .into_iter()
        .find_map(|(is_present, issue)| is_present.then_some(issue))
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

/// Returns the BT.601 luma of each pixel, 0 to 255.
fn luma(picture: &Picture) -> Zeroizing<Vec<f32>> {
    let weigh =
        |p: &[u8]| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
    Zeroizing::new(picture.rgb().chunks_exact(3).map(weigh).collect())
}

/// Returns the variance of the four-neighbour Laplacian (Pech-Pacheco et al., "Diatom autofocusing in
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

    const FRONTAL: [[f32; 2]; LANDMARK_COUNT] =
        [[80.0, 80.0], [120.0, 80.0], [100.0, 102.0], [84.0, 120.0], [116.0, 120.0]];

    fn quality(landmarks: [[f32; 2]; LANDMARK_COUNT], aligned: &Picture) -> Quality {
        let face = Face { bounds: Rect::default(), landmarks, score: 0.9 };
        Quality::measure(&face, &Picture::filled(200, 200, [0; 3]), aligned)
    }

    fn checkerboard(dark: u8, bright: u8) -> Picture {
        let pixels = (0..112 * 112).flat_map(|i| {
            let value = if (i % 112 / 4 + i / 112 / 4) % 2 == 0 { dark } else { bright };
            [value; 3]
        });
        Picture::new(112, 112, pixels.collect()).unwrap()
    }

    #[test]
    fn frontal_sharp_bright_face_has_no_issue() {
        let quality = quality(FRONTAL, &checkerboard(90, 150));
        assert_eq!(quality.issue(&QualityLimits::default()), None, "{quality:?}");
        assert!(quality.pose.yaw.abs() < 1e-6 && quality.pose.roll.abs() < 1e-6);
    }

    #[test]
    fn each_issue_is_detected() {
        let limits = QualityLimits::default();
        let good = checkerboard(90, 150);
        let small = FRONTAL.map(|p| p.map(|v| v / 2.0 + 40.0));
        let at_edge = FRONTAL.map(|[x, y]| [x - 75.0, y]);
        let mut turned = FRONTAL;
        turned[2][0] += 16.0;
        for (landmarks, aligned, expected) in [
            (small, &good, QualityIssue::TooSmall),
            (at_edge, &good, QualityIssue::CutOff),
            (turned, &good, QualityIssue::TurnedAway),
            (FRONTAL, &checkerboard(0, 30), QualityIssue::TooDark),
            (FRONTAL, &checkerboard(230, 255), QualityIssue::TooBright),
            (FRONTAL, &Picture::filled(112, 112, [120; 3]), QualityIssue::Blurred),
        ] {
            assert_eq!(quality(landmarks, aligned).issue(&limits), Some(expected));
        }
    }

    #[test]
    fn tilt_does_not_change_yaw() {
        let (sin, cos) = 0.4f32.sin_cos();
        let tilted = FRONTAL.map(|[x, y]| {
            let (x, y) = (x - 100.0, y - 100.0);
            [cos * x - sin * y + 100.0, sin * x + cos * y + 100.0]
        });
        let pose = Pose::from_landmarks(&tilted);
        assert!(pose.yaw.abs() < 1e-5 && (pose.roll - 22.918).abs() < 0.01, "{pose:?}");
    }
}
