//! Attention of a face in mode `entrance`: near the camera and turned to it for a while.

use std::time::Duration;

use instored_vision::{Face, Pose};

/// Limits of attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Smallest distance between the eyes, in pixels.
    pub eye_distance: f32,
    /// Time for which the face must be near and turned to the camera.
    pub duration: Duration,
}

/// Attention of one track.
#[derive(Debug, Default)]
pub(super) struct Attention {
    /// Time since which every detection showed the face near and turned to the camera.
    since: Option<Duration>,
}

/// Largest yaw of a face that is turned to the camera, in eye distances.
const YAW_MAX: f32 = 0.2;
/// Smallest and largest pitch of a face that is turned to the camera.
const PITCH: (f32, f32) = (0.35, 0.75);

impl Attention {
    /// Adds a detection. Returns true if the face attends.
    pub fn update(&mut self, now: Duration, face: &Face, rules: &Rules) -> bool {
        let Pose { yaw, pitch, .. } = Pose::from_landmarks(&face.landmarks);
        let is_near = face.eye_distance() >= rules.eye_distance;
        let is_turned_to_camera = yaw.abs() <= YAW_MAX && (PITCH.0..=PITCH.1).contains(&pitch);
        if !is_near || !is_turned_to_camera {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now.saturating_sub(since) >= rules.duration
    }
}

#[cfg(test)]
mod tests {
    use instored_vision::Rect;

    use super::*;

    const RULES: Rules = Rules { eye_distance: 30.0, duration: Duration::from_millis(500) };

    /// Returns a face with this eye distance, whose nose is off the middle of the eyes by `yaw` and at
    /// the height `pitch`.
    fn face(eye_distance: f32, yaw: f32, pitch: f32) -> Face {
        let landmarks = [[-0.5, 0.0], [0.5, 0.0], [yaw, pitch], [-0.4, 1.0], [0.4, 1.0]]
            .map(|point: [f32; 2]| point.map(|v| 300.0 + eye_distance * v));
        Face { bounds: Rect::default(), landmarks, score: 0.9 }
    }

    /// Returns the time in milliseconds at which a face attends, among ten detections a second.
    fn attends_at(faces: &[Face]) -> Option<u64> {
        let mut attention = Attention::default();
        (0..).step_by(100).zip(faces).find_map(|(ms, face)| {
            attention.update(Duration::from_millis(ms), face, &RULES).then_some(ms)
        })
    }

    #[test]
    fn near_frontal_face_attends_after_the_duration() {
        assert_eq!(attends_at(&vec![face(31.0, 0.05, 0.55); 20]), Some(500));
    }

    #[test]
    fn face_in_profile_or_farther_away_never_attends() {
        for (eye_distance, yaw, pitch) in
            [(29.0, 0.0, 0.55), (60.0, 0.25, 0.55), (60.0, -0.5, 0.55), (60.0, 0.0, 0.8)]
        {
            let faces = vec![face(eye_distance, yaw, pitch); 100];
            assert_eq!(attends_at(&faces), None, "{eye_distance} {yaw} {pitch}");
        }
    }

    #[test]
    fn glance_restarts_the_duration() {
        let mut faces = vec![face(60.0, 0.0, 0.55); 20];
        for look_away in [4, 8] {
            faces[look_away] = face(60.0, 0.4, 0.55);
        }
        assert_eq!(attends_at(&faces), Some(1400));
    }
}
