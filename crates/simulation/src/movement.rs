//! Movement and pose of a person as functions of time.

use std::f32::consts::TAU;
use std::time::Duration;

use crate::random::uniform_hash;

/// Time to walk in or out, or from one place to another.
const WALK_TIME: Duration = Duration::from_secs(2);
/// Time to turn aside and back.
const TURN_TIME: Duration = Duration::from_millis(2_000);
/// Scale of a person outside the frame.
const OUTSIDE_SCALE: f32 = 0.36;
/// Width of a person who is turned aside, relative to a person who faces the camera.
const ASIDE_ASPECT: f32 = 0.7;

/// A place to stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Middle,
    Left,
    Right,
}

impl Place {
    /// All places, in the order in which they are taken.
    pub(super) const ALL: [Self; 3] = [Self::Middle, Self::Left, Self::Right];

    /// Returns the horizontal position in frame widths, and the scale relative to the middle.
    fn position(self) -> (f32, f32) {
        match self {
            Self::Middle => (0.5, 1.0),
            Self::Left => (0.2, 0.82),
            Self::Right => (0.8, 0.82),
        }
    }

    /// Returns the horizontal position outside the frame from which a person enters, in frame widths.
    fn entry(self) -> f32 {
        match self {
            Self::Middle | Self::Right => 1.12,
            Self::Left => -0.12,
        }
    }
}

/// Appearance of a person at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    /// Position of the head, in frame widths.
    pub x: f32,
    /// Position of the head, in frame heights.
    pub y: f32,
    /// Scale: 1 if the height of the portrait is five sixths of the frame's.
    pub scale: f32,
    /// Factor on the width: below 1 while the person is turned aside.
    pub aspect: f32,
    /// Tilt of the head in radians.
    pub tilt: f32,
    /// Brightness relative to the portrait.
    pub brightness: f32,
    /// True if the person moves fast enough to blur.
    pub is_blurred: bool,
}

/// State of a person's movement.
#[derive(Debug)]
pub(super) struct Movement {
    /// Position between outside (0) and the place to stand (1).
    progress: f32,
    is_leaving: bool,
    /// Time since the person started to enter.
    age: Duration,
    /// Age at the start of the latest turn aside.
    turn_start: Option<Duration>,
    /// Previous place, and age at the start of the walk to the present place.
    previous_place: Option<(Place, Duration)>,
}

impl Movement {
    /// Creates the movement of a person who is about to enter.
    pub(super) fn new() -> Self {
        Self {
            progress: 0.0,
            is_leaving: false,
            age: Duration::ZERO,
            turn_start: None,
            previous_place: None,
        }
    }

    /// Starts the walk out of the frame.
    pub(super) fn leave(&mut self) {
        self.is_leaving = true;
    }

    /// Starts a turn aside and back.
    pub(super) fn turn_aside(&mut self) {
        self.turn_start = Some(self.age);
    }

    /// Starts the walk from `place` to another place.
    pub(super) fn move_from(&mut self, place: Place) {
        self.previous_place = Some((place, self.age));
    }

    /// Advances the time by `step`.
    pub(super) fn advance(&mut self, step: Duration) {
        self.age += step;
        let walked = step.as_secs_f32() / WALK_TIME.as_secs_f32();
        let walked = if self.is_leaving { -walked } else { walked };
        self.progress = (self.progress + walked).clamp(0.0, 1.0);
    }

    /// Returns true if the person has left.
    pub(super) fn has_left(&self) -> bool {
        self.is_leaving && self.progress <= 0.0
    }

    /// Returns true if the person stands at the place.
    pub(super) fn is_standing(&self) -> bool {
        !self.is_leaving && self.progress >= 1.0
    }

    /// Returns the pose on the way to `place` or at it. `seed` gives each person individual motion.
    pub(super) fn pose(&self, place: Place, seed: u64) -> Pose {
        let progress = smoothstep(self.progress);
        let walking = 4.0 * self.progress * (1.0 - self.progress);
        let age = self.age.as_secs_f32();
        let sway = |hertz: f32, index: u64| (TAU * (age * hertz + phase(seed, index))).sin();
        let (x, scale) = self.position(place);
        let scale = OUTSIDE_SCALE + (scale - OUTSIDE_SCALE) * progress;
        let step = sway(1.9, 0).abs() * walking;
        Pose {
            x: place.entry() + (x - place.entry()) * progress + 0.008 * sway(0.23, 1) * progress,
            y: 0.52 - 0.02 * step + 0.004 * sway(0.31, 2),
            scale: scale * (1.0 + 0.02 * sway(0.17, 3)),
            aspect: 1.0 - (1.0 - ASIDE_ASPECT) * self.turn_extent(),
            tilt: 0.045 * sway(0.21, 4) + 0.03 * walking * sway(0.95, 0),
            brightness: 0.86 + 0.14 * progress + 0.03 * sway(0.13, 5),
            is_blurred: walking > 0.3,
        }
    }

    /// Returns the horizontal position and the scale, interpolated while the person walks from place to
    /// place.
    fn position(&self, place: Place) -> (f32, f32) {
        let (x, scale) = place.position();
        let Some((from, start)) = self.previous_place else { return (x, scale) };
        let part = (self.age - start).as_secs_f32() / WALK_TIME.as_secs_f32();
        let remaining = 1.0 - smoothstep(part.clamp(0.0, 1.0));
        let (from_x, from_scale) = from.position();
        (x + (from_x - x) * remaining, scale + (from_scale - scale) * remaining)
    }

    /// Returns the extent of the turn aside, 0 to 1.
    fn turn_extent(&self) -> f32 {
        let Some(start) = self.turn_start else { return 0.0 };
        let part = (self.age - start).as_secs_f32() / TURN_TIME.as_secs_f32();
        // The turn takes a quarter of the time, the pause half, and the turn back a quarter.
        smoothstep((4.0 * part.min(1.0 - part)).clamp(0.0, 1.0))
    }
}

/// Returns the cubic function that rises smoothly from 0 at `t` = 0 to 1 at `t` = 1.
pub(super) fn smoothstep(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// Returns a pseudo-random phase in periods, 0 to 1.
fn phase(seed: u64, index: u64) -> f32 {
    uniform_hash(seed.wrapping_mul(31).wrapping_add(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pose_after(movement: &mut Movement, seconds: f32) -> Pose {
        movement.advance(Duration::from_secs_f32(seconds));
        movement.pose(Place::Middle, 1)
    }

    #[test]
    fn person_enters_stands_and_leaves() {
        let mut movement = Movement::new();
        assert!(pose_after(&mut movement, 0.0).x > 1.1 && !movement.is_standing());
        let [start, half, end] = [0.1, 0.9, 1.0].map(|s| pose_after(&mut movement, s));
        assert!(start.scale < half.scale && half.scale < end.scale);
        assert!((end.x - 0.5).abs() < 0.02 && movement.is_standing());
        movement.leave();
        assert!(!movement.has_left() && !movement.is_standing());
        assert!(pose_after(&mut movement, 2.0).x > 1.1 && movement.has_left());
    }

    #[test]
    fn person_turns_aside_and_back() {
        let mut movement = Movement::new();
        assert!(pose_after(&mut movement, 3.0).aspect > 0.999);
        movement.turn_aside();
        assert!((pose_after(&mut movement, 1.0).aspect - ASIDE_ASPECT).abs() < 1e-3);
        assert!(pose_after(&mut movement, 1.5).aspect > 0.999);
        assert!(pose_after(&mut movement, 60.0).aspect > 0.999);
    }

    #[test]
    fn person_walks_from_place_to_place() {
        let mut movement = Movement::new();
        let x = |movement: &mut Movement, seconds| {
            movement.advance(Duration::from_secs_f32(seconds));
            movement.pose(Place::Right, 1).x
        };
        assert!((x(&mut movement, 3.0) - 0.8).abs() < 0.02);
        movement.move_from(Place::Left);
        assert!((x(&mut movement, 0.0) - 0.2).abs() < 0.02);
        assert!((x(&mut movement, 1.0) - 0.5).abs() < 0.03);
        assert!((x(&mut movement, 1.0) - 0.8).abs() < 0.02);
    }

    #[test]
    fn standing_person_sways_within_limits() {
        let mut movement = Movement::new();
        pose_after(&mut movement, 2.0);
        let poses: Vec<_> = (0..200).map(|_| pose_after(&mut movement, 0.1)).collect();
        assert!(poses.windows(2).all(|pair| pair[0].x != pair[1].x));
        for pose in poses {
            assert!((pose.x - 0.5).abs() < 0.01 && (pose.scale - 1.0).abs() < 0.03);
            assert!(pose.tilt.abs() < 0.08 && (pose.brightness - 1.0).abs() < 0.05);
            assert!(!pose.is_blurred);
        }
    }
}
